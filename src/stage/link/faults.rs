//! The faults of a scenario on its links: toxics that a run owns, with a record of what they touch.
//!
//! What is touched is connections: eligible is one that carried something in the fault's direction while it was
//! effective, injected one of those on which the toxic changed something.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::links::Links;
use super::remote::Remote;
use super::toxic::{Kind, Stream, Toxic, Watch};
use crate::base::time::Offset;
use crate::evidence::touches::Effect;
use crate::scenario::{self, Inject};
use crate::stage::config::{Config, FaultConfig, Subject};
use crate::stage::protocol::{Report, toxic_of};

/// Hears what faults touch: which fault, the number of the connection, and what was done to it.
pub type Tell = Arc<dyn Fn(usize, u64, Effect) + Send + Sync>;

/// The faults of a scenario on its links.
pub struct LinkFaults {
    all: Vec<Armed>,
    links: Arc<Links>,
    tell: Tell,
}

/// A fault that can be applied.
struct Armed {
    /// Its position in the scenario.
    fault: usize,
    config: FaultConfig,
    link: String,
    toxic: scenario::Toxic,
    stream: Stream,
    /// The server that has the proxy, where it is not ours.
    remote: Option<Remote>,
    effective: Option<Effective>,
    /// What was reported when it was last cleared, for an order that comes twice.
    cleared: Option<Report>,
}

/// A fault that is applied.
struct Effective {
    since: Offset,
    until: Offset, // its ttl
    tally: Arc<Tally>,
    /// Bytes that the other server had counted when it began.
    bytes: Option<u64>,
}

/// What a fault touched.
struct Tally {
    fault: usize,
    tell: Tell,
    eligible: AtomicU64,
    injected: AtomicU64,
}

impl Watch for Tally {
    fn met(&self, connection: u64, chosen: bool) {
        self.eligible.fetch_add(1, Ordering::Relaxed);
        if !chosen {
            (self.tell)(self.fault, connection, Effect::Spared);
        }
    }

    fn struck(&self, connection: u64) {
        self.injected.fetch_add(1, Ordering::Relaxed);
        (self.tell)(self.fault, connection, Effect::Injected);
    }
}

impl LinkFaults {
    /// Those of a run; none of them is effective.
    pub fn new(config: &Config, links: Arc<Links>, tell: Tell) -> LinkFaults {
        let armed = |(fault, of): (usize, &FaultConfig)| {
            let (Subject::Link(link), Inject::Link(toxic, stream)) = (&of.on, &of.inject) else { return None };
            let elsewhere = config.links.iter().find(|l| l.name == *link).and_then(|l| l.toxiproxy.as_ref());
            Some(Armed {
                fault,
                config: of.clone(),
                link: link.clone(),
                toxic: toxic.clone(),
                stream: Stream::of(*stream),
                remote: elsewhere.map(|t| Remote::new(&t.server, &t.proxy)),
                effective: None,
                cleared: None,
            })
        };
        LinkFaults { all: config.faults.iter().enumerate().filter_map(armed).collect(), links, tell }
    }

    /// Whether the fault at this position of the scenario is one on a link.
    pub fn has(&self, fault: usize) -> bool {
        self.all.iter().any(|armed| armed.fault == fault)
    }

    /// Lets a fault begin. Applying twice is applying once.
    pub async fn apply(&mut self, fault: usize, at: Offset) -> Report {
        let LinkFaults { all, links, tell } = self;
        let Some(armed) = all.iter_mut().find(|armed| armed.fault == fault) else { return stranger(fault) };
        if let Some(effective) = &armed.effective {
            return Report::Applied { fault, at: effective.since };
        }
        let tally =
            Arc::new(Tally { fault, tell: tell.clone(), eligible: AtomicU64::new(0), injected: AtomicU64::new(0) });
        match armed.begin(links, &tally).await {
            Ok(bytes) => {
                armed.effective = Some(Effective { since: at, until: at + armed.config.ttl, tally, bytes });
                Report::Applied { fault, at }
            }
            Err(why) => Report::Failed { fault: Some(fault), why },
        }
    }

