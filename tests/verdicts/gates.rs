//! Signals some of which rightly start nothing, while a run goes on: whether faults may begin, and whether the experiment must end.

use proofload::base::time::Offset;
use proofload::judge::{Gate, GateSummary, Stops, Verdict};

use crate::case::Case;

/// Forty signals a second, of which the system counts those that start nothing; a fault after twenty seconds.
fn scenario(steady: &str, conditions: &str) -> String {
    format!(
        "proofload: 1
target: {{ sim: trading-platform, timeout: 2s }}
kafka: {{ trading: {{ cluster: {{ brokers: 1, topics: {{ signals: {{ partitions: 1 }}, effects: {{ partitions: 1 }} }} }} }} }}
traffic:
  signals:
    signal:
      kafka: {{ on: trading, topic: signals }}
      json: {{ id: \"{{{{uuid}}}}\" }}
      id: \"{{{{uuid}}}}\"
      effects: {{ kafka: {{ on: trading, topic: effects, id: $.id }} }}
      unmatched: [ unmatched_total ]
      deadline: 10s
    arrivals: even
    load: [ {{ hold: {{ at: 40/s, for: 40s }} }} ]
observe: {{ jobs: {{ trigger-dispatcher: {{ to: trigger-dispatcher, metrics: /metrics, every: 1s }} }} }}
faults: {{ away: {{ on: kafka/trading, inject: {{ broker_down: {{}} }}, at: 20s, for: 5s }} }}
abort_when: [ {conditions} ]
slo: [ {{ expect: \"{steady}\", outside: faults, steady: true }} ]"
    )
}

/// Every tenth starts nothing, and all others have their effect; `more` is said besides.
fn happened(more: &str) -> String {
    format!("signals: ok 450ms\n{more}\nsignals every 10: unfinished 10s\n")
}

/// What a counter says at each scrape up to one, that rose by `each` with every signal that starts nothing.
fn counted(until: i64, each: i64) -> String {
    told(until, |at| 7 + each * (4 * at + 1))
}

/// What a counter says at each scrape up to one.
fn told(until: i64, says: impl Fn(i64) -> i64) -> String {
    let mut lines = format!("quiet trigger-dispatcher before 1s\nscraped trigger-dispatcher 0s..{until}s\n");
    let series = "sample unmatched_total{job=\"trigger-dispatcher\"}";
    lines += &format!("{series} before 1s: 7\n");
    for at in 0..=until {
        lines += &format!("{series} {at}s..{at}500ms: {}\n", says(at));
    }
    lines
}

fn case(steady: &str, conditions: &str, happened: &str, ended: &str) -> Case {
    let text = format!("{}\n---\n{happened}ended: {ended}\n---\nPASS, exit 0\n", scenario(steady, conditions));
    Case::read(&text).unwrap_or_else(|why| panic!("{why}"))
}

/// The gate as it is seen at an instant, in milliseconds.
fn gate(steady: &str, happened: &str, now: i64) -> Gate {
    let case = case(steady, "", happened, &format!("died {now}ms"));
    proofload::judge::gate(&case.scenario, &case.plan, &mut case.evidence(), &case.series).expect("a gate")
}

#[test]
fn what_rightly_starts_nothing_keeps_no_fault_away() {
    for steady in ["p95(signals) < 1s", "errors(signals) < 5%"] {
        let healthy = happened("") + &counted(20, 1);
        let at_once = gate(steady, &healthy, 20_000);
        assert_eq!(at_once.summary.verdict, Verdict::Pass, "{:?}", at_once.summary);
        let later = gate(steady, &(happened("") + &counted(31, 1)), 31_000);
        assert_eq!(later.summary.verdict, Verdict::Pass, "{:?}", later.summary);
        assert!(later.is_settled);
    }
}

#[test]
fn what_may_have_been_lost_does() {
    let lossy = happened("signals every 13: unfinished 10s") + &counted(31, 1);
    let Gate { summary, is_settled } = gate("p95(signals) < 1s", &lossy, 31_000);
    assert_eq!(summary.verdict, Verdict::Inconclusive, "{summary:?}");
    assert!(!is_settled, "another scrape may tell of some");
    let why = &summary.promises[0].why;
    assert!(why.contains("lies between") && why.contains("may have failed"), "{why}");
    // What is slow is, whatever became of the rest.
    let slow = happened("signals every 2: ok 1500ms") + &counted(31, 1);
    let Gate { summary, is_settled } = gate("p95(signals) < 1s", &slow, 31_000);
    assert!(summary.verdict == Verdict::Fail && is_settled, "{summary:?}");
}

#[test]
fn counters_that_say_nothing_open_no_gate() {
    let why = |counted: &str| {
        let gate = gate("p95(signals) < 1s", &(happened("") + counted), 31_000);
        assert_eq!(gate.summary.verdict, Verdict::Inconclusive, "{:?}", gate.summary);
        gate.summary.promises[0].why.clone()
    };
    assert!(why("").contains("not known so far"), "{}", why(""));
    let too_much = why(&counted(31, 2));
    assert!(too_much.contains("count more than signals that start nothing"), "{too_much}");
    let restarted = told(31, |at| if at < 9 { 8 + 4 * at } else { 4 * (at - 9) });
    assert!(why(&restarted).contains("lies between"), "what it had told before counts: {}", why(&restarted));
}

/// What the fault does to signals later says nothing of those before it.
#[test]
fn what_the_gate_said_the_evidence_says_for_ever() {
    let lost = "signals 20s..25s: unfinished 10s";
    let end = "quiet trigger-dispatcher 52s\nsample unmatched_total{job=\"trigger-dispatcher\"} 41s..53s: 168\n";
    let all = happened(lost) + &counted(40, 1) + end;
    let gate: GateSummary = case("p95(signals) < 1s", "", &all, "complete").judge().gate.expect("a gate");
    assert_eq!(gate.verdict, Verdict::Pass, "{gate:?}");
}

/// Looks once, at an instant in milliseconds.
fn look(conditions: &str, happened: &str, now: i64) -> Option<String> {
    let case = case("p95(signals, ok) < 1s", conditions, happened, &format!("died {now}ms"));
    let at = Offset::from_millis(now);
    Stops::new(&case.scenario, &case.plan).look(&case.scenario, &case.plan, &case.evidence(), &case.series, at)
}

#[test]
fn what_rightly_starts_nothing_ends_no_experiment() {
    let (fails, hangs) = ("{ expect: errors(signals) > 5%, for: 3s }", "{ expect: p95(signals) > 1s, for: 3s }");
    let healthy = happened("") + &counted(20, 1);
    assert_eq!((look(fails, &healthy, 20_000), look(hangs, &healthy, 20_000)), (None, None));
    // Half of them are lost, more than can have started nothing by the counter.
    let lossy = happened("signals every 2: unfinished 10s") + &counted(20, 1);
    let told = look(fails, &lossy, 20_000).expect("met");
    assert!(told.starts_with("errors(signals) > 5%: errors "), "{told}");
    assert!(look(hangs, &lossy, 20_000).is_some());
    // Of a counter that says nothing none is known to have failed.
    let untold = happened("signals every 2: unfinished 10s");
    assert_eq!((look(fails, &untold, 20_000), look(hangs, &untold, 20_000)), (None, None));
}
