//! From text to the tree that is evaluated: the crate `promql-parser` reads the grammar, this file turns its tree into
//! ours and refuses what cannot be evaluated. No other file of this room knows that crate.

use std::time::Duration;

use promql_parser::label as pl;
use promql_parser::parser as pp;
use promql_parser::parser::token as tok;
use regex::Regex;

use super::ast::{
    Aggregation, At, Expr, Group, Grouping, LabelReplace, Limits, MatchLabels, MatchOp, Matcher, Matching, Matrix,
    Node, Operator, QueryFact, Scalar, Selector, SetOperator, Vector,
};
use super::error::Error;
use super::functions::{CALENDAR, MAPS};
use super::over_time::RANGE_FUNCTIONS;
use super::{labels, vet};

/// Longer ranges, offsets and steps than a thousand years are refused, so that no sum of a few of them overflows.
const LONGEST_MS: u128 = 1_000 * 365 * 86_400_000;

/// Reads an expression. What cannot be evaluated is an error here, never later.
pub fn parse(text: &str) -> Result<Expr, Error> {
    vet::vet(text)?;
    let tree = pp::parse(text).map_err(|why| Error::syntax(text.trim(), plain(&why)))?;
    let mut lower = Lower { text, selectors: 0 };
    let root = lower.node(&tree)?;
    Ok(Expr { text: text.trim().to_string(), root })
}

/// The parser's message without what says nothing.
fn plain(why: &str) -> &str {
    match why {
        "invalid promql query" => "it does not follow the grammar; look for a missing operand, comma or bracket",
        why => why,
    }
}

struct Lower<'t> {
    text: &'t str,
    selectors: usize,
}

type Lowered<T> = Result<T, Error>;

