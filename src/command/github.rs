//! `--github`: what a run came to, for the workflow that it is a step of.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use crate::cli::print;
use crate::judge::Judgement;
use crate::report::{self, github};
use crate::scenario::Scenario;

/// Names the file that a step's summary is written to.
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";
/// Names the folder that annotations are relative to.
const WORKSPACE: &str = "GITHUB_WORKSPACE";

/// Tells of a run that was judged.
pub(super) fn judged(file: &Path, scenario: &Scenario, judgement: &Judgement) {
    let line = |line: u32| (line > 0).then_some(line);
    let lines: Vec<Option<u32>> = scenario.promises.iter().map(|promise| line(promise.place.line)).collect();
    print::out(&github::annotations(judgement, &within(file), &lines));
    summarise(&report::markdown(judgement));
}

/// Tells of a run that there was not.
pub(super) fn failed(file: &Path, why: &str) {
    print::out(&github::command(github::Level::Error, &[("file", Some(within(file)))], why));
    summarise(&format!("## ❌ {}\n\n{}\n", report::escape(&within(file)), report::escape(why)));
}

/// The name of a file as the workflow knows it.
fn within(file: &Path) -> String {
    let workspace = std::env::var_os(WORKSPACE);
    let within = workspace.as_ref().and_then(|workspace| file.strip_prefix(workspace).ok());
    within.unwrap_or(file).display().to_string()
}

fn summarise(markdown: &str) {
    let Some(file) = std::env::var_os(SUMMARY).filter(|file| !file.is_empty()) else {
        return print::err(&format!(
            "--github: {SUMMARY} is not set: this is no step of a workflow, and has no summary"
        ));
    };
    let opened = OpenOptions::new().create(true).append(true).open(&file);
    if let Err(why) = opened.and_then(|mut file| file.write_all(github::step_summary(markdown).as_bytes())) {
        print::err(&format!("--github: {}: the summary could not be written: {why}", Path::new(&file).display()));
    }
}
