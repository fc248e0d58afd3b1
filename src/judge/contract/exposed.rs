//! What a job exposed in all of a run, held against the rules of the linter.

use std::collections::BTreeMap;

use super::summary::{ContractSummary, Part, ProbeSummary, Violation};
use super::{MOST_MISSED, Ruling, plain, scrapes, unfinished, whole};
use crate::base::metrics::{Check, Gravity};
use crate::base::series::Series;
use crate::base::text;
use crate::base::time::Span;
use crate::evidence::page::{self, Family, Page};
use crate::judge::trial::Trial;
use crate::judge::verdict::Verdict;
use crate::lint::metrics::{Except, Exposed, Finding, Limits, Load, Terms, model, restarts, without};
use crate::scenario::{Contract, DockerAction, Inject, On, ProcessFault};

/// A process that was killed needs a while to come back: so long after the fault counters may begin anew.
const COMES_BACK_MS: i64 = 30_000;

/// Everything that is known of a job's metrics.
pub(super) struct View<'a> {
    trial: &'a Trial<'a>,
    contract: &'a Contract,
    /// What the job exposed, by its last word.
    families: BTreeMap<String, Family>,
    series: Vec<&'a Series>,
    pages: Vec<&'a Page>,
    /// How many scrapes brought samples, how many were planned, and how many we missed.
    pub good: u64,
    pub planned: u64,
    pub missed: u64,
}

