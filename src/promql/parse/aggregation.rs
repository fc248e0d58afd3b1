//! Aggregations, and lists of label names.

use super::grammar::{Operand, Parsed, Parser};
use super::lex::What;
use crate::promql::ast::{Aggregation, Grouping, Place, Vector};
use crate::promql::syntax::{Form, Labelled, Syntax};

impl Parser<'_> {
    /// An aggregation; its name has been read already.
    pub(super) fn aggregation(&mut self, name: &str, place: usize) -> Parsed<Operand> {
        let before = self.grouping()?;
        let mut args = self.arguments()?;
        let grouping = match (before, self.grouping()?) {
            (Some(_), Some(_)) => return self.wrong(place, format!("`{name}` is grouped twice")),
            (grouping, None) | (None, grouping) => grouping,
        };
        let written = match &grouping {
            None => Labelled::Unsaid,
            Some(Grouping::By(labels)) => Labelled::Only(labels.clone()),
            Some(Grouping::Without(labels)) => Labelled::AllBut(labels.clone()),
        };
        let grouping = grouping.unwrap_or(Grouping::By(Vec::new()));
        let wanted = 1 + usize::from(TAKE_A_PARAMETER.contains(&name));
        if args.len() != wanted {
            let wanted = if wanted == 1 { "one argument" } else { "two arguments, the number or text first" };
            return self.wrong(place, format!("{name} takes {wanted}"));
        }
        let Some(arg) = args.pop() else { return self.unexpected("an argument") };
        let param = args.pop();
        let form = Form::Aggregate {
            op: name.to_owned(),
            param: param.as_ref().map(|param| Box::new(param.syntax.clone())),
            arg: Box::new(arg.syntax.clone()),
            grouping: written,
        };
        let span = self.since(place);
        let arg = self.vector(arg)?;
        let op = match param {
            None => match name {
                "sum" => Aggregation::Sum,
                "avg" => Aggregation::Avg,
                "min" => Aggregation::Min,
                "max" => Aggregation::Max,
                "count" => Aggregation::Count,
                "group" => Aggregation::Group,
                "stddev" => Aggregation::Stddev,
                _ => Aggregation::Stdvar,
            },
            Some(param) if name == "count_values" => {
                let (place, label) = (param.place(), self.text(param)?);
                if label.is_empty() {
                    return self.wrong(place, "invalid label name \"\" in count_values: a label needs a name");
                }
                Aggregation::CountValues(label)
            }
            Some(param) => {
                let (place, param) = (Place(param.place()), self.scalar(param)?);
                match name {
                    "topk" => Aggregation::Top { k: param, largest: true },
                    "bottomk" => Aggregation::Top { k: param, largest: false },
                    "limitk" => Aggregation::Limit(param),
                    "limit_ratio" => Aggregation::Ratio { ratio: param, place },
                    _ => Aggregation::Quantile { q: param, place },
                }
            }
        };
        let node = Vector::Aggregate { op, grouping, arg }.into();
        Ok(Operand { node, syntax: Syntax { span, form }, enclosed: false })
    }

    fn grouping(&mut self) -> Parsed<Option<Grouping>> {
        if self.accept_word("by") {
            return Ok(Some(Grouping::By(self.labels()?)));
        }
        if self.accept_word("without") {
            return Ok(Some(Grouping::Without(self.labels()?)));
        }
        Ok(None)
    }

    /// Label names between parentheses, a comma behind the last allowed.
    pub(super) fn labels(&mut self) -> Parsed<Vec<String>> {
        let mut labels = Vec::new();
        self.expect("(", "`(` with label names")?;
        loop {
            if self.accept(")") {
                return Ok(labels);
            }
            labels.push(match self.peek().clone() {
                What::Word(word) if !word.contains(':') => word.to_owned(),
                What::Text(text) if !text.is_empty() => text,
                _ => return self.unexpected("a label name"),
            });
            self.advance();
            if !self.comes(")") {
                self.expect(",", "`,` or `)`")?;
            }
        }
    }
}

/// Aggregations, in the letters in which they are printed; they are read in any case.
pub(super) const AGGREGATIONS: [&str; 14] = [
    "avg",
    "bottomk",
    "count",
    "count_values",
    "group",
    "limit_ratio",
    "limitk",
    "max",
    "min",
    "quantile",
    "stddev",
    "stdvar",
    "sum",
    "topk",
];

const TAKE_A_PARAMETER: [&str; 6] = ["bottomk", "count_values", "limit_ratio", "limitk", "quantile", "topk"];
