//! Room on the disk that is kept for the end of a run: on a disk that has filled up meanwhile there is still place to
//! say how it ended.

use std::fs::{self, File};
use std::io::{self, Write};

use rustix::fs::{FallocateFlags, fallocate};

use super::folder::Folder;

/// For the manifest, and for reports of a usual size. In bytes.
const ROOM: u64 = 64 << 10;

/// Room that is kept until it is released. It belongs to a file without a name: however the run dies, the system has
/// the room back.
#[derive(Debug)]
pub struct Reserve {
    held: File,
}

impl Reserve {
    /// Gives the room back.
    pub fn release(self) {
        drop(self.held);
    }

    /// Keeps room on the disk of a run's folder. `None` where that cannot be had for another reason than a full disk,
    /// such as a limit on the size of files: what is written at the end is small.
    pub fn keep(folder: &Folder) -> io::Result<Option<Reserve>> {
        let path = folder.file(".reserve");
        let mut file = File::create_new(&path)?;
        fs::remove_file(&path)?;
        let kept = match fallocate(&file, FallocateFlags::empty(), 0, ROOM) {
            // Not every file system can; all can be written to.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.write_all(&[0; ROOM as usize]),
            kept => kept.map_err(io::Error::from),
        };
        match kept {
            Ok(()) => Ok(Some(Reserve { held: file })),
            Err(why) if matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => Err(why),
            Err(_) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn room_is_kept_and_leaves_no_name() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(parent.path(), 0).expect("creates");
        let reserve = Reserve::keep(&folder).expect("space").expect("a file system that can");
        assert!(reserve.held.metadata().expect("open").blocks() * 512 >= ROOM);
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
        Reserve::keep(&folder).expect("space").expect("twice is no trouble");
    }
}