impl Lower<'_> {
    fn wrong<T>(&self, why: impl Into<String>) -> Lowered<T> {
        Err(Error::syntax(self.text.trim(), why))
    }

    fn node(&mut self, expr: &pp::Expr) -> Lowered<Node> {
        Ok(match expr {
            pp::Expr::Paren(paren) => self.node(&paren.expr)?,
            pp::Expr::NumberLiteral(number) => Node::Scalar(Scalar::Number(number.val)),
            pp::Expr::StringLiteral(text) => Node::Text(text.val.clone()),
            pp::Expr::VectorSelector(selector) => Node::Vector(Vector::Selector(self.selector(selector)?)),
            pp::Expr::MatrixSelector(range) => {
                let (selector, range_ms) = (self.selector(&range.vs)?, self.length(range.range)?);
                Node::Matrix(Matrix::Range { selector, range_ms })
            }
            pp::Expr::Subquery(subquery) => Node::Matrix(Matrix::Subquery {
                arg: self.vector(&subquery.expr)?,
                range_ms: self.length(subquery.range)?,
                step_ms: subquery.step.map(|step| self.length(step)).transpose()?,
                offset_ms: self.offset(subquery.offset.as_ref())?,
                at: self.at(subquery.at.as_ref())?,
            }),
            pp::Expr::Unary(unary) => match self.node(&unary.expr)? {
                Node::Scalar(Scalar::Number(value)) => Node::Scalar(Scalar::Number(-value)),
                Node::Scalar(scalar) => Node::Scalar(Scalar::Negate(Box::new(scalar))),
                Node::Vector(vector) => Node::Vector(Vector::Negate(Box::new(vector))),
                other => return self.wrong(format!("`-` cannot stand before `{other}`")),
            },
            pp::Expr::Binary(binary) => self.binary(binary)?,
            pp::Expr::Aggregate(aggregate) => Node::Vector(self.aggregate(aggregate)?),
            pp::Expr::Call(call) => self.call(call)?,
            pp::Expr::Extension(_) => return Err(Error::unsupported("extension", "it is not part of PromQL")),
        })
    }

    fn vector(&mut self, expr: &pp::Expr) -> Lowered<Box<Vector>> {
        match self.node(expr)? {
            Node::Vector(vector) => Ok(Box::new(vector)),
            other => self.wrong(format!("an instant vector is wanted where `{other}` stands")),
        }
    }

    fn scalar(&mut self, expr: &pp::Expr) -> Lowered<Box<Scalar>> {
        match self.node(expr)? {
            Node::Scalar(scalar) => Ok(Box::new(scalar)),
            other => self.wrong(format!("a number is wanted where `{other}` stands")),
        }
    }

    fn matrix(&mut self, expr: &pp::Expr) -> Lowered<Matrix> {
        match self.node(expr)? {
            Node::Matrix(matrix) => Ok(matrix),
            other => self.wrong(format!("a range such as `[5m]` is wanted after `{other}`")),
        }
    }

    fn text(&mut self, expr: &pp::Expr) -> Lowered<String> {
        match self.node(expr)? {
            Node::Text(text) => Ok(text),
            other => self.wrong(format!("a string is wanted where `{other}` stands")),
        }
    }

    fn length(&self, length: Duration) -> Lowered<i64> {
        match i64::try_from(length.as_millis()) {
            Ok(ms) if length.as_millis() <= LONGEST_MS => Ok(ms),
            _ => self.wrong("a length of time is longer than 1000 years"),
        }
    }

    fn offset(&self, offset: Option<&pp::Offset>) -> Lowered<i64> {
        match offset {
            None => Ok(0),
            Some(pp::Offset::Pos(length)) => self.length(*length),
            Some(pp::Offset::Neg(length)) => Ok(-self.length(*length)?),
        }
    }

    fn at(&self, at: Option<&pp::AtModifier>) -> Lowered<Option<At>> {
        Ok(match at {
            None => None,
            Some(pp::AtModifier::Start) => Some(At::Start),
            Some(pp::AtModifier::End) => Some(At::End),
            Some(pp::AtModifier::At(time)) => {
                let epoch = std::time::SystemTime::UNIX_EPOCH;
                Some(At::Ms(match time.duration_since(epoch) {
                    Ok(after) => self.length(after)?,
                    Err(before) => -self.length(before.duration())?,
                }))
            }
        })
    }

    fn selector(&mut self, selector: &pp::VectorSelector) -> Lowered<Selector> {
        if !selector.matchers.or_matchers.is_empty() {
            return Err(Error::unsupported("or between matchers", "PromQL has no such thing; use a regex: a=~\"b|c\""));
        }
        let name = selector
            .name
            .iter()
            .map(|name| Ok(Matcher { label: "__name__".into(), op: MatchOp::Equal, value: name.clone() }));
        let matchers = name.chain(selector.matchers.matchers.iter().map(|m| self.matcher(m)));
        let matchers = matchers.collect::<Lowered<Vec<_>>>()?;
        if matchers.iter().all(|m| m.matches("")) {
            return self.wrong("a selector must ask for something: it would select every series");
        }
        self.selectors += 1;
        Ok(Selector {
            matchers,
            offset_ms: self.offset(selector.offset.as_ref())?,
            at: self.at(selector.at.as_ref())?,
            id: self.selectors,
        })
    }

    fn matcher(&self, matcher: &pl::Matcher) -> Lowered<Matcher> {
        let op = match &matcher.op {
            pl::MatchOp::Equal => MatchOp::Equal,
            pl::MatchOp::NotEqual => MatchOp::NotEqual,
            pl::MatchOp::Re(regex) => MatchOp::Regex(self.anchored(regex.as_str())?),
            pl::MatchOp::NotRe(regex) => MatchOp::NotRegex(self.anchored(regex.as_str())?),
        };
        Ok(Matcher { label: matcher.name.clone(), op, value: matcher.value.clone() })
    }

    /// A regex that matches whole values, as Prometheus 3 does: `.` matches a line feed too.
    fn anchored(&self, pattern: &str) -> Lowered<Regex> {
        match Regex::new(&format!("^(?s:{pattern})$")) {
            Ok(regex) => Ok(regex),
            Err(_) => self.wrong(format!("`{pattern}` is not a regular expression")),
        }
    }

    fn binary(&mut self, binary: &pp::BinaryExpr) -> Lowered<Node> {
        let (lhs, rhs) = (self.node(&binary.lhs)?, self.node(&binary.rhs)?);
        let modifier = binary.modifier.clone().unwrap_or_default();
        if modifier.fill_values != pp::VectorMatchFillValues::default() {
            return Err(Error::unsupported("fill", "it is experimental in Prometheus; use `or` with a default"));
        }
        let as_bool = modifier.return_bool;
        if let Some(op) = set_operator(binary.op.id()) {
            return match (lhs, rhs) {
                (Node::Vector(lhs), Node::Vector(rhs)) => Ok(Node::Vector(Vector::Set {
                    op,
                    lhs: Box::new(lhs),
                    rhs: Box::new(rhs),
                    on: match_labels(modifier.matching.as_ref()),
                })),
                (lhs, rhs) => self.wrong(format!("`{op}` stands between vectors only, not `{lhs}` and `{rhs}`")),
            };
        }
        let Some(op) = operator(binary.op.id()) else {
            return Err(Error::unsupported(binary.op.to_string(), "this operator is not known here"));
        };
        Ok(match (lhs, rhs) {
            (Node::Scalar(lhs), Node::Scalar(rhs)) => {
                if op.is_comparison() && !as_bool {
                    return self
                        .wrong(format!("two numbers are compared with `{op} bool`: there is nothing to filter"));
                }
                Node::Scalar(Scalar::Binary { op, lhs: Box::new(lhs), rhs: Box::new(rhs) })
            }
            (Node::Vector(vector), Node::Scalar(scalar)) => Node::Vector(Vector::WithScalar {
                op,
                vector: Box::new(vector),
                scalar: Box::new(scalar),
                scalar_first: false,
                as_bool,
            }),
            (Node::Scalar(scalar), Node::Vector(vector)) => Node::Vector(Vector::WithScalar {
                op,
                vector: Box::new(vector),
                scalar: Box::new(scalar),
                scalar_first: true,
                as_bool,
            }),
            (Node::Vector(lhs), Node::Vector(rhs)) => Node::Vector(Vector::Match {
                op,
                lhs: Box::new(lhs),
                rhs: Box::new(rhs),
                matching: Matching {
                    labels: match_labels(modifier.matching.as_ref()),
                    group: match modifier.card {
                        pp::VectorMatchCardinality::ManyToOne(include) => Group::Left(include.labels),
                        pp::VectorMatchCardinality::OneToMany(include) => Group::Right(include.labels),
                        _ => Group::OneToOne,
                    },
                },
                as_bool,
            }),
            (lhs, rhs) => {
                return self.wrong(format!(
                    "`{op}` stands between numbers and instant vectors, not between `{lhs}` and `{rhs}`"
                ));
            }
        })
    }

    fn aggregate(&mut self, aggregate: &pp::AggregateExpr) -> Lowered<Vector> {
        let id = aggregate.op.id();
        if matches!(id, tok::T_LIMITK | tok::T_LIMIT_RATIO) {
            return Err(Error::unsupported(aggregate.op.to_string(), "it is experimental in Prometheus"));
        }
        let grouping = match &aggregate.modifier {
            None => Grouping::By(Vec::new()),
            Some(pp::LabelModifier::Include(labels)) => Grouping::By(labels.labels.clone()),
            Some(pp::LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
        };
        let op = match (id, aggregate.param.as_deref()) {
            (tok::T_SUM, _) => Aggregation::Sum,
            (tok::T_AVG, _) => Aggregation::Avg,
            (tok::T_MIN, _) => Aggregation::Min,
            (tok::T_MAX, _) => Aggregation::Max,
            (tok::T_COUNT, _) => Aggregation::Count,
            (tok::T_GROUP, _) => Aggregation::Group,
            (tok::T_STDDEV, _) => Aggregation::Stddev,
            (tok::T_STDVAR, _) => Aggregation::Stdvar,
            (tok::T_TOPK, Some(k)) => Aggregation::Top { k: self.scalar(k)?, largest: true },
            (tok::T_BOTTOMK, Some(k)) => Aggregation::Top { k: self.scalar(k)?, largest: false },
            (tok::T_QUANTILE, Some(q)) => Aggregation::Quantile(self.scalar(q)?),
            (tok::T_COUNT_VALUES, Some(label)) => Aggregation::CountValues(self.text(label)?),
            _ => return Err(Error::unsupported(aggregate.op.to_string(), "this aggregation is not known here")),
        };
        Ok(Vector::Aggregate { op, grouping, arg: self.vector(&aggregate.expr)? })
    }

    fn call(&mut self, call: &pp::Call) -> Lowered<Node> {
        let args: Vec<&pp::Expr> = call.args.args.iter().map(|arg| &**arg).collect();
        let name = call.func.name;
        if let Some(why) = refused(name) {
            return Err(Error::unsupported(name, why));
        }
        if let Some(map) = MAPS.iter().find(|map| map.name == name) {
            let arg = match args.as_slice() {
                [arg] => self.vector(arg)?,
                [] if CALENDAR.contains(&name) => Box::new(Vector::Constant(Box::new(Scalar::Time))),
                _ => return self.wrong(format!("{name}() takes one instant vector")),
            };
            return Ok(Node::Vector(Vector::Map { map, arg }));
        }
        if let Some(function) = RANGE_FUNCTIONS.iter().find(|function| function.name == name) {
            let place = if function.range_first { 0 } else { function.params };
            if args.len() != function.params + 1 {
                return self.wrong(format!("{name}() takes a range and {} more", function.params));
            }
            let arg = self.matrix(args[place])?;
            let numbers = args.iter().enumerate().filter(|(i, _)| *i != place);
            let params = numbers.map(|(_, number)| Ok(*self.scalar(number)?)).collect::<Lowered<_>>()?;
            return Ok(Node::Vector(Vector::OverTime { function, params, arg }));
        }
        Ok(match (name, args.as_slice()) {
            ("time", []) => Node::Scalar(Scalar::Time),
            ("pi", []) => Node::Scalar(Scalar::Number(std::f64::consts::PI)),
            ("start", []) => Node::Scalar(Scalar::Query(QueryFact::Start)),
            ("end", []) => Node::Scalar(Scalar::Query(QueryFact::End)),
            ("range", []) => Node::Scalar(Scalar::Query(QueryFact::Range)),
            ("step", []) => Node::Scalar(Scalar::Query(QueryFact::Step)),
            ("scalar", [arg]) => Node::Scalar(Scalar::Of(self.vector(arg)?)),
            ("min_of" | "max_of", [a, b]) => Node::Scalar(Scalar::Extreme {
                largest: name == "max_of",
                of: Box::new([*self.scalar(a)?, *self.scalar(b)?]),
            }),
            (name, args) => Node::Vector(self.vector_call(name, args)?),
        })
    }

    fn vector_call(&mut self, name: &str, args: &[&pp::Expr]) -> Lowered<Vector> {
        Ok(match (name, args) {
            ("vector", [arg]) => Vector::Constant(self.scalar(arg)?),
            ("timestamp", [arg]) => Vector::Timestamp(self.vector(arg)?),
            ("sort" | "sort_desc", [arg]) => Vector::Sort { arg: self.vector(arg)?, descending: name == "sort_desc" },
            ("sort_by_label" | "sort_by_label_desc", [arg, by @ ..]) => Vector::SortByLabel {
                arg: self.vector(arg)?,
                by: by.iter().map(|label| self.text(label)).collect::<Lowered<_>>()?,
                descending: name == "sort_by_label_desc",
            },
            ("round", [arg]) => Vector::Round { arg: self.vector(arg)?, to: None },
            ("round", [arg, to]) => Vector::Round { arg: self.vector(arg)?, to: Some(self.scalar(to)?) },
            ("clamp_min" | "clamp_max" | "clamp", [arg, limits @ ..]) => {
                let arg = self.vector(arg)?;
                let limits = match limits {
                    [min] if name == "clamp_min" => Limits::Min(*self.scalar(min)?),
                    [max] if name == "clamp_max" => Limits::Max(*self.scalar(max)?),
                    [min, max] if name == "clamp" => Limits::Both([*self.scalar(min)?, *self.scalar(max)?]),
                    _ => return self.wrong(format!("{name}() takes other limits")),
                };
                Vector::Clamp { arg, limits: Box::new(limits) }
            }
            ("histogram_quantile", [q, arg]) => {
                Vector::HistogramQuantile { q: self.scalar(q)?, arg: self.vector(arg)? }
            }
            ("histogram_fraction", [lower, upper, arg]) => Vector::HistogramFraction {
                lower: self.scalar(lower)?,
                upper: self.scalar(upper)?,
                arg: self.vector(arg)?,
            },
            ("absent", [arg]) => {
                let arg = self.vector(arg)?;
                let labels = match &*arg {
                    Vector::Selector(selector) => absent_labels(selector),
                    _ => Default::default(),
                };
                Vector::Absent { arg, labels }
            }
            ("absent_over_time", [arg]) => {
                let arg = self.matrix(arg)?;
                let labels = match &arg {
                    Matrix::Range { selector, .. } => absent_labels(selector),
                    Matrix::Subquery { .. } => Default::default(),
                };
                Vector::AbsentOverTime { arg, labels }
            }
            ("label_replace", [arg, to, replacement, from, pattern]) => {
                let pattern = self.text(pattern)?;
                Vector::LabelReplace(Box::new(LabelReplace {
                    arg: *self.vector(arg)?,
                    to: self.label_name(to)?,
                    replacement: self.text(replacement)?,
                    from: self.text(from)?,
                    regex: self.anchored(&pattern)?,
                    pattern,
                }))
            }
            ("label_join", [arg, to, separator, from @ ..]) => Vector::LabelJoin {
                arg: self.vector(arg)?,
                to: self.label_name(to)?,
                separator: self.text(separator)?,
                from: from.iter().map(|label| self.text(label)).collect::<Lowered<_>>()?,
            },
            _ => return Err(Error::unsupported(name, "this function is not known here")),
        })
    }

    fn label_name(&mut self, expr: &pp::Expr) -> Lowered<String> {
        let name = self.text(expr)?;
        if name.is_empty() { self.wrong("a label needs a name") } else { Ok(name) }
    }
}

