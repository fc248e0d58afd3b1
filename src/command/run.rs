//! `proofload run`: one scenario or several in turn, each judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::capacity::{self, Found, Wanted};
use super::github;
use super::judge::Judged;
use super::listed::{Loaded, list, load_all};
use super::live::{self, News, Shown};
use super::published::{Published, Publisher, Refused};
use super::verify::Verifier;
use crate::cli::args::RunArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::{self, Ended};
use crate::plan::Plan;
use crate::report;
use crate::report::live::View;
use crate::run::{self, Board, Launch, Left, NotStarted, Standing, Stuck, Told};
use crate::scenario::Scenario;
use crate::selftest::Trust;
use crate::suite::{self, Waiting};

/// Runs every scenario. Nothing is sent unless all of them are right.
pub fn run(args: &RunArgs) -> Exit {
    let Some(listed) = list(&args.files) else {
        print::err("nothing was sent");
        return Exit::Usage;
    };
    let name = listed.suite;
    let Some(loaded) = load_all(listed.items, &args.reading) else {
        print::err("nothing was sent");
        return Exit::Usage;
    };
    if let (Some(_), Some(of)) = (&args.stage, loaded.iter().find(|of| of.scenario.needs_warden())) {
        let why = "processes, faults on them and hooks need a stage of the run's own: it must not obey anybody else";
        print::err(&format!("{}: {why}: leave --stage out\nnothing was sent", of.file.display()));
        return Exit::Usage;
    }
    let trust = Trust::kept();
    for Loaded { file, plan, .. } in &loaded {
        if let Some(doubt) = trust.and_then(|trust| trust.doubt(plan)) {
            print::err(&format!("{}: {doubt}", file.display()));
        }
    }
    let verifier = match args.verify_with.map(Verifier::new).transpose() {
        Ok(verifier) => verifier,
        Err(why) => {
            print::err(&format!("{why}\nnothing was sent"));
            return Exit::Usage;
        }
    };
    let publisher = match Publisher::new(&args.publish, &args.reading.allow_host) {
        Ok(publisher) => publisher,
        Err(Refused::Usage(why)) => {
            print::err(&format!("{why}\nnothing was sent"));
            return Exit::Usage;
        }
        Err(Refused::Trouble(why)) => {
            print::err(&why);
            return Exit::NOT_STARTED;
        }
    };
    let starter = Starter::new(&args.out, args.stage.as_deref(), args.quiet);
    let starter = starter.map(|s| Starter { verifier, publisher, no_color: args.no_color, ..s });
    let (starter, told) = match (starter, Told::listen()) {
        (Ok(starter), Ok(told)) => (starter, told),
        (Err(why), _) => {
            print::err(&why);
            return Exit::NOT_STARTED;
        }
        (_, Err(why)) => {
            print::err(&format!("signals cannot be listened to: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let one = loaded.len() == 1 && name.is_none();
    let waiting = loaded.into_iter().map(|loaded| Waiting {
        scenario: loaded.scenario.name.clone(),
        file: loaded.file.display().to_string(),
        launch: loaded,
    });
    let colour = print::colour(args.no_color);
    let telling = Telling { colour, quiet: args.quiet, github: args.github };
    let turn = |Loaded { file, scenario, plan }| match scenario.capacity.clone() {
        // Whoever says how a capacity is searched wants it searched.
        Some(capacity) => {
            searched(&starter, &told, Wanted { file, scenario, plan, capacity, reading: &args.reading }, colour)
        }
        None => telling.shown(&file.clone(), starter.start(file, scenario, plan)),
    };
    let (turns, exit) = suite::in_turn(waiting.collect(), turn, || told.so_far());
    if !one {
        let name = name.unwrap_or_else(|| "several scenarios".into());
        print::out(&report::suite(&name, &turns, exit.code(), colour));
    }
    exit
}

/// What every run of a command has in common.
pub(super) struct Starter {
    out: PathBuf,
    program: PathBuf,
    stage: Option<String>,
    quiet: bool,
    no_color: bool,
    verifier: Option<Verifier>,
    publisher: Publisher,
}

/// A run that left evidence.
pub(super) struct Ran {
    /// What was run.
    pub scenario: Scenario,
    /// Where its evidence is.
    pub folder: Folder,
    /// What was made of it, or why nothing could be.
    pub judged: Result<Judged, String>,
    /// What could not be undone.
    pub stuck: Vec<Stuck>,
}

impl Starter {
    /// Reports go to `out`. The error says that this program cannot find itself.
    pub(super) fn new(out: &Path, stage: Option<&str>, quiet: bool) -> Result<Starter, String> {
        let program = std::env::current_exe().map_err(|why| format!("cannot find our own program: {why}"))?;
        let (out, stage) = (out.to_owned(), stage.map(str::to_owned));
        let (verifier, publisher) = (None, Publisher::default());
        Ok(Starter { out, program, stage, quiet, no_color: false, verifier, publisher })
    }

    /// Where reports go.
    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    /// This program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Whether nobody wants to see how it goes.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A stage that was started by hand.
    pub(super) fn stage(&self) -> Option<&str> {
        self.stage.as_deref()
    }

    /// Runs a scenario, judges what it left and writes the reports. The error is why there was no run.
    pub(super) fn start(&self, file: PathBuf, scenario: Scenario, plan: Plan) -> Result<Ran, NotStarted> {
        let home = run::home(&self.out, &file);
        self.start_in(home, None, file, scenario, plan)
    }

    /// The same, in a folder below `home`, on what stands already.
    pub(super) fn start_in(
        &self,
        home: PathBuf,
        standing: Option<Arc<Standing>>,
        file: PathBuf,
        scenario: Scenario,
        plan: Plan,
    ) -> Result<Ran, NotStarted> {
        let (board, news) = (watch::Sender::new(Board::default()), watch::Sender::new(Vec::new()));
        let told = News { board: board.subscribe(), standing: news.subscribe() };
        let view = View::new(&scenario.name, &plan);
        let publishing = (!self.publisher.is_idle()).then(|| {
            let plan = Arc::new(plan.clone());
            self.publisher.follow(Published {
                scenario: scenario.name.clone(),
                plan,
                news: told.clone(),
                verdict: None,
            })
        });
        let launch = Launch {
            scenario: scenario.clone(),
            plan,
            file,
            home,
            program: self.program.clone(),
            stage: standing.as_ref().and_then(|s| s.stage().map(str::to_owned)).or_else(|| self.stage.clone()),
            standing,
            board,
            outlook: (!self.quiet || publishing.is_some()).then_some(news),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|why| format!("no runtime: {why}"))?;
        let left = runtime.block_on(async {
            let showing = live::show(told, view, Shown { quiet: self.quiet, no_color: self.no_color });
            let left = run::run(launch).await;
            if let Ok(Some(showing)) = showing {
                let _ = tokio::task::spawn_blocking(|| showing.join()).await;
            }
            left
        });
        runtime.shutdown_background();
        let Left { folder, trouble, stuck } = left?;
        if let Some(why) = trouble {
            print::err(&why);
        }
        let judged = Judged::read_with(&folder, None, self.verifier.as_ref());
        if let Ok(judged) = &judged
            && let Err(why) = judged.write(&folder)
        {
            print::err(&format!("{}: reports could not be written: {why}", folder.path().display()));
        }
        if let Some(publishing) = publishing {
            publishing.end(judged.as_ref().ok().map(|judged| judged.judgement.verdict));
        }
        Ok(Ran { scenario, folder, judged, stuck })
    }
}

/// Says what could not be undone; how the program ends then.
pub(super) fn told_stuck(stuck: &[Stuck]) -> Option<Exit> {
    for Stuck { of, why, remedy } in stuck {
        print::err(&format!("{of} could not be undone: {why}\n  type: {remedy}"));
    }
    (!stuck.is_empty()).then_some(Exit::STUCK)
}

/// Searches a capacity, prints what was found, and says how it ended.
fn searched(starter: &Starter, told: &Told, wanted: Wanted<'_>, colour: bool) -> (Exit, Ended) {
    match capacity::search(starter, told, wanted, colour) {
        Ok(Found { verdict, why, place, exit }) => (exit, Ended::Searched { verdict, why, place }),
        Err((exit, why)) => {
            print::err(&why);
            (exit, Ended::NotStarted(why))
        }
    }
}

/// How runs are told of when they are over.
struct Telling {
    colour: bool,
    quiet: bool,
    github: bool,
}

impl Telling {
    /// Prints what came of a run, and says how it ended.
    fn shown(&self, file: &Path, ran: Result<Ran, NotStarted>) -> (Exit, Ended) {
        let Ran { scenario, folder, judged, stuck } = match ran {
            Ok(ran) => ran,
            Err(not_started) => {
                let why = not_started.to_string();
                print::err(&why);
                if self.github {
                    github::failed(file, &why);
                }
                let exit = told_stuck(&not_started.stuck).unwrap_or(Exit::NOT_STARTED);
                return (exit, Ended::NotStarted(why));
            }
        };
        let place = folder.path().display().to_string();
        match judged {
            Ok(Judged { judgement, .. }) => {
                self.say(&report::summary(&judgement, &place, self.colour));
                if !self.quiet {
                    self.say(&report::table(&judgement, &place, self.colour));
                }
                if self.github {
                    github::judged(file, &scenario, &judgement);
                }
                let faults = judge::stood(&scenario, &judgement);
                let exit = told_stuck(&stuck).unwrap_or(Exit::Judged(judgement.exit));
                (exit, Ended::Judged { judgement: Box::new(judgement), place, faults })
            }
            Err(why) => {
                let why = format!("what was measured could not be judged: {why}");
                print::err(&why);
                if self.github {
                    github::failed(file, &why);
                }
                (told_stuck(&stuck).unwrap_or(Exit::INCONCLUSIVE), Ended::Unjudged { why, place })
            }
        }
    }

    /// Prints a text, in which a workflow must see no commands.
    fn say(&self, text: &str) {
        match self.github {
            true => print::out(&report::github::harmless(text)),
            false => print::out(text),
        }
    }
}
