//! Where promises stand while a run goes on: what the judge would find of each, had the run died just now. It is for those
//! who watch, and binds nobody: the verdict is made of the evidence when all of it is there.

use super::evaluate;
use super::injector::Injector;
use super::server::Server;
use super::trial::Trial;
use super::verdict::{Finding, Quantity, Verdict};
use super::window;
use crate::base::series::Series;
use crate::evidence::reader::Evidence;
use crate::plan::Plan;
use crate::scenario::{Claim, Expectation, Filter, On, Promise, Scenario, Severity, Source, Window};

/// Where a promise stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The promise as typed, and of which expression.
    pub promise: String,
    /// Where it must hold, in words.
    pub window: String,
    /// What it means when it is broken.
    pub severity: Severity,
    /// How it stands.
    pub state: State,
    /// What was observed so far.
    pub observed: Option<Quantity>,
}

/// How a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Too little is known, or it is known only when the run is over.
    Open,
    /// Kept so far, by as many samples as it needs.
    Kept,
    /// Broken by what there is so far.
    Broken,
}

impl State {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Kept => "kept",
            State::Broken => "broken",
        }
    }
}

/// Where every promise of a scenario stands, in its order. `samples` are the scraped series so far.
pub fn standings(scenario: &Scenario, plan: &Plan, evidence: &Evidence, samples: &[Series]) -> Vec<Standing> {
    let trial = Trial::new(scenario, plan, evidence);
    let server = Server::new(&trial, samples);
    let finding = |promise: &Promise| match &promise.claim {
        Claim::Client(_) if hangs_on_touches(scenario, promise.window) => None,
        Claim::Client(expectation) if hangs_on_counters(scenario, expectation) => None,
        Claim::Client(expectation) => Some(evaluate::client(&trial, promise, expectation)),
        Claim::Server { expr, compare, bound, source, .. } if *source != Source::Prometheus => {
            Some(server.finding(promise, expr, *compare, *bound, *source))
        }
        // What became of single requests, signals, alerts and notifications is known when all is over.
        _ => None,
    };
    let injector = Injector::read(&trial);
    let standing = |promise: &Promise| {
        let found = finding(promise).map(|found| injector.doubt(&trial, promise, found));
        Standing {
            promise: match &promise.claim {
                Claim::Server { expr, .. } => {
                    format!("{} of {}", promise.text, expr.split_whitespace().collect::<Vec<_>>().join(" "))
                }
                _ => promise.text.clone(),
            },
            window: window::name(promise.window, promise.each, scenario),
            severity: promise.severity,
            state: found.as_ref().map_or(State::Open, |finding| state(promise, finding)),
            observed: found.and_then(|finding| finding.observed),
        }
    };
    scenario.promises.iter().map(standing).collect()
}

/// Whether a window hangs on which shots a fault met that strikes as a whole: that is worked out of a log that is not
/// followed, so its time would count as without faults.
fn hangs_on_touches(scenario: &Scenario, window: Window) -> bool {
    let as_a_whole = scenario.faults.iter().any(|fault| matches!(fault.on, On::Process(_) | On::Hook(_)));
    as_a_whole && !matches!(window, Window::Measured | Window::Before(_))
}

/// Whether the system's own counters have the last word on what had no effect: they have it when all is drained. What had one in
/// time is known.
fn hangs_on_counters(scenario: &Scenario, expectation: &Expectation) -> bool {
    let signal = scenario.traffic[expectation.traffic].kind.signal();
    let of_all = expectation.part.is_none() && expectation.filter != Filter::Ok;
    of_all && signal.is_some_and(|signal| !signal.unmatched.is_empty())
}

fn state(promise: &Promise, finding: &Finding) -> State {
    let compare = match &promise.claim {
        Claim::Client(expectation) => expectation.compare,
        Claim::Server { compare, .. } => *compare,
        _ => return State::Open,
    };
    let holds = match finding.slices {
        // The worst slice is one that is still to come.
        Some(slices) => slices.failed == 0 && slices.total > slices.undecided,
        None => {
            let keeps = |observed: Quantity| compare.holds(observed.value, finding.bound.value);
            finding.samples >= finding.needed && finding.observed.is_some_and(keeps)
        }
    };
    match finding.verdict {
        Verdict::Fail => State::Broken,
        Verdict::Pass => State::Kept,
        Verdict::Inconclusive if holds => State::Kept,
        Verdict::Inconclusive | Verdict::Invalid => State::Open,
    }
}
