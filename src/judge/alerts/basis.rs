//! What rules are replayed over: the pages that the run scraped itself, or the raw samples of a Prometheus server.

use std::time::Duration;

use super::book::{self, Alert, Book};
use crate::base::time::{Offset, Span};
use crate::judge::fetched::Fetched;
use crate::judge::measure::Ruling;
use crate::judge::server::Server;
use crate::judge::trial::Trial;
use crate::judge::verdict::Verdict;
use crate::promql::{self, Options, Selector, Storage};
use crate::scenario::{Alerts, Scenario, Semantics, Source};

/// How often a server scrapes that nobody has asked.
const USUAL: Duration = Duration::from_secs(15);
/// No alert is looked for longer than this before the plan's zero.
const LONGEST_LEAD: Duration = Duration::from_secs(3600);

/// What rules are replayed over.
pub struct Basis<'a> {
    /// The run.
    pub trial: &'a Trial<'a>,
    /// The series.
    pub storage: &'a Storage<'a>,
    scrapes: &'a Server<'a>,
    fetched: Option<&'a Fetched>,
}

impl<'a> Basis<'a> {
    /// What the scenario's rules are replayed over.
    pub fn of(server: &'a Server<'a>, alerts: &Alerts) -> Basis<'a> {
        let fetched = server.fetched().filter(|_| alerts.source == Source::Prometheus);
        Basis {
            trial: server.trial,
            storage: fetched.map_or(&server.storage, |(_, storage)| storage),
            scrapes: server,
            fetched: fetched.map(|(fetched, _)| fetched),
        }
    }

    /// What was fetched, if rules are replayed over that.
    pub fn fetched(&self) -> Option<&'a Fetched> {
        self.fetched
    }

    /// An instant of the run in Unix milliseconds, the axis of the samples.
    pub fn unix_ms(&self, at: Offset) -> i64 {
        self.scrapes.unix_ms(at)
    }

    /// An instant of the samples on the run's axis.
    pub fn on_axis(&self, ms: i64) -> Offset {
        Offset::from_millis(ms - self.unix_ms(Offset::ZERO))
    }

    /// How expressions are evaluated, unless the scenario says otherwise.
    pub fn options(&self, said: Option<Semantics>) -> Options {
        let own = self.fetched.map_or_else(Options::default, Fetched::options);
        let semantics = said.map(|said| match said {
            Semantics::V3 => promql::Semantics::V3,
            Semantics::V2 => promql::Semantics::V2,
        });
        Options { semantics: semantics.unwrap_or(own.semantics), ..own }
    }

    /// The last scrape.
    pub fn last(&self) -> Offset {
        match self.fetched {
            Some(fetched) => fetched.last().map_or(Offset::ZERO, |ms| self.on_axis(ms).max(Offset::ZERO)),
            None => {
                let jobs = self.trial.scenario.jobs.iter();
                let last = jobs.flat_map(|job| self.scrapes.of_job(&job.name)).filter(|s| !s.missed).map(|s| s.a).max();
                last.unwrap_or(Offset::ZERO)
            }
        }
    }

    /// The first scrape of what some alerts read.
    pub fn first<'r>(&self, alerts: impl Iterator<Item = &'r Alert>) -> Offset {
        let reads = alerts.flat_map(|alert| &alert.reads);
        let first = match self.fetched {
            Some(fetched) => fetched.first(self.storage, reads).map(|ms| self.on_axis(ms)),
            None => {
                let first = |job: &&str| self.scrapes.of_job(job).filter(|s| !s.missed).map(|s| s.a).min();
                self.scrapes.jobs(reads).iter().filter_map(first).max()
            }
        };
        first.unwrap_or(Offset::ZERO)
    }

    /// From one scrape to the next, at the slowest.
    pub fn pace(&self, book: &Book) -> Duration {
        let reads = book.alerts.iter().flat_map(|alert| &alert.reads);
        let known = self.fetched.and_then(|fetched| fetched.pace(self.storage, reads));
        known.unwrap_or_else(|| scrape(self.trial.scenario))
    }

    /// Why a stretch of time says nothing of some alerts, by its scrapes.
    pub fn unfit<'r>(
        &self,
        alerts: impl Iterator<Item = &'r Alert> + Clone,
        book: &Book,
        span: Span,
    ) -> Option<Ruling> {
        let reads = alerts.clone().flat_map(|alert| &alert.reads);
        let ruling = |verdict, why| Ruling { verdict, observed: None, samples: 0, why };
        match self.fetched {
            Some(fetched) => {
                let back = alerts.map(|alert| alert.reach).max().unwrap_or_default();
                let is_written = |selector: &Selector| book::is_written(selector, book);
                let lacks = fetched.lacks(self.trial, self.storage, reads, (span, back), &is_written);
                lacks.map(|why| ruling(Verdict::Inconclusive, why))
            }
            None => {
                let jobs = self.scrapes.jobs(reads.clone());
                let missed = self.scrapes.missed(&jobs, span).map(|why| ruling(Verdict::Invalid, why));
                let meagre = || self.scrapes.meagre(reads, &jobs, span);
                missed.or_else(|| meagre().map(|why| ruling(Verdict::Inconclusive, why)))
            }
        }
    }

    /// How long before the plan's zero rules are evaluated first, so that what they record and how long they have waited is
    /// known from there on. Our own scrapes begin with the run.
    pub fn lead(&self, book: &Book) -> Duration {
        self.fetched.map_or(Duration::ZERO, |_| lead(book))
    }
}

/// How often what rules read is scraped, as far as a scenario says.
pub fn scrape(scenario: &Scenario) -> Duration {
    let is_theirs = scenario.alerts.as_ref().is_some_and(|alerts| alerts.source == Source::Prometheus);
    match scenario.prometheus.as_ref().filter(|_| is_theirs) {
        Some(server) => server.every.unwrap_or(USUAL),
        None => scenario.jobs.iter().map(|job| job.every).max().unwrap_or_default(),
    }
}

/// As [`Basis::lead`], over what a server has.
pub fn lead(book: &Book) -> Duration {
    let of = |alert: &Alert| {
        let behind = if alert.reads.len() > 1 { alert.reach } else { Duration::ZERO };
        behind.saturating_add(alert.hold).saturating_add(alert.keep)
    };
    book.alerts.iter().map(of).max().unwrap_or_default().min(LONGEST_LEAD)
}
