//! `proofload compare BASE CANDIDATE…`: are they different, really? From evidence alone.

use std::fs;
use std::path::Path;

use super::interleave;
use super::judge::Judged;
use crate::base::seed::Seed;
use crate::cli::args::{CompareArgs, Shape};
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::{self, Compared, Side};
use crate::report;
use crate::report::compare::{self, Pair};

/// A run, read back and judged.
struct Run {
    name: String,
    judged: Judged,
}

/// Compares; exit 1 when anything is surely worse, 3 when something may be, 2 for an unfair pair.
pub fn compare(args: &CompareArgs) -> Exit {
    if let (Some(pairs), Some(scenario)) = (args.interleave, &args.scenario) {
        return interleave::interleave(args, scenario, pairs);
    }
    match pairs(args) {
        Ok(pairs) => told(&pairs, args),
        Err(why) => {
            print::err(&why);
            Exit::Usage
        }
    }
}

/// Prints comparisons, makes their page where one is asked for, and says how they end.
pub(super) fn told(pairs: &[Pair], args: &CompareArgs) -> Exit {
    match args.format {
        Shape::Text => pairs.iter().for_each(|pair| print::out(&compare::compare_text(pair))),
        Shape::Markdown => pairs.iter().for_each(|pair| print::out(&compare::compare_markdown(pair))),
        Shape::Json => print::out(&compare::compare_json(pairs)),
    }
    if let Some(page) = &args.html
        && let Err(why) = fs::write(page, report::comparison_html(pairs))
    {
        print::err(&format!("{}: the page could not be written: {why}", page.display()));
        return Exit::NOT_STARTED;
    }
    match pairs.iter().map(Pair::outcome).max_by_key(|outcome| outcome.unwrap_or(Compared::Undecided)) {
        Some(Some(Compared::Worse)) => Exit::Judged(judge::Exit::Fail),
        Some(Some(Compared::Same | Compared::Better)) => Exit::PASS,
        _ => Exit::INCONCLUSIVE,
    }
}

fn pairs(args: &CompareArgs) -> Result<Vec<Pair>, String> {
    let base = Run::read(&args.base)?;
    args.candidates.iter().map(|folder| base.beside(&Run::read(folder)?, args)).collect()
}

impl Run {
    fn read(folder: &Path) -> Result<Run, String> {
        let name = folder.display().to_string();
        Ok(Run { name, judged: Judged::read(&Folder::open(folder), None)? })
    }

    fn beside(&self, candidate: &Run, args: &CompareArgs) -> Result<Pair, String> {
        let (ours, theirs) = (&self.judged, &candidate.judged);
        let manifests = [&ours.evidence.manifest, &theirs.evidence.manifest];
        let mut unfair = judge::unfair(manifests[0], manifests[1]);
        // What did not keep its promises is nothing to be measured by.
        unfair.extend(judge::no_base(&ours.scenario, &ours.judgement).map(|why| format!("the base is none: {why}")));
        if !unfair.is_empty() && !args.unfair {
            return Err(format!(
                "{} and {} are no fair pair: {}; run both in the same way, or compare them all the same with --unfair",
                self.name,
                candidate.name,
                unfair.join("; ")
            ));
        }
        let both: Vec<(usize, usize, &str)> = (ours.scenario.traffic.iter().enumerate())
            .filter_map(|(i, traffic)| {
                let other = theirs.scenario.traffic.iter().position(|t| t.name == traffic.name)?;
                Some((i, other, traffic.name.as_str()))
            })
            .collect();
        if both.is_empty() {
            return Err(format!("{} and {} have no traffic of the same name", self.name, candidate.name));
        }
        let figures = both.len() * judge::FIGURES;
        let of = |(i, other, name): &(usize, usize, &str)| {
            let base = side(ours, *i, name);
            judge::compare(base, side(theirs, *other, name), args.threshold, figures, Seed(manifests[0].seed))
        };
        Ok(Pair {
            base: self.name.clone(),
            candidate: candidate.name.clone(),
            unfair,
            threshold: args.threshold,
            traffic: both.iter().map(of).collect(),
        })
    }
}

pub(super) fn side<'r>(run: &'r Judged, traffic: usize, name: &'r str) -> Side<'r> {
    Side { evidence: &run.evidence, traffic: name, measured: run.plan.timeline.measured(Some(traffic)) }
}
