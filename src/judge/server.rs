//! Promises about what the target says of itself: a PromQL expression over the scraped series, evaluated once, at the
//! first scrape at or after the end of the window or of each of its slices. Who scraped does not matter for that: the run
//! itself, or a Prometheus server whose samples were fetched.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use super::bucket;
use super::evaluate;
use super::fetched::{CheckSummary, Crossing, Fetched};
use super::measure::{self, Ruling};
use super::trial::Trial;
use super::verdict::{Finding, Kind, Quantity, Verdict, instant, stretch};
use crate::base::series::{Labels, Series};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::event::{Event, Scrape};
use crate::promql::{self, Bracket, Element, Expr, Options, Selector, Storage, Value};
use crate::scenario::{Claim, Compare, Promise, Source};

/// More of a window's scrapes missed by us, and it is not the run that was planned.
const MOST_MISSED: f64 = 0.05;
/// Fewer good ones, and there is too little to tell.
const LEAST_GOOD: f64 = 0.9;
/// What the scrapes make themselves: there whether the target answers or not.
const SYNTHETIC: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Whether a selector asks for what scrapes make themselves.
pub(super) fn is_synthetic(selector: &Selector) -> bool {
    selector.metric().is_some_and(|name| SYNTHETIC.contains(&name))
}

/// The scraped series of a run, laid out for questions.
pub struct Server<'a> {
    pub(super) trial: &'a Trial<'a>,
    pub(super) storage: Storage<'a>,
    fetched: Option<(&'a Fetched, Storage<'a>)>,
    checks: RefCell<Vec<CheckSummary>>,
}

/// One PromQL promise.
struct Question<'p> {
    promise: &'p Promise,
    expr: &'p str,
    compare: Compare,
    bound: Quantity,
    source: Source,
}

/// An expression as it is asked of whoever has the samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    /// The expression, its windows filled in.
    pub expr: String,
    /// The instant, in Unix milliseconds of the server's clock.
    pub at: i64,
}

/// How the scrapes of a window went.
#[derive(Debug, Clone, Copy, Default)]
struct Scrapes {
    planned: u64,
    good: u64,
    missed: u64,
}

