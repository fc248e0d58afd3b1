//! A file that grows by whole records while the run goes on.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// So many bytes are handed over without waiting for a flush.
const ENOUGH: usize = 1 << 16;

/// Appends records to a file. What could not be written is taken back whole and tried again with the next: on a full
/// disk the file ends with a record, and where there is room again nothing is torn in its middle.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    length: u64, // without what a failed write may have left behind
    waiting: Vec<u8>,
}

impl Appender {
    /// Creates the file, which must not exist.
    pub(super) fn create(path: &Path) -> io::Result<Appender> {
        Ok(Appender { file: File::create_new(path)?, length: 0, waiting: Vec::new() })
    }

    /// Where the next record is put, whole; it is handed over with the next flush.
    pub(super) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Hands everything to the system when much is waiting. Call between records.
    pub(super) fn relieve(&mut self) -> io::Result<()> {
        if self.waiting.len() < ENOUGH { Ok(()) } else { self.flush() }
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Err(why) = self.file.write_all(&self.waiting) {
            let _ = self.file.set_len(self.length); // the first error is the one to tell
            let _ = self.file.seek(SeekFrom::Start(self.length));
            return Err(why);
        }
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_failed_is_made_up_for_by_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = Appender::create(&path).expect("creates");
        let good = log.file.try_clone().expect("a handle");
        for (n, line) in ["a\n", "b\n", "c\n"].into_iter().enumerate() {
            if n == 1 {
                log.file = File::open(&path).expect("a file that cannot be written to");
            }
            log.waiting().extend(line.as_bytes());
            assert_eq!(log.flush().is_ok(), n != 1);
            log.file = good.try_clone().expect("a handle");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("reads"), "a\nb\nc\n");
    }

    #[test]
    fn much_is_handed_over_without_a_flush() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut log = Appender::create(&path).expect("creates");
        for _ in 0..10 {
            log.waiting().extend([7; ENOUGH / 4]);
            log.relieve().expect("space");
        }
        assert_eq!(std::fs::metadata(&path).expect("there").len(), 2 * ENOUGH as u64);
    }
}
