//! What is exposed: the series that a metrics page, a run's evidence or a Prometheus shows, and their types.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::series::Labels;
use crate::base::text;
use crate::evidence::samples::{Kind, Samples};
use crate::observe::exposition::{self, Page};

/// Metrics that Prometheus makes itself, of each target or each alert.
const SYNTHETIC: &[&str] = &[
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
    "ALERTS",
    "ALERTS_FOR_STATE",
];

/// Labels that a scrape adds to everything, whatever the page says.
const TARGET_LABELS: &[&str] = &["job", "instance"];

/// The series that were seen.
#[derive(Debug, Clone, Default)]
pub struct Exposed {
    /// Where, for messages.
    sources: Vec<String>,
    series: BTreeMap<String, Vec<Labels>>,
    kinds: BTreeMap<String, Kind>,
    /// Whether a scrape adds labels that were not seen: so it is with a page, which knows nothing of its target.
    is_page: bool,
    scrape_ms: Option<i64>,
}

/// The finite bounds of a histogram's buckets, in order.
pub type Bounds = Vec<f64>;

impl Exposed {
    /// A metrics page.
    pub fn of_page(source: &str, page: &Page<'_>) -> Exposed {
        let mut exposed = Exposed { sources: vec![source.into()], is_page: true, ..Exposed::default() };
        for row in &page.rows {
            exposed.add(exposition::labels(row.series, row.kind), row.kind);
        }
        // A family without a series yet is declared all the same: a vector of counters that nothing has counted in.
        for family in &page.families {
            if let Some(kind) = family.kind {
                exposed.kinds.entry(family.name.to_string()).or_insert(kind);
            }
        }
        exposed
    }

    /// What a run scraped.
    pub fn of_samples(source: &str, samples: &Samples) -> Exposed {
        let mut exposed = Exposed { sources: vec![source.into()], ..Exposed::default() };
        for (series, kind) in samples.series.iter().zip(&samples.kinds) {
            exposed.add(series.labels.clone(), *kind);
        }
        exposed.scrape_ms = cadence(samples);
        exposed
    }

    /// What a Prometheus answers: names that exist but were not asked about, the label sets of others, and types.
    pub fn of_prometheus(
        source: &str,
        names: impl IntoIterator<Item = String>,
        series: impl IntoIterator<Item = Labels>,
        kinds: BTreeMap<String, Kind>,
        scrape_ms: Option<i64>,
    ) -> Exposed {
        let mut exposed = Exposed { sources: vec![source.into()], kinds, scrape_ms, ..Exposed::default() };
        exposed.series.extend(names.into_iter().map(|name| (name, Vec::new())));
        for labels in series {
            exposed.series.entry(labels.name().into()).or_default().push(labels);
        }
        exposed
    }

    /// Both.
    pub fn join(mut self, other: Exposed) -> Exposed {
        self.sources.extend(other.sources);
        for (name, series) in other.series {
            self.series.entry(name).or_default().extend(series);
        }
        self.kinds.extend(other.kinds);
        self.is_page |= other.is_page;
        self.scrape_ms = self.scrape_ms.max(other.scrape_ms);
        self
    }

    fn add(&mut self, labels: Labels, kind: Kind) {
        if kind != Kind::Unknown {
            self.kinds.entry(labels.name().into()).or_insert(kind);
        }
        self.series.entry(labels.name().into()).or_default().push(labels);
    }

    /// Where it was seen.
    pub fn source(&self) -> String {
        text::list(self.sources.iter().map(String::as_str))
    }

    /// How often it is scraped, in milliseconds, where that could be seen.
    pub fn scrape_ms(&self) -> Option<i64> {
        self.scrape_ms
    }

    /// The series of a metric.
    pub fn series(&self, metric: &str) -> &[Labels] {
        self.series.get(metric).map_or(&[], Vec::as_slice)
    }

    /// Whether the metric exists: it has a series, was declared, or is one of Prometheus's own.
    pub fn has(&self, metric: &str) -> bool {
        self.series.contains_key(metric)
            || SYNTHETIC.contains(&metric)
            || self.family(metric).is_some_and(|(family, _)| !self.has_series_of(family))
    }

    /// Whether a label of this name may be there though it was not seen.
    pub fn may_add(&self, label: &str) -> bool {
        self.is_page && TARGET_LABELS.contains(&label)
    }

    /// Whether a scrape adds labels of which nothing is known here.
    pub fn is_page(&self) -> bool {
        self.is_page
    }

    /// Whether Prometheus makes this metric itself.
    pub fn is_synthetic(metric: &str) -> bool {
        SYNTHETIC.contains(&metric)
    }

    /// The name most like this one.
    pub fn nearest(&self, metric: &str) -> Option<&str> {
        text::nearest(metric, self.series.keys().map(String::as_str))
    }

