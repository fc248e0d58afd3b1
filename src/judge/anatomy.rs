//! What the latencies behind a broken promise were made of, part by part, and how many shots had to open a connection.

use std::collections::BTreeSet;

use serde::Serialize;

use super::shots::{Stretch, Subject};
use super::trial::{Trial, subject};
use super::verdict::by_name;
use super::window::Cut;
use crate::base::timing::Timing;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::Tally;
use crate::scenario::{Expectation, Filter, Measure};

/// What latencies were made of. Each part is measured by itself, over the shots that have it: the p99 of a sum is not the
/// sum of p99s, but it shows which part the time was spent in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Anatomy {
    /// The measure of each part, which is the promise's own: `p99`.
    pub measure: String,
    /// The parts in seconds, in the order of a shot: `lag`, `wait`, `first_byte`, `body`; without those that no shot had.
    #[serde(serialize_with = "by_name")]
    pub parts: Vec<(String, f64)>,
    /// The share of shots due that opened a connection; it is a part of their `wait`.
    pub opened: f64,
    /// What opening one was made of, in seconds: `dns`, `connect`, `tls`.
    #[serde(serialize_with = "by_name")]
    pub opening: Vec<(String, f64)>,
}

/// What the latencies were made of that a promise is about; nothing where it is about no whole latency, or no part is
/// known: parts are kept by the second, and a window may be shorter.
pub fn anatomy(trial: &Trial<'_>, expectation: &Expectation, cut: &Cut, stretches: &[Stretch]) -> Option<Anatomy> {
    let timed = matches!(expectation.measure, Measure::Quantile(_) | Measure::Max | Measure::Mean);
    let wanted: &[Timing] = match expectation.clock {
        Timing::Response if timed => &[Timing::Lag, Timing::Wait, Timing::FirstByte, Timing::Body],
        Timing::Service if timed => &[Timing::FirstByte, Timing::Body],
        _ => return None,
    };
    let population = |clock| {
        let subject = Subject { clock, ..subject(expectation) };
        trial.shots.population(subject, cut, stretches, &BTreeSet::new(), true)
    };
    let lengths = |clock| {
        let shots = population(clock);
        match expectation.filter {
            Filter::Ok => shots.ok,
            Filter::Failed => shots.failed,
            Filter::All => {
                let mut all = shots.ok;
                all.merge(&shots.failed);
                all
            }
        }
    };
    let part = |clock: &Timing| {
        let length = measured(expectation.measure, &lengths(*clock))?;
        Some((clock.word().to_owned(), length))
    };
    let parts: Vec<(String, f64)> = wanted.iter().filter_map(part).collect();
    let connects = population(Timing::Connect);
    let due = connects.due() - connects.of(Outcome::Skipped);
    let opened = (connects.ok.count() + connects.failed.count()) as f64 / due.max(1) as f64;
    let opening = [Timing::Dns, Timing::Connect, Timing::Tls].iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| Anatomy { measure: expectation.measure.to_string(), parts, opened, opening })
}

/// A measure of some lengths, in seconds.
fn measured(measure: Measure, lengths: &Tally) -> Option<f64> {
    let length = match measure {
        Measure::Quantile(q) => lengths.quantile(q.fraction()),
        Measure::Max => lengths.max(),
        _ => lengths.mean(),
    };
    length.map(|length| length.as_nanos() as f64 / 1e9)
}
