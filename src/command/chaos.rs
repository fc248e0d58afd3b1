//! `proofload chaos shrink`: from a schedule of faults that breaks a promise to the smallest part that still does.

use std::fs;
use std::path::{Path, PathBuf};

use super::load::{load, load_text, load_variant};
use super::run::{Ran, Starter, told_stuck};
use crate::base::text;
use crate::cli::args::{Reading, ShrinkArgs};
use crate::cli::print;
use crate::exit::Exit;
use crate::judge::{self, Judgement};
use crate::plan::Plan;
use crate::report;
use crate::run::{Stuck, Told};
use crate::scenario::{self, Scenario};
use crate::shrink::{self, Broken, Part, Seen, Shrunk};

/// Runs the scenario as it is, then with ever fewer faults, and writes the least that still breaks the same promise.
///
/// Ends with FAIL when a broken promise was shrunk, for the scenario that it leaves is broken; INCONCLUSIVE when there
/// was none to shrink.
pub fn shrink(args: &ShrinkArgs) -> Exit {
    let (scenario, plan) = match load(&args.file, &args.reading) {
        Ok(loaded) => loaded,
        Err(mistakes) => return usage(&mistakes.to_string()),
    };
    if scenario.faults.is_empty() {
        return usage(&format!("{}: there are no faults to shrink", args.file.display()));
    }
    let into = args.write.clone().unwrap_or_else(|| beside(&args.file));
    // A file that could not be read back in its place is better known before an hour of runs than after.
    if let Err(mistakes) = load_text(&into, &scenario.source, &plain(&args.reading)) {
        return usage(&format!("{mistakes}{}: the scenario would not read there", into.display()));
    }
    let (starter, told) = match (Starter::new(&args.out, args.stage.as_deref(), args.quiet), Told::listen()) {
        (Ok(starter), Ok(told)) => (starter, told),
        (Err(why), _) => return not_started(&why),
        (_, Err(why)) => return not_started(&format!("signals cannot be listened to: {why}")),
    };
    let first = match starter.start(args.file.clone(), scenario.clone(), plan) {
        Ok(Ran { stuck, .. }) if !stuck.is_empty() => return told_stuck(&stuck).unwrap_or(Exit::STUCK),
        Ok(Ran { judged: Ok(judged), .. }) => judged.judgement,
        Ok(Ran { judged: Err(why), .. }) => {
            print::err(&format!("what was measured could not be judged: {why}"));
            return Exit::INCONCLUSIVE;
        }
        Err(why) => {
            let exit = not_started(&why.to_string());
            return told_stuck(&why.stuck).unwrap_or(exit);
        }
    };
    if told.so_far() || is_stuck(&first) {
        print::err("ended before anything was shrunk");
        return Exit::Judged(first.exit);
    }
    let broken = match choose(&first, args.promise.as_deref()) {
        Ok(broken) => broken,
        Err(why) => {
            print::err(&why);
            return Exit::INCONCLUSIVE;
        }
    };
    print::line(&format!("{} of {} is broken", broken.words(), args.file.display()));
    tell(args, 1, &scenario, &whole(&scenario), "FAIL");
    let mut tries = Tries { args, starter, told, scenario: &scenario, broken: &broken, count: 1, over: None };
    let needed: Vec<usize> = broken.names(&scenario).into_iter().collect();
    let shrunk = shrink::shrink(scenario.faults.len(), &needed, args.runs - 1, |parts| tries.seen(parts));
    let over = tries.over;
    // What was not run because the search was over proves nothing.
    let shrunk = Shrunk { minimal: shrunk.minimal && over.is_none(), ..shrunk };
    let exit = conclude(&shrunk, &broken, &scenario, args, &into);
    Exit::of_suite([exit].into_iter().chain(over))
}

/// Runs of smaller schedules.
struct Tries<'a> {
    args: &'a ShrinkArgs,
    starter: Starter,
    told: Told,
    scenario: &'a Scenario,
    broken: &'a Broken,
    count: u32,         // runs so far
    over: Option<Exit>, // something that ends the search
}

impl Tries<'_> {
    /// What a run with these faults says of the broken promise.
    fn seen(&mut self, parts: &[Part]) -> Seen {
        let smaller = if self.over.is_some() { None } else { smaller(self.scenario, parts, self.args) };
        let Some((scenario, plan)) = smaller else { return Seen::Senseless };
        self.count += 1;
        let (seen, said) = match self.starter.start(self.args.file.clone(), scenario, plan) {
            Ok(Ran { stuck, .. }) if !stuck.is_empty() => self.stop_stuck(&stuck),
            Ok(Ran { judged: Ok(judged), .. }) => self.read(&judged.judgement),
            Ok(Ran { judged: Err(why), .. }) => (Seen::Unclear, format!("could not be judged: {why}")),
            Err(why) if !why.stuck.is_empty() => self.stop_stuck(&why.stuck),
            Err(why) => (Seen::Unclear, why.to_string()),
        };
        if self.told.so_far() && self.over.is_none() {
            self.over = Some(Exit::Judged(judge::Exit::Interrupted));
        }
        tell(self.args, self.count, self.scenario, parts, &said);
        if self.over.is_some() { Seen::Unclear } else { seen }
    }

    /// Something could not be undone: nothing more must be broken.
    fn stop_stuck(&mut self, stuck: &[Stuck]) -> (Seen, String) {
        self.over = told_stuck(stuck);
        (Seen::Unclear, "something could not be undone".to_owned())
    }

    fn read(&mut self, judgement: &Judgement) -> (Seen, String) {
        let ended = matches!(judgement.exit, judge::Exit::Interrupted | judge::Exit::Terminated);
        if ended || is_stuck(judgement) {
            self.over = Some(Exit::Judged(judgement.exit));
        }
        let seen = self.broken.seen(judgement);
        let said = match seen {
            Seen::Fails => "FAIL".to_owned(),
            Seen::Holds if judgement.verdict == judge::Verdict::Fail => "kept; another promise is broken".to_owned(),
            Seen::Holds => "kept".to_owned(),
            _ => judgement.verdict.word().to_owned(),
        };
        (seen, said)
    }
}

