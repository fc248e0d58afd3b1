//! `proofload run`: one scenario or several in turn, each judged.

use tokio::sync::watch;

use super::judge::Judged;
use super::live;
use super::load::{expand, load};
use crate::cli::args::RunArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::report;
use crate::run::{self, Board, Launch, Left, Stuck};
use crate::selftest::Trust;

/// Runs every scenario. Nothing is sent unless all of them are right.
pub fn run(args: &RunArgs) -> Exit {
    let files = match expand(&args.files) {
        Ok(files) => files,
        Err(why) => {
            print::err(&why.to_string());
            return Exit::Usage;
        }
    };
    let mut loaded = Vec::new();
    let mut wrong = false;
    for file in files {
        match load(&file, &args.reading) {
            Ok((scenario, plan)) => loaded.push((file, scenario, plan)),
            Err(mistakes) => {
                print::err(&mistakes.to_string());
                wrong = true;
            }
        }
    }
    if wrong {
        print::err("nothing was sent");
        return Exit::Usage;
    }
    if let (Some(_), Some((file, ..))) = (&args.stage, loaded.iter().find(|(_, scenario, _)| scenario.needs_warden())) {
        let why = "processes, faults on them and hooks need a stage of the run's own: it must not obey anybody else";
        print::err(&format!("{}: {why}: leave --stage out\nnothing was sent", file.display()));
        return Exit::Usage;
    }
    let trust = Trust::kept();
    for (file, _, plan) in &loaded {
        if let Some(doubt) = trust.and_then(|trust| trust.doubt(plan)) {
            print::err(&format!("{}: {doubt}", file.display()));
        }
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(why) => {
            print::err(&format!("cannot find our own program: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let mut exits = Vec::new();
    for (file, scenario, plan) in loaded {
        let (board, shown) = watch::channel(Board::default());
        let launch = Launch {
            scenario,
            plan,
            file,
            out: args.out.clone(),
            program: program.clone(),
            stage: args.stage.clone(),
            board,
        };
        exits.push(one(launch, shown, args));
    }
    Exit::of_suite(exits)
}

fn one(launch: Launch, shown: watch::Receiver<Board>, args: &RunArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            print::err(&format!("no runtime: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let left = runtime.block_on(async {
        let showing = tokio::spawn(live::show(shown, args.quiet));
        let left = run::run(launch).await;
        let _ = showing.await;
        left
    });
    runtime.shutdown_background();
    match left {
        Ok(Left { folder, trouble, stuck }) => {
            if let Some(why) = trouble {
                print::err(&why);
            }
            let exit = verdict(&folder, args);
            told(&stuck).unwrap_or(exit)
        }
        Err(not_started) => {
            print::err(&not_started.to_string());
            told(&not_started.stuck).unwrap_or(Exit::NOT_STARTED)
        }
    }
}

/// Says what could not be undone; how the program ends then.
fn told(stuck: &[Stuck]) -> Option<Exit> {
    for Stuck { of, why, remedy } in stuck {
        print::err(&format!("{of} could not be undone: {why}\n  type: {remedy}"));
    }
    (!stuck.is_empty()).then_some(Exit::STUCK)
}

/// Judges what a run left, writes the reports and prints the table.
fn verdict(folder: &Folder, args: &RunArgs) -> Exit {
    match Judged::read(folder, None) {
        Ok(judged) => {
            if let Err(why) = judged.write(folder) {
                print::err(&format!("{}: reports could not be written: {why}", folder.path().display()));
            }
            let place = folder.path().display().to_string();
            print::out(&report::table(&judged.judgement, &place, print::colour(args.no_color)));
            Exit::Judged(judged.judgement.exit)
        }
        Err(why) => {
            print::err(&format!("what was measured could not be judged: {why}"));
            Exit::INCONCLUSIVE
        }
    }
}
