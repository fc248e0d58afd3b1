//! What stands over several runs: a practice target, and the stage that it was pointed at.
//!
//! A target that is started anew for every run is cold in every one, and whoever searches its capacity would measure that. A
//! stage of the run's own goes with it, and with it the addresses that the target calls. So both are started once, and runs use
//! them one after the other, as they would use a target and a stage that somebody else had started.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::target::Sim;
use crate::base::time::Clock;
use crate::fault::member::{Member, Spec};
use crate::scenario::{COMES_TO_KAFKA, Lead, Scenario, System};
use crate::stage::client::Config;

/// What a stage that is held says when it stands, in one line.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stands {
    /// What `run --stage` takes.
    pub control: String,
    /// Where each upstream answers: name and URL.
    pub upstreams: Vec<(String, String)>,
    /// Where each link listens: name and HOST:PORT.
    pub links: Vec<(String, String)>,
    /// Where clients find each Kafka cluster: name and HOST:PORT, separated by commas.
    pub kafka: Vec<(String, String)>,
}

/// A practice target and a stage that stand over several runs. They end with [`Standing::stop`], and with this program.
pub struct Standing {
    runtime: tokio::runtime::Runtime, // what they are watched by; every run has another
    stage: Option<(Arc<Member>, String)>,
    sim: Option<Arc<Sim>>,
}

impl Standing {
    /// Whether anything of a scenario can stand. What the run itself breaks or starts it must undo itself, by a stage of its
    /// own, and so nothing stands then.
    pub fn is_for(scenario: &Scenario) -> bool {
        let sim = matches!(scenario.target.system, System::Sim { .. });
        (sim || scenario.needs_stage()) && !scenario.needs_warden()
    }

    /// Starts what can stand. The error says what did not start.
    pub fn start(program: &Path, scenario: &Scenario) -> Result<Standing, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
        let (stage, sim) = runtime.block_on(async {
            let mut stands = Stands::default();
            let mut stage = None;
            if scenario.needs_stage() {
                let clock = Clock::starting_in(Duration::ZERO);
                let config = serde_json::to_string(&Config::new(scenario, &clock, "by-hand", None));
                let spec = Spec {
                    name: "stage".into(),
                    program: program.to_owned(),
                    args: ["stage", "--held", "--no-api", "--control", "127.0.0.1:0"].map(Into::into).to_vec(),
                    env: Vec::new(),
                    dir: None,
                    tells: Some(config.map_err(|why| why.to_string())?),
                    speaks: true,
                };
                let (member, line) = Member::start(spec).await?;
                stands = serde_json::from_str(&line).map_err(|e| format!("the stage said `{}`: {e}", line.trim()))?;
                stage = Some((member, stands.control.clone()));
            }
            let sim = match &scenario.target.system {
                System::Sim { name, with } => {
                    let kafka = kafka(scenario, &stands, name);
                    let upstreams = ways(scenario, &stands.upstreams, &stands.links);
                    Some(Arc::new(Sim::start(program, name, with, &upstreams, kafka.as_deref()).await?))
                }
                System::Services(_) => None,
            };
            Ok::<_, String>((stage, sim))
        })?;
        Ok(Standing { runtime, stage, sim })
    }

    /// Where the stage takes orders, if one stands.
    pub fn stage(&self) -> Option<&str> {
        self.stage.as_ref().map(|(_, control)| control.as_str())
    }

    /// The practice target, if one stands.
    pub(super) fn sim(&self) -> Option<Arc<Sim>> {
        self.sim.clone()
    }

    /// Ends both.
    pub fn stop(&self) {
        self.runtime.block_on(async {
            if let Some(sim) = &self.sim {
                sim.stop().await;
            }
            if let Some((stage, _)) = &self.stage {
                stage.stop().await;
            }
        });
    }
}

/// Where a practice target finds its upstreams: by a link, where one leads there.
pub(super) fn ways(
    scenario: &Scenario,
    upstreams: &[(String, String)],
    links: &[(String, String)],
) -> Vec<(String, String)> {
    let mut ways = upstreams.to_vec();
    for (link, (_, address)) in scenario.links.iter().zip(links) {
        if let Lead::Upstream(upstream) = link.to
            && let Some((_, url)) = ways.get_mut(upstream)
        {
            *url = format!("http://{address}");
        }
    }
    ways
}

/// The cluster that a practice target comes to, if it comes to one.
fn kafka(scenario: &Scenario, stands: &Stands, system: &str) -> Option<String> {
    let first = scenario.kafka.first().filter(|_| COMES_TO_KAFKA.contains(&system))?;
    let staged = || stands.kafka.iter().find(|(name, _)| *name == first.name).map(|(_, brokers)| brokers.clone());
    first.direct().or_else(staged)
}
