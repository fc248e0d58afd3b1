//! The folder of one run: `reports/<scenario's folder>/<file's stem>/<time>/`.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::manifest::{InputFile, Manifest};
use crate::base::seed;

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new folder below `parent`, named after the time; two runs never share one.
    pub fn create(parent: &Path, wall: i64) -> io::Result<Folder> {
        fs::create_dir_all(parent)?;
        let mut wall = wall;
        for _ in 0..1000 {
            let path = parent.join(stamp(wall));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Folder(path)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => wall += 1_000_000,
                Err(e) => return Err(e),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "a thousand runs in one second"))
    }

    /// Says that a run goes on in it, for as long as what comes back is kept; nothing where the file system does not know of such
    /// things.
    pub fn hold(&self) -> Option<File> {
        let folder = File::open(&self.0).ok()?;
        folder.lock_shared().ok()?;
        Some(folder)
    }

    /// Whether a run goes on in it.
    pub fn is_held(&self) -> bool {
        File::open(&self.0).is_ok_and(|folder| matches!(folder.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// A folder that stands already.
    pub fn open(path: &Path) -> Folder {
        Folder(path.to_owned())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The last part of its path.
    pub fn name(&self) -> String {
        self.0.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Keeps the files that a scenario names, under `inputs/`.
    pub fn keep_inputs<'a>(&self, inputs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> io::Result<Vec<InputFile>> {
        let mut kept = Vec::new();
        // Beside those that are there already: what a server tells comes later than what files say.
        let before = fs::read_dir(self.file("inputs")).map_or(0, Iterator::count);
        for (i, (name, bytes)) in inputs.into_iter().enumerate() {
            fs::create_dir_all(self.file("inputs"))?;
            let i = before + i;
            let stem = Path::new(name).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let file = format!("{i}-{stem}");
            fs::write(self.file("inputs").join(&file), bytes)?;
            kept.push(InputFile { name: name.into(), kept: file, digest: seed::digest(bytes) });
        }
        Ok(kept)
    }

    /// Writes the manifest, whole or not at all.
    pub fn write_manifest(&self, manifest: &Manifest) -> io::Result<()> {
        let text = serde_json::to_string_pretty(manifest).map_err(io::Error::other)?;
        self.replace("manifest.json", format!("{text}\n").as_bytes())
    }

    /// Writes a file, whole or not at all.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let aside = self.file(&format!(".{name}.new"));
        // On a full disk what could be written is in the way of what else might still fit.
        let written = fs::write(&aside, bytes).inspect_err(|_| _ = fs::remove_file(&aside));
        written.and_then(|()| fs::rename(aside, self.file(name)))
    }
}

/// `YYYYMMDDTHHMMSS.mmmZ`.
fn stamp(wall: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(i128::from(wall)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let text = time.strftime("%Y%m%dT%H%M%S").to_string();
    format!("{text}.{:03}Z", wall.rem_euclid(1_000_000_000) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_for_as_long_as_its_run_goes_on() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(parent.path(), 0).expect("creates");
        assert!(!folder.is_held());
        let (one, other) = (folder.hold(), folder.hold());
        assert!(one.is_some() && other.is_some() && folder.is_held());
        drop(one);
        assert!(folder.is_held());
        drop(other);
        assert!(!folder.is_held() && !folder.is_held());
    }

    #[test]
    fn two_runs_at_once_get_two_folders() {
        let parent = tempfile::tempdir().expect("a folder");
        let wall = 1_794_700_800_123_456_789;
        let a = Folder::create(parent.path(), wall).expect("creates");
        let b = Folder::create(parent.path(), wall).expect("creates");
        assert_eq!(a.name(), "20261115T000000.123Z");
        assert_eq!(b.name(), "20261115T000000.124Z");
    }

    #[test]
    fn inputs_of_one_name_are_kept_apart() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = Folder::create(parent.path(), 0).expect("creates");
        let kept = folder.keep_inputs([("a/pairs.csv", b"1".as_slice()), ("b/pairs.csv", b"2")]).expect("writes");
        assert_eq!(kept.iter().map(|k| k.kept.as_str()).collect::<Vec<_>>(), ["0-pairs.csv", "1-pairs.csv"]);
        assert_eq!(fs::read(folder.file("inputs/1-pairs.csv")).expect("reads"), b"2");
    }
}
