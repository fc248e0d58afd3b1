//! Scrapes pages of metrics on a steady cadence. Each job has a task of its own, so that a slow page delays no other;
//! none of them ever waits for the load, nor the load for them.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::exposition::{self, Dialect};
use crate::base::net::Address;
use crate::base::text::cause;
use crate::base::time::{Clock, Offset};
use crate::evidence::counters::Counters;
use crate::evidence::event::{self, Event};
use crate::evidence::samples;
use crate::scenario::Job;

/// A larger page is refused.
const MAX_PAGE: usize = 256 << 20;

/// A job and where its page is.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What the scenario says.
    pub job: Job,
    /// The service.
    pub address: Address,
    /// The path of the page.
    pub path: String,
}

/// Scrapes pages and writes them to the evidence.
pub struct Observer {
    watched: Vec<Watched>,
    client: reqwest::Client,
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
    /// Opens the samples file. Events go to `events`.
    pub fn create(
        path: &Path,
        watched: Vec<Watched>,
        clock: Clock,
        counters: Arc<Counters>,
        events: mpsc::UnboundedSender<Event>,
    ) -> io::Result<Observer> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()
            .map_err(io::Error::other)?;
        let writer = samples::Writer::create(path, clock.wall_nanos(Offset::ZERO) / 1_000_000)?;
        let writer = Scraped(Arc::new(Mutex::new(writer)));
        Ok(Observer { watched, client, writer, clock, counters, events })
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

    /// Scrapes on the cadence of each job from the plan's zero until `stop` turns true.
    pub async fn watch(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let mut all = JoinSet::new();
        for i in 0..self.watched.len() {
            let this = self.clone();
            let mut stop = stop.clone();
            all.spawn(async move {
                tokio::select! {
                    () = this.follow(i) => {}
                    _ = stop.wait_for(|stop| *stop) => {}
                }
            });
        }
        while all.join_next().await.is_some() {}
    }

    async fn follow(&self, watched: usize) {
        let every = self.watched[watched].job.every;
        let mut planned = Offset::ZERO;
        loop {
            tokio::time::sleep(self.clock.until(planned)).await;
            if self.clock.now().since(planned) > every / 2 {
                self.missed(watched, planned);
            } else {
                self.scrape(watched, planned, false).await;
            }
            planned = planned + every;
            // A page that took longer than the cadence: the instants that it swallowed were the target's doing.
            while self.clock.now() > planned + every {
                planned = planned + every;
            }
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
        let Watched { job, address, path } = &self.watched[watched];
        let at_a = self.counters.read();
        let a = self.clock.now();
        let fetched = tokio::time::timeout(job.timeout, self.fetch(address, path, job.timeout)).await;
        let b = self.clock.now();
        let at_b = self.counters.read();
        let fetched =
            fetched.unwrap_or_else(|_| Err(format!("no page within {}", crate::base::units::duration(job.timeout))));
        let scrape = samples::Scrape {
            job: &job.name,
            instance: &address.authority(),
            at_ms: a.nanos().div_euclid(1_000_000),
            took: b.since(a),
        };
        let mut writer = self.writer.lock();
        let (failed, samples) = match fetched.and_then(|page| self.keep(&mut writer, &scrape, job, &page)) {
            Ok(samples) => (None, samples),
            Err(why) => {
                let why = match writer.failed(&scrape) {
                    Ok(()) => why,
                    Err(e) => format!("{why}; and it could not be recorded: {e}"),
                };
                (Some(why), 0)
            }
        };
        drop(writer);
        let scrape =
            event::Scrape { job: job.name.clone(), planned, a, b, failed, missed: false, samples, at_a, at_b, quiet };
        let _ = self.events.send(Event::Scrape(scrape));
    }

    async fn fetch(
        &self,
        address: &Address,
        path: &str,
        timeout: Duration,
    ) -> Result<(Option<String>, Vec<u8>), String> {
        let request = self.client.get(address.url(path)).header("Accept", exposition::ACCEPT).timeout(timeout);
        let mut response = request.send().await.map_err(|e| cause(&e))?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let media = response.headers().get("content-type").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let mut page = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| cause(&e))? {
            if page.len() + chunk.len() > MAX_PAGE {
                return Err(format!("the page is larger than {} bytes", MAX_PAGE));
            }
            page.extend_from_slice(&chunk);
        }
        Ok((media, page))
    }

    fn keep(
        &self,
        writer: &mut samples::Writer,
        scrape: &samples::Scrape<'_>,
        job: &Job,
        (media, page): &(Option<String>, Vec<u8>),
    ) -> Result<u64, String> {
        let dialect = Dialect::of(media.as_deref(), page);
        let page = exposition::parse(page, dialect).map_err(|e| format!("not metrics: {e}"))?;
        let labels = |series: &str, kind| {
            let mut labels = exposition::labels(series, kind);
            for (name, value) in &job.labels {
                labels.set(name.clone(), value.clone());
            }
            labels
        };
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
