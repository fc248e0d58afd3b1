//! `proofload histogram DIR…`: how lengths of time are distributed, from evidence alone. Runs are merged without loss.

use std::path::Path;
use std::time::Duration;

use super::judge::as_run;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::timing::Timing;
use crate::base::units;
use crate::cli::args::{HistogramArgs, Outcomes, Phase};
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::evidence::reader::Evidence;
use crate::exit::Exit;
use crate::judge::{Distribution, Wanted};
use crate::plan::Timeline;
use crate::report;
use crate::scenario::{Filter, Scenario, Traffic, part_name};

/// A run, read back.
struct Run {
    scenario: Scenario,
    evidence: Evidence,
}

/// Prints the distribution of each traffic, closed loops by themselves; exit 3 when there is nothing to show.
pub fn histogram(args: &HistogramArgs) -> Exit {
    match render(args) {
        Ok(text) if text.is_empty() => {
            print::err("no shots: nothing was measured here");
            Exit::INCONCLUSIVE
        }
        Ok(text) => {
            print::out(&text);
            Exit::PASS
        }
        Err(why) => {
            print::err(&why);
            Exit::Usage
        }
    }
}

fn render(args: &HistogramArgs) -> Result<String, String> {
    let runs: Vec<Run> = args.folders.iter().map(|folder| Run::read(folder)).collect::<Result<_, _>>()?;
    let names = traffics(args, &runs)?;
    // A run that is named and adds nothing would be counted among those merged.
    for (run, folder) in runs.iter().zip(&args.folders) {
        if let Some(name) = names.iter().find(|name| run.scenario.traffic.iter().all(|t| !is_of(t, name))) {
            return Err(format!("{}: this run has no traffic `{name}`; name one with --traffic", folder.display()));
        }
    }
    let phases = args.window.map_or_else(|| vec![Phase::Measured, Phase::Saturate], |phase| vec![phase]);
    let mut found = Vec::new();
    for (traffic, phase) in names.iter().flat_map(|name| phases.iter().map(move |phase| (name, *phase))) {
        let wanted = Wanted {
            traffic: traffic.clone(),
            class: args.class.clone(),
            outcome: match args.outcome {
                Outcomes::Ok => Filter::Ok,
                Outcomes::Failed => Filter::Failed,
                Outcomes::All => Filter::All,
            },
            clock: args.clock,
        };
        let mut merged = Distribution::default();
        for run in &runs {
            merged.merge(&run.distribution(&wanted, phase));
        }
        if merged.lengths.count() > 0 {
            found.push((subject(&wanted, phase), merged));
        }
    }
    match &found[..] {
        [(_, only)] if args.hgrm => Ok(report::hgrm(&only.lengths)),
        [_, _, ..] if args.hgrm => {
            let list = text::list(found.iter().map(|(subject, _)| subject.as_str()));
            Err(format!("an .hgrm holds one distribution, not {list}: choose with --traffic and --window"))
        }
        found => {
            let tables = found.iter().map(|(subject, merged)| {
                report::percentiles(&title(args, &runs, subject, merged), &merged.lengths) + &note(&runs, merged)
            });
            Ok(tables.collect::<Vec<_>>().join("\n"))
        }
    }
}

/// What the parts of a traffic are called.
fn parts(traffic: &Traffic) -> Vec<String> {
    traffic.parts().iter().map(|part| part_name(&traffic.name, &part.name)).collect()
}

/// Whether this is the name of a traffic, or of a part of it.
fn is_of(traffic: &Traffic, name: &str) -> bool {
    traffic.name == name || parts(traffic).iter().any(|part| part == name)
}

