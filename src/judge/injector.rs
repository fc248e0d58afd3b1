//! How the stage did: what it added itself to what it only passed on, how long it took to obey, and whether it kept up. Where
//! it did not, what it broke was not what the scenario describes, and what stayed well stayed so by chance: promises about
//! that time are INVALID, whichever way they came out.

use std::time::Duration;

use serde::Serialize;

use super::trial::Trial;
use super::verdict::{Finding, Verdict};
use crate::base::text;
use crate::base::time::Span;
use crate::base::units;
use crate::evidence::event::Event;
use crate::evidence::health::{Lateness, StageHealth};
use crate::scenario::{Claim, Promise};

/// Below this nothing that the stage adds counts as late, whatever limit the generator has: its timers alone are a
/// millisecond or two off.
const LEAST: Duration = Duration::from_millis(10);
/// A promise stands while the stage kept up in all of its time but this share.
const TOLERATED: f64 = 0.05;

/// How the stage did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InjectorSummary {
    /// Later than this the stage was late by its own doing, in nanoseconds.
    pub lag_limit: u64,
    /// The most of a core that its process may use.
    pub cpu_limit: f64,
    /// The most of a core that it used over about a second.
    pub cpu: f64,
    /// Seconds that were told of.
    pub seconds: u64,
    /// Of those, seconds in which it did not keep up.
    pub saturated_seconds: u64,
    /// How late it took up what was due.
    pub wakes: AddedSummary,
    /// How late replies were that no fault struck.
    pub calls: AddedSummary,
    /// How long bytes were in links that no toxic held.
    pub links: AddedSummary,
}

/// What the stage added itself, in seconds; nothing where nothing passed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AddedSummary {
    /// How often.
    pub count: u64,
    /// The median of a second, on average over what passed.
    pub p50: Option<f64>,
    /// The 99th percentile of the worst second.
    pub p99: Option<f64>,
    /// The most.
    pub max: Option<f64>,
}

/// What was told of the stage.
pub struct Injector<'e> {
    told: Vec<&'e StageHealth>,
    lag: u64,
    cpu: f64,
}

