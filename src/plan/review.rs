//! What a plan can tell before it runs: which faults will strike, which promises can be decided, and what cannot work.

use std::time::Duration;

use super::Plan;
use super::backlog::overflows;
use super::stop::unreachable_stop;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::base::units::{self, Share};
use crate::scenario::{
    Claim, Expectation, Fault, HttpFault, Inject, Lead, Match, Measure, Mistake, On, Per, Pick, Promise, Scenario,
    Toxic, Whose, Window,
};

/// A fault must be this likely to touch something.
const CERTAIN: f64 = 0.999;

/// How many requests a fault is expected to touch, over all its occurrences: shots due in each, times the stated calls
/// per shot, as many of them as `when` admits, times the share, which a ramp changes as the load goes on. `None` when
/// it depends on the service (no `calls:`, a `match`, a bucket for each client), on how fast it is (a closed loop in the
/// window), or when the fault strikes connections. Of processes and hooks: every shot due.
pub fn expected_touches(scenario: &Scenario, plan: &Plan, fault: &Fault) -> Option<f64> {
    if let On::Link(link) = fault.on {
        return expected_bytes(scenario, plan, fault, &scenario.links[link].to);
    }
    let spans = fault.occurrences();
    let closed = |span: &Span| plan.traffic.iter().any(|t| t.is_closed_within(*span));
    if matches!(fault.on, On::Process(_) | On::Hook(_)) {
        // It strikes as a whole: every shot that is due.
        return (!spans.iter().any(closed)).then(|| spans.iter().map(|span| shots_due(plan, None, *span)).sum());
    }
    let (On::Upstream(upstream), Inject::Http(inject)) = (&fault.on, &fault.inject) else { return None };
    let calls = scenario.upstreams[*upstream].calls?;
    if fault.matching != Match::default() || spans.iter().any(closed) {
        return None;
    }
    let struck = |span: &Span| {
        let arriving = shots_due(plan, None, *span) * calls;
        match fault.ramp {
            // Whom `when` admits is spread over the span as the load is.
            Some(_) => {
                fault.when.admitted(arriving) / arriving.max(f64::MIN_POSITIVE) * ramped(plan, fault, *span) * calls
            }
            None => fault.when.admitted(arriving) * fault.share.fraction(),
        }
    };
    match inject {
        HttpFault::Refuse => None, // strikes connections
        HttpFault::RateLimit { limit, per: Per::One, .. } => {
            let allowed = limit.rate.hertz() * fault.length.as_secs_f64() + f64::from(limit.burst);
            Some(spans.iter().map(|span| (struck(span) - allowed).max(0.0)).sum())
        }
        HttpFault::RateLimit { .. } => None,
        _ => Some(spans.iter().map(struck).sum()),
    }
}

/// How often something is expected to pass a link while a fault on it is effective: requests where they come by it and
/// all its connections are struck; else how many connections there will be depends on who opens them.
fn expected_bytes(scenario: &Scenario, plan: &Plan, fault: &Fault, lead: &Lead) -> Option<f64> {
    let spans = fault.occurrences();
    let closed = |span: &Span| plan.traffic.iter().any(|t| t.is_closed_within(*span));
    let counted =
        !matches!(fault.inject, Inject::Link(Toxic::Down | Toxic::SlowClose { .. } | Toxic::LimitData { .. }, _));
    if fault.share != Share::ALL || !counted || spans.iter().any(closed) {
        return None;
    }
    let each = match lead {
        Lead::Service(None) => 1.0,
        Lead::Upstream(upstream) => scenario.upstreams[*upstream].calls?,
        Lead::Service(Some(_)) | Lead::Address(_) | Lead::Toxiproxy(_) => return None,
    };
    Some(spans.iter().map(|span| shots_due(plan, None, *span) * each).sum())
}

/// Shots due in a span, each weighed by the share at its time.
fn ramped(plan: &Plan, fault: &Fault, span: Span) -> f64 {
    const STEPS: u32 = 200;
    let step = fault.length / STEPS;
    let weigh = |n: u32| {
        let slice = Span { start: span.start + step * n, end: span.start + step * (n + 1) };
        shots_due(plan, None, slice) * fault.share_at(step * n + step / 2).fraction()
    };
    (0..STEPS).map(weigh).sum()
}

