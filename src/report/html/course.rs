//! What happened when: rate, latency and outcomes of each traffic, with phases and faults behind them and named below.

use maud::{Markup, html};

use super::chart::{self, Across, Band, Line, Plot, Unit, lines};
use super::track::{QUANTILES, Track};
use super::{Hover, Page, Run, effects, figure, keys};
use crate::base::{text, units};
use crate::evidence::event::Event;
use crate::judge::alerts::{AlertSummary, State, Stint};
use crate::judge::{Course, FaultSummary, Finding, Kind, OccurrenceSummary};
use crate::report::words;

/// What stands before the rows of faults.
const FAULTS: &str = "faults";

/// Every traffic over time.
pub(super) fn section(page: &Page<'_>) -> Markup {
    html! {
        (rows(page, "windows", "Phases and faults", &page.bands))
        @for (n, track) in page.tracks.iter().enumerate() { (traffic(page, n, track)) }
        (in_flight(page))
        (values(page))
        (spans(page))
    }
}

/// What was when, in rows.
fn rows(page: &Page<'_>, id: &str, caption: &str, all: &[Band]) -> Markup {
    if all.is_empty() {
        return html! {};
    }
    let svg = chart::bands(all, page.axis.range(), caption);
    let hover = Hover { axis: &page.axis, unit: Unit::Count, lines: &[] };
    figure(id, caption, svg, &[], Some(&hover))
}

/// How the values of PromQL promises went that were not kept.
fn values(page: &Page<'_>) -> Markup {
    let drawn = page.run.judgement.findings.iter().enumerate();
    let drawn: Vec<_> = drawn.filter_map(|(n, finding)| Some((n, finding, finding.course.as_ref()?))).collect();
    html! {
        @if !drawn.is_empty() { h3 { "What the target says of itself" } }
        @for (n, finding, course) in drawn { (value(page, n, finding, course)) }
    }
}

fn value(page: &Page<'_>, n: usize, finding: &Finding, course: &Course) -> Markup {
    let unit = match finding.bound.kind {
        Kind::Time => Unit::Time,
        Kind::Share => Unit::Share,
        _ => Unit::Count,
    };
    let line = |values| Line { name: "value".into(), colour: Some(0), values };
    let at: Vec<f64> = course.values.iter().map(|(at, _)| at.secs()).collect();
    let all = [line(course.values.iter().map(|(_, value)| *value).collect())];
    // What stands under the pointer is the answer before it, for as long as it was the newest.
    let step = at.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max) + page.axis.width.as_secs_f64();
    let newest = |middle: f64| course.values.iter().rev().find(|(asked, _)| asked.secs() <= middle);
    let under = |middle: f64| newest(middle).filter(|(asked, _)| middle - asked.secs() <= step)?.1;
    let under = [line(page.middles().into_iter().map(under).collect())];
    let bounds = [finding.bound.value];
    let promise = words::promise(finding);
    let plot = Plot {
        title: &promise,
        text: "the worst element of the answer over time",
        unit,
        bounds: &bounds,
        ..drawing(page, &at, &all)
    };
    let hover = Hover { axis: &page.axis, unit, lines: &under };
    let length = course.window.map_or_else(String::new, |of| format!(", with {} for $window", units::duration(of)));
    let caption = format!("{}{length}; what was promised dashed", text::shorten(&promise, 160));
    figure(&format!("value-{n}"), &caption, lines(&plot), &[], Some(&hover))
}

/// When alerts were pending and when they fired, below the faults that should explain them.
fn spans(page: &Page<'_>) -> Markup {
    let alerts = alerts(page.run);
    if alerts.is_empty() {
        return html! {};
    }
    let faults = page.bands.iter().filter(|band| band.label == FAULTS).cloned();
    let all: Vec<Band> = faults.chain(alerts).collect();
    rows(page, "alerts", "Alerts: pending lighter, firing darker", &all)
}

