//! Two books of the same requests, ours and the server's, held against each other: counts by hard brackets, latencies by
//! bucket domination. Everything comes from the evidence, and every record holds what is needed to do it again by hand.

mod cause;
mod client;
mod counts;
mod foreign;
mod groups;
mod latency;
mod page;
mod ratio;
mod settle;
mod summary;

pub use summary::{
    Accord, BoundRecord, Client, LatencyRecord, PromiseRecord, QuantileRecord, Reconciliation, Record, Residue, Server,
};

use super::trial::Trial;
use super::verdict::Verdict;
use super::window;
use crate::base::series::Series;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::evidence::counters::Count;
use crate::evidence::event::{Event, Scrape};
use crate::evidence::reader::Evidence;
use crate::promql::{self, Storage};
use crate::scenario::{self, Against, Check, Scenario};
use client::Kin;
use counts::{Counted, Reading};
use foreign::Foreign;
use groups::Split;
use latency::Timed;
use page::{Course, Own, Page};

/// A run laid out for accounting.
pub(super) struct Books<'a> {
    scenario: &'a Scenario,
    evidence: &'a Evidence,
    storage: Storage<'a>,
    pages: Vec<Page<'a>>,
    opened: Option<Offset>, // when the last of the pages was first read
    complete: bool,
}

/// What comes of everything that a scenario reconciles.
pub fn reconcile(trial: &Trial<'_>, samples: &[Series]) -> Vec<Reconciliation> {
    let checks = &trial.scenario.reconcile.checks;
    if checks.is_empty() {
        return Vec::new();
    }
    let books = Books::open(trial, samples);
    checks.iter().map(|check| books.check(check)).collect()
}

