//! Reads the evidence of a run that goes on, as it is written: what a judge must know before the end.
//!
//! Each file is read on from where it was left, up to its last whole record, so that a look costs what has come since the one
//! before. It asks nothing of whoever writes but a flush, and knows nothing that a later reader will not find.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::event::Event;
use super::folder::Folder;
use super::latency::Tag;
use super::manifest::Manifest;
use super::reader::Evidence;
use super::samples;
use super::touches::{self, DECISIONS, PARTS, SHOTS};
use crate::base::series::Series;
use crate::base::time::Offset;

/// Follows the folder of a run.
pub struct Follower {
    evidence: Evidence,
    events: Tail,
    latency: Tail,
    touches: [touches::Tail; 3],
    wanted: Box<dyn Fn(&Tag) -> bool + Send>,
    samples: Option<samples::Follower>,
}

impl Follower {
    /// Follows a run whose manifest is known. Of the latency log the tags are kept that are `wanted`; of the samples the
    /// series for which `keep` holds, none without it.
    pub fn new(
        folder: &Folder,
        manifest: Manifest,
        wanted: impl Fn(&Tag) -> bool + Send + 'static,
        keep: Option<samples::Keep>,
    ) -> Follower {
        let touches = [(SHOTS, 0), (PARTS, 0), (DECISIONS, manifest.stage_shift())];
        let touches = touches.map(|(name, moved)| touches::Tail::new(folder.file(name), moved));
        Follower {
            evidence: Evidence {
                manifest,
                events: Vec::new(),
                latency: Default::default(),
                shots: Default::default(),
                parts: Default::default(),
                decisions: Default::default(),
                fetched: Vec::new(),
                baseline: None,
                gaps: Vec::new(),
            },
            events: Tail::new(folder.file("events.jsonl")),
            latency: Tail::new(folder.file("latency.hlog")),
            touches,
            wanted: Box::new(wanted),
            samples: keep.map(|keep| samples::Follower::new(folder.file("samples.chunks"), keep)),
        }
    }

    /// Reads what has been written since the last time.
    pub fn catch_up(&mut self) -> io::Result<()> {
        let damaged = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        for line in self.events.lines()?.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line).map_err(|e| damaged(e.to_string()))? {
                Event::Exemplar(_) | Event::Aside { .. } => {}
                event => self.evidence.events.push(event),
            }
        }
        let lines = self.latency.lines()?;
        self.evidence.latency.extend(&lines, &self.wanted).map_err(damaged)?;
        self.samples.as_mut().map_or(Ok(()), samples::Follower::catch_up)
    }

    /// Reads what faults struck since the last time. Call after [`catch_up`](Follower::catch_up), so that of every shot that was
    /// told of it is known what it met.
    pub fn catch_up_with_touches(&mut self) -> io::Result<()> {
        let [shots, parts, decisions] = &mut self.touches;
        shots.catch_up(&mut self.evidence.shots)?;
        parts.catch_up(&mut self.evidence.parts)?;
        decisions.catch_up(&mut self.evidence.decisions)
    }

    /// What was read, and not forgotten.
    pub fn evidence(&mut self) -> &mut Evidence {
        &mut self.evidence
    }

    /// The same, and the scraped series that are kept.
    pub fn seen(&mut self) -> (&mut Evidence, &[Series]) {
        (&mut self.evidence, self.samples.as_ref().map_or(&[], samples::Follower::series))
    }

    /// Forgets what was due, told or scraped before an instant; what became of faults is kept.
    pub fn forget(&mut self, before: Offset) {
        let second = before.nanos().div_euclid(1_000_000_000);
        self.evidence.latency.forget(Offset::from_millis(second * 1000));
        self.evidence.shots.forget(|shot| shot.done() >= before);
        self.evidence.parts.forget(|part| part.done >= before);
        self.evidence.decisions.forget(|decision| decision.at >= before);
        let (mut ends, mut missed) = (BTreeSet::new(), BTreeSet::new());
        self.evidence.events.retain_mut(|event| match event {
            Event::Tick(tick) => {
                // A second is known as a whole or not at all.
                tick.traffic.iter_mut().for_each(|rows| rows.retain(|row| row.second >= second));
                tick.at >= before || tick.traffic.iter().any(|rows| !rows.is_empty())
            }
            Event::Host(host) => host.at >= before,
            Event::Resources(told) => told.at >= before,
            Event::Scrape(scrape) => scrape.b >= before,
            Event::Probe(probe) => probe.at >= before,
            // That effects were missed is true for ever.
            Event::Effects(told) if told.at < before => {
                (told.rows, told.backlog, told.examples) = Default::default();
                told.missed.is_some() && missed.insert(told.traffic.clone())
            }
            Event::Stage(told) => told.at >= before,
            Event::Followed(told) => told.at >= before,
            Event::Calls { at, .. } | Event::Alertmanager { at, .. } => *at >= before,
            // Where partitions ended at first is where a group begins that has committed nothing.
            Event::Lag(lag) => lag.at >= before || (lag.why.is_none() && ends.insert(lag.traffic.clone())),
            _ => true,
        });
    }

    /// Forgets samples older than this, in Unix milliseconds.
    pub fn forget_samples(&mut self, before_ms: i64) {
        self.samples.iter_mut().for_each(|samples| samples.forget(before_ms));
    }
}

/// A file of lines that grows.
struct Tail {
    path: PathBuf,
    file: Option<File>,
    rest: Vec<u8>, // a line without its end
}

impl Tail {
    fn new(path: PathBuf) -> Tail {
        Tail { path, file: None, rest: Vec::new() }
    }

    /// The whole lines that have come.
    fn lines(&mut self) -> io::Result<Vec<u8>> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        let mut bytes = std::mem::take(&mut self.rest);
        file.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        self.rest = bytes.split_off(whole);
        Ok(bytes)
    }
}
