//! When each shot is due, in closed form.
//!
//! Even: shot n (from 0) is due when the integral of the rate reaches n + ½, for as many whole shots as fit. Poisson:
//! the integral is advanced by unit exponential steps (inversion of the integrated rate), until it ends; so the count
//! itself is a draw from the seed. Hawkes: see [`Hawkes`]. Replay: as they were recorded.

use std::sync::Arc;

use super::hawkes::Hawkes;
use super::profile::Profile;
use crate::base::seed::Stream;
use crate::base::time::Offset;
use crate::scenario::Arrivals;

/// The due times of one traffic, in order.
#[derive(Debug, Clone)]
pub struct DueTimes {
    profile: Profile,
    piece: usize,
    law: Law,
}

#[derive(Debug, Clone)]
enum Law {
    Even { next: u64, count: u64 },
    Poisson { reached: f64, stream: Box<Stream> },
    Hawkes(Hawkes),
    Replay { times: Arc<[Offset]>, next: usize },
}

impl DueTimes {
    /// The due times of a profile. The stream is not used by even arrivals.
    pub fn new(profile: Profile, arrivals: &Arrivals, stream: Stream) -> DueTimes {
        let law = match arrivals {
            Arrivals::Even => Law::Even { next: 0, count: profile.whole() },
            Arrivals::Poisson => Law::Poisson { reached: 0.0, stream: Box::new(stream) },
            Arrivals::Hawkes { branching, decay } => Law::Hawkes(Hawkes::new(branching.fraction(), *decay, stream)),
            Arrivals::Replay(recording) => Law::Replay { times: recording.times.clone(), next: 0 },
        };
        DueTimes { profile, piece: 0, law }
    }

    /// Leaves out the next `n` shots, at less than the cost of finding when they are due.
    pub fn pass(&mut self, n: u64) {
        match &mut self.law {
            Law::Even { next, count } => *next = next.saturating_add(n).min(*count),
            Law::Poisson { reached, stream } => (0..n).for_each(|_| *reached += stream.exponential()),
            Law::Hawkes(hawkes) => (0..n).for_each(|_| _ = hawkes.next(&self.profile)),
            Law::Replay { next, .. } => *next = next.saturating_add(usize::try_from(n).unwrap_or(usize::MAX)),
        }
    }
}

impl Iterator for DueTimes {
    type Item = Offset;

