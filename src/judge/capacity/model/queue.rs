//! How latency grows with load, as a queue before c servers (M/M/c; Erlang, Elektroteknikeren 13, 1917):
//!
//! ```text
//! W(λ) = D + s + C(c, λ s) · s / (c − λ s)
//! ```
//!
//! s is how long a server is busy with a shot, c how many there are, C Erlang's chance that all of them are busy, and D what a shot
//! takes besides, that nobody waits for: the network, work that is not limited. A queue like that takes at most c / s.

use serde::Serialize;

use super::fit::least_squares;

/// So many servers at the most.
const MOST: u32 = 1024;
/// How much worse than the best a number of servers may fit and still be one of those that may be: of the logarithm of the
/// likelihood, for 95 % of one parameter.
const WORSE: f64 = 3.841;
/// Fewer points do not tell two lengths and a number of servers apart.
pub const LEAST: usize = 4;
/// What is left below this is what numbers on a computer leave.
const EXACT: f64 = 1e-9;

/// How long shots took at a load.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// Shots a second.
    pub rate: f64,
    /// Their mean response, in seconds.
    pub mean: f64,
}

/// A queue that was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Queue {
    /// How many servers there are.
    pub servers: u32,
    /// Numbers of servers that fit almost as well.
    pub servers_between: (u32, u32),
    /// How long one is busy with a shot, in seconds.
    pub service: f64,
    /// The same for the numbers of servers that may be.
    pub service_between: (f64, f64),
    /// What a shot takes besides, in seconds.
    pub besides: f64,
    /// The most that it takes, per second.
    pub most: f64,
    /// The same for the numbers of servers that may be.
    pub most_between: (f64, f64),
    /// How far the points lie off the curve: the typical distance as a part of the mean, 0.1 for a tenth.
    pub off: f64,
}

/// How many serve; how long one is busy and what a shot takes besides, in seconds; the squares that remain.
type Fitted = (u32, [f64; 2], f64);

impl Queue {
    /// The queue that lies nearest to some points. Nothing where there are too few, or where latency does not grow enough to
    /// tell a queue from a constant.
    pub fn of(points: &[Point]) -> Option<Queue> {
        let good = |p: &&Point| p.rate > 0.0 && p.mean > 0.0 && p.mean.is_finite();
        let mut points: Vec<Point> = points.iter().filter(good).copied().collect();
        points.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        let (first, last) = (points.first()?, points.last()?);
        if points.len() < LEAST || last.mean < first.mean * 1.2 {
            return None;
        }
        let fits: Vec<Fitted> = candidates().filter_map(|c| of_servers(&points, c)).collect();
        let best = fits.iter().min_by(|a, b| a.2.total_cmp(&b.2))?.0;
        // Between the numbers that were tried there are others.
        let near = (best.saturating_sub(best / 2).max(1)..=(best + best / 2 + 1).min(MOST))
            .step_by((best as usize / 64).max(1));
        let mut fits: Vec<Fitted> = fits.into_iter().chain(near.filter_map(|c| of_servers(&points, c))).collect();
        fits.sort_by_key(|fit| fit.0);
        fits.dedup_by_key(|fit| fit.0);
        let (servers, [service, besides], squares) = *fits.iter().min_by(|a, b| a.2.total_cmp(&b.2))?;
        let n = points.len() as f64;
        let may_be = |of: &&Fitted| n * ((of.2 + EXACT) / (squares + EXACT)).ln() <= WORSE;
        let likely: Vec<&Fitted> = fits.iter().filter(may_be).collect();
        let span = |of: &dyn Fn(&Fitted) -> f64| {
            likely.iter().fold((f64::INFINITY, 0.0f64), |(low, high), fit| (low.min(of(fit)), high.max(of(fit))))
        };
        let (low, high) = span(&|fit| f64::from(fit.0));
        Some(Queue {
            servers,
            servers_between: (low as u32, high as u32),
            service,
            service_between: span(&|fit| fit.1[0]),
            besides,
            most: f64::from(servers) / service,
            most_between: span(&|fit| f64::from(fit.0) / fit.1[0]),
            off: (squares / n).sqrt(),
        })
    }

    /// The mean response at a rate, in seconds; nothing where the queue grows without end.
    pub fn mean(&self, rate: f64) -> Option<f64> {
        wait(self.servers, self.service, rate).map(|wait| self.besides + self.service + wait)
    }
}

/// Numbers of servers, an eighth apart.
fn candidates() -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1u32), |c| Some((c + 1).max(c + c / 8)).filter(|c| *c <= MOST))
}

