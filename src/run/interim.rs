//! Works out how promises stand while the run goes on, for those who watch. It reads what the recorder has handed to the
//! system, on a thread of its own that yields to every other and takes at most a twentieth of a core.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::base::time::{self, Offset};
use crate::base::timing::Timing;
use crate::evidence::folder::Folder;
use crate::evidence::follow::Follower;
use crate::evidence::latency::Tag;
use crate::evidence::manifest::Manifest;
use crate::evidence::samples;
use crate::judge::{self, Standing};
use crate::plan::Plan;
use crate::promql;
use crate::scenario::{Claim, Scenario};

/// Between two looks there is at least so much time.
const EVERY: Duration = Duration::from_secs(2);
/// And so many times as long as the last look took the processor.
const REST: u32 = 20;
/// How nice the thread is to others.
const NICE: i32 = 10;
/// Beyond so many intervals of the latency log, or samples, a run is too long to be looked at as a whole while it goes on:
/// some tens of megabytes, hours of an ordinary run.
const MOST: usize = 200_000;
/// The same of scraped samples.
const SAMPLES: usize = 2_000_000;
/// Latencies older than this are remembered by the second.
const FINE: Duration = Duration::from_secs(30);

/// What looking needs.
pub(super) struct Looking {
    /// What is run.
    pub scenario: Arc<Scenario>,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Where evidence is written.
    pub folder: Folder,
    /// As it stands when the load begins.
    pub manifest: Manifest,
    /// When everything was handed to the system last; gone when nothing more will be.
    pub flushed: watch::Receiver<Offset>,
    /// Where it is told.
    pub told: watch::Sender<Vec<Standing>>,
}

/// Looks for as long as evidence is written. The error says that there can be no thread.
pub(super) fn watch(looking: Looking) -> io::Result<()> {
    let runtime = Handle::current();
    let look = move || {
        let _ = rustix::process::nice(NICE); // of this thread alone; where it is refused it is as nice as the others
        looking.look(&runtime);
    };
    thread::Builder::new().name("standings".into()).spawn(look).map(drop)
}

impl Looking {
    fn look(mut self, runtime: &Handle) {
        let mut follower = self.follower();
        let mut next = Offset::ZERO;
        while runtime.block_on(self.flushed.changed()).is_ok() {
            let now = *self.flushed.borrow_and_update();
            if now < next {
                continue;
            }
            let before = time::thread_cpu();
            match self.standings(&mut follower, now) {
                Ok(Some(standings)) => _ = self.told.send_replace(standings),
                // What is not known any more is not shown any more.
                Ok(None) | Err(_) => {
                    self.told.send_replace(Vec::new());
                    return;
                }
            }
            let cost = Duration::from_nanos(time::thread_cpu().saturating_sub(before));
            next = now + EVERY.max(cost * REST);
        }
    }

    /// How every promise stands; nothing where the run has become too long.
    fn standings(&self, follower: &mut Follower, now: Offset) -> io::Result<Option<Vec<Standing>>> {
        follower.catch_up()?;
        follower.evidence().latency.coarsen(now - FINE, self.plan.timeline.edges());
        let (evidence, series) = follower.seen();
        let samples: usize = series.iter().map(|series| series.samples.len()).sum();
        if evidence.latency.intervals.len() > MOST || samples > SAMPLES {
            return Ok(None);
        }
        Ok(Some(judge::standings(&self.scenario, &self.plan, evidence, series)))
    }

    fn follower(&self) -> Follower {
        let claims = || self.scenario.promises.iter().map(|promise| &promise.claim);
        // Every shot is on the clock of the response, and waits tell of descriptors that ran out.
        let mut clocks = vec![Timing::Response, Timing::Wait];
        clocks.extend(claims().filter_map(|claim| if let Claim::Client(e) = claim { Some(e.clock) } else { None }));
        let exprs: Vec<promql::Expr> = claims()
            .filter_map(|claim| match claim {
                // Of which series is asked does not hang on how long the window is.
                Claim::Server { expr, .. } => promql::parse(&expr.replace("$window", "1m")).ok(),
                _ => None,
            })
            .collect();
        let keep = (!exprs.is_empty()).then(|| -> samples::Keep {
            Box::new(move |labels| exprs.iter().flat_map(promql::Expr::selectors).any(|s| s.selector.matches(labels)))
        });
        let wanted = move |tag: &Tag| clocks.contains(&tag.timing);
        Follower::new(&self.folder, self.manifest.clone(), wanted, keep)
    }
}