fn traffic(page: &Page<'_>, n: usize, track: &Track) -> Markup {
    let (name, summary) = &page.run.judgement.traffic[n];
    html! {
        h3 id={ "traffic-" (n) } { (name) }
        @if track.is_empty() { p { "No shot of this traffic came to an end." } } @else {
            p { (words::outcomes(&summary.outcomes)) }
            ul class="facts" {
                @for (part, of) in &summary.parts { li { (words::part(part, of)) } }
                @if let Some(claimed) = &summary.closed_loop_claim { li { (words::claimed(claimed)) } }
                @for line in words::followed(summary) { li { (line) } }
                @for line in summary.closed_loops.iter().flat_map(words::closed_loop) { li { (line) } }
            }
            (rate(page, n, track))
            (latency(page, n, track))
            (failures(page, n, track))
            (effects::of_traffic(page, n))
        }
    }
}

fn drawing<'a>(page: &'a Page<'_>, at: &'a [f64], lines: &'a [Line]) -> Plot<'a> {
    Plot {
        title: "",
        text: "",
        unit: Unit::Rate,
        across: Across::Time,
        at,
        range: page.axis.range(),
        lines,
        stacked: false,
        log: false,
        bounds: &[],
        bands: &page.bands,
    }
}

fn rate(page: &Page<'_>, n: usize, track: &Track) -> Markup {
    let of = |value: &dyn Fn(&super::track::Bin) -> f64| track.bins.iter().map(|bin| Some(value(bin))).collect();
    let due = |bin: &super::track::Bin| bin.outcomes.values().sum::<u64>() as f64 / bin.seconds;
    let mut all = vec![
        Line { name: "due".into(), colour: Some(1), values: of(&due) },
        Line { name: "ok".into(), colour: Some(2), values: of(&|bin| bin.rate("ok")) },
    ];
    if track.bins.iter().any(|bin| bin.planned > 0.0) {
        all.insert(0, Line { name: "planned".into(), colour: None, values: of(&|bin| bin.planned) });
    }
    let (at, title) = (page.middles(), format!("Rate of {}", track.name));
    let most = track.bins.iter().map(|bin| bin.rate("ok")).fold(0.0, f64::max);
    let bounds = bounds(page, n, &["rate"]);
    let plot = Plot {
        title: &title,
        text: &format!("planned, due and ok shots a second over time; at most {} ok", Unit::Rate.show(most)),
        bounds: &bounds,
        ..drawing(page, &at, &all)
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Rate, lines: &all };
    figure(&format!("rate-{n}"), "Rate: planned, due, ok", lines(&plot), &keys(&all), Some(&hover))
}

fn latency(page: &Page<'_>, n: usize, track: &Track) -> Markup {
    let line = |(i, (name, _)): (usize, &(&str, f64))| Line {
        name: (*name).into(),
        colour: if *name == "max" { None } else { Some(i) },
        values: track.bins.iter().map(|bin| bin.quantiles[i]).collect(),
    };
    // The longest first: the others are drawn over it.
    let mut all: Vec<Line> = QUANTILES.iter().enumerate().map(line).collect();
    all.rotate_right(1);
    let (at, title) = (page.middles(), format!("Response time of {}", track.name));
    let whole = |q| track.response.quantile(q).map_or_else(|| "–".into(), units::measured);
    let bounds = bounds(page, n, &["p50", "p75", "p90", "p95", "p99", "p99.9", "p99.99", "max"]);
    let plot = Plot {
        title: &title,
        text: &format!("over time, on a logarithmic axis; p50 {}, p99 {} over all", whole(0.5), whole(0.99)),
        unit: Unit::Time,
        log: true,
        bounds: &bounds,
        ..drawing(page, &at, &all)
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Time, lines: &all };
    let caption = "Response time, from the due time on; a failure counts at the timeout; promised bounds dashed";
    figure(&format!("latency-{n}"), caption, lines(&plot), &keys(&all), Some(&hover))
}

