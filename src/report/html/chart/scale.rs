//! What stands along the axes of charts: times in steps that a clock has, other numbers in round ones, and magnitudes with as
//! many marks as there is room for.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// So many steps are the most along an axis.
const MARKS: f64 = 9.0;
/// Steps of time, in seconds.
const STEPS: [f64; 22] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0,
];
/// Over so many factors of ten a mark for each is enough.
const DECADES: f64 = 2.5;

/// How far it is from one mark to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steps {
    /// As on a clock; the axis is in seconds.
    Clock,
    /// One, two or five times a power of ten.
    Round,
    /// One.
    One,
}

/// Numbers with marks at equal steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Even {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// How long they are.
    pub steps: Steps,
}

impl Even {
    /// A stretch of time, in seconds.
    pub fn time(from: f64, to: f64) -> Even {
        Even { from, to, steps: Steps::Clock }
    }

    /// Where it is marked.
    pub fn marks(&self) -> Vec<f64> {
        let length = self.to - self.from;
        let fits = |step: &f64| length / *step <= MARKS;
        let step = match self.steps {
            Steps::Clock => STEPS.into_iter().find(fits),
            Steps::Round => rounds(length / 100.0, length).into_iter().find(fits),
            Steps::One => Some(1.0),
        };
        let step = step.unwrap_or(length / MARKS);
        if !(step > 0.0 && step.is_finite()) {
            return vec![self.from];
        }
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }
}

impl Ranged for Even {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        place((value - self.from) / (self.to - self.from), limit)
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.marks()
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Even {
    fn format(value: &f64) -> String {
        value.to_string()
    }
}

/// Magnitudes on a logarithmic axis; above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Magnitudes {
    /// The least.
    pub low: f64,
    /// The greatest.
    pub high: f64,
}

impl Magnitudes {
    /// An axis that holds two magnitudes and ends in round ones.
    pub fn around(least: f64, greatest: f64) -> Magnitudes {
        let least = if least.is_finite() && least > 0.0 { least } else { 1e-3 };
        let greatest = if greatest.is_finite() { greatest.max(least * 1.5) } else { least * 10.0 };
        let low = rounds(least / 10.0, least).into_iter().next_back().unwrap_or(least);
        let high = rounds(greatest, greatest * 10.0).into_iter().next().unwrap_or(greatest);
        Magnitudes { low, high }
    }

    /// Where it is marked.
    pub fn marks(&self) -> Vec<f64> {
        let all = rounds(self.low, self.high);
        match (self.high / self.low).log10() > DECADES {
            true => all.into_iter().filter(|mark| (mark.log10() - mark.log10().round()).abs() < 1e-6).collect(),
            false => all,
        }
    }
}

impl Ranged for Magnitudes {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let of = |value: f64| value.max(self.low / 1e3).ln();
        place((of(*value) - of(self.low)) / (of(self.high) - of(self.low)), limit)
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.marks()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Magnitudes {
    fn format(value: &f64) -> String {
        value.to_string()
    }
}

/// The pixel at a share of the way.
fn place(share: f64, (first, last): (i32, i32)) -> i32 {
    let share = if share.is_finite() { share } else { 0.0 };
    first + (f64::from(last - first) * share).round() as i32
}

/// One, two and five times every power of ten between two numbers, both included.
fn rounds(from: f64, to: f64) -> Vec<f64> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let all = (first..=last).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(power)));
    all.filter(|mark| *mark >= from * (1.0 - 1e-9) && *mark <= to * (1.0 + 1e-9)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_marked_as_on_a_clock() {
        let marks = |to| Even::time(0.0, to).marks();
        assert_eq!(marks(35.0), [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0]);
        assert_eq!(marks(300.0), [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]);
        assert_eq!(marks(86_400.0).len(), 9, "every three hours");
        assert_eq!(marks(0.0), [0.0]);
        assert!(marks(90.0 * 86_400.0).len() <= 10);
    }

    #[test]
    fn other_numbers_are_marked_at_round_ones() {
        let rates = Even { from: 0.0, to: 3_400.0, steps: Steps::Round };
        assert_eq!(rates.marks(), [0.0, 500.0, 1_000.0, 1_500.0, 2_000.0, 2_500.0, 3_000.0]);
    }

    #[test]
    fn magnitudes_end_in_round_ones_and_hold_what_they_must() {
        let of = |least, greatest| Magnitudes::around(least, greatest);
        assert_eq!(of(0.104, 0.310), Magnitudes { low: 0.1, high: 0.5 });
        assert_eq!(of(0.104, 0.310).marks().len(), 3, "100, 200 and 500 ms");
        let wide = of(3e-6, 12.0);
        assert!((wide.low - 2e-6).abs() < 1e-12 && wide.high == 20.0, "{wide:?}");
        assert_eq!(wide.marks().len(), 7, "a mark for each factor of ten");
        for (least, greatest) in [(f64::INFINITY, 0.0), (0.0, 0.0), (1.0, 1.0), (f64::NAN, f64::NAN)] {
            let axis = of(least, greatest);
            assert!(axis.low > 0.0 && axis.high > axis.low && !axis.marks().is_empty(), "{axis:?}");
        }
    }
}
