//! Lines about the servers that watched the target for its owners.

use super::words;
use crate::base::text;
use crate::base::units;
use crate::judge::{Agreement, AlertmanagerSummary, PrometheusSummary};
use std::time::Duration;

/// So many alerts and notifications are named.
const SHOWN: usize = 12;

/// What a Prometheus server said: who it is and what it agrees with, then a line for each thing to know.
pub fn prometheus(of: &PrometheusSummary) -> Vec<String> {
    let Some(product) = &of.product else { return vec!["was never asked".into()] };
    let version = of.version.as_ref().map(|v| format!(" {v}")).unwrap_or_default();
    let semantics = of.semantics.map(|s| format!(", PromQL {s}")).unwrap_or_default();
    let by = match of.semantics_by.as_deref() {
        Some("assumed") => " (assumed)",
        Some("scenario") => " (as the scenario says)",
        _ => "",
    };
    let (series, samples) =
        of.selectors.iter().fold((0, 0), |(series, samples), s| (series + s.series, samples + s.samples));
    let mut lines = vec![format!(
        "{product}{version}{semantics}{by}, its clock {}: {} of {}",
        clock(of),
        text::count(samples, "sample"),
        text::thousands(series) + " series"
    )];
    let count = |wanted| of.checks.iter().filter(|check| check.agreement == wanted).count() as u64;
    if !of.checks.is_empty() {
        let near = count(Agreement::Near);
        let near = if near > 0 { format!(", {near} within a scrape") } else { String::new() };
        let all = text::count(of.checks.len() as u64, "answer");
        lines.push(format!("agrees with {} of {all}{near}", count(Agreement::Agree)));
    }
    for check in &of.checks {
        let (ours, theirs) = (&check.ours, &check.theirs);
        match check.agreement {
            Agreement::Agree | Agreement::Near => {}
            Agreement::Disagree => {
                lines.push(format!("warning: `{}`: ours {ours}, its own {theirs}", check.promise));
            }
            Agreement::Foreign => {
                lines.push(format!("`{}`: ours {ours}, its own {theirs} in its own language: no check", check.promise));
            }
            Agreement::Unanswered => lines.push(format!("`{}`: no answer of its own: {theirs}", check.promise)),
        }
    }
    for selector in &of.selectors {
        if let Some(why) = &selector.failed {
            lines.push(format!("warning: {} was not fetched whole: {why}", selector.selector));
        }
    }
    if of.stale_by_scrapes + of.stale_by_gaps > 0 {
        let (scrapes, gaps) = (of.stale_by_scrapes, of.stale_by_gaps);
        lines.push(format!("ends of series inferred: {scrapes} by scrapes without them, {gaps} by gaps"));
    }
    for fired in of.alerts.iter().take(SHOWN) {
        let span = fired.span.map(words::instants).unwrap_or_default();
        let times = if fired.times > 1 { format!(", {} times", fired.times) } else { String::new() };
        lines.push(format!("{} {} {span}{times}", fired.alert, fired.state));
    }
    if of.alerts.len() > SHOWN {
        lines.push(format!("and {} more alerts", of.alerts.len() - SHOWN));
    }
    lines.extend(of.failing_rules.iter().take(SHOWN).map(|rule| format!("warning: a rule failed: {rule}")));
    lines.extend(of.trouble.iter().map(|why| format!("warning: {why}")));
    lines
}

fn clock(of: &PrometheusSummary) -> String {
    let length = |seconds: f64| units::measured(Duration::from_secs_f64(seconds.abs().min(1e9)));
    let (ahead, doubt) = (of.ahead.unwrap_or(0.0), of.doubt.unwrap_or(0.0));
    let side = if ahead < 0.0 { "behind" } else { "ahead" };
    match of.moved {
        true => format!("{} {side} of ours and its times moved by that", length(ahead)),
        false => format!("as ours within {}", length(doubt)),
    }
}

/// What an Alertmanager had and sent: who it is, then a line for each notification and each alert that it held back.
pub fn alertmanager(of: &AlertmanagerSummary) -> Vec<String> {
    let (Some(version), Some(api)) = (&of.version, &of.api) else { return vec!["was never asked".into()] };
    let received = text::count(of.notifications.len() as u64 + of.more, "notification");
    let mut lines = vec![format!("Alertmanager {version} ({api}), asked {} times: {received}", of.good + of.failed)];
    for sent in of.notifications.iter().take(SHOWN) {
        let (at, alerts) = (words::seconds(sent.at.secs()), text::count(sent.alerts, "alert"));
        lines.push(format!("{at}: {} to `{}`, {alerts}, grouped by {}", sent.status, sent.receiver, sent.group));
    }
    let hidden = of.notifications.len().saturating_sub(SHOWN) as u64 + of.more;
    if hidden > 0 {
        lines.push(format!("and {} more", text::thousands(hidden)));
    }
    for group in of.groups.iter().take(SHOWN) {
        let alerts = text::count(group.alerts, "alert");
        let until = group.until.map_or_else(|| "on".to_owned(), |at| format!("to {}", words::seconds(at.secs())));
        let since = words::seconds(group.since.secs());
        let by = if group.labels.is_empty() { "nothing" } else { &group.labels };
        lines.push(format!("a group for `{}` from {since} {until}, {alerts}, by {by}", group.receiver));
    }
    if of.groups.len() > SHOWN {
        lines.push(format!("and {} more groups", of.groups.len() - SHOWN));
    }
    for held in of.alerts.iter().filter(|held| held.state == "suppressed").take(SHOWN) {
        let by = match (held.inhibited_by.first(), held.silenced_by.first()) {
            (Some(by), _) => format!("inhibited by {by}"),
            (None, Some(by)) => format!("silenced by {by}"),
            (None, None) => "muted".into(),
        };
        lines.push(format!("{} held back since {}: {by}", held.labels, words::seconds(held.since.secs())));
    }
    if of.failed > 0 {
        lines.push(format!("warning: {} of its answers did not come", text::thousands(of.failed)));
    }
    lines.extend(of.trouble.iter().take(SHOWN).map(|why| format!("warning: {why}")));
    lines
}
