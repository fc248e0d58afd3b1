//! `fires_within`: from a fault's first touch to the first evaluation at which the alert fires.

use std::time::Duration;

use super::promised::{Promised, Strike};
use super::track::{State, Track};
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::measure::Ruling;
use crate::judge::verdict::{Quantity, Verdict, instant};

/// What an alert did after a fault began to strike, at one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// It fired so long after the first touch.
    Fired(Duration),
    /// It did not.
    Never,
    /// It was in this state already.
    Already(State),
}

/// What a strike says of a promise to fire.
pub fn rule(promised: &Promised<'_>, strike: Strike, within: Duration) -> Ruling {
    let touch = strike.span.start;
    let due = Span { start: touch, end: touch + within };
    let undecided = |why: String| Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why };
    let tracks = promised.tracks();
    let samples = promised.evaluations(&[due]);
    if let Some(ruling) = promised.unfit(due) {
        return ruling;
    }
    if let Some(why) = promised.short_of_history(touch) {
        return undecided(why);
    }
    let seen: Vec<Seen> =
        tracks.iter().map(|tracks| look(tracks, &promised.claim.labels, touch, strike.until)).collect();
    if let Some(Seen::Already(state)) = seen.iter().find(|seen| matches!(seen, Seen::Already(_))) {
        let why =
            format!("it was {} already when `{}` began to strike, at {}", state.word(), strike.name, instant(touch));
        return undecided(why);
    }
    let times: Vec<Duration> =
        seen.iter().filter_map(|s| if let Seen::Fired(at) = s { Some(*at) } else { None }).collect();
    let (first, last) = (times.iter().min().copied(), times.iter().max().copied());
    let kept = times.iter().filter(|t| **t <= within).count();
    // Between two phases that were tried lies one at which it fires later, by as much as they are apart.
    let latest = last.map(|last| last + promised.step());
    let after = |from: Duration, to: Duration| match from == to {
        true => format!("{} after `{}` first touched anything", units::duration(from), strike.name),
        false => format!(
            "{} to {} after `{}` first touched anything, by when its group is evaluated",
            units::duration(from),
            units::duration(to),
            strike.name
        ),
    };
    let ruling = |verdict, observed: Option<Duration>, why| Ruling {
        verdict,
        observed: observed.map(Quantity::time),
        samples,
        why,
    };
    match (first, last, latest) {
        (Some(first), Some(last), Some(latest)) if kept == seen.len() && latest <= within => {
            ruling(Verdict::Pass, Some(last), format!("fired {}", after(first, last)))
        }
        // Nothing that was evaluated in time speaks for it; what was not evaluated may.
        _ if kept == 0 => match promised.mute(&[due]) {
            Some(why) => undecided(format!("it did not fire, and could not: {why}")),
            None if promised.seen() < due.end && first.is_none() => {
                undecided(format!("it had not fired by {}, when what was scraped ends", instant(promised.seen())))
            }
            None => {
                let why = match (first, last) {
                    (Some(first), Some(last)) => format!("fired only {}", after(first, last)),
                    _ => format!("did not fire: {}", promised.how_close(&[Span { start: touch, end: strike.until }])),
                };
                ruling(Verdict::Fail, first, why)
            }
        },
        _ => {
            let when = first.zip(last).map(|(first, last)| after(first, last));
            ruling(Verdict::Inconclusive, last, promised.up_to_the_phase("fired", times.len(), when, within))
        }
    }
}

/// The first time that it fires after a touch and before `until`.
fn look(tracks: &[&Track], labels: &[(String, String)], touch: Offset, until: Offset) -> Seen {
    let spans = |state| tracks.iter().flat_map(move |t| t.spans(state, labels)).collect::<Vec<Span>>();
    let (pending, firing) = (spans(State::Pending), spans(State::Firing));
    if firing.iter().any(|span| span.contains(touch)) {
        return Seen::Already(State::Firing);
    }
    let Some(first) = firing.iter().map(|s| s.start).filter(|s| touch <= *s && *s < until).min() else {
        return Seen::Never;
    };
    // Its clock ran before the fault did.
    match pending.iter().any(|span| span.contains(touch) && span.end == first) {
        true => Seen::Already(State::Pending),
        false => Seen::Fired(first.since(touch)),
    }
}