fn failures(page: &Page<'_>, n: usize, track: &Track) -> Markup {
    let failed: Vec<_> = track.outcomes().into_iter().filter(|outcome| outcome.word() != "ok").collect();
    if failed.is_empty() {
        return html! { p id={ "outcomes-" (n) } { "Every shot was ok." } };
    }
    let line = |(i, outcome): (usize, &crate::evidence::reply::Outcome)| Line {
        name: outcome.word().replace('_', " "),
        colour: Some(i + 3),
        values: track.bins.iter().map(|bin| Some(bin.rate(outcome.word()))).collect(),
    };
    let all: Vec<Line> = failed.iter().enumerate().map(line).collect();
    let (at, title) = (page.middles(), format!("Shots of {} that were not ok", track.name));
    let plot = Plot {
        title: &title,
        text: "a second, by outcome, one upon the other",
        stacked: true,
        ..drawing(page, &at, &all)
    };
    let hover = Hover { axis: &page.axis, unit: Unit::Rate, lines: &all };
    figure(&format!("outcomes-{n}"), "Not ok, by outcome", lines(&plot), &keys(&all), Some(&hover))
}

fn in_flight(page: &Page<'_>) -> Markup {
    let axis = &page.axis;
    // Workers tell it once a second, each for itself: what a bin had is the most of any of its seconds.
    let mut seconds: std::collections::BTreeMap<(i64, u16), [u64; 3]> = std::collections::BTreeMap::new();
    for event in &page.run.evidence.events {
        let Event::Tick(tick) = event else { continue };
        for of in &tick.health {
            let most = seconds.entry((of.at.nanos().div_euclid(1_000_000_000), of.worker)).or_default();
            most.iter_mut().zip([of.in_flight, of.open, of.waiting]).for_each(|(most, now)| *most = (*most).max(now));
        }
    }
    let mut sums: std::collections::BTreeMap<i64, [u64; 3]> = std::collections::BTreeMap::new();
    for ((second, _), of) in seconds {
        sums.entry(second).or_default().iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
    }
    let mut bins = vec![[None::<f64>; 3]; axis.bins];
    for (second, of) in sums {
        let Some(bin) = axis.bin(crate::base::time::Offset::from_millis(second * 1000)) else { continue };
        for (most, now) in bins[bin].iter_mut().zip(of) {
            *most = Some(most.map_or(now as f64, |before| before.max(now as f64)));
        }
    }
    let names = [("in flight", Some(0)), ("connections open", Some(2)), ("waiting for a connection", Some(3))];
    let line = |(i, (name, colour)): (usize, &(&str, Option<usize>))| Line {
        name: (*name).into(),
        colour: *colour,
        values: bins.iter().map(|of| of[i]).collect(),
    };
    let all: Vec<Line> = names.iter().enumerate().map(line).collect();
    if all.iter().all(|line| line.values.iter().all(Option::is_none)) {
        return html! {};
    }
    let at = page.middles();
    let plot = Plot {
        title: "Shots in flight",
        text: "the most of each moment, over all traffic",
        unit: Unit::Count,
        ..drawing(page, &at, &all)
    };
    let hover = Hover { axis, unit: Unit::Count, lines: &all };
    html! {
        h3 { "All traffic together" }
        (figure("in-flight", "In flight, the most of each moment", lines(&plot), &keys(&all), Some(&hover)))
    }
}

