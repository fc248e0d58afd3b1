//! Metrics that must be there, and those that must change under load.

use super::exposed::View;
use super::{Ruling, plain, unfinished, whole};
use crate::base::series::{Series, is_stale};
use crate::base::text;
use crate::judge::trial::Trial;
use crate::judge::verdict::Verdict;
use crate::scenario::Contract;

/// Whether what must be there is there.
pub(super) fn requires(trial: &Trial<'_>, contract: &Contract, view: &View<'_>) -> Option<Ruling> {
    let exposed = view.exposed();
    let missing = contract.requires.iter().filter(|name| exposed.named(name).next().is_none());
    ruling(
        trial,
        view,
        "requires",
        &contract.requires,
        missing.map(|name| format!("`{name}` was never exposed")).collect(),
    )
}

/// Whether what must change under load did. A metric that is not there did not.
pub(super) fn moves(trial: &Trial<'_>, contract: &Contract, view: &View<'_>) -> Option<Ruling> {
    let exposed = view.exposed();
    let still = contract.moves.iter().filter_map(|name| {
        let series: Vec<&Series> = exposed.named(name).collect();
        match (series.is_empty(), series.iter().any(|series| moved(series, view))) {
            (true, _) => Some(format!("`{name}` was never exposed")),
            (false, false) => Some(format!("`{name}` never changed: {}", at_rest(&series))),
            (false, true) => None,
        }
    });
    ruling(trial, view, "moves", &contract.moves, still.collect())
}

/// Whether a series changed, or was born after the first scrape.
fn moved(series: &Series, view: &View<'_>) -> bool {
    let mut values = series.samples.iter().filter(|s| !is_stale(s.value));
    let Some(first) = values.next() else { return false };
    let born = view.first_scrape().is_some_and(|scrape| first.at > scrape);
    (born && first.value != 0.0) || values.any(|s| s.value.to_bits() != first.value.to_bits())
}

fn at_rest(series: &[&Series]) -> String {
    let value = series.first().and_then(|s| s.samples.iter().find(|s| !is_stale(s.value)));
    let value = value.map_or_else(|| "nothing".to_owned(), |sample| sample.value.to_string());
    match series {
        [_] => format!("{value} throughout"),
        all => format!("{value} throughout, as all of its {} series", all.len()),
    }
}

fn ruling(
    trial: &Trial<'_>,
    view: &View<'_>,
    part: &'static str,
    asked: &[String],
    broken: Vec<String>,
) -> Option<Ruling> {
    if asked.is_empty() {
        return None;
    }
    // Without a page, or with too few of them, what is not there says nothing.
    let (verdict, why) = match (view.blind(), broken.first()) {
        (Some(blind), _) => blind,
        (None, Some(_)) => (Verdict::Fail, broken.join("; ")),
        (None, None) => unfinished(trial, Verdict::Pass, format!("all {}", text::count(asked.len() as u64, "metric"))),
    };
    // A run that ended early may not have come to what moves them.
    let ended_early = verdict == Verdict::Fail && trial.windows.seen < trial.timeline.measured(None).end;
    let (verdict, why) = match ended_early {
        true => (Verdict::Inconclusive, format!("{why} so far, but the run ended early")),
        false => (verdict, why),
    };
    Some(Ruling {
        part,
        promise: String::new(),
        window: whole(trial),
        verdict,
        observed: matches!(verdict, Verdict::Pass | Verdict::Fail).then(|| plain(broken.len() as f64)),
        compare: "==",
        bound: plain(0.0),
        samples: asked.len() as u64,
        why,
    })
}
