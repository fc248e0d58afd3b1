//! The server's book: what a page said of some series, scrape by scrape.

use crate::base::series::{Series, is_stale};
use crate::base::time::Offset;
use crate::evidence::event::{Event, Scrape};
use crate::evidence::reader::Evidence;
use crate::promql::Storage;

use super::client::before_the_load;

/// A process may be unsure of when it began by so many seconds: some work it out anew for every page, from clocks that are
/// set right meanwhile.
pub const JITTER: f64 = 2.0;

/// A page of metrics and the scrapes that brought it.
pub struct Page<'a> {
    /// Its job.
    pub job: &'a str,
    /// Good scrapes, by when they were asked for.
    pub scrapes: Vec<&'a Scrape>,
    /// The last of them before the load, by position.
    pub opening: Option<usize>,
    /// The first of them after the drain.
    pub closing: Option<usize>,
    /// Scrapes that we missed.
    pub missed: u64,
    /// Why a quiet scrape brought nothing, if the target was asked.
    pub refused: Option<&'a str>,
    starts: Vec<Option<f64>>, // by scrape: when the process says that it began, in Unix seconds
    own: Vec<(Offset, Own)>,  // by when each was over: all since the opening scrape
    instance: String,
    wall_ms: i64,
}

/// What we asked of a service besides shots: at least, and at most. What brought nothing may have arrived or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Own {
    /// Scrapes of the page.
    pub scrapes: [u64; 2],
    /// Probes of a contract.
    pub probes: [u64; 2],
}

impl Own {
    /// Both together.
    pub fn and(self, other: Own) -> Own {
        let sum = |a: [u64; 2], b: [u64; 2]| [a[0] + b[0], a[1] + b[1]];
        Own { scrapes: sum(self.scrapes, other.scrapes), probes: sum(self.probes, other.probes) }
    }

    /// What a job asked since its opening scrape, by when each was over.
    fn read(job: &str, since: Offset, evidence: &Evidence) -> Vec<(Offset, Own)> {
        let one = |answered: bool| [u64::from(answered), 1];
        let asked = |event: &Event| match event {
            Event::Scrape(s) if s.job == job && !s.missed && s.a >= since => {
                Some((s.b, Own { scrapes: one(s.failed.is_none()), ..Own::default() }))
            }
            Event::Probe(p) if p.job == job && !p.missed && p.at >= since => {
                Some((p.at, Own { probes: one(p.status.is_some()), ..Own::default() }))
            }
            _ => None,
        };
        let mut all: Vec<(Offset, Own)> = evidence.events.iter().filter_map(asked).collect();
        all.sort_by_key(|(at, _)| *at);
        let mut sum = Own::default();
        for (_, own) in &mut all {
            sum = sum.and(*own);
            *own = sum;
        }
        all
    }
}

/// What became of the process behind a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Life {
    /// One process, as far as is known.
    One,
    /// Another began.
    Restarted(Offset),
    /// Start times return that were gone: their greatest distance, in seconds.
    Several(f64),
}

/// Some series of a page, summed up: what they have grown by since the opening scrape.
#[derive(Debug, Clone, Default)]
pub struct Course {
    /// Their sum at the opening scrape.
    pub first: f64,
    /// At each scrape from the opening one on: their sum, and what they have grown by, falls made good.
    pub points: Vec<Point>,
    /// Where one of them fell or vanished: positions of points.
    pub falls: Vec<usize>,
}

/// At one scrape.
#[derive(Debug, Clone, Copy, Default)]
pub struct Point {
    /// The sum.
    pub sum: f64,
    /// What they have grown by since the opening scrape.
    pub grown: f64,
}

