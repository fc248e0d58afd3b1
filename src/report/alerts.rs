//! What the target's own alert rules did, for all reports: a table of alerts by window, and a line for each that has more to
//! say.

use comfy_table::{ContentArrangement, Table, presets};

use super::words;
use crate::base::text;
use crate::base::units;
use crate::judge::Agreement;
use crate::judge::alerts::{
    AlertSummary, AlertsSummary, BesideSummary, InstanceSummary, State, WindowSummary, beside_said,
};

/// How much of an expression is shown in the final table, in characters; the other reports show it whole.
const EXPR: usize = 40;
/// So many elements are shown of an alert in the final table.
const INSTANCES: usize = 3;
/// How wide the table may be, in characters.
const WIDTH: u16 = 91;

/// What was replayed, in a sentence.
pub fn headline(alerts: &AlertsSummary) -> String {
    let mut said = text::count(alerts.alerts.len() as u64, "rule");
    said.push_str(&format!(", each tried at {}", text::count(alerts.phases.into(), "phase")));
    if alerts.source == "prometheus" {
        said.push_str(" over the server's samples");
    }
    if alerts.semantics != "3" {
        said.push_str(&format!(", semantics {}", alerts.semantics));
    }
    if alerts.scale > 1 {
        said.push_str(&format!(", scaled 1:{}: NOT the deployed rules", alerts.scale));
    }
    said
}

/// How many of the elements that fired, by our replay or the server's word, go together; `None` where no server's word was to
/// be had.
pub fn beside(alerts: &AlertsSummary) -> Option<String> {
    let all = || alerts.alerts.iter().flat_map(|alert| &alert.beside);
    let count = |wanted| all().filter(|of| of.agreement == wanted).count() as u64;
    if let Some(unanswered) = all().find(|of| of.agreement == Agreement::Unanswered) {
        return unanswered.why.as_ref().map(|why| format!("not held against the server's own word: {why}"));
    }
    if all().next().is_none() {
        return None;
    }
    let (agree, near) = (count(Agreement::Agree), count(Agreement::Near));
    let near = if near > 0 { format!(", {near} within an evaluation") } else { String::new() };
    let fired = text::count(all().count() as u64, "alert");
    Some(format!("the server's own ALERTS agree on {agree} of {fired} that fired{near}"))
}

/// The table of the terminal: alerts by window.
pub fn table(alerts: &AlertsSummary) -> Vec<String> {
    let Some(first) = alerts.alerts.first() else { return Vec::new() };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    let windows = first.windows.iter().map(|window| window.name.clone());
    table.set_header(["alert".to_owned()].into_iter().chain(windows).chain(["evaluated".to_owned()]));
    for alert in &alerts.alerts {
        let states = alert.windows.iter().map(|window| state(window, alerts.phases));
        let evaluated = text::shorten(&evaluated(alert), EXPR);
        table.add_row([alert.alert.clone()].into_iter().chain(states).chain([evaluated]));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// What an alert did in a window.
pub fn state(window: &WindowSummary, phases: u32) -> String {
    match window.state {
        State::Never => "never".to_owned(),
        state if window.phases < phases => format!("{} ({} of {phases})", state.word(), window.phases),
        state => state.word().to_owned(),
    }
}

/// What was evaluated, on one line.
pub fn evaluated(alert: &AlertSummary) -> String {
    let expr = alert.expr.split_whitespace().collect::<Vec<_>>().join(" ");
    if alert.hold.is_zero() { expr } else { format!("{expr} for {}", units::duration(alert.hold)) }
}

/// What more there is to say of an alert: its elements, why it could not fire, an error. The final table shows `few`.
pub fn lines(alert: &AlertSummary, few: bool) -> Vec<String> {
    let most = if few { INSTANCES } else { usize::MAX };
    let fired = alert.instances.iter().filter(|i| i.stints.iter().any(|s| s.state == State::Firing));
    let mut lines: Vec<String> = fired.clone().take(most).map(|i| format!("{}{}", alert.alert, instance(i))).collect();
    if let Some(more) = fired.count().checked_sub(most).filter(|more| *more > 0) {
        lines.push(format!("{}: {} more", alert.alert, text::thousands(more as u64)));
    }
    if !alert.absent.is_empty() {
        lines.push(format!("{} could not fire: {} was never exposed", alert.alert, alert.absent.join(" and ")));
    }
    if let Some(error) = &alert.error {
        lines.push(format!("{} could not be evaluated: {error}", alert.alert));
    }
    let told = |of: &&BesideSummary| match of.agreement {
        Agreement::Disagree => true,
        Agreement::Near => !few,
        Agreement::Agree | Agreement::Foreign | Agreement::Unanswered => false,
    };
    let differing = alert.beside.iter().filter(told);
    lines.extend(differing.take(most).map(|of| format!("{}{}: {}", alert.alert, braces(&of.labels), beside_said(of))));
    lines
}

/// `{service="a"}`; nothing of none.
fn braces(labels: &[(String, String)]) -> String {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) }
}

/// `{service="a"} fired 20 s to 45 s: Errors on a`
fn instance(instance: &InstanceSummary) -> String {
    let labels = braces(&instance.labels);
    let firing = instance.stints.iter().filter(|stint| stint.state == State::Firing);
    let spans: Vec<String> = firing
        .map(|stint| match stint.to {
            Some(to) => format!("{} to {}", words::seconds(stint.from.secs()), words::seconds(to.secs())),
            None => format!("from {} on", words::seconds(stint.from.secs())),
        })
        .collect();
    let said = ["summary", "description"]
        .iter()
        .find_map(|wanted| instance.annotations.iter().find(|(name, _)| name == wanted))
        .map_or_else(String::new, |(_, text)| format!(": {}", text.trim()));
    format!("{labels} fired {}{said}", spans.join(", "))
}

/// One alert on one line: what it did where, and what was evaluated.
pub fn line(alert: &AlertSummary, phases: u32) -> String {
    let windows: Vec<String> = alert.windows.iter().map(|w| format!("{} {}", state(w, phases), w.name)).collect();
    format!("{}; {}", windows.join(", "), evaluated(alert))
}
