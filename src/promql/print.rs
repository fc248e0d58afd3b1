//! Parts of an expression as PromQL: what explanations and errors call them by. It reads back as the same expression.

use std::fmt;

use super::ast::{
    Aggregation, Edges, Fill, Group, Grouping, Length, Limits, MatchLabels, Matrix, Node, Operator, QueryFact, Scalar,
    SetOperator, Vector,
};
use super::part::Part;
use super::selector::{At, MatchOp, Matcher, Selector};

const UNITS: &[(&str, i64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A length of time as PromQL writes it: `1h30m`.
pub(super) fn duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    let mut out = String::from(if ms < 0 { "-" } else { "" });
    let mut rest = ms.unsigned_abs();
    for (unit, size) in UNITS {
        let size = size.unsigned_abs();
        if rest >= size {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    out
}

/// A string literal.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// A number as PromQL writes it.
pub(super) fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}

/// Label names are written bare where they are identifiers, quoted where they are not.
fn label(name: &str) -> String {
    let bare = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if bare { name.into() } else { quoted(name) }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ")
}

fn is_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex(_) => "=~",
            MatchOp::NotRegex(_) => "!~",
        };
        write!(f, "{}{op}{}", label(&self.label), quoted(&self.value))
    }
}

/// The name and the matchers, as they are written before a range.
struct Bare<'e>(&'e Selector);

impl fmt::Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.0.metric().filter(|name| is_metric_name(name));
        let mut named = false;
        if let Some(name) = name {
            f.write_str(name)?;
        }
        let rest: Vec<String> = (self.0.matchers.iter())
            .filter(|m| {
                let is_name = !named && m.label == "__name__" && Some(m.value.as_str()) == name;
                named |= is_name;
                !is_name
            })
            .map(Matcher::to_string)
            .collect();
        if name.is_none() || !rest.is_empty() { write!(f, "{{{}}}", rest.join(",")) } else { Ok(()) }
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Length::Ms(ms) => f.write_str(&duration(*ms)),
            Length::Of(seconds) => write!(f, "{seconds}"),
        }
    }
}

impl fmt::Display for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Edges::AsSampled => "",
            Edges::Anchored => "anchored",
            Edges::Smoothed => "smoothed",
        })
    }
}

fn modifiers(f: &mut fmt::Formatter<'_>, edges: Edges, at: Option<At>, offset: &Length) -> fmt::Result {
    if edges != Edges::AsSampled {
        write!(f, " {edges}")?;
    }
    match at {
        Some(At::Ms(ms)) => write!(f, " @ {}", ms as f64 / 1e3)?,
        Some(At::Start) => f.write_str(" @ start()")?,
        Some(At::End) => f.write_str(" @ end()")?,
        None => {}
    }
    match offset {
        Length::Ms(0) => Ok(()),
        Length::Ms(_) => write!(f, " offset {offset}"),
        Length::Of(_) => write!(f, " offset ({offset})"),
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Bare(self))?;
        modifiers(f, self.edges, self.at, &self.offset)
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matrix::Range { selector, range } => {
                write!(f, "{}[{range}]", Bare(selector))?;
                modifiers(f, selector.edges, selector.at, &selector.offset)
            }
            Matrix::Subquery { arg, range, step, offset, at } => {
                operand(f, Part::Vector(arg))?;
                write!(f, "[{range}:{}]", step.as_ref().map(Length::to_string).unwrap_or_default())?;
                modifiers(f, Edges::AsSampled, *at, offset)
            }
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operator::Add => "+",
            Operator::Sub => "-",
            Operator::Mul => "*",
            Operator::Div => "/",
            Operator::Mod => "%",
            Operator::Pow => "^",
            Operator::Atan2 => "atan2",
            Operator::Equal => "==",
            Operator::NotEqual => "!=",
            Operator::Greater => ">",
            Operator::Less => "<",
            Operator::GreaterOrEqual => ">=",
            Operator::LessOrEqual => "<=",
        })
    }
}

impl fmt::Display for SetOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetOperator::And => "and",
            SetOperator::Or => "or",
            SetOperator::Unless => "unless",
        })
    }
}

impl fmt::Display for MatchLabels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatchLabels::On(names) => write!(f, " on({})", list(names)),
            MatchLabels::Ignoring(names) if names.is_empty() => Ok(()),
            MatchLabels::Ignoring(names) => write!(f, " ignoring({})", list(names)),
        }
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (side, value) in [("left", self.left), ("right", self.right)] {
            if let Some(value) = value {
                write!(f, " fill_{side}({})", number(value))?;
            }
        }
        Ok(())
    }
}

/// Whether a part needs parentheses when it stands beside an operator.
fn is_compound(part: Part<'_>) -> bool {
    match part {
        Part::Scalar(Scalar::Number(value)) => *value < 0.0,
        Part::Scalar(scalar) => matches!(scalar, Scalar::Binary { .. } | Scalar::Negate(_)),
        Part::Vector(vector) => {
            matches!(vector, Vector::WithScalar { .. } | Vector::Match { .. } | Vector::Set { .. } | Vector::Negate(_))
        }
        Part::Matrix(_) | Part::Text(_) => false,
    }
}

