//! The Mann-Whitney test: whether values of one side are more often above than below those of the other.

use crate::judge::stat;

/// How likely values that lie so are where both come from one law; two-sided, by the normal approximation with ties
/// corrected. Nothing for fewer than eight on a side, for which it is too rough.
///
/// Mann and Whitney, Annals of Mathematical Statistics 18 (1947).
pub fn mann_whitney(base: &[f64], candidate: &[f64]) -> Option<f64> {
    if base.len() < 8 || candidate.len() < 8 {
        return None;
    }
    let (m, n) = (base.len() as f64, candidate.len() as f64);
    let mut all: Vec<(f64, bool)> =
        base.iter().map(|v| (*v, false)).chain(candidate.iter().map(|v| (*v, true))).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut ranks, mut ties, mut at) = (0.0, 0.0, 0);
    while at < all.len() {
        let same = all[at..].iter().take_while(|(value, _)| *value == all[at].0).count();
        let rank = at as f64 + (same as f64 + 1.0) / 2.0;
        ranks += rank * all[at..at + same].iter().filter(|(_, of_candidate)| *of_candidate).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        at += same;
    }
    let u = ranks - n * (n + 1.0) / 2.0;
    let total = m + n;
    let variance = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return Some(1.0);
    }
    // Half a step of the whole numbers that U takes.
    let z = ((u - m * n / 2.0).abs() - 0.5).max(0.0) / variance.sqrt();
    Some((2.0 * stat::normal_tail(z)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U = 75.5 by hand; its tail by the complementary error function of the C library.
    #[test]
    fn agrees_with_another_implementation() {
        let base: Vec<f64> = (1..=10).map(f64::from).collect();
        let candidate: Vec<f64> = (4..=13).map(f64::from).collect();
        let p = mann_whitney(&base, &candidate).unwrap_or_default();
        assert!((p - 0.058_116_875_6).abs() < 1e-9, "{p}");
        assert_eq!(mann_whitney(&base, &base), Some(1.0));
        assert_eq!(mann_whitney(&[1.0; 9], &[1.0; 9]), Some(1.0));
        assert_eq!(mann_whitney(&base[..7], &base), None);
    }
}
