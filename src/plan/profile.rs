//! The rate over time, its integral, and the inverse of that.
//!
//! Rates are straight lines between whole nanoseconds. With rate r₀ at the start of a piece of length T and r₁ at its
//! end, t into the piece, the number of shots so far is
//!
//! ```text
//! N(t) = r₀·t + (r₁ − r₀)·t² / (2T)        and        t(N) = 2N / (r₀ + √(r₀² + 2N·(r₁ − r₀)/T))
//! ```
//!
//! The second form of the root loses no digits when the slope is small. Only the four basic operations and a correctly
//! rounded square root are used, which every platform computes alike; whole totals are kept in integers.

use std::time::Duration;

use crate::base::time::Offset;
use crate::base::units::Rate;
use crate::scenario::Segment;

/// The rate over time, from the plan's zero to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    start: Offset,
    length: Duration,
    from: Rate,
    to: Rate,
    before: u128, // shots due before the piece, in halves of 10^-15
}

/// One shot, in the unit of `Piece::before`: a rate is in 10^-6 per second, a length in 10^-9 s, an area in halves.
const SHOT: u128 = 2_000_000_000_000_000;

/// Recorded arrivals are counted in about so many stretches.
const STRETCHES: u64 = 1000;

impl Profile {
    /// The profile of a load.
    pub fn new(load: &[Segment]) -> Profile {
        let mut start = Offset::ZERO;
        let mut before = 0;
        let pieces = load
            .iter()
            .map(|segment| {
                let piece = Piece { start, length: segment.length, from: segment.from, to: segment.to, before };
                start = start + segment.length;
                before += piece.area();
                piece
            })
            .collect();
        Profile { pieces }
    }

    /// The profile of recorded arrivals over a load: how many there were in each stretch of a second or more.
    pub fn recorded(times: &[Offset], load: &[Segment]) -> Profile {
        let end: Duration = load.iter().map(|segment| segment.length).sum();
        let width = Duration::from_secs((end.as_secs() / STRETCHES).max(1));
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut start, mut before) = (Offset::ZERO, 0);
        while start.since(Offset::ZERO) < end {
            let length = width.min(end - start.since(Offset::ZERO));
            let first = times.partition_point(|time| *time < start);
            let count = times[first..].partition_point(|time| *time < start + length) as u128;
            let rate = Rate(u64::try_from(count * 1_000_000_000_000_000 / length.as_nanos()).unwrap_or(u64::MAX));
            let piece = Piece { start, length, from: rate, to: rate, before };
            before += piece.area();
            pieces.push(piece);
            start = start + length;
        }
        Profile { pieces }
    }

    /// Where the load ends.
    pub fn end(&self) -> Offset {
        self.pieces.last().map_or(Offset::ZERO, |p| p.start + p.length)
    }

    /// The whole number of shots that fit: the integral of the rate, rounded down. Exact.
    pub fn whole(&self) -> u64 {
        u64::try_from(self.pieces.last().map_or(0, |p| p.before + p.area()) / SHOT).unwrap_or(u64::MAX)
    }

    /// The integral of the rate over the whole load.
    pub fn total(&self) -> f64 {
        self.pieces.last().map_or(0.0, |p| (p.before + p.area()) as f64 / SHOT as f64)
    }

    /// The rate at an instant, per second; 0 outside the load. At an edge, the rate of the piece that begins there.
    pub fn rate_at(&self, at: Offset) -> f64 {
        match self.pieces.iter().find(|p| at >= p.start && at < p.start + p.length) {
            Some(p) => {
                let part = at.since(p.start).as_secs_f64() / p.length.as_secs_f64();
                p.from.hertz() + (p.to.hertz() - p.from.hertz()) * part
            }
            None => 0.0,
        }
    }

    /// The highest rate, per second.
    pub fn peak(&self) -> f64 {
        self.pieces.iter().map(|p| p.from.max(p.to).hertz()).fold(0.0, f64::max)
    }

    /// The integral of the rate up to an instant: the number of shots expected by then.
    pub fn expected_by(&self, at: Offset) -> f64 {
        match self.pieces.iter().rev().find(|p| at >= p.start) {
            Some(p) => {
                let t = at.since(p.start).min(p.length).as_secs_f64();
                let slope = (p.to.hertz() - p.from.hertz()) / p.length.as_secs_f64();
                p.before as f64 / SHOT as f64 + p.from.hertz() * t + slope * t * t / 2.0
            }
            None => 0.0,
        }
    }

    /// When the integral of the rate reaches `shots`; `None` when it never does. `piece` is where the search begins,
    /// and is moved on: calls with rising `shots` cost nothing to find their piece.
    pub fn due(&self, shots: f64, piece: &mut usize) -> Option<Offset> {
        loop {
            let p = self.pieces.get(*piece)?;
            let within = shots - p.before as f64 / SHOT as f64;
            let area = p.area() as f64 / SHOT as f64;
            if within >= area {
                *piece += 1;
                continue;
            }
            let (from, to, length) = (p.from.hertz(), p.to.hertz(), p.length.as_secs_f64());
            let root = libm::sqrt((from * from + 2.0 * within * (to - from) / length).max(0.0));
            let seconds = if within <= 0.0 { 0.0 } else { 2.0 * within / (from + root) };
            let nanos = ((seconds * 1e9) as u64).min(p.length.as_nanos() as u64 - 1);
            return Some(p.start + Duration::from_nanos(nanos));
        }
    }
}