/// The lengths that fit best for a number of servers, and the squares that are left.
fn of_servers(points: &[Point], servers: u32) -> Option<Fitted> {
    let (first, last) = (points.first()?, points.last()?);
    let read = |p: &[f64; 2]| [p[0].exp(), p[1] * p[1]];
    let off = |p: &[f64; 2]| {
        let [service, besides] = read(p);
        let of = |point: &Point| match wait(servers, service, point.rate) {
            Some(wait) => ((besides + service + wait) / point.mean).ln(),
            None => f64::INFINITY,
        };
        points.iter().map(of).collect::<Vec<f64>>()
    };
    // From a queue that is nearly full at the highest rate, and from one in which shots mostly work.
    let full = f64::from(servers) / last.rate;
    let starts = [0.98, 0.9, 0.7, 0.4].map(|load| (full * load).min(first.mean * 0.98));
    let fits = starts.iter().filter_map(|service| {
        let besides = (first.mean - service).max(first.mean * 1e-3);
        least_squares([service.ln(), besides.sqrt()], off)
    });
    let best = fits.min_by(|a, b| a.squares.total_cmp(&b.squares))?;
    Some((servers, read(&best.at), best.squares))
}

/// How long a shot waits for a server on average, in seconds.
fn wait(servers: u32, service: f64, rate: f64) -> Option<f64> {
    let load = rate * service; // in servers
    let free = f64::from(servers) - load;
    (free > 0.0).then(|| all_busy(servers, load) * service / free)
}

/// Erlang's C: the chance that all servers are busy. By his B, which has a recursion that neither over- nor underflows.
pub fn all_busy(servers: u32, load: f64) -> f64 {
    let blocked = (1..=servers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b));
    let used = load / f64::from(servers);
    if used >= 1.0 { 1.0 } else { blocked / (1.0 - used * (1.0 - blocked)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: sums of exact rational terms, computed outside this crate.
    #[test]
    fn erlang_is_right() {
        for (servers, load, expected) in [
            (1, 0.5, 0.5),
            (2, 1.0, 1.0 / 3.0),
            (3, 2.0, 4.0 / 9.0),
            (10, 8.0, 0.409_180_150_796_443_5),
            (256, 250.0, 0.607_596_346_202_833),
        ] {
            let got = all_busy(servers, load);
            assert!((got - expected).abs() < 1e-9, "{servers} {load}: {got}");
        }
        assert_eq!(all_busy(4, 4.0), 1.0);
    }

    #[test]
    fn a_queue_is_found_that_made_the_data() {
        for (servers, service, besides) in [(1, 0.01, 0.0), (4, 0.02, 0.005), (16, 0.08, 0.0), (64, 0.05, 0.02)] {
            let most = f64::from(servers) / service;
            let mean = |rate: f64| besides + service + wait(servers, service, rate).expect("below");
            let points: Vec<Point> = [0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98]
                .map(|part| Point { rate: part * most, mean: mean(part * most) })
                .to_vec();
            let queue = Queue::of(&points).expect("a queue");
            assert_eq!(queue.servers, servers, "{queue:?}");
            assert!((queue.service / service - 1.0).abs() < 0.01, "{queue:?}");
            assert!((queue.most / most - 1.0).abs() < 0.01 && (queue.besides - besides).abs() < 1e-3, "{queue:?}");
            assert!((queue.mean(0.6 * most).expect("below") / mean(0.6 * most) - 1.0).abs() < 0.01);
            assert_eq!(queue.mean(most * 1.1), None);
        }
    }

    /// With two per cent of noise the ranges must hold the truth.
    #[test]
    fn ranges_hold_the_truth_when_points_are_off() {
        let (servers, service) = (8, 0.02);
        let mut held = 0;
        for seed in 0..40 {
            let mut chance = crate::base::seed::Seed(seed).stream("noise");
            let mut noise = || 1.0 + 0.02 * ((0..12).map(|_| chance.unit()).sum::<f64>() - 6.0);
            let points: Vec<Point> = [0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97]
                .map(|part| {
                    let rate = part * 400.0;
                    Point { rate, mean: (service + wait(servers, service, rate).expect("below")) * noise() }
                })
                .to_vec();
            let queue = Queue::of(&points).expect("a queue");
            let within = queue.servers_between.0 <= servers && servers <= queue.servers_between.1;
            held += u32::from(within && (queue.most / 400.0 - 1.0).abs() < 0.05);
        }
        assert!(held >= 34, "{held} of 40");
    }

    #[test]
    fn what_does_not_grow_is_no_queue() {
        let flat: Vec<Point> = (1..9).map(|n| Point { rate: f64::from(n) * 10.0, mean: 0.05 }).collect();
        assert_eq!(Queue::of(&flat), None);
        assert_eq!(Queue::of(&flat[..3]), None);
    }
}
