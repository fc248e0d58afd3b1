//! Selectors, and what may stand behind an operand: a range, a subquery, `offset`, `@`.

use regex::Regex;

use super::grammar::{Operand, Parsed, Parser};
use super::lex::What;
use crate::promql::ast::{Edges, Length, Matrix, Node, Vector};
use crate::promql::error::Error;
use crate::promql::query::Semantics;
use crate::promql::selector::{At, MatchOp, Matcher, Selector};
use crate::promql::syntax::{Form, Pick, Span};

const NAME: &str = "__name__";

impl Parser<'_> {
    /// A selector, whose bare name has been read already.
    pub(super) fn selector(&mut self, name: Option<&str>, place: usize) -> Parsed<Operand> {
        let bare = |name: &str| Matcher { label: NAME.into(), op: MatchOp::Equal, value: name.into() };
        let mut matchers: Vec<Matcher> = name.map(bare).into_iter().collect();
        let mut written: Vec<(Matcher, Span)> = Vec::new();
        if self.accept("{") {
            let mut named = name.is_some();
            while !self.accept("}") {
                let begins = self.place();
                let (matcher, quoted) = self.matcher()?;
                if quoted && named || name.is_some() && matcher.label == NAME {
                    return self.wrong(begins, "the metric's name is said twice");
                }
                named |= quoted;
                if !quoted {
                    written.push((matcher.clone(), self.since(begins)));
                }
                matchers.push(matcher);
                if let What::Word("or") = self.peek() {
                    let why = "PromQL has no such thing; use a regex: a=~\"b|c\"";
                    return Err(Error::unsupported("or between matchers", why));
                }
                if !self.comes("}") {
                    self.expect(",", "`,` or `}`")?;
                }
            }
        }
        if matchers.iter().all(|m| m.matches("")) {
            return self.wrong(place, "a selector needs a non-empty matcher: this one would select every series");
        }
        self.selectors += 1;
        let id = self.selectors;
        let selector = Selector { matchers, offset: Length::Ms(0), at: None, edges: Edges::AsSampled, id };
        let metric = selector.metric().map(str::to_owned);
        let pick = Pick { metric, matchers: written, range_ms: None, moved: String::new() };
        Ok(self.operand(place, Vector::Selector(selector).into(), Form::Selector(pick)))
    }

    /// A matcher, and whether it is the metric's name alone, in quotes.
    fn matcher(&mut self) -> Parsed<(Matcher, bool)> {
        let label = match self.peek().clone() {
            What::Word(word) if word != ":" => word.to_owned(),
            What::Text(text) if !text.is_empty() => {
                self.advance();
                if self.comes(",") || self.comes("}") {
                    return Ok((Matcher { label: NAME.into(), op: MatchOp::Equal, value: text }, true));
                }
                return self.condition(text);
            }
            _ => return self.unexpected("a label name or `}`"),
        };
        self.advance();
        self.condition(label)
    }

    /// What is asked of a label.
    fn condition(&mut self, label: String) -> Parsed<(Matcher, bool)> {
        let op = match self.peek() {
            What::Symbol(op @ ("=" | "!=" | "=~" | "!~")) => *op,
            _ => return self.unexpected("`=`, `!=`, `=~` or `!~`"),
        };
        self.advance();
        let place = self.place();
        let What::Text(value) = self.peek().clone() else { return self.unexpected("a string") };
        self.advance();
        let op = match op {
            "=" => MatchOp::Equal,
            "!=" => MatchOp::NotEqual,
            "=~" => MatchOp::Regex(self.anchored(place, &value)?),
            _ => MatchOp::NotRegex(self.anchored(place, &value)?),
        };
        Ok((Matcher { label, op, value }, false))
    }

    /// A regex that matches whole values; from Prometheus 3 on `.` matches a line feed too.
    pub(super) fn anchored(&self, place: usize, pattern: &str) -> Parsed<Regex> {
        let flags = if self.semantics == Semantics::V3 { "s" } else { "" };
        match Regex::new(&format!("^(?{flags}:{pattern})$")) {
            Ok(regex) => Ok(regex),
            Err(_) => self.wrong(place, format!("`{pattern}` is not a regular expression")),
        }
    }

    /// The operand with all that stands behind it.
    pub(super) fn modified(&mut self, mut operand: Operand) -> Parsed<Operand> {
        loop {
            let place = self.place();
            if self.accept("[") {
                operand = self.range(operand, place)?;
                continue;
            } else if self.accept_word("offset") {
                let offset = self.offset()?;
                match self.moment(&mut operand, place, "offset")? {
                    (old, _) if old.is_zero() => *old = offset,
                    _ => return self.wrong(place, "`offset` is said twice"),
                }
            } else if self.accept("@") {
                let at = self.at()?;
                match self.moment(&mut operand, place, "@")? {
                    (_, old @ None) => *old = Some(at),
                    _ => return self.wrong(place, "`@` is said twice"),
                }
            } else if self.accept_word("anchored") {
                self.edges(&mut operand, place, Edges::Anchored)?;
            } else if self.accept_word("smoothed") {
                self.edges(&mut operand, place, Edges::Smoothed)?;
            } else {
                return Ok(operand);
            }
            let said = self.since(place);
            operand.syntax.span.end = said.end;
            match &mut operand.syntax.form {
                Form::Selector(pick) => {
                    let space = if pick.moved.is_empty() { "" } else { " " };
                    pick.moved = format!("{}{space}{}", pick.moved, &self.text[said]);
                }
                Form::Subquery { moved, .. } => *moved = true,
                _ => {}
            }
        }
    }

    fn edges(&self, operand: &mut Operand, place: usize, edges: Edges) -> Parsed<()> {
        let selector = match &mut operand.node {
            _ if operand.enclosed => None,
            Node::Vector(vector) => match &mut **vector {
                Vector::Selector(selector) if edges == Edges::Smoothed => Some(selector),
                _ => None,
            },
            Node::Matrix(matrix) => match &mut **matrix {
                Matrix::Range { selector, .. } => Some(selector),
                Matrix::Subquery { .. } => None,
            },
            _ => None,
        };
        match selector {
            Some(selector) if selector.edges == Edges::AsSampled => {
                selector.edges = edges;
                Ok(())
            }
            Some(_) => self.wrong(place, "of `anchored` and `smoothed` there is one at most"),
            None => self.wrong(place, format!("`{edges}` belongs behind a selector such as x[5m]")),
        }
    }

    /// What `offset` and `@` of an operand change.
    fn moment<'o>(
        &self,
        operand: &'o mut Operand,
        place: usize,
        word: &str,
    ) -> Parsed<(&'o mut Length, &'o mut Option<At>)> {
        let found = match &mut operand.node {
            _ if operand.enclosed => None,
            Node::Vector(vector) => match &mut **vector {
                Vector::Selector(s) => Some((&mut s.offset, &mut s.at)),
                _ => None,
            },
            Node::Matrix(matrix) => Some(match &mut **matrix {
                Matrix::Range { selector, .. } => (&mut selector.offset, &mut selector.at),
                Matrix::Subquery { offset, at, .. } => (offset, at),
            }),
            _ => None,
        };
        match found {
            Some(found) => Ok(found),
            None => self.wrong(place, format!("`{word}` belongs behind a selector, a range or a subquery")),
        }
    }

    /// A range or a subquery; its bracket has been read already.
    fn range(&mut self, operand: Operand, bracket: usize) -> Parsed<Operand> {
        let range = self.length("a length of time such as 5m")?;
        let start = operand.place();
        if self.accept(":") {
            let step = if self.comes("]") { None } else { Some(self.length("a step or `]`")?) };
            self.expect("]", "`]`")?;
            let Node::Vector(arg) = operand.node else {
                return self.wrong(bracket, format!("a subquery is of an instant vector, not of `{}`", operand.node));
            };
            let (range_ms, step_ms) = (range.ms(), step.as_ref().map(Length::ms));
            let form = Form::Subquery { arg: Box::new(operand.syntax), range_ms, step_ms, moved: false };
            let node = Matrix::Subquery { arg, range, step, offset: Length::Ms(0), at: None }.into();
            return Ok(self.operand(start, node, form));
        }
        self.expect("]", "`]` or `:`")?;
        let range_ms = Some(range.ms());
        let node = match operand.node {
            Node::Vector(vector) if !operand.enclosed => match *vector {
                Vector::Selector(s) if s.offset.is_zero() && s.at.is_none() && s.edges == Edges::AsSampled => {
                    Matrix::Range { selector: s, range }.into()
                }
                Vector::Selector(_) => return self.wrong(bracket, "a range stands before `offset`, `@` and the like"),
                other => return self.no_range(bracket, &other.into()),
            },
            other => return self.no_range(bracket, &other),
        };
        let form = match operand.syntax.form {
            Form::Selector(pick) => Form::Selector(Pick { range_ms, ..pick }),
            other => other,
        };
        Ok(self.operand(start, node, form))
    }

    fn no_range<T>(&self, bracket: usize, of: &Node) -> Parsed<T> {
        self.wrong(bracket, format!("a range is of a selector; of `{of}` it is a subquery: write [5m:]"))
    }

    fn at(&mut self) -> Parsed<At> {
        let place = self.place();
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.is_called() && self.accept_word(word) {
                self.advance();
                self.expect(")", "`)`")?;
                return Ok(at);
            }
        }
        let negative = self.accept("-");
        if !negative {
            self.accept("+");
        }
        let seconds = match *self.peek() {
            What::Number(value) if negative => -value,
            What::Number(value) => value,
            What::Word(word) if ["inf", "nan"].iter().any(|w| word.eq_ignore_ascii_case(w)) => f64::NAN,
            _ => return self.unexpected("a time in seconds, start() or end()"),
        };
        self.advance();
        let ms = (seconds * 1e3).round();
        // Beyond that the arithmetic on times would overflow, and nobody means such a time.
        if ms.abs() <= super::length::LONGEST_MS as f64 {
            Ok(At::Ms(ms as i64))
        } else {
            self.wrong(place, "the time is further than 1000 years from 1970")
        }
    }
}
