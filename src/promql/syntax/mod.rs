//! An expression as it is written: every part of it with its place in the text. The evaluator's tree forgets what it
//! does not need; whoever speaks about the text itself, as a linter does, reads this one.

use std::ops::Range;

use super::Matcher;

/// Bytes of the text of an expression.
pub type Span = Range<usize>;

/// A part of an expression and where it stands.
#[derive(Debug, Clone)]
pub struct Syntax {
    /// From its first byte to after its last; parentheses around it are part of it.
    pub span: Span,
    /// What it is.
    pub form: Form,
}

/// The forms that an expression takes.
#[derive(Debug, Clone)]
pub enum Form {
    /// A number; a sign is part of it.
    Number(f64),
    /// A string.
    Text(String),
    /// `x{a="b"}`, `x[5m]`
    Selector(Pick),
    /// `rate(…)`
    Call {
        /// The function.
        name: &'static str,
        /// Its arguments, in order.
        args: Vec<Syntax>,
    },
    /// `sum by (a) (…)`
    Aggregate {
        /// The aggregation, in lower case.
        op: String,
        /// The `k` of `topk`, the `φ` of `quantile`.
        param: Option<Box<Syntax>>,
        /// What is aggregated.
        arg: Box<Syntax>,
        /// Which labels stay.
        grouping: Labelled,
    },
    /// `a / b`
    Binary(Box<Binary>),
    /// `-a`
    Negate(Box<Syntax>),
    /// `a[1h:1m]`
    Subquery {
        /// What is evaluated at each step.
        arg: Box<Syntax>,
        /// Milliseconds.
        range_ms: i64,
        /// Milliseconds; the evaluation interval when left out.
        step_ms: Option<i64>,
        /// Whether `offset` or `@` moves it.
        moved: bool,
    },
}

/// An operator and its operands.
#[derive(Debug, Clone)]
pub struct Binary {
    /// As written, words in lower case.
    pub op: String,
    /// Where the operator stands.
    pub op_span: Span,
    /// On its left.
    pub lhs: Syntax,
    /// On its right.
    pub rhs: Syntax,
    /// Whether a comparison yields 0 and 1 instead of filtering.
    pub as_bool: bool,
    /// `on (a)`, `ignoring (a)`
    pub matching: Labelled,
    /// `group_left (a)` or `group_right (a)`, and the labels that it takes over from the other side.
    pub group: Option<(Side, Vec<String>)>,
}

/// Which side of an operator may hold several series for one of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `group_left`
    Left,
    /// `group_right`
    Right,
}

/// A list of labels that are kept or left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// Nothing was written.
    Unsaid,
    /// `by (…)`, `on (…)`
    Only(Vec<String>),
    /// `without (…)`, `ignoring (…)`
    AllBut(Vec<String>),
}

/// A selector.
#[derive(Debug, Clone)]
pub struct Pick {
    /// The name before the braces, or in a matcher `__name__="…"`.
    pub metric: Option<String>,
    /// What stands between the braces, and where; the name before them is none of it.
    pub matchers: Vec<(Matcher, Span)>,
    /// Milliseconds in brackets.
    pub range_ms: Option<i64>,
    /// `offset` and `@` as they are written; empty when there is none.
    pub moved: String,
}

pub use super::parse::syntax;

impl Syntax {
    /// The parts that it is made of, in the order in which they are written, but that a parameter comes first.
    pub fn children(&self) -> Vec<&Syntax> {
        match &self.form {
            Form::Number(_) | Form::Text(_) | Form::Selector(_) => Vec::new(),
            Form::Call { args, .. } => args.iter().collect(),
            Form::Aggregate { param, arg, .. } => param.iter().chain([arg]).map(Box::as_ref).collect(),
            Form::Binary(binary) => vec![&binary.lhs, &binary.rhs],
            Form::Negate(arg) | Form::Subquery { arg, .. } => vec![arg],
        }
    }

    /// Shows `see` this part and all parts of it.
    pub fn visit<'s>(&'s self, see: &mut impl FnMut(&'s Syntax)) {
        see(self);
        self.children().into_iter().for_each(|child| child.visit(see));
    }

    /// Every selector in it, in the order in which they are written.
    pub fn picks(&self) -> Vec<(&Pick, &Span)> {
        let mut found = Vec::new();
        self.visit(&mut |part| {
            if let Form::Selector(pick) = &part.form {
                found.push((pick, &part.span));
            }
        });
        found
    }

