//! Stop conditions on what is not of shots alone: what became of signals, of faults, of the requests that faults struck, of memory.
//! As they are looked at while a run goes on.

use proofload::base::time::Offset;
use proofload::judge::Stops;

use crate::case::Case;

/// Ten signals a second and as many quotes, a fault from 20 s to 30 s, and what ends that.
fn scenario(condition: &str, signal: &str) -> String {
    format!(
        "proofload: 1
target: {{ sim: quote-service, timeout: 2s }}
upstreams: {{ jupiter: {{ like: jupiter }} }}
kafka: {{ trading: {{ brokers: [ '127.0.0.1:9092' ] }} }}
traffic:
  quotes:
    flow: {{ steps: [ {{ get: / }} ] }}
    arrivals: even
    load: [ {{ hold: {{ at: 40/s, for: 90s }} }} ]
  signals:
    signal:
      kafka: {{ on: trading, topic: signals, key: one }}
      json: {{ id: '{{{{uuid}}}}' }}
      id: '{{{{uuid}}}}'
      effects: {{ kafka: {{ on: trading, topic: effects, id: $.id }} }}
      consumer: {{ group: readers }}
      deadline: 5s
      {signal}
    arrivals: even
    load: [ {{ hold: {{ at: 10/s, for: 90s }} }} ]
observe: {{ jobs: {{ quote-service: {{ metrics: /metrics, every: 1s }} }} }}
faults: {{ hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, at: 20s, for: 10s }} }}
abort_when: [ {condition} ]
slo: [ {{ expect: errors(quotes) < 5%, outside: faults, steady: true }} ]"
    )
}

/// A fault that strikes from beginning to end.
const STRUCK: &str = "fault hangs: applied 20s
fault hangs: touched 20.05s
fault hangs: cleared 30s eligible 100 injected 100
";

/// Looks once, at an instant in milliseconds up to which all is known that is over by then.
fn look_at(condition: &str, signal: &str, happened: &str, now: i64) -> Option<String> {
    let all = format!("quotes: ok 20ms\nsignals: ok 450ms\n{happened}\nended: died {now}ms");
    let text = format!("{}\n---\n{all}\n---\nPASS, exit 0\n", scenario(condition, signal));
    let case = Case::read(&text).unwrap_or_else(|why| panic!("{why}"));
    let mut stops = Stops::new(&case.scenario, &case.plan);
    stops.look(&case.scenario, &case.plan, &case.evidence(), &case.series, Offset::from_millis(now))
}

fn look(condition: &str, happened: &str, now: i64) -> Option<String> {
    look_at(condition, "", happened, now)
}

