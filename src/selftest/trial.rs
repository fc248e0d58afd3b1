//! One run for the self-test's own sake.

use std::path::PathBuf;

use tokio::sync::watch;

use super::cores::Cores;
use crate::base::time::{self, Span};
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::reader::Evidence;
use crate::evidence::tally::Tally;
use crate::plan::Plan;
use crate::run::{self, Board, Launch};
use crate::scenario::{self, Leave, Scenario, Settings};

/// Where trials are made; removed in the end.
pub struct Bench {
    program: PathBuf,
    folder: PathBuf,
    cores: Option<Cores>,
}

/// A run that is over.
pub struct Trial {
    /// What was to be done.
    pub scenario: Scenario,
    /// In detail.
    pub plan: Plan,
    /// What was done.
    pub evidence: Evidence,
}

impl Bench {
    /// A bench in a folder for temporary files. Trials leave one processor to the target where there are several: made and
    /// used on the thread that blocks on the runtime, from which the senders inherit that.
    pub fn new(program: PathBuf) -> Result<Bench, String> {
        let folder =
            std::env::temp_dir().join(format!("proofload-selftest-{}-{}", std::process::id(), time::monotonic()));
        std::fs::create_dir_all(&folder)
            .map_err(|e| format!("{}: {e}; set TMPDIR to a folder that can be written", folder.display()))?;
        Ok(Bench { program, folder, cores: Cores::divide() })
    }

    /// The processor that is the target's: a number, or `any`.
    pub fn target_cpu(&self) -> String {
        self.cores.as_ref().map_or_else(|| "any".into(), |cores| cores.target().to_string())
    }

    /// This program, for its children.
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// A file of its own for a trial.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a scenario.
    pub async fn trial(&self, name: &str, yaml: &str) -> Result<Trial, String> {
        let settings = Settings { leave: Some(Leave { exec: true, ..Leave::default() }), ..Settings::alone(name) };
        let scenario = scenario::read(name, yaml, &settings).map_err(|e| e.to_string())?;
        let plan = Plan::new(&scenario);
        let launch = Launch {
            scenario: scenario.clone(),
            plan: plan.clone(),
            file: self.file(name),
            home: run::home(&self.folder, &self.file(name)),
            program: self.program.clone(),
            stage: None,
            standing: None,
            budget: None,
            baseline: None,
            board: watch::Sender::new(Board::default()),
            outlook: None,
        };
        let left = run::run(launch).await.map_err(|e| format!("{name}: {e}"))?;
        if let Some(trouble) = left.trouble {
            return Err(format!("{name}: {trouble}"));
        }
        let evidence = Evidence::read(&left.folder).map_err(|e| format!("{name}: {e}"))?;
        Ok(Trial { scenario, plan, evidence })
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder); // a folder for temporary files that stays does no harm
    }
}

impl Trial {
    /// Lengths on one clock, over the measured phase, whatever became of the shots.
    pub fn tally(&self, timing: Timing) -> Tally {
        self.evidence.latency.tally(self.measured(), |tag| tag.timing == timing)
    }

    /// The measured phase.
    pub fn measured(&self) -> Span {
        self.plan.timeline.measured(Some(0))
    }

    /// The most of a core that a worker used, spinning left out; over whole seconds of the measured phase.
    pub fn cpu(&self) -> Option<f64> {
        let measured = self.measured();
        let ticks = self.evidence.events.iter().filter_map(|e| if let Event::Tick(t) = e { Some(t) } else { None });
        let of = |tick: &crate::evidence::event::Tick| {
            let health = tick.health.iter().filter(|h| measured.contains(h.stretch().start)).map(|h| h.cpu);
            let bare =
                tick.cpu.iter().filter(|(s, _)| *s * 1_000_000_000 > measured.start.nanos()).map(|(_, share)| *share);
            health.chain(bare).collect::<Vec<_>>()
        };
        ticks.flat_map(of).reduce(f64::max)
    }
}
