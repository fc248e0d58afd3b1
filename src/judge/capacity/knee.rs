//! The knee, as its probes show it.

use serde::{Deserialize, Serialize};

use super::estimate::{CONFIDENCE, Estimate};
use super::probe::{Probe, Role};
use crate::judge::Verdict;
use crate::judge::stat;

/// A median response that is below this part of what it was before tells of a target that has warmed up.
const FASTER: f64 = 0.8;
/// A smaller gain than this is nobody's, in seconds.
const GAIN: f64 = 0.0005;
/// Two rates within this factor of each other are the same.
const SAME: f64 = 1.01;
/// So far below the lowest rate that broke, as a part of it, chance moves medians little.
const CALM: f64 = 0.8;
/// How unlikely an accident has to be that is none.
const SURELY: f64 = 0.001;
/// Whatever comes back at less than this part of the knee comes back late.
const BACK: f64 = 0.75;

/// How much a target takes. Rates are per second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Knee {
    /// The rate at which a probe is as likely to break a critical promise as to keep all; nothing where no probe that counts
    /// broke, or none held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// It is not below this; 0 where no probe held.
    pub low: f64,
    /// It is not above this; nothing where no probe broke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// How sure that range is.
    pub confidence: f64,
    /// The highest rate at which all promises were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<f64>,
    /// The lowest rate at which one was broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<f64>,
    /// The promise that breaks at the lowest rate, and the others by the rates at which they do.
    pub breaks: Vec<Break>,
    /// The lowest rate from which on shots fail more often than at rates below; nothing where they never do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors_from: Option<f64>,
    /// The lowest rate at which the generator could not keep up, twice, and above all at which it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator_limit: Option<f64>,
    /// Where the way down is another than the way up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hysteresis: Option<Hysteresis>,
    /// Where it did not come back after an overload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metastable: Option<Metastable>,
    /// Where it got faster from probe to probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warming: Option<Warming>,
}

/// From where on a promise is broken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Break {
    /// As typed.
    pub promise: String,
    /// The lowest rate at which it was broken.
    pub rate: f64,
}

/// A target that breaks at another rate on the way up than it recovers at on the way down.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Hysteresis {
    /// The highest rate that held on the way up.
    pub up: f64,
    /// The highest rate that held on the way down; nothing where none did.
    pub down: Option<f64>,
}

/// A target that stayed broken when the load went back to what had been fine before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Metastable {
    /// The overload after which it stayed broken.
    pub overload: f64,
    /// The rate that had been fine before it, and was not afterwards.
    pub fine_before: f64,
    /// How often it was tried.
    pub tries: u32,
    /// For how long it was tried, in seconds, rests included.
    pub over: f64,
    /// A lower rate at which it recovered; nothing where none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<f64>,
}

/// A target that got faster.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Warming {
    /// The rate at which that was seen.
    pub rate: f64,
    /// The median response at first, in seconds.
    pub first: f64,
    /// The median response in the end, in seconds.
    pub last: f64,
    /// Probes that were left out for it: they were made before it was warm.
    pub left_out: u32,
}

/// Says of each probe whether the knee is told by it.
pub fn weigh(probes: &mut [Probe]) {
    let warm = probes.iter().rposition(|probe| probe.role == Role::Warm && probe.decided().is_some());
    for (i, probe) in probes.iter_mut().enumerate() {
        let asks = match probe.role {
            Role::Search => true,
            Role::Warm => warm == Some(i),
            Role::Return => false,
        };
        probe.counts = asks && probe.decided().is_some();
    }
    if let Some((_, later, _)) = warmed(probes) {
        probes[..later]
            .iter_mut()
            .filter(|probe| probe.verdict == Verdict::Fail)
            .for_each(|probe| probe.counts = false);
    }
}

/// The last probe that was faster than an earlier one at the same rate: both positions, and how the medians were.
fn warmed(probes: &[Probe]) -> Option<(usize, usize, [f64; 2])> {
    let broke = probes.iter().filter(|probe| probe.role != Role::Return && probe.decided() == Some(false));
    let calm = broke.map(|probe| probe.offered * CALM).fold(f64::INFINITY, f64::min);
    let median = |probe: &Probe| {
        let calm = probe.role != Role::Return && probe.decided() == Some(true) && probe.offered <= calm;
        probe.response.p50.filter(|_| calm)
    };
    let found = |later: usize| {
        let last = median(&probes[later])?;
        probes[..later].iter().enumerate().find_map(|(earlier, probe)| {
            let first = median(probe).filter(|_| is_same(probe.offered, probes[later].offered))?;
            (last < first * FASTER && first - last > GAIN).then_some((earlier, later, [first, last]))
        })
    };
    (0..probes.len()).rev().find_map(found)
}

/// Whether two rates are the same but for rounding.
pub fn is_same(a: f64, b: f64) -> bool {
    a.max(b) <= a.min(b) * SAME
}

impl Knee {
    /// What probes show that were weighed.
    pub fn of(probes: &[Probe]) -> Knee {
        let told: Vec<(f64, bool)> = probes.iter().filter_map(|p| Some((p.offered, p.held()?))).collect();
        let held = told.iter().filter(|(_, held)| *held).map(|(rate, _)| *rate).reduce(f64::max);
        let broke = told.iter().filter(|(_, held)| !held).map(|(rate, _)| *rate).reduce(f64::min);
        let estimate = Estimate::of(&told);
        let (low, high) = match &estimate {
            Some(estimate) => (estimate.range().0, Some(estimate.range().1)),
            None => (held.unwrap_or(0.0), broke),
        };
        let rate = estimate.map(|estimate| estimate.rate());
        Knee {
            rate,
            low,
            high,
            confidence: CONFIDENCE,
            held,
            broke,
            breaks: breaks(probes),
            errors_from: errors_from(probes),
            generator_limit: generator_limit(probes),
            hysteresis: rate.and_then(|rate| hysteresis(probes, rate)),
            metastable: metastable(probes),
            warming: warmed(probes).map(|(earlier, later, [first, last])| Warming {
                rate: probes[earlier].offered,
                first,
                last,
                left_out: probes[..later].iter().filter(|p| p.verdict == Verdict::Fail).count() as u32,
            }),
        }
    }

