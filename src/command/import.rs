//! `proofload import FILE…`: recorded arrivals, and a scenario that plays them, from access logs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use crate::base::access_log::{self, Entry};
use crate::base::text;
use crate::cli::args::ImportArgs;
use crate::cli::print;
use crate::exit::Exit;

/// What is written.
const ARRIVALS: &str = "arrivals.csv";
const SCENARIO: &str = "replay.yaml";
/// So many lines that cannot be read are shown.
const SHOWN: usize = 3;
const SECOND: i128 = 1_000_000_000;

/// What was read of logs.
#[derive(Debug, Default)]
struct Logs {
    kept: Vec<Entry>,
    left: BTreeMap<String, u64>, // out, and why
    unread: u64,
    shown: Vec<String>, // of those
    hidden: u64,        // values of parameters that looked secret
}

/// Writes a recording and its scenario into a folder; exit 2 when nothing could be read, or would be written over.
pub fn import(args: &ImportArgs) -> Exit {
    match imported(args) {
        Ok(told) => {
            print::out(&told);
            Exit::PASS
        }
        Err(why) => {
            print::err(&why);
            Exit::Usage
        }
    }
}

fn imported(args: &ImportArgs) -> Result<String, String> {
    let mut logs = Logs::default();
    for file in &args.files {
        let named = file.display();
        let from: Box<dyn Read> = match file.as_os_str() == "-" {
            true => Box::new(io::stdin()),
            false => Box::new(File::open(file).map_err(|why| format!("{named}: {why}"))?),
        };
        logs.read(&named.to_string(), BufReader::new(from)).map_err(|why| format!("{named}: {why}"))?;
    }
    if logs.kept.is_empty() {
        return Err(format!("no GET request that was answered well: {}", logs.told()));
    }
    logs.kept.sort_by_key(|entry| entry.at); // stable: servers write when they have answered
    let times = spread(&logs.kept);
    fs::create_dir_all(&args.out).map_err(|why| format!("{}: {why}", args.out.display()))?;
    write(&args.out.join(ARRIVALS), &arrivals(&times, &logs.kept).map_err(|why| why.to_string())?)?;
    write(&args.out.join(SCENARIO), scenario(&args.target).as_bytes())?;
    let mut out = summary(&times);
    let _ = writeln!(out, "{}", logs.told());
    let _ = writeln!(
        out,
        "wrote {} and {}: set its target, then `proofload plan {1}`",
        args.out.join(ARRIVALS).display(),
        args.out.join(SCENARIO).display()
    );
    Ok(out)
}

impl Logs {
    fn read(&mut self, name: &str, mut lines: impl BufRead) -> io::Result<()> {
        let (mut bytes, mut number) = (Vec::new(), 0);
        loop {
            bytes.clear();
            if lines.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(());
            }
            number += 1;
            let line = String::from_utf8_lossy(&bytes);
            if line.trim().is_empty() {
                continue;
            }
            match access_log::read(&line) {
                Ok(entry) => self.take(entry),
                Err(why) => {
                    self.unread += 1;
                    if self.shown.len() < SHOWN {
                        self.shown.push(format!("{name}:{number}: {}", text::shorten(&why, 80)));
                    }
                }
            }
        }
    }

    fn take(&mut self, mut entry: Entry) {
        let why = match (entry.method.as_str(), entry.status) {
            ("GET", None | Some(200..=299 | 304)) => None,
            ("GET", Some(status)) => Some(format!("answered {status}")),
            (method, _) => Some(text::shorten(method, 20)),
        };
        match why {
            Some(why) => *self.left.entry(why).or_default() += 1,
            None => {
                self.hidden += hide(&mut entry.target);
                self.kept.push(entry);
            }
        }
    }

    /// What was left out, and why.
    fn told(&self) -> String {
        let left = self.left.iter().map(|(why, count)| format!("{} {why}", text::thousands(*count)));
        let left: Vec<String> = left.collect();
        let mut said = match left.is_empty() {
            true => "nothing was left out".to_owned(),
            false => {
                format!("left out: {}; a log has no bodies, and what failed once is no good measure", left.join(", "))
            }
        };
        if self.unread > 0 {
            let lines = text::count(self.unread, "line");
            let _ = write!(said, "\n{lines} could not be read: {}", self.shown.join("; "));
        }
        if self.hidden > 0 {
            let _ = write!(said, "\n{} that looked secret became `hidden`", text::count(self.hidden, "parameter"));
        }
        said
    }
}

/// Hides what looks secret in a query; how many parameters that were.
fn hide(target: &mut String) -> u64 {
    let Some((path, query)) = target.split_once('?') else { return 0 };
    let mut hidden = 0;
    let mut shown = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if text::looks_secret(name) => {
            hidden += 1;
            format!("{name}=hidden")
        }
        _ => parameter.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(&mut shown).collect();
    *target = format!("{path}?{}", query.join("&"));
    hidden
}

