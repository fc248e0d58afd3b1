//! From text to the tree with places: the parser's tree says what the parts are, a second look at the words says where.
//! Both follow the text from left to right, so each part finds its words where the one before it left off.

use promql_parser::label as pl;
use promql_parser::parser as pp;
use regex::Regex;

use super::super::error::Error;
use super::super::lower;
use super::super::selector::{MatchOp, Matcher};
use super::token::{Token, What, tokens};
use super::{Binary, Form, Labelled, Pick, Side, Span, Syntax};

/// Reads an expression. More is PromQL here than the evaluator can evaluate.
pub fn syntax(text: &str) -> Result<Syntax, Error> {
    let tree = lower::tree(text)?;
    Reader { text, tokens: tokens(text), next: 0 }.part(&tree)
}

struct Reader<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// The first word that is not part of what was read.
    next: usize,
}

impl Reader<'_> {
    fn part(&mut self, expr: &pp::Expr) -> Result<Syntax, Error> {
        match expr {
            pp::Expr::Paren(paren) => {
                let start = self.mark("(");
                let inner = self.part(&paren.expr)?;
                self.mark(")");
                Ok(Syntax { span: self.since(start), form: inner.form })
            }
            pp::Expr::Unary(unary) => {
                let start = self.mark("-");
                let arg = Box::new(self.part(&unary.expr)?);
                Ok(Syntax { span: self.since(start), form: Form::Negate(arg) })
            }
            pp::Expr::Binary(binary) => self.binary(binary),
            pp::Expr::Aggregate(aggregate) => self.aggregate(aggregate),
            pp::Expr::Call(call) => {
                let start = self.word(call.func.name);
                self.mark("(");
                let args = call.args.args.iter().map(|arg| self.part(arg)).collect::<Result<_, _>>()?;
                self.closing(")");
                Ok(Syntax { span: self.since(start), form: Form::Call { name: call.func.name, args } })
            }
            pp::Expr::Subquery(subquery) => {
                let start = self.next;
                let arg = Box::new(self.part(&subquery.expr)?);
                self.mark("[");
                self.closing("]");
                let moved = !self.moved().is_empty();
                let (range_ms, step_ms) = (ms(subquery.range), subquery.step.map(ms));
                let form = Form::Subquery { arg, range_ms, step_ms, moved };
                Ok(Syntax { span: self.since(start), form })
            }
            pp::Expr::NumberLiteral(number) => {
                let signed = self.at("-") || self.at("+");
                let start = self.next;
                self.next += usize::from(signed);
                self.next += 1;
                Ok(Syntax { span: self.since(start), form: Form::Number(number.val) })
            }
            pp::Expr::StringLiteral(text) => {
                let start = self.next;
                self.next += 1;
                Ok(Syntax { span: self.since(start), form: Form::Text(text.val.clone()) })
            }
            pp::Expr::VectorSelector(selector) => self.selector(selector, None),
            pp::Expr::MatrixSelector(range) => self.selector(&range.vs, Some(ms(range.range))),
            pp::Expr::Extension(_) => Err(Error::unsupported(expr.to_string(), "it is not part of PromQL")),
        }
    }

    fn binary(&mut self, binary: &pp::BinaryExpr) -> Result<Syntax, Error> {
        let start = self.next;
        let lhs = self.part(&binary.lhs)?;
        let op_at = self.next;
        self.next += 1;
        let op_span = self.since(op_at);
        let modifier = binary.modifier.clone().unwrap_or_default();
        if self.is_word("bool") {
            self.next += 1;
        }
        while ["on", "ignoring", "group_left", "group_right", "fill", "fill_left", "fill_right"]
            .iter()
            .any(|word| self.is_word(word))
        {
            let is_list = self.text_at(self.next + 1) == "(" && self.lists_labels();
            self.next += 1;
            if is_list {
                self.closing(")");
            }
        }
        let rhs = self.part(&binary.rhs)?;
        let binary = Binary {
            op: binary.op.to_string(),
            op_span,
            lhs,
            rhs,
            as_bool: modifier.return_bool,
            matching: labelled(modifier.matching.as_ref()),
            group: match modifier.card {
                pp::VectorMatchCardinality::ManyToOne(labels) => Some((Side::Left, labels.labels)),
                pp::VectorMatchCardinality::OneToMany(labels) => Some((Side::Right, labels.labels)),
                _ => None,
            },
        };
        Ok(Syntax { span: self.since(start), form: Form::Binary(Box::new(binary)) })
    }

    /// Whether the parenthesis after the word here holds labels: after `group_left` an operand may stand in one too.
    fn lists_labels(&self) -> bool {
        let mut at = self.next + 2;
        loop {
            match self.text_at(at) {
                ")" => break,
                "," => at += 1,
                _ if self.tokens.get(at).is_some_and(|t| t.what != What::Mark) => at += 1,
                _ => return false,
            }
        }
        // `a / group_left (b)` lists nothing but the operand; no text ends with a list.
        at + 1 < self.tokens.len()
    }

    fn aggregate(&mut self, aggregate: &pp::AggregateExpr) -> Result<Syntax, Error> {
        let op = aggregate.op.to_string();
        let start = self.word(&op);
        self.grouping();
        self.mark("(");
        let param = aggregate.param.as_ref().map(|param| self.part(param)).transpose()?;
        if param.is_some() {
            self.mark(",");
        }
        let arg = Box::new(self.part(&aggregate.expr)?);
        self.closing(")");
        self.grouping();
        let grouping = labelled(aggregate.modifier.as_ref());
        let form = Form::Aggregate { op, param: param.map(Box::new), arg, grouping };
        Ok(Syntax { span: self.since(start), form })
    }

    fn grouping(&mut self) {
        if self.is_word("by") || self.is_word("without") {
            self.next += 1;
            self.closing(")");
        }
    }

    fn selector(&mut self, selector: &pp::VectorSelector, range_ms: Option<i64>) -> Result<Syntax, Error> {
        let start = self.next;
        if !self.at("{") {
            self.next += 1;
        }
        let places = if self.at("{") { self.braces() } else { Vec::new() };
        if range_ms.is_some() {
            self.closing("]");
        }
        let moved = self.moved();
        let mut matchers = Vec::new();
        let mut metric = selector.name.clone();
        for (i, matcher) in selector.matchers.matchers.iter().enumerate() {
            let matcher = matcher_of(self.text, matcher)?;
            if matcher.label == "__name__" && matches!(matcher.op, MatchOp::Equal) {
                metric.get_or_insert(matcher.value.clone());
            }
            matchers.push((matcher, places.get(i).cloned().unwrap_or_else(|| self.since(start))));
        }
        let pick = Pick { metric, matchers, range_ms, moved };
        Ok(Syntax { span: self.since(start), form: Form::Selector(pick) })
    }

    /// Passes over the matchers of a selector and tells their places. A quoted name stands alone and is none.
    fn braces(&mut self) -> Vec<Span> {
        let mut places = Vec::new();
        self.next += 1;
        let mut first = self.next;
        while self.next < self.tokens.len() {
            let ends = self.at("}") || self.at(",");
            if ends && self.next >= first + 3 {
                places.push(self.tokens[first].span.start..self.tokens[self.next - 1].span.end);
            }
            let closes = self.at("}");
            self.next += 1;
            if closes {
                break;
            }
            if ends {
                first = self.next;
            }
        }
        places
    }

    /// Passes over `offset` and `@`.
    fn moved(&mut self) -> String {
        let start = self.next;
        loop {
            if self.is_word("offset") || self.at("@") {
                self.next += 1;
                self.next += usize::from(self.at("-") || self.at("+"));
                self.next += 1;
                if self.at("(") {
                    self.closing(")");
                }
            } else {
                break;
            }
        }
        if start == self.next { String::new() } else { self.text[self.since(start)].to_string() }
    }

    /// From the word of this index to what was read.
    fn since(&self, start: usize) -> Span {
        let last = self.tokens.len().saturating_sub(1);
        let at = |i: usize| self.tokens.get(i.min(last)).map(|t| t.span.clone()).unwrap_or(0..0);
        at(start).start..at(self.next.saturating_sub(1).max(start)).end
    }

    fn text_at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |t| &self.text[t.span.clone()])
    }

    fn at(&self, mark: &str) -> bool {
        self.text_at(self.next) == mark
    }

    fn is_word(&self, word: &str) -> bool {
        self.text_at(self.next).eq_ignore_ascii_case(word)
    }

    /// Passes over the next such mark; the index of it.
    fn mark(&mut self, mark: &str) -> usize {
        self.find(|text| text == mark)
    }

    fn word(&mut self, word: &str) -> usize {
        self.find(|text| text.eq_ignore_ascii_case(word))
    }

    fn find(&mut self, is: impl Fn(&str) -> bool) -> usize {
        match (self.next..self.tokens.len()).find(|i| is(self.text_at(*i))) {
            Some(at) => {
                self.next = at + 1;
                at
            }
            None => self.next,
        }
    }

    /// Passes over everything up to the bracket that closes what is open here, or what opens here.
    fn closing(&mut self, bracket: &str) {
        let mut open = 0;
        while self.next < self.tokens.len() {
            let text = self.text_at(self.next);
            match text {
                "(" | "[" | "{" => open += 1,
                ")" | "]" | "}" => open -= 1,
                _ => {}
            }
            let closes = text == bracket && open <= 0;
            self.next += 1;
            if closes {
                break;
            }
        }
    }
}

fn ms(length: std::time::Duration) -> i64 {
    i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
}

fn labelled(modifier: Option<&pp::LabelModifier>) -> Labelled {
    match modifier {
        None => Labelled::Unsaid,
        Some(pp::LabelModifier::Include(labels)) => Labelled::Only(labels.labels.clone()),
        Some(pp::LabelModifier::Exclude(labels)) => Labelled::AllBut(labels.labels.clone()),
    }
}

fn matcher_of(text: &str, matcher: &pl::Matcher) -> Result<Matcher, Error> {
    let anchored = |regex: &Regex| {
        let why = || format!("`{}` is not a regular expression", matcher.value);
        Regex::new(&format!("^(?s:{})$", regex.as_str())).map_err(|_| Error::syntax(text.trim(), why()))
    };
    let op = match &matcher.op {
        pl::MatchOp::Equal => MatchOp::Equal,
        pl::MatchOp::NotEqual => MatchOp::NotEqual,
        pl::MatchOp::Re(regex) => MatchOp::Regex(anchored(regex)?),
        pl::MatchOp::NotRe(regex) => MatchOp::NotRegex(anchored(regex)?),
    };
    Ok(Matcher { label: matcher.name.clone(), op, value: matcher.value.clone() })
}