impl<'a> Server<'a> {
    /// Takes the scraped series.
    pub fn new(trial: &'a Trial<'a>, samples: &'a [Series]) -> Server<'a> {
        Server { trial, storage: Storage::new(samples), fetched: None, checks: RefCell::default() }
    }

    /// Takes what was fetched from a Prometheus server besides.
    pub fn beside(self, fetched: &'a Fetched) -> Server<'a> {
        Server { fetched: Some((fetched, Storage::new(&fetched.series))), ..self }
    }

    /// What was fetched, if a Prometheus server was watched, laid out for questions.
    pub(super) fn fetched(&self) -> Option<(&'a Fetched, &Storage<'a>)> {
        self.fetched.as_ref().map(|(fetched, storage)| (*fetched, storage))
    }

    /// What came of holding our answers against the server's.
    pub fn checks(&self) -> Vec<CheckSummary> {
        self.checks.take()
    }

    /// What the Prometheus server must be asked to hold its answers against ours.
    pub fn inquiries(&self) -> Vec<Inquiry> {
        let Some((fetched, storage)) = &self.fetched else { return Vec::new() };
        let mut all: Vec<Inquiry> = Vec::new();
        for promise in &self.trial.scenario.promises {
            let Claim::Server { expr, source: Source::Prometheus, .. } = &promise.claim else { continue };
            for span in self.stretches(promise) {
                let Ok(parsed) = promql::parse(&expr.replace("$window", &window(span.length()))) else { continue };
                let Ok(at) = fetched.when(self.trial, storage, &parsed, span) else { continue };
                let inquiry = Inquiry { expr: parsed.text().to_owned(), at: fetched.on_its_clock(at) };
                if !all.contains(&inquiry) {
                    all.push(inquiry);
                }
            }
        }
        all
    }

    /// The spans of time that a promise is asked about. A range cannot leave out a hole, so a window with holes is asked
    /// part by part.
    fn stretches(&self, promise: &Promise) -> Vec<Span> {
        let parts = self.trial.windows.cut(promise.window, None).parts;
        match promise.each {
            Some(each) => parts.iter().flat_map(|part| part.slices(each)).collect(),
            None => parts,
        }
    }

    /// What a PromQL promise comes to.
    pub fn finding(&self, promise: &Promise, expr: &str, compare: Compare, bound: f64, source: Source) -> Finding {
        let parts = self.trial.windows.cut(promise.window, None).parts;
        let bound = Quantity { value: bound, kind: kind(&promise.text) };
        let question = Question { promise, expr, compare, bound, source };
        let mut finding = evaluate::blank(self.trial, promise, parts, question.bound, compare.word());
        finding.promql = Some(expr.to_owned());
        finding.needed = 1;
        let stretches = self.stretches(promise).into_iter();
        let rulings: Vec<(Span, Ruling)> = stretches.map(|span| (span, self.ask(&question, span))).collect();
        match rulings.as_slice() {
            [] => finding.why = evaluate::why_empty(self.trial, promise.window),
            [(_, ruling)] if promise.each.is_none() => {
                (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
                (finding.samples, finding.why) = (ruling.samples, ruling.why.clone());
            }
            rulings => evaluate::sliced(&mut finding, "value", compare.is_ceiling(), rulings),
        }
        finding
    }

    /// What a PromQL promise asks, word for word, and when, in Unix milliseconds: once for each stretch of its window that
    /// was scraped to its end.
    pub fn questions(&self, promise: &Promise, expr: &str) -> Vec<(String, i64)> {
        let question = |span: Span| {
            let text = expr.replace("$window", &window(span.length()));
            let jobs = self.jobs([&promql::parse(&text).ok()?]);
            Some((text, self.scrape_after(&jobs, span.end)?))
        };
        self.stretches(promise).into_iter().filter_map(question).collect()
    }

    /// Asks at the latest instant up to which every job that the expression reads was scraped: when that was, in Unix
    /// milliseconds, and an element of the answer that keeps to the bound, if one does. `None` where nobody can ask yet.
    pub fn now(
        &self,
        text: &str,
        expr: &str,
        length: Duration,
        compare: Compare,
        bound: f64,
    ) -> Option<(i64, Option<String>)> {
        let expr = promql::parse(&expr.replace("$window", &window(length))).ok()?;
        let last = |job: &&str| self.of_job(job).filter(|s| !s.missed).map(|s| s.a).max();
        let at: Option<Vec<Offset>> = self.jobs([&expr]).iter().map(last).collect();
        let at = self.unix_ms(at?.into_iter().min()?);
        let elements = match promql::evaluate(&expr, &self.storage, at, &Options::default()) {
            Ok(Value::Vector(elements)) => elements,
            Ok(Value::Scalar(value)) => vec![Element { labels: Labels::default(), value }],
            Ok(Value::Matrix(_) | Value::Text(_)) | Err(_) => Vec::new(),
        };
        let met = elements.iter().find(|e| compare.holds(e.value, bound)).map(|element| {
            let value = Quantity { value: element.value, kind: kind(text) };
            if element.labels.is_empty() { value.to_string() } else { format!("{} {value}", element.labels) }
        });
        Some((at, met))
    }

    /// An instant of the run in Unix milliseconds, the axis of the samples.
    pub(super) fn unix_ms(&self, at: Offset) -> i64 {
        (self.trial.evidence.manifest.wall_zero + at.nanos()).div_euclid(1_000_000)
    }

    /// Asks about one span of time.
    fn ask(&self, question: &Question<'_>, span: Span) -> Ruling {
        let undecided = |why: String| Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why };
        let text = question.expr.replace("$window", &window(span.length()));
        let expr = match promql::parse(&text) {
            Ok(expr) => expr,
            Err(why) => return undecided(why.to_string()),
        };
        match question.source {
            Source::Scrape => match self.when(question, &expr, span) {
                Ok(at) => decide(question, &expr, at, &self.storage, &Options::default()),
                Err(ruling) => ruling,
            },
            Source::Prometheus => self.ask_fetched(question, &expr, span),
        }
    }

    /// Asks what was fetched from a Prometheus server, and holds its own answer against that.
    fn ask_fetched(&self, question: &Question<'_>, expr: &Expr, span: Span) -> Ruling {
        let undecided = |why: String| Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why };
        if let Some(why) = question.reads_outside(expr, span) {
            return undecided(why);
        }
        let Some((fetched, storage)) = &self.fetched else {
            return undecided("no Prometheus server was watched".into());
        };
        let at = match fetched.when(self.trial, storage, expr, span) {
            Ok(at) => at,
            Err(why) => return undecided(why),
        };
        let mut ruling = decide(question, expr, at, storage, &fetched.options());
        let (compare, bound) = (question.compare, question.bound.value);
        let crossing = Crossing { promise: &question.promise.text, expr, at, span, compare, bound };
        self.checks.borrow_mut().push(fetched.cross(&crossing, storage, &mut ruling));
        ruling
    }

    /// When an expression about a span of time can be judged by our own scrapes; otherwise what comes of it at once.
    fn when(&self, question: &Question<'_>, expr: &Expr, span: Span) -> Result<i64, Ruling> {
        let undecided = |why: String| Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why };
        let jobs = self.jobs([expr]);
        if let Some(why) = self.missed(&jobs, span) {
            return Err(Ruling { verdict: Verdict::Invalid, observed: None, samples: 0, why });
        }
        if let Some(why) = question.reads_outside(expr, span) {
            return Err(undecided(why));
        }
        let Some(at) = self.scrape_after(&jobs, span.end) else {
            let last = instant(self.trial.windows.seen.min(span.end));
            let why = format!("no scrape at or after {}: what was seen ends at {last}", instant(span.end));
            return Err(undecided(why));
        };
        if let Some(why) = self.meagre([expr], &jobs, span) {
            return Err(undecided(why));
        }
        Ok(at)
    }

