//! `proofload judge DIR` and `proofload report DIR`: from evidence alone.

use std::fs;
use std::io;
use std::path::Path;

use super::verify::{Verified, Verifier};
use super::{capacity, load};
use crate::base::text;
use crate::cli::args::{FolderArgs, JudgeArgs};
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::evidence::reader::Evidence;
use crate::evidence::samples;
use crate::evidence::servers::RULES;
use crate::evidence::undo;
use crate::exit::Exit;
use crate::judge::capacity::FILE;
use crate::judge::{self, Judgement};
use crate::plan::Plan;
use crate::report;
use crate::scenario::{self, Scenario, Settings};

/// Where the pages of traces are, `{trace}` standing for an id: reports link to them.
const TRACES: &str = "PROOFLOAD_TRACE_URL";

/// A run, read back and judged.
pub struct Judged {
    pub(super) scenario: Scenario,
    pub(super) plan: Plan,
    pub(super) evidence: Evidence,
    /// What was made of it.
    pub judgement: Judgement,
    text: Option<String>, // of the scenario, as it was run
}

impl Judged {
    /// Reads a run's folder and judges it. With `promises`, by those instead of its own.
    pub fn read(folder: &Folder, promises: Option<&Path>) -> Result<Judged, String> {
        Judged::read_with(folder, promises, None)
    }

    /// The same; with a second opinion, what it does not share is not decided.
    pub(super) fn read_with(
        folder: &Folder,
        promises: Option<&Path>,
        verifier: Option<&Verifier>,
    ) -> Result<Judged, String> {
        let mut evidence = Evidence::read(folder).map_err(|e| e.to_string())?;
        let mut scenario = as_run(folder, &evidence)?;
        if let Some(file) = promises {
            scenario = with_promises(&scenario, file)?;
            tell_rules(&mut scenario, folder, &evidence);
        }
        let plan = Plan::new(&scenario);
        if plan.digest() != evidence.manifest.plan_digest && promises.is_none() {
            evidence.gaps.push("the plan is not the one that was run: scenario.yaml or an input was changed".into());
        }
        let path = folder.file("samples.chunks");
        let series = match samples::read(&path) {
            Ok(samples) => {
                evidence.gaps.extend(samples.torn.map(|why| format!("samples.chunks: {why}")));
                samples.series
            }
            // A run without jobs has none; promises that need them will say so.
            Err(why) => {
                if !scenario.jobs.is_empty() {
                    evidence.gaps.push(why.to_string());
                }
                Vec::new()
            }
        };
        let mut judgement = judge::judge(&scenario, &plan, &evidence, &series);
        if let Some(verifier) = verifier {
            let questions = judge::questions(&scenario, &plan, &evidence, &series);
            let Verified { doubts, lines } = verifier.verify(&questions, &series);
            lines.iter().for_each(|line| print::err(line));
            judge::doubt(&mut judgement, &evidence, doubts);
        }
        Ok(Judged { scenario, plan, evidence, judgement, text: fs::read_to_string(folder.file("scenario.yaml")).ok() })
    }

    /// Writes every report into a folder.
    pub fn write(&self, into: &Folder) -> io::Result<()> {
        let traces = std::env::var(TRACES).ok().filter(|url| url.starts_with("http://") || url.starts_with("https://"));
        let upstreams: Vec<String> = self.scenario.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
        let run = report::Run {
            plan: &self.plan,
            evidence: &self.evidence,
            judgement: &self.judgement,
            upstreams: &upstreams,
            traces: traces.as_deref(),
            scenario: self.text.as_deref(),
        };
        for (name, text) in report::files(&run) {
            into.replace(name, text.as_bytes())?;
        }
        Ok(())
    }
}

/// Judges a run again.
pub fn judge(args: &JudgeArgs) -> Exit {
    let folder = Folder::open(&args.folder);
    if folder.is_held() {
        print::err(&format!("{}: the run goes on: it is judged when it has ended", folder.path().display()));
        return Exit::Usage;
    }
    let verifier = match args.verify_with.map(Verifier::new).transpose() {
        Ok(verifier) => verifier,
        Err(why) => {
            print::err(&why);
            return Exit::Usage;
        }
    };
    let judged = match Judged::read_with(&folder, args.slo.as_deref(), verifier.as_ref()) {
        Ok(judged) => judged,
        Err(why) => {
            print::err(&why);
            return Exit::Usage;
        }
    };
    let out = match (&args.slo, &args.out) {
        (None, _) => Some(folder.clone()),
        (Some(_), Some(out)) => Some(Folder::open(out)),
        (Some(_), None) => None,
    };
    if let Some(out) = out {
        let written = fs::create_dir_all(out.path()).and_then(|()| judged.write(&out));
        if let Err(why) = written {
            print::err(&format!("{}: reports could not be written: {why}", out.path().display()));
        }
    }
    print::out(&report::table(&judged.judgement, &folder.path().display().to_string(), print::colour(args.no_color)));
    tell_left(&folder);
    Exit::Judged(judged.judgement.exit)
}

