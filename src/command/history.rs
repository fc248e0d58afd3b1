//! `proofload history DIR`: how the figures of a scenario went over many runs, and where they changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::judge::Judged;
use crate::base::seed::Seed;
use crate::cli::args::{Drawn, HistoryArgs};
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::evidence::manifest::{How, Identity, Manifest};
use crate::exit::Exit;
use crate::judge::{self, History, Past, Verdict};
use crate::report;

/// How deep below a folder runs are looked for: `reports/<scenario's folder>/<file's stem>/<time>`.
const DEEP: usize = 3;
/// What is followed of each traffic, beside errors and the rate.
const QUANTILES: [&str; 3] = ["p50", "p95", "p99"];

/// A run that was found.
struct Found {
    name: String,
    wall: i64,
    identity: Identity,
    scenario: String,
    past: Result<Past, String>,
}

/// Shows the history of every scenario below a folder. Exit 0 when there is any, 2 when there is none.
pub fn history(args: &HistoryArgs) -> Exit {
    let mut places: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    collect(&args.folder, DEEP, &mut places);
    let histories: Vec<History> = places.values().filter_map(|runs| of_scenario(runs, args)).collect();
    if histories.is_empty() {
        let folder = args.folder.display();
        print::err(&format!(
            "{folder}: no runs here or below; name a folder of reports, such as reports/quote-service/smoke"
        ));
        return Exit::Usage;
    }
    if let Some(page) = &args.html {
        let text = report::history_html(&histories, &args.folder.display().to_string());
        if let Err(why) = fs::write(page, text) {
            print::err(&format!("{}: the page could not be written: {why}", page.display()));
            return Exit::NOT_STARTED;
        }
    }
    match args.format {
        Drawn::Json => print::out(&report::history_json(&histories)),
        Drawn::Text => histories.iter().for_each(|history| print::out(&report::history_text(history))),
    }
    Exit::PASS
}

/// Finds the runs below a folder, by the folder that they stand in.
fn collect(folder: &Path, deep: usize, into: &mut BTreeMap<PathBuf, Vec<PathBuf>>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_dir()) {
        if path.join("manifest.json").is_file() {
            into.entry(folder.to_owned()).or_default().push(path);
        } else if deep > 1 {
            collect(&path, deep - 1, into);
        }
    }
}

/// The runs of one scenario; nothing where none of them can be read.
fn of_scenario(runs: &[PathBuf], args: &HistoryArgs) -> Option<History> {
    let mut left_out = Vec::new();
    let mut found = Vec::new();
    for run in runs {
        match read(run) {
            Ok(run) => found.push(run),
            Err(why) => left_out.push((run.display().to_string(), why)),
        }
    }
    found.sort_by(|a, b| (a.wall, &a.name).cmp(&(b.wall, &b.name)));
    let newest = found.last()?;
    let (identity, scenario) = (newest.identity.clone(), newest.scenario.clone());
    let mut pasts = Vec::new();
    for run in found {
        // The version may be what changed: a history goes on across versions.
        let like = Identity { proofload: identity.proofload.clone(), ..run.identity };
        let apart = judge::apart(&like, &identity);
        match run.past {
            Ok(past) if apart.is_empty() => pasts.push(past),
            Ok(_) => left_out.push((run.name, format!("not run as the newest one was: {}", apart.join("; ")))),
            Err(why) => left_out.push((run.name, why)),
        }
    }
    left_out.sort();
    Some(History::new(&scenario, &pasts, left_out, args.threshold, Seed(identity.seed)))
}

/// Reads what a run was made of; from its evidence where that was not written down.
fn read(path: &Path) -> Result<Found, String> {
    let folder = Folder::open(path);
    let text = fs::read_to_string(folder.file("manifest.json")).map_err(|why| why.to_string())?;
    let manifest: Manifest = serde_json::from_str(&text).map_err(|why| format!("manifest.json: {why}"))?;
    let past = match &manifest.end {
        Some(end) if end.how == How::Complete => figures(&folder, &manifest),
        _ => Err("it did not run to its end".to_owned()),
    };
    let Manifest { run: name, wall_zero: wall, scenario, .. } = manifest.clone();
    Ok(Found { name, wall, identity: manifest.identity(), scenario, past })
}

fn figures(folder: &Folder, manifest: &Manifest) -> Result<Past, String> {
    let written = fs::read_to_string(folder.file("verdict.json")).ok();
    let text = match written {
        Some(text) => text,
        None => report::verdict(&Judged::read(folder, None)?.judgement),
    };
    let verdict: Value = serde_json::from_str(&text).map_err(|why| format!("verdict.json: {why}"))?;
    let word = verdict["verdict"].as_str().unwrap_or_default();
    let all = [Verdict::Pass, Verdict::Fail, Verdict::Invalid, Verdict::Inconclusive];
    let known = all.into_iter().find(|known| known.word() == word);
    let known = known.ok_or_else(|| format!("verdict.json: `{word}` is no verdict"))?;
    let traffic = verdict["traffic"].as_object().ok_or("verdict.json: it has no traffic")?;
    let mut figures = Vec::new();
    for (name, of) in traffic {
        let mut add = |measure: &str, value: Option<f64>| {
            figures.extend(value.filter(|v| v.is_finite()).map(|value| (name.clone(), measure.to_owned(), value)));
        };
        for quantile in QUANTILES {
            add(quantile, of["clocks"]["response"][quantile].as_f64());
        }
        add("errors", errors(of));
        add("rate", of["rate"].as_f64());
    }
    Ok(Past { run: manifest.run.clone(), verdict: known, figures })
}

/// The share that was neither ok nor skipped, of all shots.
fn errors(of: &Value) -> Option<f64> {
    let count = |outcome: &str| of["outcomes"][outcome].as_u64().unwrap_or_default();
    let all: u64 = of["outcomes"].as_object()?.values().filter_map(Value::as_u64).sum();
    (all > 0).then(|| (all - count("ok") - count("skipped")) as f64 / all as f64)
}
