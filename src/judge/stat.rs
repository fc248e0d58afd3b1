//! What a number of shots can tell: binomial tails, Clopper–Pearson bounds for shares, order statistics for quantiles,
//! Student's t for means.
//!
//! All bounds are one-sided, each at the stated confidence, as the minimums of the contract are: 59 good shots bound
//! p95 from above at 95 %. Formulas: Clopper and Pearson, Biometrika 26 (1934); Student, Biometrika 6 (1908), its tail by
//! the incomplete beta function; that by its continued fraction, with the modified method of Lentz.

/// P(X ≤ k) for X binomial with `n` trials of probability `p`.
pub fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    // P(X ≤ k) = I(1 − p; n − k, k + 1)
    incomplete_beta(1.0 - p, (n - k) as f64, k as f64 + 1.0)
}

/// P(X ≥ k) for X binomial with `n` trials of probability `p`.
pub fn at_least(k: u64, n: u64, p: f64) -> f64 {
    match k {
        0 => 1.0,
        k if k > n => 0.0,
        k => incomplete_beta(p, k as f64, (n - k) as f64 + 1.0),
    }
}

/// The smallest count that a binomial number stays within with the given probability: P(X ≤ c) ≥ confidence.
pub fn binomial_bound(n: u64, p: f64, confidence: f64) -> u64 {
    if p <= 0.0 {
        return 0;
    }
    first(0, n, |c| at_most(c, n, p) >= confidence)
}

/// Where a binomial number lies with the given probability at least, as little as may be left out on either side alike:
/// P(X < low) ≤ (1 − confidence) / 2, and P(X > high) too.
///
/// Holds for trials of different probabilities as well when `p` is their mean: their sum is no more spread out
/// (Hoeffding, Annals of Mathematical Statistics 27, 1956).
pub fn binomial_interval(n: u64, p: f64, confidence: f64) -> (u64, u64) {
    let tail = (1.0 - confidence) / 2.0;
    let low = if p >= 1.0 { n } else { first(0, n, |c| at_most(c, n, p) > tail) };
    (low, binomial_bound(n, p, 1.0 - tail))
}

/// The share that `k` of `n` show to be reached at least, at the given confidence: 0 when `k` is 0.
pub fn share_from(k: u64, n: u64, confidence: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    root(|p| at_least(k, n, p) > 1.0 - confidence)
}

/// The share that `k` of `n` show not to be exceeded, at the given confidence: 1 when `k` is `n`.
pub fn share_to(k: u64, n: u64, confidence: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    root(|p| at_most(k, n, p) <= 1.0 - confidence)
}

/// The rank, from 1, of the ordered sample that bounds the quantile `q` from below; `None` when none does.
pub fn rank_from(n: u64, q: f64, confidence: f64) -> Option<u64> {
    // The r-th value is not above the quantile when at least r values are not: P(X ≥ r) falls with r.
    let beyond = first(1, n + 1, |r| at_least(r, n, q) < confidence);
    beyond.checked_sub(1).filter(|r| *r >= 1)
}

/// The rank, from 1, of the ordered sample that bounds the quantile `q` from above; `None` when none does.
pub fn rank_to(n: u64, q: f64, confidence: f64) -> Option<u64> {
    // The r-th value is not below the quantile when fewer than r values are.
    let rank = first(1, n + 1, |r| at_most(r - 1, n, q) >= confidence);
    (rank <= n).then_some(rank)
}

/// How many standard errors a mean of `n` values, two at least, may be off to either side at the given confidence, 0.5 or
/// more. Normal theory: it holds for lengths of time as their number grows, and is asked for from 30 on.
pub fn errors_of_mean(n: u64, confidence: f64) -> f64 {
    let freedom = n.saturating_sub(1).max(1) as f64;
    // P(T > t) = I(f / (f + t²); f / 2, 1 / 2) / 2
    let x = root(|x| incomplete_beta(x, freedom / 2.0, 0.5) >= 2.0 * (1.0 - confidence));
    (freedom * (1.0 - x) / x).sqrt()
}

/// How likely a mean of `n` values, two at least, is so many standard errors or more above what it is the mean of.
pub fn tail_of_mean(n: u64, errors: f64) -> f64 {
    let freedom = n.saturating_sub(1).max(1) as f64;
    incomplete_beta(freedom / (freedom + errors * errors), freedom / 2.0, 0.5) / 2.0
}

/// P(Z > z) for a standard normal Z.
pub fn normal_tail(z: f64) -> f64 {
    libm::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

/// The first number from `low` to `high` for which `holds`, which once true stays true; `high` when none before.
fn first(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The probability at which `beyond`, which once true stays true, becomes true.
fn root(beyond: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if beyond(middle) { high = middle } else { low = middle }
    }
    (low + high) / 2.0
}

/// I(x; a, b), the regularised incomplete beta function.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // x^a (1−x)^b / B(a, b), by logarithms: the parts alone over- and underflow.
    let scale =
        libm::exp(libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x));
    // The fraction converges fast on the side of the mean where x is small.
    if x < (a + 1.0) / (a + b + 2.0) {
        (scale * fraction(x, a, b) / a).clamp(0.0, 1.0)
    } else {
        (1.0 - scale * fraction(1.0 - x, b, a) / b).clamp(0.0, 1.0)
    }
}

