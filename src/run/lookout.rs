//! Looks at the evidence while it is written: whether faults may begin, and whether the experiment must end early. What is
//! decided here is decided by the judge, on what is on the disk; the senders do not know of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::base::time::{Clock, Offset};
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::folder::Folder;
use crate::evidence::follow::Follower;
use crate::evidence::latency::Tag;
use crate::evidence::manifest::{How, Manifest};
use crate::evidence::samples;
use crate::fault::gate::Leave;
use crate::judge::{self, Gate, Stops, Verdict};
use crate::plan::Plan;
use crate::promql;
use crate::scenario::{Claim, Scenario};

/// How long after a look at a gate that could not be decided the next one comes.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a shot may take beyond its wait and its reply, both as long as the timeout, until it is on the disk.
const SLACK: Duration = Duration::from_secs(2);
/// How far back an expression looks for a sample, beyond its ranges.
const LOOKBACK: Duration = Duration::from_secs(300);

/// What watching needs.
pub(super) struct Watching {
    /// What is run.
    pub scenario: Arc<Scenario>,
    /// Its plan.
    pub plan: Arc<Plan>,
    /// Where evidence is written.
    pub folder: Folder,
    /// As it stands when the load begins.
    pub manifest: Manifest,
    /// The axis.
    pub clock: Clock,
    /// Asks for everything to be handed to the system.
    pub flush: mpsc::UnboundedSender<oneshot::Sender<()>>,
    /// When that was done last.
    pub flushed: watch::Receiver<Offset>,
    /// Says whether faults may begin.
    pub leave: watch::Sender<Leave>,
    /// Where it says what it saw.
    pub events: mpsc::UnboundedSender<Event>,
}

/// What is looked at. It travels to where reading it keeps nobody waiting, and back.
struct Look {
    scenario: Arc<Scenario>,
    plan: Arc<Plan>,
    follower: Follower,
    stops: Stops,
    /// How much must be remembered for the stop conditions.
    horizon: Duration,
    /// The same for samples.
    samples: Duration,
    /// Whether they ask what faults struck.
    touches: bool,
}

/// Watches for as long as the run goes on; returns how it must end, once it must.
pub(super) async fn watch(watching: Watching) -> How {
    let mut look = Look::new(&watching);
    let Watching { scenario, plan, clock, flush, mut flushed, leave, events, .. } = watching;
    let mut next = judge::closes(&scenario, &plan.timeline).map(|(_, at)| at);
    if next.is_none() {
        leave.send_replace(Leave::Given);
    }
    let last = next.map(|at| at + patience(&scenario) + SLACK);
    // Once the load is over there is nothing left to end.
    while next.is_some() || (!scenario.abort_when.is_empty() && clock.now() < plan.timeline.end) {
        let is_gate = tokio::select! {
            () = sleep(clock.until(next.unwrap_or(Offset::MAX))), if next.is_some() => true,
            changed = flushed.changed() => match changed {
                Ok(()) => false,
                Err(_) => break, // nothing more is written
            },
        };
        if is_gate {
            let (done, written) = oneshot::channel();
            let _ = flush.send(done);
            let _ = written.await;
        }
        let now = clock.now();
        let shut = next.is_some();
        let looked = spawn_blocking(move || {
            let seen = look.look(is_gate, shut, now);
            (look, seen)
        });
        let Ok((back, seen)) = looked.await else { return How::CutShort("watching the run panicked".into()) };
        look = back;
        match seen {
            Ok(Seen::Nothing) => {}
            Ok(Seen::Abort(why)) => {
                let _ = events.send(Event::Abort { at: now, why: why.clone() });
                return How::Aborted(why);
            }
            Ok(Seen::Gate(gate)) if gate.summary.verdict == Verdict::Pass => {
                let why = format!("steady before `{}`", gate.summary.fault);
                let _ = events.send(Event::Gate { at: now, open: true, why });
                leave.send_replace(Leave::Given);
                next = None;
            }
            Ok(Seen::Gate(gate)) if gate.is_settled || last.is_some_and(|last| now > last) => {
                let why = gate.summary.why();
                let _ = events.send(Event::Gate { at: now, open: false, why: why.clone() });
                leave.send_replace(Leave::Refused(why.clone()));
                return How::Unsteady(why);
            }
            Ok(Seen::Gate(_)) => next = Some(now + AGAIN),
            Err(why) => {
                let why = format!("what was recorded could not be looked at: {why}");
                leave.send_replace(Leave::Refused(why.clone()));
                return How::CutShort(why);
            }
        }
    }
    drop(look); // what it remembers is not needed any more
    std::future::pending().await
}

