//! `latency.hlog` and `.hgrm` are HdrHistogram's: what another implementation reads in a log is what was recorded, and
//! runs merge without loss.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proofload::base::time::{Offset, Span};
use proofload::base::timing::Timing;
use proofload::evidence::latency::{LatencyLog, Tag, Writer};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply, Stage, Why};
use proofload::evidence::tally::{Tally, cell};
use proofload::report;
use proptest::prelude::*;
use serde_json::Value;

const ALWAYS: Span = Span { start: Offset::ZERO, end: Offset::MAX };
/// In seconds since the Unix epoch.
const WALL_ZERO: i64 = 1_700_000_000;

/// A shot of the traffic `quotes`, whose classes are `hit` and `miss`; the instants in nanoseconds.
fn shot(class: Option<u16>, outcome: Outcome, due: i64, lag: u64, wait: u64, service: u64) -> Reply {
    let due = Offset::from_nanos(due);
    let ready = due + Duration::from_nanos(lag);
    let sent = (!matches!(outcome, Outcome::NotSent(_))).then(|| ready + Duration::from_nanos(wait));
    let done = sent.unwrap_or(ready) + Duration::from_nanos(service);
    let part = |every: u64| lag.is_multiple_of(every).then_some(Duration::from_nanos(wait));
    Reply {
        traffic: 0,
        seq: 0,
        class,
        outcome,
        status: None,
        due,
        ready,
        sent: sent.into(),
        first_byte: sent.filter(|_| outcome == Outcome::Ok).map(|sent| sent + Duration::from_nanos(service / 2)).into(),
        done,
        opening: part(5).map_or(Opening::default(), |connect| Opening::new(part(10), connect, part(15))),
        not_before: Maybe::NONE,
        why: None,
    }
}

/// Writes a log of shots in several goes, as a run flushes once a second.
fn write(path: &Path, flushes: &[Vec<Reply>]) {
    let names = vec![("quotes".into(), vec!["hit".into(), "miss".into()])];
    let edges = vec![Offset::ZERO, Offset::from_millis(1_250)];
    let mut writer = Writer::create(path, names, edges, WALL_ZERO * 1_000_000_000).expect("creates");
    for shots in flushes {
        shots.iter().for_each(|shot| writer.record(shot));
        writer.flush().expect("flushes");
    }
}

fn read(path: &Path) -> LatencyLog {
    let (log, torn) = LatencyLog::read(path).expect("reads");
    assert_eq!(torn, None);
    log
}

/// The lengths of each tag, straight from the shots.
fn by_tag<'a>(shots: impl IntoIterator<Item = &'a Reply>) -> BTreeMap<String, Tally> {
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for shot in shots {
        let clocks = [
            (Timing::Response, Some(shot.response())),
            (Timing::Service, shot.service()),
            (Timing::Lag, Some(shot.lag())),
            (Timing::Wait, shot.wait()),
            (Timing::Dns, shot.opening.dns()),
            (Timing::Connect, shot.opening.connect()),
            (Timing::Tls, shot.opening.tls()),
            (Timing::FirstByte, shot.first_byte()),
            (Timing::Body, shot.first_byte.instant().map(|first| shot.done.since(first))),
        ];
        for (timing, length) in clocks {
            let Some(length) = length else { continue };
            let class = shot.class.map(|class| ["hit", "miss"][usize::from(class)].to_owned());
            let tag = Tag { traffic: "quotes".into(), class, outcome: shot.outcome, timing };
            tallies.entry(name(&tag)).or_default().record(length);
        }
    }
    tallies
}

/// The lengths of each tag, as the log has them.
fn logged(log: &LatencyLog) -> BTreeMap<String, Tally> {
    log.tags.iter().map(|tag| (name(tag), log.tally(ALWAYS, |t| t == tag))).collect()
}

fn name(tag: &Tag) -> String {
    let class = tag.class.as_deref().unwrap_or("-");
    format!("{}/{class}/{}/{}", tag.traffic, tag.outcome.word(), tag.timing.word())
}

/// A thousand shots, with lengths from under a microsecond to over a second; always the same.
fn thousand() -> Vec<Reply> {
    let mut state = 1_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let outcomes = [Outcome::Ok, Outcome::Ok, Outcome::Ok, Outcome::Rejected, Outcome::TimedOut(Stage::Head)];
    (0..1_000)
        .map(|n| {
            let outcome = if n % 97 == 0 { Outcome::NotSent(Why::Backlog) } else { outcomes[next(5) as usize] };
            let class = (outcome == Outcome::Ok).then(|| next(2) as u16);
            let scale = 10_u64.pow(3 + next(7) as u32);
            shot(class, outcome, n * 3_000_000, next(200_000), next(2_000), next(scale))
        })
        .collect()
}

/// Python with HdrHistogram's own implementation. Where it is required, its absence is a failure and no reason to skip.
fn reader() -> Option<PathBuf> {
    let python = PathBuf::from("python3");
    let here = Command::new(&python).args(["-c", "import hdrh"]).output().is_ok_and(|out| out.status.success());
    let required = std::env::var("PROOFLOAD_REQUIRE").is_ok_and(|list| list.contains("hdrhistogram"));
    assert!(here || !required, "python3 with hdrhistogram is required: pip install hdrhistogram");
    if !here {
        eprintln!("skipped: python3 has no hdrhistogram (pip install hdrhistogram)");
    }
    here.then_some(python)
}

