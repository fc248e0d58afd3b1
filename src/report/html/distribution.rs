//! How long it took: over rank, by window, and as a map over time.

use maud::{Markup, html};

use super::chart::{Curve, Heat, Unit, heat, ranks};
use super::{Hover, Page, figure};
use crate::base::time::Span;
use crate::base::timing::Timing;
use crate::base::units;
use crate::evidence::tally::Tally;
use crate::judge::{PartSummary, Percentiles};
use crate::report::words;

/// The distributions of every traffic; nothing where there is no length.
pub(super) fn section(page: &Page<'_>) -> Option<Markup> {
    let with = |(_, track): &(usize, &super::Track)| track.response.count() > 0;
    let tracks: Vec<_> = page.tracks.iter().enumerate().filter(with).collect();
    (!tracks.is_empty()).then(|| html! { @for (n, track) in &tracks { (one(page, *n, track)) } })
}

fn one(page: &Page<'_>, n: usize, track: &super::Track) -> Markup {
    let windows = windows(page, &track.name);
    let mut curves = vec![
        Curve { name: "service".into(), colour: 5, wide: true, lengths: &track.service },
        Curve { name: "response".into(), colour: 0, wide: false, lengths: &track.response },
    ];
    let named = windows.iter().enumerate();
    curves.extend(named.map(|(i, (name, tally))| Curve {
        name: name.clone(),
        colour: [3, 2, 1, 4, 6][i % 5],
        wide: false,
        lengths: tally,
    }));
    curves.retain(|curve| curve.lengths.count() > 0);
    let keys: Vec<(String, Option<usize>)> = curves.iter().map(|c| (c.name.clone(), Some(c.colour))).collect();
    let title = format!("Response time of {} by rank", track.name);
    let said = |q| track.response.quantile(q).map_or_else(|| "–".into(), units::measured);
    let text = format!("p50 {}, p95 {}, p99 {}, longest {}", said(0.5), said(0.95), said(0.99), said(1.0));
    let map = Heat {
        cells: &track.heat,
        bins: page.axis.bins,
        width: page.axis.width.as_secs_f64(),
        range: page.axis.range(),
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Count, lines: &[] };
    html! {
        h3 { (track.name) }
        (figure(&format!("ranks-{n}"), "By rank, from the due time (response) and from the first byte sent (service)", ranks(&curves, &title, &text), &keys, None))
        (clocks(page, n))
        (figure(&format!("heat-{n}"), "Over time, darker where more took so long", heat(&map, &format!("Response times of {} over time", track.name), &text), &[], Some(&hover)))
    }
}

/// The clocks and classes of a traffic, in figures.
fn clocks(page: &Page<'_>, n: usize) -> Markup {
    let (_, summary) = &page.run.judgement.traffic[n];
    let row = |name: &str, of: &Percentiles| {
        html! {
            tr {
                th { (name.replace('_', " ")) }
                td class="n" { (crate::base::text::thousands(of.count)) }
                @for value in [of.p50, of.p90, of.p95, of.p99, of.p999, of.max, of.mean] {
                    td class="n" data-sort=[value] { (words::length(value)) }
                }
            }
        }
    };
    html! {
        div class="wide" { table class="sortable" {
            thead { tr { th { "clock, part or class" } th class="n" { "shots" } @for name in ["p50", "p90", "p95", "p99", "p99.9", "max", "mean"] { th class="n" { (name) } } } }
            tbody {
                @for (clock, of) in summary.clocks.iter().filter(|(_, of)| of.count > 0) { (row(clock, of)) }
                @for (part, of) in responses(&summary.parts) { (row(&format!("part {part}"), of)) }
                @for (class, of) in summary.classes.iter().filter(|(_, of)| of.count > 0) { (row(&format!("class {class}"), of)) }
            }
        } }
    }
}

/// How long each part took.
fn responses(parts: &[(String, PartSummary)]) -> impl Iterator<Item = (&str, &Percentiles)> {
    let responses =
        |part: &'_ PartSummary| part.clocks.iter().position(|(clock, of)| clock == "response" && of.count > 0);
    parts.iter().filter_map(move |(name, part)| Some((name.as_str(), &part.clocks[responses(part)?].1)))
}

/// The lengths of shots that were due while a fault was effective, and of those that were not.
fn windows(page: &Page<'_>, traffic: &str) -> Vec<(String, Tally)> {
    let faults = &page.run.judgement.faults;
    let strikes = |fault: &crate::judge::FaultSummary| -> Vec<Span> {
        fault.occurrences.iter().filter_map(|o| o.effective).collect()
    };
    let all: Vec<Span> = faults.iter().flat_map(&strikes).collect();
    if all.is_empty() {
        return Vec::new();
    }
    let timeout = page.run.evidence.manifest.timeout;
    let mut tallies = vec![Tally::default(); faults.len() + 1];
    for interval in &page.run.evidence.latency.intervals {
        let tag = &page.run.evidence.latency.tags[interval.tag];
        if tag.traffic != traffic || tag.timing != Timing::Response || interval.span.start.nanos() < 0 {
            continue;
        }
        let failed = tag.outcome.is_failure();
        if !failed && tag.outcome != crate::evidence::reply::Outcome::Ok {
            continue;
        }
        let within = |spans: &[Span]| spans.iter().any(|span| span.contains(interval.span.start));
        let add = |tally: &mut Tally| {
            interval
                .cells
                .iter()
                .for_each(|(nanos, n)| tally.add(if failed { (*nanos).max(timeout) } else { *nanos }, *n));
        };
        if !within(&all) {
            add(&mut tallies[faults.len()]);
        }
        for (fault, tally) in faults.iter().zip(&mut tallies) {
            if within(&strikes(fault)) {
                add(tally);
            }
        }
    }
    let outside = tallies.pop().unwrap_or_default();
    let mut named: Vec<(String, Tally)> =
        faults.iter().map(|f| format!("due during {}", f.name)).zip(tallies).collect();
    named.truncate(4); // more cannot be told apart in one drawing
    named.push(("due outside faults".into(), outside));
    named
}
