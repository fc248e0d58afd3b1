//! From text to the tree that is evaluated: the crate `promql-parser` reads the grammar, this file turns its tree into
//! ours and refuses what cannot be evaluated. Besides `syntax`, no other file of this room knows that crate.

use std::time::Duration;

use promql_parser::label as pl;
use promql_parser::parser as pp;
use promql_parser::parser::token as tok;
use regex::Regex;

use super::ast::{
    Aggregation, Group, Grouping, MatchLabels, Matching, Matrix, Node, Operator, Scalar, SetOperator, Vector,
};
use super::error::Error;
use super::expr::Expr;
use super::selector::{At, MatchOp, Matcher, Selector};
use super::vet;

/// Longer ranges, offsets and steps than a thousand years are refused, so that no sum of a few of them overflows.
const LONGEST_MS: u128 = 1_000 * 365 * 86_400_000;

/// Reads an expression. What cannot be evaluated is an error here, never later.
pub fn parse(text: &str) -> Result<Expr, Error> {
    let tree = tree(text)?;
    let mut lower = Lower { text, selectors: 0 };
    let root = lower.node(&tree)?;
    Ok(Expr { text: text.trim().to_string(), root })
}

/// The parser's tree of a text that is PromQL, whether or not it can be evaluated.
pub(super) fn tree(text: &str) -> Result<pp::Expr, Error> {
    pp::parse(&vet::vet(text)?).map_err(|why| Error::syntax(text.trim(), plain(&why)))
}

/// The parser's message in words that tell more.
fn plain(why: &str) -> String {
    if why == "invalid promql query" {
        "it does not follow the grammar; look for a missing operand, comma or bracket".into()
    } else if why.starts_with("expected type") {
        why.replace(" vector", " instant vector").replace(" matrix", " range vector").replace(" scalar", " number")
    } else {
        why.into()
    }
}

pub(super) struct Lower<'t> {
    text: &'t str,
    selectors: usize,
}

pub(super) type Lowered<T> = Result<T, Error>;