    /// The labels that occur on a metric's series; nothing where it has none, or not all have the same.
    pub fn labels_of(&self, series: &[&Labels]) -> Option<BTreeSet<String>> {
        let names = |labels: &Labels| -> BTreeSet<String> {
            let target = TARGET_LABELS.iter().filter(|_| self.is_page).copied();
            labels.iter().map(|(name, _)| name).filter(|n| *n != "__name__").chain(target).map(str::to_owned).collect()
        };
        let first = names(series.first()?);
        series.iter().all(|labels| names(labels) == first).then_some(first)
    }

    /// The metric's type, where it was declared.
    pub fn kind(&self, metric: &str) -> Option<Kind> {
        self.kinds.get(metric).copied().or_else(|| self.family(metric).map(|(_, kind)| kind))
    }

    /// The family that a name with a suffix belongs to.
    fn family<'n>(&self, metric: &'n str) -> Option<(&'n str, Kind)> {
        let suffixes = ["", "_total", "_bucket", "_count", "_sum"];
        suffixes.iter().filter_map(|suffix| metric.strip_suffix(suffix)).find_map(|family| {
            let kind = *self.kinds.get(family)?;
            let fits = match kind {
                Kind::Histogram | Kind::GaugeHistogram => metric != family && !metric.ends_with("_total"),
                Kind::Summary => !metric.ends_with("_bucket") && !metric.ends_with("_total"),
                Kind::Counter => metric == family || metric.ends_with("_total"),
                _ => metric == family,
            };
            fits.then_some((family, kind))
        })
    }

    fn has_series_of(&self, family: &str) -> bool {
        ["", "_total", "_bucket", "_count", "_sum"]
            .iter()
            .any(|suffix| self.series.contains_key(&format!("{family}{suffix}")))
    }

    /// The finite bucket bounds of those series that `keep` lets through, per histogram; histograms of one metric may
    /// have different ones.
    pub fn bounds(&self, metric: &str, keep: impl Fn(&Labels) -> bool) -> Vec<Bounds> {
        let mut histograms: BTreeMap<Labels, Bounds> = BTreeMap::new();
        for labels in self.series(metric).iter().filter(|labels| keep(labels)) {
            if let Ok(bound) = labels.get("le").parse::<f64>() {
                let bounds = histograms.entry(labels.filter(|name| name != "le")).or_default();
                if bound.is_finite() {
                    bounds.push(bound);
                }
            }
        }
        let mut all: Vec<Bounds> = histograms.into_values().collect();
        for bounds in &mut all {
            bounds.sort_by(f64::total_cmp);
            bounds.dedup();
        }
        all.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        all.dedup();
        all
    }
}

/// The median distance between scrapes of the job that is scraped most seldom.
fn cadence(samples: &Samples) -> Option<i64> {
    let mut times: BTreeMap<(&str, &str), Vec<i64>> = BTreeMap::new();
    for scrape in &samples.scrapes {
        times.entry((&scrape.job, &scrape.instance)).or_default().push(scrape.at);
    }
    times
        .into_values()
        .filter_map(|at| {
            let mut gaps: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
            gaps.sort_unstable();
            gaps.get(gaps.len() / 2).copied()
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::exposition::Dialect;

    const PAGE: &str = "# TYPE a_total counter\na_total{b=\"c\"} 1\n# TYPE h histogram\nh_bucket{le=\"0.5\"} 1\n\
                        h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n# TYPE unborn_total counter\n# TYPE g gauge\ng 1\n";

    fn exposed() -> Exposed {
        Exposed::of_page("page", &exposition::parse(PAGE.as_bytes(), Dialect::Text).expect("metrics"))
    }

    #[test]
    fn a_page_tells_names_types_and_bounds() {
        let exposed = exposed();
        assert!(["a_total", "h_bucket", "h_sum", "g", "up", "unborn_total"].iter().all(|name| exposed.has(name)));
        assert!(!["a", "h", "h_total", "b_total"].iter().any(|name| exposed.has(name)));
        assert_eq!(exposed.kind("h_bucket"), Some(Kind::Histogram));
        assert_eq!(exposed.kind("unborn_total"), Some(Kind::Counter));
        assert_eq!(exposed.kind("nothing"), None);
        assert_eq!(exposed.bounds("h_bucket", |_| true), [vec![0.5]]);
        assert_eq!(exposed.nearest("a_totl"), Some("a_total"));
    }

    #[test]
    fn a_page_does_not_know_its_target() {
        let exposed = exposed();
        assert!(exposed.may_add("job") && !exposed.may_add("b"));
        let series: Vec<&Labels> = exposed.series("a_total").iter().collect();
        let names: Vec<String> = exposed.labels_of(&series).expect("all alike").into_iter().collect();
        assert_eq!(names, ["b", "instance", "job"]);
    }
}
