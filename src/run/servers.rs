//! The servers that watch the target for its owners: met before the load, asked after it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::prepare::Prepared;
use crate::evidence::event::Event;
use crate::evidence::manifest::{End, How};
use crate::evidence::reader::Evidence;
use crate::evidence::servers::{FETCHED, Prometheus as Told, RULES};
use crate::judge;
use crate::observe::alertmanager::Alertmanager;
use crate::observe::prometheus::{Prometheus, Question, Wanted};

/// All questions after the load together may take so long.
const PATIENCE: Duration = Duration::from_secs(180);

impl Prepared<'_> {
    /// Meets the servers that the scenario names. The error says why one of them is of no use.
    pub(super) async fn meet_servers(&mut self) -> Result<(), String> {
        let secrets = self.secrets.clone();
        let secret = |name: &str| secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        if let Some(settings) = &self.launch.scenario.prometheus {
            let (nobody, _) = mpsc::unbounded_channel();
            let server = Prometheus::meet(settings, &secret, self.clock, nobody).await?;
            // What it evaluates now may be changed by the time that somebody asks. One without rules has none to keep.
            let is_live = self.launch.scenario.alerts.as_ref().is_some_and(|alerts| alerts.live.is_some());
            match server.rules().await {
                Ok(rules) => {
                    let kept = self.folder.keep_inputs([(RULES, rules.as_bytes())]);
                    self.manifest.inputs.extend(kept.map_err(|why| format!("{RULES} could not be kept: {why}"))?);
                    self.learn(rules, server.every())?;
                }
                Err(why) if is_live => {
                    return Err(format!("alerts: the rules of the Prometheus at {}: {why}", settings.server.address));
                }
                Err(_) => {}
            }
            self.prometheus = Some(server);
        }
        if let Some(settings) = &self.launch.scenario.alertmanager {
            self.alertmanager = Some(Alertmanager::meet(settings, &secret).await?);
        }
        Ok(())
    }

    /// Takes the rules of the server for the scenario's, where it wants them. The error says what of the scenario cannot work
    /// with them: better now than after the load.
    fn learn(&mut self, rules: String, every: Option<Duration>) -> Result<(), String> {
        let mut scenario = self.launch.scenario.clone();
        let Some(alerts) = scenario.alerts.as_mut().filter(|alerts| alerts.live.is_some()) else { return Ok(()) };
        alerts.learn(RULES, rules);
        if let Some(prometheus) = &mut scenario.prometheus {
            prometheus.every = prometheus.every.or(every);
        }
        let mistakes = judge::alerts::review(&scenario, &self.launch.plan);
        self.learnt = Some(scenario);
        if mistakes.is_empty() {
            return Ok(());
        }
        let each =
            mistakes.iter().map(|m| format!("  {}:{}: {}: {}; {}", m.at.line, m.at.col, m.path, m.what, m.remedy));
        Err(format!("with the rules of the Prometheus server:\n{}", each.collect::<Vec<_>>().join("\n")))
    }

    /// Watches the Alertmanager, where there is one, until told to stop.
    pub(super) fn watch_alertmanager(
        &mut self,
        events: &mpsc::UnboundedSender<Event>,
        stop: watch::Receiver<bool>,
    ) -> JoinHandle<()> {
        match self.alertmanager.take() {
            Some(server) => tokio::spawn(server.watch(self.clock, events.clone(), stop)),
            None => tokio::spawn(async {}),
        }
    }

    /// Fetches what promises read from the Prometheus server, and asks what it makes of them itself. Nothing of it is
    /// judged here: what did not come is not in the evidence, and what it is needed for is undecided.
    pub(super) async fn ask_prometheus(
        &mut self,
        how: &How,
        flush: &mpsc::UnboundedSender<oneshot::Sender<()>>,
        events: &mpsc::UnboundedSender<Event>,
    ) {
        let Some(mut server) = self.prometheus.take() else { return };
        let (scenario, plan) = (self.learnt.as_ref().unwrap_or(&self.launch.scenario), &self.launch.plan);
        server.introduce(self.clock, events.clone());
        if *how == How::Complete {
            tokio::time::sleep(self.clock.until(plan.timeline.end + server.grace())).await;
        }
        let deadline = self.clock.now() + PATIENCE;
        let wanted = judge::selections(scenario, plan).into_iter();
        let wanted: Vec<Wanted> = wanted.map(|s| Wanted { selector: s.selector, back: s.back }).collect();
        if let Err(why) = server.fetch(&wanted, &self.folder.file(FETCHED), deadline).await {
            let told = Told::Failed { asked: FETCHED.into(), why: why.to_string() };
            let _ = events.send(Event::Prometheus { at: self.clock.now(), told });
            return;
        }
        // What was told so far is read back: when a promise is judged, the judge says, by what is on the disk.
        let (done, written) = oneshot::channel();
        let _ = flush.send(done);
        let _ = written.await;
        let folder = self.folder.clone();
        let end = Some(End { how: how.clone(), at: self.clock.now() });
        let both = Arc::new((scenario.clone(), plan.clone()));
        let asked = tokio::task::spawn_blocking(move || {
            let mut evidence = Evidence::read(&folder).map_err(|why| why.to_string())?;
            evidence.manifest.end = end;
            Ok::<_, String>(judge::inquiries(&both.0, &both.1, &evidence))
        });
        if let Ok(Ok(asked)) = asked.await {
            let asked: Vec<Question> = asked.into_iter().map(|q| Question { expr: q.expr, at: q.at }).collect();
            server.answer(&asked, deadline).await;
        }
        server.state().await;
    }
}
