//! An expression as others see it: its text, its type, what it reads and how far from the evaluation that lies.

use super::ast::{Matrix, Node, Vector};
use super::part::Part;
use super::selector::{At, Selection};

/// An expression that can be evaluated. Made by [`parse`](super::parse).
#[derive(Debug, Clone)]
pub struct Expr {
    /// As it came, with the space around it: places are counted in it.
    pub(super) text: String,
    pub(super) root: Node,
}

/// What an expression evaluates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One number.
    Scalar,
    /// An instant vector: one number per label set.
    Vector,
    /// The samples of a range.
    Matrix,
    /// A string.
    Text,
}

/// Which span of time around its evaluation an expression reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reach {
    /// Milliseconds back: ranges, subqueries and offsets added up. The lookback of instant selectors is not in it.
    pub back_ms: i64,
    /// Milliseconds ahead, where an offset is negative.
    pub ahead_ms: i64,
    /// Whether an `@` ties a part of it to a fixed instant, which no window moves.
    pub pinned: bool,
}

impl Expr {
    /// The expression as it was written.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// What it evaluates to.
    pub fn kind(&self) -> Kind {
        match self.root {
            Node::Scalar(_) => Kind::Scalar,
            Node::Vector(_) => Kind::Vector,
            Node::Matrix(_) => Kind::Matrix,
            Node::Text(_) => Kind::Text,
        }
    }

    /// Every selector, in the order in which they are written.
    pub fn selectors(&self) -> Vec<Selection<'_>> {
        let mut found = Vec::new();
        self.root.part().visit(&mut |part| match part {
            Part::Vector(Vector::Selector(selector)) => found.push(Selection { selector, range_ms: None }),
            Part::Matrix(Matrix::Range { selector, range }) => {
                found.push(Selection { selector, range_ms: Some(range.ms()) });
            }
            _ => {}
        });
        found
    }

    /// How far from its evaluation it reads.
    pub fn reach(&self) -> Reach {
        let span = span(self.root.part());
        Reach { back_ms: (-span.first).max(0), ahead_ms: span.last.max(0), pinned: span.pinned }
    }
}

/// The first and the last instant that a part reads, in milliseconds from its evaluation.
#[derive(Clone, Copy, Default)]
struct Span {
    first: i64,
    last: i64,
    pinned: bool,
}

fn span(part: Part<'_>) -> Span {
    let of_time = |range_ms: i64, offset_ms: i64, at: Option<At>, inner: Span| Span {
        first: inner.first - range_ms - offset_ms,
        last: inner.last - offset_ms,
        pinned: inner.pinned || matches!(at, Some(At::Ms(_))),
    };
    let inner = (part.children().into_iter().map(span))
        .reduce(|a, b| Span { first: a.first.min(b.first), last: a.last.max(b.last), pinned: a.pinned || b.pinned })
        .unwrap_or_default();
    match part {
        Part::Vector(Vector::Selector(s)) => of_time(0, s.offset_ms(), s.at, inner),
        Part::Matrix(Matrix::Range { selector: s, range }) => of_time(range.ms(), s.offset_ms(), s.at, inner),
        Part::Matrix(Matrix::Subquery { range, offset, at, .. }) => of_time(range.ms(), offset.ms(), *at, inner),
        _ => inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse;

    fn reach(text: &str) -> (i64, i64) {
        let reach = parse(text).expect("it is PromQL").reach();
        (reach.back_ms, reach.ahead_ms)
    }

    #[test]
    fn ranges_subqueries_and_offsets_add_up() {
        assert_eq!(reach("x"), (0, 0));
        assert_eq!(reach("1 + time()"), (0, 0));
        assert_eq!(reach("rate(x[5m]) / on() y offset 1m"), (300_000, 0));
        assert_eq!(reach("rate(x[5m] offset 1m)"), (360_000, 0));
        assert_eq!(reach("x offset -30s"), (0, 30_000));
        assert_eq!(reach("max_over_time(rate(x[1m])[10m:30s] offset 2m)"), (780_000, 0));
        assert!(parse("x @ 60").expect("it is PromQL").reach().pinned);
        assert!(!parse("x @ end()").expect("it is PromQL").reach().pinned);
    }

    #[test]
    fn selectors_carry_their_matchers_and_ranges() {
        let expr = parse("sum(rate(a{b=\"c\"}[1m])) / scalar(d)").expect("it is PromQL");
        let seen: Vec<(Option<&str>, usize, Option<i64>)> =
            expr.selectors().iter().map(|s| (s.selector.metric(), s.selector.matchers.len(), s.range_ms)).collect();
        assert_eq!(seen, [(Some("a"), 2, Some(60_000)), (Some("d"), 1, None)]);
        assert_eq!(expr.kind(), Kind::Vector);
    }
}
