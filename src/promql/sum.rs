//! Sums that do not lose small numbers beside large ones, in the order of operations that Prometheus has.

/// A running sum with Neumaier's compensation (A. Neumaier, 1974: Rundungsfehleranalyse einiger Verfahren zur
/// Summation endlicher Summen).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    total: f64,
    lost: f64,
}

impl Sum {
    /// A sum that begins with `value`.
    pub(super) fn starting(value: f64) -> Sum {
        Sum { total: value, lost: 0.0 }
    }

    /// The sum with `value` added.
    #[must_use]
    pub(super) fn plus(self, value: f64) -> Sum {
        let total = self.total + value;
        let lost = if total.is_infinite() {
            0.0
        } else if self.total.abs() >= value.abs() {
            self.lost + ((self.total - total) + value)
        } else {
            self.lost + ((value - total) + self.total)
        };
        Sum { total, lost }
    }

    /// The sum so far; infinite when it overflowed.
    pub(super) fn value(self) -> f64 {
        if self.total.is_infinite() { self.total } else { self.total + self.lost }
    }
}

/// A running mean: a compensated sum divided by the count, until the sum would overflow; from then on incremental.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mean {
    sum: Sum,
    count: f64,
    incremental: bool,
}

impl Mean {
    /// The mean of one value.
    pub(super) fn starting(value: f64) -> Mean {
        Mean { sum: Sum::starting(value), count: 1.0, incremental: false }
    }

    /// The mean with one value more.
    #[must_use]
    pub(super) fn plus(mut self, value: f64) -> Mean {
        self.count += 1.0;
        if !self.incremental {
            let sum = self.sum.plus(value);
            if !sum.total.is_infinite() {
                return Mean { sum, ..self };
            }
            self.incremental = true;
            let before = self.count - 1.0;
            self.sum = Sum { total: self.sum.total / before, lost: self.sum.lost / before };
        }
        let share = (self.count - 1.0) / self.count;
        let scaled = Sum { total: share * self.sum.total, lost: share * self.sum.lost };
        Mean { sum: scaled.plus(value / self.count), ..self }
    }

    /// The mean so far.
    pub(super) fn value(self) -> f64 {
        if self.incremental {
            self.sum.total + self.sum.lost
        } else {
            self.sum.total / self.count + self.sum.lost / self.count
        }
    }
}

/// The sum of all values.
pub(super) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(Sum::default(), Sum::plus).value()
}

/// The mean of all values; `None` when there is none.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values = values.into_iter();
    let first = Mean::starting(values.next()?);
    Some(values.fold(first, Mean::plus).value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_survive_large_ones_that_cancel() {
        assert_eq!(sum([1.0, 1e100, 1.0, -1e100]), 2.0);
        assert_eq!(mean([1.0, 1e100, 1.0, -1e100]), Some(0.5));
    }

    #[test]
    fn a_mean_does_not_overflow_where_its_sum_does() {
        assert_eq!(mean([1.5e308, 1.5e308, 1.5e308]), Some(1.5e308));
        assert_eq!(sum([1.5e308, 1.5e308]), f64::INFINITY);
        assert_eq!(mean([]), None);
    }

    #[test]
    fn opposite_infinities_have_no_sum() {
        assert!(sum([f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(mean([1.0, f64::INFINITY]), Some(f64::INFINITY));
    }
}
