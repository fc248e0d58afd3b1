//! Records that are read from where they lie, for there may be more of them than memory.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::Record;

/// A file is read so many bytes at a time.
const STRETCH: usize = 1 << 18;

/// Records that can be read as often as is asked, a stretch at a time: there may be more of them than memory.
#[derive(Debug, Clone)]
pub struct Log<R> {
    records: Records<R>,
}

#[derive(Debug, Clone)]
enum Records<R> {
    Memory(Vec<R>),
    File { path: PathBuf, whole: u64, moved: i64 },
}

impl<R> Default for Log<R> {
    fn default() -> Self {
        Log { records: Records::Memory(Vec::new()) }
    }
}

impl<R> From<Vec<R>> for Log<R> {
    fn from(records: Vec<R>) -> Self {
        Log { records: Records::Memory(records) }
    }
}

impl<R: Record + Clone> Log<R> {
    /// The records of a file, moved by so many nanoseconds; a missing file holds none. The second value says what was
    /// torn, if anything.
    pub fn open(path: &Path, moved: i64) -> io::Result<(Log<R>, Option<String>)> {
        let length = match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((Log::default(), None)),
            meta => meta?.len(),
        };
        let mut whole = 0;
        for record in FromFile::<R>::open(path, u64::MAX)? {
            record?;
            whole += 1;
        }
        let torn = whole * R::WIDTH as u64 != length;
        let torn = torn.then(|| format!("{}: readable up to record {whole}", path.display()));
        Ok((Log { records: Records::File { path: path.to_owned(), whole, moved } }, torn))
    }

    /// Takes more records into one that lies in memory; one that lies in a file has what it has.
    fn take(&mut self, more: impl Iterator<Item = R>) {
        if let Records::Memory(records) = &mut self.records {
            records.extend(more);
        }
    }

    /// Forgets what need not be kept, of one that lies in memory.
    pub fn forget(&mut self, keep: impl FnMut(&R) -> bool) {
        if let Records::Memory(records) = &mut self.records {
            records.retain(keep);
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        match &self.records {
            Records::Memory(records) => records.len() as u64,
            Records::File { whole, .. } => *whole,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each in the order in which it was written. `Err` when the file can no longer be read to where it could before.
    pub fn each(&self, mut take: impl FnMut(R)) -> io::Result<()> {
        match &self.records {
            Records::Memory(records) => records.iter().cloned().for_each(take),
            Records::File { path, whole, moved } => {
                let mut read = 0;
                for record in FromFile::<R>::open(path, *whole)? {
                    take(record?.moved(*moved));
                    read += 1;
                }
                if read < *whole {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter"));
                }
            }
        }
        Ok(())
    }

    /// As [`each`](Log::each), one by one; where the file can no longer be read it ends.
    pub fn iter(&self) -> impl Iterator<Item = R> + '_ {
        let (memory, file) = match &self.records {
            Records::Memory(records) => (records.as_slice(), None),
            Records::File { path, whole, moved } => {
                let (file, moved) = (FromFile::<R>::open(path, *whole).ok(), *moved);
                (&[][..], file.map(|file| file.map_while(Result::ok).map(move |record| record.moved(moved))))
            }
        };
        memory.iter().cloned().chain(file.into_iter().flatten())
    }
}

/// Reads a file that grows on from where it was left, up to its last whole record.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    moved: i64,
    read: u64, // bytes
}

impl Tail {
    /// Of a file that may not be there yet; its records are moved by so many nanoseconds.
    pub fn new(path: PathBuf, moved: i64) -> Tail {
        Tail { path, moved, read: 0 }
    }

    /// Takes what has been written since the last time into a log in memory.
    pub fn catch_up<R: Record + Clone>(&mut self, log: &mut Log<R>) -> io::Result<()> {
        let mut file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let whole = bytes.chunks_exact(R::WIDTH);
        self.read += (whole.len() * R::WIDTH) as u64;
        log.take(whole.filter_map(R::decode).map(|record| record.moved(self.moved)));
        Ok(())
    }
}

/// At most so many records of a file, up to the first that is none.
struct FromFile<R> {
    from: BufReader<File>,
    left: u64,
    bytes: Vec<u8>,
    kind: PhantomData<R>,
}

impl<R: Record> FromFile<R> {
    fn open(path: &Path, most: u64) -> io::Result<Self> {
        let from = BufReader::with_capacity(STRETCH, File::open(path)?);
        Ok(FromFile { from, left: most, bytes: vec![0; R::WIDTH], kind: PhantomData })
    }
}

impl<R: Record> Iterator for FromFile<R> {
    type Item = io::Result<R>;

    fn next(&mut self) -> Option<io::Result<R>> {
        self.left = self.left.checked_sub(1)?;
        match self.from.read_exact(&mut self.bytes) {
            Ok(()) => R::decode(&self.bytes).map(Ok),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(e) => Some(Err(e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::tests::shot;
    use super::super::{ShotTouch, Writer};
    use super::*;
    use crate::base::time::Offset;

    #[test]
    fn a_log_is_read_as_often_as_is_asked_and_says_when_it_cannot_be() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("touches.log");
        let mut writer = Writer::create(&path).expect("creates");
        (0..3).for_each(|n| writer.write(&shot(None, Some(n))).expect("writes"));
        writer.flush().expect("flushes");
        let (log, torn) = Log::<ShotTouch>::open(&path, 5_000_000).expect("opens");
        assert_eq!((log.len(), torn), (3, None));
        for _ in 0..2 {
            let services: Vec<Option<u64>> = log.iter().map(|s| s.service).collect();
            assert_eq!(services, [Some(0), Some(1), Some(2)]);
        }
        assert!(log.iter().all(|s| s.due == Offset::from_millis(2)), "moved by 5 ms");
        // What is written after it was opened is not its.
        writer.write(&shot(None, None)).expect("writes");
        writer.flush().expect("flushes");
        assert_eq!(log.iter().count(), 3);
        fs::write(&path, [0; ShotTouch::WIDTH]).expect("writes");
        assert!(log.each(|_| {}).is_err(), "it has become shorter");
        assert_eq!(Log::from(vec![shot(None, None)]).len(), 1);
    }

    #[test]
    fn a_file_that_grows_is_read_on_up_to_its_last_whole_record_and_what_is_old_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("touches.log");
        let (mut tail, mut log) = (Tail::new(path.clone(), 5_000_000), Log::<ShotTouch>::default());
        tail.catch_up(&mut log).expect("nothing is there yet");
        let mut writer = Writer::create(&path).expect("creates");
        for n in 0..3 {
            writer.write(&shot(None, Some(n))).expect("writes");
            writer.flush().expect("flushes");
            tail.catch_up(&mut log).expect("reads");
            assert_eq!(log.len(), n + 1);
        }
        fs::OpenOptions::new().append(true).open(&path).expect("opens").write_all(&[1; 9]).expect("writes");
        tail.catch_up(&mut log).expect("reads");
        assert_eq!(log.len(), 3, "the fourth is not whole yet");
        assert!(log.iter().all(|s| s.due == Offset::from_millis(2)), "moved by 5 ms");
        log.forget(|shot| shot.service == Some(2));
        assert_eq!(log.iter().map(|s| s.service).collect::<Vec<_>>(), [Some(2)]);
    }
}
