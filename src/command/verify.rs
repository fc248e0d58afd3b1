//! `--verify-with`: a real Prometheus or promtool is asked the same as our evaluator, over the same samples. Where the two
//! disagree, one of them is wrong, and nothing is decided by either.

use crate::base::series::{Labels, Series};
use crate::base::text;
use crate::cli::args::Program;
use crate::judge::Question;
use crate::observe::oracle::{self, Asked, Oracle, Told, Version, Which};
use crate::promql::{self, Options, Semantics, Storage, Value};

/// Differences below this share are rounding: the programs sum in another order.
const TOLERANCE: f64 = 1e-9;
/// How many elements of an answer are shown.
const SHOWN: usize = 3;

/// A program that is there and whose rules are known.
pub(super) struct Verifier {
    which: Which,
    version: Version,
    semantics: Semantics,
}

/// What came of asking.
pub(super) struct Verified {
    /// What does not stand, by finding, each once.
    pub doubts: Vec<(usize, String)>,
    /// For whoever asked: one line for each disagreement, and how many agree.
    pub lines: Vec<String>,
}

impl Verifier {
    /// The error says what is not there, or why it cannot be asked.
    pub(super) fn new(program: Program) -> Result<Verifier, String> {
        let which = match program {
            Program::Prometheus => Which::Prometheus,
            Program::Promtool => Which::Promtool,
        };
        let version = runtime()?.block_on(oracle::version(which))?;
        let semantics = match (version.major, version.minor) {
            (0..=1, _) | (2, 49..) => {
                return Err(format!(
                    "--verify-with {which}: this is {version}, whose rules are between those of 2.48 and 3.0: install one \
                     of those"
                ));
            }
            (2, _) => Semantics::V2,
            _ => Semantics::V3,
        };
        Ok(Verifier { which, version, semantics })
    }

    /// Asks what all findings hang on. What cannot be asked is doubted.
    pub(super) fn verify(&self, questions: &[Question], series: &[Series]) -> Verified {
        let program = format!("{} {}", self.which, self.version);
        if questions.is_empty() {
            return Verified {
                doubts: Vec::new(),
                lines: vec![format!("{program} was not asked: no PromQL was decided")],
            };
        }
        let asked: Vec<Asked> = questions.iter().map(|q| Asked { expr: q.expr.clone(), at_ms: q.at_ms }).collect();
        let told = match self.ask(&asked, series) {
            Ok(told) => told,
            Err(why) => {
                let mut doubts: Vec<(usize, String)> =
                    questions.iter().map(|q| (q.finding, format!("could not be verified: {why}"))).collect();
                doubts.dedup_by_key(|(finding, _)| *finding);
                return Verified { doubts, lines: vec![why] };
            }
        };
        let storage = Storage::new(series);
        let (mut doubts, mut lines): (Vec<(usize, String)>, Vec<String>) = (Vec::new(), Vec::new());
        for (question, theirs) in questions.iter().zip(&told) {
            let ours = self.ours(&storage, &question.expr, question.at_ms);
            if let Some(difference) = difference(&ours, theirs, &program) {
                lines.push(format!("`{}` at {} ms: {difference}", question.expr, question.at_ms));
                if doubts.iter().all(|(finding, _)| *finding != question.finding) {
                    doubts.push((question.finding, difference));
                }
            }
        }
        let agree = questions.len() - lines.len();
        lines.push(format!("{program} agrees on {} of {} expressions", text::thousands(agree as u64), questions.len()));
        Verified { doubts, lines }
    }

    /// What it says to one expression, beside what we say by its rules; `None` where that is the same.
    pub(super) fn difference(&self, expr: &str, at_ms: i64, series: &[Series]) -> Result<Option<String>, String> {
        let told = self.ask(&[Asked { expr: expr.to_owned(), at_ms }], series)?;
        let ours = self.ours(&Storage::new(series), expr, at_ms);
        let theirs = told.into_iter().next().unwrap_or_else(|| Err("no answer".into()));
        Ok(difference(&ours, &theirs, &self.to_string()))
    }

    /// Gives it the series that the expressions read, and no others.
    fn ask(&self, asked: &[Asked], series: &[Series]) -> Result<Vec<Told>, String> {
        let exprs: Vec<promql::Expr> =
            asked.iter().filter_map(|a| promql::parse_for(&a.expr, self.semantics).ok()).collect();
        let selections: Vec<_> = exprs.iter().flat_map(promql::Expr::selectors).collect();
        let read = |one: &&Series| selections.iter().any(|s| s.selector.matches(&one.labels));
        let series: Vec<&Series> = series.iter().filter(read).collect();
        runtime()?.block_on(async { Oracle::start(self.which, &series).await?.ask(asked).await })
    }