fn operand(f: &mut fmt::Formatter<'_>, part: Part<'_>) -> fmt::Result {
    if is_compound(part) { write!(f, "({part})") } else { write!(f, "{part}") }
}

fn call(f: &mut fmt::Formatter<'_>, name: &str, args: &[&dyn fmt::Display]) -> fmt::Result {
    write!(f, "{name}(")?;
    for (i, arg) in args.iter().enumerate() {
        write!(f, "{}{arg}", if i > 0 { ", " } else { "" })?;
    }
    f.write_str(")")
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Number(value) => f.write_str(&number(*value)),
            Scalar::Time => f.write_str("time()"),
            Scalar::Query(QueryFact::Start) => f.write_str("start()"),
            Scalar::Query(QueryFact::End) => f.write_str("end()"),
            Scalar::Query(QueryFact::Range) => f.write_str("range()"),
            Scalar::Query(QueryFact::Step) => f.write_str("step()"),
            Scalar::Of(arg) => call(f, "scalar", &[arg]),
            Scalar::Negate(arg) => {
                f.write_str("-")?;
                operand(f, Part::Scalar(arg))
            }
            Scalar::Binary { op, lhs, rhs } => {
                operand(f, Part::Scalar(lhs))?;
                write!(f, " {op}{} ", if op.is_comparison() { " bool" } else { "" })?;
                operand(f, Part::Scalar(rhs))
            }
            Scalar::Extreme { largest, of } => call(f, if *largest { "max_of" } else { "min_of" }, &[&of[0], &of[1]]),
        }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Scalar(s) => write!(f, "{s}"),
            Part::Vector(v) => write!(f, "{v}"),
            Part::Matrix(m) => write!(f, "{m}"),
            Part::Text(t) => f.write_str(&quoted(t)),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.part())
    }
}

fn binary(f: &mut fmt::Formatter<'_>, lhs: Part<'_>, middle: &str, rhs: Part<'_>) -> fmt::Result {
    operand(f, lhs)?;
    write!(f, " {middle} ")?;
    operand(f, rhs)
}

