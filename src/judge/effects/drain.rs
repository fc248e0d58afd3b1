//! How long a backlog takes to drain after a fault: from its end until no more signals are outstanding than before it.
//!
//! The level before is the median of the backlog over the last half minute before the fault began to strike: what stands
//! there for a moment, as at the start of a run, does not count. What is given up at its deadline leaves the backlog too;
//! whether anything was is another promise's.

use std::time::Duration;

use super::super::evaluate::{blank, why_empty};
use super::super::measure::Ruling;
use super::super::recovery::worst;
use super::super::trial::Trial;
use super::super::verdict::{Finding, Quantity, Verdict, instant};
use super::super::window;
use super::{Account, bound, undecided};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{EffectClaim, Promise};

/// So long before a fault is looked at for the level of the backlog.
const BEFORE: Duration = Duration::from_secs(30);
/// Fewer looks before a fault say nothing of its level.
const LOOKS: usize = 10;
/// Looks farther apart than this saw nothing in between.
const BLIND: Duration = Duration::from_secs(2);

/// What a promise on draining comes to: the worst of a fault's strikes.
pub fn finding(trial: &Trial<'_>, account: &Account, promise: &Promise, claim: &EffectClaim) -> Finding {
    let blank = blank(trial, promise, Vec::new(), bound(claim), claim.compare.word());
    let blank = Finding { needed: claim.minimum(), ..blank };
    let strikes: Vec<Span> =
        promise.window.fault().map(|f| trial.windows.faults[f].strikes().collect()).unwrap_or_default();
    let rulings: Vec<(Span, Ruling)> = strikes.iter().map(|strike| on_strike(trial, account, claim, *strike)).collect();
    match rulings.is_empty() {
        true => Finding { why: why_empty(trial, promise.window), ..blank },
        false => worst(blank, &rulings),
    }
}

fn on_strike(trial: &Trial<'_>, account: &Account, claim: &EffectClaim, strike: Span) -> (Span, Ruling) {
    let promised = Duration::from_nanos(claim.bound);
    let end = strike.end;
    let next = trial.windows.next_strike(end);
    let after: Vec<(Offset, u64)> =
        account.backlog.iter().copied().filter(|(at, _)| *at >= end && *at < next).collect();
    let until = after.last().map_or(end, |(at, _)| *at);
    let span = Span { start: end, end: until };
    let Some(level) = level(trial, account, claim.traffic, strike) else {
        return (span, undecided("how much was outstanding before the fault is not known".into()));
    };
    let stands = format!("{} before the fault", text::count(level, "signal"));
    let drained = after.iter().position(|(_, outstanding)| *outstanding <= level);
    let within = |at: Offset| claim.compare.holds(at.since(end).as_nanos() as f64, claim.bound as f64);
    let most = after.iter().map(|(_, outstanding)| *outstanding).max().unwrap_or_default();
    let ruling = match drained.map(|at| (at.checked_sub(1).map_or(end, |last| after[last].0), after[at].0)) {
        Some((from, at)) if at.since(from) > BLIND => undecided(format!(
            "drained between {} and {}, and nothing is known of the backlog in between",
            instant(from),
            instant(at)
        )),
        Some((from, at)) => {
            let took = at.since(end);
            let how = match from == end {
                true => format!("no more outstanding than {stands} when the fault ended, or at once after"),
                false => format!(
                    "back at {stands} {} to {} after the fault ended; at most {} were outstanding",
                    units::duration(from.since(end)),
                    units::duration(took),
                    text::thousands(most)
                ),
            };
            let verdict = if within(at) { Verdict::Pass } else { Verdict::Fail };
            Ruling { verdict, observed: Some(Quantity::time(took)), samples: after.len() as u64, why: how }
        }
        None if after.is_empty() => undecided("nothing is known of the backlog after the fault".into()),
        // Seen for longer than was promised, or as long as there was anything to see.
        None if until.since(end) > promised => Ruling {
            verdict: Verdict::Fail,
            observed: None,
            samples: after.len() as u64,
            why: format!(
                "not drained by {}: {} outstanding still, and {stands}",
                instant(until),
                text::thousands(after.last().map_or(0, |(_, outstanding)| *outstanding))
            ),
        },
        None => {
            undecided(format!("not drained by {}, when {} was not over", instant(until), units::duration(promised)))
        }
    };
    let ruling = match ruling.verdict {
        Verdict::Pass if account.missed.is_some() => Ruling {
            verdict: Verdict::Invalid,
            why: format!("{}, but we may have missed effects", ruling.why),
            ..ruling
        },
        Verdict::Pass if !window::is_complete(trial.evidence) && until >= trial.windows.seen && drained.is_none() => {
            undecided(ruling.why)
        }
        _ => ruling,
    };
    (span, ruling)
}

/// The median of the backlog before a fault, in the measured phase and after what struck earlier.
fn level(trial: &Trial<'_>, account: &Account, traffic: usize, strike: Span) -> Option<u64> {
    let measured = trial.timeline.measured(Some(traffic)).start;
    let earlier = trial.windows.faults.iter().flat_map(|times| times.strikes()).map(|other| other.end);
    let earlier = earlier.filter(|end| *end <= strike.start).max().unwrap_or(measured);
    let from = measured.max(earlier).max(strike.start - BEFORE);
    let mut before: Vec<u64> =
        account.backlog.iter().filter(|(at, _)| *at >= from && *at < strike.start).map(|(_, n)| *n).collect();
    before.sort_unstable();
    (before.len() >= LOOKS).then(|| before[before.len() / 2])
}
