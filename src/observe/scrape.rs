//! Scrapes pages of metrics on a steady cadence. Each job has a task of its own, so that a slow page delays no other;
//! none of them ever waits for the load, nor the load for them.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::beat;
use super::exposition::{self, Dialect};
use super::fetch::{Fetched, Fetcher, Wish};
use super::news::{Inspect, News};
use crate::base::dial::Dial;
use crate::base::net::Address;
use crate::base::time::{Clock, Offset};
use crate::evidence::counters::Counters;
use crate::evidence::event::{self, Event};
use crate::evidence::samples;
use crate::scenario::Job;

/// A job and where its page is.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What the scenario says.
    pub job: Job,
    /// The service.
    pub address: Address,
    /// The path of the page.
    pub path: String,
    /// How connections to it are opened.
    pub dial: Dial,
}

/// Scrapes pages and writes them to the evidence.
pub struct Observer {
    watched: Vec<Watched>,
    fetchers: Vec<Fetcher>, // by job
    news: Vec<Mutex<News>>, // by job
    writer: Scraped,
    clock: Clock,
    counters: Arc<Counters>,
    events: mpsc::UnboundedSender<Event>,
}

/// What was scraped and not yet handed to the system.
#[derive(Clone)]
pub struct Scraped(Arc<Mutex<samples::Writer>>);

impl Scraped {
    fn lock(&self) -> MutexGuard<'_, samples::Writer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands it to the system. Call once a second.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().flush()
    }
}

impl Observer {
    /// Opens the samples file. Events go to `events`; `inspect` says what is wrong with how a page is laid out.
    pub fn create(
        path: &Path,
        watched: Vec<Watched>,
        clock: Clock,
        counters: Arc<Counters>,
        events: mpsc::UnboundedSender<Event>,
        inspect: Inspect,
    ) -> io::Result<Observer> {
        let fetchers = watched.iter().map(|w| Fetcher::new(&w.address, &w.path, w.dial.clone())).collect();
        let news = watched.iter().map(|_| Mutex::new(News::new(inspect))).collect();
        let mut writer = samples::Writer::create(path, clock.wall_nanos(Offset::ZERO) / 1_000_000)?;
        watched.iter().for_each(|watched| writer.label(&watched.job.name, &watched.job.labels));
        let writer = Scraped(Arc::new(Mutex::new(writer)));
        Ok(Observer { watched, fetchers, news, writer, clock, counters, events })
    }

    /// Scrapes every page once, while nothing is under way.
    pub async fn quiet(self: &Arc<Self>) {
        let mut all = JoinSet::new();
        for i in 0..self.watched.len() {
            let this = self.clone();
            all.spawn(async move { this.scrape(i, this.clock.now(), true).await });
        }
        while all.join_next().await.is_some() {}
    }

    /// Scrapes on the cadence of each job from the plan's zero until `stop` turns true. What was asked for is waited for: the
    /// target has counted it, whether or not anybody reads the page.
    pub async fn watch(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut all = JoinSet::new();
        for i in 0..self.watched.len() {
            let (this, stop) = (self.clone(), stop.clone());
            all.spawn(async move { this.follow(i, stop).await });
        }
        while all.join_next().await.is_some() {}
    }

    async fn follow(&self, watched: usize, mut stop: watch::Receiver<bool>) {
        let every = self.watched[watched].job.every;
        let mut planned = Offset::ZERO;
        while beat::comes(planned, self.clock, &mut stop).await {
            if self.clock.now().since(planned) > every / 2 {
                self.missed(watched, planned);
            } else {
                self.scrape(watched, planned, false).await;
                // A page that took longer than the cadence: the instants that it swallowed were the target's doing.
                while self.clock.now() >= planned + every {
                    planned = planned + every;
                }
            }
            planned = planned + every;
        }
    }

    fn missed(&self, watched: usize, planned: Offset) {
        let now = self.clock.now();
        let scrape = event::Scrape {
            job: self.watched[watched].job.name.clone(),
            planned,
            a: now,
            b: now,
            failed: Some("we were too late for it".into()),
            missed: true,
            samples: 0,
            at_a: Vec::new(),
            at_b: Vec::new(),
            quiet: false,
        };
        let _ = self.events.send(Event::Scrape(scrape));
    }

    async fn scrape(&self, watched: usize, planned: Offset, quiet: bool) {
        let Watched { job, address, .. } = &self.watched[watched];
        let at_a = self.counters.read();
        let a = self.clock.now();
        let fetched = self.fetchers[watched].fetch(Wish::SCRAPE, job.timeout).await;
        let b = self.clock.now();
        let at_b = self.counters.read();
        let scrape = samples::Scrape {
            job: &job.name,
            instance: &address.authority(),
            at_ms: a.nanos().div_euclid(1_000_000),
            took: b.since(a),
        };
        let kept = match &fetched {
            Ok(fetched) => self.keep(watched, &scrape, fetched, quiet),
            Err(why) => Err(why.clone()),
        };
        let (failed, samples) = match kept {
            Ok(samples) => (None, samples),
            Err(why) => {
                let mut writer = self.writer.lock();
                let why = match writer.failed(&scrape) {
                    Ok(()) => why,
                    Err(e) => format!("{why}; and it could not be recorded: {e}"),
                };
                (Some(why), 0)
            }
        };
        let scrape =
            event::Scrape { job: job.name.clone(), planned, a, b, failed, missed: false, samples, at_a, at_b, quiet };
        let _ = self.events.send(Event::Scrape(scrape));
    }

    /// Keeps a page's samples, and what it says of itself where that is news.
    fn keep(
        &self,
        watched: usize,
        scrape: &samples::Scrape<'_>,
        fetched: &Fetched,
        quiet: bool,
    ) -> Result<u64, String> {
        let job = &self.watched[watched].job;
        let dialect = Dialect::of(fetched.media.as_deref(), &fetched.page);
        let page = exposition::parse(&fetched.page, dialect);
        let mut news = self.news[watched].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(page) = news.of(scrape, fetched, page.as_ref(), quiet) {
            let _ = self.events.send(Event::Page(page));
        }
        drop(news);
        let page = page.map_err(|e| format!("not metrics: {e}"))?;
        let labels = |series: &str, kind| {
            let mut labels = exposition::labels(series, kind);
            for (name, value) in &job.labels {
                labels.set(name.clone(), value.clone());
            }
            labels
        };
        let mut writer = self.writer.lock();
        let kept = writer
            .scraped(scrape, page.rows.iter().copied(), labels)
            .map_err(|e| format!("could not be recorded: {e}"))?;
        Ok(kept.rows)
    }

    /// What was scraped, for whoever flushes it.
    pub fn scraped(&self) -> Scraped {
        self.writer.clone()
    }
}
