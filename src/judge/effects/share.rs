//! Promises about the share of signals that is lost, duplicated or out of order.

use std::collections::BTreeSet;

use super::super::evaluate::{blank, sliced, why_empty};
use super::super::measure::{self, Part, Ruling};
use super::super::shots::{Stretch, Subject};
use super::super::trial::Trial;
use super::super::verdict::{Finding, Verdict, instant};
use super::super::window::Cut;
use super::books::Books;
use super::resent::Resent;
use super::{Account, bound, undecided};
use crate::base::text;
use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::evidence::effects::Row;
use crate::evidence::reply::Outcome;
use crate::scenario::{EffectClaim, EffectMeasure, Promise};

/// What a promise about a share of signals comes to.
pub fn finding(trial: &Trial<'_>, account: &Account, promise: &Promise, claim: &EffectClaim) -> Finding {
    let cut = trial.windows.cut(promise.window, Some(claim.traffic));
    let mut finding = blank(trial, promise, cut.parts.clone(), bound(claim), claim.compare.word());
    finding.needed = claim.minimum();
    if cut.parts.is_empty() {
        finding.why = why_empty(trial, promise.window);
        return finding;
    }
    let confidence = promise.confidence.map(|c| c.fraction());
    let whole: Vec<Stretch> = cut.parts.iter().map(|part| Stretch::whole(*part)).collect();
    let rule = |stretches: &[Stretch]| standing(trial, account, claim, confidence, &cut, stretches);
    match promise.each {
        None => {
            let ruling = rule(&whole);
            (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
            (finding.samples, finding.why) = (ruling.samples, ruling.why);
        }
        Some(each) => {
            let slices =
                whole.iter().flat_map(|w| w.part.slices(each).into_iter().map(|span| Stretch { span, part: w.part }));
            let rulings: Vec<(Span, Ruling)> = slices.map(|slice| (slice.span, rule(&[slice]))).collect();
            sliced(&mut finding, claim.measure.word(), true, &rulings);
        }
    }
    finding
}

/// A ruling on stretches of a window that stands although something was not seen.
fn standing(
    trial: &Trial<'_>,
    account: &Account,
    claim: &EffectClaim,
    confidence: Option<f64>,
    cut: &Cut,
    stretches: &[Stretch],
) -> Ruling {
    let subject = Subject { traffic: claim.traffic, part: None, class: None, clock: Timing::Response };
    let shots = trial.shots.population(subject, cut, stretches, &BTreeSet::new(), false);
    let due = shots.due();
    let rule = |part: u64| measure::rule_part(&terms(claim, confidence), part.min(due), due);
    let mut ruling = match claim.measure {
        EffectMeasure::Lost => match account.counted {
            Some(_) => counted(account, &rule),
            None => lost(account, shots.of(Outcome::Unfinished), &rule),
        },
        EffectMeasure::Duplicated => {
            let resent = Resent::of(trial, claim.traffic);
            let all = count(trial, account, cut, stretches, |row| row.duplicated);
            let unsure = |row: &Row| if resent.by(row).is_some() { row.duplicated } else { 0 };
            duplicated(all, count(trial, account, cut, stretches, unsure), &resent, &rule)
        }
        _ => rule(count(trial, account, cut, stretches, |row| row.reordered)),
    };
    if let Some(why) = &account.missed {
        // What we did not see is neither there nor not there.
        ruling.verdict = ruling.verdict.max(Verdict::Inconclusive);
        if claim.measure == EffectMeasure::Lost || ruling.verdict != Verdict::Fail {
            ruling.verdict = Verdict::Invalid;
        }
        ruling.why = format!("{}, but we may have missed effects: {why}", ruling.why);
    }
    let forgotten = account.totals.forgotten;
    if ruling.verdict == Verdict::Pass && claim.measure == EffectMeasure::Duplicated && forgotten > 0 {
        ruling.verdict = Verdict::Inconclusive;
        ruling.why = format!(
            "{}, but {} came when its signal had been forgotten, two deadlines after it was due",
            ruling.why,
            text::count(forgotten, "effect")
        );
    }
    let end = stretches.iter().map(|s| s.span.end).max();
    if let (Verdict::Pass, Some(end)) = (ruling.verdict, end.filter(|end| *end > trial.windows.seen)) {
        ruling.verdict = Verdict::Inconclusive;
        ruling.why =
            format!("{} so far, but the run ended at {} of {}", ruling.why, instant(trial.windows.seen), instant(end));
    }
    let open = account.totals.taken.saturating_sub(finished(trial, claim.traffic));
    if ruling.verdict == Verdict::Pass && open > 0 {
        ruling.verdict = Verdict::Inconclusive;
        ruling.why = format!("{} so far, but {} had not come to an end", ruling.why, text::count(open, "signal"));
    }
    ruling
}

/// What the terms of a share are.
pub fn terms(claim: &EffectClaim, confidence: Option<f64>) -> Part<'static> {
    Part {
        measure: claim.measure.word(),
        noun: "signal",
        nothing: "no signals: nothing was measured here",
        compare: claim.compare,
        bound: claim.bound as f64 / 1e9,
        needed: claim.minimum(),
        confidence,
    }
}