/// When each was, in nanoseconds since the first. Those of one second of which no more is known are spread over it evenly.
fn spread(entries: &[Entry]) -> Vec<i128> {
    let mut times = Vec::with_capacity(entries.len());
    let same = |a: &Entry, b: &Entry| a.at == b.at && a.is_whole_second && b.is_whole_second;
    for group in entries.chunk_by(same) {
        let step = if group[0].is_whole_second { SECOND / group.len() as i128 } else { 0 };
        times.extend(group.iter().enumerate().map(|(i, entry)| entry.at + step * i as i128));
    }
    times.sort_unstable(); // where some are known better than others
    let first = times.first().copied().unwrap_or_default();
    times.iter().map(|at| at - first).collect()
}

fn arrivals(times: &[i128], entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(["at", "path"])?;
    for (at, entry) in times.iter().zip(entries) {
        let at = format!("{}.{:06}", at / SECOND, at % SECOND / 1000);
        csv.write_record([at.as_str(), entry.target.as_str()])?;
    }
    csv.into_inner().map_err(|why| io::Error::other(why.to_string()))
}

fn scenario(target: &str) -> String {
    format!(
        "proofload: 1
name: requests as they were recorded
target: {target}
traffic:
  recorded:
    flow:
      steps:
        - get: \"{{{{arrivals.path | raw}}}}\"
    arrivals: {{ replay: {{ file: {ARRIVALS}, speed: 1x }} }}
slo:
  - expect: errors(recorded) < 1%
  - expect: p95(recorded) < 500ms
"
    )
}

/// How much there is, how fast it came, and how it came in bursts.
fn summary(times: &[i128]) -> String {
    let last = times.last().copied().unwrap_or_default();
    let seconds = (last as f64 / SECOND as f64).max(1.0);
    let mut busiest = BTreeMap::<i128, u64>::new();
    times.iter().for_each(|at| *busiest.entry(at / SECOND).or_default() += 1);
    format!(
        "{} over {:.0} s: {:.1}/s, {} in the busiest second\n",
        text::count(times.len() as u64, "request"),
        seconds,
        times.len() as f64 / seconds,
        text::thousands(busiest.values().copied().max().unwrap_or_default())
    )
}

/// Writes a file that is not there yet.
fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let created = File::options().write(true).create_new(true).open(path);
    let written = created.and_then(|mut file| file.write_all(bytes));
    written.map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("{}: it is there already: name another folder with --out", path.display())
        }
        _ => format!("{}: {why}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Settings, read};

    fn logs(text: &str) -> Logs {
        let mut logs = Logs::default();
        logs.read("a.log", text.as_bytes()).expect("reads");
        logs
    }

    #[test]
    fn what_is_kept_is_what_can_be_asked_for_again() {
        let line = |request: &str, status: u16| {
            format!("- - - [10/Oct/2023:13:55:36 +0000] \"{request} HTTP/1.1\" {status} 0\n")
        };
        let text = [
            line("GET /a?x=1&api_key=hush", 200),
            line("POST /a", 201),
            line("GET /gone", 404),
            line("GET /b", 304),
            "what?\n".into(),
        ];
        let logs = logs(&text.concat());
        let kept: Vec<&str> = logs.kept.iter().map(|entry| entry.target.as_str()).collect();
        assert_eq!(kept, ["/a?x=1&api_key=hidden", "/b"]);
        let told = logs.told();
        for part in
            ["1 POST", "1 answered 404", "1 line could not be read: a.log:5: no time", "1 parameter that looked secret"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("hush"));
    }

    #[test]
    fn requests_of_one_second_are_spread_over_it_unless_the_log_knows_better() {
        let entry = |at: i128, is_whole_second| Entry {
            at,
            is_whole_second,
            method: "GET".into(),
            target: "/".into(),
            status: None,
        };
        let whole = [entry(SECOND, true), entry(SECOND, true), entry(2 * SECOND, true)];
        assert_eq!(spread(&whole), [0, SECOND / 2, SECOND]);
        let fine = [entry(SECOND, false), entry(SECOND, false), entry(SECOND + 7_000, false)];
        assert_eq!(spread(&fine), [0, 0, 7_000]);
    }

    #[test]
    fn the_scenario_that_is_written_is_valid_with_the_recording_beside_it() {
        let entries: Vec<Entry> = (0..3)
            .map(|i| Entry {
                at: i * SECOND,
                is_whole_second: true,
                method: "GET".into(),
                target: format!("/a?n={i},\"x\""),
                status: None,
            })
            .collect();
        let csv = arrivals(&spread(&entries), &entries).expect("written");
        let settings = Settings { files: &|_| Ok(csv.clone()), ..Settings::alone("replay") };
        let read = read("replay", &scenario("http://127.0.0.1:1"), &settings).expect("valid");
        let crate::scenario::Arrivals::Replay(recording) = &read.traffic[0].arrivals else { panic!("recorded") };
        assert_eq!(recording.times.len(), 3);
        let rows = recording.rows.as_ref().expect("paths");
        assert_eq!(rows.rows[2][0].text(), "/a?n=2,\"x\"");
    }
}