/// The scenario with these faults only, cut as the parts say; `None` when that is no valid scenario.
fn smaller(scenario: &Scenario, parts: &[Part], args: &ShrinkArgs) -> Option<(Scenario, Plan)> {
    load_variant(&args.file, &text_of(scenario, parts)?, &plain(&args.reading)).ok()
}

fn text_of(scenario: &Scenario, parts: &[Part]) -> Option<String> {
    let left_out = scenario.faults.iter().enumerate().filter(|(i, _)| !parts.iter().any(|p| p.fault == *i));
    let without: Vec<&str> = left_out.map(|(_, fault)| fault.name.as_str()).collect();
    let set = shrink::settings(&scenario.faults, parts, scenario.time_scale)?;
    scenario::variant(&scenario.source, &without, &set).ok()
}

/// As files are read, but for what is set: that stands in the scenario's text already.
fn plain(reading: &Reading) -> Reading {
    Reading { set: Vec::new(), ..reading.clone() }
}

/// The broken promise that is meant.
fn choose(judgement: &Judgement, wanted: Option<&str>) -> Result<Broken, String> {
    let all = Broken::all(judgement);
    let found = all.iter().find(|b| wanted.is_none_or(|wanted| b.words() == wanted || b.is(wanted)));
    let broken: Vec<String> = all.iter().map(|b| format!("`{}`", b.words())).collect();
    found.cloned().ok_or_else(|| match (broken.is_empty(), wanted) {
        (true, _) => format!("there is nothing to shrink: no critical promise is broken, {}", judgement.verdict.word()),
        (false, wanted) => {
            format!("`{}` is not broken; broken are {}", wanted.unwrap_or_default(), broken.join(", "))
        }
    })
}

/// Says what was found and writes it.
fn conclude(shrunk: &Shrunk, broken: &Broken, scenario: &Scenario, args: &ShrinkArgs, into: &Path) -> Exit {
    let runs = text::count(u64::from(shrunk.tries) + 1, "run");
    let names = list(scenario, &shrunk.parts);
    let found = match (shrunk.minimal, shrunk.parts.is_empty()) {
        (true, true) => format!("{runs}: it is broken without any fault"),
        (true, false) => format!("{runs}: the smallest set that still breaks it is {names}"),
        (false, _) => format!("{runs}, and it is not known whether fewer would do: {names} break it"),
    };
    print::line(&found);
    let Some((Scenario { source, .. }, _)) = smaller(scenario, &shrunk.parts, args) else {
        print::err("the shrunk scenario could not be put into words");
        return Exit::INCONCLUSIVE;
    };
    let modeline = scenario_modeline(&args.file).unwrap_or_default();
    let head = format!(
        "{modeline}# Shrunk from {} by `proofload chaos shrink`.\n# Must break: {}\n",
        args.file.file_name().unwrap_or_default().to_string_lossy(),
        broken.words()
    );
    match fs::write(into, head + &source) {
        Ok(()) => print::line(&format!("written to {}", into.display())),
        Err(why) => {
            print::err(&format!("{}: {why}", into.display()));
            return Exit::INCONCLUSIVE;
        }
    }
    Exit::Judged(judge::Exit::Fail)
}

fn tell(args: &ShrinkArgs, run: u32, scenario: &Scenario, parts: &[Part], said: &str) {
    let said = report::shade(said, print::colour(args.no_color));
    print::line(&format!("run {run} of at most {}: {}: {said}", args.runs, list(scenario, parts)));
}

/// Faults by name, with what was cut from them.
fn list(scenario: &Scenario, parts: &[Part]) -> String {
    let one = |part: &Part| {
        let cut = |n: u32, what: &str| if n == 0 { String::new() } else { format!(" 1/{} {what}", 1u64 << n) };
        let (length, share) = (cut(part.halved, "as long"), cut(part.thinned, "of its share"));
        format!("{}{length}{share}", scenario.faults[part.fault].name)
    };
    let names: Vec<String> = parts.iter().map(one).collect();
    if names.is_empty() { "no fault".into() } else { names.join(", ") }
}

fn whole(scenario: &Scenario) -> Vec<Part> {
    (0..scenario.faults.len()).map(Part::whole).collect()
}

/// The first line of a file, if it is for editors.
fn scenario_modeline(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().next().filter(|line| line.starts_with("# yaml-language-server")).map(|line| format!("{line}\n"))
}

fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}.shrunk.yaml"))
}

fn is_stuck(judgement: &Judgement) -> bool {
    judgement.exit == judge::Exit::Stuck
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
