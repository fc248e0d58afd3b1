//! `stays_silent`, and what holds without being promised: that no alert fires outside the faults. Silence is a promise kept
//! only by a rule that could have spoken.

use super::promised::Promised;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::judge::measure::Ruling;
use crate::judge::verdict::{Kind, Quantity, Verdict, instant};

/// What some stretches of time say of a promise to stay silent.
pub fn rule(promised: &Promised<'_>, all: &[Span]) -> Ruling {
    // What a rule says that had too little to read is neither peace nor alarm.
    let history = promised.history();
    let seasoned = Span { start: history, end: Offset::MAX };
    let parts: Vec<Span> = all.iter().filter_map(|part| part.overlap(seasoned)).collect();
    let samples = promised.evaluations(&parts);
    let ruling = |verdict, observed: Option<u64>, why| Ruling {
        verdict,
        observed: observed.map(|n| Quantity { value: n as f64, kind: Kind::Plain }),
        samples,
        why,
    };
    if let Some(ruling) = all.iter().find_map(|part| promised.unfit(*part)) {
        return ruling;
    }
    let interval = units::duration(promised.interval());
    let firing = promised.firing(&parts);
    let most = firing.iter().max().copied().unwrap_or(0);
    let phases = firing.iter().filter(|n| **n > 0).count();
    if phases == firing.len() && most > 0 {
        let why = match promised.first_firing(&parts) {
            Some((from, to, who)) => format!("fired from {}{}{who}", instant(from), until(to)),
            None => "fired".to_owned(),
        };
        return ruling(Verdict::Fail, Some(most), why);
    }
    if phases > 0 {
        let of = firing.len();
        let why = format!("fired at {phases} of {of} phases of its group: the tolerance is one interval, {interval}");
        return ruling(Verdict::Inconclusive, Some(most), why);
    }
    let undecided = |why: String| ruling(Verdict::Inconclusive, Some(0), why);
    if promised.evaluations(all) == 0 {
        let why = format!("its group was never evaluated here: its interval is {interval}");
        return ruling(Verdict::Inconclusive, None, why);
    }
    if let Some(why) = promised.mute(all) {
        return undecided(format!("silent, but it could not fire: {why}"));
    }
    let (reach, full) = (units::duration(promised.reach()), instant(history));
    if samples == 0 {
        return undecided(format!(
            "it reads {reach}, and here there was less: it is full of what is judged from {full} on"
        ));
    }
    let end = parts.iter().map(|part| part.end).max().unwrap_or(Offset::ZERO);
    if promised.seen() < end {
        let why = format!("silent so far, but what was seen ends at {} of {}", instant(promised.seen()), instant(end));
        return undecided(why);
    }
    let mut why = format!("silent at {}: {}", text::count(samples, "evaluation"), promised.how_close(&parts));
    if all.iter().any(|part| part.start < history) {
        let fired = if promised.firing(all).iter().any(|n| *n > 0) { "fired, but " } else { "" };
        why.push_str(&format!("; before {full} it {fired}had less to read than its {reach}"));
    }
    ruling(Verdict::Pass, Some(0), why)
}

fn until(to: Option<Offset>) -> String {
    to.map_or_else(|| " to the end".to_owned(), |to| format!(" to {}", instant(to)))
}
