//! Operators between two operands: how tightly they bind, what may stand behind them, and what they make of their operands.

use super::grammar::{Operand, Parsed, Parser, SIGN};
use super::lex::What;
use crate::promql::ast::{Fill, Group, MatchLabels, Matching, Node, Operator, Scalar, SetOperator, Vector};
use crate::promql::syntax::{Binary, Form, Labelled, Side, Span};

/// An operator between two operands.
#[derive(Clone, Copy)]
pub(super) enum Infix {
    Arithmetic(Operator),
    Set(SetOperator),
}

/// What stands between an operator and its right operand.
#[derive(Default)]
pub(super) struct Modifiers {
    as_bool: bool,
    labels: Option<MatchLabels>,
    group: Option<Group>,
    fill: Fill,
}

impl Parser<'_> {
    /// The operator that comes next, and how tightly it binds.
    pub(super) fn infix(&self) -> Option<(Infix, u8)> {
        use Operator::{
            Add, Atan2, Div, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, Mod, Mul, NotEqual, Pow, Sub,
        };
        let arithmetic = |op, binds| Some((Infix::Arithmetic(op), binds));
        match self.peek() {
            What::Symbol(symbol) => match *symbol {
                "==" => arithmetic(Equal, 3),
                "!=" => arithmetic(NotEqual, 3),
                ">" => arithmetic(Greater, 3),
                "<" => arithmetic(Less, 3),
                ">=" => arithmetic(GreaterOrEqual, 3),
                "<=" => arithmetic(LessOrEqual, 3),
                "+" => arithmetic(Add, 4),
                "-" => arithmetic(Sub, 4),
                "*" => arithmetic(Mul, 5),
                "/" => arithmetic(Div, 5),
                "%" => arithmetic(Mod, 5),
                "^" => arithmetic(Pow, SIGN),
                _ => None,
            },
            What::Word(word) => match word.to_ascii_lowercase().as_str() {
                "or" => Some((Infix::Set(SetOperator::Or), 1)),
                "and" => Some((Infix::Set(SetOperator::And), 2)),
                "unless" => Some((Infix::Set(SetOperator::Unless), 2)),
                "atan2" => arithmetic(Atan2, 5),
                _ => None,
            },
            _ => None,
        }
    }

    /// What stands behind an operator.
    pub(super) fn modifiers(&mut self, infix: Infix) -> Parsed<Modifiers> {
        let mut modifiers = Modifiers::default();
        let place = self.place();
        if self.accept_word("bool") {
            match infix {
                Infix::Arithmetic(op) if op.is_comparison() => modifiers.as_bool = true,
                _ => return self.wrong(place, "`bool` belongs behind a comparison"),
            }
        }
        if self.accept_word("on") {
            modifiers.labels = Some(MatchLabels::On(self.labels()?));
        } else if self.accept_word("ignoring") {
            modifiers.labels = Some(MatchLabels::Ignoring(self.labels()?));
        }
        let place = self.place();
        let left = self.accept_word("group_left");
        if left || self.accept_word("group_right") {
            let include = if self.comes("(") { self.labels()? } else { Vec::new() };
            match (&modifiers.labels, infix) {
                (_, Infix::Set(op)) => {
                    return self
                        .wrong(place, format!("`{op}` knows no group_left or group_right: it copies no labels"));
                }
                (None, _) => return self.wrong(place, "group_left and group_right stand behind on(…) or ignoring(…)"),
                (Some(MatchLabels::On(on)), _) => {
                    if let Some(label) = include.iter().find(|label| on.contains(label)) {
                        let why = format!("label {label:?} must not occur in ON and GROUP clause at once");
                        return self.wrong(place, why);
                    }
                }
                (Some(MatchLabels::Ignoring(_)), _) => {}
            }
            modifiers.group = Some(if left { Group::Left(include) } else { Group::Right(include) });
        }
        while let What::Word(word) = self.peek()
            && self.is_called()
        {
            let word = word.to_ascii_lowercase();
            let sides = match word.as_str() {
                "fill" => [true, true],
                "fill_left" => [true, false],
                "fill_right" => [false, true],
                _ => break,
            };
            let place = self.place();
            if let Infix::Set(op) = infix {
                return self.wrong(place, format!("`{op}` has nothing to fill: it takes elements as they are"));
            }
            self.advance();
            let value = self.fill_value()?;
            let Fill { left, right } = &mut modifiers.fill;
            for (side, filled) in [left, right].into_iter().zip(sides) {
                if filled && side.replace(value).is_some() {
                    return self.wrong(place, format!("`{word}` fills a side twice"));
                }
            }
        }
        Ok(modifiers)
    }

    /// The number between the parentheses of `fill`.
    fn fill_value(&mut self) -> Parsed<f64> {
        let place = self.place();
        match self.arguments()?.as_slice() {
            [Operand { node: Node::Scalar(scalar), .. }] if matches!(**scalar, Scalar::Number(_)) => match **scalar {
                Scalar::Number(value) => Ok(value),
                _ => self.wrong(place, "a number is wanted"),
            },
            _ => self.wrong(place, "one number is wanted: what stands for a missing element"),
        }
    }

    /// What an operator makes of its operands; an error where their types do not fit.
    pub(super) fn binary(
        &self,
        infix: Infix,
        op_span: Span,
        modifiers: Modifiers,
        lhs: Operand,
        rhs: Operand,
    ) -> Parsed<Operand> {
        let (start, place) = (lhs.place(), rhs.place());
        let written = Binary {
            op: self.text[op_span.clone()].to_ascii_lowercase(),
            op_span,
            lhs: lhs.syntax,
            rhs: rhs.syntax,
            as_bool: modifiers.as_bool,
            matching: match &modifiers.labels {
                None => Labelled::Unsaid,
                Some(MatchLabels::On(labels)) => Labelled::Only(labels.clone()),
                Some(MatchLabels::Ignoring(labels)) => Labelled::AllBut(labels.clone()),
            },
            group: match &modifiers.group {
                Some(Group::Left(labels)) => Some((Side::Left, labels.clone())),
                Some(Group::Right(labels)) => Some((Side::Right, labels.clone())),
                Some(Group::OneToOne) | None => None,
            },
        };
        let node = self.computed(infix, modifiers, (lhs.node, rhs.node), place)?;
        Ok(self.operand(start, node, Form::Binary(Box::new(written))))
    }

    /// The same as it is evaluated.
    fn computed(&self, infix: Infix, modifiers: Modifiers, (lhs, rhs): (Node, Node), place: usize) -> Parsed<Node> {
        let Modifiers { as_bool, labels, group, fill } = modifiers;
        let matches = group.is_some()
            || fill != Fill::default()
            || matches!(&labels, Some(MatchLabels::On(l) | MatchLabels::Ignoring(l)) if !l.is_empty());
        if matches && !matches!((&lhs, &rhs), (Node::Vector(_), Node::Vector(_))) {
            return self.wrong(place, "labels are matched between instant vectors only");
        }
        let labels = labels.unwrap_or(MatchLabels::Ignoring(Vec::new()));
        let op = match infix {
            Infix::Arithmetic(op) => op,
            Infix::Set(op) => {
                return match (lhs, rhs) {
                    (Node::Vector(lhs), Node::Vector(rhs)) => Ok(Vector::Set { op, lhs, rhs, on: labels }.into()),
                    (lhs, rhs) => self
                        .wrong(place, format!("`{op}` stands between instant vectors only, not `{lhs}` and `{rhs}`")),
                };
            }
        };
        Ok(match (lhs, rhs) {
            (Node::Scalar(_), Node::Scalar(_)) if op.is_comparison() && !as_bool => {
                let why = format!("comparisons between scalars must use BOOL modifier: write `{op} bool`");
                return self.wrong(place, why);
            }
            (Node::Scalar(lhs), Node::Scalar(rhs)) => Scalar::Binary { op, lhs, rhs }.into(),
            (Node::Vector(vector), Node::Scalar(scalar)) => {
                Vector::WithScalar { op, vector, scalar, scalar_first: false, as_bool }.into()
            }
            (Node::Scalar(scalar), Node::Vector(vector)) => {
                Vector::WithScalar { op, vector, scalar, scalar_first: true, as_bool }.into()
            }
            (Node::Vector(lhs), Node::Vector(rhs)) => {
                let matching = Matching { labels, group: group.unwrap_or(Group::OneToOne), fill };
                Vector::Match { op, lhs, rhs, matching, as_bool }.into()
            }
            (lhs, rhs) => {
                let why = format!("`{op}` stands between numbers and instant vectors, not between `{lhs}` and `{rhs}`");
                return self.wrong(place, why);
            }
        })
    }
}