/// Says what nobody has undone yet, where the run and its stage both died.
fn tell_left(folder: &Folder) {
    let left = undo::read(&folder.file(undo::FILE)).map_or_else(|_| Vec::new(), |record| record.left);
    if !left.is_empty() {
        let names = text::list(left.iter().map(|recipe| recipe.of.as_str()));
        let folder = folder.path().display();
        print::err(&format!("may still be broken, for nobody undid it: {names}\n  type: proofload heal {folder}"));
    }
}

/// Renders the reports of a run again. Always exit 0 when they were written.
pub fn report(args: &FolderArgs) -> Exit {
    let folder = Folder::open(&args.folder);
    if folder.file(FILE).is_file() {
        return of_study(args, &folder);
    }
    let written = Judged::read(&folder, None).and_then(|judged| {
        judged
            .write(&folder)
            .map_err(|why| format!("{}: reports could not be written: {why}", folder.path().display()))?;
        Ok(judged)
    });
    match written {
        Ok(judged) => {
            print::out(&report::table(
                &judged.judgement,
                &folder.path().display().to_string(),
                print::colour(args.no_color),
            ));
            Exit::PASS
        }
        Err(why) => {
            print::err(&why);
            Exit::Usage
        }
    }
}

/// The reports of a search, by what it wrote down.
fn of_study(args: &FolderArgs, folder: &Folder) -> Exit {
    match capacity::study(&args.folder) {
        Ok(study) => {
            capacity::write(&study, folder);
            let place = folder.path().display().to_string();
            print::out(&report::capacity(&study, &place, print::colour(args.no_color)));
            Exit::PASS
        }
        Err(why) => {
            print::err(&why);
            Exit::Usage
        }
    }
}

/// The scenario as it was run.
pub(super) fn as_run(folder: &Folder, evidence: &Evidence) -> Result<Scenario, String> {
    let path = folder.file("scenario.yaml");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let manifest = &evidence.manifest;
    let files = |name: &str| match manifest.inputs.iter().find(|i| i.name == name) {
        Some(input) => fs::read(folder.file("inputs").join(&input.kept)),
        None => Err(io::Error::new(io::ErrorKind::NotFound, "not kept with the run")),
    };
    let settings = Settings {
        overrides: &[],
        target: None,
        time_scale: manifest.time_scale,
        leave: None,
        env: &|_| None,
        files: &files,
        // What cannot be read today any more is a promise that cannot be decided, and no reason to judge nothing.
        promql: &|_, _| Ok(()),
        default_name: &manifest.scenario,
    };
    let mut scenario = scenario::read(&path.display().to_string(), &text, &settings).map_err(|m| m.to_string())?;
    tell_rules(&mut scenario, folder, evidence);
    Ok(scenario)
}

/// Tells a scenario whose rules are those of a server what they were.
fn tell_rules(scenario: &mut Scenario, folder: &Folder, evidence: &Evidence) {
    let kept = evidence.manifest.inputs.iter().rfind(|input| input.name == RULES);
    let text = kept.and_then(|input| fs::read_to_string(folder.file("inputs").join(&input.kept)).ok());
    if let (Some(alerts), Some(text)) = (&mut scenario.alerts, text) {
        alerts.learn(RULES, text);
    }
}

/// The scenario as it was run, with the promises of another file, and its alert rules.
fn with_promises(run: &Scenario, file: &Path) -> Result<Scenario, String> {
    let (other, _) = load::load_unsent(file, run.time_scale).map_err(|m| m.to_string())?;
    let names = |s: &Scenario| s.traffic.iter().map(|t| (t.name.clone(), t.classes.len())).collect::<Vec<_>>();
    let faults = |s: &Scenario| s.faults.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    if names(&other) != names(run) || faults(&other) != faults(run) {
        return Err(format!(
            "{}: its traffic, classes and faults must be those of the run, in the same order",
            file.display()
        ));
    }
    let Scenario { promises, alerts, contracts, reconcile, fitness, .. } = other;
    Ok(Scenario { promises, alerts, contracts, reconcile, fitness, ..run.clone() })
}
