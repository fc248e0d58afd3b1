//! Which selectors must be fetched, and whether what an expression reads was. What was not fetched is not in the evidence:
//! that nothing is found there says nothing of the target.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::alerts;
use crate::base::units;
use crate::evidence::servers::Prometheus as Told;
use crate::plan::Plan;
use crate::promql::{self, Expr, MatchOp, Matcher, Options, Selector};
use crate::scenario::{Claim, Scenario, Source};

/// A selector that must be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Which series, as PromQL, without a range.
    pub selector: String,
    /// How far behind the instants that are judged it is read.
    pub back: Duration,
}

/// Every selector of the promises that are judged by a Prometheus server, and of the rules that are replayed over its samples.
pub fn selections(scenario: &Scenario, plan: &Plan) -> Vec<Selection> {
    let longest = format!("{}ms", plan.timeline.end.nanos().max(0) / 1_000_000);
    let exprs = scenario.promises.iter().filter_map(|promise| match &promise.claim {
        Claim::Server { expr, source: Source::Prometheus, .. } => {
            promql::parse(&expr.replace("$window", &longest)).ok()
        }
        _ => None,
    });
    merged(of(exprs).into_iter().chain(alerts::selections(scenario)))
}

/// Every selector of some expressions, each once, with the lookback of instant selectors.
pub fn of(exprs: impl IntoIterator<Item = Expr>) -> Vec<Selection> {
    let of_expr = |expr: Expr| {
        let back = Duration::from_millis(expr.reach().back_ms.unsigned_abs());
        let selectors = expr.selectors();
        selectors.into_iter().map(|s| Selection::new(s.selector, back)).collect::<Vec<_>>()
    };
    merged(exprs.into_iter().flat_map(of_expr))
}

/// Each selector once, as far back as it is read by anybody.
fn merged(all: impl IntoIterator<Item = Selection>) -> Vec<Selection> {
    let mut once: BTreeMap<String, Duration> = BTreeMap::new();
    for Selection { selector, back } in all {
        let known = once.entry(selector).or_default();
        *known = back.max(*known);
    }
    once.into_iter().map(|(selector, back)| Selection { selector, back }).collect()
}

impl Selection {
    /// What a selector asks for, as far back as it is read, and the lookback of instant selectors.
    pub fn new(selector: &Selector, back: Duration) -> Selection {
        let lookback = Duration::from_millis(Options::default().lookback_ms.unsigned_abs());
        Selection { selector: written(&selector.matchers), back: back.saturating_add(lookback) }
    }
}

/// What became of a selector that was to be fetched.
pub struct Selected {
    /// As it was asked.
    pub selector: String,
    matchers: Vec<Matcher>,
    /// On our clock, in Unix milliseconds.
    pub from: i64,
    /// The same.
    pub to: i64,
    /// How many series came.
    pub series: u64,
    /// How many samples came.
    pub samples: u64,
    /// Why not all of it came.
    pub failed: Option<String>,
}

impl Selected {
    pub(super) fn of(told: &Told, shift: i64) -> Option<Selected> {
        let Told::Fetched { selector, from, to, series, samples, failed } = told else { return None };
        let expr = promql::parse(selector).ok()?;
        let [only] = expr.selectors()[..] else { return None };
        Some(Selected {
            selector: selector.clone(),
            matchers: only.selector.matchers.clone(),
            from: from - shift,
            to: to - shift,
            series: *series,
            samples: *samples,
            failed: failed.clone(),
        })
    }

    /// Whether all series of a selector are among those that were asked for: it asks for no less.
    fn holds(&self, matchers: &[Matcher]) -> bool {
        self.matchers.iter().all(|mine| matchers.iter().any(|other| same(mine, other)))
    }
}

/// Whether all that an expression reads between two instants is in the evidence; the error says what is not.
pub fn covered(selected: &[Selected], expr: &Expr, from: i64, to: i64) -> Result<(), String> {
    expr.selectors().into_iter().try_for_each(|selection| held(selected, &selection.selector.matchers, from, to))
}

