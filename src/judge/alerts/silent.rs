//! `stays_silent`, and what holds without being promised: that no alert fires outside the faults. Silence is a promise kept
//! only by a rule that could have spoken.

use super::promised::Promised;
use super::track::State;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::measure::Ruling;
use crate::judge::verdict::{Kind, Quantity, Verdict, instant};

/// What some stretches of time say of a promise to stay silent.
pub fn rule(promised: &Promised<'_>, parts: &[Span]) -> Ruling {
    let samples = promised.evaluations(parts);
    let ruling = |verdict, observed: Option<u64>, why| Ruling {
        verdict,
        observed: observed.map(|n| Quantity { value: n as f64, kind: Kind::Plain }),
        samples,
        why,
    };
    if let Some(ruling) = parts.iter().find_map(|part| promised.unfit(*part)) {
        return ruling;
    }
    let labels = &promised.claim.labels;
    let tracks = promised.tracks();
    let firing: Vec<u64> =
        tracks.iter().map(|tracks| tracks.iter().map(|t| t.count(State::Firing, labels, parts)).sum()).collect();
    let most = firing.iter().max().copied().unwrap_or(0);
    let phases = firing.iter().filter(|n| **n > 0).count();
    if phases == firing.len() && most > 0 {
        let why = match promised.first_firing(parts) {
            Some((from, to, who)) => format!("fired from {}{}{who}", instant(from), until(to)),
            None => "fired".to_owned(),
        };
        return ruling(Verdict::Fail, Some(most), why);
    }
    if phases > 0 {
        let why = format!(
            "fired at {phases} of {} phases of its group: the tolerance is one interval, {}",
            firing.len(),
            units::duration(promised.interval())
        );
        return ruling(Verdict::Inconclusive, Some(most), why);
    }
    let undecided = |why: String| ruling(Verdict::Inconclusive, Some(0), why);
    if samples == 0 {
        let why =
            format!("its group was never evaluated here: its interval is {}", units::duration(promised.interval()));
        return ruling(Verdict::Inconclusive, None, why);
    }
    if let Some(why) = promised.mute(parts) {
        return undecided(format!("silent, but it could not fire: {why}"));
    }
    let first_history = promised.history();
    let seasoned = tracks.iter().flat_map(|tracks| tracks.iter()).flat_map(|t| t.ticks_in(parts));
    if !seasoned.into_iter().any(|at| at >= first_history) {
        let why = format!(
            "silent, but it reads {}, and there was never so much: what was scraped begins at {}",
            units::duration(promised.reach()),
            instant(promised.first_scrape())
        );
        return undecided(why);
    }
    let end = parts.iter().map(|part| part.end).max().unwrap_or(Offset::ZERO);
    if promised.seen() < end {
        let why = format!("silent so far, but what was seen ends at {} of {}", instant(promised.seen()), instant(end));
        return undecided(why);
    }
    let mut why = format!("silent at {}: {}", text::count(samples, "evaluation"), promised.how_close(parts));
    let start = parts.iter().map(|part| part.start).min().unwrap_or(Offset::ZERO);
    if start < first_history {
        why.push_str(&format!(
            "; up to {} it had less to read than its {}",
            instant(first_history),
            units::duration(promised.reach())
        ));
    }
    ruling(Verdict::Pass, Some(0), why)
}

fn until(to: Option<Offset>) -> String {
    to.map_or_else(|| " to the end".to_owned(), |to| format!(" to {}", instant(to)))
}
