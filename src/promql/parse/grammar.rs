//! What an expression is made of, by precedence climbing.

use super::aggregation::AGGREGATIONS;
use super::lex::{self, Token, What};
use super::operator::Infix;
use crate::promql::ast::{Matrix, Node, Operator, Scalar, Vector};
use crate::promql::error::Error;
use crate::promql::query::Semantics;
use crate::promql::syntax::{Form, Span, Syntax};

pub(super) type Parsed<T> = Result<T, Error>;

/// Keywords that no metric may be called by, unless it is quoted.
const RESERVED: [&str; 6] = ["atan2", "bool", "group_left", "group_right", "ignoring", "on"];

/// Expressions within expressions: each takes its share of the stack.
const MAX_NESTED: usize = 100;

/// How tightly a sign binds: as `*`, so that `-x^2` is `-(x^2)`.
pub(super) const SIGN: u8 = 6;

/// A part of an expression: as it is evaluated, and as it is written.
pub(super) struct Operand {
    pub(super) node: Node,
    pub(super) syntax: Syntax,
    /// Whether it stands between parentheses.
    pub(super) enclosed: bool,
}

impl Operand {
    /// Where it begins.
    pub(super) fn place(&self) -> usize {
        self.syntax.span.start
    }
}

pub(super) struct Parser<'t> {
    pub(super) text: &'t str,
    tokens: Vec<Token<'t>>,
    next: usize,
    pub(super) selectors: usize,
    pub(super) semantics: Semantics,
    /// How many expressions the one that is read stands in.
    depth: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, semantics: Semantics) -> Parsed<Parser<'t>> {
        Ok(Parser { text, tokens: lex::tokens(text)?, next: 0, selectors: 0, semantics, depth: 0 })
    }

    pub(super) fn whole(mut self) -> Parsed<Operand> {
        let operand = self.expr(0)?;
        match self.peek() {
            What::End => Ok(operand),
            _ => self.unexpected("an operator or the end"),
        }
    }

    pub(super) fn peek(&self) -> &What<'t> {
        &self.token().what
    }

    /// The token that comes next; at the end the end itself, as often as one asks.
    fn token(&self) -> &Token<'t> {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    pub(super) fn place(&self) -> usize {
        self.token().start
    }

    /// From a place to the end of what was read last.
    pub(super) fn since(&self, start: usize) -> Span {
        start..self.next.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |token| token.end)
    }

    /// An operand that begins at a place and ends with what was read last.
    pub(super) fn operand(&self, start: usize, node: Node, form: Form) -> Operand {
        Operand { node, syntax: Syntax { span: self.since(start), form }, enclosed: false }
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    /// Passes over a symbol, if it comes next.
    pub(super) fn accept(&mut self, symbol: &str) -> bool {
        let comes = self.comes(symbol);
        self.next += usize::from(comes);
        comes
    }

    pub(super) fn comes(&self, symbol: &str) -> bool {
        matches!(self.peek(), What::Symbol(s) if *s == symbol)
    }

    /// Passes over a keyword, in any case of letters.
    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let comes = matches!(self.peek(), What::Word(w) if w.eq_ignore_ascii_case(word));
        self.next += usize::from(comes);
        comes
    }

    /// Whether a parenthesis opens behind the next token.
    pub(super) fn is_called(&self) -> bool {
        matches!(self.tokens.get(self.next + 1).map(|t| &t.what), Some(What::Symbol("(")))
    }

    pub(super) fn expect(&mut self, symbol: &str, wanted: &str) -> Parsed<()> {
        if self.accept(symbol) { Ok(()) } else { self.unexpected(wanted) }
    }

    pub(super) fn unexpected<T>(&self, wanted: &str) -> Parsed<T> {
        let Token { start, end, what } = self.token();
        let found = match what {
            What::End => "the expression ends".to_owned(),
            _ => format!("`{}` stands", &self.text[*start..*end]),
        };
        Err(lex::wrong(self.text, *start, format!("{wanted} is wanted where {found}")))
    }

    pub(super) fn wrong<T>(&self, place: usize, why: impl std::fmt::Display) -> Parsed<T> {
        Err(lex::wrong(self.text, place, why))
    }

    /// An expression whose operators all bind at least as tightly as `tightness`. Everything recursive here is kept
    /// small: an expression nests as deep as its stack of calls.
    pub(super) fn expr(&mut self, tightness: u8) -> Parsed<Operand> {
        self.depth += 1;
        if self.depth > MAX_NESTED {
            return self.wrong(self.place(), format!("more than {MAX_NESTED} levels: split the expression"));
        }
        let mut lhs = self.signed()?;
        while let Some((infix, binds)) = self.infix().filter(|(_, binds)| *binds >= tightness) {
            let op_at = self.place();
            self.advance();
            let op_span = self.since(op_at);
            let modifiers = self.modifiers(infix)?;
            let rises = !matches!(infix, Infix::Arithmetic(Operator::Pow));
            let rhs = self.expr(binds + u8::from(rises))?;
            lhs = self.binary(infix, op_span, modifiers, lhs, rhs)?;
        }
        self.depth -= 1;
        Ok(lhs)
    }

    /// An operand, perhaps with a sign before it.
    fn signed(&mut self) -> Parsed<Operand> {
        let place = self.place();
        if self.accept("-") {
            let Operand { node, syntax, .. } = self.expr(SIGN)?;
            let form = match syntax.form {
                Form::Number(value) => Form::Number(-value),
                _ => Form::Negate(Box::new(syntax)),
            };
            let node = self.negated(place, node)?;
            return Ok(self.operand(place, node, form));
        }
        if self.accept("+") {
            let arg = self.expr(SIGN)?;
            if matches!(arg.node, Node::Scalar(_) | Node::Vector(_)) {
                return Ok(self.operand(place, arg.node, arg.syntax.form));
            }
            return self.wrong(place, format!("`+` cannot stand before `{}`", arg.node));
        }
        let operand = self.primary()?;
        self.modified(operand)
    }

    pub(super) fn negated(&self, place: usize, arg: Node) -> Parsed<Node> {
        match arg {
            Node::Scalar(scalar) => Ok(match *scalar {
                Scalar::Number(value) => Scalar::Number(-value).into(),
                scalar => Scalar::Negate(Box::new(scalar)).into(),
            }),
            Node::Vector(vector) => Ok(Vector::Negate(vector).into()),
            other => self.wrong(place, format!("`-` cannot stand before `{other}`")),
        }
    }

    /// What stands by itself: a literal, a selector, a call, an aggregation, or anything between parentheses.
    pub(super) fn primary(&mut self) -> Parsed<Operand> {
        let place = self.place();
        match self.peek().clone() {
            What::Number(value) => {
                self.advance();
                Ok(self.operand(place, Scalar::Number(value).into(), Form::Number(value)))
            }
            What::Duration(ms) => {
                self.advance();
                let seconds = ms as f64 / 1e3;
                Ok(self.operand(place, Scalar::Number(seconds).into(), Form::Number(seconds)))
            }
            What::Text(text) => {
                self.advance();
                Ok(self.operand(place, Node::Text(text.clone()), Form::Text(text)))
            }
            What::Symbol("(") => {
                self.advance();
                let inner = self.expr(0)?;
                self.expect(")", "an operator or `)`")?;
                Ok(Operand { enclosed: true, ..self.operand(place, inner.node, inner.syntax.form) })
            }
            What::Symbol("{") => self.selector(None, place),
            What::Word(word) => self.named(word, place),
            _ => self.unexpected("a number, a selector, a call or `(`"),
        }
    }

    /// What begins with a word.
    fn named(&mut self, word: &'t str, place: usize) -> Parsed<Operand> {
        let lower = word.to_ascii_lowercase();
        if let "inf" | "nan" = lower.as_str() {
            self.advance();
            let value = if lower == "inf" { f64::INFINITY } else { f64::NAN };
            return Ok(self.operand(place, Scalar::Number(value).into(), Form::Number(value)));
        }
        let is_aggregation = AGGREGATIONS.contains(&lower.as_str());
        let grouped = |token: Option<&Token<'_>>| matches!(token.map(|t| &t.what), Some(What::Word(w)) if ["by", "without"].iter().any(|k| w.eq_ignore_ascii_case(k)));
        if is_aggregation && (self.is_called() || grouped(self.tokens.get(self.next + 1))) {
            self.advance();
            return self.aggregation(&lower, place);
        }
        let is_keyword = RESERVED.contains(&lower.as_str());
        if is_keyword
            || (self.is_called() && ["and", "by", "offset", "or", "unless", "without"].contains(&lower.as_str()))
        {
            return self.unexpected("a number, a selector or a call");
        }
        self.advance();
        if self.comes("(") { self.call(word, place) } else { self.selector(Some(word), place) }
    }

    /// The arguments between parentheses.
    pub(super) fn arguments(&mut self) -> Parsed<Vec<Operand>> {
        let mut args = Vec::new();
        self.expect("(", "`(`")?;
        if self.accept(")") {
            return Ok(args);
        }
        loop {
            args.push(self.expr(0)?);
            if self.accept(")") {
                return Ok(args);
            }
            self.expect(",", "an operator, `,` or `)`")?;
        }
    }

    pub(super) fn vector(&self, arg: Operand) -> Parsed<Box<Vector>> {
        match arg.node {
            Node::Vector(vector) => Ok(vector),
            other => self.misplaced(arg.syntax.span.start, "an instant vector", &other),
        }
    }

    pub(super) fn scalar(&self, arg: Operand) -> Parsed<Box<Scalar>> {
        match arg.node {
            Node::Scalar(scalar) => Ok(scalar),
            other => self.misplaced(arg.syntax.span.start, "a number", &other),
        }
    }

    pub(super) fn matrix(&self, arg: Operand) -> Parsed<Box<Matrix>> {
        match arg.node {
            Node::Matrix(matrix) => Ok(matrix),
            other => self.misplaced(arg.syntax.span.start, "a range such as x[5m]", &other),
        }
    }

    pub(super) fn text(&self, arg: Operand) -> Parsed<String> {
        match arg.node {
            Node::Text(text) => Ok(text),
            other => self.misplaced(arg.syntax.span.start, "a string", &other),
        }
    }

    fn misplaced<T>(&self, place: usize, wanted: &str, found: &Node) -> Parsed<T> {
        self.wrong(place, format!("{wanted} is wanted where `{found}` stands"))
    }
}
