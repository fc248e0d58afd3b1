//! Summaries: quantiles that are quantiles, and in order.

use std::collections::BTreeMap;

use super::exposed::Exposed;
use super::finding::{At, Book};
use crate::base::metrics::rule;
use crate::base::series::{Labels, Series, is_stale};
use crate::observe::exposition::Kind;

/// Everything that is wrong with summaries.
pub(super) fn summaries(exposed: &Exposed<'_>, book: &mut Book) {
    for metric in exposed.metrics.iter().filter(|metric| metric.kind == Kind::Summary) {
        let at = At::metric(&metric.name);
        let mut all: BTreeMap<Labels, Vec<(f64, &Series)>> = BTreeMap::new();
        for member in metric.series.iter().filter(|member| member.part.is_empty()) {
            let labels = &member.series.labels;
            let quantile = labels.get("quantile");
            match quantile.parse::<f64>() {
                Ok(q) if (0.0..=1.0).contains(&q) => {
                    all.entry(labels.filter(|label| label != "quantile")).or_default().push((q, member.series));
                }
                _ => {
                    let why = || match quantile {
                        "" => "a value without `quantile`".into(),
                        quantile => format!("`quantile=\"{quantile}\"` is none"),
                    };
                    book.note(rule::QUANTILE_WRONG, at, why, || Some(labels.to_string()));
                }
            }
        }
        let parts = |part: &str| metric.series.iter().any(|member| member.part == part);
        if !parts("_sum") || !parts("_count") {
            book.say(rule::SUM_MISSING, at, || "no `_sum`, or no `_count`".into());
        }
        for (labels, mut quantiles) in all {
            quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
            for pair in quantiles.windows(2) {
                let [(low, below), (high, above)] = pair else { continue };
                let at_once = below
                    .samples
                    .iter()
                    .zip(&above.samples)
                    .find(|(b, a)| b.at == a.at && !is_stale(b.value) && !is_stale(a.value) && a.value < b.value);
                if let Some((b, a)) = at_once {
                    let why = || format!("quantile {low} is {}, quantile {high} only {}", b.value, a.value);
                    book.note(rule::QUANTILES_FALL, at, why, || Some(labels.to_string()));
                }
            }
        }
    }
}