    /// Lets a fault end. Clearing twice is clearing once; what could not be undone is still effective afterwards.
    pub async fn clear(&mut self, fault: usize, at: Offset) -> Report {
        let LinkFaults { all, links, .. } = self;
        let downs = |link: &str, all: &[Armed]| {
            let is_down = |a: &&Armed| a.effective.is_some() && a.link == link && a.is_down();
            all.iter().filter(is_down).count()
        };
        let Some(slot) = all.iter().position(|armed| armed.fault == fault) else { return stranger(fault) };
        let last_down = downs(&all[slot].link, all) == 1;
        let armed = &mut all[slot];
        if let Some(effective) = &armed.effective {
            if let Err(why) = armed.end(links, last_down, effective).await {
                return Report::Failed { fault: Some(fault), why };
            }
            let (eligible, injected) = (&effective.tally.eligible, &effective.tally.injected);
            armed.cleared = Some(Report::Cleared {
                fault,
                at,
                eligible: eligible.load(Ordering::Relaxed),
                injected: injected.load(Ordering::Relaxed),
            });
            armed.effective = None;
        }
        armed.cleared.clone().unwrap_or(Report::Cleared { fault, at, eligible: 0, injected: 0 })
    }

    /// Lets every fault end whose time to live is over by now; all of them when `at` is `None`. What became of them.
    pub async fn expire(&mut self, now: Offset, at: Option<Offset>) -> Vec<Report> {
        let over = |armed: &Armed| armed.effective.as_ref().is_some_and(|e| at.is_none_or(|at| e.until <= at));
        let due: Vec<usize> = self.all.iter().filter(|a| over(a)).map(|a| a.fault).collect();
        let mut reports = Vec::new();
        for fault in due {
            let report = self.clear(fault, now).await;
            if let Report::Failed { .. } = report
                && let Some(effective) =
                    self.all.iter_mut().find(|a| a.fault == fault).and_then(|a| a.effective.as_mut())
            {
                // Once a second is often enough to try again.
                effective.until = now + std::time::Duration::from_secs(1);
            }
            reports.push(report);
        }
        reports
    }

    /// When the next time to live is over.
    pub fn next_expiry(&self) -> Option<Offset> {
        self.all.iter().filter_map(|a| a.effective.as_ref()).map(|e| e.until).min()
    }
}

impl Armed {
    /// What its toxic is called.
    fn name(&self) -> String {
        toxic_of(&self.config.name)
    }

    fn is_down(&self) -> bool {
        matches!(self.toxic, scenario::Toxic::Down)
    }

    /// Bytes that the other server has counted so far, where there is one.
    async fn begin(&self, links: &Links, tally: &Arc<Tally>) -> Result<Option<u64>, String> {
        let watched = |kind, toxicity| Toxic {
            id: 0,
            name: self.name(),
            kind,
            stream: self.stream,
            toxicity,
            watcher: Some(tally.clone()),
        };
        let toxicity = self.config.share.fraction();
        if let Some(remote) = &self.remote {
            let bytes = remote.bytes().await;
            match Kind::of(&self.toxic) {
                None => remote.enable(false).await?,
                Some(kind) => remote.add(&watched(kind, toxicity)).await?,
            }
            // What passes through our own link before it is what the other server touches.
            if let Ok(front) = links.get(&self.link) {
                links.add(&front, watched(Kind::Noop, 1.0)).map_err(|e| e.to_string())?;
            }
            return Ok(bytes);
        }
        let link = links.get(&self.link).map_err(|e| format!("link `{}`: {e}", self.link))?;
        match Kind::of(&self.toxic) {
            None => {
                for connection in link.disable().await {
                    tally.met(connection, true);
                    tally.struck(connection);
                }
            }
            Some(kind) => {
                links.add(&link, watched(kind, toxicity)).map_err(|e| e.to_string())?;
            }
        }
        Ok(None)
    }

    async fn end(&self, links: &Links, last_down: bool, effective: &Effective) -> Result<(), String> {
        if let Some(remote) = &self.remote {
            match self.is_down() {
                true if last_down => remote.enable(true).await?,
                true => {}
                false => remote.remove(&self.name()).await?,
            }
            let tally = &effective.tally;
            if tally.eligible.load(Ordering::Relaxed) == 0
                && let (Some(before), Some(after)) = (effective.bytes, remote.bytes().await)
                && after > before
            {
                // Something passed it, we do not know on how many connections: one is certain.
                tally.met(0, true);
                tally.struck(0);
            }
        } else if self.is_down() && last_down {
            let link = links.get(&self.link).map_err(|e| e.to_string())?;
            links.enable(&link).await.map_err(|e| format!("link `{}` cannot be opened again: {e}", self.link))?;
        }
        if let Ok(link) = links.get(&self.link) {
            link.change(|toxics| toxics.retain(|toxic| toxic.name != self.name()));
        }
        Ok(())
    }
}

fn stranger(fault: usize) -> Report {
    Report::Failed { fault: Some(fault), why: "no fault on a link has this number".into() }
}

#[cfg(test)]
mod tests;
