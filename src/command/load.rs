//! From a file's name to a valid scenario and its plan, with every mistake that any room can find.

use std::fs;
use std::io;
use std::path::Path;

use super::sim;
use crate::cli::args::Reading;
use crate::judge;
use crate::plan::{self, Plan};
use crate::promql;
use crate::scenario::{self, Changes, Leave, MAX_BYTES, Mistake, Mistakes, Place, Scenario, Settings, System, Wanted};

/// Reads a scenario file; nothing has been sent, opened or started.
pub fn load(file: &Path, reading: &Reading) -> Result<(Scenario, Plan), Mistakes> {
    read(file, reading, Some(leave(reading)))
}

/// As [`load`], for a file from which nothing will be sent: it is only judged by.
pub fn load_unsent(file: &Path, time_scale: u32) -> Result<(Scenario, Plan), Mistakes> {
    read(file, &Reading { time_scale, ..Reading::default() }, None)
}

/// As [`load`], for a text that would stand in `file`.
pub fn load_text(file: &Path, text: &str, reading: &Reading) -> Result<(Scenario, Plan), Mistakes> {
    understand(file, text.to_owned(), reading, Some(leave(reading)))
}

/// As [`load_text`], for a variant of a scenario. Nobody wrote it: stop conditions that can never be met in it are left out.
pub fn load_variant(file: &Path, text: &str, reading: &Reading) -> Result<(Scenario, Plan), Mistakes> {
    load_text(file, text, reading).or_else(|mistakes| {
        let position = |m: &Mistake| m.path.strip_prefix("abort_when.")?.split('.').next()?.parse().ok();
        let endless: Option<Vec<usize>> = mistakes.all.iter().map(position).collect();
        let changes = Changes { endless: endless.as_deref().unwrap_or_default(), ..Changes::default() };
        match scenario::probed(text, &changes) {
            Ok(text) if endless.is_some() => load_text(file, &text, reading),
            _ => Err(mistakes),
        }
    })
}

/// What the command line gives leave for.
fn leave(reading: &Reading) -> Leave<'_> {
    Leave { hosts: &reading.allow_host, exec: reading.allow_exec, pids: &reading.allow_pid }
}

fn read(file: &Path, reading: &Reading, leave: Option<Leave<'_>>) -> Result<(Scenario, Plan), Mistakes> {
    let name = file.display().to_string();
    let text = read_text(file).map_err(|what| {
        let remedy = "name a scenario file, such as scenarios/quote-service/smoke.yaml".into();
        let all = vec![Mistake { at: Place::default(), path: String::new(), what, remedy }];
        Mistakes { file: name, text: String::new(), all }
    })?;
    understand(file, text, reading, leave)
}

fn understand(
    file: &Path,
    text: String,
    reading: &Reading,
    leave: Option<Leave<'_>>,
) -> Result<(Scenario, Plan), Mistakes> {
    let name = file.display().to_string();
    if scenario::is_suite(&text) {
        let what = "this is a suite of scenarios".to_owned();
        let remedy = "name one of the scenarios that it runs".to_owned();
        let all = vec![Mistake { at: Place::default(), path: "suite".into(), what, remedy }];
        return Err(Mistakes { file: name, text, all });
    }
    let folder = file.parent().map(Path::to_owned).unwrap_or_default();
    let files = |input: &str| read_capped(&folder.join(input), 64 << 20);
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let settings = Settings {
        overrides: &reading.set,
        target: reading.target.as_deref(),
        time_scale: reading.time_scale,
        leave,
        env: &|name| std::env::var(name).ok(),
        files: &files,
        promql: &promql,
        default_name: &stem,
    };
    let mut mistakes = match scenario::read(&name, &text, &settings) {
        Ok(scenario) => return reviewed(scenario, name, text),
        Err(mistakes) => mistakes,
    };
    // Where nothing but PromQL is wrong, the rest is looked at all the same.
    if let Ok(scenario) = scenario::read(&name, &text, &Settings { promql: &|_, _| Ok(()), ..settings })
        && let Err(more) = reviewed(scenario, name, text)
    {
        mistakes.all.extend(more.all);
        mistakes.all.sort_by_key(|mistake| mistake.at);
    }
    Err(mistakes)
}

/// The scenario with its plan, unless what it says of time cannot be.
fn reviewed(scenario: Scenario, file: String, text: String) -> Result<(Scenario, Plan), Mistakes> {
    let plan = Plan::new(&scenario);
    let mut all = settings(&scenario, &text);
    all.extend(plan::review(&scenario, &plan));
    all.extend(judge::alerts::review(&scenario, &plan));
    if all.is_empty() { Ok((scenario, plan)) } else { Err(Mistakes { file, text, all }) }
}

/// What is wrong with the settings of a practice target.
fn settings(scenario: &Scenario, text: &str) -> Vec<Mistake> {
    let System::Sim { name, with } = &scenario.target.system else { return Vec::new() };
    let mistake = |(key, what, remedy): (String, String, String)| {
        let at = scenario::place(text, &["target", "with", &key]).unwrap_or_default();
        Mistake { at, path: format!("target.with.{key}"), what, remedy }
    };
    sim::mistaken(name, with).into_iter().map(mistake).collect()
}

/// What is wrong with an expression, and the remedy: it cannot be read, or is not what is wanted.
pub fn promql(expr: &str, wanted: Wanted) -> Result<(), (String, String)> {
    let wrong = |what: String, remedy: &str| Err((what, remedy.to_owned()));
    match wanted {
        // Any length will do to see whether it reads.
        Wanted::Value => match promql::parse(&expr.replace("$window", "1m")) {
            Err(why) => {
                wrong(why.to_string(), "write PromQL as Prometheus 3 reads it; `$window` is the length of the window")
            }
            Ok(expr) if matches!(expr.kind(), promql::Kind::Matrix | promql::Kind::Text) => {
                wrong("it has no value to compare".into(), "write rate(…) or …_over_time(…), not a range or a text")
            }
            Ok(_) => Ok(()),
        },
        Wanted::Metric => {
            let remedy = "write a metric's name, with {label=\"value\"} after it if need be";
            match promql::parse(expr) {
                Err(why) => wrong(why.to_string(), remedy),
                Ok(read) if matches!(read.selectors().as_slice(), [one] if is_plain(one)) && ends_it(expr) => Ok(()),
                Ok(_) => wrong(format!("`{expr}` is more than a metric"), remedy),
            }
        }
    }
}

fn is_plain(selection: &promql::Selection<'_>) -> bool {
    selection.range_ms.is_none() && selection.selector.offset_ms() == 0 && selection.selector.at.is_none()
}

/// What stands before its matchers is a name: that was looked at before.
fn ends_it(metric: &str) -> bool {
    !metric.contains('{') || metric.trim_end().ends_with('}')
}

/// The text of a scenario or suite file.
pub(super) fn read_text(file: &Path) -> Result<String, String> {
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
