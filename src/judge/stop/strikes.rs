//! Conditions on what happens once after a fault. It has taken too long when the promise that it would not is broken by what is
//! known already.

use std::time::Duration;

use super::super::detection;
use super::super::effects::{self, Counts};
use super::super::measure::{self, Ruling};
use super::super::missing::Missing;
use super::super::recovery::{self, Wanted};
use super::super::server::Server;
use super::super::trial::Trial;
use super::super::verdict::Verdict;
use super::super::window::FaultTimes;
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

/// Why a condition on recovery or detection is met, if it is. Of what is not over nothing is known yet, and what rightly starts
/// nothing has not failed.
pub fn of_shots(
    strict: &Trial<'_>,
    server: &Server<'_>,
    expectation: &Expectation,
    now: Offset,
    horizon: Duration,
) -> Option<String> {
    let is_counted = |traffic: usize| Counts::read(strict, server, traffic).is_some();
    let missing = |traffic| if is_counted(traffic) { Missing::Skipped } else { Missing::Failed };
    let missing: Vec<Missing> = (0..strict.scenario.traffic.len()).map(missing).collect();
    let mut trial = Trial::knowing(strict.scenario, strict.plan, strict.evidence, missing);
    trial.windows.seen = trial.settled(expectation.traffic, None, now);
    let promised = Expectation { compare: expectation.compare.opposite(), ..*expectation };
    let is_after = expectation.measure == Measure::Recovery;
    let rule = |fault: usize, nth: usize, strike: Span| match is_after {
        false => detection::on_strike(&trial, &promised, fault, nth).1,
        true => {
            let stable = Wanted::read(fault, expectation.whose(), &trial.scenario.promises).stable;
            recovery::on_strike(&trial, &promised, stable, strike).1
        }
    };
    broken(&trial, now, horizon, is_after, &measure::label(expectation), rule)
}

/// Why a condition on a drain is met, if it is.
pub fn of_signals(trial: &Trial<'_>, claim: &EffectClaim, now: Offset, horizon: Duration) -> Option<String> {
    let promised = EffectClaim { compare: claim.compare.opposite(), ..*claim };
    let drain = effects::Draining::read(trial, claim.traffic)?;
    broken(trial, now, horizon, true, claim.measure.word(), |_, _, strike| drain.after(trial, &promised, strike))
}

/// What is broken at a strike of which all is remembered that is asked for; `is_after` when it is asked of the time after it.
fn broken(
    trial: &Trial<'_>,
    now: Offset,
    horizon: Duration,
    is_after: bool,
    label: &str,
    rule: impl Fn(usize, usize, Span) -> Ruling,
) -> Option<String> {
    let all = || trial.windows.faults.iter().flat_map(FaultTimes::strikes);
    for (fault, times) in trial.windows.faults.iter().enumerate() {
        let strikes =
            times.occurrences.iter().filter_map(|o| Some((o.applied.unwrap_or(o.planned.start), o.effective?)));
        for (nth, (applied, strike)) in strikes.enumerate() {
            let is_forgotten = now.since(applied) > horizon.saturating_sub(BEFORE);
            // While another strikes nobody can tell what this one left behind.
            let stands_another = is_after && all().any(|other| other != strike && other.contains(strike.end));
            if is_forgotten || stands_another {
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
