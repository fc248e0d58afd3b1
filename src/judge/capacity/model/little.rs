//! Little's law on every probe: L = λ W (Operations Research 9, 1961). It holds whatever the law of arrivals and of service,
//! so shots under way as they were counted must be shots a second times how long each took. Where they are not, one of the three
//! was measured wrong, or the probe was not in balance: what came in had not gone out.

use serde::Serialize;

use crate::judge::capacity::Probe;

/// How far the two may be apart, as a part of the larger.
const PART: f64 = 0.15;
/// And besides that in standard errors of a count that was taken once a second.
const ERRORS: f64 = 3.0;
/// And besides that, in shots.
const SHOTS: f64 = 0.5;

/// A probe of which the law does not hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Off {
    /// The probe.
    pub number: u32,
    /// Its rate.
    pub offered: f64,
    /// Shots under way, as they were counted.
    pub counted: f64,
    /// As the law has them.
    pub expected: f64,
}

/// Whether the law holds of a probe; nothing where it cannot be asked.
pub fn holds(probe: &Probe) -> Option<bool> {
    let (counted, expected) = (probe.in_flight?, probe.little?);
    let looks = probe.length.max(1.0);
    let chance = ERRORS * (counted.max(expected) / looks).sqrt();
    Some((counted - expected).abs() <= PART * counted.max(expected) + chance + SHOTS)
}

/// The probes of which it does not, and of how many it could be asked.
pub fn off(probes: &[Probe]) -> (Vec<Off>, usize) {
    let asked = probes.iter().filter(|probe| holds(probe).is_some()).count();
    let off = probes.iter().filter(|probe| holds(probe) == Some(false)).filter_map(|probe| {
        Some(Off { number: probe.number, offered: probe.offered, counted: probe.in_flight?, expected: probe.little? })
    });
    (off.collect(), asked)
}
