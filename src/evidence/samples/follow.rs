//! Reads `samples.chunks` as it grows.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::read::{Reader, Samples, anchor, checksum, word};
use super::{CHUNK_HEADER, HEADER};
use crate::base::series::{Labels, Series};

/// Which series are kept, by their labels.
pub type Keep = Box<dyn Fn(&Labels) -> bool + Send>;

/// Follows a file of samples.
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    rest: Vec<u8>,                              // a header or a chunk without its end
    reader: Result<Reader<Keep>, Option<Keep>>, // the latter until the header has been read
}

impl Follower {
    /// Keeps the series for whose labels `keep` holds.
    pub fn new(path: PathBuf, keep: Keep) -> Follower {
        Follower { path, file: None, rest: Vec::new(), reader: Err(Some(keep)) }
    }

    /// Reads the whole chunks that have come. After an error there is nothing more to follow.
    pub fn catch_up(&mut self) -> io::Result<()> {
        let damaged = |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("samples.chunks: {why}"));
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(File::open(&self.path)?),
        };
        file.read_to_end(&mut self.rest)?;
        let mut at = 0;
        if let Err(keep) = &mut self.reader {
            if self.rest.len() < HEADER {
                return Ok(());
            }
            let keep = keep.take().ok_or_else(|| damaged("its header is damaged"))?;
            let samples = Samples { wall_zero_ms: anchor(&self.rest), ..Samples::default() };
            self.reader = Ok(Reader::new(samples, keep));
            at = HEADER;
        }
        let Ok(reader) = &mut self.reader else { return Ok(()) };
        while let Some(head) = self.rest.get(at..at + CHUNK_HEADER) {
            let length = word(head, 0) as usize;
            let Some(chunk) = self.rest.get(at..at + CHUNK_HEADER + length) else { break };
            if length == 0 || checksum(chunk) != word(chunk, 4) {
                return Err(damaged("a checksum differs"));
            }
            reader.chunk(&chunk[CHUNK_HEADER..]).map_err(|_| damaged("a chunk makes no sense"))?;
            at += CHUNK_HEADER + length;
        }
        self.rest.drain(..at);
        // Which scrapes there were, events say.
        reader.samples.scrapes.clear();
        reader.samples.order();
        Ok(())
    }

    /// The series so far.
    pub fn series(&self) -> &[Series] {
        self.reader.as_ref().map_or(&[], |reader| &reader.samples.series)
    }

    /// Forgets samples older than this, in milliseconds since the Unix epoch.
    pub fn forget(&mut self, before_ms: i64) {
        for series in self.reader.iter_mut().flat_map(|reader| reader.samples.series.iter_mut()) {
            let first = series.samples.partition_point(|sample| sample.at < before_ms);
            series.samples.drain(..first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Kind, Row, Scrape, Writer, read};
    use super::*;

    #[test]
    fn a_file_that_grows_is_the_file_that_is_read_at_its_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("samples.chunks");
        let mut writer = Writer::create(&path, 1_000_000).expect("creates");
        let mut follower = Follower::new(path.clone(), Box::new(|labels| labels.name() != "unwanted"));
        let labels = |text: &str, _| Labels::new([("__name__", text), ("job", "a"), ("instance", "b")]);
        for n in 0..20i64 {
            let row = |series, value| Row { series, kind: Kind::Counter, value, timestamp: None };
            let scrape = Scrape { job: "a", instance: "b", at_ms: n * 1000, took: Duration::from_millis(3) };
            let rows = [row("wanted", n as f64), row("unwanted", 1.0)];
            writer.scraped(&scrape, rows, labels).expect("writes");
            if n % 3 == 0 {
                writer.flush().expect("flushes");
                follower.catch_up().expect("reads");
            }
        }
        writer.flush().expect("flushes");
        follower.catch_up().expect("reads");
        let whole = read(&path).expect("reads");
        let of = |all: &[Series], name: &str| all.iter().find(|s| s.labels.name() == name).cloned();
        assert_eq!(of(follower.series(), "wanted"), of(&whole.series, "wanted"));
        assert_eq!(of(follower.series(), "wanted").map(|s| s.samples.len()), Some(20));
        assert_eq!(of(follower.series(), "unwanted"), None);
        follower.forget(1_000_000 + 18_000);
        assert_eq!(of(follower.series(), "wanted").map(|s| s.samples.len()), Some(2));
    }
}
