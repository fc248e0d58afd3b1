//! A promise against the shots of a stretch of time: what is observed, and what that decides.
//!
//! The point estimate decides once there are enough shots; with `confidence` the whole interval does. Below the
//! minimum nothing is decided, unless so few shots already prove the breach.

use std::time::Duration;

use super::shots::Population;
use super::stat;
use super::verdict::{Kind, Quantity, Verdict};
use crate::base::text;
use crate::base::timing::Timing;
use crate::base::units;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Tally, cell};
use crate::scenario::{Absorbed, Compare, Expectation, Filter, Measure};

/// At which a breach is proved by fewer shots than the minimum.
const CONFIDENCE: f64 = 0.95;

/// What a stretch of time says of a promise.
#[derive(Debug, Clone, PartialEq)]
pub struct Ruling {
    /// How it came out.
    pub verdict: Verdict,
    /// What was observed.
    pub observed: Option<Quantity>,
    /// The shots it was judged by.
    pub samples: u64,
    /// Why.
    pub why: String,
}

impl Ruling {
    /// The same where shots may have been over sooner than they were found to be: `least` is what would be decided if each
    /// was over as soon as it can have been. What both decide is decided; nothing else is.
    pub fn or_sooner(self, least: Ruling, measure: &str) -> Ruling {
        if self.verdict == least.verdict || self.verdict == Verdict::Inconclusive {
            return self;
        }
        let between = match (least.observed, self.observed) {
            (Some(least), Some(most)) => format!("{measure} lies between {least} and {most}"),
            _ => format!("{measure} is not known closely enough"),
        };
        let why =
            format!("{between}: of each shot is known between which two polls it was over; poll more often to tell");
        Ruling { verdict: Verdict::Inconclusive, why, ..self }
    }
}

/// What is compared.
struct Observed {
    point: Option<f64>,
    samples: u64,
    spread: Spread,
    /// What is said when there is none.
    nothing: &'static str,
}

/// What more the shots tell than the point.
enum Spread {
    /// The quantile of ranked lengths.
    Ranked(Tally, f64),
    /// So many of all.
    Share(u64),
    /// The mean, whose standard error this is, in seconds.
    Mean(f64),
    /// Nothing.
    Unknown,
}

impl Observed {
    /// Bounds at a confidence; nothing where the shots do not bound it.
    fn bounds(&self, confidence: f64) -> (Option<f64>, Option<f64>) {
        let n = self.samples;
        match &self.spread {
            Spread::Ranked(tally, q) => {
                let at = |rank: Option<u64>| rank.and_then(|r| tally.at_rank(r)).map(seconds);
                (at(stat::rank_from(n, *q, confidence)), at(stat::rank_to(n, *q, confidence)))
            }
            Spread::Share(k) if n > 0 => {
                (Some(stat::share_from(*k, n, confidence)), Some(stat::share_to(*k, n, confidence)))
            }
            Spread::Mean(error) => {
                let off = stat::errors_of_mean(n, confidence) * error;
                (self.point.map(|mean| (mean - off).max(0.0)), self.point.map(|mean| mean + off))
            }
            Spread::Share(_) | Spread::Unknown => (None, None),
        }
    }
}

/// What an observation is held against, and what sentences call it.
#[derive(Clone, Copy)]
struct Terms<'a> {
    compare: Compare,
    bound: Quantity,
    needed: u64,
    confidence: Option<f64>,
    measure: &'a str,
    noun: &'a str,
}

/// Holds the shots of a stretch of time against a promise. `timeout` is the least length of a failure, `length` that of
/// the stretch.
pub fn rule(
    expectation: &Expectation,
    confidence: Option<f64>,
    population: &Population,
    timeout: Duration,
    length: Duration,
) -> Ruling {
    let observed = observe(expectation, population, timeout, length);
    let (compare, bound, needed) = (expectation.compare, bound(expectation), expectation.minimum());
    decide(&observed, &Terms { compare, bound, needed, confidence, measure: &label(expectation), noun: "shot" })
}

/// Holds a share, `part` of `whole` requests that a fault struck, against a promise.
pub fn rule_absorbed(absorbed: &Absorbed, confidence: Option<f64>, part: u64, whole: u64) -> Ruling {
    let nothing = "nothing was injected: there is nothing to absorb";
    let (measure, noun, needed) = ("absorbed", "injected request", absorbed.minimum());
    let (compare, bound) = (absorbed.compare, absorbed.bound.fraction());
    rule_part(&Part { measure, noun, nothing, compare, bound, needed, confidence }, part, whole)
}