    /// Whether the target has been seen to take a rate: the whole range of the knee is above, or all of it below.
    pub fn takes(&self, rate: f64) -> Option<bool> {
        match self.high {
            _ if self.low >= rate => Some(true),
            Some(high) if high < rate => Some(false),
            _ => None,
        }
    }
}

/// The promises that were broken, each with the lowest rate at which it was, from the lowest.
fn breaks(probes: &[Probe]) -> Vec<Break> {
    let mut all: Vec<Break> = Vec::new();
    for probe in probes.iter().filter(|probe| probe.held() == Some(false)) {
        let broken = probe.promises.iter().filter(|promise| promise.verdict == Verdict::Fail);
        let names = broken.map(|promise| &promise.promise).chain(&probe.first_broken);
        for name in names {
            match all.iter_mut().find(|of| of.promise == *name) {
                Some(known) => known.rate = known.rate.min(probe.offered),
                None => all.push(Break { promise: name.clone(), rate: probe.offered }),
            }
        }
    }
    // Of those that break at one rate, the one farthest beyond its bound there.
    let first = |of: &Break| {
        let is_first = |p: &&Probe| {
            p.held() == Some(false) && p.offered == of.rate && p.first_broken.as_ref() == Some(&of.promise)
        };
        !probes.iter().any(|probe| is_first(&probe))
    };
    all.sort_by(|a, b| a.rate.total_cmp(&b.rate).then(first(a).cmp(&first(b))));
    all
}

/// From which rate on shots fail more often than below: at it and at every higher one they do, and not by chance.
fn errors_from(probes: &[Probe]) -> Option<f64> {
    let mut by_rate: Vec<&Probe> = probes.iter().filter(|probe| probe.held().is_some() && probe.shots > 0).collect();
    by_rate.sort_by(|a, b| a.offered.total_cmp(&b.offered));
    let failed = |probe: &Probe| (probe.errors * probe.shots as f64).round() as u64;
    let mut from = None;
    let (mut shots, mut bad) = (0, 0);
    for probe in by_rate {
        // As often as below, or as one more would have made it.
        let usual = (bad + 1) as f64 / (shots + 1) as f64;
        let more = match shots {
            0 => failed(probe) > 0 && stat::share_from(failed(probe), probe.shots, 1.0 - SURELY) > SURELY,
            _ => failed(probe) > 0 && stat::at_least(failed(probe), probe.shots, usual) < SURELY,
        };
        if more {
            from = from.or(Some(probe.offered));
        } else {
            from = None;
            (shots, bad) = (shots + probe.shots, bad + failed(probe));
        }
    }
    from
}

/// The lowest rate that was INVALID twice for our own sake. One at which we have kept up, or above which, is none: there
/// we were disturbed.
pub fn generator_limit(probes: &[Probe]) -> Option<f64> {
    let unfit = |probe: &&Probe| probe.verdict == Verdict::Invalid && probe.unfit_seconds > 0;
    let done = probes.iter().filter(|p| p.decided().is_some()).map(|p| p.offered).fold(0.0, f64::max);
    let rates = probes.iter().filter(unfit).map(|probe| probe.offered).filter(|rate| *rate > done * SAME);
    let twice = |rate: &f64| probes.iter().filter(unfit).filter(|probe| is_same(probe.offered, *rate)).count() >= 2;
    rates.filter(twice).reduce(f64::min)
}

/// Probes after an overload that were decided.
fn returns(probes: &[Probe]) -> impl Iterator<Item = (&Probe, f64, bool)> {
    let after = |probe: &Probe| probe.borne.map(|borne| borne.rate).filter(|_| probe.role == Role::Return);
    probes.iter().filter_map(move |probe| Some((probe, after(probe)?, probe.decided()?)))
}

fn hysteresis(probes: &[Probe], up: f64) -> Option<Hysteresis> {
    let all: Vec<(f64, bool)> = returns(probes).map(|(probe, _, back)| (probe.offered, back)).collect();
    let down = all.iter().filter(|(_, back)| *back).map(|(rate, _)| *rate).reduce(f64::max);
    let late = down.is_none_or(|down| down < up * BACK);
    (late && all.iter().any(|(_, back)| !back)).then_some(Hysteresis { up, down })
}

/// It stayed broken at a rate however long it was given: that is twice, the second time for much longer.
fn metastable(probes: &[Probe]) -> Option<Metastable> {
    let broken: Vec<(&Probe, f64)> = returns(probes).filter(|(.., back)| !back).map(|(p, over, _)| (p, over)).collect();
    let tries = |rate: f64| broken.iter().filter(move |(probe, _)| is_same(probe.offered, rate));
    let (probe, overload) = broken.iter().find(|(probe, _)| tries(probe.offered).count() >= 2)?;
    let settle = |probe: &Probe| probe.borne.map_or(0.0, |borne| borne.settle) + probe.length;
    Some(Metastable {
        overload: *overload,
        fine_before: probe.offered,
        tries: tries(probe.offered).count() as u32,
        over: tries(probe.offered).map(|(probe, _)| settle(probe)).fold(0.0, f64::max),
        recovered_at: returns(probes).filter(|(.., back)| *back).map(|(probe, ..)| probe.offered).reduce(f64::max),
    })
}
