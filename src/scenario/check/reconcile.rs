//! What the client's books are held against: each check by itself, and against the traffic that it is about.

use std::time::Duration;

use super::super::claim::Severity;
use super::super::raw;
use super::super::reconcile::{self, Against, Reconcile, Statuses, Subset, TimeUnit, Timeouts};
use super::super::shape::At;
use super::super::traffic::{Kind, Traffic};
use super::super::{Job, Wanted};
use super::Check;
use crate::base::text;

/// A baseline shorter than this says nothing, one longer keeps everybody waiting.
const BASELINE: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// The parts of a check that all kinds have.
struct Common<'r> {
    of: &'r At<String>,
    class: Option<&'r At<String>>,
    status: Option<&'r At<String>>,
    route: Option<&'r At<String>>,
    severity: Option<&'r At<raw::Severity>>,
}

impl Check<'_, '_> {
    pub(super) fn reconcile(&mut self, raw: &raw::Root, traffic: &[Traffic], jobs: &[Job]) -> Reconcile {
        let mut all = Reconcile::default();
        let Some(books) = &raw.reconcile else { return all };
        if jobs.is_empty() && !self.reader.is_broken("observe") {
            let what = "nothing is scraped, so that there are no metrics to hold our books against";
            self.reader.wrong(books.at, what, "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`");
        }
        let books = &books.value;
        if books.counts.is_none() && books.ratios.is_none() && books.latency.is_none() && !self.reader.is_broken_here()
        {
            self.reader.wrong(books.place, "nothing to reconcile", "write `counts:`, `ratios:` or `latency:`");
        }
        for (i, count) in books.counts.iter().flatten().enumerate() {
            let check = self.within("counts", |c| c.within(&i.to_string(), |c| c.count(count, traffic)));
            all.checks.extend(check);
        }
        for (i, ratio) in books.ratios.iter().flatten().enumerate() {
            all.checks.extend(self.within("ratios", |c| c.within(&i.to_string(), |c| c.ratio(ratio, traffic))));
        }
        for (i, latency) in books.latency.iter().flatten().enumerate() {
            all.checks.extend(self.within("latency", |c| c.within(&i.to_string(), |c| c.latency(latency, traffic))));
        }
        let baselines = all.checks.iter().filter_map(|check| match &check.against {
            Against::Counter { foreign, .. } => *foreign,
            _ => None,
        });
        all.baseline = baselines.max();
        all
    }

    fn count(&mut self, raw: &raw::Count, traffic: &[Traffic]) -> Option<reconcile::Check> {
        let common = Common {
            of: &raw.of,
            class: raw.class.as_ref(),
            status: raw.status.as_ref(),
            route: raw.route.as_ref(),
            severity: raw.severity.as_ref(),
        };
        self.metric(&raw.counter, "_total");
        let label = |label: Option<&At<String>>| label.map(|l| l.value.clone());
        let by = raw.by.as_ref();
        let by = reconcile::Labels {
            status: label(by.and_then(|by| by.status.as_ref())),
            route: label(by.and_then(|by| by.route.as_ref())),
            class: label(by.and_then(|by| by.class.as_ref())),
        };
        for label in raw.by.iter().flat_map(|by| [&by.status, &by.route, &by.class]).flatten() {
            self.label(label);
        }
        let routes = raw.routes.iter().flat_map(|routes| &routes.0);
        let routes = routes.map(|(path, value)| (path.value.clone(), value.value.clone())).collect();
        if let (Some(named), None) = (&raw.routes, &by.route)
            && !self.reader.is_broken_here()
        {
            let at = named.0.first().map_or(raw.place, |(path, _)| path.at);
            self.reader.wrong(at, "`routes` without a label that holds them", "name it: `by: { route: LABEL }`");
        }
        let check = self.common(&common, raw.place, traffic, |_| Against::Counter {
            metric: raw.counter.value.clone(),
            by,
            routes,
            timeouts: match raw.timeouts.as_ref().map(|t| &t.value) {
                Some(raw::Timeouts::Counted) => Timeouts::Counted,
                Some(raw::Timeouts::Uncounted) => Timeouts::Uncounted,
                None => Timeouts::Unsaid,
            },
            foreign: raw.foreign.as_ref().map(|f| f.baseline.value),
        });
        if let Some(foreign) = raw.foreign.as_ref().filter(|f| !BASELINE.contains(&f.baseline.value)) {
            self.reader.wrong(foreign.baseline.at, "a baseline takes 1s to 10m", "write `foreign: { baseline: 10s }`");
        }
        for (path, _) in raw.routes.iter().flat_map(|routes| &routes.0) {
            self.known_route(path, check.as_ref().map(|c| c.of.as_slice()), traffic);
        }
        check
    }

