//! How long a backlog takes to drain after a fault: from its end until no more signals are waited for than before it.
//!
//! The level before is the median of the backlog over the last half minute before the fault began to strike: what stands
//! there for a moment, as at the start of a run, does not count. What is given up at its deadline leaves the backlog too;
//! whether anything was is another promise's. Looks are moments apart, and of some is known between which two counts the
//! backlog lay: so the drain lies between two instants, and where the bound lies between them, nothing is decided.

use std::time::Duration;

use super::super::evaluate::{blank, why_empty};
use super::super::measure::Ruling;
use super::super::missing;
use super::super::recovery::worst;
use super::super::trial::Trial;
use super::super::verdict::{Finding, Quantity, Verdict, instant};
use super::super::window;
use super::backlog::{BLIND, Backlog, Look};
use super::{Account, bound, undecided};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{EffectClaim, Promise};

/// So long before a fault is looked at for the level of the backlog.
const BEFORE: Duration = Duration::from_secs(30);
/// Fewer looks before a fault say nothing of its level: as few as a median needs.
const LOOKS: usize = 5;

/// What was waited for before a fault, at least and at most.
#[derive(Clone, Copy)]
struct Level {
    least: u64,
    most: u64,
}

impl Level {
    fn said(self) -> String {
        match self.least == self.most {
            true => format!("{} before the fault", text::count(self.most, "signal")),
            false => {
                format!("{} to {} before the fault", text::thousands(self.least), text::count(self.most, "signal"))
            }
        }
    }
}

/// What a promise on draining comes to: the worst of a fault's strikes.
pub fn finding(trial: &Trial<'_>, account: &Account, promise: &Promise, claim: &EffectClaim) -> Finding {
    let blank = blank(trial, promise, Vec::new(), bound(claim), claim.compare.word());
    let mut blank = Finding { needed: claim.minimum(), ..blank };
    let strikes: Vec<Span> =
        promise.window.fault().map(|f| trial.windows.faults[f].strikes().collect()).unwrap_or_default();
    let backlog = match Backlog::read(trial, account, claim.traffic) {
        _ if strikes.is_empty() => return Finding { why: why_empty(trial, promise.window), ..blank },
        Ok(backlog) => backlog,
        Err(why) => {
            let why =
                format!("what rightly started nothing was not waited for, and how much that was is not known: {why}");
            return Finding { why, ..blank };
        }
    };
    let rule = |strike: &Span| on_strike(trial, account, &backlog, claim, *strike);
    let rulings: Vec<(Span, Ruling)> = strikes.iter().map(rule).collect();
    blank = worst(blank, &rulings);
    if !backlog.is_net && account.totals.lost > 0 {
        blank.why.push_str(&missing::waited_for(account.totals.lost));
    }
    blank
}

/// How the backlog of a traffic has drained while a run goes on.
pub struct Draining {
    account: Account,
    backlog: Backlog,
}

impl Draining {
    /// What is known of it; nothing where effects may have been missed, or counters have the last word on what was waited for.
    pub fn read(trial: &Trial<'_>, traffic: usize) -> Option<Draining> {
        let of = &trial.scenario.traffic[traffic];
        let account = Account::told(trial.evidence, &of.name);
        if account.missed.is_some() || of.kind.signal().is_none_or(|signal| !signal.unmatched.is_empty()) {
            return None;
        }
        let backlog = Backlog::read(trial, &account, traffic).ok()?;
        Some(Draining { account, backlog })
    }

    /// What a promise comes to after a strike, by what is known so far.
    pub fn after(&self, trial: &Trial<'_>, claim: &EffectClaim, strike: Span) -> Ruling {
        on_strike(trial, &self.account, &self.backlog, claim, strike).1
    }
}

fn on_strike(
    trial: &Trial<'_>,
    account: &Account,
    backlog: &Backlog,
    claim: &EffectClaim,
    strike: Span,
) -> (Span, Ruling) {
    let promised = Duration::from_nanos(claim.bound);
    let end = strike.end;
    let after = backlog.within(Span { start: end, end: trial.windows.next_strike(end) });
    let until = after.last().map_or(end, |look| look.at);
    let span = Span { start: end, end: until };
    let Some(level) = level(trial, backlog, claim.traffic, strike) else {
        return (span, undecided("how much was outstanding before the fault is not known".into()));
    };
    let stands = level.said();
    let most = after.iter().map(|look| look.most).max().unwrap_or_default();
    let within = |at: Offset| claim.compare.holds(at.since(end).as_nanos() as f64, claim.bound as f64);
    // Not before the last look that was above for certain; by the first that was not.
    let above = after.iter().position(|look| look.least <= level.most);
    let from = above.and_then(|nth| nth.checked_sub(1)).map_or(end, |last| after[last].at);
    let below = after.iter().find(|look| look.most <= level.least).map(|look| look.at);
    let ruling = match below {
        Some(at) if !within(at) && within(from) => undecided(format!(
            "drained between {} and {}, {} and {} after the fault ended, and nothing is known of the backlog in between",
            instant(from),
            instant(at),
            units::measured(from.since(end)),
            units::measured(at.since(end))
        )),
        Some(at) => {
            let took = at.since(end);
            let how = match from == end {
                true if took <= BLIND => {
                    format!("no more outstanding than {stands} when the fault ended, or at once after")
                }
                true => format!(
                    "no more outstanding than {stands} {} after the fault ended, and nobody looked before",
                    units::measured(took)
                ),
                false => format!(
                    "back at {stands} {} to {} after the fault ended; at most {} were outstanding",
                    units::measured(from.since(end)),
                    units::measured(took),
                    text::thousands(most)
                ),
            };
            let verdict = if within(at) { Verdict::Pass } else { Verdict::Fail };
            Ruling { verdict, observed: Some(Quantity::time(took)), samples: after.len() as u64, why: how }
        }
        None if after.is_empty() => undecided("nothing is known of the backlog after the fault".into()),
        // It may have drained, or not.
        None if above.is_some() => undecided(format!(
            "whether it drained is not known: {} to {} outstanding at {}, and {stands}",
            after.last().map_or(0, |look| look.least),
            after.last().map_or(0, |look| look.most),
            instant(until)
        )),
        // Seen for longer than was promised, or as long as there was anything to see.
        None if until.since(end) > promised => Ruling {
            verdict: Verdict::Fail,
            observed: None,
            samples: after.len() as u64,
            why: format!(
                "not drained by {}: {} outstanding still, and {stands}",
                instant(until),
                text::thousands(after.last().map_or(0, |look| look.most))
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
        Verdict::Pass if !window::is_complete(trial.evidence) && until >= trial.windows.seen && below.is_none() => {
            undecided(ruling.why)
        }
        _ => ruling,
    };
    (span, ruling)
}

/// The median of the backlog before a fault, in the measured phase and after what struck earlier.
fn level(trial: &Trial<'_>, backlog: &Backlog, traffic: usize, strike: Span) -> Option<Level> {
    let measured = trial.timeline.measured(Some(traffic)).start;
    let earlier = trial.windows.faults.iter().flat_map(|times| times.strikes()).map(|other| other.end);
    let earlier = earlier.filter(|end| *end <= strike.start).max().unwrap_or(measured);
    let from = measured.max(earlier).max(strike.start - BEFORE);
    let before = backlog.within(Span { start: from, end: strike.start });
    let median = |of: fn(&Look) -> u64| {
        let mut sorted: Vec<u64> = before.iter().map(of).collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    };
    let level = Level { least: median(|look| look.least)?, most: median(|look| look.most)? };
    (before.len() >= LOOKS).then_some(level)
}