impl<'e> Injector<'e> {
    /// Reads what was told; the limits are the generator's own.
    pub fn read(trial: &Trial<'e>) -> Injector<'e> {
        let told =
            trial.evidence.events.iter().filter_map(|e| if let Event::Stage(told) = e { Some(told) } else { None });
        Injector {
            told: told.collect(),
            lag: trial.evidence.manifest.lag_limit.max(LEAST.as_nanos() as u64),
            cpu: trial.scenario.fitness.cpu.fraction(),
        }
    }

    /// One in a hundred was late, or there was no processor time left to be in time with.
    fn is_saturated(&self, of: &StageHealth) -> bool {
        of.wakes.p99 > self.lag || of.calls.p99 > self.lag || of.links.p99 > self.lag || of.cpu() > self.cpu
    }

    /// Makes a finding INVALID that is about a time in which the stage did not keep up.
    pub fn doubt(&self, trial: &Trial<'_>, promise: &Promise, finding: Finding) -> Finding {
        if !matches!(finding.verdict, Verdict::Pass | Verdict::Fail) {
            return finding;
        }
        let mut about = finding.window.parts.clone();
        let books = match &promise.claim {
            Claim::Absorbed(absorbed) => absorbed.fault,
            Claim::Client(_)
            | Claim::Relative(_)
            | Claim::Effects(_)
            | Claim::Server { .. }
            | Claim::Alert(_)
            | Claim::Notified(_) => promise.window.fault(),
        };
        about.extend(books.iter().flat_map(|fault| trial.windows.faults[*fault].strikes()));
        match self.blame(&about) {
            Some(blame) => {
                Finding { verdict: Verdict::Invalid, why: format!("{}, but {blame}", finding.why), ..finding }
            }
            None => finding,
        }
    }

    /// Why some time cannot be trusted, and what helps; nothing where the stage kept up.
    fn blame(&self, about: &[Span]) -> Option<String> {
        let meets = |of: &StageHealth| -> Duration {
            let parts: Vec<Span> = about.iter().filter_map(|span| span.overlap(of.stretch())).collect();
            united(parts)
        };
        let (mut all, mut lost) = (Duration::ZERO, Duration::ZERO);
        let (mut worst, mut cpu) = (Lateness::default(), 0.0_f64);
        for of in &self.told {
            let met = meets(of);
            all += met;
            if met.is_zero() || !self.is_saturated(of) {
                continue;
            }
            lost += met;
            let late = [of.wakes, of.calls, of.links].into_iter().max_by_key(|late| late.p99).unwrap_or_default();
            worst = if late.p99 > worst.p99 { late } else { worst };
            cpu = cpu.max(of.cpu());
        }
        if lost.is_zero() || lost.as_secs_f64() <= TOLERATED * all.as_secs_f64() {
            return None;
        }
        let nanos = |nanos| units::measured(Duration::from_nanos(nanos));
        let mut causes = Vec::new();
        if worst.p99 > self.lag {
            let limit = nanos(self.lag);
            causes.push(format!(
                "one in a hundred things was late by {} or more, {limit} is the limit",
                nanos(worst.p99)
            ));
        }
        if cpu > self.cpu {
            causes.push(format!("it used {} of a core", units::percent(cpu)));
        }
        Some(format!(
            "the stage that breaks things did not keep up in {} of {}: {}; leave it a core of its own, call upstreams and \
             links less, or widen `fitness`",
            units::measured(lost),
            units::measured(all),
            text::list(causes.iter().map(String::as_str))
        ))
    }

    /// For reports; nothing where there was no stage.
    pub fn summary(&self) -> Option<InjectorSummary> {
        if self.told.is_empty() {
            return None;
        }
        let added = |of: fn(&StageHealth) -> Lateness| {
            let all = || self.told.iter().map(|told| of(told)).filter(|late| late.count > 0);
            let count: u64 = all().map(|late| late.count).sum();
            let weighed: f64 = all().map(|late| late.p50 as f64 * late.count as f64).sum();
            AddedSummary {
                count,
                p50: (count > 0).then(|| weighed / count as f64 / 1e9),
                p99: all().map(|late| late.p99).max().map(|nanos| nanos as f64 / 1e9),
                max: all().map(|late| late.max).max().map(|nanos| nanos as f64 / 1e9),
            }
        };
        Some(InjectorSummary {
            lag_limit: self.lag,
            cpu_limit: self.cpu,
            cpu: self.told.iter().map(|told| told.cpu()).fold(0.0, f64::max),
            seconds: self.told.len() as u64,
            saturated_seconds: self.told.iter().filter(|told| self.is_saturated(told)).count() as u64,
            wakes: added(|told| told.wakes),
            calls: added(|told| told.calls),
            links: added(|told| told.links),
        })
    }
}

/// How long some spans are together, what they share counted once.
fn united(mut spans: Vec<Span>) -> Duration {
    spans.sort_unstable();
    let (mut length, mut end) = (Duration::ZERO, None);
    for span in spans {
        let start = end.map_or(span.start, |end| span.start.max(end));
        length += span.end.since(start);
        end = Some(end.map_or(span.end, |end| span.end.max(end)));
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Offset;

    fn second(second: i64, p99: u64, used: u64) -> StageHealth {
        let at = Offset::from_millis(second * 1000 + 1000);
        let wakes = Lateness { count: 100, p50: 1_000_000, p99, max: p99 };
        StageHealth { at, over: 1_000_000_000, used, wakes, ..StageHealth::default() }
    }

    fn span(from: i64, to: i64) -> Span {
        Span { start: Offset::from_millis(from), end: Offset::from_millis(to) }
    }

    #[test]
    fn what_spans_share_is_counted_once() {
        assert_eq!(united(vec![span(5, 9), span(0, 4), span(3, 6)]), Duration::from_millis(9));
        assert_eq!(united(Vec::new()), Duration::ZERO);
        assert_eq!(united(vec![span(0, 10), span(2, 3)]), Duration::from_millis(10));
    }

    #[test]
    fn a_time_is_doubted_when_more_than_one_part_in_twenty_was_lost() {
        let all: Vec<StageHealth> =
            (0..40).map(|s| second(s, if s < 2 { 20_000_001 } else { 20_000_000 }, 0)).collect();
        let injector = Injector { told: all.iter().collect(), lag: 20_000_000, cpu: 0.9 };
        assert_eq!(injector.blame(&[span(0, 40_000)]), None, "two of forty");
        let why = injector.blame(&[span(0, 39_000)]).expect("two of thirty-nine");
        assert!(why.contains("2.00 s of 39.0 s") && why.contains("20.0 ms is the limit"), "{why}");
        assert_eq!(injector.blame(&[span(2_000, 9_000)]), None, "not in that time");
        assert_eq!(injector.blame(&[]), None);
        assert_eq!(injector.summary().map(|s| (s.seconds, s.saturated_seconds)), Some((40, 2)));
    }

    #[test]
    fn processor_time_is_a_limit_too() {
        let (idle, busy) = (second(0, 0, 900_000_000), second(1, 0, 900_000_001));
        let injector = Injector { told: vec![&idle, &busy], lag: 1, cpu: 0.9 };
        assert_eq!(injector.blame(&[span(0, 1_000)]), None, "at the limit");
        assert!(injector.blame(&[span(0, 2_000)]).is_some_and(|why| why.contains("of a core")));
    }
}
