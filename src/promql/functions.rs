//! Functions that make one number of one number, and the arithmetic of operators.

use super::ast::Operator;
use super::date;
use super::query::Semantics;

/// A function that is applied to each element of a vector by itself; it drops the metric's name.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) name: &'static str,
    pub(super) apply: fn(f64) -> f64,
}

const fn map(name: &'static str, apply: fn(f64) -> f64) -> Map {
    Map { name, apply }
}

/// All of them.
pub(super) static MAPS: &[Map] = &[
    map("abs", f64::abs),
    map("acos", f64::acos),
    map("acosh", f64::acosh),
    map("asin", f64::asin),
    map("asinh", f64::asinh),
    map("atan", f64::atan),
    map("atanh", f64::atanh),
    map("ceil", f64::ceil),
    map("cos", f64::cos),
    map("cosh", f64::cosh),
    map("day_of_month", date::day_of_month),
    map("day_of_week", date::day_of_week),
    map("day_of_year", date::day_of_year),
    map("days_in_month", date::days_in_month),
    map("deg", f64::to_degrees),
    map("exp", f64::exp),
    map("floor", f64::floor),
    map("hour", date::hour),
    map("ln", f64::ln),
    map("log10", f64::log10),
    map("log2", f64::log2),
    map("minute", date::minute),
    map("month", date::month),
    map("rad", f64::to_radians),
    map("sgn", sign),
    map("sin", f64::sin),
    map("sinh", f64::sinh),
    map("sqrt", f64::sqrt),
    map("tan", f64::tan),
    map("tanh", f64::tanh),
    map("year", date::year),
];

/// The functions that take the evaluation's time when they are given no argument.
pub(super) const CALENDAR: &[&str] =
    &["day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"];

fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

/// The multiple of `to` nearest to `value`; ties go up.
pub(super) fn round(value: f64, to: f64) -> f64 {
    // Dividing by the inverse loses less than multiplying by a number such as 0.1, which is not exact.
    let inverse = 1.0 / to;
    (value * inverse + 0.5).floor() / inverse
}

/// The smaller of two numbers; NaN if either is, unless the other settles it.
pub(super) fn smaller(a: f64, b: f64) -> f64 {
    if a == f64::NEG_INFINITY || b == f64::NEG_INFINITY {
        f64::NEG_INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// The larger of two numbers; NaN if either is, unless the other settles it.
pub(super) fn larger(a: f64, b: f64) -> f64 {
    -smaller(-a, -b)
}

impl Operator {
    /// Whether the operator compares; without `bool` it then filters.
    pub(super) fn is_comparison(self) -> bool {
        use Operator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        matches!(self, Equal | NotEqual | Greater | Less | GreaterOrEqual | LessOrEqual)
    }

    /// Whether the result is another thing than the operand, so that the metric's name no longer holds; a filter leaves
    /// it. Before 3.0 `atan2` was forgotten.
    pub(super) fn drops_name(self, as_bool: bool, semantics: Semantics) -> bool {
        let leaves_it = self.is_comparison() || self == Operator::Atan2 && semantics == Semantics::V2;
        as_bool || !leaves_it
    }

    /// The result of arithmetic; 1 or 0 for a comparison that holds or does not.
    pub(super) fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Operator::Add => a + b,
            Operator::Sub => a - b,
            Operator::Mul => a * b,
            Operator::Div => a / b,
            Operator::Mod => a % b,
            Operator::Pow => a.powf(b),
            Operator::Atan2 => a.atan2(b),
            _ => f64::from(u8::from(self.holds(a, b))),
        }
    }

    /// Whether a comparison holds; arithmetic always does.
    pub(super) fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Operator::Equal => a == b,
            Operator::NotEqual => a != b,
            Operator::Greater => a > b,
            Operator::Less => a < b,
            Operator::GreaterOrEqual => a >= b,
            Operator::LessOrEqual => a <= b,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_ties_go_up() {
        assert_eq!([0.5, 1.5, -0.5, -1.5].map(|v| round(v, 1.0)), [1.0, 2.0, 0.0, -1.0]);
        assert_eq!(round(2.15, 0.1), 2.2);
        assert_eq!(round(7.5, 5.0), 10.0);
    }

    #[test]
    fn nan_wins_unless_infinity_settles_it() {
        assert!(smaller(1.0, f64::NAN).is_nan() && larger(f64::NAN, 1.0).is_nan());
        assert_eq!(smaller(f64::NAN, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(larger(f64::INFINITY, f64::NAN), f64::INFINITY);
        assert_eq!((smaller(1.0, 2.0), larger(1.0, 2.0)), (1.0, 2.0));
    }

    #[test]
    fn nothing_compares_to_nan() {
        for op in [Operator::Equal, Operator::Greater, Operator::Less, Operator::GreaterOrEqual, Operator::LessOrEqual]
        {
            assert!(!op.holds(f64::NAN, f64::NAN) && !op.holds(1.0, f64::NAN), "{op}");
        }
        assert!(Operator::NotEqual.holds(f64::NAN, f64::NAN));
    }
}
