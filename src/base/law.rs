//! Latency laws: how long something takes, as a distribution. A law maps a uniform number in [0, 1) to a length of
//! time by the inverse of its distribution function, so that a delay can be a pure function of a decision's hash.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A distribution of lengths of time. All parameters are lengths of time unless said otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Always the same.
    Fixed(Duration),
    /// Anything between two lengths, equally likely.
    Uniform(Duration, Duration),
    /// The bell curve, cut off at zero.
    Normal {
        /// The mean before the cut.
        mean: Duration,
        /// The standard deviation before the cut.
        sd: Duration,
    },
    /// The logarithm is normal.
    Lognormal {
        /// The median.
        median: Duration,
        /// The standard deviation of the logarithm; no unit.
        sigma: f64,
    },
    /// A heavy tail.
    Pareto {
        /// Nothing is shorter.
        min: Duration,
        /// The smaller, the heavier; above 0, no unit.
        alpha: f64,
    },
    /// Through the stated quantiles exactly, lognormal between and beyond them. Pairs of (quantile in (0, 1),
    /// length), both increasing, at least one.
    Quantiles(Vec<(f64, Duration)>),
}

/// Longer than any delay that makes sense; a heavy tail is cut here.
const LONGEST: f64 = 3600.0;

impl Law {
    /// The length at `u`, uniform in [0, 1).
    pub fn at(&self, u: f64) -> Duration {
        let seconds = match self {
            Law::Fixed(length) => return *length,
            Law::Uniform(low, high) => low.as_secs_f64() + u * (high.as_secs_f64() - low.as_secs_f64()),
            Law::Normal { mean, sd } => mean.as_secs_f64() + sd.as_secs_f64() * probit(u),
            Law::Lognormal { median, sigma } => median.as_secs_f64() * libm::exp(sigma * probit(u)),
            Law::Pareto { min, alpha } => min.as_secs_f64() * libm::pow(1.0 - u, -1.0 / alpha),
            Law::Quantiles(points) => through(points, u),
        };
        Duration::from_secs_f64(if seconds.is_finite() { seconds.clamp(0.0, LONGEST) } else { LONGEST })
    }
}

/// The length at `u` of the law that has the stated quantiles: the logarithm is a straight line between them over
/// normal scores, and goes on straight beyond the outer two.
fn through(points: &[(f64, Duration)], u: f64) -> f64 {
    let at = |i: usize| (probit(points[i].0), libm::log(points[i].1.as_secs_f64().max(1e-9)));
    if points.len() < 2 {
        return points.first().map_or(0.0, |p| p.1.as_secs_f64());
    }
    let upper = points.iter().position(|p| u < p.0).unwrap_or(points.len() - 1).max(1);
    let ((z0, y0), (z1, y1)) = (at(upper - 1), at(upper));
    libm::exp(y0 + (y1 - y0) * (probit(u) - z0) / (z1 - z0))
}

/// The inverse of the standard normal distribution function, by Acklam's rational approximation (2003) and one step
/// of Halley's method; accurate to about 1e-15. The ends are kept finite.
pub fn probit(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969683028665376e1,
        2.209460984245205e2,
        -2.759285104469687e2,
        1.383_577_518_672_69e2,
        -3.066479806614716e1,
        2.506628277459239,
    ];
    const B: [f64; 5] =
        [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
    const C: [f64; 6] = [
        -7.784894002430293e-3,
        -3.223964580411365e-1,
        -2.400758277161838,
        -2.549732539343734,
        4.374664141464968,
        2.938163982698783,
    ];
    const D: [f64; 4] = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
    let p = p.clamp(1e-16, 1.0 - 1e-16);
    let tail = |q: f64| {
        (((((C[0] * q + C[1]) * q + C[2]) * q + C[3]) * q + C[4]) * q + C[5])
            / ((((D[0] * q + D[1]) * q + D[2]) * q + D[3]) * q + 1.0)
    };
    let x = if p < 0.02425 {
        tail(libm::sqrt(-2.0 * libm::log(p)))
    } else if p > 1.0 - 0.02425 {
        -tail(libm::sqrt(-2.0 * libm::log(1.0 - p)))
    } else {
        let q = p - 0.5;
        let r = q * q;
        (((((A[0] * r + A[1]) * r + A[2]) * r + A[3]) * r + A[4]) * r + A[5]) * q
            / (((((B[0] * r + B[1]) * r + B[2]) * r + B[3]) * r + B[4]) * r + 1.0)
    };
    let error = 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2) - p;
    let step = error * libm::sqrt(2.0 * std::f64::consts::PI) * libm::exp(x * x / 2.0);
    x - step / (1.0 + x * step / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// The share of draws at or below `bound`.
    fn below(law: &Law, bound: Duration) -> f64 {
        let mut stream = Seed(11).stream("law");
        let n = 50_000;
        (0..n).filter(|_| law.at(stream.unit()) <= bound).count() as f64 / f64::from(n)
    }

    #[test]
    fn probit_matches_published_values() {
        for (p, z) in [(0.5, 0.0), (0.95, 1.6448536269514722), (0.99, 2.3263478740408408), (0.001, -3.090232306167813)]
        {
            assert!((probit(p) - z).abs() < 1e-12, "{p}");
        }
    }

    #[test]
    fn a_law_by_quantiles_has_them() {
        let law = Law::Quantiles(vec![(0.5, ms(120)), (0.95, ms(280))]);
        assert!((below(&law, ms(120)) - 0.5).abs() < 0.01);
        assert!((below(&law, ms(280)) - 0.95).abs() < 0.005);
        let three = Law::Quantiles(vec![(0.5, ms(8)), (0.95, ms(15)), (0.99, ms(25))]);
        for (q, length) in [(0.5, ms(8)), (0.95, ms(15)), (0.99, ms(25))] {
            assert!((below(&three, length) - q).abs() < 0.01);
            assert_eq!(three.at(q).as_micros(), length.as_micros());
        }
    }

    #[test]
    fn each_law_has_its_median() {
        let cases = [
            (Law::Fixed(ms(5)), ms(5)),
            (Law::Uniform(ms(10), ms(20)), ms(15)),
            (Law::Normal { mean: ms(100), sd: ms(10) }, ms(100)),
            (Law::Lognormal { median: ms(50), sigma: 0.5 }, ms(50)),
            (Law::Pareto { min: ms(10), alpha: 1.0 }, ms(20)),
            (Law::Quantiles(vec![(0.5, ms(7))]), ms(7)),
        ];
        for (law, median) in cases {
            assert_eq!(law.at(0.5).as_micros(), median.as_micros(), "{law:?}");
        }
    }

    #[test]
    fn no_draw_is_negative_or_endless() {
        for law in [Law::Normal { mean: ms(1), sd: ms(100) }, Law::Pareto { min: ms(1), alpha: 0.05 }] {
            for u in [0.0, 1e-17, 0.5, 1.0 - 1e-16] {
                assert!(law.at(u) <= Duration::from_secs(3600));
            }
        }
    }
}
