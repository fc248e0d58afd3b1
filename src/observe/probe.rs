//! Asks probes at an interval, each on a connection of its own: whether the service lives, whether it is ready. A probe is
//! what a container platform asks, so it is asked as one does: a plain GET whose status is all that counts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::beat;
use crate::base::ask::{Ask, Means};
use crate::base::dial::Dial;
use crate::base::net::Address;
use crate::base::time::{Clock, Offset};
use crate::evidence::event::{Event, Probe};

/// A probe and where it is asked.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The job whose service it is.
    pub job: String,
    /// The service.
    pub address: Address,
    /// The path, as the scenario has it.
    pub path: String,
    /// From one to the next.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How connections to it are opened.
    pub dial: Dial,
}

/// Asks every probe from the plan's zero until `stop` turns true, and tells what was answered. What was asked is waited for: the
/// service has counted it.
pub async fn watch(
    probed: Vec<Probed>,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    stop: watch::Receiver<bool>,
) {
    let mut all = JoinSet::new();
    for probe in probed.into_iter().map(Arc::new) {
        let (events, stop) = (events.clone(), stop.clone());
        all.spawn(async move { follow(&probe, clock, &events, stop).await });
    }
    while all.join_next().await.is_some() {}
}

async fn follow(probe: &Probed, clock: Clock, events: &mpsc::UnboundedSender<Event>, mut stop: watch::Receiver<bool>) {
    let mut planned = Offset::ZERO;
    while beat::comes(planned, clock, &mut stop).await {
        let told = if clock.now().since(planned) > probe.every / 2 {
            missed(probe, planned)
        } else {
            let told = ask(probe, clock).await;
            // An answer that took longer than the interval: the instants that it swallowed were the target's doing.
            while clock.now() >= planned + probe.every {
                planned = planned + probe.every;
            }
            told
        };
        let _ = events.send(Event::Probe(told));
        planned = planned + probe.every;
    }
}

fn missed(probe: &Probed, planned: Offset) -> Probe {
    let why = Some("we were too late for it".into());
    Probe { job: probe.job.clone(), path: probe.path.clone(), at: planned, took: 0, status: None, why, missed: true }
}

async fn ask(probe: &Probed, clock: Clock) -> Probe {
    let at = clock.now();
    let ask = Ask {
        address: Address { base: String::new(), ..probe.address.clone() },
        method: "GET".into(),
        target: format!("{}{}", probe.address.base, probe.path),
        headers: Vec::new(),
        body: String::new(),
    };
    let means = Means { dial: probe.dial.clone(), ..Means::plain(probe.timeout) };
    let told = ask.send_by(&means).await.map_err(|why| format!("GET {}{}: {why}", ask.address, ask.target));
    let took = clock.now().nanos_since(at);
    let (status, why) = match told {
        Ok(told) => (Some(told.status), None),
        Err(why) => (None, Some(crate::base::text::shorten(&why, 200))),
    };
    Probe { job: probe.job.clone(), path: probe.path.clone(), at, took, status, why, missed: false }
}