    /// Why a stretch of time cannot be judged by the scrapes of some jobs, if we missed too many ourselves.
    pub(super) fn missed(&self, jobs: &BTreeSet<&str>, span: Span) -> Option<String> {
        jobs.iter().find_map(|job| {
            let scrapes = self.scrapes(job, span);
            let (missed, planned) = (text::thousands(scrapes.missed), text::count(scrapes.planned, "scrape"));
            let is_too_many = scrapes.missed as f64 > MOST_MISSED * scrapes.planned as f64;
            is_too_many.then(|| format!("we missed {missed} of {planned} of `{job}` ourselves"))
        })
    }

    /// Why there is too little to tell of a stretch of time by what expressions read of some jobs, if so. What scrapes make
    /// themselves is there whether the target answers or not.
    pub(super) fn meagre<'e>(
        &self,
        exprs: impl IntoIterator<Item = &'e Expr>,
        jobs: &BTreeSet<&str>,
        span: Span,
    ) -> Option<String> {
        if exprs.into_iter().flat_map(Expr::selectors).all(|s| is_synthetic(s.selector)) {
            return None;
        }
        // No fault acts on a job: nothing planned explains what is missing.
        jobs.iter().find_map(|job| {
            let scrapes = self.scrapes(job, span);
            let (good, planned) = (text::thousands(scrapes.good), text::count(scrapes.planned, "scrape"));
            let is_too_few = (scrapes.good as f64) < LEAST_GOOD * scrapes.planned as f64 || scrapes.planned == 0;
            is_too_few.then(|| format!("only {good} of {planned} of `{job}` brought samples"))
        })
    }

    /// The jobs whose series expressions read; all of them when they read none that is there.
    pub(super) fn jobs<'e>(&self, exprs: impl IntoIterator<Item = &'e Expr>) -> BTreeSet<&'a str> {
        let known = || self.trial.scenario.jobs.iter().map(|job| job.name.as_str());
        let read: BTreeSet<&str> = exprs
            .into_iter()
            .flat_map(Expr::selectors)
            .flat_map(|s| self.storage.select(s.selector))
            .map(|s| s.labels.get("job"))
            .collect();
        let jobs: BTreeSet<&'a str> = known().filter(|job| read.contains(job)).collect();
        if jobs.is_empty() { known().collect() } else { jobs }
    }

    /// The scrapes of a job.
    pub(super) fn of_job(&self, job: &str) -> impl Iterator<Item = &'a Scrape> {
        self.trial.evidence.events.iter().filter_map(move |event| match event {
            Event::Scrape(scrape) if scrape.job == job => Some(scrape),
            _ => None,
        })
    }

    /// How the scrapes of a window went. Those that nobody wrote down were missed.
    fn scrapes(&self, job: &str, span: Span) -> Scrapes {
        let every = self.trial.scenario.jobs.iter().find(|j| j.name == job).map_or(Duration::from_secs(1), |j| j.every);
        let expected = span.end.min(self.trial.windows.seen).since(span.start).as_nanos() / every.as_nanos().max(1);
        let mut scrapes = Scrapes::default();
        for scrape in self.of_job(job).filter(|s| span.start <= s.planned && s.planned <= span.end) {
            scrapes.planned += 1;
            scrapes.missed += u64::from(scrape.missed);
            scrapes.good += u64::from(!scrape.missed && scrape.failed.is_none());
        }
        let unwritten = (expected as u64).saturating_sub(scrapes.planned);
        Scrapes { planned: scrapes.planned + unwritten, missed: scrapes.missed + unwritten, ..scrapes }
    }

    /// When every job has been scraped once at or after an instant, in Unix milliseconds; `None` when one never was.
    fn scrape_after(&self, jobs: &BTreeSet<&str>, end: Offset) -> Option<i64> {
        let first = |job: &&str| self.of_job(job).filter(|s| !s.missed).map(|s| s.a).filter(|a| *a >= end).min();
        let scrapes: Option<Vec<Offset>> = jobs.iter().map(first).collect();
        Some(self.unix_ms(scrapes?.into_iter().max()?))
    }
}