impl Piece {
    /// Shots in this piece, in halves of 10^-15.
    fn area(&self) -> u128 {
        (u128::from(self.from.0) + u128::from(self.to.0)) * self.length.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(from: u64, to: u64, seconds: u64) -> Segment {
        let (from, to) = (Rate::per_second(from), Rate::per_second(to));
        Segment { word: "hold", from, to, length: Duration::from_secs(seconds), measured: true, saturate: None }
    }

    #[test]
    fn the_integral_is_exact() {
        let profile = Profile::new(&[segment(10, 10, 10), segment(10, 30, 10), segment(100, 100, 1)]);
        assert_eq!(profile.whole(), 100 + 200 + 100);
        assert_eq!(profile.end(), Offset::from_millis(21_000));
        assert_eq!(profile.peak(), 100.0);
        assert!((profile.expected_by(Offset::from_millis(15_000)) - 175.0).abs() < 1e-9);
        assert_eq!(profile.rate_at(Offset::from_millis(15_000)), 20.0);
        assert_eq!(profile.rate_at(Offset::from_millis(21_000)), 0.0);
    }

    #[test]
    fn due_is_the_inverse_of_expected_by() {
        let profile = Profile::new(&[segment(0, 50, 7), segment(50, 50, 3), segment(50, 5, 9)]);
        let mut piece = 0;
        for n in 0..profile.whole() {
            let shots = n as f64 + 0.5;
            let due = profile.due(shots, &mut piece).expect("within the load");
            assert!((profile.expected_by(due) - shots).abs() < 1e-5, "{n}");
        }
        assert_eq!(profile.due(profile.total() + 0.1, &mut 0), None);
    }

    /// Exact rational arithmetic: the first nanosecond at which 2T·r₀·t + Δr·t² reaches 2T·N.
    #[test]
    fn an_hour_long_ramp_is_exact_to_the_nanosecond() {
        let (from, to, seconds) = (10u64, 2_000u64, 3600u64);
        let profile = Profile::new(&[segment(from, to, seconds)]);
        assert_eq!(profile.whole(), (from + to) * seconds / 2);
        let length = i128::from(seconds) * 1_000_000_000;
        let mut piece = 0;
        for n in (0..profile.whole()).step_by(997) {
            let due = i128::from(profile.due(n as f64 + 0.5, &mut piece).expect("within").nanos());
            // reached(t): are 2n + 1 half shots due by t? In units of 1 / (2·T·1e9) shots.
            let reached = |t: i128| {
                2 * (2 * length * i128::from(from) * t + i128::from(to - from) * t * t)
                    >= i128::from(2 * n + 1) * 2 * length * 1_000_000_000
            };
            assert!(reached(due + 2) && !reached(due - 2), "{n}");
        }
    }
}
