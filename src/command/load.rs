//! From a file's name to a valid scenario and its plan, with every mistake that any room can find.

use std::fs;
use std::io;
use std::path::Path;

use crate::cli::args::Reading;
use crate::judge;
use crate::plan::{self, Plan};
use crate::promql;
use crate::scenario::{self, Against, Claim, Leave, MAX_BYTES, Mistake, Mistakes, Place, Scenario, Settings};

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
        default_name: &stem,
    };
    let scenario = scenario::read(&name, &text, &settings)?;
    let plan = Plan::new(&scenario);
    let mut all = plan::review(&scenario, &plan);
    all.extend(expressions(&scenario));
    all.extend(selectors(&scenario));
    all.extend(judge::alerts::review(&scenario, &plan));
    if all.is_empty() { Ok((scenario, plan)) } else { Err(Mistakes { file: name, text, all }) }
}

/// PromQL that cannot be read or evaluated.
fn expressions(scenario: &Scenario) -> Vec<Mistake> {
    let mistake = |expr: &str, at: Place, path: String| {
        let wrong = |what: String, remedy: &str| Some(Mistake { at, path, what, remedy: remedy.into() });
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
    let claimed = promises.chain(aborts).filter_map(|(claim, path)| match claim {
        Claim::Server { expr, place, .. } => Some((expr.as_str(), *place, path)),
        _ => None,
    });
    let of_signals = scenario.traffic.iter().flat_map(|traffic| {
        let exprs = traffic.kind.signal().into_iter().flat_map(scenario::Signal::expressions);
        exprs.map(|(key, expr, place)| (expr, place, format!("traffic.{}.signal.{key}", traffic.name)))
    });
    claimed.chain(of_signals).filter_map(|(expr, at, path)| mistake(expr, at, path)).collect()
}

/// Metrics of `reconcile` that are no plain selectors.
fn selectors(scenario: &Scenario) -> Vec<Mistake> {
    let wrong = |metric: &String, place| {
        let what = match promql::parse(metric) {
            Ok(expr) if matches!(expr.selectors().as_slice(), [one] if is_plain(one)) && ends_it(metric) => {
                return None;
            }
            Ok(_) => format!("`{metric}` is more than a metric"),
            Err(why) => why.to_string(),
        };
        let remedy = "write a metric's name, with {label=\"value\"} after it if need be".to_owned();
        Some(Mistake { at: place, path: "reconcile".into(), what, remedy })
    };
    fn is_plain(selection: &promql::Selection<'_>) -> bool {
        selection.range_ms.is_none() && selection.selector.offset_ms() == 0 && selection.selector.at.is_none()
    }
    // What stands before its matchers is a name: that was looked at before.
    fn ends_it(metric: &str) -> bool {
        !metric.contains('{') || metric.trim_end().ends_with('}')
    }
    let of_check = |check: &scenario::Check| {
        let metrics = match &check.against {
            Against::Counter { metric, .. } | Against::Histogram { metric, .. } | Against::Summary { metric, .. } => {
                vec![metric]
            }
            Against::Ratio { metric, over } => vec![metric, over],
        };
        metrics.into_iter().filter_map(|metric| wrong(metric, check.place)).collect::<Vec<_>>()
    };
    scenario.reconcile.checks.iter().flat_map(of_check).collect()
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
