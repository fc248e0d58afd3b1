//! `proofload compare BASE CANDIDATE --interleave N`: both are run in alternation on this machine, then compared.
//!
//! A machine is not the same all day. Pairs that follow close upon each other meet the same one, and that each comes first as
//! often as the other takes out what the first does to the second.

use std::path::Path;

use super::compare::{side, told};
use super::judge::Judged;
use super::load::load;
use super::run::{Ran, Starter, told_stuck};
use crate::base::text;
use crate::cli::args::{CompareArgs, Reading};
use crate::cli::print;
use crate::exit::Exit;
use crate::judge::{self, Verdict};
use crate::plan::Plan;
use crate::report::compare::Pair;
use crate::run::Told;
use crate::scenario::Scenario;

/// One of both, and what came of its runs.
struct Contender {
    role: &'static str,
    address: String,
    scenario: Scenario,
    plan: Plan,
    runs: Vec<Judged>,
}

/// Runs and compares; one exit for all of it.
pub(super) fn interleave(args: &CompareArgs, file: &Path, pairs: u32) -> Exit {
    let [candidate] = args.candidates.as_slice() else {
        print::err("--interleave takes one BASE and one CANDIDATE, each an address such as http://127.0.0.1:8080");
        return Exit::Usage;
    };
    let mut both = Vec::with_capacity(2);
    for (role, address) in [("base", &args.base), ("candidate", candidate)] {
        match contender(args, file, role, &address.display().to_string()) {
            Ok(contender) => both.push(contender),
            Err(why) => print::err(&format!("{role}: {why}")),
        }
    }
    let Ok([mut base, mut candidate]) = <[Contender; 2]>::try_from(both) else {
        print::err("nothing was sent");
        return Exit::Usage;
    };
    let (starter, told) = match (Starter::new(&args.out, None, true), Told::listen()) {
        (Ok(starter), Ok(told)) => (starter, told),
        (Err(why), _) => return not_started(&why),
        (_, Err(why)) => return not_started(&format!("signals cannot be listened to: {why}")),
    };
    for pair in 0..pairs {
        // Each comes first as often as the other.
        let order = if pair % 2 == 0 { [&mut base, &mut candidate] } else { [&mut candidate, &mut base] };
        for contender in order {
            let end = contender.run(&starter, file, (pair, pairs));
            if let Some(exit) = end.or_else(|| told.so_far().then(|| contender.ended())) {
                return exit;
            }
        }
    }
    compared(&base, &candidate, args)
}

fn not_started(why: &str) -> Exit {
    print::err(why);
    Exit::NOT_STARTED
}

fn contender(args: &CompareArgs, file: &Path, role: &'static str, address: &str) -> Result<Contender, String> {
    let reading = Reading {
        target: Some(address.to_owned()),
        set: args.set.clone(),
        allow_host: args.allow_host.clone(),
        time_scale: 1,
        ..Reading::default()
    };
    let (scenario, plan) = load(file, &reading).map_err(|mistakes| mistakes.to_string())?;
    Ok(Contender { role, address: address.to_owned(), scenario, plan, runs: Vec::new() })
}

impl Contender {
    /// Runs it once more. An exit is what ends everything.
    fn run(&mut self, starter: &Starter, file: &Path, (pair, pairs): (u32, u32)) -> Option<Exit> {
        let Ran { folder, judged, stuck, .. } =
            match starter.start(file.to_owned(), self.scenario.clone(), self.plan.clone()) {
                Ok(ran) => ran,
                Err(not_started) => {
                    print::err(&format!("{} {}: {not_started}", self.role, self.address));
                    return Some(told_stuck(&not_started.stuck).unwrap_or(Exit::NOT_STARTED));
                }
            };
        if let Some(exit) = told_stuck(&stuck) {
            return Some(exit);
        }
        let place = folder.path().display();
        match judged {
            Ok(judged) => {
                let word = judged.judgement.verdict.word();
                print::err(&format!("pair {} of {pairs}, {}: {word}, {place}", pair + 1, self.role));
                self.runs.push(judged);
                None
            }
            Err(why) => {
                print::err(&format!("{place}: what was measured could not be judged: {why}"));
                Some(Exit::INCONCLUSIVE)
            }
        }
    }

    /// How the last run ended, which somebody ended.
    fn ended(&self) -> Exit {
        self.runs.last().map_or(Exit::INCONCLUSIVE, |run| Exit::Judged(run.judgement.exit))
    }

    /// Why one of its runs did not keep its own promises, if so.
    fn trouble(&self) -> Option<(Exit, String)> {
        self.runs.iter().enumerate().find_map(|(n, run)| {
            let why = judge::no_base(&run.scenario, &run.judgement)?;
            let exit = match run.judgement.verdict {
                Verdict::Pass => Exit::INCONCLUSIVE,
                _ => Exit::Judged(run.judgement.exit),
            };
            Some((exit, format!("the {} of pair {}: {why}", self.role, n + 1)))
        })
    }
}

fn compared(base: &Contender, candidate: &Contender, args: &CompareArgs) -> Exit {
    let unfair: Vec<String> = base.trouble().map(|(_, why)| why).into_iter().collect();
    if !unfair.is_empty() && !args.unfair {
        print::err(&format!("{}; what did not keep its promises is nothing to be measured by", unfair.join("; ")));
        return Exit::Judged(judge::Exit::Invalid);
    }
    let traffic = &base.scenario.traffic;
    let figures = traffic.len() * judge::FIGURES;
    let of = |(i, traffic): (usize, &crate::scenario::Traffic)| {
        let pairs: Vec<_> = base
            .runs
            .iter()
            .zip(&candidate.runs)
            .map(|(ours, theirs)| [side(ours, i, &traffic.name), side(theirs, i, &traffic.name)])
            .collect();
        judge::compare_pairs(&pairs, args.threshold, figures, base.scenario.seed)
    };
    let named = |of: &Contender| format!("{}, {}", of.address, text::count(of.runs.len() as u64, "run"));
    let pair = Pair {
        base: named(base),
        candidate: named(candidate),
        unfair,
        threshold: args.threshold,
        traffic: traffic.iter().enumerate().map(of).collect(),
    };
    let exit = told(&[pair], args);
    match candidate.trouble() {
        None => exit,
        // Beside the base it may be well: its own promises count too.
        Some((own, why)) => {
            print::err(&why);
            Exit::of_suite([exit, own])
        }
    }
}
