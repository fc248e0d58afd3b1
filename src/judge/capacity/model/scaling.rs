//! How much more a target takes when there is more of it, by the Universal Scalability Law (Gunther, Guerrilla Capacity Planning,
//! 2007). More of it are replicas; or shots under way at once, and then it says how a single target gives way:
//!
//! ```text
//! X(n) = λ n / (1 + σ (n − 1) + κ n (n − 1))
//! ```
//!
//! λ is what one replica takes, σ the share of the work that only one of them can do at a time (contention), κ what each pair
//! of them costs to agree with each other (coherency). With σ = κ = 0 it is a straight line; with κ = 0 it is Amdahl's law; with
//! κ > 0 it has a peak at n = √((1 − σ) / κ), beyond which more replicas take less.

use serde::Serialize;

use super::fit::least_squares;
use crate::base::seed::Seed;

/// So many times the measured capacities are drawn anew, each within its own range.
const DRAWS: usize = 400;
/// How sure intervals are.
pub const CONFIDENCE: f64 = 0.95;
/// How many standard errors half of such a range of a capacity is.
const ERRORS: f64 = 1.959_964;

/// A measured capacity, or rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// With so many replicas, or shots under way.
    pub n: f64,
    /// Per second.
    pub rate: f64,
    /// It is not less, with 95 %.
    pub low: f64,
    /// It is not more, with 95 %.
    pub high: f64,
}

/// The parameters of the law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Parameters {
    /// λ: what one replica takes, per second.
    pub lambda: f64,
    /// σ: contention, from 0 to 1.
    pub sigma: f64,
    /// κ: coherency, 0 or more.
    pub kappa: f64,
}

/// How many of the parameters the points can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// One: a straight line through the origin.
    Linear,
    /// Two: Amdahl's law, κ = 0.
    Amdahl,
    /// All three.
    Universal,
}

/// What changes no capacity by more than this part does nothing.
const NO_EFFECT: f64 = 1e-3;

/// A law that was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// Which.
    pub law: Law,
    /// Its parameters.
    pub at: Parameters,
    /// How far the points lie off the curve: the sum of the squared distances, each in standard errors of its point.
    pub squares: f64,
    /// How many points there are more than parameters that are not at nothing.
    pub freedom: u32,
    draws: Vec<Parameters>,
}

/// A capacity that a law foretells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Foretold {
    /// Of so many.
    pub n: f64,
    /// Per second.
    pub rate: f64,
    /// It is not less, with 95 %, if the law holds.
    pub low: f64,
    /// It is not more, with 95 %, if the law holds.
    pub high: f64,
}

impl Parameters {
    /// What so many replicas take, per second.
    pub fn rate(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// How many parameters of a law are at nothing, which they cannot fall below: those fit no point, and what lies above the
    /// line (more than twice as much from twice as many) still speaks against it.
    fn idle(&self, most: f64, law: Law) -> u32 {
        let idle = |effect: f64| u32::from(effect < NO_EFFECT);
        let (sigma, kappa) = (idle(self.sigma * (most - 1.0)), idle(self.kappa * most * (most - 1.0)));
        match law {
            Law::Linear => 0,
            Law::Amdahl => sigma,
            Law::Universal => sigma + kappa,
        }
    }

    /// The number of replicas that takes most; nothing where more always take more.
    pub fn peak(&self) -> Option<f64> {
        (self.kappa > 1e-12).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0))
    }
}

impl Point {
    /// The standard error of its logarithm: of a range that is known; two in a hundred where none is.
    fn error(&self) -> f64 {
        let half = (self.high / self.low).ln() / 2.0 / ERRORS;
        if half.is_finite() && half > 1e-6 { half } else { 0.02 }
    }
}