    fn ratio(&mut self, raw: &raw::Ratio, traffic: &[Traffic]) -> Option<reconcile::Check> {
        let common = Common {
            of: &raw.of,
            class: raw.class.as_ref(),
            status: raw.status.as_ref(),
            route: None,
            severity: raw.severity.as_ref(),
        };
        self.metric(&raw.counter, "_total");
        self.metric(&raw.over, "_total");
        if raw.class.is_none() && raw.status.is_none() && !self.reader.is_broken_here() {
            let remedy = "say which requests are above the line: `class: NAME` or `status: 2xx`";
            self.reader.wrong(raw.place, "a share of what?", remedy);
        }
        let (metric, over) = (raw.counter.value.clone(), raw.over.value.clone());
        self.common(&common, raw.place, traffic, |_| Against::Ratio { metric, over })
    }

    fn latency(&mut self, raw: &raw::TimedBy, traffic: &[Traffic]) -> Option<reconcile::Check> {
        let common = Common {
            of: &raw.of,
            class: raw.class.as_ref(),
            status: None,
            route: None,
            severity: raw.severity.as_ref(),
        };
        let metric = match (&raw.histogram, &raw.summary) {
            (Some(metric), None) | (None, Some(metric)) => metric,
            _ if self.reader.is_broken_here() => return None,
            _ => {
                self.reader.wrong(
                    raw.place,
                    "which metric?",
                    "write `histogram: NAME` or `summary: NAME`, one of them",
                );
                return None;
            }
        };
        self.metric(metric, "_seconds");
        let unit = match raw.unit.as_ref().map(|u| &u.value) {
            Some(raw::Unit::Seconds) => Some(TimeUnit::Seconds),
            Some(raw::Unit::Milliseconds) => Some(TimeUnit::Milliseconds),
            Some(raw::Unit::Microseconds) => Some(TimeUnit::Microseconds),
            Some(raw::Unit::Nanoseconds) => Some(TimeUnit::Nanoseconds),
            None => TimeUnit::of_name(&metric.value),
        };
        if unit.is_none() && !self.reader.is_broken_here() {
            let what = format!("`{}` does not say what it counts time in", metric.value);
            self.reader.wrong(metric.at, what, "say it: `unit: ms`");
        }
        if let Some(by) = &raw.by {
            self.label(&by.class);
        }
        if raw.summary.is_some() && (raw.by.is_some() || raw.gap.is_some()) {
            let what = "a summary is over a sliding window of its own, and decides nothing";
            self.reader.wrong(metric.at, what, "leave out `by` and `gap`");
        }
        let class = raw.by.as_ref().map(|by| by.class.value.clone());
        let (unit, name) = (unit.unwrap_or(TimeUnit::Seconds), metric.value.clone());
        let mut check = self.common(&common, raw.place, traffic, |_| match raw.summary {
            Some(_) => Against::Summary { metric: name, unit },
            None => Against::Histogram { metric: name, class, unit, gap: raw.gap.as_ref().map(|g| g.value) },
        })?;
        for traffic in check.of.iter().map(|t| &traffic[*t]) {
            // A shot of several steps takes as long as all of them, and each is timed by itself on the other side.
            let is_pipeline = matches!(traffic.kind, Kind::Pipeline(_));
            if is_pipeline || traffic.kind.flow().is_some_and(|flow| flow.steps.len() > 1) {
                let what =
                    format!("`{}` takes several steps, and what is kept is how long all of them take", traffic.name);
                self.reader.wrong(raw.of.at, what, "give the step that is timed a traffic of its own");
            }
        }
        if raw.summary.is_some() {
            check.severity = Severity::Info;
        }
        Some(check)
    }

