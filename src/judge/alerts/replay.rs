//! The rules of a book, evaluated at one phase of their groups' intervals.

use std::collections::BTreeMap;

use super::basis::Basis;
use super::book::{Alert, Book};
use super::track::{Failed, Instance, State, Stint, Track};
use crate::base::series::Labels;
use crate::base::time::{Offset, Span};
use crate::promql::rules::{Setup, Spell, replay};
use crate::scenario::Alerts;

/// Behind the last instant of a failure.
const INSTANT: std::time::Duration = std::time::Duration::from_nanos(1);

/// When groups are evaluated within their intervals.
pub enum Phase {
    /// All at this one of as many as are tried.
    Nth(u32),
    /// Each so many milliseconds late.
    Own(Vec<i64>),
}

/// What each alert of the book did, from the plan's zero to the last scrape.
pub fn phase(basis: &Basis<'_>, alerts: &Alerts, book: &Book, phase: &Phase, last: Offset) -> Vec<Track> {
    let (zero, end) = (basis.unix_ms(Offset::ZERO), basis.unix_ms(last));
    let lead = i64::try_from(basis.lead(book).as_millis()).unwrap_or(0);
    let late = |group: usize| {
        let interval = book.groups[group].interval_ms.unwrap_or(60_000);
        match phase {
            Phase::Nth(n) => (interval as f64 * f64::from(*n) / f64::from(alerts.phases.max(1))).round() as i64,
            Phase::Own(late) => late[group],
        }
    };
    let setup = Setup {
        origin_ms: zero,
        late_ms: (0..book.groups.len()).map(late).collect(),
        options: basis.options(alerts.semantics),
        external_labels: Labels::new(alerts.external_labels.iter().map(|(n, v)| (n.as_str(), v.as_str()))),
        ..Setup::new(zero - lead, end)
    };
    let outcomes = replay(&book.groups, basis.storage, &setup).rules;
    let at = |ms: i64| Offset::from_millis(ms - zero);
    let of = |alert: &Alert| {
        let interval = i64::try_from(alert.interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let first = zero + late(alert.group).rem_euclid(interval);
        let ticks = std::iter::successors(Some(first), |tick| tick.checked_add(interval));
        let outcome = outcomes.iter().find(|o| (o.group, o.rule) == (alert.group, alert.rule));
        let failures = outcome.into_iter().flat_map(|o| &o.failures);
        Track {
            ticks: ticks.take_while(|tick| *tick <= end).map(at).collect(),
            instances: instances(outcome.map(|o| o.spells.as_slice()).unwrap_or_default(), at),
            failures: failures
                .filter(|f| f.to_ms >= zero)
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
    // What was over before the run began is not of the run.
    all.values_mut().for_each(|i| i.stints.retain(|s| s.to.is_none_or(|to| to > Offset::ZERO)));
    all.into_values().filter(|instance| !instance.stints.is_empty()).collect()
}
