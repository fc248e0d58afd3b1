//! Whether the server makes of an expression what we make of it. Both have the same samples, so that the answers are
//! the same but for the last digits; where they are not, nobody knows whose is right, and a promise is not kept by it.

use serde::Serialize;

use super::super::measure::Ruling;
use super::super::verdict::{Verdict, span};
use super::Fetched;
use crate::base::series::Labels;
use crate::base::time::Span;
use crate::promql::{self, Element, Expr, Storage, Value};
use crate::scenario::Compare;

/// Answers that differ by less are the same: the order of additions differs.
const CLOSE: f64 = 1e-6;

/// How two answers to one question go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The same.
    Agree,
    /// Not the same, but what the server says lies between our answers one scrape earlier and one later.
    Near,
    /// Not the same.
    Disagree,
    /// The server speaks another language, on purpose: its answer is no check.
    Foreign,
    /// The server did not answer, or was not asked.
    Unanswered,
}

/// A promise as the server has it, beside ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckSummary {
    /// The promise as typed.
    pub promise: String,
    /// What was asked.
    pub expr: String,
    /// About which time: start and end in nanoseconds since the plan's zero.
    #[serde(serialize_with = "span")]
    pub span: Span,
    /// How the two go together.
    pub agreement: Agreement,
    /// Our answer, or that there is none.
    pub ours: String,
    /// The server's answer, or why there is none.
    pub theirs: String,
}

/// One question, and what we make of it.
pub(in crate::judge) struct Crossing<'a> {
    pub promise: &'a str,
    pub expr: &'a Expr,
    pub at: i64,
    pub span: Span,
    pub compare: Compare,
    pub bound: f64,
}

impl Fetched {
    /// Holds our answer against the server's. What would be kept is undecided where they disagree; what is broken stays
    /// broken only where it is so by both.
    pub(in crate::judge) fn cross(
        &self,
        crossing: &Crossing<'_>,
        storage: &Storage<'_>,
        ruling: &mut Ruling,
    ) -> CheckSummary {
        let Crossing { promise, expr, at, span, compare, bound } = *crossing;
        let ours = self.elements(expr, storage, at);
        let answer = self.answers.iter().find(|answer| answer.expr == expr.text() && answer.at == at);
        let summary = |agreement, theirs: String| CheckSummary {
            promise: promise.to_owned(),
            expr: expr.text().to_owned(),
            span,
            agreement,
            ours: ours.as_ref().map_or_else(|why| why.clone(), |ours| shown(ours)),
            theirs,
        };
        let Some(answer) = answer else {
            return summary(Agreement::Unanswered, "it was not asked".into());
        };
        if let Some(why) = &answer.failed {
            return summary(Agreement::Unanswered, why.clone());
        }
        let theirs: Vec<Element> = answer
            .elements
            .iter()
            .filter_map(|(labels, value)| {
                let labels = Labels::new(labels.iter().map(|(n, v)| (n.as_str(), v.as_str())));
                Some(Element { labels, value: number(value)? })
            })
            .collect();
        let told = shown(&theirs);
        if self.identity.as_ref().is_some_and(|identity| identity.product == "VictoriaMetrics") {
            return summary(Agreement::Foreign, told);
        }
        let same = ours.as_ref().is_ok_and(|ours| agree(ours, &theirs, &|a, b| close(a, b)));
        if same {
            return summary(Agreement::Agree, told);
        }
        if ours.as_ref().is_ok_and(|ours| self.is_near(expr, storage, at, ours, &theirs)) {
            return summary(Agreement::Near, told);
        }
        let broken = !theirs.is_empty() && theirs.iter().any(|e| !e.value.is_nan() && !compare.holds(e.value, bound));
        if ruling.verdict == Verdict::Pass || (ruling.verdict == Verdict::Fail && !broken) {
            ruling.why = format!("{}, but the server itself says {told}", ruling.why);
            ruling.verdict = Verdict::Inconclusive;
        }
        summary(Agreement::Disagree, told)
    }

    /// Whether every answer of the server lies between ours one scrape earlier and one later.
    fn is_near(&self, expr: &Expr, storage: &Storage<'_>, at: i64, ours: &[Element], theirs: &[Element]) -> bool {
        let step = self
            .scrapes(storage, expr)
            .values()
            .filter_map(|times| super::gaps::pace(&times.iter().map(|(at, _)| *at).collect::<Vec<_>>()))
            .max();
        let Some(step) = step else { return false };
        let (Ok(earlier), Ok(later)) =
            (self.elements(expr, storage, at - step), self.elements(expr, storage, at + step))
        else {
            return false;
        };
        let beside =
            |labels: &Labels| [&earlier, &later].map(|all| all.iter().find(|e| e.labels == *labels).map(|e| e.value));
        theirs.len() == ours.len()
            && theirs.iter().all(|their| {
                let our = ours.iter().find(|our| our.labels == their.labels).map(|our| our.value);
                let [Some(earlier), Some(later)] = beside(&their.labels) else { return false };
                let Some(our) = our else { return false };
                let (low, high) = (our.min(earlier).min(later), our.max(earlier).max(later));
                low <= their.value && their.value <= high || close(our, their.value)
            })
    }

    fn elements(&self, expr: &Expr, storage: &Storage<'_>, at: i64) -> Result<Vec<Element>, String> {
        match promql::evaluate(expr, storage, at, &self.options()) {
            Ok(Value::Vector(elements)) => Ok(elements),
            Ok(Value::Scalar(value)) => Ok(vec![Element { labels: Labels::default(), value }]),
            Ok(Value::Matrix(_) | Value::Text(_)) => Err("no value".into()),
            Err(why) => Err(why.to_string()),
        }
    }
}

/// Whether two answers have the same elements with values that go together.
fn agree(ours: &[Element], theirs: &[Element], together: &dyn Fn(f64, f64) -> bool) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .all(|our| theirs.iter().any(|their| their.labels == our.labels && together(our.value, their.value)))
}

fn close(a: f64, b: f64) -> bool {
    let scale = a.abs().max(b.abs());
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= CLOSE * scale
}

fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        text => text.parse().ok(),
    }
}

/// An answer in a few words: its first elements.
fn shown(elements: &[Element]) -> String {
    const FEW: usize = 3;
    let one = |e: &Element| match e.labels.is_empty() {
        true => format!("{}", e.value),
        false => format!("{} {}", e.labels, e.value),
    };
    match elements.len() {
        0 => "no data".into(),
        n if n <= FEW => elements.iter().map(one).collect::<Vec<_>>().join(", "),
        n => format!("{}, … ({n} in all)", elements[..FEW].iter().map(one).collect::<Vec<_>>().join(", ")),
    }
}
