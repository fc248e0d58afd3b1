//! The rules of a book, evaluated at one phase of their groups' intervals.

use std::collections::BTreeMap;

use super::book::Book;
use super::track::{Instance, State, Stint, Track};
use crate::base::series::Labels;
use crate::base::time::Offset;
use crate::judge::server::Server;
use crate::promql::{self, Options, Value};
use crate::promql::rules::Kind;
use crate::scenario::{Alerts, Semantics};

/// What each alert of the book did, from the plan's zero to the last scrape.
pub fn phase(server: &Server<'_>, alerts: &Alerts, book: &Book, phase: u32, last: Offset) -> Vec<Track> {
    let options = Options {
        semantics: match alerts.semantics {
            Semantics::V3 => promql::Semantics::V3,
            Semantics::V2 => promql::Semantics::V2,
        },
        ..Options::default()
    };
    let (zero, end) = (server.unix_ms(Offset::ZERO), server.unix_ms(last));
    let mut tracks = Vec::new();
    for alert in &book.alerts {
        let group = &book.groups[alert.group];
        let rule = &group.rules[alert.rule];
        let Kind::Alert(spec) = &rule.kind else { continue };
        let step = group.interval_ms.unwrap_or(60_000).max(1);
        let first = zero + step * i64::from(phase) / i64::from(alerts.phases.max(1));
        let offset = |ms: i64| Offset::from_millis(ms - zero);
        let mut track = Track::default();
        let mut active: BTreeMap<Labels, (i64, Option<i64>)> = BTreeMap::new();
        let mut instances: BTreeMap<Labels, Vec<Stint>> = BTreeMap::new();
        let mut at = first;
        while at <= end {
            track.ticks.push(offset(at));
            let mut now: Vec<Labels> = Vec::new();
            match promql::evaluate(&rule.expr, &server.storage, at, &options) {
                Ok(Value::Vector(elements)) => {
                    for element in elements {
                        let mut labels = element.labels.filter(|n| n != "__name__");
                        for label in &rule.labels {
                            labels.set(label.name.as_str(), label.value.text());
                        }
                        labels.set("alertname", rule.name.as_str());
                        now.push(labels);
                    }
                }
                Ok(_) => {}
                Err(why) => track.failures.push(super::track::Failed { span: crate::base::time::Span { start: offset(at), end: offset(at + 1) }, why: why.to_string() }),
            }
            for labels in &now {
                active.entry(labels.clone()).or_insert((at, None));
            }
            let mut gone = Vec::new();
            for (labels, (since, keep)) in &mut active {
                let here = now.contains(labels);
                let fires = at - *since >= spec.for_ms;
                let state = match here {
                    true if fires => State::Firing,
                    true => State::Pending,
                    false => State::Never,
                };
                let stints = instances.entry(labels.clone()).or_default();
                let was = stints.last().filter(|s| s.to.is_none()).map(|s| s.state);
                let state = match (state, was) {
                    (State::Never, Some(State::Firing)) if spec.keep_firing_for_ms > 0 => {
                        let from = *keep.get_or_insert(at);
                        if at - from < spec.keep_firing_for_ms { State::Firing } else { State::Never }
                    }
                    (state, _) => {
                        *keep = None;
                        state
                    }
                };
                if was != Some(state) {
                    if let Some(last) = stints.last_mut().filter(|s| s.to.is_none()) {
                        last.to = Some(offset(at));
                    }
                    if state != State::Never {
                        stints.push(Stint { state, from: offset(at), to: None });
                    }
                }
                if state == State::Never {
                    gone.push(labels.clone());
                }
            }
            active.retain(|labels, _| !gone.contains(labels));
            at += step;
        }
        track.instances = instances
            .into_iter()
            .map(|(labels, stints)| Instance { labels, annotations: Vec::new(), stints })
            .collect();
        tracks.push(track);
    }
    tracks
}