/// A share of things, and what is promised of it.
pub struct Part<'a> {
    /// What sentences call it.
    pub measure: &'a str,
    /// What they call one of the things.
    pub noun: &'a str,
    /// What they say where there is none.
    pub nothing: &'static str,
    /// How it is compared.
    pub compare: Compare,
    /// With what, as a fraction of 1.
    pub bound: f64,
    /// So many things are needed before the point decides.
    pub needed: u64,
    /// The whole interval at this confidence decides.
    pub confidence: Option<f64>,
}

/// Holds a share, `part` of `whole`, against what is promised of it.
pub fn rule_part(promised: &Part<'_>, part: u64, whole: u64) -> Ruling {
    let observed = Observed {
        point: (whole > 0).then(|| part as f64 / whole as f64),
        samples: whole,
        spread: Spread::Share(part),
        nothing: promised.nothing,
    };
    let Part { measure, noun, compare, needed, confidence, .. } = *promised;
    let bound = Quantity { value: promised.bound, kind: Kind::Share };
    decide(&observed, &Terms { compare, bound, needed, confidence, measure, noun })
}

/// Holds what was observed against what was promised.
fn decide(observed: &Observed, terms: &Terms<'_>) -> Ruling {
    let Terms { compare, bound, needed, confidence, measure, noun } = *terms;
    let is_enough = observed.samples >= needed;
    let (low, high) = match confidence {
        None if is_enough => (None, None),
        confidence => observed.bounds(confidence.unwrap_or(CONFIDENCE)),
    };
    let by_interval = decide_interval(compare, low, high, observed.point, bound.value);
    let verdict = match observed.point {
        None => Verdict::Inconclusive,
        _ if !is_enough && by_interval == Verdict::Fail => Verdict::Fail,
        _ if !is_enough => Verdict::Inconclusive,
        _ if confidence.is_some() => by_interval,
        Some(point) if compare.holds(point, bound.value) => Verdict::Pass,
        Some(_) => Verdict::Fail,
    };
    let quantity = |value| Quantity { value, kind: bound.kind };
    let shots = text::count(observed.samples, noun);
    let why = match (observed.point, verdict) {
        (None, _) if observed.samples == 0 => observed.nothing.to_owned(),
        (None, _) => "the window has no length".to_owned(),
        (Some(_), Verdict::Inconclusive) if !is_enough => {
            format!("{shots}, {} are needed", text::thousands(needed))
        }
        (Some(point), Verdict::Inconclusive) => {
            let end = |end: Option<f64>| end.map_or_else(|| "anything".to_owned(), |e| quantity(e).to_string());
            format!(
                "{measure} {} is between {} and {} with {} confidence: {shots} are too few to tell",
                quantity(point),
                end(low),
                end(high),
                units::percent(confidence.unwrap_or(CONFIDENCE))
            )
        }
        (Some(point), verdict) => {
            let mut why = format!("{measure} {} {}", quantity(point), side(compare, point, &bound));
            if verdict == Verdict::Fail && !is_enough {
                why.push_str(&format!(", proved by {shots} although {} are needed", text::thousands(needed)));
            }
            why
        }
    };
    Ruling { verdict, observed: observed.point.map(quantity), samples: observed.samples, why }
}

/// The bound of a promise, in the unit of its measure.
pub fn bound(expectation: &Expectation) -> Quantity {
    let bound = expectation.bound as f64;
    match expectation.measure {
        Measure::Quantile(_) | Measure::Max | Measure::Mean | Measure::Recovery | Measure::Detection => {
            Quantity { value: bound / 1e9, kind: Kind::Time }
        }
        Measure::Errors | Measure::Timeouts | Measure::Rejected => Quantity { value: bound / 1e9, kind: Kind::Share },
        Measure::Rate => Quantity { value: bound / 1e6, kind: Kind::Rate },
    }
}

/// The measure as sentences call it: `p95`, `p95 service`, `errors`.
pub fn label(expectation: &Expectation) -> String {
    let timed = expectation.measure.is_timed();
    match expectation.clock {
        Timing::Response => expectation.measure.to_string(),
        clock if timed => format!("{} {}", expectation.measure, clock.word()),
        _ => expectation.measure.to_string(),
    }
}

/// `over 500 ms`, `under 90/s`, `within …`: on which side of the bound something is.
pub fn side(compare: Compare, observed: f64, bound: &Quantity) -> String {
    let kept = compare.holds(observed, bound.value);
    if observed == bound.value && !kept {
        return format!("is not {} {bound}", compare.word());
    }
    match (compare, kept) {
        (Compare::Equal, true) => "as promised".into(),
        (_, true) if observed == bound.value => format!("just at {bound}"),
        (Compare::Less | Compare::AtMost, true) => format!("within {bound}"),
        (Compare::Greater | Compare::AtLeast, true) => format!("above {bound}"),
        (_, false) if observed > bound.value => format!("over {bound}"),
        (_, false) => format!("under {bound}"),
    }
}