    fn next(&mut self) -> Option<Offset> {
        let shots = match &mut self.law {
            Law::Even { next, count } => {
                if next == count {
                    return None;
                }
                *next += 1;
                *next as f64 - 0.5
            }
            Law::Poisson { reached, stream } => {
                *reached += stream.exponential();
                *reached
            }
            Law::Hawkes(hawkes) => return hawkes.next(&self.profile),
            Law::Replay { times, next } => {
                let due = times.get(*next).copied();
                *next = next.saturating_add(1);
                return due;
            }
        };
        self.profile.due(shots, &mut self.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::units::Rate;
    use crate::scenario::Segment;
    use std::time::Duration;

    fn segment(from: u64, to: u64, ms: u64) -> Segment {
        let (from, to) = (Rate::per_second(from), Rate::per_second(to));
        Segment { word: "hold", from, to, length: Duration::from_millis(ms), measured: true, saturate: None }
    }

    fn due(load: &[Segment], arrivals: Arrivals, seed: u64) -> Vec<Offset> {
        DueTimes::new(Profile::new(load), &arrivals, Seed(seed).stream("arrivals")).collect()
    }

    #[test]
    fn even_arrivals_are_exactly_as_many_as_fit_and_evenly_spread() {
        let times = due(&[segment(100, 100, 1_000)], Arrivals::Even, 1);
        assert_eq!(times.len(), 100);
        assert_eq!(times[0], Offset::from_millis(5));
        assert!(times.windows(2).all(|w| w[1].since(w[0]).as_nanos().abs_diff(10_000_000) <= 1));
        // 33.3 shots fit: 33 are sent, the last within one of the end.
        let odd = due(&[segment(10, 10, 3_330)], Arrivals::Even, 1);
        assert_eq!(odd.len(), 33);
        assert!(odd.iter().all(|t| *t < Offset::from_millis(3_330)));
    }

    #[test]
    fn due_times_never_go_back_and_stay_within_the_load() {
        let load = [segment(0, 400, 2_000), segment(400, 0, 1_000), segment(0, 0, 500), segment(1000, 1000, 100)];
        for arrivals in [Arrivals::Even, Arrivals::Poisson] {
            let times = due(&load, arrivals, 5);
            assert!(times.windows(2).all(|w| w[0] <= w[1]));
            assert!(times.iter().all(|t| *t < Offset::from_millis(3_600)));
            assert!(!times.iter().any(|t| (3_000..3_500).contains(&(t.nanos() / 1_000_000))), "nothing at 0/s");
        }
    }

    /// Over 1 000 seeds, counts have the mean and the variance of a Poisson law, and so do the counts of a tenth.
    #[test]
    fn poisson_arrivals_follow_the_poisson_law() {
        let load = [segment(50, 150, 1_000)];
        let counts: Vec<(f64, f64)> = (0..1_000)
            .map(|seed| {
                let times = due(&load, Arrivals::Poisson, seed);
                let tenth = times.iter().filter(|t| **t < Offset::from_millis(100)).count();
                (times.len() as f64, tenth as f64)
            })
            .collect();
        let whole: Vec<f64> = counts.iter().map(|c| c.0).collect();
        let tenth: Vec<f64> = counts.iter().map(|c| c.1).collect();
        for (expected, values) in [(100.0, whole), (5.5, tenth)] {
            let n = values.len() as f64;
            let mean: f64 = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
            // Bands of 4 standard errors: sqrt(λ/n) for the mean, λ·sqrt(2/n) for the variance.
            assert!((mean - expected).abs() < 4.0 * (expected / n).sqrt(), "mean {mean}");
            assert!((variance - expected).abs() < 4.0 * expected * (2.0 / n).sqrt() + 0.5, "variance {variance}");
        }
    }

    /// Gaps of a constant-rate Poisson process are exponential: Kolmogorov–Smirnov at the 0.1 % level.
    #[test]
    fn poisson_gaps_are_exponential() {
        let times = due(&[segment(1_000, 1_000, 20_000)], Arrivals::Poisson, 9);
        let mut gaps: Vec<f64> = times.windows(2).map(|w| w[1].since(w[0]).as_secs_f64() * 1_000.0).collect();
        gaps.sort_by(f64::total_cmp);
        let n = gaps.len() as f64;
        let worst = gaps
            .iter()
            .enumerate()
            .map(|(i, g)| {
                let f = 1.0 - (-g).exp();
                (f - i as f64 / n).abs().max((f - (i as f64 + 1.0) / n).abs())
            })
            .fold(0.0, f64::max);
        assert!(worst < 1.95 / n.sqrt(), "{worst}");
    }
}

#[cfg(test)]
mod recorded {
    use crate::base::time::Offset;
    use crate::plan::Plan;
    use crate::scenario::{Arrivals, Kind, Settings, read};

    fn plan(csv: &'static str, replay: &str, scale: u32) -> Result<Vec<(u64, i64)>, String> {
        let text = format!(
            "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a:\n    flow: {{ steps: [{{ get: \"/{{{{arrivals.what}}}}\" }}] }}\n    \
             arrivals: {{ replay: {{ file: a.csv{replay} }} }}\n"
        );
        let settings = Settings { files: &|_| Ok(csv.as_bytes().to_vec()), time_scale: scale, ..Settings::alone("r") };
        let scenario = read("r", &text, &settings).map_err(|mistakes| format!("{mistakes:?}"))?;
        let traffic = &scenario.traffic[0];
        assert!(matches!(&traffic.arrivals, Arrivals::Replay(_)) && matches!(traffic.kind, Kind::Flow(_)));
        let plan = Plan::new(&scenario);
        assert_eq!(plan.traffic[0].count() as usize, plan.traffic[0].shots().count());
        Ok(plan.traffic[0].shots().map(|shot| (shot.seq, shot.due.nanos() / 1_000_000)).collect())
    }

    const CSV: &str = "at,what\n10.5,x\n10.75,y\n10.75,z\n12,w\n";

    #[test]
    fn shots_are_due_as_they_were_counted_from_the_first() {
        assert_eq!(plan(CSV, "", 1), Ok(vec![(0, 0), (1, 250), (2, 250), (3, 1_500)]));
        assert_eq!(plan(CSV, ", speed: 2x", 1), Ok(vec![(0, 0), (1, 125), (2, 125), (3, 750)]));
        assert_eq!(plan(CSV, ", speed: 0.5x", 1), Ok(vec![(0, 0), (1, 500), (2, 500), (3, 3_000)]));
        let rfc = "what,at\nx,2024-05-01T10:00:00Z\ny,2024-05-01T12:00:00.040+02:00\n";
        assert_eq!(plan(rfc, "", 1), Ok(vec![(0, 0), (1, 40)]));
        // Rates stay as they are: of a scaled run there is the beginning.
        assert_eq!(plan(CSV, "", 4), Ok(vec![(0, 0), (1, 250), (2, 250)]));
    }

    #[test]
    fn workers_share_a_recording_out() {
        let text = "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a:\n    flow: { steps: [{ get: / }] }\n    \
                    arrivals: { replay: { file: a.csv, warm_up: 500ms } }\n";
        let settings = Settings { files: &|_| Ok(CSV.as_bytes().to_vec()), ..Settings::alone("r") };
        let plan = Plan::new(&read("r", text, &settings).expect("valid"));
        let of = |worker| plan.traffic[0].shots_of(worker, 2).map(|s| s.seq).collect::<Vec<_>>();
        assert_eq!((of(0), of(1)), (vec![0, 2], vec![1, 3]));
        let words: Vec<_> = plan.timeline.phases.iter().map(|p| (p.word, p.measured)).collect();
        assert_eq!(words, [("warm_up", false), ("replay", true)]);
        assert!((plan.traffic[0].profile.expected_by(Offset::from_millis(2_000)) - 4.0).abs() < 1e-6);
    }

    #[test]
    fn a_recording_that_goes_back_or_says_no_time_is_refused_row_by_row() {
        for (csv, part) in [
            ("at,what\n5,x\n4,y\n", "row 2: `4` is earlier"),
            ("at,what\nsoon,x\n", "row 1: `soon` is no time"),
            ("when,what\n1,x\n", "no column `at`"),
            ("at,what\n", "has no rows"),
        ] {
            let why = plan(csv, "", 1).expect_err(csv);
            assert!(why.contains(part), "{csv}: {why}");
        }
    }
}
