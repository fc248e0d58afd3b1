//! What reports make of a judgement.

use std::fs;
use std::path::Path;

use proofload::report;

use super::case::Case;

/// A broken promise about latency says what the latency was made of; one that is kept needs no explanation.
#[test]
fn a_latency_that_is_too_long_is_taken_apart() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts/bound-taken-apart.case");
    let case = Case::read(&fs::read_to_string(path).expect("readable")).expect("a case");
    let judgement = case.judge();
    let files = case.reports();
    let file = |name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, text)| text.clone()).expect("a report");
    let lines = [
        "p99 of each part: lag 1.00 ms, wait for a connection 49.0 ms, first byte 3.00 ms, body 7.00 ms; \
         10 % of shots opened a connection: dns 2.00 ms, connect 1.00 ms, tls 9.00 ms",
        "max of each part: first byte 3.00 ms, body 7.00 ms; 10 % of shots opened a connection",
        "mean of each part: lag 1.00 ms",
        "p95 of each part: lag 1.00 ms, wait for a connection 49.0 ms",
    ];
    // JUnit's failures say it as a message and as content.
    let table = report::table(&judgement, "here", false);
    for (text, times) in [(table, 1), (file("summary.md"), 1), (file("junit.xml"), 2)] {
        for line in lines {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(text.matches(" of each part").count(), lines.len() * times, "{text}");
    }
    let verdict: serde_json::Value = serde_json::from_str(&file("verdict.json")).expect("JSON");
    let anatomy = &verdict["findings"][0]["anatomy"];
    assert_eq!((&anatomy["measure"], &anatomy["opened"]), (&"p99".into(), &0.1.into()), "{anatomy}");
    assert!(anatomy["opening"]["tls"].as_f64().is_some_and(|s| (0.0089..0.0091).contains(&s)), "{anatomy}");
    assert!(verdict["findings"][4]["anatomy"].is_null(), "a kept promise");
    assert!(verdict["findings"][5]["anatomy"].is_null(), "a share");
}

/// Whoever reads a report of a closed loop is told that it is one, and what its figures are worth.
#[test]
fn every_report_says_what_a_closed_loop_is() {
    let case = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(name);
        Case::read(&fs::read_to_string(path).expect("readable")).expect("a case")
    };
    let mixed = case("closed-loop-and-planned.case");
    let files = mixed.reports();
    let file = |name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, text)| text.clone()).expect("a report");
    let table = report::table(&mixed.judge(), "here", false);
    let went = "closed loop of 64 connections, 10.5 s to 19.5 s: 9\u{202f}000 shots, 0 failed, 1000/s ok";
    let worth = "of a closed loop, not to be compared with what users wait";
    for text in [&table, &file("summary.md"), &file("junit.xml")] {
        assert!(text.contains(went) && text.contains(worth), "{text}");
    }
    assert!(file("junit.xml").contains("(whole run, partly in a closed loop of 64 connections)"));
    assert!(table.contains("response p50 20.0 ms  p95 20.0 ms"), "planned shots by themselves:\n{table}");
    let verdict: serde_json::Value = serde_json::from_str(&file("verdict.json")).expect("JSON");
    let quotes = &verdict["traffic"]["quotes"];
    assert_eq!(quotes["closed_loops"][0]["connections"], 64);
    assert_eq!(quotes["closed_loops"][0]["latency"]["count"], 9_000);
    assert_eq!(quotes["clocks"]["response"]["count"], 315);

    let csv = file("timeline.csv");
    let cell = |second: &str, column: &str| {
        let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let column = lines.next().and_then(|head| head.iter().position(|c| *c == column)).expect("a column");
        lines.find(|line| line[0] == second).map(|line| line[column].to_owned()).expect("a second")
    };
    // The loop begins and ends within a second.
    for (second, loops, lag, shots) in
        [("9", "", "0.000", "10"), ("10", "64", "0.000", "505"), ("15", "64", "", "1000"), ("20", "", "0.000", "20")]
    {
        let is = [cell(second, "closed_loop"), cell(second, "lag_p99_ms"), cell(second, "shots")];
        assert_eq!(is, [loops, lag, shots], "second {second}:\n{csv}");
    }

    let claim = "a closed-loop tool would have claimed p99 1.10 ms (service time); users waited 54.0 ms";
    let frozen = case("closed-loop-claim.case").judge();
    for text in [report::table(&frozen, "here", false), report::markdown(&frozen)] {
        assert!(text.contains(claim) && !text.contains("closed loop of"), "{text}");
    }

    // Where all was flat out there is no response to show.
    let flat_out = report::table(&case("closed-loop-rate.case").judge(), "here", false);
    assert!(!flat_out.contains("response") && flat_out.contains("closed loop of 4 connections"), "{flat_out}");
}

/// What became of struck requests is in every report, with a few of them by name, what hurt first.
#[test]
fn every_report_shows_the_ledger() {
    let case = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts").join(name);
        Case::read(&fs::read_to_string(path).expect("readable")).expect("a case")
    };
    let slow = case("green-absorbed-but-slow.case");
    let judgement = slow.judge();
    let files = slow.reports();
    let file = |name: &str| files.iter().find(|(n, _)| *n == name).map(|(_, text)| text.clone()).expect("a report");
    let table = report::table(&judgement, "here", false);
    for text in [&table, &file("summary.md"), &file("junit.xml")] {
        for line in [
            "of 100 struck: 0 absorbed, 100 surfaced (0 failed, 100 late), 0 unexplained, 0 background",
            "chose 100 of 100 requests, 100 % declared: 100 to 100 expected",
            "100 calls for 100 shots: 1.00 for each, at most 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
    let shown = |text: &str| text.matches("call 1 of jupiter: ok after 900 ms").count();
    assert_eq!((shown(&table), shown(&file("summary.md"))), (3, 10), "{table}");
    let csv = file("timeline.csv");
    let effective = |second: &str| {
        let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let column = lines.next().and_then(|head| head.iter().position(|c| *c == "effective")).expect("a column");
        lines.find(|line| line[0] == second).map(|line| line[column].to_owned()).expect("a second")
    };
    assert_eq!(["19", "20", "29", "30"].map(effective), ["", "hangs", "hangs", ""], "{csv}");

    let herd = report::table(&case("retry-after-herd.case").judge(), "here", false);
    assert!(herd.contains("told to wait 60 times: ") && herd.contains(" brought a herd: "), "{herd}");
    let nobodys = report::table(&case("green-absorbed-by-whom.case").judge(), "here", false);
    assert!(nobodys.contains("not attributable: none of 100 struck requests said whose it was"), "{nobodys}");
}
