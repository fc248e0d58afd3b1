//! Reads `samples.chunks` back into series, as far as the file is whole.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::code::{Damaged, Decoder, Input, Track};
use super::dictionary::{self, SYNTHETIC};
use super::{CHUNK_HEADER, HEADER, Kind, MAGIC, UNLABELLED, VERSION};
use crate::base::series::{Labels, Sample, Series, stale};

/// What a samples file says. All times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    /// The plan's zero.
    pub wall_zero_ms: i64,
    /// In the order of their first appearance; a series that returns is the same series.
    pub series: Vec<Series>,
    /// The type of each series.
    pub kinds: Vec<Kind>,
    /// Every scrape, in the order of the file.
    pub scrapes: Vec<Scraped>,
    /// Why the file was not read to its end, if it was not: a run that died in the middle of a write, or damage.
    pub torn: Option<String>,
}

/// One scrape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scraped {
    /// The job as the scenario names it.
    pub job: Arc<str>,
    /// `host:port`.
    pub instance: Arc<str>,
    /// When.
    pub at: i64,
    /// Whether the target answered with metrics.
    pub up: bool,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It does not begin like a samples file, or its header is damaged.
    #[error("{}: not a samples file, or its header is damaged", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error("{}: samples format {found}, this program reads {VERSION}: use the version that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}

/// Reads a file whole. It needs 16 bytes of memory a sample: prefer [`read_where`] for long runs.
pub fn read(path: &Path) -> Result<Samples, Error> {
    read_where(path, |_| true)
}

/// Reads the series whose labels `keep` accepts; `job` and `instance` are among them. Scrapes are always read.
pub fn read_where(path: &Path, keep: impl Fn(&Labels) -> bool) -> Result<Samples, Error> {
    let io = |source| Error::Io { path: path.into(), source };
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(io)?);
    read_from(file, keep).map_err(io)?.map_err(|found| match found {
        None => Error::Foreign { path: path.into() },
        Some(found) => Error::Version { path: path.into(), found },
    })
}

/// Reads from anything; the inner error is the version of a format that is not ours, if it is one at all.
pub(super) fn read_from(
    mut file: impl Read,
    keep: impl Fn(&Labels) -> bool,
) -> io::Result<Result<Samples, Option<u32>>> {
    let mut samples = Samples::default();
    let mut header = Vec::new();
    file.by_ref().take(HEADER as u64).read_to_end(&mut header)?;
    if !MAGIC.starts_with(&header[..header.len().min(MAGIC.len())]) {
        return Ok(Err(None));
    }
    if header.len() < HEADER {
        samples.torn = Some("the file ends inside its header".into());
        return Ok(Ok(samples));
    }
    match (word(&header, MAGIC.len()), word(&header, HEADER - 4)) {
        (version, _) if !(UNLABELLED..=VERSION).contains(&version) => return Ok(Err(Some(version))),
        (_, crc) if crc != crc32fast::hash(&header[..HEADER - 4]) => return Ok(Err(None)),
        _ => {}
    }
    samples.wall_zero_ms = anchor(&header);

    let mut reader = Reader::new(samples, keep);
    reader.labelled = word(&header, MAGIC.len()) > UNLABELLED;
    let (mut at, mut chunk) = (HEADER as u64, Vec::new());
    for n in 1.. {
        chunk.clear();
        file.by_ref().take(CHUNK_HEADER as u64).read_to_end(&mut chunk)?;
        if chunk.is_empty() {
            break;
        }
        let length = if chunk.len() < CHUNK_HEADER { u64::MAX } else { word(&chunk, 0).into() };
        file.by_ref().take(length).read_to_end(&mut chunk)?;
        let why = if ((chunk.len() - chunk.len().min(CHUNK_HEADER)) as u64) < length {
            Some("the file ends inside it")
        } else if length == 0 || checksum(&chunk) != word(&chunk, 4) {
            Some("its checksum differs")
        } else {
            reader.chunk(&chunk[CHUNK_HEADER..]).err().map(|Damaged| "it makes no sense")
        };
        if let Some(why) = why {
            let lost = chunk.len() as u64 + io::copy(&mut file, &mut io::sink())?;
            reader.samples.torn = Some(format!("chunk {n} at byte {at}: {why}; {lost} bytes are not read"));
            break;
        }
        at += chunk.len() as u64;
    }
    Ok(Ok(reader.finish()))
}

/// The plan's zero in a header, in milliseconds since the Unix epoch.
pub(super) fn anchor(header: &[u8]) -> i64 {
    let (low, high) = (word(header, MAGIC.len() + 4), word(header, MAGIC.len() + 8));
    (u64::from(high) << 32 | u64::from(low)) as i64
}

/// The checksum that a chunk, its head included, should have.
pub(super) fn checksum(chunk: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&chunk[..4]);
    crc.update(&chunk[CHUNK_HEADER..]);
    crc.finalize()
}

/// The 32-bit number at `at`, which is within `bytes`.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |n, b| n << 8 | u32::from(*b))
}

/// Reads chunk after chunk; what one says is coded against those before it.
pub(super) struct Reader<K> {
    pub(super) samples: Samples,
    targets: Vec<Target>,
    index: HashMap<Labels, usize>,
    keep: K,
    /// Whether the file says what targets are labelled with.
    labelled: bool,
}

struct Target {
    job: Arc<str>,
    instance: Arc<str>,
    slots: Vec<Slot>,
    at: i64,
    told: Vec<u8>,
}

struct Slot {
    track: Track,
    stamp: i64,
    live: bool,
    /// Where its samples go; `None` if nobody wants them.
    series: Option<usize>,
}