fn aggregate(f: &mut fmt::Formatter<'_>, op: &Aggregation, grouping: &Grouping, arg: &Vector) -> fmt::Result {
    let (name, param) = match op {
        Aggregation::Sum => ("sum", None),
        Aggregation::Avg => ("avg", None),
        Aggregation::Min => ("min", None),
        Aggregation::Max => ("max", None),
        Aggregation::Count => ("count", None),
        Aggregation::Group => ("group", None),
        Aggregation::Stddev => ("stddev", None),
        Aggregation::Stdvar => ("stdvar", None),
        Aggregation::Top { k, largest } => (if *largest { "topk" } else { "bottomk" }, Some(k.to_string())),
        Aggregation::Limit(k) => ("limitk", Some(k.to_string())),
        Aggregation::Ratio { ratio, .. } => ("limit_ratio", Some(ratio.to_string())),
        Aggregation::Quantile { q, .. } => ("quantile", Some(q.to_string())),
        Aggregation::CountValues(label) => ("count_values", Some(quoted(label))),
    };
    f.write_str(name)?;
    match grouping {
        Grouping::By(names) if names.is_empty() => {}
        Grouping::By(names) => write!(f, " by ({}) ", list(names))?,
        Grouping::Without(names) => write!(f, " without ({}) ", list(names))?,
    }
    match param {
        Some(param) => write!(f, "({param}, {arg})"),
        None => write!(f, "({arg})"),
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Vector::Selector(selector) => write!(f, "{selector}"),
            Vector::Constant(scalar) => call(f, "vector", &[scalar]),
            Vector::Negate(arg) => {
                f.write_str("-")?;
                operand(f, Part::Vector(arg))
            }
            Vector::Map { map, arg } => call(f, map.name, &[arg]),
            Vector::Clamp { arg, limits } => match &**limits {
                Limits::Min(min) => call(f, "clamp_min", &[arg, min]),
                Limits::Max(max) => call(f, "clamp_max", &[arg, max]),
                Limits::Both([min, max]) => call(f, "clamp", &[arg, min, max]),
            },
            Vector::Round { arg, to: Some(to) } => call(f, "round", &[arg, to]),
            Vector::Round { arg, to: None } => call(f, "round", &[arg]),
            Vector::Timestamp(arg) => call(f, "timestamp", &[arg]),
            Vector::Sort { arg, descending, .. } => call(f, if *descending { "sort_desc" } else { "sort" }, &[arg]),
            Vector::SortByLabel { arg, by, descending, .. } => {
                let name = if *descending { "sort_by_label_desc" } else { "sort_by_label" };
                write!(f, "{name}({arg}")?;
                by.iter().try_for_each(|label| write!(f, ", {}", quoted(label)))?;
                f.write_str(")")
            }
            Vector::LabelReplace(c) => {
                let texts = [&c.to, &c.replacement, &c.from, &c.pattern].map(|t| quoted(t));
                call(f, "label_replace", &[&c.arg, &texts[0], &texts[1], &texts[2], &texts[3]])
            }
            Vector::LabelJoin { arg, to, separator, from } => {
                write!(f, "label_join({arg}, {}, {}", quoted(to), quoted(separator))?;
                from.iter().try_for_each(|label| write!(f, ", {}", quoted(label)))?;
                f.write_str(")")
            }
            Vector::Absent { arg, .. } => call(f, "absent", &[arg]),
            Vector::AbsentOverTime { arg, .. } => call(f, "absent_over_time", &[arg]),
            Vector::OverTime { function, params, arg, .. } => {
                let mut args: Vec<&dyn fmt::Display> = params.iter().map(|p| p as &dyn fmt::Display).collect();
                args.insert(if function.range_first { 0 } else { args.len() }, arg);
                call(f, function.name, &args)
            }
            Vector::HistogramQuantile { q, arg, .. } => call(f, "histogram_quantile", &[q, arg]),
            Vector::HistogramQuantiles { arg, to, qs, .. } => {
                let to = quoted(to);
                let mut args: Vec<&dyn fmt::Display> = vec![arg, &to];
                args.extend(qs.iter().map(|q| q as &dyn fmt::Display));
                call(f, "histogram_quantiles", &args)
            }
            Vector::HistogramFraction { lower, upper, arg, .. } => call(f, "histogram_fraction", &[lower, upper, arg]),
            Vector::OfNative { function, arg } => call(f, function, &[arg]),
            Vector::Aggregate { op, grouping, arg } => aggregate(f, op, grouping, arg),
            Vector::WithScalar { op, vector, scalar, scalar_first, as_bool } => {
                let middle = format!("{op}{}", if *as_bool { " bool" } else { "" });
                let (vector, scalar) = (Part::Vector(vector), Part::Scalar(scalar));
                if *scalar_first { binary(f, scalar, &middle, vector) } else { binary(f, vector, &middle, scalar) }
            }
            Vector::Match { op, lhs, rhs, matching, as_bool } => {
                let group = match &matching.group {
                    Group::OneToOne => String::new(),
                    Group::Left(include) => format!(" group_left({})", list(include)),
                    Group::Right(include) => format!(" group_right({})", list(include)),
                };
                // `group_left` stands only after `on` or `ignoring`, even an empty one.
                let labels = match &matching.labels {
                    MatchLabels::Ignoring(names) if names.is_empty() && !group.is_empty() => " ignoring()".into(),
                    labels => labels.to_string(),
                };
                let fill = matching.fill;
                let middle = format!("{op}{}{labels}{group}{fill}", if *as_bool { " bool" } else { "" });
                binary(f, Part::Vector(lhs), &middle, Part::Vector(rhs))
            }
            Vector::Set { op, lhs, rhs, on } => binary(f, Part::Vector(lhs), &format!("{op}{on}"), Part::Vector(rhs)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::promql::parse;

    #[test]
    fn what_is_printed_reads_back_as_the_same() {
        let catalogue = include_str!("../../tests/promql/expressions.txt");
        let oracle = include_str!("../../tests/promql/prometheus-2.42.test");
        let catalogue = catalogue.lines().filter_map(|line| line.strip_prefix('E')?.split_once(' '));
        let oracle = oracle.lines().filter_map(|line| line.strip_prefix("eval instant at ")?.split_once(' '));
        let mut count = 0;
        for (_, text) in catalogue.chain(oracle) {
            let printed = parse(text).expect("it is PromQL").root.to_string();
            let again = parse(&printed).expect("what is printed is PromQL");
            assert_eq!(again.root.to_string(), printed, "{text}");
            assert_eq!(format!("{:?}", again.root), format!("{:?}", parse(text).expect("it is PromQL").root), "{text}");
            count += 1;
        }
        assert_eq!(count, 430);
    }

    #[test]
    fn names_and_values_are_quoted_where_they_must() {
        for (text, printed) in [
            ("{\"a.b\",\"c d\"=\"e\\\"f\"}", "{__name__=\"a.b\",\"c d\"=\"e\\\"f\"}"),
            ("x{a=~'b|c'}[90s] offset 1h30m", "x{a=~\"b|c\"}[1m30s] offset 1h30m"),
            ("x @ 1.5 offset -5m", "x @ 1.5 offset -5m"),
            ("(-1) ^ 2 + - x", "((-1) ^ 2) + (-x)"),
            ("a * on() group_left b", "a * on() group_left() b"),
            ("a * ignoring() group_right(c) b", "a * ignoring() group_right(c) b"),
            ("sum without (a) (b)", "sum without (a) (b)"),
            ("hour()", "hour(vector(time()))"),
            ("(a + b)[5m:]", "(a + b)[5m:]"),
        ] {
            assert_eq!(parse(text).expect("it is PromQL").root.to_string(), printed);
        }
    }
}