/// How long after it was due a shot is over at the latest, if it is at all.
fn patience(scenario: &Scenario) -> Duration {
    let deadlines = scenario.traffic.iter().filter_map(crate::scenario::Traffic::deadline);
    scenario.target.timeout * 2 + deadlines.max().unwrap_or_default()
}

/// What a look showed.
enum Seen {
    Nothing,
    Gate(Box<Gate>),
    Abort(String),
}

impl Look {
    fn new(watching: &Watching) -> Look {
        let scenario = watching.scenario.clone();
        let stops = Stops::new(&scenario, &watching.plan);
        let every = scenario.jobs.iter().map(|job| job.every).max().unwrap_or_default();
        let horizon = stops.horizon() + patience(&scenario) + SLACK * 2 + every * 2;
        let steady = scenario.promises.iter().filter(|p| p.steady).map(|p| &p.claim);
        let claims = steady.chain(scenario.abort_when.iter().map(|a| &a.claim));
        // Every shot is on the clock of the response, and waits tell of descriptors that ran out.
        let mut clocks = vec![Timing::Response, Timing::Wait];
        clocks.extend(claims.filter_map(|c| if let Claim::Client(e) = c { Some(e.clock) } else { None }));
        let conditions = scenario.abort_when.iter().filter_map(|a| match &a.claim {
            Claim::Server { expr, .. } => Some(expr.replace("$window", &format!("{}ms", a.hold.as_millis()))),
            _ => None,
        });
        // What rightly starts nothing is no reason to keep faults away, nor to end anything.
        let signals = scenario.traffic.iter().filter_map(|traffic| traffic.kind.signal());
        let unmatched = signals.flat_map(|signal| &signal.unmatched).map(|unmatched| unmatched.expr.clone());
        let exprs: Vec<promql::Expr> =
            conditions.chain(unmatched).filter_map(|text| promql::parse(&text).ok()).collect();
        let back = exprs.iter().map(|e| e.reach().back_ms.unsigned_abs()).max().unwrap_or_default();
        let of_memory = scenario.abort_when.iter().any(|abort| matches!(abort.claim, Claim::Leak(_)));
        let keep = (of_memory || !exprs.is_empty()).then(|| -> samples::Keep {
            let scenario = scenario.clone();
            Box::new(move |labels| {
                let mut selectors = exprs.iter().flat_map(promql::Expr::selectors);
                selectors.any(|s| s.selector.matches(labels)) || Stops::ask_for(&scenario, labels)
            })
        });
        let wanted = move |tag: &Tag| clocks.contains(&tag.timing);
        Look {
            follower: Follower::new(&watching.folder, watching.manifest.clone(), wanted, keep),
            stops,
            touches: Stops::ask_for_touches(&scenario),
            plan: watching.plan.clone(),
            horizon,
            samples: horizon + Duration::from_millis(back) + LOOKBACK,
            scenario,
        }
    }

    /// Reads what has come, and judges what must be judged: the gate, or the stop conditions. While the gate is shut
    /// everything is remembered.
    fn look(&mut self, is_gate: bool, shut: bool, now: Offset) -> std::io::Result<Seen> {
        self.follower.catch_up()?;
        if is_gate {
            let (evidence, series) = self.follower.seen();
            let gate = judge::gate(&self.scenario, &self.plan, evidence, series);
            return Ok(gate.map_or(Seen::Nothing, |gate| Seen::Gate(Box::new(gate))));
        }
        let before = now - self.horizon;
        match shut {
            true => self.follower.evidence().latency.coarsen(before, self.plan.timeline.edges()),
            false => self.follower.forget(before),
        }
        if self.touches {
            self.follower.catch_up_with_touches()?;
        }
        let zero = self.follower.evidence().manifest.wall_zero;
        if !shut {
            self.follower.forget_samples((zero + (now - self.samples).nanos()).div_euclid(1_000_000));
        }
        let (evidence, series) = self.follower.seen();
        let met = self.stops.look(&self.scenario, &self.plan, evidence, series, now);
        Ok(met.map_or(Seen::Nothing, Seen::Abort))
    }
}