impl<'a> View<'a> {
    pub(super) fn new(trial: &'a Trial<'a>, contract: &'a Contract, samples: &'a [Series]) -> View<'a> {
        let (mut good, mut planned, mut missed) = (0, 0, 0);
        for scrape in scrapes(trial, &contract.job) {
            planned += 1;
            missed += u64::from(scrape.missed);
            good += u64::from(!scrape.missed && scrape.failed.is_none());
        }
        View {
            trial,
            contract,
            families: page::declared(&trial.evidence.events, &contract.job),
            series: samples.iter().filter(|s| s.labels.get("job") == contract.job).collect(),
            pages: page::pages(&trial.evidence.events, &contract.job).collect(),
            good,
            planned,
            missed,
        }
    }

    /// The metrics with their series.
    pub(super) fn exposed(&self) -> Exposed<'_> {
        Exposed::new(&self.families, self.series.iter().copied())
    }

    /// An instant of the run on the axis of the samples.
    pub(super) fn unix_ms(&self, at: crate::base::time::Offset) -> i64 {
        (self.trial.evidence.manifest.wall_zero + at.nanos()).div_euclid(1_000_000)
    }

    /// When a fault ended processes: from its start until they had time to come back, in milliseconds on the axis of the
    /// samples, and the fault's name.
    pub(super) fn killed(&self) -> Vec<(i64, i64, &'a str)> {
        let mut all = Vec::new();
        for (fault, times) in self.trial.scenario.faults.iter().zip(&self.trial.windows.faults) {
            let ends = match (&fault.on, &fault.inject) {
                (On::Hook(_), _) => true,
                (On::Process(_), Inject::Process(kind)) => is_fatal(kind),
                _ => false,
            };
            for span in times.occurrences.iter().filter(|_| ends).filter_map(span_of) {
                all.push((self.unix_ms(span.start), self.unix_ms(span.end) + COMES_BACK_MS, fault.name.as_str()));
            }
        }
        all
    }

    /// The first scrape that brought samples, in milliseconds on their axis.
    pub(super) fn first_scrape(&self) -> Option<i64> {
        let first = scrapes(self.trial, &self.contract.job).find(|scrape| !scrape.missed && scrape.failed.is_none());
        first.map(|scrape| self.unix_ms(scrape.a))
    }

    /// When the process began anew by its own word.
    pub(super) fn restarts(&self) -> Vec<(i64, i64)> {
        restarts(&self.exposed())
    }

    fn terms(&self) -> Terms {
        let limits = &self.contract.cardinality;
        Terms {
            labels: self.contract.labels.clone(),
            names: self.contract.names.clone(),
            limits: Limits { series: limits.series, values: limits.values, growth: limits.growth },
        }
    }

    /// The requests that we sent, by the scrapes.
    fn load(&self) -> Load {
        let requests = scrapes(self.trial, &self.contract.job).filter(|scrape| !scrape.missed).map(|scrape| {
            let sent: u64 = scrape.at_a.iter().map(|count| count.sent).sum();
            (self.unix_ms(scrape.a), sent as f64)
        });
        Load { requests: requests.collect(), by: "requests".into() }
    }

    /// What the pages looked like, and what is wrong with what was exposed.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut layout: BTreeMap<(&str, &str, &str), Finding> = BTreeMap::new();
        for remark in self.pages.iter().flat_map(|page| &page.remarks) {
            let Some(found) = Finding::of(remark) else { continue };
            let known = layout.entry((&remark.id, &remark.metric, &remark.why)).or_insert_with(|| found.clone());
            known.count = known.count.max(found.count);
        }
        let mut all: Vec<Finding> = layout.into_values().collect();
        let excused: Vec<(i64, i64)> = self.killed().iter().map(|(from, to, _)| (*from, *to)).collect();
        all.extend(model(&self.exposed(), &self.terms(), &excused, Some(&self.load())));
        all
    }

    /// The findings that are not accepted, and the exceptions that none came under.
    pub(super) fn accept(&self, findings: Vec<Finding>) -> (Vec<Finding>, Vec<String>) {
        let except = self.contract.except.iter();
        let except: Vec<Except> =
            except.map(|(id, metrics)| Except { id: id.clone(), metrics: metrics.clone() }).collect();
        let (left, idle) = without(findings, &except);
        (left, idle.into_iter().map(|except| format!("{}: {}", except.id, except.metrics.join(", "))).collect())
    }

    /// Whether a finding breaks the contract.
    pub(super) fn breaks(&self, finding: &Finding) -> bool {
        self.contract.strict || finding.rule.gravity == Gravity::Error
    }

    /// What is missing before anything can be said; nothing where enough was seen.
    pub(super) fn blind(&self) -> Option<(Verdict, String)> {
        if self.missed as f64 > MOST_MISSED * self.planned as f64 {
            let (missed, planned) = (text::thousands(self.missed), text::count(self.planned, "scrape"));
            return Some((Verdict::Invalid, format!("we missed {missed} of {planned} ourselves")));
        }
        if self.good == 0 || self.series.is_empty() {
            return Some((Verdict::Inconclusive, format!("no page of `{}` was seen", self.contract.job)));
        }
        None
    }

    /// What a check comes to: broken by what was found, kept where nothing was.
    pub(super) fn ruling(&self, check: Check, own: &[&Finding]) -> Ruling {
        let broken: Vec<&&Finding> = own.iter().filter(|finding| self.breaks(finding)).collect();
        let (verdict, why) = match (broken.first(), self.blind()) {
            (Some(first), _) => (Verdict::Fail, said(first, broken.len())),
            (None, Some(blind)) => blind,
            (None, None) if self.pages.is_empty() && matches!(check, Check::Format | Check::Metadata) => {
                (Verdict::Inconclusive, "what the page looked like is not in the evidence".into())
            }
            (None, None) => {
                let warned = match own.len() as u64 {
                    0 => "nothing found".to_owned(),
                    n => text::count(n, "warning"),
                };
                unfinished(self.trial, Verdict::Pass, warned)
            }
        };
        Ruling {
            part: check.word(),
            promise: String::new(),
            window: whole(self.trial),
            verdict,
            observed: (verdict == Verdict::Pass || !broken.is_empty()).then_some(plain(broken.len() as f64)),
            compare: "==",
            bound: plain(0.0),
            samples: self.series.len() as u64,
            why,
        }
    }

    /// What reports show beside the promises.
    pub(super) fn summary(
        &self,
        parts: Vec<Part>,
        violations: Vec<Violation>,
        probes: Vec<ProbeSummary>,
        idle: Vec<String>,
    ) -> ContractSummary {
        let last = self.pages.last();
        ContractSummary {
            media: last.and_then(|page| page.media.clone()),
            metrics: self.exposed().metrics.len() as u64,
            series: self.exposed().series() as u64,
            bytes: self.pages.iter().map(|page| page.bytes).max(),
            slowest: super::scrape::slowest(self.trial, self.contract).map(|(took, _)| took.as_secs_f64()),
            parts,
            violations,
            probes,
            idle,
        }
    }
}

/// The first of several findings in words.
pub(super) fn said(first: &Finding, all: usize) -> String {
    let whose = if first.metric.is_empty() { String::new() } else { format!("`{}`: ", first.metric) };
    let more = match all {
        1 => String::new(),
        n => format!("; and {} more", n - 1),
    };
    let example = first.examples.first().map_or_else(String::new, |example| format!(", such as {example}"));
    format!("{}: {whose}{}{example}{more}", first.rule.id, first.why)
}

/// From when a fault was applied until it was undone.
fn span_of(occurrence: &crate::judge::window::Occurrence) -> Option<Span> {
    let start = occurrence.applied?;
    Some(Span { start, end: occurrence.cleared.unwrap_or(occurrence.planned.end).max(start) })
}

/// Whether a fault ends the process that it acts on.
fn is_fatal(kind: &ProcessFault) -> bool {
    match kind {
        ProcessFault::Kill { .. } => true,
        ProcessFault::Docker { action } => !matches!(action, DockerAction::Pause),
        ProcessFault::Pause | ProcessFault::Cpu { .. } | ProcessFault::Memory { .. } => false,
    }
}
