//! `proofload check`: every mistake, nothing sent.

use super::listed::{list, with};
use super::load::load;
use crate::base::text;
use crate::cli::args::CheckArgs;
use crate::cli::print;
use crate::exit::Exit;

/// Checks every file; exit 2 when one has a mistake.
pub fn check(args: &CheckArgs) -> Exit {
    let Some(listed) = list(&args.files) else { return Exit::Usage };
    let mut exit = Exit::PASS;
    for item in listed.items {
        let file = &item.file;
        match load(file, &with(&args.reading, &item)) {
            Ok((scenario, _)) => print::line(&format!(
                "{}: ok, {}, {}, {}",
                file.display(),
                text::count(scenario.traffic.len() as u64, "kind") + " of traffic",
                text::count(scenario.faults.len() as u64, "fault"),
                text::count(scenario.promises.len() as u64, "promise"),
            )),
            Err(mistakes) => {
                print::err(&mistakes.to_string());
                print::err(&format!("{}: {}", file.display(), text::count(mistakes.all.len() as u64, "mistake")));
                exit = Exit::Usage;
            }
        }
    }
    exit
}