    /// What our evaluator says by the rules of that program.
    fn ours(&self, storage: &Storage<'_>, expr: &str, at_ms: i64) -> Told {
        let options = Options { semantics: self.semantics, ..Options::default() };
        let expr = promql::parse_for(expr, self.semantics).map_err(|e| e.to_string())?;
        match promql::evaluate(&expr, storage, at_ms, &options).map_err(|e| e.to_string())? {
            Value::Scalar(value) => Ok(vec![(Labels::default(), value)]),
            Value::Vector(elements) => Ok(elements.into_iter().map(|e| (e.labels, e.value)).collect()),
            Value::Matrix(_) => Err("the answer is a range".into()),
            Value::Text(_) => Err("the answer is a text".into()),
        }
    }
}

/// As it is called in what is said of it.
impl std::fmt::Display for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.which, self.version)
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| format!("no runtime: {why}"))
}

/// How two answers differ, with both; `None` where they do not. Two errors are the same answer.
fn difference(ours: &Told, theirs: &Told, program: &str) -> Option<String> {
    let (mut a, mut b) = match (ours, theirs) {
        (Err(_), Err(_)) => return None,
        (Ok(a), Ok(b)) => (a.clone(), b.clone()),
        _ => return Some(format!("{program} says {}, we say {}", shown(theirs), shown(ours))),
    };
    a.sort_by(|x, y| x.0.cmp(&y.0));
    b.sort_by(|x, y| x.0.cmp(&y.0));
    a.retain(|x| !b.iter().any(|y| same(x, y)));
    b.retain(|y| !ours.iter().flatten().any(|x| same(x, y)));
    (!a.is_empty() || !b.is_empty()).then(|| format!("{program} says {}, we say {}", shown(&Ok(b)), shown(&Ok(a))))
}

fn same((of, a): &(Labels, f64), (with, b): &(Labels, f64)) -> bool {
    let near = (a - b).abs() <= TOLERANCE * a.abs().max(b.abs());
    of == with && (a == b || a.is_nan() && b.is_nan() || near && a.is_finite() && b.is_finite())
}

fn shown(told: &Told) -> String {
    match told {
        Err(why) => format!("that it is wrong ({why})"),
        Ok(elements) if elements.is_empty() => "nothing more".into(),
        Ok(elements) => {
            let shown = elements.iter().take(SHOWN).map(|(labels, value)| format!("{labels} {value}"));
            let rest = if elements.len() > SHOWN { "; …" } else { "" };
            shown.collect::<Vec<_>>().join("; ") + rest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(elements: &[(&str, f64)]) -> Told {
        Ok(elements.iter().map(|(job, value)| (Labels::new([("job", *job)]), *value)).collect())
    }

    #[test]
    fn rounding_is_no_disagreement() {
        let ours = told(&[("a", 0.1), ("b", f64::NAN), ("c", f64::INFINITY)]);
        let theirs = told(&[("c", f64::INFINITY), ("b", f64::NAN), ("a", 0.100_000_000_000_01)]);
        assert_eq!(difference(&ours, &theirs, "x"), None);
        assert_eq!(difference(&Err("a".into()), &Err("b".into()), "x"), None);
    }

    #[test]
    fn a_disagreement_is_told_with_both_values() {
        for (ours, theirs, says) in [
            (
                told(&[("a", 1.0), ("b", 2.0)]),
                told(&[("a", 1.5), ("b", 2.0)]),
                "x says {job=\"a\"} 1.5, we say {job=\"a\"} 1",
            ),
            (told(&[("a", 1.0)]), told(&[]), "x says nothing more, we say {job=\"a\"} 1"),
            (told(&[]), told(&[("a", 0.0)]), "x says {job=\"a\"} 0, we say nothing more"),
            (Err("bad".into()), told(&[("a", 0.0)]), "x says {job=\"a\"} 0, we say that it is wrong (bad)"),
            (told(&[("a", f64::NAN)]), told(&[("a", 0.0)]), "we say {job=\"a\"} NaN"),
        ] {
            let difference = difference(&ours, &theirs, "x").expect("they differ");
            assert!(difference.contains(says), "{difference}");
        }
    }
}