/// The shots that a promise will be judged by, as far as the plan knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Foreseen {
    /// How many are planned; with `each`, in the slice that has the fewest. Slices in which a closed loop runs are left
    /// out, unless it runs in all.
    pub planned: f64,
    /// How many are needed.
    pub needed: u64,
    /// Whether closed loops send more, as many as the target answers.
    pub closed: bool,
    /// Whether what is planned decides: whether it is too few.
    pub too_few: bool,
}

/// The shots that a promise will be judged by, as far as the plan knows: planned windows only, the windows of faults by
/// their planned times. `None` for what has no shots of its own (recovery, detection, PromQL).
pub fn minimum_shots(plan: &Plan, promise: &Promise) -> Option<Foreseen> {
    let Claim::Client(expectation) = &promise.claim else { return None };
    if expectation.measure.is_of_fault() {
        return None;
    }
    let timeline = &plan.timeline;
    let measured = timeline.measured(Some(expectation.traffic));
    let mut spans = vec![measured];
    match promise.window {
        Window::Measured => {}
        Window::Outside => {
            for fault in timeline.faults.iter().flatten() {
                spans = spans.into_iter().flat_map(|s| s.without(*fault)).collect();
            }
        }
        Window::Before(f) => {
            let first = timeline.faults[f].iter().map(|span| span.start).min().unwrap_or(Offset::ZERO);
            spans = measured.overlap(Span { start: Offset::ZERO, end: first }).into_iter().collect()
        }
        Window::During(f) => spans = timeline.faults[f].clone(),
        Window::Recovery(_) => return None,
        Window::After(f) => {
            let starts = || timeline.faults.iter().flatten().map(|span| span.start);
            let after = |span: &Span| {
                let next = starts().filter(|start| *start >= span.end).min();
                measured.overlap(Span { start: span.end, end: next.unwrap_or(measured.end) })
            };
            spans = timeline.faults[f].iter().filter_map(after).collect();
        }
    }
    let shots = |span: &Span| come_to(plan, expectation, *span);
    let is_closed = |span: &Span| plan.traffic[expectation.traffic].is_closed_within(*span);
    let needed = expectation.minimum();
    let foreseen = |planned: f64, closed, open| {
        let planned = if planned.is_finite() { planned } else { 0.0 };
        Foreseen { planned, needed, closed, too_few: open && planned < needed as f64 }
    };
    Some(match promise.each {
        Some(each) => {
            let slices: Vec<Span> = spans.iter().flat_map(|span| span.slices(each)).collect();
            let (closed, open): (Vec<Span>, Vec<Span>) = slices.into_iter().partition(is_closed);
            let decisive = if open.is_empty() { &closed } else { &open };
            let fewest = decisive.iter().map(shots).fold(f64::INFINITY, f64::min);
            foreseen(fewest, !closed.is_empty(), !open.is_empty() || closed.is_empty())
        }
        None => {
            let closed = spans.iter().any(is_closed);
            foreseen(spans.iter().map(shots).sum(), closed, !closed)
        }
    })
}

/// The struck requests that a promise about what was absorbed will be judged by, as far as the plan knows: those of its
/// faults, by all traffic. `None` where it depends on the service how many there will be, and for other promises.
pub fn struck_requests(scenario: &Scenario, plan: &Plan, promise: &Promise) -> Option<Foreseen> {
    let Claim::Absorbed(absorbed) = &promise.claim else { return None };
    let is_its = |(position, fault): &(usize, &Fault)| {
        matches!(fault.on, On::Upstream(_)) && absorbed.fault.is_none_or(|named| named == *position)
    };
    let its = scenario.faults.iter().enumerate().filter(is_its);
    let planned = its.map(|(_, fault)| expected_touches(scenario, plan, fault)).sum::<Option<f64>>()?;
    let needed = absorbed.minimum();
    Some(Foreseen { planned, needed, closed: false, too_few: planned < needed as f64 })
}

