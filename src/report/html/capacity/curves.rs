//! The curves: latency, what came back, calls of upstreams and processor time, each against the load.

use maud::{Markup, html};

use super::Page;
use crate::judge::Verdict;
use crate::judge::capacity::{Probe, Role, Search};
use crate::report::capacity::words::{self, FITS, length, rate};
use crate::report::html::chart::{Dot, Graph, Strand, Unit, graph};
use crate::report::html::figure;

/// So many points make a curve.
const STEPS: u32 = 80;
/// So close to where it grows without end a queue is drawn.
const FULL: f64 = 0.995;

/// The hockey stick.
pub(super) fn latency(page: &Page<'_>) -> Option<Markup> {
    let search = page.study.whole().filter(|search| !search.probes.is_empty())?;
    let mut strands = vec![
        strand("p50", 2, search, |p| p.response.p50),
        ranged("p95", 0, search, |p| p.response.p95, |p| p.p95_between),
        strand("p99", 4, search, |p| p.response.p99),
    ];
    if let Some(queue) = page.models.queue.filter(|queue| queue.off <= FITS) {
        let highest = search.probes.iter().map(|p| p.offered).fold(0.0, f64::max).min(queue.most * FULL);
        let at = |n: u32| highest * f64::from(n) / f64::from(STEPS);
        let curve = (1..=STEPS).filter_map(|n| Some((at(n), queue.mean(at(n))?))).collect();
        strands.push(Strand { name: "mean, by the queue that fits".into(), curve, ..Strand::default() });
    }
    let bounds = bounds(search);
    let text = format!("{}; {}", knee(search), span(search, |p| p.response.p95, "p95"));
    let of = Graph {
        title: "Response time against offered load",
        text: &text,
        x: Unit::Rate,
        y: Unit::Time,
        log: true,
        strands: &strands,
        bounds: &bounds,
        shade: shade(search),
        mark: search.knee.rate,
    };
    Some(html! {
        (figure("latency", "Response time, from when shots were due", graph(&of), &keys(&strands), None))
        p { small {
            "Each dot is a probe; hollow ones do not count for the knee. A line through a p95: between what it lies (95 %), by how it differs within its probe. Dashed across: what was promised. Shaded: between what the knee lies."
        } }
    })
}

/// What came back of what was offered, and what failed.
pub(super) fn achieved(page: &Page<'_>) -> Option<Markup> {
    let search = page.study.whole().filter(|search| !search.probes.is_empty())?;
    let highest = search.probes.iter().map(|p| p.offered).fold(0.0, f64::max);
    let rates = vec![
        Strand { name: "all of it".into(), curve: vec![(0.0, 0.0), (highest, highest)], ..Strand::default() },
        strand("ok shots a second", 0, search, |p| Some(p.achieved)),
    ];
    let errors = vec![strand("failed", 3, search, |p| Some(p.errors))];
    let under_way = vec![
        strand("counted", 5, search, |p| p.in_flight),
        strand("rate × time (Little's law)", 1, search, |p| p.little),
    ];
    let draw = |title: &str, y, log, strands: &[Strand], text: &str| {
        let of = Graph {
            title,
            text,
            x: Unit::Rate,
            y,
            log,
            strands,
            bounds: &[],
            shade: shade(search),
            mark: search.knee.rate,
        };
        graph(&of)
    };
    let of_rates = draw("Ok shots against offered load", Unit::Rate, false, &rates, &knee(search));
    let said = span(search, |p| Some(p.errors), "errors");
    let of_errors = draw("Share of failures against offered load", Unit::Share, false, &errors, &said);
    let said = format!("{} asked, {} off", page.models.little_asked, page.models.little_off.len());
    let of_flight = draw("Shots under way against offered load", Unit::Count, false, &under_way, &said);
    let counted = search.probes.iter().any(|p| p.in_flight.is_some());
    Some(html! {
        (figure("rates", "Ok shots a second, against what was offered", of_rates, &keys(&rates), None))
        (figure("errors", "Share that failed", of_errors, &keys(&errors), None))
        @if counted { (figure("flight", "Shots under way", of_flight, &keys(&under_way), None)) }
    })
}

/// How often upstreams are called, against their limits.
pub(super) fn upstreams(page: &Page<'_>) -> Option<Markup> {
    let budgets = &page.models.budgets;
    if budgets.is_empty() {
        return None;
    }
    let strands: Vec<Strand> = budgets
        .iter()
        .enumerate()
        .map(|(i, budget)| Strand {
            name: budget.upstream.clone(),
            colour: Some(i),
            points: budget.points.iter().map(|(x, y)| Dot { x: *x, y: *y, range: None, solid: true }).collect(),
            curve: budget.points.clone(),
            between: Vec::new(),
        })
        .collect();
    let mut limits: Vec<f64> = budgets.iter().filter_map(|b| b.limit).collect();
    limits.sort_by(f64::total_cmp);
    limits.dedup();
    let said: Vec<String> = budgets.iter().map(|b| format!("{}: {}", b.upstream, words::budget(b))).collect();
    let of = Graph {
        title: "Calls of upstreams against offered load",
        text: &said.join("; "),
        x: Unit::Rate,
        y: Unit::Rate,
        log: false,
        strands: &strands,
        bounds: &limits,
        shade: None,
        mark: page.study.whole().and_then(|search| search.knee.rate),
    };
    Some(html! {
        (figure("calls", "Calls a second of each upstream; dashed: rate limits", graph(&of), &keys(&strands), None))
        div class="wide" { table {
            thead { tr { th { "upstream" } th class="n" { "limit" } th class="n" { "calls at the highest load" } th { "its limit is" } } }
            tbody { @for budget in budgets { tr {
                th { (budget.upstream) }
                td class="n" { (budget.limit.map_or("–".into(), rate)) }
                td class="n" { @if let Some((at, calls)) = budget.points.last() { (rate(*calls)) " at " (rate(*at)) } }
                td { (words::budget(budget)) }
            } } }
        } }
    })
}

