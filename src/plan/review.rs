//! What a plan can tell before it runs: which faults will strike, which promises can be decided, and what cannot work.

use std::time::Duration;

use super::Plan;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::scenario::{
    Claim, Expectation, Fault, HttpFault, Inject, Match, Measure, Mistake, On, Per, Promise, Scenario, Window,
};

/// A fault must be this likely to touch something.
const CERTAIN: f64 = 0.999;

/// How many requests a fault is expected to touch, over all its occurrences: shots due in each, times the stated calls
/// per shot, as many of them as `when` admits, times the share, which a ramp changes as the load goes on. `None` when
/// it depends on the service (no `calls:`, a `match`, a bucket for each client), on how fast it is (a closed loop in the
/// window), or when the fault strikes connections. Of processes and hooks: every shot due.
pub fn expected_touches(scenario: &Scenario, plan: &Plan, fault: &Fault) -> Option<f64> {
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
/// their planned times. `None` for what has no shots of its own (recovery, PromQL).
pub fn minimum_shots(plan: &Plan, promise: &Promise) -> Option<Foreseen> {
    let Claim::Client(expectation) = &promise.claim else { return None };
    if expectation.measure == Measure::Recovery {
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
            spans = measured.overlap(Span { start: Offset::ZERO, end: timeline.whole(f).start }).into_iter().collect()
        }
        Window::During(f) => spans = timeline.faults[f].clone(),
        Window::Recovery(_) => return None,
        Window::After(f) => {
            let start = timeline.whole(f).end;
            let end = timeline.faults.iter().flatten().map(|o| o.start).filter(|s| *s >= start).min();
            let after = Span { start, end: end.unwrap_or(measured.end) };
            spans = measured.overlap(after).into_iter().collect();
        }
    }
    let shots = |span: &Span| shots_due(plan, Some(expectation.traffic), *span);
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
                    "`{}` is expected to touch {expected:.1} calls: it may touch none, and prove nothing",
                    fault.name
                ),
                remedy: "lengthen it, raise its share or the load; 7 touches or more are safe".into(),
            });
        }
    }
    for (i, promise) in scenario.promises.iter().enumerate() {
        if let Claim::Client(expectation @ Expectation { measure: Measure::Recovery, .. }) = &promise.claim {
            let path = format!("slo.{i}.expect");
            review_recovery(scenario, plan, promise, expectation, &mut |what, remedy| {
                mistakes.push(Mistake { at: promise.place, path: path.clone(), what, remedy });
            });
        }
    }
    mistakes
}

fn review_recovery(
    scenario: &Scenario,
    plan: &Plan,
    promise: &Promise,
    expectation: &Expectation,
    refuse: &mut dyn FnMut(String, String),
) {
    let Window::After(fault) = promise.window else { return };
    let span = plan.timeline.whole(fault);
    let needed = Duration::from_nanos(expectation.bound) + promise.stable;
    let until = span.end + needed;
    if until > plan.timeline.measured(Some(expectation.traffic)).end {
        let what =
            format!("the load ends before this can be decided: {} after the fault are needed", units::duration(needed));
        refuse(what, "lengthen the load, or begin the fault earlier".into());
    }
    let meets = |spans: &[Span]| spans.iter().any(|s| s.start >= span.end && s.start < until);
    let other = plan.timeline.faults.iter().zip(&scenario.faults).find(|(spans, _)| meets(spans));
    if let Some((_, other)) = other {
        let what =
            format!("`{}` begins before this can be decided: {} are needed", other.name, units::duration(needed));
        refuse(what, "begin it later".into());
    }
    let stable = Span { start: span.end, end: span.end + promise.stable };
    if plan.traffic[expectation.traffic].is_closed_within(stable) {
        return;
    }
    let expected = shots_due(plan, Some(expectation.traffic), stable);
    for steady in scenario.promises.iter().filter(|p| p.steady) {
        let Claim::Client(e) = &steady.claim else { continue };
        if e.traffic == expectation.traffic && expected < e.minimum() as f64 {
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

/// Planned shots expected to be due in a span, of one traffic or of all.
fn shots_due(plan: &Plan, traffic: Option<usize>, span: Span) -> f64 {
    let of = |t: &super::TrafficPlan| t.profile.expected_by(span.end) - t.profile.expected_by(span.start);
    match traffic {
        Some(t) => of(&plan.traffic[t]),
        None => plan.traffic.iter().map(of).sum(),
    }
}