impl<K: Fn(&Labels) -> bool> Reader<K> {
    pub(super) fn new(samples: Samples, keep: K) -> Reader<K> {
        Reader { samples, targets: Vec::new(), index: HashMap::new(), keep, labelled: true }
    }

    pub(super) fn chunk(&mut self, payload: &[u8]) -> Result<(), Damaged> {
        let mut input = Input(payload);
        while !input.is_empty() {
            let n = input.index()?;
            if n == self.targets.len() {
                self.meet(&mut input)?;
            }
            let mut target = std::mem::take(self.targets.get_mut(n).ok_or(Damaged)?);
            self.scrape(&mut input, &mut target)?;
            self.targets[n] = target;
        }
        Ok(())
    }

    /// A target that is scraped for the first time.
    fn meet(&mut self, input: &mut Input) -> Result<(), Damaged> {
        let job = std::str::from_utf8(input.bytes()?).map_err(|_| Damaged)?;
        let instance = std::str::from_utf8(input.bytes()?).map_err(|_| Damaged)?;
        let own = if self.labelled { input.bytes()? } else { &[] };
        let mut target = Target { job: job.into(), instance: instance.into(), ..Target::default() };
        for name in SYNTHETIC {
            let made = !target.is_fetched();
            let series = if made {
                self.series(&[dictionary::synthetic(name).as_slice(), own].concat(), Kind::Gauge, &target)?
            } else {
                None
            };
            target.slots.push(Slot { track: Track::default(), stamp: 0, live: true, series });
        }
        self.targets.push(target);
        Ok(())
    }

    fn scrape(&mut self, input: &mut Input, target: &mut Target) -> Result<(), Damaged> {
        target.at = target.at.wrapping_add(input.signed()?);
        let at = self.samples.wall_zero_ms.saturating_add(target.at);
        let up = input.byte()? == 1;
        if !target.is_fetched() {
            self.samples.scrapes.push(Scraped { job: target.job.clone(), instance: target.instance.clone(), at, up });
        }
        if !up {
            for slot in target.slots.iter_mut().skip(SYNTHETIC.len()).filter(|slot| slot.live) {
                slot.live = false;
                self.samples.put(slot.series, at, stale());
            }
        }
        let mut expected = 0i64;
        for _ in 0..input.number()? {
            expected = expected.checked_add(input.signed()?).ok_or(Damaged)?;
            let kind = *Kind::ALL.get(usize::from(input.byte()?)).ok_or(Damaged)?;
            target.told = dictionary::take_key(input, &target.told)?;
            let slot = self.slot(kind, target)?;
            match usize::try_from(expected).map_err(|_| Damaged)? {
                n if n == target.slots.len() => target.slots.push(slot),
                n => *target.slots.get_mut(n).filter(|old| !old.live).ok_or(Damaged)? = slot,
            }
            expected += 1;
        }
        let mut start = 0usize;
        for _ in 0..input.number()? {
            start = start.checked_add(input.index()?).ok_or(Damaged)?;
            let end = start.checked_add(input.index()?).ok_or(Damaged)?;
            target.slots.get_mut(start..end).ok_or(Damaged)?.iter_mut().for_each(|slot| slot.live = true);
            start = end;
        }
        let mut values = Decoder::default();
        for slot in target.slots.iter_mut().filter(|slot| slot.live) {
            let value = values.value(input, &mut slot.track)?;
            slot.live = value.is_some();
            self.samples.put(slot.series, at, value.unwrap_or_else(stale));
        }
        values.finish()?;
        for _ in 0..input.number()? {
            let n = input.index()?;
            let slot = target.slots.get_mut(n).ok_or(Damaged)?;
            slot.stamp = slot.stamp.wrapping_add(input.signed()?);
            let mut value = Decoder::default();
            let read = value.value(input, &mut slot.track)?.ok_or(Damaged)?;
            value.finish()?;
            self.samples.put(slot.series, self.samples.wall_zero_ms.wrapping_add(slot.stamp), read);
        }
        Ok(())
    }

    /// A slot for the series that was told last.
    fn slot(&mut self, kind: Kind, target: &Target) -> Result<Slot, Damaged> {
        let series = self.series(&target.told, kind, target)?;
        Ok(Slot { track: Track::default(), stamp: 0, live: false, series })
    }

    /// Where the samples of a series go.
    fn series(&mut self, key: &[u8], kind: Kind, target: &Target) -> Result<Option<usize>, Damaged> {
        let labels = dictionary::labels(key, &target.job, &target.instance)?;
        if !(self.keep)(&labels) {
            return Ok(None);
        }
        let n = *self.index.entry(labels).or_insert_with_key(|labels| {
            self.samples.series.push(Series { labels: labels.clone(), samples: Vec::new() });
            self.samples.kinds.push(kind);
            self.samples.series.len() - 1
        });
        Ok(Some(n))
    }

    fn finish(mut self) -> Samples {
        self.samples.order();
        self.samples
    }
}

impl Default for Target {
    fn default() -> Self {
        Target { job: "".into(), instance: "".into(), slots: Vec::new(), at: 0, told: Vec::new() }
    }
}

impl Target {
    /// Whether it was not scraped but fetched.
    fn is_fetched(&self) -> bool {
        self.job.is_empty()
    }
}

impl Samples {
    /// Brings samples with timestamps of their own into order; of two at one instant the first stays.
    pub(super) fn order(&mut self) {
        for series in &mut self.series {
            if !series.samples.is_sorted_by(|a, b| a.at < b.at) {
                series.samples.sort_by_key(|sample| sample.at);
                series.samples.dedup_by_key(|sample| sample.at);
            }
        }
    }

    fn put(&mut self, series: Option<usize>, at: i64, value: f64) {
        if let Some(n) = series {
            self.series[n].samples.push(Sample { at, value });
        }
    }
}