/// What cannot work, although each key is right by itself.
pub fn review(scenario: &Scenario, plan: &Plan) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for fault in &scenario.faults {
        if let Some(expected) = expected_touches(scenario, plan, fault)
            && 1.0 - libm::exp(-expected) < CERTAIN
        {
            mistakes.push(Mistake {
                at: fault.place,
                path: format!("faults.{}", fault.name),
                what: format!(
                    "`{}` is expected to touch {expected:.1} {}: it may touch none, and prove nothing",
                    fault.name,
                    match fault.unit() {
                        "request" => "calls",
                        "connection" => "connections",
                        _ => "shots",
                    }
                ),
                remedy: "lengthen it, raise its share or the load; 7 touches or more are safe".into(),
            });
        }
    }
    mistakes.extend(overflows(scenario, plan));
    for (traffic, plan) in scenario.traffic.iter().zip(&plan.traffic) {
        let Some(flow) = traffic.kind.flow() else { continue };
        for feed in flow.feeds.iter().filter(|feed| feed.pick == Pick::Unique) {
            let (rows, closed) = (feed.rows.len() as u64, plan.closed_loops().next().is_some());
            if rows < plan.count() || closed {
                let shots = if closed {
                    "as many shots as the target answers".into()
                } else {
                    text::count(plan.count(), "shot")
                };
                mistakes.push(Mistake {
                    at: feed.place,
                    path: format!("traffic.{}.{}.data.{}", traffic.name, traffic.kind.word(), feed.name),
                    what: format!("`{}` has {}, and {shots} want one each", feed.file, text::count(rows, "row")),
                    remedy: "add rows, lower the load, or write `pick: sequential`".into(),
                });
            }
        }
    }
    for (i, promise) in scenario.promises.iter().enumerate() {
        let Claim::Client(expectation) = &promise.claim else { continue };
        let path = format!("slo.{i}.expect");
        let mut refuse = |what: String, remedy: String| {
            mistakes.push(Mistake { at: promise.place, path: path.clone(), what, remedy });
        };
        match expectation.measure {
            Measure::Recovery => review_recovery(scenario, plan, promise, expectation, &mut refuse),
            Measure::Detection => review_detection(scenario, plan, promise, expectation, &mut refuse),
            _ if promise.steady => review_gate(scenario, plan, expectation, &mut refuse),
            _ => {}
        }
    }
    for (i, abort) in scenario.abort_when.iter().enumerate() {
        if let Some((what, remedy)) = unreachable_stop(scenario, plan, abort) {
            mistakes.push(Mistake { at: abort.place, path: format!("abort_when.{i}.expect"), what, remedy });
        }
    }
    mistakes
}

/// Why what must be steady before the first fault cannot be told by then.
fn review_gate(scenario: &Scenario, plan: &Plan, expectation: &Expectation, refuse: &mut dyn FnMut(String, String)) {
    let starts = plan
        .timeline
        .faults
        .iter()
        .zip(&scenario.faults)
        .flat_map(|(spans, f)| spans.iter().map(move |s| (s.start, f)));
    let Some((until, fault)) = starts.min_by_key(|(start, _)| *start) else { return };
    let measured = plan.timeline.measured(Some(expectation.traffic));
    let span = Span { start: measured.start, end: until.max(measured.start) };
    if plan.traffic[expectation.traffic].is_closed_within(span) {
        return;
    }
    let (expected, needed) = (come_to(plan, expectation, span), expectation.minimum());
    if expected < needed as f64 {
        let what = format!(
            "it must hold before `{}` begins at {}, and needs {} by then: {} are due, and no fault would be applied",
            fault.name,
            units::duration(until.since(Offset::ZERO)),
            text::count(needed, "measured shot"),
            text::thousands(expected as u64)
        );
        refuse(what, "begin the fault later, shorten the warm-up, or raise the load".into());
    }
}

/// Why a fault could not be felt within the promised time, or not be told from others.
fn review_detection(
    scenario: &Scenario,
    plan: &Plan,
    promise: &Promise,
    expectation: &Expectation,
    refuse: &mut dyn FnMut(String, String),
) {
    let Window::After(fault) = promise.window else { return };
    for span in &plan.timeline.faults[fault] {
        review_slices(scenario, plan, expectation.whose(), *span, refuse);
    }
    let bound = Duration::from_nanos(expectation.bound);
    let measured = plan.timeline.measured(Some(expectation.traffic));
    let all = || plan.timeline.faults.iter().enumerate().flat_map(|(f, spans)| spans.iter().map(move |s| (f, *s)));
    for span in &plan.timeline.faults[fault] {
        let until = span.start + bound;
        if until > measured.end {
            let what = format!(
                "the load ends before this can be decided: {} from its start on are needed",
                units::duration(bound)
            );
            refuse(what, "lengthen the load, or begin the fault earlier".into());
        }
        let others = all().filter(|(f, s)| *f != fault || s != span);
        let beside = others.clone().find(|(_, s)| s.contains(span.start));
        let next = others.clone().find(|(_, s)| s.start >= span.start && s.start < until);
        if let Some((other, _)) = beside.or(next) {
            let name = &scenario.faults[other].name;
            let what = format!("`{name}` strikes while this is decided: which of them was felt, nobody could tell");
            refuse(what, format!("leave {} from the start of one to the other", units::duration(bound)));
        }
    }
}

