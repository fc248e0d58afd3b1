//! Between which values a part can lie, as far as that follows from what it is.

use super::checks::is_share;
use super::names::{self, Unit};
use super::subject::Subject;
use crate::promql::syntax::{Binary, Form, Syntax};

/// A closed interval, infinite where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
}

/// Nothing is known.
const ANY: Bounds = Bounds { low: f64::NEG_INFINITY, high: f64::INFINITY };
/// It is not negative.
const POSITIVE: Bounds = Bounds { low: 0.0, high: f64::INFINITY };
/// It is a share of a whole.
const SHARE: Bounds = Bounds { low: 0.0, high: 1.0 };

impl Bounds {
    fn exactly(value: f64) -> Bounds {
        if value.is_nan() { ANY } else { Bounds { low: value, high: value } }
    }

    fn join(self, other: Bounds) -> Bounds {
        Bounds { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Of a set of values: their sum, which may be of one alone.
    fn sum(self) -> Bounds {
        Bounds {
            low: if self.low >= 0.0 { self.low } else { f64::NEG_INFINITY },
            high: if self.high <= 0.0 { self.high } else { f64::INFINITY },
        }
    }

    /// Whether a value within can satisfy the comparison, and whether one within can fail it.
    pub fn decide(self, op: &str, bound: f64) -> (bool, bool) {
        match op {
            ">" => (self.high > bound, self.low <= bound),
            ">=" => (self.high >= bound, self.low < bound),
            "<" => (self.low < bound, self.high >= bound),
            "<=" => (self.low <= bound, self.high > bound),
            "==" => (self.low <= bound && bound <= self.high, self.low != self.high || self.low != bound),
            "!=" => (self.low != self.high || self.low != bound, self.low <= bound && bound <= self.high),
            _ => (true, true),
        }
    }
}

/// Between which values `part` can lie.
pub fn bounds(subject: &Subject<'_>, part: &Syntax) -> Bounds {
    match &part.form {
        Form::Number(value) => Bounds::exactly(*value),
        Form::Text(_) => ANY,
        Form::Negate(arg) => {
            let arg = bounds(subject, arg);
            Bounds { low: -arg.high, high: -arg.low }
        }
        Form::Subquery { arg, .. } => bounds(subject, arg),
        Form::Selector(pick) => match pick.metric.as_deref() {
            Some("up" | "probe_success") => SHARE,
            _ => ANY,
        },
        Form::Call { name, args } => call(subject, name, args),
        Form::Aggregate { op, arg, .. } => {
            let inner = bounds(subject, arg);
            match op.as_str() {
                "count" | "count_values" => Bounds { low: 1.0, high: f64::INFINITY },
                "group" => Bounds::exactly(1.0),
                "stddev" | "stdvar" => POSITIVE,
                "sum" => inner.sum(),
                "quantile" => ANY,
                _ => inner,
            }
        }
        Form::Binary(binary) if is_share(binary) => SHARE,
        Form::Binary(binary) => operator(subject, binary),
    }
}

fn call(subject: &Subject<'_>, name: &str, args: &[Syntax]) -> Bounds {
    let inner = || args.iter().map(|arg| bounds(subject, arg)).next().unwrap_or(ANY);
    match name {
        "rate" | "increase" | "irate" => match args.first().map(|arg| &arg.form) {
            // A Unix time does not grow faster than time itself, whatever the scrape catches of it.
            Some(Form::Selector(pick)) if name != "increase" && is_clock(pick.metric.as_deref()) => {
                Bounds { low: 0.0, high: 2.0 }
            }
            _ => POSITIVE,
        },
        "changes" | "resets" | "abs" | "sqrt" | "exp" | "time" | "stddev_over_time" | "stdvar_over_time" => POSITIVE,
        "count_over_time" => Bounds { low: 1.0, high: f64::INFINITY },
        "absent" | "absent_over_time" | "present_over_time" => Bounds::exactly(1.0),
        "hour" => Bounds { low: 0.0, high: 23.0 },
        "minute" => Bounds { low: 0.0, high: 59.0 },
        "month" => Bounds { low: 1.0, high: 12.0 },
        "day_of_week" => Bounds { low: 0.0, high: 6.0 },
        "day_of_month" => Bounds { low: 1.0, high: 31.0 },
        "day_of_year" => Bounds { low: 1.0, high: 366.0 },
        "days_in_month" => Bounds { low: 28.0, high: 31.0 },
        "vector" | "scalar" | "sort" | "sort_desc" | "label_replace" | "label_join" | "avg_over_time"
        | "min_over_time" | "max_over_time" | "last_over_time" | "first_over_time" => inner(),
        "sum_over_time" => inner().sum(),
        _ => ANY,
    }
}

fn is_clock(metric: Option<&str>) -> bool {
    metric.is_some_and(|metric| names::is_timestamp(metric) && names::unit(metric) != Some(Unit::Milliseconds))
}

fn operator(subject: &Subject<'_>, binary: &Binary) -> Bounds {
    let (a, b) = (bounds(subject, &binary.lhs), bounds(subject, &binary.rhs));
    let constant = |part: &Syntax| part.number();
    match binary.op.as_str() {
        "+" => Bounds { low: a.low + b.low, high: a.high + b.high },
        "-" => Bounds { low: a.low - b.high, high: a.high - b.low },
        "*" | "/" => {
            let factor = match (binary.op.as_str(), constant(&binary.lhs), constant(&binary.rhs)) {
                ("*", Some(k), _) => Some((b, k)),
                ("*", _, Some(k)) => Some((a, k)),
                ("/", _, Some(k)) if k != 0.0 => Some((a, 1.0 / k)),
                _ => None,
            };
            match factor {
                Some((of, k)) if k > 0.0 => Bounds { low: of.low * k, high: of.high * k },
                Some((of, k)) if k < 0.0 => Bounds { low: of.high * k, high: of.low * k },
                Some(_) => ANY,
                None if a.low >= 0.0 && b.low >= 0.0 => POSITIVE,
                None => ANY,
            }
        }
        "or" => a.join(b),
        "and" | "unless" => a,
        "==" | "!=" | ">" | "<" | ">=" | "<=" if binary.as_bool => SHARE,
        // What passes is a value of the vector, which stands on the left unless that is a number.
        "==" | "!=" | ">" | "<" | ">=" | "<=" => {
            if constant(&binary.lhs).is_some() {
                b
            } else {
                a
            }
        }
        _ => ANY,
    }
}
