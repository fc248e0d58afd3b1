//! `proofload query DIR EXPR`: PromQL over the scraped samples of a run.

use super::verify::Verifier;
use crate::base::text;
use crate::cli::args::QueryArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::evidence::samples::{self, Samples};
use crate::exit::Exit;
use crate::promql::{self, Answer, Options, Storage, Value};

/// Evaluates an expression and prints its value; exit 3 when there is none.
pub fn query(args: &QueryArgs) -> Exit {
    let folder = Folder::open(&args.folder);
    let samples = match samples::read(&folder.file("samples.chunks")) {
        Ok(samples) => samples,
        Err(why) => {
            print::err(&why.to_string());
            return Exit::Usage;
        }
    };
    let expr = match promql::parse(&args.expr) {
        Ok(expr) => expr,
        Err(why) => {
            print::err(&why.to_string());
            return Exit::Usage;
        }
    };
    let verifier = match args.verify_with.map(Verifier::new).transpose() {
        Ok(verifier) => verifier,
        Err(why) => {
            print::err(&why);
            return Exit::Usage;
        }
    };
    let at = instant(args, &samples);
    let storage = Storage::new(&samples.series);
    let options = Options::default();
    if args.explain {
        print::out(&promql::explain(&expr, &storage, at, &options));
    }
    let second = verifier.map(|verifier| (verifier.difference(&args.expr, at, &samples.series), verifier));
    match promql::answer(&expr, &storage, at, &options) {
        Err(why) => {
            print::err(&why.to_string());
            Exit::Usage
        }
        Ok(Answer { value, notes }) => {
            print::out(&show(&value));
            notes.iter().for_each(|note| print::err(&note.to_string()));
            match second {
                Some((Ok(None), verifier)) => print::err(&format!("{verifier} says the same")),
                Some((Ok(Some(difference)), _)) => {
                    print::err(&difference);
                    return Exit::INCONCLUSIVE;
                }
                Some((Err(why), _)) => {
                    print::err(&format!("could not be verified: {why}"));
                    return Exit::INCONCLUSIVE;
                }
                None => {}
            }
            if !is_empty(&value) {
                return Exit::PASS;
            }
            for why in promql::explain_empty(&expr, &storage, at, &options) {
                print::err(&why);
            }
            Exit::INCONCLUSIVE
        }
    }
}

/// When: as asked for, or at the last scrape that the target answered.
fn instant(args: &QueryArgs, samples: &Samples) -> i64 {
    match args.at {
        Some(at) => samples.wall_zero_ms + at.as_millis() as i64,
        None => samples.scrapes.iter().filter(|s| s.up).map(|s| s.at).max().unwrap_or(samples.wall_zero_ms),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Vector(elements) => elements.is_empty() || elements.iter().all(|e| e.value.is_nan()),
        Value::Matrix(series) => series.is_empty(),
        Value::Scalar(value) => value.is_nan(),
        Value::Text(_) => false,
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Scalar(value) => format!("{value}\n"),
        Value::Text(text) => format!("{text}\n"),
        Value::Vector(elements) => elements.iter().map(|e| format!("{}  {}\n", e.labels, e.value)).collect(),
        Value::Matrix(series) => {
            let line = |s: &crate::base::series::Series| {
                format!("{}  {}\n", s.labels, text::count(s.samples.len() as u64, "sample"))
            };
            series.iter().map(line).collect()
        }
    }
}