/// The traffic that is shown: what was asked for, or all that has the class.
fn traffics(args: &HistogramArgs, runs: &[Run]) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = Vec::new();
    for traffic in runs.iter().flat_map(|run| &run.scenario.traffic) {
        if !names.contains(&traffic.name) {
            names.push(traffic.name.clone());
        }
    }
    if let Some(wanted) = &args.traffic {
        let all = runs.iter().flat_map(|run| &run.scenario.traffic);
        if !all.clone().any(|traffic| is_of(traffic, wanted)) {
            names.extend(all.flat_map(parts));
            let remedy = text::suggest(wanted, names.iter().map(String::as_str));
            return Err(format!("--traffic {wanted}: no such traffic; {remedy}"));
        }
        names = vec![wanted.clone()];
    }
    let Some(wanted) = &args.class else { return Ok(names) };
    let mut classes: Vec<&str> = Vec::new();
    let mut with_class = Vec::new();
    for traffic in runs.iter().flat_map(|run| &run.scenario.traffic).filter(|t| names.contains(&t.name)) {
        classes.extend(traffic.classes.iter().map(|class| class.name.as_str()));
        if traffic.classes.iter().any(|class| class.name == *wanted) && !with_class.contains(&traffic.name) {
            with_class.push(traffic.name.clone());
        }
    }
    if with_class.is_empty() {
        let remedy = match &classes[..] {
            [] => "no traffic declares `classes`".to_owned(),
            classes => text::suggest(wanted, classes.iter().copied()),
        };
        return Err(format!("--class {wanted}: no such class; {remedy}"));
    }
    Ok(with_class)
}

impl Run {
    fn read(path: &Path) -> Result<Run, String> {
        let folder = Folder::open(path);
        let evidence = Evidence::read(&folder).map_err(|e| e.to_string())?;
        let scenario = as_run(&folder, &evidence)?;
        for gap in &evidence.gaps {
            print::err(&format!("{}: {gap}", path.display()));
        }
        Ok(Run { scenario, evidence })
    }

    fn timeout(&self) -> Duration {
        Duration::from_nanos(self.evidence.manifest.timeout)
    }

    fn distribution(&self, wanted: &Wanted, phase: Phase) -> Distribution {
        let Some(traffic) = self.scenario.traffic.iter().position(|t| is_of(t, &wanted.traffic)) else {
            return Distribution::default();
        };
        let timeline = Timeline::new(&self.scenario);
        let loops: Vec<Span> = timeline.closed_loops(traffic).map(|(span, _)| span).collect();
        let planned = |whole: Span| {
            let cut = |parts: Vec<Span>, span: &Span| parts.into_iter().flat_map(|part| part.without(*span)).collect();
            loops.iter().fold(vec![whole], cut)
        };
        let spans: Vec<Span> = match phase {
            Phase::Measured => planned(timeline.measured(Some(traffic))),
            Phase::Whole => planned(Span { start: Offset::ZERO, end: Offset::MAX }),
            // A shot of a closed loop is due when it is sent: it cannot be late, nor wait.
            Phase::Saturate if matches!(wanted.clock, Timing::Lag | Timing::Wait) => Vec::new(),
            Phase::Saturate => loops,
        };
        Distribution::of(&self.evidence.latency, &spans, wanted, self.timeout())
    }
}

/// `quotes, class hit, in the measured phase`
fn subject(wanted: &Wanted, phase: Phase) -> String {
    let class = wanted.class.as_ref().map_or_else(String::new, |class| format!(", class {class}"));
    let phase = match phase {
        Phase::Measured => "in the measured phase",
        Phase::Whole => "in all of the load",
        Phase::Saturate => "in closed loops",
    };
    format!("{}{class}, {phase}", wanted.traffic)
}

/// `quotes, in the measured phase: response of 2 001 shots, 2 runs`
fn title(args: &HistogramArgs, runs: &[Run], subject: &str, merged: &Distribution) -> String {
    let outcome = match args.outcome {
        Outcomes::Ok => "ok ",
        Outcomes::Failed => "failed ",
        Outcomes::All => "",
    };
    let shots = text::count(merged.lengths.count(), &format!("{outcome}shot"));
    let mut title = format!("{subject}: {} of {shots}", args.clock.word());
    if runs.len() > 1 {
        title.push_str(&format!(", {} runs", runs.len()));
    }
    if let Some(scale) = runs.iter().map(|run| run.scenario.time_scale).filter(|scale| *scale > 1).max() {
        title.push_str(&format!(", scaled 1:{scale}"));
    }
    title
}

fn note(runs: &[Run], merged: &Distribution) -> String {
    if merged.raised == 0 {
        return String::new();
    }
    let mut timeouts: Vec<Duration> = runs.iter().map(Run::timeout).collect();
    timeouts.sort_unstable();
    timeouts.dedup();
    let timeouts: Vec<String> = timeouts.into_iter().map(units::duration).collect();
    let failed = text::count(merged.raised, "failed shot");
    format!("\n{failed} that took less, or had no length on this clock, at the timeout of {}\n", timeouts.join(" or "))
}