/// The same of one selector.
pub fn held(selected: &[Selected], matchers: &[Matcher], from: i64, to: i64) -> Result<(), String> {
    let wanted = written(matchers);
    let held: Vec<&Selected> = selected.iter().filter(|s| s.holds(matchers)).collect();
    if held.is_empty() {
        return Err(format!("`{wanted}` is not in the evidence: it was not fetched from the Prometheus server"));
    }
    if held.iter().any(|s| s.failed.is_none() && s.from <= from && to <= s.to) {
        return Ok(());
    }
    Err(match held.iter().find_map(|s| s.failed.as_ref()) {
        Some(why) => format!("`{wanted}` could not be fetched from the Prometheus server: {why}"),
        None => {
            let short = held.iter().map(|s| (s.from - from).max(to - s.to)).min().unwrap_or(0);
            let short = units::duration(Duration::from_millis(short.unsigned_abs()));
            format!("`{wanted}` is not in the evidence for {short} of what is read")
        }
    })
}

fn same(a: &Matcher, b: &Matcher) -> bool {
    a.label == b.label && a.value == b.value && symbol(&a.op) == symbol(&b.op)
}

fn symbol(op: &MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex(_) => "=~",
        MatchOp::NotRegex(_) => "!~",
    }
}

/// A selector as PromQL: `{__name__="x",a=~"b|c"}`. All its series are the same whatever the order of the matchers.
fn written(matchers: &[Matcher]) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let one = |m: &Matcher| format!("{}{}\"{}\"", m.label, symbol(&m.op), quoted(&m.value));
    let mut all: Vec<String> = matchers.iter().map(one).collect();
    all.sort_by_key(|text| (!text.starts_with("__name__"), text.clone()));
    all.dedup();
    format!("{{{}}}", all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Expr {
        promql::parse(text).expect("it is PromQL")
    }

    #[test]
    fn every_selector_is_fetched_once_and_as_far_back_as_it_is_read() {
        let all = of([parsed("sum(rate(a{x=\"1\",y=~\"2|3\"}[10m])) / sum(b)"), parsed("a{y=~\"2|3\",x=\"1\"}")]);
        let shown: Vec<(&str, u64)> = all.iter().map(|s| (s.selector.as_str(), s.back.as_secs())).collect();
        assert_eq!(shown, [("{__name__=\"a\",x=\"1\",y=~\"2|3\"}", 900), ("{__name__=\"b\"}", 900)]);
        assert!(promql::parse(&all[0].selector).is_ok());
    }

    #[test]
    fn what_asks_for_no_more_than_was_fetched_is_covered() {
        let told = |selector: &str, failed: Option<&str>| Told::Fetched {
            selector: selector.into(),
            from: 1_000,
            to: 9_000,
            series: 1,
            samples: 2,
            failed: failed.map(str::to_owned),
        };
        let selected = |selector, failed| Selected::of(&told(selector, failed), 0).expect("a selector");
        let all = [selected("{__name__=\"a\"}", None), selected("{__name__=\"b\"}", Some("it asks who we are (401)"))];
        let why = |text, from, to| covered(&all, &parsed(text), from, to);
        assert_eq!(why("rate(a{x=\"1\"}[1m])", 1_000, 9_000), Ok(()));
        assert!(why("c", 1_000, 9_000).is_err_and(|why| why.contains("`{__name__=\"c\"}` is not in the evidence")));
        assert!(why("{x=\"1\"}", 1_000, 9_000).is_err(), "it asks for more");
        assert!(why("b", 1_000, 9_000).is_err_and(|why| why.contains("(401)")));
        assert!(why("a", 0, 9_000).is_err_and(|why| why.contains("for 1s of")));
        assert!(why("a", 1_000, 9_500).is_err_and(|why| why.contains("for 500ms of")));
    }
}
