//! `proofload run`: one scenario or several in turn, each judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::baseline::{self, Baselines};
use super::capacity::{self, Found, Wanted};
use super::github;
use super::judge::Judged;
use super::listed::{Loaded, list, load_all};
use super::live::{self, News, Shown};
use super::published::{Published, Publisher, Refused};
use super::suite::{Budget, Page};
use super::verify::Verifier;
use crate::cli::args::RunArgs;
use crate::cli::print;
use crate::evidence::baseline::Baseline;
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
    let (name, stop) = (listed.suite, listed.stop || args.stop_on_failure);
    let Some(loaded) = load_all(listed.items, &args.reading) else {
        print::err("nothing was sent");
        return Exit::Usage;
    };
    if let (Some(_), Some(of)) = (&args.stage, loaded.iter().find(|of| of.scenario.needs_warden())) {
        let why = "processes, faults on them and hooks need a stage of the run's own: it must not obey anybody else";
        print::err(&format!("{}: {why}: leave --stage out\nnothing was sent", of.file.display()));
        return Exit::Usage;
    }
    let loaded = match args.time_budget.map_or(Ok(()), |budget| Budget::fits(budget, &loaded)) {
        Ok(()) => against(loaded, args),
        Err(why) => Err(why),
    };
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(why) => {
            print::err(&format!("{why}\nnothing was sent"));
            return Exit::Usage;
        }
    };
    let trust = Trust::kept();
    for (Loaded { file, plan, .. }, _) in &loaded {
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
    let page = (loaded.len() > 1 || name.is_some()).then(|| Page::new(args, name));
    let waiting = loaded.into_iter().map(|(loaded, baseline)| Waiting {
        scenario: loaded.scenario.name.clone(),
        file: loaded.file.display().to_string(),
        launch: (loaded, baseline),
    });
    let colour = print::colour(args.no_color);
    let telling = Telling { colour, quiet: args.quiet, github: args.github };
    let budget = Budget::new(args.time_budget);
    let turn = |(Loaded { file, scenario, plan }, baseline)| match scenario.capacity.clone() {
        // Whoever says how a capacity is searched wants it searched.
        Some(capacity) => {
            searched(&starter, &told, Wanted { file, scenario, plan, capacity, reading: &args.reading }, colour)
        }
        None => {
            let terms = Terms { baseline, budget: budget.left(), standing: None };
            telling.shown(&file.clone(), starter.start_with(file, scenario, plan, terms))
        }
    };
    let over = |exit| told.so_far() || budget.is_used_up() || stop && exit != Exit::PASS;
    let (turns, exit) = suite::in_turn(waiting.collect(), turn, over);
    // What the time did not suffice for has no answer.
    let unanswered = budget.is_used_up() && turns.iter().any(|turn| turn.ended == Ended::NotRun);
    let exit = if unanswered { Exit::of_suite([exit, Exit::INCONCLUSIVE]) } else { exit };
    if let Some(page) = page {
        page.show(turns, exit, colour);
    }
    exit
}

/// Finds what each scenario is held against. The error says all that is wrong with that.
fn against(loaded: Vec<Loaded>, args: &RunArgs) -> Result<Vec<(Loaded, Option<Baseline>)>, String> {
    let Some(folder) = args.baseline.clone() else {
        return Ok(loaded.into_iter().map(|loaded| (loaded, None)).collect());
    };
    if !loaded.iter().any(|loaded| baseline::is_relative(&loaded.scenario)) {
        return Err(
            "--baseline: nothing here is promised relative to one; write `p99(TRAFFIC) <= baseline + 5%`".into()
        );
    }
    let baselines = Baselines { folder, unfair: args.unfair };
    let mut wrong = Vec::new();
    let mut found = Vec::with_capacity(loaded.len());
    for loaded in loaded {
        match baselines.of(&loaded.file, &loaded.scenario, &loaded.plan) {
            Ok(baseline) => found.push((loaded, baseline)),
            Err(why) => wrong.push(why),
        }
    }
    if wrong.is_empty() { Ok(found) } else { Err(wrong.join("\n")) }
}

/// What a run is given beside its scenario.
#[derive(Default)]
pub(super) struct Terms {
    /// What it is held against.
    pub baseline: Option<Baseline>,
    /// How long it may take.
    pub budget: Option<Duration>,
    /// What stands already.
    pub standing: Option<Arc<Standing>>,
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
        self.start_with(file, scenario, plan, Terms::default())
    }

    /// The same, on some terms.
    pub(super) fn start_with(
        &self,
        file: PathBuf,
        scenario: Scenario,
        plan: Plan,
        terms: Terms,
    ) -> Result<Ran, NotStarted> {
        let home = run::home(&self.out, &file);
        self.start_in(home, file, scenario, plan, terms)
    }

    /// The same, in a folder below `home`.
    pub(super) fn start_in(
        &self,
        home: PathBuf,
        file: PathBuf,
        scenario: Scenario,
        plan: Plan,
        Terms { baseline, budget, standing }: Terms,
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
            budget,
            baseline,
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
