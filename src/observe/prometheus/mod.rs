//! A Prometheus server that watches the target too, or one that answers like it: who it is, what it has scraped, what it
//! makes of the promises itself, and which alerts fired.

mod answer;
mod fetch;
mod product;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::api::{Api, Refused};
use crate::base::time::{Clock, Offset};
use crate::evidence::event::Event;
use crate::evidence::servers::Prometheus as Told;
use crate::scenario;

pub use answer::Question;
pub use fetch::Wanted;
pub use product::{Identity, Product};

/// How often it scrapes where nobody knows.
const USUAL: Duration = Duration::from_secs(15);
/// A scrape that is on its way when the time has come.
const LATE: Duration = Duration::from_secs(1);
/// Longer is not waited for, unless the scenario says so.
const PATIENCE: Duration = Duration::from_secs(90);

/// A Prometheus server.
pub struct Prometheus {
    api: Arc<Api>,
    settings: scenario::Prometheus,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    identity: Identity,
}

impl Prometheus {
    /// Finds out who answers. What it says goes to `events`.
    pub async fn meet(
        settings: &scenario::Prometheus,
        secret: &dyn Fn(&str) -> Option<String>,
        clock: Clock,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<Prometheus, String> {
        let api = Arc::new(Api::new(&settings.server, secret)?);
        let identity = Identity::ask(&api, settings, clock).await;
        let identity = identity.map_err(|why| format!("the Prometheus at {}: {why}", settings.server.address))?;
        Ok(Prometheus { api, settings: settings.clone(), clock, events, identity })
    }

    /// Writes down who it is, on the axis that holds from now on.
    pub fn introduce(&mut self, clock: Clock, events: mpsc::UnboundedSender<Event>) {
        (self.clock, self.events) = (clock, events);
        self.tell(self.identity.told());
    }

    /// The rules that it evaluates, as the text of a rule file. The error says why there are none.
    pub async fn rules(&self) -> Result<String, Refused> {
        rules::rule_file(&self.api).await
    }

    /// How often it scrapes, where that is known.
    pub fn every(&self) -> Option<Duration> {
        self.settings.every.or(self.identity.every)
    }

    /// How long after the end its last samples are waited for.
    pub fn grace(&self) -> Duration {
        let usual = self.every().unwrap_or(USUAL);
        self.settings.grace.unwrap_or_else(|| (usual + LATE).min(PATIENCE))
    }

    /// How far its clock is ahead of ours, in nanoseconds.
    fn ahead(&self) -> i64 {
        self.identity.ahead
    }

    /// An instant of ours on its clock, in Unix milliseconds.
    fn on_its_clock(&self, at: Offset) -> i64 {
        (self.clock.wall_nanos(at) + self.ahead()).div_euclid(1_000_000)
    }

    fn tell(&self, told: Told) {
        let _ = self.events.send(Event::Prometheus { at: self.clock.now(), told });
    }

    fn failed(&self, asked: &str, why: &Refused) {
        self.tell(Told::Failed { asked: asked.into(), why: why.to_string() });
    }
}

/// Unix milliseconds as the API takes them: seconds with three digits behind the point.
fn seconds(ms: i64) -> String {
    format!("{}{}.{:03}", if ms < 0 { "-" } else { "" }, ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

#[cfg(test)]
mod tests;