#[test]
fn another_implementation_reads_the_same() {
    let Some(python) = reader() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("latency.hlog");
    let shots = thousand();
    // The second flush brings late finishers of intervals that were written by the first.
    let (late, timely): (Vec<Reply>, Vec<Reply>) =
        shots.iter().cloned().partition(|shot| shot.service() > Some(Duration::from_millis(50)));
    write(&path, &[timely, late]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hdr/read.py");
    let out = Command::new(python).arg(script).arg(&path).output().expect("python runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let theirs: BTreeMap<String, Value> = serde_json::from_slice(&out.stdout).expect("JSON");

    let mut ours = by_tag(&shots);
    assert_eq!(logged(&read(&path)), ours);
    assert!(ours.len() > 20, "{} tags", ours.len());
    let mut everything = Tally::default();
    ours.values().for_each(|tally| everything.merge(tally));
    ours.insert("everything".into(), everything);
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    for (tag, tally) in &ours {
        let said = &theirs[tag];
        let numbers = |value: &Value| value.as_f64().expect("a number");
        let pairs = |of: &str| -> Vec<(f64, u64)> {
            let list = said[of].as_array().expect("a list");
            list.iter().map(|pair| (numbers(&pair[0]), pair[1].as_u64().expect("a count"))).collect()
        };
        assert_eq!(said["count"], tally.count(), "{tag}");
        let cells: Vec<(f64, u64)> = tally.cells().map(|(nanos, count)| (nanos as f64, count)).collect();
        assert_eq!(pairs("cells"), cells, "{tag}");
        for (percent, nanos) in pairs("quantiles") {
            // They take the rank that is nearest, we the first that is not below: the same where it is whole.
            let rank = (percent / 100.0 * tally.count() as f64 + 0.5).floor() as u64;
            assert_eq!(tally.at_rank(rank), Some(Duration::from_nanos(nanos)), "p{percent} of {tag}");
        }
        let (start, end) = (numbers(&said["start_ms"]), numbers(&said["end_ms"]));
        let zero = WALL_ZERO as f64 * 1e3;
        assert!(start >= zero && end <= zero + 4_000.0, "{tag} from {start} to {end}");
    }
}

/// The file is what HdrHistogram's JavaScript implementation prints for the same lengths, byte for byte.
#[test]
fn hgrm_is_as_it_was() {
    let shots = thousand();
    let mut responses = Tally::default();
    shots.iter().for_each(|shot| responses.record(shot.response()));
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hdr/responses.hgrm");
    let text = report::hgrm(&responses);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &text).expect("writes");
    }
    let want = std::fs::read_to_string(&golden).expect("the golden file; UPDATE_GOLDEN=1 writes it");
    assert_eq!(text, want, "UPDATE_GOLDEN=1 rewrites {}; read the difference", golden.display());
}

fn shots() -> impl Strategy<Value = Vec<Reply>> {
    let outcomes = prop::sample::select(Outcome::ALL.to_vec());
    let class = prop::option::of(0..2_u16);
    let long = prop_oneof![0..200_000_u64, 0..5_000_000_000_u64];
    let shot = (class, outcomes, 0..3_000_000_000_i64, long.clone(), 0..1_000_000_u64, long)
        .prop_map(|(class, outcome, due, lag, wait, service)| shot(class, outcome, due, lag, wait, service));
    prop::collection::vec(shot, 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// What was recorded is what is read, cell by cell, however the shots were spread over flushes.
    #[test]
    fn a_log_is_read_as_it_was_written(flushes in prop::collection::vec(shots(), 1..4)) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("latency.hlog");
        write(&path, &flushes);
        let log = read(&path);
        prop_assert_eq!(logged(&log), by_tag(flushes.iter().flatten()));
        for interval in &log.intervals {
            prop_assert!(interval.cells.iter().all(|(nanos, count)| *nanos == cell(*nanos) && *count > 0));
        }
    }

    /// Merging the logs of runs, in any order and grouping, is the log of one run with all their shots.
    #[test]
    fn merging_logs_is_lossless_associative_and_commutative(a in shots(), b in shots(), c in shots()) {
        let folder = tempfile::tempdir().expect("a folder");
        let log = |name: &str, flushes: &[Vec<Reply>]| {
            let path = folder.path().join(name);
            write(&path, flushes);
            logged(&read(&path))
        };
        let merged = |a: &BTreeMap<String, Tally>, b: &BTreeMap<String, Tally>| {
            let mut sum = a.clone();
            b.iter().for_each(|(tag, tally)| sum.entry(tag.clone()).or_default().merge(tally));
            sum
        };
        let all = log("all", &[a.clone(), b.clone(), c.clone()]);
        let [a, b, c] = [log("a", &[a]), log("b", &[b]), log("c", &[c])];
        prop_assert_eq!(&merged(&merged(&a, &b), &c), &all);
        prop_assert_eq!(&merged(&a, &merged(&b, &c)), &all);
        prop_assert_eq!(&merged(&merged(&c, &b), &a), &all);
    }
}
