//! Writes `samples.chunks` while the run goes on. Memory holds the series that are alive, not what they did.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::code::{put, put_bytes, put_signed};
use super::dictionary;
use super::target::Target;
use super::{CHUNK_HEADER, HEADER, Kind, MAGIC, Row, VERSION};
use crate::base::series::{Labels, Sample, Series};

/// A chunk that has grown to this many bytes is written without waiting for a flush.
const FULL: usize = 1 << 20;

/// Which scrape it was.
#[derive(Debug, Clone, Copy)]
pub struct Scrape<'a> {
    /// The job as the scenario names it.
    pub job: &'a str,
    /// `host:port`.
    pub instance: &'a str,
    /// The instant that its samples carry, when the request went out: milliseconds since the plan's zero, negative
    /// before it. Of two scrapes of a target at one instant the first counts.
    pub at_ms: i64,
    /// From request to the end of the reply, or until it was given up.
    pub took: Duration,
}

/// What became of a page's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Rows on the page.
    pub rows: u64,
    /// Series that the previous scrape of this target did not have.
    pub added: u64,
    /// Rows whose series stood on the page before; the first counts.
    pub repeated: u64,
}

/// Appends scrapes to a file.
#[derive(Debug)]
pub struct Writer {
    file: File,
    wall_zero_ms: i64,
    /// The chunk that is being filled, with room for its header.
    chunk: Vec<u8>,
    /// How long the file is without what a failed write may have left behind.
    length: u64,
    targets: Vec<Target>,
    index: HashMap<(Arc<str>, Arc<str>), usize>,
    /// By job: what its targets are labelled with, flat.
    labels: HashMap<String, Vec<u8>>,
}