/// The bounds that were promised of a traffic as a whole, by any of some measures.
fn bounds(page: &Page<'_>, n: usize, measures: &[&str]) -> Vec<f64> {
    let name = &page.run.judgement.traffic[n].0;
    let about = |finding: &&Finding| {
        let (measure, rest) = finding.promise.split_once('(').unwrap_or_default();
        let subject = rest.split(')').next().unwrap_or_default();
        finding.promql.is_none() && measures.contains(&measure) && subject == name
    };
    let kinds = [Kind::Time, Kind::Rate];
    let mut bounds: Vec<f64> = (page.run.judgement.findings.iter().filter(about))
        .filter(|finding| kinds.contains(&finding.bound.kind))
        .map(|finding| finding.bound.value)
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

/// Phases and faults: those that struck when they struck, the others when they were planned.
pub(super) fn bands(run: &Run<'_>) -> Vec<Band> {
    let mut all = Vec::new();
    let several = run.plan.traffic.len() > 1;
    for (traffic, (name, _)) in run.judgement.traffic.iter().enumerate().take(run.plan.traffic.len()) {
        let phases = run.plan.timeline.phases.iter().filter(|phase| phase.traffic == traffic);
        for (n, phase) in phases.enumerate() {
            all.push(Band {
                name: phase.word.replace('_', " "),
                row: name.clone(),
                title: None,
                label: if several { name.clone() } else { "phases".into() },
                from: phase.span.start.secs(),
                to: phase.span.end.secs(),
                fault: false,
                // Phases of one traffic may lie across those of another: only the first's are shaded.
                odd: n % 2 == 1 && traffic == 0,
                colour: 0,
            });
        }
    }
    for fault in &run.judgement.faults {
        for occurrence in &fault.occurrences {
            let span = occurrence.effective.unwrap_or(occurrence.planned);
            all.push(Band {
                name: if occurrence.effective.is_some() {
                    fault.name.clone()
                } else {
                    format!("{} (touched nothing)", fault.name)
                },
                row: format!("fault {}", fault.name),
                title: None,
                label: FAULTS.into(),
                from: span.start.secs(),
                to: span.end.secs(),
                fault: true,
                odd: false,
                colour: 3,
            });
            all.extend(recovery(run, fault, occurrence));
        }
    }
    all
}

/// From the end of a fault to where the last traffic was itself again; nothing where that was at once or is not known.
fn recovery(run: &Run<'_>, fault: &FaultSummary, occurrence: &OccurrenceSummary) -> Option<Band> {
    let end = occurrence.effective?.end;
    let never = occurrence.recovery.iter().any(|(_, of)| of.found == "never");
    let by = occurrence.recovery.iter().filter_map(|(_, of)| of.between).map(|[_, by]| by).max();
    let to = if never { run.plan.timeline.end } else { by? };
    (to > end).then(|| Band {
        name: if never {
            "never recovered".into()
        } else {
            format!("recovered in {}", words::seconds(to.since(end).as_secs_f64()))
        },
        row: format!("fault {}", fault.name),
        title: None,
        label: FAULTS.into(),
        from: end.secs(),
        to: to.secs(),
        fault: false,
        odd: false,
        colour: 1,
    })
}

/// When alerts were pending and when they fired.
fn alerts(run: &Run<'_>) -> Vec<Band> {
    let end = run.plan.timeline.end.secs();
    let mut all = Vec::new();
    for alert in run.judgement.alerts.iter().flat_map(|alerts| &alerts.alerts) {
        for stint in stints(alert) {
            let firing = stint.state == State::Firing;
            all.push(Band {
                name: format!("{}{}", alert.alert, if firing { " fires" } else { " pending" }),
                row: format!("alert {} of {}", alert.alert, alert.group),
                title: Some(alert.alert.clone()),
                label: "alerts".into(),
                from: stint.from.secs().max(0.0),
                to: stint.to.map_or(end, |to| to.secs()).min(end),
                fault: false,
                odd: firing,
                colour: 4,
            });
        }
    }
    all.retain(|band| band.from < band.to);
    all
}

/// When an alert was pending and when it fired, whichever of its elements did: firing is drawn over pending.
fn stints(alert: &AlertSummary) -> Vec<&Stint> {
    let all = alert.instances.iter().flat_map(|instance| &instance.stints);
    let mut all: Vec<&Stint> = all.collect();
    all.sort_by_key(|stint| (stint.state == State::Firing, stint.from, stint.to));
    all.dedup_by_key(|stint| (stint.state == State::Firing, stint.from, stint.to));
    all
}
