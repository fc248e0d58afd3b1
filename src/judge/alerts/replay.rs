//! The rules of a book, evaluated at one phase of their groups' intervals.

use std::collections::BTreeMap;

use super::book::Book;
use super::track::{Failed, Instance, State, Stint, Track};
use crate::base::series::Labels;
use crate::base::time::{Offset, Span};
use crate::judge::server::Server;
use crate::promql::rules::{Setup, Spell, replay};
use crate::promql::{self, Options};
use crate::scenario::{Alerts, Semantics};

/// Behind the last instant of a failure.
const INSTANT: std::time::Duration = std::time::Duration::from_nanos(1);

/// What each alert of the book did, from the plan's zero to the last scrape.
pub fn phase(server: &Server<'_>, alerts: &Alerts, book: &Book, phase: u32, last: Offset) -> Vec<Track> {
    let semantics = match alerts.semantics {
        Semantics::V3 => promql::Semantics::V3,
        Semantics::V2 => promql::Semantics::V2,
    };
    let (zero, end) = (server.unix_ms(Offset::ZERO), server.unix_ms(last));
    let share = f64::from(phase) / f64::from(alerts.phases.max(1));
    let setup = Setup {
        origin_ms: zero,
        phase: share,
        options: Options { semantics, ..Options::default() },
        external_labels: Labels::new(alerts.external_labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
        ..Setup::new(zero, end)
    };
    let outcomes = replay(&book.groups, &server.storage, &setup).rules;
    let at = |ms: i64| Offset::from_millis(ms - zero);
    let of = |alert: &super::Alert| {
        let interval = i64::try_from(alert.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let first = zero + (interval as f64 * share).round() as i64;
        let ticks = std::iter::successors(Some(first), |tick| tick.checked_add(interval));
        let outcome = outcomes.iter().find(|o| (o.group, o.rule) == (alert.group, alert.rule));
        let failures = outcome.into_iter().flat_map(|o| &o.failures);
        Track {
            ticks: ticks.take_while(|tick| *tick <= end).map(at).collect(),
            instances: instances(outcome.map(|o| o.spells.as_slice()).unwrap_or_default(), at),
            failures: failures
                .map(|f| Failed { span: Span { start: at(f.from_ms), end: at(f.to_ms) + INSTANT }, why: f.why.clone() })
                .collect(),
        }
    };
    book.alerts.iter().map(of).collect()
}

/// The elements of an alert, sorted by labels, with what was last said of each.
fn instances(spells: &[Spell], at: impl Fn(i64) -> Offset) -> Vec<Instance> {
    let mut all: BTreeMap<&Labels, Instance> = BTreeMap::new();
    for spell in spells {
        let blank = || Instance { labels: spell.labels.clone(), annotations: Vec::new(), stints: Vec::new() };
        let instance = all.entry(&spell.labels).or_insert_with(blank);
        instance.annotations.clone_from(&spell.annotations);
        let ended = spell.ended_at.map(&at);
        if spell.fired_at != Some(spell.pending_at) {
            let to = spell.fired_at.map(&at).or(ended);
            instance.stints.push(Stint { state: State::Pending, from: at(spell.pending_at), to });
        }
        if let Some(fired) = spell.fired_at {
            instance.stints.push(Stint { state: State::Firing, from: at(fired), to: ended });
        }
    }
    all.into_values().collect()
}
