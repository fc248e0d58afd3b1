//! From a file's name to a valid scenario and its plan, with every mistake that any room can find.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::args::Reading;
use crate::plan::{self, Plan};
use crate::promql;
use crate::scenario::{self, Claim, MAX_BYTES, Mistake, Mistakes, Place, Scenario, Settings};

/// Reads a scenario file; nothing has been sent, opened or started.
pub fn load(file: &Path, reading: &Reading) -> Result<(Scenario, Plan), Mistakes> {
    read(file, reading, Some(&reading.allow_host))
}

/// As [`load`], for a file from which nothing will be sent: it is only judged by.
pub fn load_unsent(file: &Path, time_scale: u32) -> Result<(Scenario, Plan), Mistakes> {
    read(file, &Reading { time_scale, ..Reading::default() }, None)
}

fn read(file: &Path, reading: &Reading, allow_hosts: Option<&[String]>) -> Result<(Scenario, Plan), Mistakes> {
    let name = file.display().to_string();
    let text = read_text(file).map_err(|what| {
        let remedy = "name a scenario file, such as scenarios/quote-service/smoke.yaml".into();
        let all = vec![Mistake { at: Place::default(), path: String::new(), what, remedy }];
        Mistakes { file: name.clone(), text: String::new(), all }
    })?;
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let files = |input: &str| read_capped(&folder.join(input), 64 << 20);
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let settings = Settings {
        overrides: &reading.set,
        time_scale: reading.time_scale,
        allow_hosts,
        env: &|name| std::env::var(name).ok(),
        files: &files,
        default_name: &stem,
    };
    let scenario = scenario::read(&name, &text, &settings)?;
    let plan = Plan::new(&scenario);
    let mut all = plan::review(&scenario, &plan);
    all.extend(expressions(&scenario));
    if all.is_empty() { Ok((scenario, plan)) } else { Err(Mistakes { file: name, text, all }) }
}

/// PromQL that cannot be read or evaluated.
fn expressions(scenario: &Scenario) -> Vec<Mistake> {
    let mistake = |claim: &Claim, path: String| {
        let Claim::Server { expr, place, .. } = claim else { return None };
        let wrong = |what: String, remedy: &str| Some(Mistake { at: *place, path, what, remedy: remedy.into() });
        // Any length will do to see whether it reads.
        match promql::parse(&expr.replace("$window", "1m")) {
            Err(why) => {
                wrong(why.to_string(), "write PromQL as Prometheus 3 reads it; `$window` is the length of the window")
            }
            Ok(expr) if matches!(expr.kind(), promql::Kind::Matrix | promql::Kind::Text) => {
                wrong("it has no value to compare".into(), "write rate(…) or …_over_time(…), not a range or a text")
            }
            Ok(_) => None,
        }
    };
    let promises = scenario.promises.iter().enumerate().map(|(i, p)| (&p.claim, format!("slo.{i}.promql")));
    let aborts = scenario.abort_when.iter().enumerate().map(|(i, a)| (&a.claim, format!("abort_when.{i}.promql")));
    promises.chain(aborts).filter_map(|(claim, path)| mistake(claim, path)).collect()
}

/// Scenario files: those named, and those directly in a folder that is named, in order of their names.
pub fn expand(files: &[PathBuf]) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for file in files {
        if !file.is_dir() {
            all.push(file.clone());
            continue;
        }
        let mut inside: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(file)? {
            let path = entry?.path();
            let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
            if is_yaml && path.is_file() {
                inside.push(path);
            }
        }
        if inside.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("{}: no scenario files in this folder", file.display()),
            ));
        }
        inside.sort();
        all.extend(inside);
    }
    Ok(all)
}

fn read_text(file: &Path) -> Result<String, String> {
    let bytes = read_capped(file, MAX_BYTES).map_err(|e| e.to_string())?;
    String::from_utf8(bytes).map_err(|e| format!("not text: byte {} is no UTF-8", e.utf8_error().valid_up_to()))
}

/// A file no larger than `limit` bytes.
fn read_capped(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let meta = fs::metadata(file)?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    if meta.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} bytes long; {limit} are the most", meta.len()),
        ));
    }
    fs::read(file)
}