impl Scaling {
    /// Fits the law that the points can tell: with one number of replicas a line, with two Amdahl's, with more the whole.
    /// Nothing without a point.
    pub fn of(points: &[Point], seed: Seed) -> Option<Scaling> {
        let points: Vec<Point> = points.iter().filter(|p| p.rate > 0.0 && p.n > 0.0).copied().collect();
        let points = points.as_slice();
        let mut counts: Vec<f64> = points.iter().map(|p| p.n).collect();
        counts.sort_by(f64::total_cmp);
        counts.dedup_by(|a, b| *a < *b * 1.01);
        let law = match counts.len() {
            0 => return None,
            1 => Law::Linear,
            2 => Law::Amdahl,
            _ => Law::Universal,
        };
        let rates: Vec<f64> = points.iter().map(|p| p.rate).collect();
        let (at, squares) = fit(law, points, &rates, None)?;
        let mut chance = seed.stream("scaling");
        let mut normal = || (0..12).map(|_| chance.unit()).sum::<f64>() - 6.0;
        let mut draws = Vec::with_capacity(DRAWS);
        for _ in 0..DRAWS {
            let rates: Vec<f64> = points.iter().map(|p| p.rate * (normal() * p.error()).exp()).collect();
            draws.extend(fit(law, points, &rates, Some(at)).map(|(at, _)| at));
        }
        let most = counts.iter().copied().fold(1.0, f64::max);
        let freedom = (points.len() as u32).saturating_sub(law.parameters() - at.idle(most, law));
        Some(Scaling { law, at, squares, freedom, draws })
    }

    /// What so many take.
    pub fn foretell(&self, n: f64) -> Foretold {
        let (low, high) = self.range(|at| at.rate(n));
        Foretold { n, rate: self.at.rate(n), low, high }
    }

    /// Between what something that is reckoned from the parameters lies, with [`CONFIDENCE`].
    pub fn range(&self, of: impl Fn(&Parameters) -> f64) -> (f64, f64) {
        let mut all: Vec<f64> = self.draws.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let at = |q: f64| all.get(((all.len() as f64 * q) as usize).min(all.len().saturating_sub(1))).copied();
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let point = || (f64::NAN, f64::NAN);
        at(tail).zip(at(1.0 - tail)).unwrap_or_else(point)
    }

    /// Whether the points lie farther off the curve than their own ranges allow, at one in a hundred.
    pub fn is_doubtful(&self) -> bool {
        // Wilson and Hilferty's cube root of a sum of squares (PNAS 17, 1931), against 2.326 standard errors.
        let f = f64::from(self.freedom);
        let root = (self.squares / f).cbrt();
        self.freedom > 0 && (root - (1.0 - 2.0 / (9.0 * f))) / (2.0 / (9.0 * f)).sqrt() > 2.326
    }
}

impl Law {
    fn parameters(self) -> u32 {
        match self {
            Law::Linear => 1,
            Law::Amdahl => 2,
            Law::Universal => 3,
        }
    }
}

