//! Promises about the share that was absorbed.

use std::collections::BTreeSet;

use super::super::evaluate::blank;
use super::super::measure::{self, Ruling};
use super::super::trial::{Reading, Trial};
use super::super::verdict::{Finding, Kind, Quantity, Verdict, instant};
use super::super::window;
use super::{Book, Counts, Ledger, upstream};
use crate::base::text;
use crate::scenario::{Absorbed, Compare, Promise};

/// What a promise about `absorbed` comes to.
pub fn finding(trial: &Trial<'_>, ledger: &Ledger, promise: &Promise, absorbed: &Absorbed) -> Finding {
    let books = books(ledger, absorbed);
    let parts = books.iter().flat_map(|(fault, _)| trial.windows.faults[*fault].strikes()).collect();
    let bound = Quantity { value: absorbed.bound.fraction(), kind: Kind::Share };
    let mut finding = blank(trial, promise, parts, bound, absorbed.compare.word());
    finding.needed = absorbed.minimum();
    if let Some((fault, _)) = books.iter().find(|(_, book)| !book.attributable && book.total.all() > 0) {
        let upstream = upstream(trial.scenario, *fault).map_or("", |u| trial.scenario.upstreams[u].name.as_str());
        finding.why = format!(
            "not attributable: no call of `{upstream}` carried our traceparent; let the service pass it on to what it calls"
        );
        return finding;
    }
    let ruling = standing(trial, promise, absorbed, &books);
    (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
    (finding.samples, finding.why) = (ruling.samples, ruling.why);
    finding
}

/// The books that a claim is about.
pub(super) fn books<'l>(ledger: &'l Ledger, absorbed: &Absorbed) -> Vec<(usize, &'l Book)> {
    let all = ledger.books.iter().enumerate().filter_map(|(fault, book)| Some((fault, book.as_ref()?)));
    all.filter(|(fault, _)| absorbed.fault.is_none_or(|named| named == *fault)).collect()
}

/// A ruling that stands although the generator was unfit, or INVALID: a shot that was late by our doing may have
/// surfaced because of that, and one that we spoilt might have.
fn standing(trial: &Trial<'_>, promise: &Promise, absorbed: &Absorbed, books: &[(usize, &Book)]) -> Ruling {
    let unfit: Vec<BTreeSet<i64>> =
        (0..trial.scenario.traffic.len()).map(|traffic| trial.fitness.unfit_seconds(traffic).clone()).collect();
    let rule = |reading: Reading| {
        let (mut part, mut whole) = (0, 0);
        for (row, counts) in books.iter().flat_map(|(_, book)| book.of(absorbed.traffic)) {
            let is_unfit = row.traffic.is_some_and(|traffic| unfit[traffic].contains(&row.second));
            match reading {
                Reading::WithoutUnfit if is_unfit => continue,
                Reading::Worst if is_unfit => {}
                _ => part += counts.absorbed,
            }
            whole += counts.all();
        }
        measure::rule_absorbed(absorbed, promise.confidence.map(|c| c.fraction()), part, whole)
    };
    let mut ruling = rule(Reading::AsItWas);
    if ruling.samples > 0 {
        ruling.why.push_str(&told(books, absorbed));
    }
    // Where surfacing helps a promise, what we spoilt must not.
    let helps = absorbed.compare.is_ceiling() || absorbed.compare == Compare::Equal;
    let worst = if helps { Reading::WithoutUnfit } else { Reading::Worst };
    let spoilt = match ruling.verdict {
        Verdict::Fail if rule(Reading::WithoutUnfit).verdict != Verdict::Fail => Some("but not without our own doing"),
        Verdict::Pass if rule(worst).verdict != Verdict::Pass => Some("but our own doing may hide worse"),
        _ => None,
    };
    if let Some(spoilt) = spoilt {
        let of =
            |traffic: &usize| absorbed.traffic.is_none_or(|named| named == *traffic) && !unfit[*traffic].is_empty();
        let blame = (0..unfit.len()).find(of).map(|t| trial.fitness.blame(t, &unfit[t])).unwrap_or_default();
        ruling.verdict = Verdict::Invalid;
        ruling.why = format!("{}, {spoilt}: {blame}", ruling.why);
    }
    let ends = books.iter().map(|(fault, _)| trial.timeline.whole(*fault).end).max();
    let is_cut = !window::is_complete(trial.evidence);
    if let (Verdict::Pass, Some(end)) = (ruling.verdict, ends.filter(|end| is_cut && *end > trial.windows.seen)) {
        ruling.verdict = Verdict::Inconclusive;
        ruling.why =
            format!("{} so far, but the run ended at {} of {}", ruling.why, instant(trial.windows.seen), instant(end));
    }
    ruling
}

/// `: of 200, 190 absorbed, 8 surfaced, 2 unexplained`
fn told(books: &[(usize, &Book)], absorbed: &Absorbed) -> String {
    let mut sum = Counts::default();
    books.iter().flat_map(|(_, book)| book.of(absorbed.traffic)).for_each(|(_, counts)| sum.merge(counts));
    let mut parts = vec![format!("{} absorbed", text::thousands(sum.absorbed))];
    for (count, word) in [(sum.failed, "failed"), (sum.late, "late"), (sum.unexplained, "unexplained")] {
        if count > 0 {
            parts.push(format!("{} {word}", text::thousands(count)));
        }
    }
    format!(": of {}, {}", text::count(sum.all(), "injected request"), parts.join(", "))
}
