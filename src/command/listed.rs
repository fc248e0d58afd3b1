//! From what the command line names to scenarios, in order: files, folders of files, and suites that name more.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::load::{self, load};
use crate::cli::args::Reading;
use crate::cli::print;
use crate::plan::Plan;
use crate::scenario::{self, Scenario, Suite, SuiteSettings};

/// A scenario file that is to be read, with what its suite sets in it.
pub struct Item {
    /// The file.
    pub file: PathBuf,
    /// What is set before what the command line sets.
    pub set: Vec<(String, String)>,
    /// Where it sends, unless the command line says.
    pub target: Option<String>,
}

/// What the command line names.
#[derive(Default)]
pub struct Listed {
    /// Scenario files, in order.
    pub items: Vec<Item>,
    /// The name of the suite, where exactly one was named.
    pub suite: Option<String>,
    /// How many suites were named.
    pub suites: usize,
    /// Whether one of them wants nothing to follow a scenario that is not PASS.
    pub stop: bool,
}

/// A scenario that was read without a mistake.
pub struct Loaded {
    /// Its file.
    pub file: PathBuf,
    /// What it says.
    pub scenario: Scenario,
    /// Its plan.
    pub plan: Plan,
}

/// Lists the scenario files. Mistakes of suites are printed, all of them; then there is nothing.
pub fn list(files: &[PathBuf]) -> Option<Listed> {
    let mut listed = Listed::default();
    let mut wrong = false;
    for file in files {
        let found = if file.is_dir() { inside(file).map_err(|e| e.to_string()) } else { Ok(vec![file.clone()]) };
        for file in found.unwrap_or_else(|why| {
            print::err(&why);
            wrong = true;
            Vec::new()
        }) {
            match suite(&file) {
                None => listed.items.push(Item { file, set: Vec::new(), target: None }),
                Some(Ok(suite)) => {
                    let folder = file.parent().unwrap_or(Path::new(""));
                    let item = |name: &String| Item {
                        file: folder.join(name),
                        set: suite.set.clone(),
                        target: suite.target.clone(),
                    };
                    listed.stop |= suite.stop;
                    listed.items.extend(suite.run.iter().map(item));
                    listed.suites += 1;
                    listed.suite = (listed.suites == 1).then_some(suite.name);
                }
                Some(Err(mistakes)) => {
                    print::err(&mistakes);
                    wrong = true;
                }
            }
        }
    }
    (!wrong).then_some(listed)
}

/// Reads every scenario; mistakes are printed, those of all files. `None` when there is one.
pub fn load_all(items: Vec<Item>, reading: &Reading) -> Option<Vec<Loaded>> {
    let mut loaded = Vec::with_capacity(items.len());
    let count = items.len();
    for item in items {
        let reading = with(reading, &item);
        let file = item.file;
        match load(&file, &reading) {
            Ok((scenario, plan)) => loaded.push(Loaded { file, scenario, plan }),
            Err(mistakes) => print::err(&mistakes.to_string()),
        }
    }
    (loaded.len() == count).then_some(loaded)
}

/// How a file is read in which a suite sets values: what the command line sets wins.
pub fn with(reading: &Reading, item: &Item) -> Reading {
    let set = item.set.iter().chain(&reading.set).cloned().collect();
    let target = reading.target.clone().or_else(|| item.target.clone());
    Reading { set, target, ..reading.clone() }
}

/// The suite of a file that means to be one.
fn suite(file: &Path) -> Option<Result<Suite, String>> {
    let text = load::read_text(file).ok()?;
    if !scenario::is_suite(&text) {
        return None;
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    let trouble = |name: &str| match load::read_text(&folder.join(name)) {
        Ok(text) => scenario::is_suite(&text).then(|| "a suite within a suite".to_owned()),
        Err(why) => Some(why),
    };
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let env = |name: &str| std::env::var(name).ok();
    let settings = SuiteSettings { env: &env, trouble: &trouble, default_name: &stem };
    Some(scenario::read_suite(&file.display().to_string(), &text, &settings).map_err(|m| m.to_string()))
}

/// The scenario files directly in a folder, in order of their names. Suites are left out: they name what stands beside
/// them, and would run it again.
fn inside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", folder.display()));
    for entry in fs::read_dir(folder).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if is_yaml && path.is_file() && !load::read_text(&path).is_ok_and(|text| scenario::is_suite(&text)) {
            files.push(path);
        }
    }
    if files.is_empty() {
        let what = format!("{}: no scenario files in this folder", folder.display());
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    files.sort();
    Ok(files)
}
