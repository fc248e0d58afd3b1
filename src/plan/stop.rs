//! Whether the conditions that end an experiment early can be met at all.

use std::time::Duration;

use super::Plan;
use super::review::{come_to, review_slices};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{Abort, Claim, EffectMeasure, Expectation, Measure, Scenario};

/// Why a condition that ends the experiment can never be met.
pub fn unreachable_stop(scenario: &Scenario, plan: &Plan, abort: &Abort) -> Option<(String, String)> {
    match &abort.claim {
        Claim::Client(e) if e.measure.is_of_fault() => {
            let from = |fault: &Span| if e.measure == Measure::Detection { fault.start } else { fault.end };
            outlasted(plan, e.traffic, e.bound, from).or_else(|| unseen(scenario, plan, e))
        }
        Claim::Client(expectation) => too_thin(plan, expectation, abort.hold),
        Claim::Effects(c) if c.measure == EffectMeasure::Drain => {
            outlasted(plan, c.traffic, c.bound, |fault| fault.end)
        }
        Claim::Effects(claim) => too_short(plan, Some(claim.traffic), abort.hold),
        Claim::Absorbed(claim) => too_short(plan, claim.traffic, abort.hold),
        Claim::Leak(_) => too_short(plan, None, abort.hold),
        _ => None,
    }
}

/// Why nothing that may take so long after a fault can take longer: the load ends before.
fn outlasted(plan: &Plan, traffic: usize, bound: u64, from: impl Fn(&Span) -> Offset) -> Option<(String, String)> {
    let bound = Duration::from_nanos(bound);
    let end = plan.timeline.measured(Some(traffic)).end;
    let mut faults = plan.timeline.faults.iter().flatten();
    (!plan.timeline.faults.is_empty() && faults.all(|fault| from(fault) + bound >= end)).then(|| {
        let what = format!("the load ends before {} are over after any fault", units::duration(bound));
        (what, "lower the bound, or lengthen the load".to_owned())
    })
}

/// Why nobody could tell whether anything was broken, whatever any fault does: there are too few shots.
fn unseen(scenario: &Scenario, plan: &Plan, expectation: &Expectation) -> Option<(String, String)> {
    let why = |fault: &Span| {
        let mut why = None;
        review_slices(scenario, plan, expectation.whose(), *fault, &mut |what, remedy| why = Some((what, remedy)));
        why
    };
    let all: Option<Vec<_>> = plan.timeline.faults.iter().flatten().map(why).collect();
    all?.into_iter().next()
}

/// Why a condition cannot hold for so long: the load ends before.
fn too_short(plan: &Plan, traffic: Option<usize>, hold: Duration) -> Option<(String, String)> {
    (Offset::after_zero(hold) > plan.timeline.measured(traffic).end).then(|| {
        let what = format!("the load ends before {} are over", units::duration(hold));
        (what, "shorten `for`, or lengthen the load".to_owned())
    })
}

/// Why a condition can never be met on shots: there are too few.
fn too_thin(plan: &Plan, expectation: &Expectation, hold: Duration) -> Option<(String, String)> {
    let traffic = &plan.traffic[expectation.traffic];
    if traffic.closed_loops().next().is_some() {
        return None;
    }
    if let Some(refused) = too_short(plan, Some(expectation.traffic), hold) {
        return Some(refused);
    }
    let end = plan.timeline.measured(Some(expectation.traffic)).end;
    // On whole seconds, as it will be asked.
    let second = Duration::from_secs(1);
    let starts = std::iter::successors(Some(Offset::ZERO), |start| Some(*start + second));
    let spans = starts.map(|start| Span { start, end: start + hold }).take_while(|span| span.end <= end);
    let most = spans.map(|span| come_to(plan, expectation, span)).fold(0.0, f64::max);
    let needed = expectation.minimum();
    (most < needed as f64).then(|| {
        let what = format!(
            "{} hold {} at the most, and {} are needed: it can never be met",
            units::duration(hold),
            text::count(most as u64, "shot"),
            text::thousands(needed)
        );
        (what, "write a longer `for`, or raise the load".to_owned())
    })
}
