//! Stop conditions (`abort_when`): whether what ends an experiment early has been seen for as long as it says.
//!
//! A condition about the client is asked of the seconds in which shots were due, once all of them are over, or have been
//! under way for so long that they are beyond the bound whatever becomes of them. It is met when, over the stretch that
//! it must hold, each second that had shots meets it, and all of them together with as many shots as a promise would need.
//! Seconds that the generator spoilt count for neither side: nobody ends an experiment for what we did. Nor for signals that
//! rightly started nothing: as many as the system's own counters rose by since the beginning of the stretch may be such, all of them
//! where the counters say nothing, and the stretch as a whole must meet the condition without them, too.
//!
//! One about the target's metrics is asked at each scrape, and met when any element of the answer has met it at every scrape
//! of the stretch. No answer, or NaN, meets nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::effects::Counts;
use super::measure;
use super::server::Server;
use super::shots::{Population, Stretch, second};
use super::trial::{Trial, subject};
use super::verdict::Verdict;
use super::window::Cut;
use crate::base::series::Series;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::plan::Plan;
use crate::scenario::{Abort, Claim, Compare, Expectation, Scenario};

/// How long a sender may take to report what is over.
const REPORT: Duration = Duration::from_millis(200);

/// Watches the stop conditions of a scenario.
#[derive(Debug, Clone)]
pub struct Stops {
    /// Since when each condition about metrics has been met at every scrape; milliseconds since the Unix epoch.
    since: Vec<Option<i64>>,
    /// The scrape at which each was last asked.
    asked: Vec<Option<i64>>,
}

impl Stops {
    /// Nothing has been seen.
    pub fn new(scenario: &Scenario) -> Stops {
        Stops { since: vec![None; scenario.abort_when.len()], asked: vec![None; scenario.abort_when.len()] }
    }

    /// Looks at what is known `now`: why the experiment must end, if it must.
    pub fn look(
        &mut self,
        scenario: &Scenario,
        plan: &Plan,
        evidence: &Evidence,
        samples: &[Series],
        now: Offset,
    ) -> Option<String> {
        if scenario.abort_when.is_empty() {
            return None;
        }
        let trial = Trial::new(scenario, plan, evidence);
        let server = Server::new(&trial, samples);
        let all = scenario.abort_when.iter().enumerate();
        let met = all.filter_map(|(i, abort)| {
            let why = match &abort.claim {
                Claim::Client(expectation) => client(&trial, &server, expectation, abort, now),
                // Known only when the run is over; refused where it is read.
                Claim::Relative(_)
                | Claim::Absorbed(_)
                | Claim::Effects(_)
                | Claim::Alert(_)
                | Claim::Notified(_)
                | Claim::Capacity(_)
                | Claim::Leak(_) => None,
                Claim::Server { expr, compare, bound, .. } => {
                    self.metrics(i, abort, server.now(&abort.text, expr, abort.hold, *compare, *bound))
                }
            }?;
            Some(format!("{}: {why}", abort.text))
        });
        met.collect::<Vec<_>>().into_iter().next()
    }

    /// Takes the answer at a scrape: when, and the element that meets the condition, if one does.
    fn metrics(&mut self, nth: usize, abort: &Abort, answer: Option<(i64, Option<String>)>) -> Option<String> {
        let (at, met) = answer?;
        if self.asked[nth].is_some_and(|asked| asked >= at) {
            return None;
        }
        self.asked[nth] = Some(at);
        let Some(element) = met else {
            self.since[nth] = None;
            return None;
        };
        let since = *self.since[nth].get_or_insert(at);
        let long = at - since >= abort.hold.as_millis() as i64;
        long.then(|| format!("{element}, for {}", units::duration(Duration::from_millis((at - since).unsigned_abs()))))
    }
}

/// Whether a condition about the client is met over the last stretch that can be judged.
fn client(
    trial: &Trial<'_>,
    server: &Server<'_>,
    expectation: &Expectation,
    abort: &Abort,
    now: Offset,
) -> Option<String> {
    let counts = Counts::read(trial, server, expectation.traffic).filter(|_| expectation.part.is_none());
    let end = match &counts {
        // What was due after the last scrape, counters cannot have told of.
        Some(counts) => settled(trial, expectation, now.min(counts.until()?)).min(counts.until()?),
        None => settled(trial, expectation, now),
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

/// Up to where what became of shots is known: the end of the last second before the first that is open. A second of which
/// shots are under way is open no more once they are beyond the bound.
fn settled(trial: &Trial<'_>, expectation: &Expectation, now: Offset) -> Offset {
    let through = trial.windows.seen.floor_to(Duration::from_secs(1));
    // Only of a latency that must not be reached is more known while a shot is under way.
    let age = match expectation.compare {
        Compare::Greater | Compare::AtLeast if expectation.measure.is_timed() => {
            Some(Duration::from_nanos(expectation.bound) + REPORT)
        }
        _ => None,
    };
    let rows = trial.fitness.seconds[expectation.traffic].iter();
    let is_open = |second: i64, lost: u64| {
        let end = Offset::from_millis(second * 1000 + 1000);
        lost > 0 && age.is_none_or(|age| now < end + age)
    };
    let first = rows.filter(|(s, row)| is_open(**s, row.lost)).map(|(s, _)| Offset::from_millis(s * 1000)).min();
    through.min(first.unwrap_or(Offset::MAX))
}
