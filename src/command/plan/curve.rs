//! The rate over time, drawn, with the faults below.

use std::fmt::Write as _;

use super::clock;
use crate::base::time::{Offset, Span};
use crate::plan::Plan;
use crate::scenario::Scenario;

/// Width of the drawn curve, in characters.
const WIDTH: usize = 72;
/// Height of the drawn curve, in lines.
const HEIGHT: usize = 8;

/// The rate over time as blocks, with the faults below. A closed loop has no rate beforehand: it is drawn as a cloud.
pub(super) fn curve(scenario: &Scenario, plan: &Plan, out: &mut String) {
    let end = plan.timeline.end;
    let column = |i: usize| Span {
        start: Offset::from_nanos(end.nanos() / WIDTH as i64 * i as i64),
        end: Offset::from_nanos(end.nanos() / WIDTH as i64 * (i as i64 + 1)),
    };
    let rate = |span: Span| {
        let shots: f64 =
            plan.traffic.iter().map(|t| t.profile.expected_by(span.end) - t.profile.expected_by(span.start)).sum();
        shots / span.length().as_secs_f64().max(1e-9)
    };
    let rates: Vec<f64> = (0..WIDTH).map(|i| rate(column(i))).collect();
    let closed: Vec<bool> = (0..WIDTH).map(|i| plan.traffic.iter().any(|t| t.is_closed_within(column(i)))).collect();
    let peak = rates.iter().copied().fold(0.0, f64::max);
    for line in (0..HEIGHT).rev() {
        let label = match line {
            l if l == HEIGHT - 1 && peak > 0.0 => format!("{peak:.0}/s"),
            0 => "0".into(),
            _ => String::new(),
        };
        let _ = write!(out, "{label:>9} │");
        for (rate, closed) in rates.iter().zip(&closed) {
            let eighths = (rate / peak.max(1e-9) * (HEIGHT * 8) as f64).round() as usize;
            let here = eighths.saturating_sub(line * 8).min(8);
            out.push(match (here, closed) {
                (0, true) => '░',
                _ => [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][here],
            });
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{:>9} └{}", "", "─".repeat(WIDTH));
    let _ = writeln!(out, "{:>10} {:<half$}{:>half$}", "", clock(Offset::ZERO), clock(end), half = WIDTH / 2);
    if closed.contains(&true) {
        let _ = writeln!(out, "{:>10} ░ closed loop: as fast as the target answers", "");
    }
    for (fault, spans) in scenario.faults.iter().zip(&plan.timeline.faults) {
        let meets = |i: usize| spans.iter().any(|span| column(i).overlap(*span).is_some());
        let line: String = (0..WIDTH).map(|i| if meets(i) { '▒' } else { ' ' }).collect();
        let _ = writeln!(out, "{:>10} {}  {}", "", line.trim_end(), fault.name);
    }
    out.push('\n');
}