/// The continued fraction of the incomplete beta function.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    // The number of terms grows with the square root of the larger parameter; a billion shots need some 30 000.
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        result *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let step = c * d;
        result *= step;
        if (step - 1.0).abs() < 1e-14 {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-3), "{a} is not {b}");
    }

    /// Expected values: sums of exact rational terms, bisected; computed outside this crate.
    #[test]
    fn shares_are_bounded_as_clopper_and_pearson_do() {
        for (k, n, from, to) in [
            (0, 300, 0.0, 0.009936081944457609),
            (0, 1000, 0.0, 0.0029912495450949983),
            (5, 1000, 0.0019721531418048777, 0.010484076911415396),
            (3, 10, 0.08726443391415062, 0.6066242161054132),
            (1, 1, 0.05, 1.0),
            (9, 10, 0.6058366975634955, 0.9948838031081766),
            (50, 100, 0.41362171463091135, 0.5863782853690886),
        ] {
            close(share_from(k, n, 0.95), from);
            close(share_to(k, n, 0.95), to);
        }
        close(share_from(7, 40, 0.999), 0.04032621980321105);
        close(share_to(7, 40, 0.999), 0.4178949504345284);
    }

    /// Expected values: as above.
    #[test]
    fn ranks_bound_quantiles_from_both_sides() {
        for (n, q, from, to) in [
            (10, 0.95, Some(8), None),
            (58, 0.95, Some(52), None),
            (59, 0.95, Some(53), Some(59)),
            (100, 0.5, Some(42), Some(59)),
            (5, 0.5, Some(1), Some(5)),
            (4, 0.5, None, None),
            (1000, 0.99, Some(985), Some(996)),
            (298, 0.99, Some(292), None),
            (299, 0.99, Some(293), Some(299)),
            (20, 0.9, Some(16), None),
            (0, 0.9, None, None),
        ] {
            assert_eq!((rank_from(n, q, 0.95), rank_to(n, q, 0.95)), (from, to), "{n} {q}");
        }
    }

    /// Expected values: as above.
    #[test]
    fn slices_are_bounded_by_chance() {
        for (n, p, bound) in [
            (10, 0.01, 2),
            (20, 0.05, 5),
            (200, 0.05, 21),
            (1000, 0.001, 5),
            (3, 0.5, 3),
            (1, 0.0005, 0),
            (9, 0.0, 0),
            (0, 0.5, 0),
        ] {
            assert_eq!(binomial_bound(n, p, 0.999), bound, "{n} {p}");
        }
    }

    /// Expected values: sums of exact rational terms; computed outside this crate.
    #[test]
    fn an_interval_leaves_out_as_little_on_either_side() {
        for (n, p, low, high) in [
            (100, 0.5, 34, 66),
            (200, 0.5, 77, 123),
            (1000, 0.1, 70, 132),
            (10, 0.5, 0, 10),
            (1, 0.5, 0, 1),
            (50, 0.02, 0, 5),
            (1000, 0.999, 994, 1000),
            (30, 1.0, 30, 30),
            (30, 0.0, 0, 0),
            (0, 0.5, 0, 0),
        ] {
            assert_eq!(binomial_interval(n, p, 0.999), (low, high), "{n} {p}");
        }
    }

    /// Against the sum of all terms, each multiplied up from its neighbour.
    #[test]
    fn tails_are_the_sums_of_their_terms() {
        for n in [1u64, 2, 7, 40, 300] {
            for p in [0.001f64, 0.05, 0.5, 0.9] {
                let mut term = (1.0 - p).powi(n as i32);
                let mut sum = 0.0;
                for k in 0..=n {
                    sum += term;
                    assert!((at_most(k, n, p) - sum).abs() < 1e-10, "{k} {n} {p}");
                    assert!((at_least(k + 1, n, p) - (1.0 - sum)).abs() < 1e-10, "{k} {n} {p}");
                    term *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
                }
            }
        }
    }

    /// Expected values: the tables of Student's law; the normal law's 1.6449 for many.
    #[test]
    fn means_are_bounded_as_student_does() {
        for (n, confidence, t) in
            [(2, 0.95, 6.3138), (6, 0.975, 2.5706), (30, 0.95, 1.6991), (30, 0.995, 2.7564), (101, 0.95, 1.6602)]
        {
            assert!((errors_of_mean(n, confidence) - t).abs() < 1e-4, "{n} {confidence}");
        }
        assert!((errors_of_mean(1_000_001, 0.95) - 1.6449).abs() < 1e-4);
        assert!((errors_of_mean(100_000_000, 0.95) - 1.6449).abs() < 1e-3);
        assert!(errors_of_mean(30, 0.5) < 1e-6);
    }

    #[test]
    fn large_numbers_are_no_trouble() {
        // The median of a symmetric law; a normal law is near for the rest.
        assert!((at_most(50_000_000, 100_000_000, 0.5) - 0.5).abs() < 1e-4);
        let width = 1.6449 * (0.01f64 * 0.99 / 1e8).sqrt();
        assert!((share_to(1_000_000, 100_000_000, 0.95) - (0.01 + width)).abs() < 1e-6);
    }

    /// The minimums of the contract are those at which the worst shot bounds the quantile.
    #[test]
    fn minimums_are_where_the_longest_bounds_the_quantile() {
        for (q, n) in [(0.5, 5), (0.95, 59), (0.99, 299), (0.999, 2_995)] {
            assert_eq!(rank_to(n, q, 0.95), Some(n));
            assert_eq!(rank_to(n - 1, q, 0.95), None);
        }
    }
}
