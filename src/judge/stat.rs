//! What a number of shots can tell: binomial tails, Clopper–Pearson bounds for shares, order statistics for quantiles.
//!
//! All bounds are one-sided, each at the stated confidence, as the minimums of the contract are: 59 good shots bound
//! p95 from above at 95 %. Formulas: Clopper and Pearson, Biometrika 26 (1934); the incomplete beta function by its
//! continued fraction, with the modified method of Lentz.

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
