//! Conditions on shots: over the last stretch that can be judged.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::effects::Counts;
use super::super::measure;
use super::super::server::Server;
use super::super::shots::{Population, Stretch, second};
use super::super::trial::{Trial, subject};
use super::super::verdict::Verdict;
use super::super::window::Cut;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::reply::Outcome;
use crate::scenario::{Abort, Compare, Expectation};

/// How long a sender may take to report what is over.
const REPORT: Duration = Duration::from_millis(200);

/// Why a condition is met, if it is.
pub fn met(
    trial: &Trial<'_>,
    server: &Server<'_>,
    expectation: &Expectation,
    abort: &Abort,
    now: Offset,
) -> Option<String> {
    let traffic = expectation.traffic;
    // Only of a latency that must not be reached is more known while a shot is under way.
    let age = match expectation.compare {
        Compare::Greater | Compare::AtLeast if expectation.measure.is_timed() => {
            Some(Duration::from_nanos(expectation.bound) + REPORT)
        }
        _ => None,
    };
    let counts = Counts::read(trial, server, expectation.traffic).filter(|_| expectation.part.is_none());
    let end = match &counts {
        // What was due after the last scrape, counters cannot have told of.
        Some(counts) => trial.settled(traffic, age, now.min(counts.until()?)).min(counts.until()?),
        None => trial.settled(traffic, age, now),
    };
    let end = end.floor_to(Duration::from_secs(1));
    let span = Span { start: end - abort.hold, end };
    if span.start < Offset::ZERO {
        return None;
    }
    let bound = measure::bound(expectation).value;
    let population = |span: Span| {
        let (cut, stretches) = (Cut { parts: vec![span], ..Cut::default() }, [Stretch::whole(span)]);
        let is_spoilt = |second: &i64| trial.fitness.is_spoilt(expectation.traffic, *second);
        let spoilt: BTreeSet<i64> = (second(span.start)..second(span.end)).filter(is_spoilt).collect();
        let timed = expectation.measure.is_timed();
        let mut shots = trial.shots.population(subject(expectation), &cut, &stretches, &spoilt, timed);
        let open = |second: i64| trial.fitness.seconds[expectation.traffic].get(&second).map_or(0, |row| row.lost);
        shots.lost = (second(span.start)..second(span.end)).filter(|s| !spoilt.contains(s)).map(open).sum();
        (shots, span.length().saturating_sub(Duration::from_secs(spoilt.len() as u64)))
    };
    let rule = |shots: &Population, length: Duration| {
        measure::rule(expectation, None, shots, trial.floor(expectation.whose()), length)
    };
    let mut seconds = span.slices(Duration::from_secs(1)).into_iter().filter_map(|span| {
        let (shots, length) = population(span);
        rule(&shots, length).observed
    });
    if !seconds.all(|observed| expectation.compare.holds(observed.value, bound)) {
        return None;
    }
    let (shots, length) = population(span);
    let whole = Some(rule(&shots, length)).filter(|whole| whole.verdict == Verdict::Pass)?;
    let least = match &counts {
        // Without as many of those that have no effect as can rightly have none.
        Some(counts) => {
            let shots = shots.closed();
            let without = shots.of(Outcome::Unfinished);
            let excused = counts.since(span.start).map_or(without, |nothing| nothing.min(without));
            rule(&Population { excused, ..shots }, length)
        }
        None => whole,
    };
    let observed = least.observed.filter(|_| least.verdict == Verdict::Pass)?;
    Some(format!("{} {observed} for {}", measure::label(expectation), units::duration(abort.hold)))
}