/// What the ledger says at an instant: `wrong` of the signals of each of some seconds.
fn ledger(at: i64, kind: &str, seconds: impl Iterator<Item = i64>, wrong: u64, more: &str) -> String {
    let row = |second: i64| {
        let due = second * 1_000_000_000 + 500_000_000;
        format!(r#"{{"due":{due},"done":{due},"{kind}":{wrong}}}"#)
    };
    let rows: Vec<String> = seconds.map(row).collect();
    let at = at * 1_000_000_000;
    format!(
        r#"event: {{"event":"effects","at":{at},"traffic":"signals","totals":{{}},"rows":[{}]{more}}}"#,
        rows.join(",")
    ) + "\n"
}

#[test]
fn what_comes_twice_or_out_of_order_ends_it_as_soon_as_that_is_known() {
    for kind in ["duplicated", "reordered"] {
        let condition = format!("{{ expect: {kind}(signals) > 5%, for: 3s }}");
        let two_of_ten = ledger(7, kind, 4..7, 2, "");
        let told = look(&condition, &two_of_ten, 7_100).expect(kind);
        assert_eq!(told.replace('\u{202f}', " "), format!("{kind}(signals) > 5%: {kind} 20 % for 3s"));
        assert_eq!(look(&condition, &ledger(7, kind, 4..6, 2, ""), 7_100), None, "two seconds of three");
        // What is due meanwhile has not gone wrong yet, and does not hide what has.
        assert!(look(&condition, &two_of_ten, 9_100).is_some());
        let spoilt = ledger(7, kind, [4, 6].into_iter(), 2, "") + "late signals 5: 6\n";
        assert!(look(&condition, &spoilt, 7_100).is_some(), "what we spoilt says nothing, and the others do");
        assert_eq!(look("{ expect: errors(signals) > 1%, for: 3s }", &two_of_ten, 7_100), None);
    }
    assert_eq!(
        look("{ expect: duplicated(signals) > 25%, for: 3s }", &ledger(7, "duplicated", 4..7, 2, ""), 7_100),
        None
    );
}

/// An embedded cluster whose connections a fault breaks does not know again what a producer sends again.
#[test]
fn what_the_cluster_may_have_doubled_itself_ends_nothing() {
    let condition = "{ expect: duplicated(signals) > 5%, for: 3s }";
    let of = |at: &str| {
        let text = scenario(condition, "").replace(
            "brokers: [ '127.0.0.1:9092' ]",
            "cluster: { brokers: 1, topics: { signals: { partitions: 1 }, effects: { partitions: 1 } } }",
        );
        let fault =
            format!("away: {{ on: kafka/trading, inject: {{ broker_down: {{}} }}, at: {at}, for: 4s }}, hangs:");
        let text = text.replace("hangs:", &fault);
        let away = format!("fault away: applied {at}\nfault away: touched {at}\n");
        let happened = format!("quotes: ok 20ms\nsignals: ok 450ms\n{away}{}", ledger(7, "duplicated", 4..7, 2, ""));
        let case = Case::read(&format!("{text}\n---\n{happened}ended: died 7100ms\n---\nPASS, exit 0\n"));
        let case = case.unwrap_or_else(|why| panic!("{why}"));
        let mut stops = Stops::new(&case.scenario, &case.plan);
        stops.look(&case.scenario, &case.plan, &case.evidence(), &case.series, Offset::from_millis(7_100))
    };
    assert_eq!(of("4s"), None);
    assert!(of("12s").is_some(), "that fault is still to come");
}

#[test]
fn what_is_lost_ends_it_once_its_deadline_is_over() {
    const LOST: &str = "{ expect: lost(signals) > 10%, for: 3s }";
    let lost = "signals 4s..7s every 3: unfinished 5s\n";
    assert_eq!(look(LOST, lost, 9_000), None, "it may still come");
    let told = look(LOST, lost, 12_500).expect("met");
    assert!(told.starts_with("lost(signals) > 10%: lost "), "{told}");
    let missed = lost.to_owned() + &ledger(12, "reordered", 0..0, 0, r#","missed":"away for 3 s""#);
    assert_eq!(look(LOST, &missed, 12_500), None, "nobody saw it, and so nobody can tell");
    // Refused, and not lost.
    assert_eq!(look(LOST, "signals 4s..7s every 3: unreachable_connect 5ms\n", 12_500), None);
}

#[test]
fn what_rightly_starts_nothing_is_not_lost() {
    const LOST: &str = "{ expect: lost(signals) > 10%, for: 3s }";
    let unmatched = "unmatched: [ unmatched_total ]";
    let counted = |each: i64| {
        let mut lines = "quiet quote-service before 1s\nscraped quote-service 0s..13s\n".to_owned();
        let series = "sample unmatched_total{job=\"quote-service\"}";
        lines += &format!("{series} before 1s: 7\n");
        // From the fourth second to the seventh a third of ten signals a second.
        let risen = |at: i64| 7 + each * (at - 4).clamp(0, 3);
        (0..=13).for_each(|at| lines += &format!("{series} {at}s..{at}500ms: {}\n", risen(at)));
        format!("signals 4s..7s every 3: unfinished 5s\n{lines}")
    };
    assert!(look_at(LOST, unmatched, &counted(0), 12_900).is_some(), "the counter stands still");
    assert_eq!(look_at(LOST, unmatched, &counted(4), 12_900), None, "the counter tells of all of them");
    assert_eq!(look_at(LOST, unmatched, "signals 4s..7s every 3: unfinished 5s\n", 12_900), None, "it says nothing");
    let early = counted(0).replace("0s..13s", "0s..5s");
    assert_eq!(
        look_at(LOST, unmatched, &early, 12_900),
        None,
        "what came after its last scrape it cannot have told of"
    );
}

#[test]
fn who_is_too_far_behind_for_as_long_ends_it() {
    const BEHIND: &str = "{ expect: consumer_lag(signals) > 100, for: 3s }";
    let looks = |behind: &[i64]| {
        let look = |(second, behind): (usize, &i64)| {
            let at = second as i64 * 1_000_000_000;
            let told = match behind {
                -1 => r#""why":"nobody answered""#.to_owned(),
                behind => format!(r#""partitions":[[0,{},1000]]"#, 1_000 - behind),
            };
            format!(r#"event: {{"event":"lag","at":{at},"traffic":"signals",{told}}}"#) + "\n"
        };
        behind.iter().enumerate().map(look).collect::<String>()
    };
    let told = look(BEHIND, &looks(&[5, 300, 300, 300, 400]), 4_900).expect("met");
    assert_eq!(told.replace('\u{202f}', " "), "consumer_lag(signals) > 100: 400 messages behind, and too far for 3s");
    assert_eq!(look(BEHIND, &looks(&[5, 5, 300, 300, 400]), 4_900), None, "for two seconds only");
    assert_eq!(look(BEHIND, &looks(&[300, 300, 5, 300, 300]), 4_900), None, "with a break");
    assert_eq!(look(BEHIND, &looks(&[300, 300, -1, 300, 300]), 4_900), None, "of one look nothing is known");
    assert_eq!(look(BEHIND, &looks(&[300, 300, 300, 300, -1]), 4_900), None, "nor of the last");
    assert_eq!(look(BEHIND, "", 4_900), None);
}

#[test]
fn a_target_that_does_not_recover_in_time_ends_it() {
    const RECOVERY: &str = "{ expect: recovery(quotes) > 10s }";
    let broken = |until: &str| format!("{STRUCK}quotes 20s..{until}: rejected 20ms\n");
    assert_eq!(look(RECOVERY, &broken("90s"), 29_000), None, "the fault stands");
    assert_eq!(look(RECOVERY, &broken("90s"), 39_500), None, "the time is not over");
    let told = look(RECOVERY, &broken("90s"), 41_100).expect("met");
    assert!(told.starts_with("recovery(quotes) > 10s: recovery after `hangs`: had not recovered 10s after"), "{told}");
    for now in [31_000, 41_100, 60_000, 89_000] {
        assert_eq!(look(RECOVERY, &broken("38s"), now), None, "it had, at 38 s: {now}");
    }
    // More than is promised, and no slice by itself more than chance.
    let limps = format!("{STRUCK}quotes 30s..38s every 8: rejected 20ms\n");
    for now in [35_500, 38_500] {
        assert_eq!(look(RECOVERY, &limps, now), None, "its last bad slice may still come: {now}");
    }
    // Of shots that are under way nothing is known: those that went wrong early are outweighed by those that are still to end.
    let slow = "quotes 30s..36s: rejected 20ms\nquotes 36s..90s: ok 1500ms\nquotes 36s..39s every 16: rejected 20ms\n";
    for now in [41_100, 44_000, 50_000] {
        assert_eq!(look(RECOVERY, &format!("{STRUCK}{slow}"), now), None, "it had, at 36 s: {now}");
    }
    // Bad anew, long after.
    let anew = broken("31s") + "quotes 60s..90s: rejected 20ms\n";
    assert_eq!(look(RECOVERY, &anew, 75_000), None);
    assert_eq!(look(RECOVERY, "quotes 20s..90s: rejected 20ms\n", 60_000), None, "nothing was struck");
}

/// While another fault strikes nobody can tell what the first one left behind.
#[test]
fn what_another_fault_breaks_is_not_taken_for_a_slow_recovery() {
    let of = |condition: &str, happened: &str, now: i64| {
        let other = "longer: { on: upstream/jupiter, inject: { latency: 1s }, at: 15s, for: 45s }, hangs:";
        let text = scenario(condition, "").replace("faults: { hangs:", &format!("faults: {{ {other}"));
        let other = "fault longer: applied 15s\nfault longer: touched 15s\n";
        let all = format!("quotes: ok 20ms\nsignals: ok 450ms\n{STRUCK}{other}{happened}ended: died {now}ms");
        let case = Case::read(&format!("{text}\n---\n{all}\n---\nPASS, exit 0\n"));
        let case = case.unwrap_or_else(|why| panic!("{why}"));
        let mut stops = Stops::new(&case.scenario, &case.plan);
        stops.look(&case.scenario, &case.plan, &case.evidence(), &case.series, Offset::from_millis(now))
    };
    let broken = "quotes 15s..60s: rejected 20ms\n";
    assert_eq!(of("{ expect: recovery(quotes) > 10s }", broken, 45_000), None);
    assert_eq!(of("{ expect: drain(signals) > 10s }", &backlog(45_000, 99_000), 45_000), None);
}

/// Signals that rightly start nothing have not failed, and keep nobody from having recovered.
#[test]
fn signals_that_start_nothing_keep_no_target_from_recovering() {
    let condition = "{ expect: recovery(signals) > 10s }";
    let of = |unmatched: &str, happened: &str| {
        let text = scenario(condition, unmatched).replace(
            "slo: [",
            "slo: [ { expect: p50(signals) < 1s, steady: true }, { expect: errors(signals) < 5%, outside: faults, steady: true },",
        );
        let all = format!("quotes: ok 20ms\nsignals: ok 450ms\n{STRUCK}{happened}ended: died 56000ms");
        let case = Case::read(&format!("{text}\n---\n{all}\n---\nPASS, exit 0\n"));
        let case = case.unwrap_or_else(|why| panic!("{why}"));
        let mut stops = Stops::new(&case.scenario, &case.plan);
        stops.look(&case.scenario, &case.plan, &case.evidence(), &case.series, Offset::from_millis(56_000))
    };
    let mut counted = "quiet quote-service before 1s\nscraped quote-service 0s..56s\n".to_owned();
    let series = "sample unmatched_total{job=\"quote-service\"}";
    counted += &format!("{series} before 1s: 0\n");
    (0..=56).for_each(|at| counted += &format!("{series} {at}s..{at}500ms: {}\n", 5 * at));
    let half = "signals every 2: unfinished 5s\n";
    assert_eq!(of("unmatched: [ unmatched_total ]", &format!("{half}{counted}")), None);
    let told = of("", half).expect("without counters they failed");
    assert!(told.contains("had not recovered 10s"), "{told}");
}

#[test]
fn a_fault_that_nobody_feels_in_time_ends_it() {
    const DETECTION: &str = "{ expect: detection(quotes) > 4s }";
    assert_eq!(look(DETECTION, STRUCK, 23_500), None, "it may still be felt");
    let told = look(DETECTION, STRUCK, 25_100).expect("met");
    assert!(told.starts_with("detection(quotes) > 4s: detection after `hangs`: never felt"), "{told}");
    let felt = format!("{STRUCK}quotes 22s..30s: rejected 20ms\n");
    for now in [25_100, 40_000, 60_000, 75_000, 89_000] {
        assert_eq!(look(DETECTION, &felt, now), None, "{now}");
    }
    // Long after, what was there then is forgotten, and says nothing.
    assert_eq!(look(DETECTION, &format!("{STRUCK}quotes 0s..25s: absent\n"), 89_000), None);
    // Shots that have not ended may be those that feel it.
    assert_eq!(look(DETECTION, &format!("{STRUCK}quotes 22s..30s: lost\n"), 25_100), None);
}

/// What was waited for, twice a second: `before` until the fault, `after` from then on, until it had drained.
fn backlog(now: i64, drained: i64) -> String {
    let level = |at: i64| if at < 20_000 || at >= drained { 4 } else { 60 };
    let looks: Vec<String> = (0..now / 500).map(|n| format!("[{},{}]", n * 500_000_000, level(n * 500))).collect();
    format!(
        r#"event: {{"event":"effects","at":{},"traffic":"signals","totals":{{}},"backlog":[{}]}}"#,
        now * 1_000_000,
        looks.join(",")
    ) + "\n"
}

#[test]
fn a_backlog_that_does_not_drain_in_time_ends_it() {
    const DRAIN: &str = "{ expect: drain(signals) > 10s }";
    let never = |now| look(DRAIN, &format!("{STRUCK}{}", backlog(now, 99_000)), now);
    assert_eq!(never(39_000), None);
    let told = never(41_500).expect("met");
    assert!(told.starts_with("drain(signals) > 10s: drain after `hangs`: not drained by"), "{told}");
    for now in [35_000, 41_500, 60_000] {
        assert_eq!(look(DRAIN, &format!("{STRUCK}{}", backlog(now, 34_000)), now), None, "drained at 34 s: {now}");
    }
    let missed = backlog(41_500, 99_000).replace(r#""totals":{}"#, r#""totals":{},"missed":"away for 3 s""#);
    assert_eq!(look(DRAIN, &format!("{STRUCK}{missed}"), 41_500), None, "what was not seen may have drained it");
}

#[test]
fn too_little_that_is_absorbed_ends_it() {
    const ABSORBED: &str = "{ expect: absorbed(hangs) < 50%, for: 3s }";
    let struck = format!("{STRUCK}struck hangs quotes 20s..30s every 4: injected after 10ms\n");
    let surfaced = format!("{struck}quotes 20s..30s every 4: timed_out_head 2s\n");
    assert_eq!(look(ABSORBED, &surfaced, 22_500), None, "there were no three seconds yet");
    assert_eq!(look(ABSORBED, &surfaced, 23_100), None, "of the first second all is known, and it is one second");
    let told = look(ABSORBED, &surfaced, 27_500).expect("met");
    assert_eq!(told.replace('\u{202f}', " "), "absorbed(hangs) < 50%: absorbed 0 % for 3s");
    assert_eq!(look(ABSORBED, &struck, 27_500), None, "all were served");
    let lately = format!("{struck}quotes 24s..30s every 4: timed_out_head 2s\n");
    assert_eq!(look(ABSORBED, &lately, 28_100), None, "of the third second from the end all were served");
    let spoilt = "quotes 25s..26s every 4: timed_out_head 2s\nquotes 27s..30s every 4: timed_out_head 2s\n";
    let spoilt = format!("{struck}{spoilt}late quotes 26: 20\n");
    assert!(look(ABSORBED, &spoilt, 30_100).is_some(), "what we spoilt says nothing");
    let few = format!("{STRUCK}struck hangs quotes 20s..30s every 40: injected after 10ms\n");
    let few = format!("{few}quotes 20s..30s every 40: timed_out_head 2s\n");
    assert_eq!(look(ABSORBED, &few, 27_500), None, "three are too few to tell");
    assert_eq!(look(ABSORBED, STRUCK, 27_500), None, "of calls without a trace nobody can tell");
    assert_eq!(look(ABSORBED, "quotes 20s..30s: rejected 20ms\n", 27_500), None, "nothing was struck");
}

#[test]
fn memory_that_grows_too_fast_ends_it() {
    const LEAK: &str = "{ expect: leak(target) > 100MB/h, for: 60s }";
    let grows = |rate: &str| format!("process target 0s..90s: 20MB grows {rate}\n");
    let told = look(LEAK, &grows("300MB/h"), 61_500).expect("met");
    assert!(told.starts_with("leak(target) > 100MB/h: grows by 300 MB/h"), "{told}");
    assert_eq!(look(LEAK, &grows("300MB/h"), 58_500), None, "there was no minute yet");
    assert_eq!(look(LEAK, &grows("110MB/h"), 61_500), None, "memory comes in pieces: it may be less");
    assert_eq!(look(LEAK, &grows("1MB/h"), 61_500), None);
    assert_eq!(look(LEAK, "", 61_500), None, "nobody tells");
    let begins = "process target 35s..90s: 20MB grows 9000MB/h\n";
    assert_eq!(look(LEAK, begins, 61_500), None, "whoever has just begun grows");
}
