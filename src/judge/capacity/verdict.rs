//! What a study comes to: its promises about capacity, or, without any, whether there is an answer.

use super::knee::Knee;
use super::study::{Claimed, Ended, Search, Study};
use crate::judge::verdict::{Kind, Quantity, Verdict};
use crate::scenario::{CapacityClaim, Promise, Severity};

/// Holds the knee of a search against a promise: by its whole range.
pub fn claim(promise: &Promise, claim: &CapacityClaim, search: Option<&Search>) -> Claimed {
    let bound = claim.bound.hertz();
    let (verdict, why) = match search.map(|search| (&search.knee, search.ended.as_ref())) {
        None => (Verdict::Inconclusive, "nothing was searched".to_owned()),
        // It was not back when the load was: whatever it took before, it does not take it twice.
        Some((knee, _)) if knee.metastable.is_some() => (Verdict::Fail, not_back(knee)),
        Some((knee, _)) => {
            let verdict = match knee.takes(bound) {
                Some(true) => Verdict::Pass,
                Some(false) => Verdict::Fail,
                None => Verdict::Inconclusive,
            };
            (verdict, between(knee))
        }
    };
    Claimed {
        promise: promise.text.clone(),
        compare: claim.compare.word().to_owned(),
        bound,
        severity: promise.severity.word().to_owned(),
        verdict,
        why,
    }
}

/// The verdict over a study, and why. A promise decides by the range of the knee; without any it is whether there is an
/// answer, and whether the target comes back when the load does.
pub fn verdict(study: &Study) -> (Verdict, Vec<String>) {
    let mut all: Vec<(Verdict, String)> = Vec::new();
    for claimed in study.claims.iter().filter(|c| c.severity == Severity::Critical.word()) {
        all.push((claimed.verdict, format!("{}: {}", claimed.promise, claimed.why)));
    }
    let promised = !all.is_empty();
    for search in &study.searches {
        let under = search.fault.as_ref().map_or(String::new(), |fault| format!("under `{fault}`: "));
        if search.fault.is_none() && search.knee.metastable.is_some() && !promised {
            all.push((Verdict::Fail, not_back(&search.knee)));
        }
        let (verdict, why) = ended(search);
        // What a promise has decided is not taken back because the search might have gone on; but what somebody cut short
        // proves nothing.
        let cut = matches!(search.ended, None | Some(Ended::Interrupted | Ended::Terminated));
        let decided = promised && !cut && search.fault.is_none() && verdict <= Verdict::Inconclusive;
        if !decided {
            all.push((verdict, format!("{under}{why}")));
        }
    }
    if study.searches.is_empty() {
        all.push((Verdict::Inconclusive, "nothing was searched".into()));
    }
    let worst = all.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Inconclusive);
    let why = all.into_iter().filter(|(verdict, _)| worst == Verdict::Pass || *verdict != Verdict::Pass);
    (worst, why.map(|(_, why)| why).collect())
}

/// What the end of a search says by itself. Under a fault there is no wrong answer: how much is left is what was asked.
fn ended(search: &Search) -> (Verdict, String) {
    let knee = &search.knee;
    let whole = search.fault.is_none();
    match &search.ended {
        Some(Ended::Found) => (Verdict::Pass, between(knee)),
        Some(Ended::HoldsAtMost) => {
            (Verdict::Pass, format!("it holds at {}, the highest rate that was to be tried", rate(knee.low)))
        }
        Some(Ended::BrokenAtLowest) => {
            let at = knee.broke.map_or("the lowest rate".into(), rate);
            let promise = knee.breaks.first().map_or("a promise", |first| &first.promise);
            let verdict = if whole { Verdict::Fail } else { Verdict::Pass };
            (verdict, format!("{promise} is broken at {at} already, the lowest rate at which it was tried"))
        }
        Some(Ended::Generator) => {
            let limit = knee.generator_limit.map_or(String::new(), |limit| format!(" at {}", rate(limit)));
            (
                Verdict::Inconclusive,
                format!("the generator could not keep up{limit}: of the target it is known that {}", between(knee)),
            )
        }
        Some(Ended::NotBack) => {
            let verdict = if whole { Verdict::Fail } else { Verdict::Inconclusive };
            (verdict, not_back(knee))
        }
        Some(Ended::OutOfTime) => (Verdict::Inconclusive, format!("the time was over: {}", between(knee))),
        Some(Ended::Interrupted) => (Verdict::Inconclusive, format!("interrupted: {}", between(knee))),
        Some(Ended::Terminated) => (Verdict::Inconclusive, format!("terminated: {}", between(knee))),
        Some(Ended::Stuck(why)) => (Verdict::Inconclusive, format!("{why}: {}", between(knee))),
        None => (Verdict::Inconclusive, format!("the search did not come to its end: {}", between(knee))),
    }
}

fn not_back(knee: &Knee) -> String {
    match &knee.metastable {
        Some(m) => {
            let back = m.recovered_at.map_or("at no rate that was tried".into(), |at| format!("only at {}", rate(at)));
            format!(
                "metastable: {} had been fine, and was not for {} after an overload of {}; it comes back {back}",
                rate(m.fine_before),
                seconds(m.over),
                rate(m.overload)
            )
        }
        None => format!("it did not come back after an overload: {}", between(knee)),
    }
}

/// Where the knee is, in words.
fn between(knee: &Knee) -> String {
    match (knee.rate, knee.high) {
        (Some(at), Some(high)) => format!("the knee is at {}, between {} and {}", rate(at), rate(knee.low), rate(high)),
        (_, Some(high)) if knee.low == 0.0 => format!("nothing held; {} is too much", rate(high)),
        (_, Some(high)) => format!("the knee is between {} and {}", rate(knee.low), rate(high)),
        (_, None) if knee.low > 0.0 => format!("the knee is above {}", rate(knee.low)),
        (_, None) => "nothing is known of the knee".into(),
    }
}

fn rate(per_second: f64) -> String {
    Quantity { value: per_second, kind: Kind::Rate }.to_string()
}

fn seconds(length: f64) -> String {
    Quantity { value: length, kind: Kind::Time }.to_string()
}