impl Writer {
    /// Makes the file, which must not exist. `wall_zero_ms` is the plan's zero in milliseconds since the Unix epoch.
    pub fn create(path: &Path, wall_zero_ms: i64) -> io::Result<Writer> {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&wall_zero_ms.to_le_bytes());
        header.extend_from_slice(&crc32fast::hash(&header).to_le_bytes());
        file.write_all(&header)?;
        Ok(Writer {
            file,
            wall_zero_ms,
            chunk: vec![0; CHUNK_HEADER],
            length: HEADER as u64,
            targets: Vec::new(),
            index: HashMap::new(),
            labels: HashMap::new(),
        })
    }

    /// Says what the targets of a job are labelled with. The series that scrapes make themselves carry it, as in Prometheus;
    /// those of the page get it with their labels. To be said before the first scrape.
    pub fn label(&mut self, job: &str, labels: &[(String, String)]) {
        let labels = Labels::new(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.labels.insert(job.to_owned(), dictionary::flat(&labels));
    }

    /// Records a page. `labels` is asked once for each series that the target's last scrapes did not have. Rows with a
    /// timestamp keep it and are never marked stale.
    pub fn scraped<'p>(
        &mut self,
        scrape: &Scrape<'_>,
        rows: impl IntoIterator<Item = Row<'p>>,
        labels: impl Fn(&str, Kind) -> Labels,
    ) -> io::Result<Kept> {
        let anchor = self.wall_zero_ms;
        let target = self.begin(scrape, true);
        let (target, out) = (&mut self.targets[target], &mut self.chunk);
        let kept = target.take(rows, labels, anchor);
        target.write(out, scrape, true, kept);
        self.flush_if_full()?;
        Ok(kept)
    }

    /// Records that the target did not answer with metrics: `up` is 0 and all its series are stale.
    pub fn failed(&mut self, scrape: &Scrape<'_>) -> io::Result<()> {
        let target = self.begin(scrape, false);
        let (target, out) = (&mut self.targets[target], &mut self.chunk);
        target.take([], |_, _| Labels::default(), 0);
        target.write(out, scrape, false, Kept::default());
        self.flush_if_full()
    }

    /// Records what somebody else has scraped: every sample has its own timestamp, in Unix milliseconds, and every series
    /// the labels that it came with, `job` and `instance` included.
    pub fn fetched(&mut self, series: &[Series]) -> io::Result<()> {
        let names: Vec<String> = series.iter().map(|series| series.labels.to_string()).collect();
        let labels: HashMap<&str, &Labels> =
            names.iter().map(String::as_str).zip(series.iter().map(|s| &s.labels)).collect();
        let rows = series.iter().zip(&names).flat_map(|(series, name)| {
            let row = |sample: &Sample| Row {
                series: name,
                kind: Kind::Unknown,
                value: sample.value,
                timestamp: Some(sample.at),
            };
            series.samples.iter().map(row)
        });
        let nobody = Scrape { job: "", instance: "", at_ms: 0, took: Duration::ZERO };
        self.scraped(&nobody, rows, |name, _| labels.get(name).map(|labels| (*labels).clone()).unwrap_or_default())?;
        Ok(())
    }

    /// Hands everything recorded so far to the system. After an error the file ends where its last whole chunk ends,
    /// and the next flush tries again.
    pub fn flush(&mut self) -> io::Result<()> {
        let (head, payload) = self.chunk.split_at_mut(CHUNK_HEADER);
        if payload.is_empty() {
            return Ok(());
        }
        let length = (payload.len() as u32).to_le_bytes();
        let mut crc = crc32fast::Hasher::new();
        crc.update(&length);
        crc.update(payload);
        head[..4].copy_from_slice(&length);
        head[4..].copy_from_slice(&crc.finalize().to_le_bytes());
        if let Err(e) = self.file.write_all(&self.chunk) {
            let _ = self.file.set_len(self.length); // the first error is the one to tell
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(e);
        }
        self.length += self.chunk.len() as u64;
        self.chunk.truncate(CHUNK_HEADER);
        Ok(())
    }

    /// How many series are in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.targets.iter().map(Target::held).sum()
    }

    fn flush_if_full(&mut self) -> io::Result<()> {
        if self.chunk.len() < FULL { Ok(()) } else { self.flush() }
    }

    /// Writes the head of a scrape and finds its target.
    fn begin(&mut self, scrape: &Scrape<'_>, answered: bool) -> usize {
        let name: (Arc<str>, Arc<str>) = (scrape.job.into(), scrape.instance.into());
        let known = self.index.get(&name).copied();
        let n = known.unwrap_or(self.targets.len());
        put(&mut self.chunk, n as u64);
        if known.is_none() {
            put_bytes(&mut self.chunk, scrape.job.as_bytes());
            put_bytes(&mut self.chunk, scrape.instance.as_bytes());
            put_bytes(&mut self.chunk, self.labels.get(scrape.job).map(Vec::as_slice).unwrap_or_default());
            self.index.insert(name, n);
            self.targets.push(Target::new(scrape.job.is_empty()));
        }
        put_signed(&mut self.chunk, scrape.at_ms.wrapping_sub(self.targets[n].at));
        self.chunk.push(u8::from(answered));
        self.targets[n].at = scrape.at_ms;
        n
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.flush(); // whoever needs to know has flushed before
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{labels, recording, row, scrape};
    use super::*;

    #[test]
    fn a_write_that_failed_is_made_up_for_by_the_next() {
        let mut r = recording();
        let good = r.writer.file.try_clone().expect("a handle");
        for n in 0..3 {
            r.writer.scraped(&scrape("api", n), [row("a", 1.0)], labels).expect("memory");
            r.writer.file = File::open(&r.path).expect("a file that cannot be written to");
            r.writer.flush().expect_err("not writable");
            r.writer.file = good.try_clone().expect("a handle");
            if n == 1 {
                r.writer.flush().expect("space");
            }
        }
        let samples = r.read();
        assert_eq!((samples.scrapes.len(), samples.torn), (3, None));
    }
}
