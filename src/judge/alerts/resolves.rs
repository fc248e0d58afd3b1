//! `resolves_within`: from a fault's end to the first evaluation at which the alert no longer fires.

use std::time::Duration;

use super::promised::{Promised, Strike};
use super::track::{State, Track};
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::measure::Ruling;
use crate::judge::verdict::{Quantity, Verdict, instant};

/// What became of an alert after a fault, at one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It had let go so long after the fault's end; zero when it had before.
    Resolved(Duration),
    /// It fired to the last evaluation.
    Fires,
    /// It never fired.
    Silent,
}

/// What a strike says of a promise to resolve.
pub fn rule(promised: &Promised<'_>, strike: Strike, within: Duration) -> Ruling {
    let end = strike.span.end;
    let due = Span { start: end, end: end + within };
    let undecided = |why: String| Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why };
    if let Some(ruling) = promised.unfit(due) {
        return ruling;
    }
    let seen: Vec<Seen> =
        promised.tracks().iter().map(|tracks| look(tracks, &promised.claim.labels, strike.span, within)).collect();
    let last_tick = promised.seen();
    if seen.iter().all(|seen| *seen == Seen::Silent) {
        let stood = [Span { start: strike.span.start, end: due.end }];
        let why = promised.mute(&stood).unwrap_or_else(|| promised.how_close(&stood));
        return undecided(format!("there is nothing to resolve: it never fired, {why}"));
    }
    let took = |seen: &Seen| match seen {
        Seen::Resolved(took) => Some(*took),
        Seen::Fires | Seen::Silent => None,
    };
    let times: Vec<Duration> = seen.iter().filter_map(took).collect();
    let (first, last) = (times.iter().min().copied(), times.iter().max().copied());
    let kept = times.iter().filter(|t| **t <= within).count();
    // What had let go before the fault's end at every phase is not later at another.
    let latest = last.map(|last| if last.is_zero() { last } else { last + promised.step() });
    let after = |from: Duration, to: Duration| match (from, to) {
        (_, to) if to.is_zero() => format!("before `{}` ended", strike.name),
        (from, to) if from == to => format!("{} after `{}` ended", units::duration(to), strike.name),
        (from, to) => format!(
            "{} to {} after `{}` ended, by when its group is evaluated",
            units::duration(from),
            units::duration(to),
            strike.name
        ),
    };
    let ruling = |verdict, observed: Option<Duration>, why| Ruling {
        verdict,
        observed: observed.map(Quantity::time),
        samples: promised.evaluations(&[due]),
        why,
    };
    let keeps = promised.keep_firing_for();
    let keeps = match keeps.is_zero() {
        true => String::new(),
        false => format!("; its keep_firing_for is {}", units::duration(keeps)),
    };
    if kept < seen.len() && strike.until < due.end {
        return undecided(format!("another fault strikes at {}, before this is decided", instant(strike.until)));
    }
    match (first, last, latest) {
        (Some(first), Some(last), Some(latest)) if kept == seen.len() && latest <= within => {
            match promised.error(&[due]) {
                Some(why) => undecided(format!("resolved {}, but {why}", after(first, last))),
                None => ruling(Verdict::Pass, Some(last), format!("resolved {}", after(first, last))),
            }
        }
        _ if kept == 0 => match (first, last) {
            (Some(first), Some(last)) if times.len() == seen.len() => {
                ruling(Verdict::Fail, Some(first), format!("resolved only {}{keeps}", after(first, last)))
            }
            _ if last_tick >= due.end => {
                let why = format!(
                    "still fired {} after `{}` ended{keeps}",
                    units::duration(last_tick.since(end)),
                    strike.name
                );
                ruling(Verdict::Fail, None, why)
            }
            _ => undecided(format!("it still fired at {}, when what was scraped ends", instant(last_tick))),
        },
        _ => {
            let when = first.zip(last).map(|(first, last)| after(first, last));
            ruling(Verdict::Inconclusive, last, promised.up_to_the_phase("resolved", times.len(), when, within))
        }
    }
}

/// When the last firing that belongs to a strike was over: it began after the first touch, or stood then, and before the
/// time was up.
fn look(tracks: &[&Track], labels: &[(String, String)], strike: Span, within: Duration) -> Seen {
    let spans = tracks.iter().flat_map(|t| t.spans(State::Firing, labels));
    let of_strike = spans.filter(|s| strike.start < s.end && s.start < strike.end + within);
    match of_strike.map(|s| s.end).max() {
        None => Seen::Silent,
        Some(Offset::MAX) => Seen::Fires,
        Some(end) => Seen::Resolved(end.since(strike.end)),
    }
}