impl Lower<'_> {
    pub(super) fn wrong<T>(&self, why: impl Into<String>) -> Lowered<T> {
        Err(Error::syntax(self.text.trim(), why))
    }

    /// Everything recursive here is kept small: an expression nests as deep as its stack of calls.
    fn node(&mut self, expr: &pp::Expr) -> Lowered<Node> {
        match expr {
            pp::Expr::Paren(paren) => self.node(&paren.expr),
            pp::Expr::Unary(unary) => {
                let arg = self.node(&unary.expr)?;
                self.negated(arg)
            }
            pp::Expr::Binary(binary) => {
                let lhs = self.node(&binary.lhs)?;
                let rhs = self.node(&binary.rhs)?;
                self.binary(binary, lhs, rhs)
            }
            pp::Expr::Aggregate(aggregate) => {
                let arg = self.node(&aggregate.expr)?;
                let param = aggregate.param.as_ref().map(|param| self.node(param)).transpose()?;
                self.aggregate(aggregate, arg, param)
            }
            pp::Expr::Call(call) => {
                let args = call.args.args.iter().map(|arg| self.node(arg)).collect::<Lowered<Vec<_>>>()?;
                self.call(call.func.name, args)
            }
            pp::Expr::Subquery(subquery) => {
                let arg = self.node(&subquery.expr)?;
                self.subquery(subquery, arg)
            }
            leaf => self.leaf(leaf),
        }
    }

    fn leaf(&mut self, expr: &pp::Expr) -> Lowered<Node> {
        Ok(match expr {
            pp::Expr::NumberLiteral(number) => Scalar::Number(number.val).into(),
            pp::Expr::StringLiteral(text) => Node::Text(text.val.clone()),
            pp::Expr::VectorSelector(selector) => Vector::Selector(self.selector(selector)?).into(),
            pp::Expr::MatrixSelector(range) => {
                let (selector, range_ms) = (self.selector(&range.vs)?, self.length(range.range)?);
                Matrix::Range { selector, range_ms }.into()
            }
            other => return Err(Error::unsupported(other.to_string(), "it is not part of PromQL")),
        })
    }

    fn negated(&self, arg: Node) -> Lowered<Node> {
        match arg {
            Node::Scalar(scalar) => Ok(match *scalar {
                Scalar::Number(value) => Scalar::Number(-value).into(),
                scalar => Scalar::Negate(Box::new(scalar)).into(),
            }),
            Node::Vector(vector) => Ok(Vector::Negate(vector).into()),
            other => self.wrong(format!("`-` cannot stand before `{other}`")),
        }
    }

    fn subquery(&self, subquery: &pp::SubqueryExpr, arg: Node) -> Lowered<Node> {
        Ok(Matrix::Subquery {
            arg: self.vector(arg)?,
            range_ms: self.length(subquery.range)?,
            step_ms: subquery.step.map(|step| self.length(step)).transpose()?,
            offset_ms: self.offset(subquery.offset.as_ref())?,
            at: self.at(subquery.at.as_ref())?,
        }
        .into())
    }

    pub(super) fn vector(&self, node: Node) -> Lowered<Box<Vector>> {
        match node {
            Node::Vector(vector) => Ok(vector),
            other => self.misplaced("an instant vector is wanted", &other),
        }
    }

    pub(super) fn scalar(&self, node: Node) -> Lowered<Box<Scalar>> {
        match node {
            Node::Scalar(scalar) => Ok(scalar),
            other => self.misplaced("a number is wanted", &other),
        }
    }

    pub(super) fn matrix(&self, node: Node) -> Lowered<Box<Matrix>> {
        match node {
            Node::Matrix(matrix) => Ok(matrix),
            other => self.misplaced("a range such as x[5m] is wanted", &other),
        }
    }

    pub(super) fn text(&self, node: Node) -> Lowered<String> {
        match node {
            Node::Text(text) => Ok(text),
            other => self.misplaced("a string is wanted", &other),
        }
    }

    fn misplaced<T>(&self, wanted: &str, found: &Node) -> Lowered<T> {
        self.wrong(format!("{wanted} where `{found}` stands"))
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
    pub(super) fn anchored(&self, pattern: &str) -> Lowered<Regex> {
        match Regex::new(&format!("^(?s:{pattern})$")) {
            Ok(regex) => Ok(regex),
            Err(_) => self.wrong(format!("`{pattern}` is not a regular expression")),
        }
    }

    fn binary(&self, binary: &pp::BinaryExpr, lhs: Node, rhs: Node) -> Lowered<Node> {
        let modifier = binary.modifier.clone().unwrap_or_default();
        if modifier.fill_values != pp::VectorMatchFillValues::default() {
            return Err(Error::unsupported("fill", "it is experimental in Prometheus; use `or` with a default"));
        }
        let as_bool = modifier.return_bool;
        let labels = match_labels(modifier.matching.as_ref());
        if let Some(op) = set_operator(binary.op.id()) {
            return match (lhs, rhs) {
                (Node::Vector(lhs), Node::Vector(rhs)) => Ok(Vector::Set { op, lhs, rhs, on: labels }.into()),
                (lhs, rhs) => self.wrong(format!("`{op}` stands between vectors only, not `{lhs}` and `{rhs}`")),
            };
        }
        let Some(op) = operator(binary.op.id()) else {
            return Err(Error::unsupported(binary.op.to_string(), "this operator is not known here"));
        };
        Ok(match (lhs, rhs) {
            (Node::Scalar(_), Node::Scalar(_)) if op.is_comparison() && !as_bool => {
                return self.wrong(format!("two numbers are compared with `{op} bool`: there is nothing to filter"));
            }
            (Node::Scalar(lhs), Node::Scalar(rhs)) => Scalar::Binary { op, lhs, rhs }.into(),
            (Node::Vector(vector), Node::Scalar(scalar)) => {
                Vector::WithScalar { op, vector, scalar, scalar_first: false, as_bool }.into()
            }
            (Node::Scalar(scalar), Node::Vector(vector)) => {
                Vector::WithScalar { op, vector, scalar, scalar_first: true, as_bool }.into()
            }
            (Node::Vector(lhs), Node::Vector(rhs)) => {
                let group = match modifier.card {
                    pp::VectorMatchCardinality::ManyToOne(include) => Group::Left(include.labels),
                    pp::VectorMatchCardinality::OneToMany(include) => Group::Right(include.labels),
                    _ => Group::OneToOne,
                };
                Vector::Match { op, lhs, rhs, matching: Matching { labels, group }, as_bool }.into()
            }
            (lhs, rhs) => {
                return self.wrong(format!(
                    "`{op}` stands between numbers and instant vectors, not between `{lhs}` and `{rhs}`"
                ));
            }
        })
    }

    fn aggregate(&self, aggregate: &pp::AggregateExpr, arg: Node, param: Option<Node>) -> Lowered<Node> {
        let id = aggregate.op.id();
        if matches!(id, tok::T_LIMITK | tok::T_LIMIT_RATIO) {
            return Err(Error::unsupported(aggregate.op.to_string(), "it is experimental in Prometheus"));
        }
        let grouping = match &aggregate.modifier {
            None => Grouping::By(Vec::new()),
            Some(pp::LabelModifier::Include(labels)) => Grouping::By(labels.labels.clone()),
            Some(pp::LabelModifier::Exclude(labels)) => Grouping::Without(labels.labels.clone()),
        };
        let op = match (id, param) {
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
        Ok(Vector::Aggregate { op, grouping, arg: self.vector(arg)? }.into())
    }
}

fn match_labels(modifier: Option<&pp::LabelModifier>) -> MatchLabels {
    match modifier {
        None => MatchLabels::Ignoring(Vec::new()),
        Some(pp::LabelModifier::Include(labels)) => MatchLabels::On(labels.labels.clone()),
        Some(pp::LabelModifier::Exclude(labels)) => MatchLabels::Ignoring(labels.labels.clone()),
    }
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