fn review_recovery(
    scenario: &Scenario,
    plan: &Plan,
    promise: &Promise,
    expectation: &Expectation,
    refuse: &mut dyn FnMut(String, String),
) {
    let Window::After(fault) = promise.window else { return };
    let needed = Duration::from_nanos(expectation.bound) + promise.stable;
    for span in &plan.timeline.faults[fault] {
        let until = span.end + needed;
        if until > plan.timeline.measured(Some(expectation.traffic)).end {
            let what = format!(
                "the load ends before this can be decided: {} after the fault are needed",
                units::duration(needed)
            );
            refuse(what, "lengthen the load, or begin the fault earlier".into());
        }
        let starts = plan.timeline.faults.iter().zip(&scenario.faults);
        let mut starts = starts.flat_map(|(spans, f)| spans.iter().map(move |s| (s.start, f)));
        if let Some((_, other)) = starts.find(|(start, _)| *start >= span.end && *start < until) {
            let what =
                format!("`{}` begins before this can be decided: {} are needed", other.name, units::duration(needed));
            refuse(what, "begin it later".into());
        }
        let stable = Span { start: span.end, end: span.end + promise.stable };
        if plan.traffic[expectation.traffic].is_closed_within(stable) {
            continue;
        }
        review_slices(scenario, plan, expectation.whose(), stable, refuse);
        for steady in scenario.promises.iter().filter(|p| p.steady) {
            let Claim::Client(e) = &steady.claim else { continue };
            let expected = come_to(plan, e, stable);
            if expectation.whose().covers(e.whose()) && expected < e.minimum() as f64 {
                let what = format!(
                    "{} hold about {} at this rate, `{}` needs {}",
                    units::duration(promise.stable),
                    text::count(expected as u64, "shot"),
                    steady.text,
                    e.minimum()
                );
                refuse(what, "write a longer `stable:`, or raise the load".into());
            }
        }
    }
}

/// Refuses a load so thin that no slice of time could be bad beyond chance: what breaks would not be seen.
/// Why nothing shows in slices of a span.
pub(super) fn review_slices(
    scenario: &Scenario,
    plan: &Plan,
    whose: Whose,
    span: Span,
    refuse: &mut dyn FnMut(String, String),
) {
    let steady = scenario.promises.iter().filter(|p| p.steady);
    let steady = steady.filter_map(|p| if let Claim::Client(e) = &p.claim { Some((p, e)) } else { None });
    let blind = |(promise, e): (&Promise, &Expectation)| {
        // As fine as the log is.
        let slice = if e.clock == Timing::Response { 0.1 } else { 1.0 };
        let held = come_to(plan, e, span) / span.length().as_secs_f64().max(1e-9) * slice;
        (held < e.least_bad() as f64).then(|| (promise.text.clone(), held, e.least_bad(), slice))
    };
    let all: Vec<Option<_>> = steady.filter(|(_, e)| whose.covers(e.whose())).map(blind).collect();
    if plan.traffic[whose.traffic].is_closed_within(span) || all.iter().any(Option::is_none) {
        return;
    }
    // One that can see is enough.
    if let Some((text, held, least, slice)) = all.into_iter().flatten().min_by_key(|(_, _, least, _)| *least) {
        let slice = units::duration(Duration::from_secs_f64(slice));
        let what = format!(
            "{slice} hold about {held:.1} shots at this rate, and `{text}` needs {least} bad ones for more than chance"
        );
        refuse(what, "raise the load, or make a tighter promise steady as well".into());
    }
}

/// Planned shots expected to be due in a span, and to come to what is promised of them.
pub(super) fn come_to(plan: &Plan, expectation: &Expectation, span: Span) -> f64 {
    shots_due(plan, Some(expectation.traffic), span) * plan.traffic[expectation.traffic].share(expectation.part)
}

/// Planned shots expected to be due in a span, of one traffic or of all.
fn shots_due(plan: &Plan, traffic: Option<usize>, span: Span) -> f64 {
    let of = |t: &super::TrafficPlan| t.profile.expected_by(span.end) - t.profile.expected_by(span.start);
    match traffic {
        Some(t) => of(&plan.traffic[t]),
        None => plan.traffic.iter().map(of).sum(),
    }
}