/// Evaluates and compares.
fn decide(question: &Question<'_>, expr: &Expr, at_ms: i64, storage: &Storage<'_>, options: &Options) -> Ruling {
    let undecided = |why: String| Ruling { verdict: Verdict::Inconclusive, observed: None, samples: 0, why };
    let elements = match promql::evaluate(expr, storage, at_ms, options) {
        Ok(Value::Vector(elements)) => elements,
        Ok(Value::Scalar(value)) => vec![Element { labels: Labels::default(), value }],
        Ok(Value::Matrix(_)) => return undecided("a range has no value: write rate(…) or …_over_time(…)".into()),
        Ok(Value::Text(_)) => return undecided("a text has no value to compare".into()),
        Err(why) => return undecided(why.to_string()),
    };
    let reasons = || {
        let reasons = promql::explain_empty(expr, storage, at_ms, options);
        if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) }
    };
    if elements.is_empty() {
        return undecided(format!("no data{}", reasons()));
    }
    let (compare, bound) = (question.compare, question.bound);
    let within = promql::brackets(expr, storage, at_ms, options);
    let verdict = |element: &Element| match within.iter().find(|w| w.labels == element.labels) {
        _ if element.value.is_nan() => Verdict::Inconclusive,
        Some(within) => bucket::verdict(within, compare, bound.value),
        None if !compare.holds(element.value, bound.value) => Verdict::Fail,
        // Division by zero satisfies any floor; that proves nothing.
        None if element.value.is_infinite() => Verdict::Inconclusive,
        None => Verdict::Pass,
    };
    // The worst: by verdict, then by value; of equals the first by labels.
    let badness = |value: f64| if compare.is_ceiling() { value } else { -value };
    let Some((worst, element)) = elements.iter().map(|element| (verdict(element), element)).max_by(|(v, a), (w, b)| {
        v.cmp(w).then(badness(a.value).total_cmp(&badness(b.value))).then(b.labels.cmp(&a.labels))
    }) else {
        return undecided("no data".into());
    };
    let observed = Quantity { value: element.value, kind: bound.kind };
    let who = if element.labels.is_empty() { String::new() } else { format!("{} ", element.labels) };
    let of = match elements.len() {
        1 => String::new(),
        n => {
            let same = elements.iter().filter(|e| verdict(e) == worst).count() as u64;
            format!(", {} of {n}", text::thousands(same))
        }
    };
    let within = within.iter().find(|w| w.labels == element.labels);
    let why = match (worst, within) {
        (Verdict::Inconclusive, _) if element.value.is_nan() => format!("{who}NaN{}", reasons()),
        (Verdict::Inconclusive, None) => format!("{who}{observed}: something was divided by zero"),
        (verdict, Some(within)) => format!("{who}{}{of}", bucket_says(verdict, within, observed, compare, &bound)),
        (_, None) => format!("{who}{observed} {}{of}", measure::side(compare, element.value, &bound)),
    };
    let observed = (!element.value.is_nan()).then_some(observed);
    Ruling { verdict: worst, observed, samples: elements.len() as u64, why }
}

