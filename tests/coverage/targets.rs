//! What practice targets expose, asked of them as anybody would.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use proofload::base::ask::Ask;

use super::rows::Row;

/// The metrics of all services of a system: the type of each, and the labels of its series.
#[derive(Default)]
pub struct Pages {
    types: BTreeMap<String, String>,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// Starts a practice target, reads its pages, and ends it.
pub fn pages(system: &str) -> Pages {
    let mut child = Command::new(env!("CARGO_BIN_EXE_proofload"))
        .args(["sim", system, "--lease"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("says that it is ready");
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{system}: {line}: {e}"));
    let mut pages = Pages::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for url in ready["services"].as_object().expect("services").values() {
        let ask = Ask::new("GET", &format!("{}/metrics", url.as_str().expect("an address"))).expect("an address");
        // Some gauges are there from the first beat on.
        std::thread::sleep(Duration::from_millis(150));
        let told = runtime.block_on(ask.send(Duration::from_secs(10))).expect("answered");
        pages.take(&String::from_utf8_lossy(&told.body));
    }
    drop(child.stdin.take());
    child.wait().expect("ends");
    pages
}

impl Pages {
    fn take(&mut self, page: &str) {
        for line in page.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                self.types.insert(name.to_owned(), kind.to_owned());
            } else if let Some((name, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| name.strip_suffix(suffix).filter(|family| self.types.contains_key(*family)));
                let known = self.labels.entry(family.unwrap_or(name).to_owned()).or_default();
                known.extend(labels.split("=\"").filter_map(|part| part.rsplit([',', '"']).next()).map(str::to_owned));
            }
        }
    }
}

/// What is otherwise than the list says.
pub fn differs(pages: &Pages, row: &Row) -> Option<String> {
    let kind = row.kind.as_deref().unwrap_or_default();
    if !["counter", "gauge", "histogram", "summary", "histogram and summary"].contains(&kind) {
        return None; // made by others than the target
    }
    let (name, labels) = row.says.split_once('{').unwrap_or((&row.says, ""));
    let Some(is) = pages.types.get(name) else { return Some(format!("{}: no {name}", row.of)) };
    if !kind.starts_with(is.as_str()) {
        return Some(format!("{}: {name} is a {is}, not a {kind}", row.of));
    }
    let known = pages.labels.get(name)?; // without a series yet nothing can be said of labels
    let mut wanted: Vec<&str> = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    if kind.ends_with("summary") {
        wanted.push("quantile");
    }
    let missing: Vec<&str> = wanted.into_iter().filter(|label| !known.contains(*label)).collect();
    (!missing.is_empty()).then(|| format!("{}: {name} has no label {}", row.of, missing.join(", ")))
}
