//! One counter over another. Both numbers have their brackets, and so has their ratio: intervals are compared, not points.

use super::Books;
use super::cause::{self, Signs};
use super::counts::whole;
use super::settle::Excess;
use super::summary::{Accord, Client, Record, Residue, Server};
use crate::base::series::Series;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{Check, Subset};

/// The record of a ratio.
pub fn record(books: &Books<'_>, check: &Check, above: &[&Series], below: &[&Series]) -> Record {
    let pages = books.pages_of(&[above, below].concat());
    let (over, under) = (books.readings(&pages, above), books.readings(&pages, below));
    let closed = |readings: &[super::counts::Reading<'_>]| readings.iter().position(|r| r.closed);
    let at = closed(&over).or(over.len().checked_sub(1));
    let Some((over, under)) = at.and_then(|at| Some((over.get(at)?, under.get(at)?))) else {
        return books.nothing(check, above, &pages);
    };
    let all = Check { subset: Subset { route: check.subset.route.clone(), ..Subset::default() }, ..check.clone() };
    let (some, every) = (books.kin(check), books.kin(&all));
    let end = some.entry(&over.to.at_b, &|_| true, &|_| true);
    let total = every.entry(&over.to.at_b, &|_| true, &|_| true);
    let least = some.entry(&over.from.at_a, &|_| true, &|_| true).received as f64;
    let answered = every.entry(&over.from.at_a, &|_| true, &|_| true).received as f64;
    let bound = [least / total.most().max(1) as f64, (end.most() as f64 / answered.max(1.0)).min(1.0)];
    let value = (under.grown > 0.0).then(|| over.grown / under.grown);
    let signs = Signs::read(
        books.scenario,
        &check.of,
        &pages,
        &books.evidence.manifest.services,
        books.falls(above) + books.falls(below),
    );
    let mut record = Record {
        group: "all".into(),
        window: Span { start: books.opened.unwrap_or(Offset::ZERO), end: over.to.b },
        closed: over.closed,
        client: Client { sent: total.sent, received: end.received, failed: 0, unknown: total.unknown() },
        server: Server {
            first: over.sum - over.grown,
            last: over.sum,
            resets: books.falls(above) + books.falls(below),
            scrapes: at.map_or(0, |at| at as u64 + 2),
            missed: pages.iter().map(|page| page.missed).sum(),
        },
        bound,
        value,
        verdict: Accord::Ok,
        why: String::new(),
        residue: Vec::new(),
        latency: None,
    };
    let said = format!(
        "{} of {}, ours between {} and {}",
        whole(over.grown),
        whole(under.grown),
        units::percent(bound[0]),
        units::percent(bound[1])
    );
    // A counter of all requests may count our own scrapes with them: we know how many we made.
    let own = if check.subset.route.is_none() { under.own.scrapes[1] as f64 } else { 0.0 };
    let without = (under.grown > own).then(|| over.grown / (under.grown - own));
    let below = |value: f64| value < bound[0] * (1.0 - 1e-12) && without.is_none_or(|w| w < bound[0] * (1.0 - 1e-12));
    let outside = |value: f64| below(value) || value > bound[1] * (1.0 + 1e-12);
    (record.verdict, record.why) = match value {
        None => (Accord::NoData, "the counter below the line did not move".into()),
        _ if signs.several() => (Accord::Mismatch, format!("{} ({said})", cause::SEVERAL)),
        _ if over.fell || under.fell || signs.restarted().is_some() => {
            let why = signs.restarted().unwrap_or_else(|| "counter reset".into());
            (Accord::Undecided, format!("{why}; what was counted before is lost"))
        }
        Some(value) if outside(value) => {
            // Of the two, the one that is itself outside its bracket is to blame.
            let (fewest, most) = (least, end.most() as f64);
            let excess = match over.grown > most || value > bound[1] {
                true => Excess::More { value: over.grown, least: fewest, most },
                false => Excess::Fewer { value: over.grown, missing: (fewest - over.grown).max(0.0) as u64 },
            };
            let cause = match over.grown >= fewest && over.grown <= most {
                true => "the counter below the line counts other requests than ours".to_owned(),
                false => cause::of_counts(&signs, excess),
            };
            record.residue.push(Residue::new(cause.clone(), (over.grown - end.received as f64).abs() as u64));
            (Accord::Mismatch, format!("{cause}: {} {said}", units::percent(value)))
        }
        Some(value) if !over.closed => {
            (Accord::Undecided, format!("{} {said}; requests were under way", units::percent(value)))
        }
        Some(value) => (Accord::Ok, format!("{}: {said}", units::percent(value))),
    };
    record
}
