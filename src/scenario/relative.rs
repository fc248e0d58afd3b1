//! Promises relative to another run: `p99(quotes) <= baseline + 5%`.

use std::fmt;

use super::claim::{Compare, Filter, Measure, Unit, least_good, least_kept};
use super::part::Whose;
use crate::base::timing::Timing;
use crate::base::units;

/// A bound further from its baseline says nothing, in percent.
const MOST: f64 = 10_000.0;

/// A claim about what the client saw, beside what it saw in another run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relative {
    /// What is measured: a quantile, the mean, a share or a rate.
    pub measure: Measure,
    /// Whose shots.
    pub whose: Whose,
    /// Which clock; that of the response where the measure has none.
    pub clock: Timing,
    /// Which outcomes.
    pub filter: Filter,
    /// The class at this position of the traffic's classes.
    pub class: Option<usize>,
    /// How it is compared.
    pub compare: Compare,
    /// With what, beside the baseline.
    pub margin: Margin,
}

/// How far from the baseline a bound is, in billionths: of lengths and rates a part of the baseline, of shares a part of all
/// shots. More than -1 000 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margin(pub i64);

impl Margin {
    /// Reads what stands behind `baseline`: nothing, `+ 5%` or `- 5%`.
    pub fn parse(text: &str) -> Option<Margin> {
        let text = text.trim();
        let (sign, share) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
            _ if text.is_empty() => return Some(Margin(0)),
            (Some(more), _) => (1, more),
            (_, Some(less)) => (-1, less),
            _ => return None,
        };
        // Unlike a share, it may be more than all.
        let percent: f64 = share.trim().strip_suffix('%')?.trim_end().parse().ok()?;
        if !(0.0..=MOST).contains(&percent) {
            return None;
        }
        let margin = Margin(sign * (percent * 1e7).round() as i64);
        (margin.0 > -1_000_000_000).then_some(margin)
    }

    /// As a fraction of 1.
    pub fn fraction(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// `baseline + 5 %`
impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = units::percent(self.fraction().abs());
        match self.0 {
            0 => f.write_str("baseline"),
            more if more > 0 => write!(f, "baseline + {share}"),
            _ => write!(f, "baseline - {share}"),
        }
    }
}

impl Relative {
    /// How many shots each run must hold, by the rule for a promise with a bound of its own.
    pub fn minimum(&self) -> u64 {
        match self.measure {
            Measure::Quantile(q) => least_kept(q.fraction()),
            Measure::Mean => 30,
            measure if measure.unit() == Unit::Share => least_good(self.margin.fraction().abs()),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margins_read_as_they_are_written() {
        for (text, margin, shown) in [
            ("", 0, "baseline"),
            (" + 5%", 50_000_000, "baseline + 5 %"),
            ("-0.5%", -5_000_000, "baseline - 0.5 %"),
            ("+ 150%", 1_500_000_000, "baseline + 150 %"),
        ] {
            let read = Margin::parse(text);
            assert_eq!(read, Some(Margin(margin)), "{text}");
            assert_eq!(read.map(|m| m.to_string()).as_deref(), Some(shown));
        }
        for bad in ["5%", "+ 5", "* 2", "+", "- 100%", "+ -5%", "+ NaN%", "+ inf%", "+ 20000%"] {
            assert_eq!(Margin::parse(bad), None, "{bad}");
        }
    }
}
