//! What one traffic did, bin by bin: from the latency log in one pass, whatever the length of the run.

use std::collections::BTreeMap;
use std::time::Duration;

use super::axis::Axis;
use crate::base::timing::Timing;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::Outcome;
use crate::evidence::tally::{Bins, Tally};
use crate::plan::TrafficPlan;

/// Rows of a heat map: so many for each factor of ten.
const ROWS: f64 = 8.0;

/// What one traffic did.
pub struct Track {
    /// Its name.
    pub name: String,
    /// Bin by bin.
    pub bins: Vec<Bin>,
    /// How often, by bin and row of lengths; see [`row`].
    pub heat: BTreeMap<(usize, i32), u64>,
    /// All of its lengths, as promises count them.
    pub response: Tally,
    /// The same on the service clock.
    pub service: Tally,
}

/// What came of the shots due in a bin.
#[derive(Debug, Clone, Default)]
pub struct Bin {
    /// Shots a second that were planned.
    pub planned: f64,
    /// Shots of each outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// How long a second's shots took; a failure counts at least at the timeout. `None` without a shot.
    pub quantiles: [Option<f64>; 4],
    /// Seconds that the bin is long.
    pub seconds: f64,
}

/// The quantiles of a [`Bin`].
pub const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)];

impl Bin {
    /// Shots a second of one outcome.
    pub fn rate(&self, outcome: &str) -> f64 {
        self.outcomes.get(outcome).map_or(0.0, |n| *n as f64 / self.seconds)
    }
}

/// The row of a length in nanoseconds: `ROWS` for each factor of ten, from a nanosecond on.
pub fn row(nanos: u64) -> i32 {
    ((nanos.max(1) as f64).log10() * ROWS).floor() as i32
}

/// Where a row begins, in seconds.
pub fn from(row: i32) -> f64 {
    10f64.powf(f64::from(row) / ROWS) / 1e9
}

impl Track {
    /// Reads a traffic, or a part of one that has no plan of its own.
    pub fn read(name: &str, plan: Option<&TrafficPlan>, evidence: &Evidence, axis: &Axis) -> Track {
        let timeout = evidence.manifest.timeout;
        let mut lengths: Vec<Bins> = vec![Bins::default(); axis.bins];
        let (mut response, mut service) = (Bins::default(), Bins::default());
        let mut track = Track {
            name: name.to_owned(),
            bins: (0..axis.bins).map(|bin| Bin::planned(plan, axis, bin)).collect(),
            heat: BTreeMap::new(),
            response: Tally::default(),
            service: Tally::default(),
        };
        for interval in &evidence.latency.intervals {
            let tag = &evidence.latency.tags[interval.tag];
            if tag.traffic != name || !matches!(tag.timing, Timing::Response | Timing::Service) {
                continue;
            }
            let Some(bin) = axis.bin(interval.span.start) else { continue };
            let floor = if tag.outcome.is_failure() { timeout } else { 0 };
            let counts = tag.outcome == Outcome::Ok || tag.outcome.is_failure();
            for (nanos, count) in interval.cells.iter().map(|(nanos, count)| ((*nanos).max(floor), *count)) {
                if tag.timing == Timing::Service {
                    if counts {
                        service.add(nanos, count);
                    }
                    continue;
                }
                *track.bins[bin].outcomes.entry(tag.outcome.word()).or_default() += count;
                if counts {
                    lengths[bin].add(nanos, count);
                    response.add(nanos, count);
                    *track.heat.entry((bin, row(nanos))).or_default() += count;
                }
            }
        }
        for (bin, lengths) in track.bins.iter_mut().zip(&mut lengths) {
            let tally = lengths.take();
            bin.quantiles = QUANTILES.map(|(_, q)| tally.quantile(q).as_ref().map(Duration::as_secs_f64));
        }
        track.response = response.take();
        track.service = service.take();
        track
    }

    /// The outcomes that occurred, in the order of reports.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let occurred = |outcome: &Outcome| self.bins.iter().any(|bin| bin.outcomes.contains_key(outcome.word()));
        Outcome::ALL.into_iter().filter(occurred).collect()
    }

    /// Whether there was a shot at all.
    pub fn is_empty(&self) -> bool {
        self.bins.iter().all(|bin| bin.outcomes.is_empty())
    }
}

impl Bin {
    fn planned(plan: Option<&TrafficPlan>, axis: &Axis, bin: usize) -> Bin {
        let span = axis.span(bin);
        let seconds = span.length().as_secs_f64().max(1e-9);
        let planned =
            plan.map_or(0.0, |plan| plan.profile.expected_by(span.end) - plan.profile.expected_by(span.start));
        Bin { planned: planned / seconds, seconds, ..Bin::default() }
    }
}
