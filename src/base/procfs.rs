//! Small files of `/proc` and `/sys` that are kept open and read again and again.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// A file that the kernel writes anew each time it is read.
#[derive(Debug)]
pub struct ProcFile(File);

impl ProcFile {
    /// Opens it; `None` where this system has no such file, or does not show it.
    pub fn open(path: &str) -> Option<ProcFile> {
        File::open(path).ok().map(ProcFile)
    }

    /// What it says now, as much as `room` holds, from its start. Allocates nothing.
    pub fn read<'r>(&self, room: &'r mut [u8]) -> Option<&'r str> {
        let length = self.0.read_at(room, 0).ok()?;
        std::str::from_utf8(&room[..length]).ok()
    }
}

/// The number that follows a name: 12 in `name: 12`, `name 12` or `… name 12 …`.
pub fn number(text: &str, name: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace();
    words.find(|word| word.trim_end_matches(':') == name)?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_name() {
        let status = "Threads:\t3\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t12\n";
        assert_eq!(number(status, "nonvoluntary_ctxt_switches"), Some(12));
        assert_eq!(number(status, "voluntary_ctxt_switches"), Some(7));
        assert_eq!(number("TCP: inuse 2 orphan 0 tw 31 alloc 2 mem 0", "tw"), Some(31));
        assert_eq!(number("nr_periods 0\nthrottled_usec 5", "throttled_usec"), Some(5));
        assert_eq!((number(status, "absent"), number("Name:\tx", "Name")), (None, None));
    }

    #[test]
    fn a_file_is_read_anew() {
        let stat = ProcFile::open("/proc/self/stat").expect("a Linux");
        let mut room = [0; 512];
        for _ in 0..2 {
            let said = stat.read(&mut room).expect("text").to_owned();
            assert!(said.starts_with(&std::process::id().to_string()), "{said}");
        }
        assert!(ProcFile::open("/proc/no/such").is_none());
    }
}
