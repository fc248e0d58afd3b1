//! A figure held against that of a baseline.

use super::errors;
use super::estimate::{Estimate, kind, label};
use crate::base::units;
use crate::evidence::baseline::Figure;
use crate::judge::verdict::{Kind, Quantity, Verdict};
use crate::scenario::Relative;

/// What a figure is held against.
pub struct Terms<'t> {
    /// What is promised.
    pub claim: &'t Relative,
    /// What the baseline came to.
    pub base: &'t Figure,
    /// How many promises are relative.
    pub several: usize,
    /// How sure it has to be, were it alone.
    pub confidence: f64,
}

/// How it came out.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
}

impl Terms<'_> {
    /// Holds a figure against the baseline.
    pub fn hold(&self, ours: &Estimate) -> Held {
        let undecided = |why| Held { verdict: Verdict::Inconclusive, why };
        let base = Estimate::from(self.base);
        let minimum = self.claim.minimum();
        if let Some(why) = base.lacks("the baseline", minimum).or_else(|| ours.lacks("the run", minimum)) {
            return undecided(why);
        }
        let (Some(was), Some(is)) = (base.value, ours.value) else { return undecided("nothing to measure".into()) };
        let is_share = kind(self.claim) == Kind::Share;
        if !is_share && was <= 0.0 {
            return undecided(format!("the baseline's {} is 0: no part of that is anything", label(self.claim)));
        }
        // On a scale on which changes are normal; a fall from what is promised is a rise.
        let sign = if self.claim.compare.is_ceiling() { 1.0 } else { -1.0 };
        let (step, margin) = match is_share {
            true => (is - was, self.claim.margin.fraction()),
            false => ((is / was).ln(), self.claim.margin.fraction().ln_1p()),
        };
        let freedom = base.blocks.min(ours.blocks) - 1;
        let off = errors(freedom, self.several, self.confidence) * (base.error.powi(2) + ours.error.powi(2)).sqrt();
        let (worse, allowed) = (sign * step, sign * margin);
        let (least, most) = (worse - off, worse + off);
        let verdict = if most <= allowed && !(most == allowed && self.is_strict()) {
            Verdict::Pass
        } else if worse > allowed && least > allowed.min(0.0) || off == 0.0 {
            Verdict::Fail
        } else {
            Verdict::Inconclusive
        };
        let shown = |step: f64| if is_share { step } else { step.exp_m1() };
        let surely = match off > 0.0 {
            true => format!(", surely {} to {}", units::change(shown(step - off)), units::change(shown(step + off))),
            false => String::new(),
        };
        let quantity = |value| Quantity { value, kind: kind(self.claim) };
        let beside = format!(
            "{} {} is {}{} beside the baseline's {}{surely}",
            label(self.claim),
            quantity(is),
            units::change(shown(step)),
            if is_share { " of all shots" } else { "" },
            quantity(was),
        );
        let margin = self.claim.margin;
        let why = match verdict {
            Verdict::Pass => format!("{beside}: within {margin}"),
            Verdict::Fail => format!("{beside}: beyond {margin}"),
            _ => format!("{beside}: it may be within {margin} and may not; run longer, or promise a wider margin"),
        };
        Held { verdict, why }
    }

    /// Whether what is just at the bound breaks it.
    fn is_strict(&self) -> bool {
        use crate::scenario::Compare::{Greater, Less};
        matches!(self.claim.compare, Less | Greater)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::timing::Timing;
    use crate::scenario::{Compare, Filter, Margin, Measure, Quantile, Whose};

    fn held(compare: Compare, margin: i64, ratio: f64, error: f64, several: usize) -> Verdict {
        let measure = if compare.is_ceiling() { Measure::Quantile(Quantile(990_000)) } else { Measure::Rate };
        let (clock, filter, whose) = (Timing::Response, Filter::All, Whose::whole(0));
        let claim = Relative { measure, whose, clock, filter, class: None, compare, margin: Margin(margin) };
        let figure = Figure {
            of: String::new(),
            window: String::new(),
            value: 0.1,
            error: error / 2f64.sqrt(),
            blocks: 60,
            block: 1.0,
            samples: 60_000,
        };
        let ours = Estimate { value: Some(0.1 * ratio), ..Estimate::from(&figure) };
        Terms { claim: &claim, base: &figure, several, confidence: 0.95 }.hold(&ours).verdict
    }

    /// Student's t at 97.5 % with 59 degrees of freedom is 2.001: an independent table's.
    const T: f64 = 2.001;

    #[test]
    fn what_is_surely_within_the_margin_is_kept_and_what_is_surely_worse_and_beyond_is_broken() {
        let five = 50_000_000;
        let at = |step: f64, error: f64| held(Compare::AtMost, five, step.exp(), error, 1);
        let margin = 1.05f64.ln();
        assert_eq!(at(0.0, 0.99 * margin / T), Verdict::Pass);
        assert_eq!(at(0.0, 1.01 * margin / T), Verdict::Inconclusive, "it may be beyond");
        assert_eq!(at(0.10, 0.99 * 0.10 / T), Verdict::Fail);
        assert_eq!(at(0.10, 1.01 * 0.10 / T), Verdict::Inconclusive, "it may be no change");
        assert_eq!(at(0.04, 0.01), Verdict::Inconclusive, "a change, but within the margin, and not surely");
        assert_eq!(at(0.04, 0.0), Verdict::Pass, "without any doubt");
        assert_eq!(at(0.06, 0.0), Verdict::Fail);
    }

    #[test]
    fn a_promise_to_be_better_is_broken_by_what_surely_is_not() {
        let at = |step: f64, error: f64| held(Compare::AtMost, -100_000_000, step.exp(), error, 1);
        assert_eq!(at(-0.2, 0.02), Verdict::Pass);
        assert_eq!(at(0.0, 0.02), Verdict::Fail);
        assert_eq!(at(-0.1, 0.02), Verdict::Inconclusive);
    }

    #[test]
    fn of_rates_less_is_worse() {
        let at = |ratio: f64| held(Compare::AtLeast, -50_000_000, ratio, 0.01, 1);
        assert_eq!((at(1.0), at(0.9), at(0.96)), (Verdict::Pass, Verdict::Fail, Verdict::Inconclusive));
        assert_eq!(held(Compare::AtLeast, -50_000_000, 0.0, 0.01, 1), Verdict::Fail, "nothing is less than anything");
    }

    #[test]
    fn of_many_promises_each_has_to_be_surer() {
        let at = |several| held(Compare::AtMost, 50_000_000, 1.1, 0.045, several);
        assert_eq!((at(1), at(10)), (Verdict::Fail, Verdict::Inconclusive));
    }
}