impl<'a> Page<'a> {
    /// The page of a job.
    pub fn read(job: &'a str, evidence: &'a Evidence, storage: &Storage<'_>) -> Page<'a> {
        let of_job = evidence.events.iter().filter_map(|event| match event {
            Event::Scrape(scrape) if scrape.job == job => Some(scrape),
            _ => None,
        });
        let mut page = Page {
            job,
            scrapes: Vec::new(),
            opening: None,
            closing: None,
            missed: 0,
            refused: None,
            starts: Vec::new(),
            own: Vec::new(),
            instance: String::new(),
            wall_ms: evidence.manifest.wall_zero.div_euclid(1_000_000),
        };
        for scrape in of_job {
            match &scrape.failed {
                _ if scrape.missed => page.missed += 1,
                None => page.scrapes.push(scrape),
                Some(why) if scrape.quiet => page.refused = Some(why),
                Some(_) => {}
            }
        }
        page.scrapes.sort_by_key(|scrape| scrape.a);
        page.opening = page.scrapes.iter().rposition(|scrape| before_the_load(scrape));
        page.closing = page.scrapes.iter().position(|scrape| scrape.quiet && !before_the_load(scrape));
        let since = page.opening.map_or(Offset::ZERO, |opening| page.scrapes[opening].b);
        page.own = Own::read(job, since, evidence);
        let ours = |series: &&&Series| series.labels.get("job") == job;
        let up = storage.named("up").iter().find(ours);
        page.instance = up.map_or_else(String::new, |series| series.labels.get("instance").to_owned());
        let start = storage.named("process_start_time_seconds").iter().find(ours);
        page.starts = start.map_or_else(Vec::new, |series| page.values(series));
        page
    }

    /// What we asked of its service besides shots, up to an instant.
    pub fn own_by(&self, until: Offset) -> Own {
        let next = self.own.partition_point(|(at, _)| *at <= until);
        next.checked_sub(1).map_or(Own::default(), |last| self.own[last].1)
    }

    /// Whether another page is of the same place.
    pub fn is_beside(&self, other: &Page<'_>) -> bool {
        self.job == other.job || (!self.instance.is_empty() && self.instance == other.instance)
    }

    /// What a series was at each scrape; nothing where it was not on the page.
    pub fn values(&self, series: &Series) -> Vec<Option<f64>> {
        let at = |scrape: &&Scrape| {
            let ms = self.wall_ms + scrape.a.nanos().div_euclid(1_000_000);
            let found = series.samples.binary_search_by_key(&ms, |sample| sample.at).ok()?;
            Some(series.samples[found].value).filter(|value| !is_stale(*value))
        };
        self.scrapes.iter().map(at).collect()
    }

    /// The course of some series of this page. Nothing without an opening scrape.
    pub fn course<'s>(&self, series: impl IntoIterator<Item = &'s Series>) -> Option<Course> {
        let opening = self.opening?;
        let mut course = Course { points: vec![Point::default(); self.scrapes.len() - opening], ..Course::default() };
        for series in series.into_iter().filter(|s| s.labels.get("job") == self.job) {
            let values = self.values(series);
            // A series is born with its first event: before that it stood at nothing.
            let first = values[opening].unwrap_or(0.0);
            let (mut last, mut there, mut grown) = (first, values[opening].is_some(), 0.0);
            course.first += first;
            for (point, value) in values[opening..].iter().enumerate() {
                match value {
                    Some(value) if *value < last => {
                        course.falls.push(point);
                        (last, grown) = (*value, grown + *value);
                    }
                    Some(value) => (last, grown) = (*value, grown + (*value - last)),
                    // It was there, and is gone: what it would say now is not known.
                    None if there => {
                        course.falls.push(point);
                        last = 0.0;
                    }
                    None => {}
                }
                there = value.is_some();
                course.points[point].sum += last;
                course.points[point].grown += grown;
            }
        }
        course.falls.sort_unstable();
        course.falls.dedup();
        Some(course)
    }

    /// What became of the process, as it says itself.
    pub fn life(&self) -> Life {
        let Some(opening) = self.opening else { return Life::One };
        let known: Vec<(usize, f64)> =
            (opening..self.starts.len()).filter_map(|i| self.starts[i].map(|start| (i, start))).collect();
        let mut runs: Vec<(f64, usize, usize)> = Vec::new(); // a start, and the first and last scrape that told it
        for (scrape, start) in known {
            match runs.last_mut() {
                Some(run) if run.0 == start => run.2 = scrape,
                _ => runs.push((start, scrape, scrape)),
            }
        }
        for (nth, run) in runs.iter().enumerate().skip(1) {
            let seen = |i: usize| self.scrapes[i].a;
            let before = runs[nth - 1];
            // One that began after the other was seen alive took its place; any other stood beside it.
            let alive = seen(before.2).since(seen(before.1)).as_secs_f64();
            if runs[..nth].iter().any(|earlier| earlier.0 == run.0) || run.0 < before.0 + alive - JITTER {
                let starts = runs.iter().map(|run| run.0);
                let spread = starts.clone().fold(f64::MIN, f64::max) - starts.fold(f64::MAX, f64::min);
                return Life::Several(spread);
            }
        }
        let replaced = runs.windows(2).find(|pair| pair[1].0 - pair[0].0 > JITTER);
        replaced.map_or(Life::One, |pair| Life::Restarted(self.scrapes[pair[1].1].a))
    }

    /// By how much the process says that it began after we saw it, in seconds: its clock is ahead of ours.
    pub fn ahead(&self) -> Option<f64> {
        let opening = self.opening?;
        let start = (*self.starts.get(opening)?)?;
        let wall = (self.wall_ms + self.scrapes[opening].b.nanos().div_euclid(1_000_000)) as f64 / 1e3;
        // A start that is told in whole seconds may be rounded up.
        Some(start - wall).filter(|ahead| *ahead > 1.0)
    }
}