/// What `absent` can say of the series that is not there.
fn absent_labels(selector: &Selector) -> crate::base::series::Labels {
    labels::of_absent(selector.matchers.iter().map(|m| {
        let pinned = matches!(m.op, MatchOp::Equal).then_some(m.value.as_str());
        (m.label.as_str(), pinned)
    }))
}

fn match_labels(modifier: Option<&pp::LabelModifier>) -> MatchLabels {
    match modifier {
        None => MatchLabels::Ignoring(Vec::new()),
        Some(pp::LabelModifier::Include(labels)) => MatchLabels::On(labels.labels.clone()),
        Some(pp::LabelModifier::Exclude(labels)) => MatchLabels::Ignoring(labels.labels.clone()),
    }
}

/// Functions that the parser knows and the evaluator does not, with the reason.
fn refused(name: &str) -> Option<&'static str> {
    Some(match name {
        "histogram_avg"
        | "histogram_count"
        | "histogram_stddev"
        | "histogram_stdvar"
        | "histogram_sum"
        | "histogram_quantiles" => {
            "it reads native histograms, which are not part of this evaluator; classic ones have _bucket, _sum, _count"
        }
        "info" | "integral" | "start_timestamp" => "it is experimental in Prometheus",
        _ => return None,
    })
}

fn operator(id: tok::TokenId) -> Option<Operator> {
    Some(match id {
        tok::T_ADD => Operator::Add,
        tok::T_SUB => Operator::Sub,
        tok::T_MUL => Operator::Mul,
        tok::T_DIV => Operator::Div,
        tok::T_MOD => Operator::Mod,
        tok::T_POW => Operator::Pow,
        tok::T_ATAN2 => Operator::Atan2,
        tok::T_EQLC => Operator::Equal,
        tok::T_NEQ => Operator::NotEqual,
        tok::T_GTR => Operator::Greater,
        tok::T_LSS => Operator::Less,
        tok::T_GTE => Operator::GreaterOrEqual,
        tok::T_LTE => Operator::LessOrEqual,
        _ => return None,
    })
}

fn set_operator(id: tok::TokenId) -> Option<SetOperator> {
    Some(match id {
        tok::T_LAND => SetOperator::And,
        tok::T_LOR => SetOperator::Or,
        tok::T_LUNLESS => SetOperator::Unless,
        _ => return None,
    })
}