/// Processor time and memory against load.
pub(super) fn resources(page: &Page<'_>) -> Option<Markup> {
    let costs = &page.models.costs;
    if costs.is_empty() {
        return None;
    }
    let dot = |x: f64, y: Option<f64>| Some(Dot { x, y: y?, range: None, solid: true });
    let cpu: Vec<Dot> = costs.iter().filter_map(|c| dot(c.rate, c.cpu)).collect();
    let curve = cpu.iter().map(|d| (d.x, d.y)).collect();
    let strands = [Strand { name: "cores".into(), colour: Some(0), points: cpu, curve, between: Vec::new() }];
    let cores: Vec<f64> = page.models.headroom.iter().map(|h| h.cores).collect();
    let of = Graph {
        title: "Processor time against offered load",
        text: &costs
            .last()
            .and_then(|c| c.cpu)
            .map_or(String::new(), |cpu| format!("{cpu:.2} cores at the highest load")),
        x: Unit::Rate,
        y: Unit::Count,
        log: false,
        strands: &strands,
        bounds: &cores,
        shade: None,
        mark: page.study.whole().and_then(|search| search.knee.rate),
    };
    let show = |of: Option<f64>, how: &dyn Fn(f64) -> String| of.map_or("–".into(), how);
    let count = |name: &'static str| move |cost: &crate::judge::capacity::model::Cost| cost.all.get(name).copied();
    let columns: Vec<(&str, &'static str)> =
        [("descriptors", "files"), ("threads", "threads"), ("switches a second", "switches")]
            .into_iter()
            .filter(|(_, name)| costs.iter().any(|c| count(name)(c).is_some()))
            .collect();
    Some(html! {
        (figure("cpu", "Cores that the target takes; dashed: all there are", graph(&of), &keys(&strands), None))
        div class="wide" { table {
            thead { tr { th class="n" { "offered" } th class="n" { "cores" } th class="n" { "for 1 000 shots" } th class="n" { "memory" } @for (name, _) in &columns { th class="n" { (name) } } } }
            tbody { @for cost in costs { tr {
                td class="n" { (rate(cost.rate)) }
                td class="n" { (show(cost.cpu, &|n| format!("{n:.2}"))) }
                td class="n" { (length(cost.cpu_per_1000)) }
                td class="n" { (show(cost.memory, &crate::base::units::bytes)) }
                @for (_, name) in &columns { td class="n" { (show(count(name)(cost), &|n| format!("{n:.0}"))) } }
            } } }
        } }
    })
}

fn strand(name: &str, colour: usize, search: &Search, of: impl Fn(&Probe) -> Option<f64>) -> Strand {
    ranged(name, colour, search, of, |_| None)
}

fn ranged(
    name: &str,
    colour: usize,
    search: &Search,
    of: impl Fn(&Probe) -> Option<f64>,
    between: impl Fn(&Probe) -> Option<(f64, f64)>,
) -> Strand {
    let shown = search.probes.iter().filter(|p| p.role != Role::Return && p.verdict != Verdict::Invalid);
    let points = shown.filter_map(|p| Some(Dot { x: p.offered, y: of(p)?, range: between(p), solid: p.counts }));
    Strand { name: name.to_owned(), colour: Some(colour), points: points.collect(), ..Strand::default() }
}

fn keys(strands: &[Strand]) -> Vec<(String, Option<usize>)> {
    strands.iter().map(|strand| (strand.name.clone(), strand.colour)).collect()
}

/// What was promised of lengths of time.
fn bounds(search: &Search) -> Vec<f64> {
    let of = search.probes.iter().flat_map(|p| &p.promises).filter(|held| held.unit == "s").map(|held| held.bound);
    let mut all: Vec<f64> = of.collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

fn shade(search: &Search) -> Option<(f64, f64)> {
    search.knee.high.map(|high| (search.knee.low, high))
}

fn knee(search: &Search) -> String {
    search.knee.rate.map_or("the knee is not known".into(), |at| format!("the knee is at {}", rate(at)))
}

/// A figure at the lowest and at the highest load.
fn span(search: &Search, of: impl Fn(&Probe) -> Option<f64>, name: &str) -> String {
    let mut all: Vec<(f64, f64)> = search.probes.iter().filter_map(|p| Some((p.offered, of(p)?))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let said = |(at, value): &(f64, f64)| {
        let value = if name == "errors" { crate::base::units::percent(*value) } else { length(Some(*value)) };
        format!("{name} {value} at {}", rate(*at))
    };
    all.first().into_iter().chain(all.last().filter(|_| all.len() > 1)).map(said).collect::<Vec<_>>().join(", ")
}