    /// The number that it is, where it is a constant; arithmetic on constants is done.
    pub fn number(&self) -> Option<f64> {
        match &self.form {
            Form::Number(value) => Some(*value),
            Form::Negate(arg) => Some(-arg.number()?),
            Form::Binary(binary) => {
                let (a, b) = (binary.lhs.number()?, binary.rhs.number()?);
                match binary.op.as_str() {
                    "+" => Some(a + b),
                    "-" => Some(a - b),
                    "*" => Some(a * b),
                    "/" => Some(a / b),
                    "^" => Some(libm::pow(a, b)),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl Binary {
    /// Whether it compares.
    pub fn compares(&self) -> bool {
        matches!(self.op.as_str(), "==" | "!=" | ">" | "<" | ">=" | "<=")
    }

    /// Whether it is `and`, `or` or `unless`.
    pub fn is_set(&self) -> bool {
        matches!(self.op.as_str(), "and" | "or" | "unless")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every part as `form: text`.
    fn parts(text: &str) -> Vec<String> {
        let tree = syntax(text).expect("it is PromQL");
        let mut seen = Vec::new();
        tree.visit(&mut |part| {
            let form = match &part.form {
                Form::Number(value) => format!("{value}"),
                Form::Text(text) => format!("{text:?}"),
                Form::Selector(pick) => pick.metric.clone().unwrap_or_default(),
                Form::Call { name, .. } => (*name).to_string(),
                Form::Aggregate { op, .. } => op.clone(),
                Form::Binary(binary) => format!("{}@{}", binary.op, &text[binary.op_span.clone()]),
                Form::Negate(_) => "-".into(),
                Form::Subquery { .. } => "subquery".into(),
            };
            seen.push(format!("{form}: {}", &text[part.span.clone()]));
        });
        seen
    }

    #[test]
    fn every_part_knows_its_place() {
        assert_eq!(
            parts("( sum by (a) (rate(x{b=\"c\", d=~`e|f`}[5m] offset 1m)) ) / on(a) group_left(z) y > 0.05"),
            [
                ">@>: ( sum by (a) (rate(x{b=\"c\", d=~`e|f`}[5m] offset 1m)) ) / on(a) group_left(z) y > 0.05",
                "/@/: ( sum by (a) (rate(x{b=\"c\", d=~`e|f`}[5m] offset 1m)) ) / on(a) group_left(z) y",
                "sum: ( sum by (a) (rate(x{b=\"c\", d=~`e|f`}[5m] offset 1m)) )",
                "rate: rate(x{b=\"c\", d=~`e|f`}[5m] offset 1m)",
                "x: x{b=\"c\", d=~`e|f`}[5m] offset 1m",
                "y: y",
                "0.05: 0.05",
            ]
        );
        assert_eq!(
            parts("# why\nSUM(a) BY (b) # so\n + -max_over_time((c)[1h:1m] @ end()) or vector(-1) == bool 2"),
            [
                "or@or: SUM(a) BY (b) # so\n + -max_over_time((c)[1h:1m] @ end()) or vector(-1) == bool 2",
                "+@+: SUM(a) BY (b) # so\n + -max_over_time((c)[1h:1m] @ end())",
                "sum: SUM(a) BY (b)",
                "a: a",
                "-: -max_over_time((c)[1h:1m] @ end())",
                "max_over_time: max_over_time((c)[1h:1m] @ end())",
                "subquery: (c)[1h:1m] @ end()",
                "c: (c)",
                "==@==: vector(-1) == bool 2",
                "vector: vector(-1)",
                "-1: -1",
                "2: 2",
            ]
        );
        assert_eq!(parts("topk(3, {__name__=\"x\", a!=\"}\"})")[2], "x: {__name__=\"x\", a!=\"}\"}");
        assert_eq!(parts("count_values(\"v\", x)")[1], "\"v\": \"v\"");
    }

    #[test]
    fn matchers_know_theirs() {
        let text = "x{a=\"b\", c!~'d|,' ,}";
        let tree = syntax(text).expect("it is PromQL");
        let picks = tree.picks();
        let seen: Vec<&str> = picks[0].0.matchers.iter().map(|(_, span)| &text[span.clone()]).collect();
        assert_eq!(seen, ["a=\"b\"", "c!~'d|,'"]);
    }

    #[test]
    fn constants_are_worked_out() {
        let number = |text| syntax(text).expect("it is PromQL").number();
        assert_eq!(number("-(2 * 60) + 2 ^ 3"), Some(-112.0));
        assert_eq!(number("time() - 1"), None);
    }

    #[test]
    fn what_is_not_promql_is_an_error() {
        assert!(syntax("rate(x)").is_err());
        assert!(syntax("{app=\"x\"} |= \"y\"").is_err());
    }
}
