//! Between which values a part can lie, as far as that follows from what it is.

use super::checks::is_share;
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
        Form::Binary(binary) => {
            let known = operator(subject, binary);
            // Infinite constants make no number.
            if known.low.is_nan() || known.high.is_nan() { ANY } else { known }
        }
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

/// Whether it is a time that is kept up to date, not that of the last of some events.
fn is_clock(metric: Option<&str>) -> bool {
    metric.is_some_and(|metric| metric.ends_with("_last_seen"))
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

#[cfg(test)]
mod tests {
    use super::super::subject::{Known, Role};
    use super::*;
    use crate::promql::syntax::syntax;

    fn within(text: &str) -> (f64, f64) {
        let tree = syntax(text).expect("it is PromQL");
        let subject = Subject { text, tree: &tree, role: Role::Alert, known: &Known::default() };
        let bounds = bounds(&subject, &tree);
        (bounds.low, bounds.high)
    }

    #[test]
    fn what_follows_from_the_shape_is_known_and_no_more() {
        let inf = f64::INFINITY;
        for (text, low, high) in [
            ("x", -inf, inf),
            ("rate(x[5m])", 0.0, inf),
            ("sum(rate(x[5m])) - sum(rate(y[5m]))", -inf, inf),
            ("count(up == 1)", 1.0, inf),
            ("count(x) - 1", 0.0, inf),
            ("count(x) or vector(0)", 0.0, inf),
            ("sum(rate(x{a=\"b\"}[5m])) / sum(rate(x[5m]))", 0.0, 1.0),
            ("100 * (1 - sum(rate(x{a=\"b\"}[5m])) / sum(rate(x[5m])))", 0.0, 100.0),
            ("sum(rate(x{a=\"b\"}[5m])) / sum(rate(y[5m]))", 0.0, inf),
            ("rate(x{a=\"b\"}[5m]) / ignoring (a) rate(x[5m])", 0.0, inf),
            ("avg_over_time(up[1h]) * 100", 0.0, 100.0),
            ("rate(container_last_seen[5m])", 0.0, 2.0),
            ("rate(last_backup_timestamp_seconds[5m])", 0.0, inf),
            ("x > bool 3", 0.0, 1.0),
            ("x + Inf - Inf", -inf, inf),
            ("-(up)", -1.0, 0.0),
        ] {
            assert_eq!(within(text), (low, high), "{text}");
        }
    }

    #[test]
    fn a_comparison_is_decided_only_where_it_must_be() {
        let share = Bounds { low: 0.0, high: 1.0 };
        assert_eq!(share.decide(">", 1.0), (false, true));
        assert_eq!(share.decide(">=", 1.0), (true, true));
        assert_eq!(share.decide("<", 1.5), (true, false));
        assert_eq!(share.decide("==", 2.0), (false, true));
        assert_eq!(share.decide("!=", 2.0), (true, false));
    }
}