/// What the bound is of, by its unit.
fn kind(promise: &str) -> Kind {
    match promise {
        share if share.ends_with('%') => Kind::Share,
        plain if plain.ends_with(|c: char| c.is_ascii_digit()) => Kind::Plain,
        _ => Kind::Time,
    }
}

/// The length of a window as PromQL writes it.
pub(super) fn window(length: Duration) -> String {
    match length.as_millis() {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

impl Question<'_> {
    /// Why an expression reads what is not in its window, where the promise does not allow that.
    fn reads_outside(&self, expr: &Expr, span: Span) -> Option<String> {
        if self.promise.look_back { None } else { reads_outside(expr, span) }
    }
}

fn reads_outside(expr: &Expr, span: Span) -> Option<String> {
    let reach = expr.reach();
    let length = span.length();
    if reach.pinned {
        return Some("an `@` ties it to a fixed instant, whatever the window: leave it out".into());
    }
    if reach.ahead_ms > 0 {
        return Some("a negative offset reads what comes after the window: leave it out".into());
    }
    (reach.back_ms as i128 > length.as_millis() as i128).then(|| {
        let back = Duration::from_millis(reach.back_ms.unsigned_abs());
        let (back, length) = (units::duration(back), units::duration(length));
        format!("reads {back}, the window is {length} ({}): write [$window]", stretch(span))
    })
}

/// What the bucket that a quantile lies in says of a bound.
fn bucket_says(verdict: Verdict, within: &Bracket, observed: Quantity, compare: Compare, bound: &Quantity) -> String {
    let side = match (verdict, compare.is_ceiling()) {
        (Verdict::Pass, true) => "within",
        (Verdict::Pass, false) => "above",
        (Verdict::Fail, true) => "over",
        (Verdict::Fail, false) => "under",
        (Verdict::Inconclusive | Verdict::Invalid, _) => {
            let (bucket, missing) = (bucket::words(within), bucket::missing(within, bound.value));
            return format!("lies somewhere in the bucket {bucket}: add a bucket at le=\"{missing}\"");
        }
    };
    format!("{side} {bound}: about {observed}, in the bucket {}", bucket::words(within))
}
