//! Conditions on what happens once after a fault. It has taken too long when the promise that it would not is broken by what is
//! known already.

use std::time::Duration;

use super::super::detection;
use super::super::effects;
use super::super::measure::{self, Ruling};
use super::super::recovery::{self, Wanted};
use super::super::server::Server;
use super::super::trial::Trial;
use super::super::verdict::Verdict;
use crate::base::time::{Offset, Span};
use crate::plan::Plan;
use crate::scenario::{Claim, EffectClaim, EffectMeasure, Expectation, Measure, Scenario};

/// So long before a fault is looked at as well: how calm it was, and how much was waited for.
const BEFORE: Duration = Duration::from_secs(30);
/// How much later than planned a fault may end, and what came of it be known.
const SLACK: Duration = Duration::from_secs(30);

/// Whether a claim is about what happens once after a fault.
pub fn is_of_fault(claim: &Claim) -> bool {
    match claim {
        Claim::Client(expectation) => expectation.measure.is_of_fault(),
        Claim::Effects(claim) => claim.measure == EffectMeasure::Drain,
        _ => false,
    }
}

/// How far back a condition asks: from before the longest fault until its bound is over.
pub fn horizon(scenario: &Scenario, plan: &Plan, claim: &Claim) -> Duration {
    let lengths = plan.timeline.faults.iter().flatten().map(|span| span.length());
    let longest = lengths.max().unwrap_or_default();
    let bound = match claim {
        Claim::Client(expectation) => expectation.bound,
        Claim::Effects(claim) => claim.bound,
        _ => 0,
    };
    let stable = scenario.promises.iter().map(|promise| promise.stable).max().unwrap_or_default();
    BEFORE + longest + Duration::from_nanos(bound) + stable + SLACK
}

/// Why a condition on recovery or detection is met, if it is.
pub fn of_shots(trial: &Trial<'_>, expectation: &Expectation, now: Offset, horizon: Duration) -> Option<String> {
    let promised = Expectation { compare: expectation.compare.opposite(), ..*expectation };
    let rule = |fault: usize, nth: usize, strike: Span| match expectation.measure {
        Measure::Detection => detection::on_strike(trial, &promised, fault, nth).1,
        _ => {
            let stable = Wanted::read(fault, expectation.whose(), &trial.scenario.promises).stable;
            recovery::on_strike(trial, &promised, stable, strike).1
        }
    };
    broken(trial, now, horizon, &measure::label(expectation), rule)
}

/// Why a condition on a drain is met, if it is.
pub fn of_signals(
    trial: &Trial<'_>,
    server: &Server<'_>,
    claim: &EffectClaim,
    now: Offset,
    horizon: Duration,
) -> Option<String> {
    let promised = EffectClaim { compare: claim.compare.opposite(), ..*claim };
    let drain = effects::Draining::read(trial, server, claim.traffic)?;
    broken(trial, now, horizon, claim.measure.word(), |_, _, strike| drain.after(trial, &promised, strike))
}

/// What is broken after a strike of which all is remembered that is asked for.
fn broken(
    trial: &Trial<'_>,
    now: Offset,
    horizon: Duration,
    label: &str,
    rule: impl Fn(usize, usize, Span) -> Ruling,
) -> Option<String> {
    for (fault, times) in trial.windows.faults.iter().enumerate() {
        for (nth, strike) in times.strikes().enumerate() {
            if now.since(strike.start) > horizon.saturating_sub(BEFORE) {
                continue;
            }
            let ruling = rule(fault, nth, strike);
            if ruling.verdict == Verdict::Fail {
                return Some(format!("{label} after `{}`: {}", trial.scenario.faults[fault].name, ruling.why));
            }
        }
    }
    None
}
