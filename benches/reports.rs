//! What reports cost: how large the page is, and how long reading, judging and rendering take, for runs of a minute, an hour
//! and a day.
//!
//! `cargo bench --bench reports`

#[path = "../tests/verdicts/made.rs"]
mod made;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use made::Made;
use proofload::evidence::folder::Folder;
use proofload::evidence::reader::Evidence;
use proofload::evidence::samples;
use proofload::judge;
use proofload::plan::Plan;
use proofload::report::{self, Run};
use proofload::scenario::{self, Settings};

fn main() {
    println!("100 shots a second, one in 1 000 fails, 50 series scraped once a second.\n");
    println!("| run | shots | evidence | page | all reports | read | judge | page rendered | all reports rendered |");
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (name, seconds) in [("a minute", 60), ("an hour", 3_600), ("a day", 86_400)] {
        let parent = tempfile::tempdir().expect("a folder");
        let of = Made { name: name.into(), rate: "100/s".into(), seconds, fails: 1_000, series: 50, ..Made::default() };
        let folder = Folder::open(&of.make(parent.path()));
        let text = of.text();
        let scenario = scenario::read("made", &text, &Settings::alone("made")).expect("valid");
        let plan = Plan::new(&scenario);
        let (evidence, reading) = timed(|| Evidence::read(&folder).expect("reads"));
        let series = samples::read(&folder.file("samples.chunks")).expect("reads").series;
        let (judgement, judging) = timed(|| judge::judge(&scenario, &plan, &evidence, &series));
        let run = Run {
            plan: &plan,
            evidence: &evidence,
            judgement: &judgement,
            upstreams: &[],
            traces: None,
            scenario: Some(&text),
        };
        let (page, rendering) = timed(|| report::html(&run));
        let (files, all) = timed(|| report::files(&run));
        let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
        println!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} |",
            of.seconds * 100,
            size(on_disk(folder.path()) as usize),
            size(page.len()),
            size(bytes),
            length(reading),
            length(judging),
            length(rendering),
            length(all)
        );
    }
}

fn timed<T>(what: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (what(), start.elapsed())
}

fn on_disk(folder: &Path) -> u64 {
    fs::read_dir(folder).expect("there").flatten().filter_map(|e| e.metadata().ok()).map(|m| m.len()).sum()
}

fn size(bytes: usize) -> String {
    if bytes < 1_000_000 { format!("{:.0} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

fn length(of: Duration) -> String {
    if of < Duration::from_secs(1) {
        format!("{:.0} ms", of.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", of.as_secs_f64())
    }
}