    /// What all kinds of checks have.
    fn common(
        &mut self,
        raw: &Common<'_>,
        place: super::super::Place,
        traffic: &[Traffic],
        against: impl FnOnce(&[usize]) -> Against,
    ) -> Option<reconcile::Check> {
        let names: Vec<&str> = traffic.iter().map(|t| t.name.as_str()).collect();
        let mut of = Vec::new();
        for name in raw.of.value.split('+').map(str::trim) {
            match names.iter().position(|known| *known == name) {
                Some(found) if of.contains(&found) => {
                    self.reader.wrong(raw.of.at, format!("`{name}` twice"), "name each traffic once");
                }
                Some(found) => of.push(found),
                None if self.reader.is_broken(&format!("traffic.{name}")) || self.reader.is_broken_here() => {}
                None => {
                    let what = format!("`{name}` is no traffic");
                    self.reader.wrong(raw.of.at, what, text::suggest(name, names.iter().copied()));
                }
            }
        }
        if let Some(class) = raw.class {
            for traffic in of.iter().map(|t| &traffic[*t]) {
                let classes: Vec<&str> = traffic.classes.iter().map(|c| c.name.as_str()).collect();
                if !classes.contains(&class.value.as_str()) {
                    let what = format!("`{}` is no class of `{}`", class.value, traffic.name);
                    let remedy = match classes.is_empty() {
                        true => format!("declare it: `traffic: {{ {}: {{ classes: … }} }}`", traffic.name),
                        false => text::suggest(&class.value, classes),
                    };
                    self.reader.wrong(class.at, what, remedy);
                }
            }
        }
        let status = raw.status.and_then(|status| {
            let read = Statuses::parse(&status.value);
            if read.is_none() && !self.told(status) {
                let what = format!("`{}` is no status", status.value);
                self.reader.wrong(status.at, what, "write one, such as 200, or a hundred of them: 5xx");
            }
            read
        });
        if let Some(route) = raw.route {
            self.known_route(route, Some(&of), traffic);
        }
        let subset =
            Subset { class: raw.class.map(|c| c.value.clone()), status, route: raw.route.map(|r| r.value.clone()) };
        let severity = match raw.severity.map(|s| &s.value) {
            None | Some(raw::Severity::Critical) => Severity::Critical,
            Some(raw::Severity::Warning) => Severity::Warning,
            Some(raw::Severity::Info) => Severity::Info,
        };
        (!of.is_empty()).then(|| reconcile::Check { against: against(&of), of, subset, severity, place })
    }

    /// Refuses a path that nothing is sent to.
    fn known_route(&mut self, path: &At<String>, of: Option<&[usize]>, traffic: &[Traffic]) {
        let Some(of) = of else { return };
        let routes: Vec<&str> = of.iter().flat_map(|t| traffic[*t].routes()).collect();
        if !routes.is_empty() && !routes.contains(&path.value.as_str()) {
            let what = format!("nothing is sent to `{}`", path.value);
            self.reader.wrong(path.at, what, text::suggest(&path.value, routes));
        }
    }

    /// Refuses what is not the series of one metric.
    fn metric(&mut self, metric: &At<String>, suffix: &str) {
        let name = metric.value.split('{').next().unwrap_or_default().trim();
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
        if !name.starts_with(first) || !name.chars().all(|c| first(c) || c.is_ascii_digit()) {
            if !self.told(metric) {
                let what = format!("`{}` is no metric", metric.value);
                let remedy =
                    format!("write its name, such as requests{suffix}, with {{label=\"value\"}} after it if need be");
                self.reader.wrong(metric.at, what, remedy);
            }
            return;
        }
        for end in ["_bucket", "_count", "_sum"].iter().filter(|_| suffix == "_seconds") {
            if let Some(base) = name.strip_suffix(end) {
                let what = format!("`{name}` is one of the series of a histogram");
                self.reader.wrong(metric.at, what, format!("name the histogram: {base}"));
            }
        }
        self.promql(metric, Wanted::Metric);
    }

    /// Refuses what cannot be a label's name.
    fn label(&mut self, label: &At<String>) {
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        let valid = label.value.starts_with(first) && label.value.chars().all(|c| first(c) || c.is_ascii_digit());
        if !valid && !self.told(label) {
            let what = format!("`{}` is no label", label.value);
            self.reader.wrong(label.at, what, "letters, digits and _, beginning with a letter");
        }
    }
}
