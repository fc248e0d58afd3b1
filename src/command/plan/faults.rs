//! What is broken, when, and whom it strikes.

use std::fmt::Write as _;

use super::clock;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::plan::{Plan, expected_touches};
use crate::scenario::{Fault, Inject, Match, On, Scenario, When};

pub(super) fn faults(scenario: &Scenario, plan: &Plan, out: &mut String) {
    if scenario.faults.is_empty() {
        return;
    }
    out.push_str("faults\n");
    for (fault, spans) in scenario.faults.iter().zip(&plan.timeline.faults) {
        let again = fault.repeat.map_or_else(String::new, |repeat| {
            format!(", {} times, every {}", repeat.times, units::duration(repeat.every))
        });
        let _ = writeln!(
            out,
            "  {:>8}  {} for {}{again}: {} on {}{}",
            clock(Offset::after_zero(fault.at)),
            fault.name,
            units::duration(fault.length),
            fault.inject.word(),
            scenario.subject(&fault.on),
            struck(scenario, plan, fault, spans)
        );
    }
    out.push('\n');
}

/// Whom a fault strikes, and how many that will be.
fn struck(scenario: &Scenario, plan: &Plan, fault: &Fault, spans: &[Span]) -> String {
    let share = match fault.ramp {
        Some(ramp) => format!("{} to {} over {}", ramp.from, ramp.to, units::duration(ramp.over)),
        None => fault.share.to_string(),
    };
    let unit = match fault.on {
        On::Upstream(_) => "requests",
        On::Link(_) => "connections",
        On::Kafka { .. } if matches!(fault.inject, Inject::Link(..)) => "connections",
        On::Kafka { .. } => return format!(", by the {}", fault.unit()),
        On::Process(_) | On::Hook(_) => return String::new(),
    };
    let which = if fault.matching == Match::default() { "" } else { " that match" };
    let when = match fault.when {
        When::Always => String::new(),
        When::First(n) => format!(", of the first {n}"),
        When::Every(n) => format!(", of every {n}th"),
        When::Nth(n) => format!(", of the {n}th"),
    };
    let touches = match expected_touches(scenario, plan, fault) {
        Some(n) => format!("about {n:.0} touches expected"),
        None if plan.traffic.iter().any(|t| spans.iter().any(|span| t.is_closed_within(*span))) => {
            "touches depend on how fast the target answers in the closed loop".into()
        }
        None if matches!(fault.on, On::Link(_)) => "touches depend on who opens connections through the link".into(),
        None if matches!(fault.on, On::Kafka { .. }) => "touches depend on who is connected to the cluster".into(),
        None if fault.matching != Match::default() => "touches depend on how many requests match".into(),
        None => "touches depend on the service (state `calls:` of the upstream to have them foreseen)".into(),
    };
    format!(", {share} of {unit}{which}{when}; {touches}")
}
