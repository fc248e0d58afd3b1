//! `proofload capacity`: how much load a target takes before it breaks a promise.

mod again;
mod plan;
mod search;

use std::path::Path;

use super::load::load;
use super::run::Starter;
use crate::base::text;
use crate::cli::args::{CapacityArgs, CapacityCommand, SearchArgs};
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::capacity::Study;
use crate::report;
use crate::run::Told;
use crate::scenario::{Capacity, Scenario, Without};

pub(super) use plan::study;
pub(super) use search::{Found, Wanted, search};

/// Searches, or works on what was found before.
pub fn capacity(args: &CapacityArgs) -> Exit {
    match &args.command {
        Some(CapacityCommand::Judge(folder)) => again::judge(folder),
        Some(CapacityCommand::Plan(args)) => plan::answer(args),
        None => match &args.search.file {
            Some(file) => find(file, &args.search),
            None => usage("name a scenario file"),
        },
    }
}

/// Writes every report of a study into its folder.
pub(super) fn write(study: &Study, folder: &Folder) {
    let written = report::study_files(study).iter().try_for_each(|(name, text)| folder.replace(name, text.as_bytes()));
    if let Err(why) = written {
        print::err(&format!("{}: reports could not be written: {why}", folder.path().display()));
    }
}

fn find(file: &Path, args: &SearchArgs) -> Exit {
    let (scenario, plan) = match load(file, &args.reading) {
        Ok(loaded) => loaded,
        Err(mistakes) => return usage(&mistakes.to_string()),
    };
    let capacity = match wanted(&scenario, args) {
        Ok(capacity) => capacity,
        Err(why) => return usage(&format!("{}: {why}", file.display())),
    };
    let (starter, told) = match (Starter::new(&args.out, args.stage.as_deref(), args.quiet), Told::listen()) {
        (Ok(starter), Ok(told)) => (starter, told),
        (Err(why), _) => return not_started(&why),
        (_, Err(why)) => return not_started(&format!("signals cannot be listened to: {why}")),
    };
    let wanted = Wanted { file: file.to_owned(), scenario, plan, capacity, reading: &args.reading };
    match search(&starter, &told, wanted, print::colour(args.no_color)) {
        Ok(found) => found.exit,
        Err((Exit::Usage, why)) => usage(&why),
        Err((exit, why)) => {
            print::err(&why);
            exit
        }
    }
}

/// What is to be searched: as the scenario says, and the command line wins. The error tells all that is wrong.
fn wanted(scenario: &Scenario, args: &SearchArgs) -> Result<Capacity, String> {
    let mut wrong: Vec<String> = Vec::new();
    let names = || scenario.traffic.iter().map(|t| t.name.as_str()).collect::<Vec<_>>();
    let mut capacity = match (&args.traffic, &scenario.capacity, scenario.traffic.len()) {
        (Some(name), stated, _) => {
            let found = names().iter().position(|known| known == name);
            if found.is_none() {
                wrong.push(format!("--traffic {name}: no traffic of this scenario: {}", text::suggest(name, names())));
            }
            let base = stated.clone().unwrap_or_else(|| Capacity::of(0));
            Capacity { traffic: found.unwrap_or(0), ..base }
        }
        (None, Some(stated), _) => stated.clone(),
        (None, None, 1) => Capacity::of(0),
        (None, None, _) => {
            wrong.push(format!("whose rate is searched? say --traffic, one of {}", text::list(names())));
            Capacity::of(0)
        }
    };
    capacity.from = args.from.or(capacity.from);
    capacity.up_to = args.max_rate.or(capacity.up_to);
    if [capacity.from, capacity.up_to].into_iter().flatten().any(|rate| rate.0 == 0) {
        wrong.push("a rate of nothing: write one above 0, such as 50/s".into());
    }
    if let (Some(from), Some(most)) = (capacity.from, capacity.up_to)
        && from > most
    {
        wrong.push(format!("the highest rate, {most}, is below the first, {from}"));
    }
    capacity.max_time = args.max_time.or(capacity.max_time);
    capacity.resolution = args.resolution.unwrap_or(capacity.resolution);
    let scaled = |length: std::time::Duration| length / args.reading.time_scale.max(1);
    capacity.probe = args.probe.map_or(capacity.probe, scaled);
    capacity.warm_up = args.warm_up.map_or(capacity.warm_up, scaled);
    let faults = || scenario.faults.iter().map(|f| f.name.as_str()).collect::<Vec<_>>();
    if args.under.iter().any(|name| name == "all") {
        capacity.without = (0..scenario.faults.len()).map(Without::Fault).collect();
        capacity.without.extend((scenario.target.replicas() > 1).then_some(Without::Replica));
        if capacity.without.is_empty() {
            wrong.push("--under all: there are no faults in this scenario, and no second replica".into());
        }
    } else if !args.under.is_empty() {
        let mut under = Vec::new();
        for name in &args.under {
            let fault = faults().iter().position(|known| known == name).map(Without::Fault);
            match fault.or_else(|| (name == Without::REPLICA).then_some(Without::Replica)) {
                Some(Without::Replica) if scenario.target.replicas() < 2 => {
                    wrong.push("--under replica: without its only replica nothing is left of the target".into());
                }
                Some(of) if !under.contains(&of) => under.push(of),
                Some(_) => {}
                None => {
                    wrong.push(format!("--under {name}: no fault of this scenario: {}", text::suggest(name, faults())))
                }
            }
        }
        capacity.without = under;
    }
    if wrong.is_empty() { Ok(capacity) } else { Err(wrong.join("\n")) }
}

fn usage(why: &str) -> Exit {
    print::err(why);
    print::err("nothing was sent");
    Exit::Usage
}

fn not_started(why: &str) -> Exit {
    print::err(why);
    Exit::NOT_STARTED
}