/// Whether a promise can only be hurt by counting a shot as failed.
pub fn failing_hurts(expectation: &Expectation) -> bool {
    match expectation.measure {
        Measure::Rate => !expectation.compare.is_ceiling(),
        _ => expectation.compare.is_ceiling() || expectation.compare == Compare::Equal,
    }
}

/// Whether a shot with this outcome is what a share counts.
pub fn counts(measure: Measure, outcome: Outcome) -> bool {
    match measure {
        Measure::Timeouts => matches!(outcome, Outcome::TimedOut(_)),
        Measure::Rejected => outcome == Outcome::Rejected,
        _ => outcome.is_failure(),
    }
}

fn decide_interval(compare: Compare, low: Option<f64>, high: Option<f64>, point: Option<f64>, bound: f64) -> Verdict {
    let keeps = |end: Option<f64>| end.is_some_and(|end| compare.holds(end, bound));
    let breaks = |end: Option<f64>| end.is_some_and(|end| !compare.holds(end, bound));
    let (kept, broken) = match compare {
        Compare::Less | Compare::AtMost => (keeps(high), breaks(low)),
        Compare::Greater | Compare::AtLeast => (keeps(low), breaks(high)),
        // No number of shots bounds a share at exactly 0; one bad shot refutes it.
        Compare::Equal => (keeps(point), breaks(low)),
    };
    match (kept, broken) {
        (_, true) => Verdict::Fail,
        (true, false) => Verdict::Pass,
        (false, false) => Verdict::Inconclusive,
    }
}

fn observe(expectation: &Expectation, population: &Population, timeout: Duration, length: Duration) -> Observed {
    let due = population.due();
    let of_all = |point, spread| Observed { point, samples: due, spread, nothing: nothing(Filter::All) };
    match expectation.measure {
        Measure::Quantile(_) | Measure::Max | Measure::Mean => {
            let tally = lengths(expectation.filter, population, timeout);
            let (samples, nothing) = (tally.count(), nothing(expectation.filter));
            let (point, spread) = match expectation.measure {
                Measure::Quantile(q) => (tally.quantile(q.fraction()), Spread::Ranked(tally, q.fraction())),
                Measure::Max => (tally.max(), Spread::Unknown),
                // Below the minimum the law of large numbers promises nothing.
                _ if samples < expectation.minimum() => (tally.mean(), Spread::Unknown),
                _ => {
                    let error = |deviation| seconds(deviation) / (samples as f64).sqrt();
                    (tally.mean(), tally.deviation().map_or(Spread::Unknown, |d| Spread::Mean(error(d))))
                }
            };
            Observed { point: point.map(seconds), samples, spread, nothing }
        }
        Measure::Errors | Measure::Timeouts | Measure::Rejected => {
            let came_to = match expectation.measure {
                Measure::Errors => population.failures(),
                measure => population.count(|o| counts(measure, o)),
            };
            let bad = came_to + population.spoilt + population.lost;
            of_all((due > 0).then(|| bad as f64 / due as f64), Spread::Share(bad))
        }
        // Without a shot that was due, a rate of 0 is the plan's and not the target's.
        Measure::Rate => {
            let ok = population.of(Outcome::Ok).saturating_sub(population.spoilt);
            let point = (due > 0 && !length.is_zero()).then(|| ok as f64 / length.as_secs_f64());
            of_all(point, Spread::Unknown)
        }
        // Judged by their own rules, see `recovery` and `detection`.
        Measure::Recovery | Measure::Detection => of_all(None, Spread::Unknown),
    }
}

fn nothing(filter: Filter) -> &'static str {
    match filter {
        Filter::All => "no shots: nothing was measured here",
        Filter::Ok => "no shot was ok: there is nothing to measure",
        Filter::Failed => "no shot failed: there is nothing to measure",
    }
}

/// The lengths that a latency measure is about. A failure counts at its own length or the timeout, whichever is longer;
/// so does one that has no length on this clock.
pub fn lengths(filter: Filter, population: &Population, timeout: Duration) -> Tally {
    let ok = population.ok.without_shortest(population.spoilt);
    if filter == Filter::Ok {
        return ok;
    }
    let failures = population.count(Outcome::is_failure);
    let without_length = failures.saturating_sub(population.failed.count());
    let at_least = cell(timeout.as_nanos() as u64);
    let mut failed = population.failed.at_least(timeout);
    failed.add(at_least, without_length);
    // What is excused is over at its deadline or not yet, and no failure counts at less.
    let mut tally = failed.without_shortest(population.excused);
    tally.add(at_least, population.spoilt + population.lost);
    if filter == Filter::All {
        tally.merge(&ok);
    }
    tally
}

fn seconds(length: Duration) -> f64 {
    length.as_nanos() as f64 / 1e9
}
