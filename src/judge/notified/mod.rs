//! Promises about what an Alertmanager sends on: that an alert was notified in time, to whom, and in which group. Judged
//! by the notifications that the run received and by what the Alertmanager said of its alerts meanwhile.

mod summary;

use super::evaluate;
use super::trial::Trial;
use super::verdict::{Finding, Kind, Quantity, Verdict, instant, stretch};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::event::Event;
use crate::evidence::servers::{Alertmanager as Told, Notice, Pairs, has};
use crate::scenario::{Notified, Promise, Window};

pub use summary::{AlertmanagerSummary, HeldSummary, NotificationSummary, summary};

/// A notification that holds the alert which is promised.
struct Sent<'e> {
    at: Offset,
    receiver: &'e str,
    group: &'e Pairs,
}

/// What a promise about a notification comes to.
pub fn finding(trial: &Trial<'_>, promise: &Promise, claim: &Notified) -> Finding {
    let bound = Quantity::time(claim.within);
    let (start, parts) = match promise.window {
        Window::After(fault) => {
            let strike = trial.windows.faults[fault].strikes().next();
            match strike {
                Some(strike) if claim.resolved => (Some(strike.end), vec![strike]),
                Some(strike) => (Some(strike.start), vec![strike]),
                None => (None, Vec::new()),
            }
        }
        _ => {
            let measured = trial.timeline.measured(None);
            (Some(measured.start), vec![measured])
        }
    };
    let mut finding = evaluate::blank(trial, promise, parts, bound, "<=");
    finding.needed = 1;
    let Some(start) = start else {
        finding.why = evaluate::why_empty(trial, promise.window);
        return finding;
    };
    let (verdict, observed, why) = decide(trial, claim, start);
    finding.samples = u64::from(observed.is_some());
    finding.observed = observed.map(|after| Quantity { value: after, kind: Kind::Time });
    (finding.verdict, finding.why) = (verdict, why);
    finding
}

fn decide(trial: &Trial<'_>, claim: &Notified, start: Offset) -> (Verdict, Option<f64>, String) {
    let undecided = |why: String| (Verdict::Inconclusive, None, why);
    let events = || {
        trial.evidence.events.iter().filter_map(|event| match event {
            Event::Alertmanager { at, told } => Some((*at, told)),
            _ => None,
        })
    };
    if !events().any(|(_, told)| matches!(told, Told::Itself { listen: Some(_), .. })) {
        return undecided("the run received no notifications: nothing listened for them".into());
    }
    let word = if claim.resolved { "resolved" } else { "firing" };
    let sent: Vec<Sent<'_>> = events()
        .filter_map(|(at, told)| match told {
            Told::Notified { receiver, group, alerts, .. } => {
                let holds = |alert: &Notice| alert.status == word && is_meant(claim, &alert.labels);
                alerts.iter().any(holds).then_some(Sent { at, receiver, group })
            }
            _ => None,
        })
        .collect();
    let routed = |sent: &&Sent<'_>| claim.receiver.as_ref().is_none_or(|wanted| wanted == sent.receiver);
    // What is told of an alert that fired before says nothing of what this is about.
    let early = sent.iter().filter(routed).rfind(|sent| sent.at < start);
    if let Some(early) = early.filter(|_| !claim.resolved) {
        let at = instant(early.at);
        return undecided(format!("it was notified at {at} already, before {}", instant(start)));
    }
    let mut later = sent.iter().filter(|sent| sent.at >= start);
    if let Some(first) = later.clone().find(|sent| routed(sent)) {
        let after = first.at.since(start);
        let told = format!("{word} to `{}` {} after {}", first.receiver, units::measured(after), instant(start));
        let seconds = Some(after.as_secs_f64());
        if let Some(wanted) = &claim.grouped_by {
            let mut is: Vec<&str> = first.group.iter().map(|(name, _)| name.as_str()).collect();
            let mut want: Vec<&str> = wanted.iter().map(String::as_str).collect();
            (is.sort_unstable(), want.sort_unstable());
            if is != want {
                let (is, want) = (text::list(is), text::list(want));
                return (Verdict::Fail, seconds, format!("{told}, grouped by [{is}] and not by [{want}]"));
            }
        }
        return match after <= claim.within {
            true => (Verdict::Pass, seconds, told),
            false => (Verdict::Fail, seconds, format!("{told}: too late")),
        };
    }
    let others: Vec<&str> = later.by_ref().map(|sent| sent.receiver).collect();
    if let (Some(other), Some(wanted)) = (others.first(), &claim.receiver) {
        return (Verdict::Fail, None, format!("it was notified to `{other}`, and never to `{wanted}`"));
    }
    let listened = listened_until(trial);
    let end = start + claim.within;
    if listened < end {
        let span = stretch(Span { start, end });
        return undecided(format!("no notification, and the run listened until {} of {span}", instant(listened)));
    }
    (Verdict::Fail, None, format!("never notified as {word}{}", standing(claim, events().map(|(_, told)| told))))
}

/// Whether an alert is the one that is promised.
fn is_meant(claim: &Notified, labels: &[(String, String)]) -> bool {
    has(labels, "alertname", &claim.alert) && claim.labels.iter().all(|(name, value)| has(labels, name, value))
}

/// Until when notifications were received: as long as the Alertmanager was watched.
fn listened_until(trial: &Trial<'_>) -> Offset {
    let over = trial.evidence.events.iter().filter_map(|event| match event {
        Event::Alertmanager { at, told: Told::Polls { .. } } => Some(*at),
        _ => None,
    });
    over.max().unwrap_or(trial.windows.seen)
}

/// What the Alertmanager had of the alert meanwhile, in words.
fn standing<'e>(claim: &Notified, told: impl Iterator<Item = &'e Told>) -> String {
    let mut seen = None;
    for told in told {
        let Told::Alert { labels, state, silenced_by, inhibited_by, receivers } = told else { continue };
        if is_meant(claim, labels) && state != "gone" {
            let because = match (inhibited_by.as_slice(), silenced_by.as_slice()) {
                ([by, ..], _) => format!(": inhibited by {by}"),
                ([], [by, ..]) => format!(": silenced by {by}"),
                ([], []) if state == "suppressed" => ": muted".to_owned(),
                ([], []) => format!(" for {}", text::list(receivers.iter().map(String::as_str))),
            };
            seen = Some(format!("; Alertmanager had it {state}{because}"));
        }
    }
    seen.unwrap_or_else(|| "; Alertmanager never had it: it did not fire, or Prometheus does not send there".into())
}
