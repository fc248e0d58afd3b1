//! Where the knee lies, from probes that held and probes that broke.
//!
//! Near the knee chance decides whether a probe of finite length keeps its promises. So the chance to break at a rate r is taken
//! to be
//!
//! ```text
//! P(r) = ε/2 + (1 − ε) · Φ((ln r − ln k) / s)
//! ```
//!
//! with k the knee, s how blurred it is, Φ the normal law and ε a share of probes that come out by chance whatever the rate: a
//! psychometric function, and its threshold is found as that of hearing is (Watson and Pelli, Perception & Psychophysics 33,
//! 1983; Kontsevich and Tyler, Vision Research 39, 1999). Before any probe every ln k is as likely as any
//! other, and so is each of some s but the greatest. What the probes leave of that is the answer: its median the knee, and the middle 95 % its range.

use crate::judge::stat::normal_tail;

/// How blurred a knee may be, from a hard limit to one that a probe sees through fog, and how likely each is beforehand. Without
/// the last, a target that pauses now and then, whose p95 hardly depends on the load, is believed to be known far too soon.
const BLURS: [(f64, f64); 6] = [(0.003, 1.0), (0.01, 1.0), (0.025, 1.0), (0.06, 1.0), (0.12, 1.0), (0.25, 0.5)];
/// The share of probes that come out by chance.
const LAPSES: f64 = 0.02;
/// Into how many parts the logarithms of the rates are cut.
const PARTS: usize = 1600;
/// How far beyond the probes the knee may lie, as a factor.
const BEYOND: f64 = 1.5;

/// How sure a range is.
pub const CONFIDENCE: f64 = 0.95;

/// What is known of the knee: how likely it is in each of many small parts.
#[derive(Debug, Clone)]
pub struct Estimate {
    first: f64, // logarithm of the rate at which the first part begins
    width: f64, // of a part, in logarithms
    chances: Vec<f64>,
}

impl Estimate {
    /// From rates and whether the target held there; nothing where all held, or none did.
    pub fn of(probes: &[(f64, bool)]) -> Option<Estimate> {
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for (rate, _) in probes {
            (least, most) = (least.min(*rate), most.max(*rate));
        }
        let both = probes.iter().any(|(_, held)| *held) && probes.iter().any(|(_, held)| !held);
        if !both || least <= 0.0 {
            return None;
        }
        let first = (least / BEYOND).ln();
        let width = ((most * BEYOND).ln() - first) / PARTS as f64;
        let mut chances = vec![0.0; PARTS];
        for (blur, beforehand) in BLURS {
            for (part, chance) in chances.iter_mut().enumerate() {
                let knee = first + (part as f64 + 0.5) * width;
                let likely = |(rate, held): &(f64, bool)| {
                    let beyond = normal_tail((knee - rate.ln()) / blur);
                    let breaks = LAPSES / 2.0 + (1.0 - LAPSES) * beyond;
                    if *held { 1.0 - breaks } else { breaks }
                };
                *chance += beforehand * probes.iter().map(likely).product::<f64>();
            }
        }
        let all: f64 = chances.iter().sum();
        (all > 0.0).then(|| {
            chances.iter_mut().for_each(|chance| *chance /= all);
            Estimate { first, width, chances }
        })
    }

    /// The rate below which the knee is with this chance.
    pub fn quantile(&self, chance: f64) -> f64 {
        let mut below = 0.0;
        for (part, of) in self.chances.iter().enumerate() {
            if below + of >= chance {
                let within = if *of > 0.0 { (chance - below) / of } else { 0.5 };
                return (self.first + (part as f64 + within) * self.width).exp();
            }
            below += of;
        }
        (self.first + self.width * PARTS as f64).exp()
    }

    /// The knee.
    pub fn rate(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Between which rates it lies, with `CONFIDENCE`.
    pub fn range(&self) -> (f64, f64) {
        let tail = (1.0 - CONFIDENCE) / 2.0;
        (self.quantile(tail), self.quantile(1.0 - tail))
    }

    /// How far its range reaches to either side, as a share of the knee.
    pub fn reach(&self) -> f64 {
        let (low, high) = self.range();
        (high - low) / (2.0 * self.rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_holds_the_knee_and_narrows() {
        let hard = |rates: &[f64]| Estimate::of(&rates.iter().map(|r| (*r, *r < 500.0)).collect::<Vec<_>>());
        let wide = hard(&[100.0, 200.0, 400.0, 800.0]).expect("both");
        let narrow = hard(&[100.0, 200.0, 400.0, 800.0, 550.0, 470.0, 510.0, 490.0, 505.0, 495.0]).expect("both");
        for estimate in [&wide, &narrow] {
            let (low, high) = estimate.range();
            assert!(low < 500.0 && 500.0 < high, "{low} {high}");
            assert!(low < estimate.rate() && estimate.rate() < high);
        }
        assert!(narrow.reach() < wide.reach() / 3.0, "{} {}", narrow.reach(), wide.reach());
        assert!(hard(&[100.0, 200.0]).is_none() && hard(&[800.0]).is_none() && hard(&[]).is_none());
    }

    #[test]
    fn one_that_came_out_by_chance_misleads_little() {
        let mut probes: Vec<(f64, bool)> =
            [100.0, 200.0, 400.0, 460.0, 480.0, 495.0, 505.0, 520.0, 540.0, 800.0].map(|r| (r, r < 500.0)).to_vec();
        probes.push((200.0, false));
        let estimate = Estimate::of(&probes).expect("both");
        assert!((estimate.rate() / 500.0 - 1.0).abs() < 0.02, "{}", estimate.rate());
    }

    /// The truth is drawn from the law that the estimate assumes: its ranges must hold it about as often as they say.
    #[test]
    fn ranges_hold_what_they_should() {
        use crate::base::seed::Seed;
        let mut held = 0;
        for seed in 0..60 {
            let mut chance = Seed(seed).stream("knees");
            let knee = 100.0 * (1.0 + 3.0 * chance.unit());
            let mut probes = vec![(50.0, true), (800.0, false)];
            for _ in 0..14 {
                let estimate = Estimate::of(&probes).expect("both");
                let rate = estimate.quantile(if probes.len() % 2 == 0 { 0.35 } else { 0.65 });
                let breaks = 1.0 - normal_tail((rate.ln() - knee.ln()) / 0.025);
                probes.push((rate, chance.unit() >= breaks));
            }
            let (low, high) = Estimate::of(&probes).expect("both").range();
            held += u32::from(low <= knee && knee <= high);
        }
        // Of ranges that hold it 95 times in 100, fewer than 51 of 60 do in one test of a thousand.
        assert!(held >= 51, "{held} of 60");
    }
}