impl<'a> Books<'a> {
    fn open(trial: &'a Trial<'a>, samples: &'a [Series]) -> Books<'a> {
        let storage = Storage::new(samples);
        let jobs = trial.scenario.jobs.iter();
        let pages: Vec<Page<'a>> = jobs.map(|job| Page::read(&job.name, trial.evidence, &storage)).collect();
        let opened = pages.iter().filter_map(|page| page.opening.map(|opening| page.scrapes[opening].a)).min();
        let complete = window::is_complete(trial.evidence);
        Books { scenario: trial.scenario, evidence: trial.evidence, storage, pages, opened, complete }
    }

    fn check(&self, check: &Check) -> Reconciliation {
        let (kind, name, records) = match &check.against {
            Against::Counter { metric, by, routes, timeouts, foreign } => {
                let series = self.select(metric, &[""]);
                let foreign = foreign.map(|_| self.foreign(&series));
                let split = Split { by, routes };
                let counted = Counted { split, timeouts: *timeouts, foreign: foreign.as_ref() };
                let labels = [&by.status, &by.route, &by.class].into_iter().flatten();
                let labels: Vec<&str> = labels.map(String::as_str).collect();
                let by = if labels.is_empty() { String::new() } else { format!(", by {}", text::list(labels)) };
                ("count", format!("{metric} of {}{by}", self.of(check)), counts::records(self, check, &series, counted))
            }
            Against::Ratio { metric, over } => {
                let (above, below) = (self.select(metric, &[""]), self.select(over, &[""]));
                let name = format!("{metric} / {over} of {}", self.of(check));
                ("ratio", name, vec![ratio::record(self, check, &above, &below)])
            }
            Against::Histogram { metric, class, unit, gap } => {
                let series = self.select(metric, &["_bucket", "_count", "_sum"]);
                let timed = Timed { series: &series, class: class.as_deref(), unit: *unit, gap: *gap };
                let by = class.as_ref().map_or(String::new(), |label| format!(", by {label}"));
                ("histogram", format!("{metric} of {}{by}", self.of(check)), latency::records(self, check, &timed))
            }
            Against::Summary { metric, unit } => {
                let series = self.select(metric, &[""]);
                (
                    "summary",
                    format!("{metric} of {}", self.of(check)),
                    vec![latency::summary(self, check, &series, *unit)],
                )
            }
        };
        let worst = records.iter().max_by(|a, b| a.verdict.cmp(&b.verdict).then(b.group.cmp(&a.group)));
        // The first of equals, and all together before any part.
        let worst = worst.and_then(|worst| records.iter().find(|r| r.verdict == worst.verdict)).or(worst);
        let verdict = worst.map_or(Accord::NoData, |worst| worst.verdict);
        let why = worst.map_or_else(
            || "nothing to compare".to_owned(),
            |worst| match worst.group.as_str() {
                "all" => worst.why.clone(),
                group => format!("{group}: {}", worst.why),
            },
        );
        let counts_as = match verdict {
            Accord::Ok => Verdict::Pass,
            Accord::Mismatch => Verdict::Fail,
            Accord::Undecided | Accord::NoData if kind == "summary" => Verdict::Pass,
            _ if self.missed_by_us() => Verdict::Invalid,
            Accord::Undecided | Accord::NoData => Verdict::Inconclusive,
        };
        Reconciliation { check: name, kind, severity: check.severity, verdict, counts_as, why, records }
    }

    /// `hit of quotes to /quote`
    fn of(&self, check: &Check) -> String {
        let names: Vec<&str> = check.of.iter().map(|t| self.scenario.traffic[*t].name.as_str()).collect();
        let subset = &check.subset;
        let parts = [
            subset.class.as_ref().map(|class| format!("class {class}")),
            subset.status.map(|statuses| format!("status {statuses}")),
            subset.route.as_ref().map(|route| format!("to {route}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let names = names.join(" + ");
        if parts.is_empty() { names } else { format!("{names} ({})", parts.join(", ")) }
    }

    fn kin<'k>(&'k self, check: &'k Check) -> Kin<'k> {
        Kin { scenario: self.scenario, of: &check.of, subset: &check.subset }
    }

    /// The series of a selector, its name lengthened by any of some suffixes. What cannot be read selects nothing: it was
    /// refused before the run.
    fn select(&self, metric: &str, suffixes: &[&str]) -> Vec<&'a Series> {
        let named = |suffix: &&str| {
            let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
            let text = match labels {
                "" => format!("{}{suffix}", name.trim()),
                labels => format!("{}{suffix}{{{labels}", name.trim()),
            };
            let expr = promql::parse(&text).ok();
            expr.map_or_else(Vec::new, |expr| {
                expr.selectors().iter().flat_map(|s| self.storage.select(s.selector)).collect::<Vec<_>>()
            })
        };
        suffixes.iter().flat_map(named).collect()
    }

    /// The pages that some series are on.
    fn pages_of(&self, series: &[&Series]) -> Vec<&Page<'a>> {
        let on = |page: &&Page<'_>| series.iter().any(|s| s.labels.get("job") == page.job);
        self.pages.iter().filter(on).collect()
    }

    /// Where the page of a job is.
    fn path_of(&self, job: &str) -> Option<&str> {
        let job = self.scenario.jobs.iter().find(|j| j.name == job)?;
        match &job.page {
            scenario::Page::Path { path, .. } | scenario::Page::Url { path, .. } => Some(path),
        }
    }

    /// What some series have grown by, at every instant at which one of their pages was read, from when all had been.
    fn readings(&self, pages: &[&Page<'a>], series: &[&Series]) -> Vec<Reading<'a>> {
        let courses: Vec<(&Page<'a>, usize, Course)> = pages
            .iter()
            .filter_map(|page| Some((*page, page.opening?, page.course(series.iter().copied())?)))
            .collect();
        if courses.is_empty() || courses.len() < pages.len() {
            return Vec::new();
        }
        // By page: the position of the point that was read last.
        let mut last = vec![0; courses.len()];
        let mut instants: Vec<(Offset, usize, usize)> = Vec::new();
        for (nth, (page, opening, course)) in courses.iter().enumerate() {
            let end = page.closing.map_or(course.points.len(), |closing| closing - opening + 1);
            instants.extend((1..end).map(|point| (page.scrapes[opening + point].b, nth, point)));
        }
        instants.sort_unstable();
        let mut readings = Vec::new();
        for (at, nth, point) in instants {
            last[nth] = point;
            if last.contains(&0) {
                continue;
            }
            let now = || courses.iter().zip(&last);
            let scrapes: Vec<&'a Scrape> =
                now().map(|((page, opening, _), point)| page.scrapes[opening + point]).collect();
            let (Some(from), Some(to)) = (scrapes.iter().min_by_key(|s| s.a), scrapes.iter().max_by_key(|s| s.b))
            else {
                continue;
            };
            readings.push(Reading {
                grown: now().map(|((.., course), point)| course.points[*point].grown).sum(),
                sum: now().map(|((.., course), point)| course.points[*point].sum).sum(),
                from,
                to,
                fell: now().any(|((.., course), point)| course.falls.iter().any(|fall| fall <= point)),
                closed: now().all(|((page, opening, _), point)| page.closing == Some(opening + point)),
                own: self.own_requests(pages, at),
            });
        }
        readings
    }

    /// What we asked of the services of some pages besides shots, up to an instant.
    fn own_requests(&self, pages: &[&Page<'a>], until: Offset) -> Own {
        let beside = self.pages.iter().filter(|page| pages.iter().any(|other| page.is_beside(other)));
        beside.map(|page| page.own_by(until)).fold(Own::default(), Own::and)
    }

    fn scrapes(&self) -> impl Iterator<Item = &'a Scrape> + use<'a> {
        let events = &self.evidence.events;
        events.iter().filter_map(|event| if let Event::Scrape(scrape) = event { Some(scrape) } else { None })
    }

    /// What some series grew by while we were silent, our own scrapes left in: they go on at their own pace.
    fn foreign(&self, series: &[&Series]) -> Foreign {
        let mut foreign = Foreign::default();
        let pages = self.pages_of(series);
        for page in &pages {
            let quiet: Vec<usize> = (0..page.scrapes.len()).filter(|i| page.scrapes[*i].quiet).collect();
            for pair in quiet.windows(2).filter(|pair| pair[1] == pair[0] + 1) {
                let (from, to) = (page.scrapes[pair[0]], page.scrapes[pair[1]]);
                let same = |(a, b): (&Count, &Count)| a.sent == b.sent && a.finished == b.finished;
                let silent = from.at_a.iter().zip(&to.at_b).all(same);
                if !silent {
                    continue;
                }
                foreign.scrapes += 1.0;
                foreign.seconds += to.a.since(from.a).as_secs_f64();
                for one in series.iter().filter(|s| s.labels.get("job") == page.job) {
                    let values = page.values(one);
                    let (before, after) = (values[pair[0]].unwrap_or(0.0), values[pair[1]].unwrap_or(0.0));
                    foreign.count += (after - before).max(0.0);
                }
            }
        }
        // The pages were silent together: what each counted in that time adds up.
        foreign.seconds /= pages.len().max(1) as f64;
        foreign
    }

    /// How often the series fell.
    fn falls(&self, series: &[&Series]) -> u64 {
        let falls = |page: &&Page<'a>| counts::course(page, series).map_or(0, |course| course.falls.len() as u64);
        self.pages_of(series).iter().map(falls).sum()
    }

    /// Whether our own counts were kept at scrapes.
    fn counted(&self) -> bool {
        self.scrapes().any(|scrape| scrape.at_b.iter().any(|count| !count.routes.is_empty()))
    }

    /// Whether we did not ask for a page when we should have.
    fn missed_by_us(&self) -> bool {
        let asked = |page: &Page<'_>| page.opening.is_some() && page.closing.is_some();
        self.complete && self.counted() && self.pages.iter().any(|page| !asked(page) && page.refused.is_none())
    }

    /// Why the books could not be closed.
    fn why_open(&self, series: &[&Series]) -> String {
        match self.pages_of(series).iter().find_map(|page| page.refused) {
            Some(why) => format!("the quiet scrape after the drain failed: {why}"),
            None if self.complete => "we made no quiet scrape after the drain".into(),
            None => "the run was cut short before the quiet scrape after the drain".into(),
        }
    }

    /// A record of nothing yet.
    fn blank(&self, check: &Check, group: &str) -> Record {
        let start = self.opened.unwrap_or(Offset::ZERO);
        Record {
            group: group.to_owned(),
            window: Span { start, end: start },
            closed: false,
            client: Client { failed: self.kin(check).outcomes(self.evidence, client::never_left), ..Client::default() },
            server: Server::default(),
            bound: [0.0, 0.0],
            value: None,
            verdict: Accord::Ok,
            why: String::new(),
            residue: Vec::new(),
            latency: None,
        }
    }

    /// The record of what cannot be compared, and why.
    fn nothing(&self, check: &Check, series: &[&Series], pages: &[&Page<'_>]) -> Record {
        let metric = match &check.against {
            Against::Counter { metric, .. }
            | Against::Ratio { metric, .. }
            | Against::Histogram { metric, .. }
            | Against::Summary { metric, .. } => metric,
        };
        let refused = self.pages.iter().find_map(|page| page.refused);
        let why = match () {
            () if !self.counted() => "the evidence holds no counts at its scrapes: it is of an earlier version".into(),
            () if series.is_empty() => format!("`{metric}` is on no page"),
            () if pages.iter().any(|page| page.opening.is_none()) => match refused {
                Some(why) => format!("the quiet scrape before the load failed: {why}"),
                None => "we made no quiet scrape before the load".into(),
            },
            () => "its page was not read after the load began".into(),
        };
        Record { verdict: Accord::NoData, why, ..self.blank(check, "all") }
    }
}