/// The parameters at which the points lie nearest, by logarithms and in standard errors; from where they were known, or from
/// several starts. Squares keep contention and coherency from falling below nothing.
fn fit(law: Law, points: &[Point], rates: &[f64], near: Option<Parameters>) -> Option<(Parameters, f64)> {
    let off = |at: Parameters| {
        let of = |(p, rate): (&Point, &f64)| (at.rate(p.n).ln() - rate.ln()) / p.error();
        points.iter().zip(rates).map(of).collect::<Vec<f64>>()
    };
    let one = points.iter().zip(rates).map(|(p, rate)| rate / p.n).fold(0.0, f64::max);
    let several = [(0.001, 1e-6), (0.05, 1e-3), (0.3, 0.01)];
    let starts: Vec<(f64, f64, f64)> = match near {
        Some(at) => vec![(at.lambda, at.sigma.max(1e-4), at.kappa.max(1e-7))],
        None => several.iter().map(|(sigma, kappa)| (one, *sigma, *kappa)).collect(),
    };
    let fits = starts.into_iter().filter_map(|(lambda, sigma, kappa)| {
        let found = match law {
            Law::Linear => {
                let of = |p: &[f64; 1]| Parameters { lambda: p[0].exp(), sigma: 0.0, kappa: 0.0 };
                least_squares([lambda.ln()], |p| off(of(p))).map(|fit| (of(&fit.at), fit.squares))
            }
            Law::Amdahl => {
                let of = |p: &[f64; 2]| Parameters { lambda: p[0].exp(), sigma: (p[1] * p[1]).min(1.0), kappa: 0.0 };
                let start = [lambda.ln(), sigma.sqrt()];
                least_squares(start, |p| off(of(p))).map(|fit| (of(&fit.at), fit.squares))
            }
            Law::Universal => {
                let of =
                    |p: &[f64; 3]| Parameters { lambda: p[0].exp(), sigma: (p[1] * p[1]).min(1.0), kappa: p[2] * p[2] };
                let start = [lambda.ln(), sigma.sqrt(), kappa.sqrt()];
                least_squares(start, |p| off(of(p))).map(|fit| (of(&fit.at), fit.squares))
            }
        };
        found.filter(|(_, squares)| squares.is_finite())
    });
    fits.min_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(replicas: u32, rate: f64, error: f64) -> Point {
        Point { n: f64::from(replicas), rate, low: rate * (-ERRORS * error).exp(), high: rate * (ERRORS * error).exp() }
    }

    #[test]
    fn parameters_are_found_that_made_the_data() {
        for (lambda, sigma, kappa) in
            [(500.0, 0.05, 0.002), (995.6, 0.0267, 0.000_769), (80.0, 0.3, 0.0), (120.0, 0.0, 0.01)]
        {
            let at = Parameters { lambda, sigma, kappa };
            let points = [1, 2, 3, 5, 8, 12, 20, 32].map(|n| point(n, at.rate(f64::from(n)), 0.005));
            let scaling = Scaling::of(&points, Seed(1)).expect("points");
            let got = scaling.at;
            assert_eq!(scaling.law, Law::Universal);
            assert!((got.lambda / lambda - 1.0).abs() < 1e-3, "{got:?}");
            assert!((got.sigma - sigma).abs() < 1e-3 && (got.kappa - kappa).abs() < 1e-4, "{got:?}");
            assert!(!scaling.is_doubtful() && scaling.freedom >= 5);
        }
    }

    /// No contention makes five of what one in a bad hour was measured to take: three points would leave nothing to check by,
    /// but neither contention nor coherency was used.
    #[test]
    fn more_than_in_proportion_is_doubtful() {
        let of = |rates: [f64; 3]| {
            let points = [(1, rates[0]), (3, rates[1]), (5, rates[2])].map(|(n, rate)| point(n, rate, 0.05));
            Scaling::of(&points, Seed(1)).expect("points")
        };
        let beyond = of([126.0, 514.0, 722.0]);
        assert!(beyond.is_doubtful() && beyond.freedom == 2, "{beyond:?}");
        let within = of([200.0, 514.0, 722.0]);
        assert!(!within.is_doubtful(), "{within:?}");
    }

    #[test]
    fn the_peak_is_where_more_take_less() {
        let at = Parameters { lambda: 500.0, sigma: 0.05, kappa: 0.002 };
        let peak = at.peak().expect("a peak");
        assert!((peak - 21.794).abs() < 1e-3);
        assert!(at.rate(21.0) > at.rate(19.0) && at.rate(22.0) > at.rate(24.0));
        assert_eq!(Parameters { kappa: 0.0, ..at }.peak(), None);
    }

    /// The truth is known and each point is drawn within its own range: intervals must hold it about as often as they say.
    #[test]
    fn intervals_hold_what_they_should() {
        let truth = Parameters { lambda: 500.0, sigma: 0.06, kappa: 0.003 };
        let mut held = 0;
        for seed in 0..60 {
            let mut chance = Seed(seed).stream("points");
            let mut normal = || (0..12).map(|_| chance.unit()).sum::<f64>() - 6.0;
            let points = [1, 2, 3, 5, 8].map(|n| point(n, truth.rate(f64::from(n)) * (normal() * 0.02).exp(), 0.02));
            let foretold = Scaling::of(&points, Seed(seed)).expect("points").foretell(6.0);
            held += u32::from(foretold.low <= truth.rate(6.0) && truth.rate(6.0) <= foretold.high);
        }
        assert!((51..=60).contains(&held), "{held} of 60");
    }

    #[test]
    fn so_many_points_tell_so_many_parameters() {
        let law = |points: &[Point]| Scaling::of(points, Seed(1)).map(|s| s.law);
        let at = |n| point(n, 100.0 * f64::from(n), 0.01);
        assert_eq!(law(&[]), None);
        assert_eq!(law(&[at(3), at(3)]), Some(Law::Linear));
        assert_eq!(law(&[at(1), at(3)]), Some(Law::Amdahl));
        assert_eq!(law(&[at(1), at(3), at(5)]), Some(Law::Universal));
        let bent = [point(1, 100.0, 0.01), point(2, 300.0, 0.01), point(3, 150.0, 0.01), point(4, 700.0, 0.01)];
        assert!(Scaling::of(&bent, Seed(1)).expect("points").is_doubtful());
    }
}