/// How many signals came to an end, in all of the run.
fn finished(trial: &Trial<'_>, traffic: usize) -> u64 {
    trial.fitness.seconds[traffic].values().map(|row| row.due.saturating_sub(row.lost)).sum()
}

/// What came twice, of which an embedded cluster may have had some twice itself: where that could decide either way,
/// nothing is decided.
fn duplicated(all: u64, unsure: u64, resent: &Resent<'_>, rule: &impl Fn(u64) -> Ruling) -> Ruling {
    let (low, mut high) = (rule(all - unsure), rule(all));
    match low.verdict == high.verdict {
        true if unsure == 0 => high,
        true => {
            high.why.push_str(&format!(": {}", resent.doubt(unsure, all)));
            high
        }
        false => undecided(format!(
            "{} may be the target's doing: {}",
            text::count(all, "signal"),
            resent.doubt(unsure, all)
        )),
    }
}

/// Of what is missing in a window, what the counters do not explain. They say how many came to nothing in all of the run,
/// and not when: where that could decide either way, nothing is decided.
fn lost(account: &Account, missing: u64, rule: &impl Fn(u64) -> Ruling) -> Ruling {
    let books = match account.books() {
        Ok(books) => books,
        Err(why) => {
            let missing = text::count(missing, "signal");
            return undecided(format!("{missing} without effect, and what rightly had none is not known: {why}"));
        }
    };
    let Books { explained, .. } = books;
    let all = books.missing.max(missing);
    let (least, most) = (missing.saturating_sub(all.saturating_sub(books.least)), missing.min(books.most));
    let (low, high) = (rule(least), rule(most));
    let told = |mut ruling: Ruling| {
        if explained > 0 && all > 0 {
            let of = text::count(all, "signal");
            let by = text::thousands(explained);
            ruling.why.push_str(&format!(": of {of} without effect in all of the run, {by} rightly had none"));
        }
        if account.totals.late > 0 && missing > 0 {
            ruling.why.push_str(&format!("; {} had one after their deadline", text::thousands(account.totals.late)));
        }
        ruling
    };
    match low.verdict == high.verdict {
        true => told(high),
        false => undecided(format!(
            "{} to {} are lost here: {}",
            text::thousands(least),
            text::thousands(most),
            match books.least == books.most {
                true => format!(
                    "counters say that {} of the run rightly came to nothing, and not when",
                    text::thousands(explained)
                ),
                false => books.doubt(),
            }
        )),
    }
}

/// Where effects are only counted: what was acknowledged, and neither had an effect nor rightly came to nothing.
fn counted(account: &Account, rule: &impl Fn(u64) -> Ruling) -> Ruling {
    let effects = match account.counted.as_ref() {
        Some(Ok(effects)) => *effects,
        Some(Err(why)) => return undecided(format!("how many effects there were is not known: {why}")),
        None => 0,
    };
    match account.unmatched() {
        Err(why) => undecided(format!("what rightly had no effect is not known: {why}")),
        Ok(explained) => {
            let mut ruling = rule(account.totals.acked.saturating_sub(effects + explained));
            ruling.why.push_str(&format!(
                ": of {} acknowledged, {} had an effect by their counter, {} rightly had none",
                text::count(account.totals.acked, "signal"),
                text::thousands(effects),
                text::thousands(explained)
            ));
            ruling
        }
    }
}

/// How many signals of stretches went wrong in some way. As with any shot, one that was under way when a fault began to
/// strike belongs to `during`.
fn count(trial: &Trial<'_>, account: &Account, cut: &Cut, stretches: &[Stretch], of: impl Fn(&Row) -> u64) -> u64 {
    let under_way = |row: &Row, strike: Span| row.due < strike.start && row.done >= strike.start;
    let strikes = |fault: usize| trial.windows.faults[fault].strikes();
    let leaves = |row: &&Row| cut.leaving.iter().any(|f| strikes(*f).any(|strike| under_way(row, strike)));
    let mut sum = 0;
    for stretch in stretches {
        let due = account.rows.values().filter(|row| stretch.span.contains(row.due));
        sum += due.filter(|row| !leaves(row)).map(&of).sum::<u64>();
        if let Some(fault) = cut.joining.filter(|_| stretch.span.start == stretch.part.start) {
            let of_part = strikes(fault).filter(|strike| strike.overlap(stretch.part).is_some());
            for strike in of_part {
                let before = account.rows.values().filter(|row| row.due < stretch.span.start);
                sum += before.filter(|row| under_way(row, strike)).map(&of).sum::<u64>();
            }
        }
    }
    sum
}
