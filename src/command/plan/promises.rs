//! What is promised, what will be there to decide it, and which alerts can fire.

use std::fmt::Write as _;

use crate::base::{text, units};
use crate::judge::alerts::forecast;
use crate::plan::{Foreseen, Plan, minimum_shots, struck_requests};
use crate::scenario::{Claim, Scenario, Window};

pub(super) fn promises(scenario: &Scenario, plan: &Plan, out: &mut String) {
    out.push_str("promises\n");
    if scenario.promises.is_empty() {
        out.push_str("  none: the run will be INCONCLUSIVE\n");
    }
    for promise in &scenario.promises {
        let text = match &promise.claim {
            Claim::Server { expr, .. } => {
                format!("{} of {}", promise.text, expr.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            _ => promise.text.clone(),
        };
        let each = promise.each.map_or_else(String::new, |each| format!(" in each {}", units::duration(each)));
        let window = window_text(scenario, promise.window);
        let shots = minimum_shots(plan, promise).map(|foreseen| enough(foreseen, "shots"));
        let struck = struck_requests(scenario, plan, promise).map(|foreseen| enough(foreseen, "struck requests"));
        let unknown = matches!(promise.claim, Claim::Absorbed(_)).then(|| {
            ": how many requests will be struck depends on the service; `calls:` of its upstreams says more".to_owned()
        });
        let enough = shots.or(struck).or(unknown).unwrap_or_default();
        let _ = writeln!(out, "  {:<8} {}{each}{window}{enough}", promise.severity.word(), text::shorten(&text, 120));
    }
    out.push('\n');
}

/// Whether a promise will have the shots that it needs, or the struck requests.
fn enough(foreseen: Foreseen, what: &str) -> String {
    let Foreseen { planned, needed, closed, too_few } = foreseen;
    let about = text::thousands(planned as u64);
    match (too_few, closed) {
        (true, _) => format!(
            ": TOO FEW {}, about {about} of {needed} needed: it will be INCONCLUSIVE",
            what.to_ascii_uppercase()
        ),
        (false, false) => format!(": about {about} of {needed} needed"),
        (false, true) if planned >= needed as f64 => {
            format!(": about {about} of {needed} needed, and as many as the target answers in closed loops")
        }
        (false, true) => format!(": {needed} needed, how many there will be depends on the target"),
    }
}

/// Where a promise must hold, in words; empty for the whole measured phase.
fn window_text(scenario: &Scenario, window: Window) -> String {
    let name = |f: usize| scenario.faults[f].name.as_str();
    match window {
        Window::Measured => String::new(),
        Window::Outside => ", outside faults".into(),
        Window::Before(f) => format!(", before {}", name(f)),
        Window::During(f) => format!(", during {}", name(f)),
        Window::Recovery(f) => format!(", in recovery from {}", name(f)),
        Window::After(f) => format!(", after {}", name(f)),
    }
}

/// Which alerts can fire in the time given.
pub(super) fn alerts(scenario: &Scenario, plan: &Plan, out: &mut String) {
    let Some(rules) = &scenario.alerts else { return };
    let scale =
        if rules.scale > 1 { format!(", scaled 1:{}: NOT the deployed rules", rules.scale) } else { String::new() };
    let _ = writeln!(out, "alerts{scale}");
    if let (false, Some(server)) = (rules.are_known(), &scenario.prometheus) {
        let at = &server.server.address;
        let _ = writeln!(
            out,
            "  those of the Prometheus at {at}: what they are is known, and held against this, when the run starts"
        );
    }
    let forecasts = forecast(scenario, plan);
    for one in &forecasts {
        let (least, needed) = (units::duration(one.least), units::duration(one.needed));
        let available = units::duration(one.available);
        let can = match () {
            () if one.is_hopeless() => format!("CANNOT FIRE: {least} needed at the least, {available} available"),
            () if one.is_sure() => format!("{needed} needed, {available} available"),
            () => format!("MAY NOT FIRE: {least} needed at the least and {needed} to be sure, {available} available"),
        };
        let _ = writeln!(out, "  {}: {can}", one.alert);
    }
    if let Some(by) = forecasts.iter().filter(|one| !one.is_sure()).map(|one| one.time_scale).max().flatten() {
        let _ = writeln!(
            out,
            "  with `alerts: {{ time_scale: {by} }}` all of them can, as other rules than the deployed ones"
        );
    }
    out.push('\n');
}
