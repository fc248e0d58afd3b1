//! Stop conditions, as they are looked at while a run goes on: what is known by an instant, and whether that ends the experiment.

use proofload::base::time::Offset;
use proofload::judge::Stops;

use crate::case::Case;

/// A hundred shots a second, and what ends that.
fn scenario(conditions: &str) -> String {
    format!(
        "proofload: 1
target: {{ sim: quote-service, timeout: 2s, connections: 1024 }}
traffic:
  quotes:
    flow: {{ steps: [ {{ get: / }} ] }}
    arrivals: even
    load: [ {{ hold: {{ at: 100/s, for: 20s }} }} ]
observe: {{ jobs: {{ quote-service: {{ metrics: /metrics, every: 1s }} }} }}
abort_when: [ {conditions} ]
slo: [ {{ expect: errors(quotes) < 100% }} ]"
    )
}

/// A run of which so much is known.
fn case(conditions: &str, happened: &str) -> Case {
    let text = format!("{}\n---\n{happened}\n---\nPASS, exit 0\n", scenario(conditions));
    Case::read(&text).unwrap_or_else(|why| panic!("{why}"))
}

/// Looks once, at an instant in milliseconds up to which all is known that is over by then.
fn look(conditions: &str, happened: &str, now: i64) -> Option<String> {
    let case = case(conditions, &format!("quotes: ok 20ms\n{happened}\nended: died {now}ms"));
    let at = Offset::from_millis(now);
    Stops::new(&case.scenario, &case.plan).look(&case.scenario, &case.plan, &case.evidence(), &case.series, at)
}

const FAILS: &str = "{ expect: errors(quotes) > 50%, for: 3s }";
const HANGS: &str = "{ expect: p95(quotes) > 1s, for: 3s }";

#[test]
fn every_second_of_the_stretch_must_meet_it() {
    let fails = "quotes 4s..20s: rejected 20ms";
    assert_eq!(look(FAILS, fails, 6_900), None, "one of the last three whole seconds was well");
    assert_eq!(look(FAILS, fails, 7_100), Some("errors(quotes) > 50%: errors 100 % for 3s".into()));
    assert_eq!(look(FAILS, "quotes: rejected 20ms", 2_900), None, "there were no three seconds yet");
    assert!(look(FAILS, "quotes: rejected 20ms", 3_100).is_some());
}

#[test]
fn too_few_shots_decide_nothing() {
    let few = "quotes: absent\nquotes 1s..9s every 100: rejected 20ms";
    assert_eq!(look(FAILS, few, 7_100), None, "three of five");
    let some = "quotes: absent\nquotes 1s..9s every 50: rejected 20ms";
    assert!(look(FAILS, some, 7_100).is_some(), "six");
}

/// What is under way may still come out well; so nothing is decided about its second.
#[test]
fn a_second_is_open_until_all_of_it_is_known() {
    let fails = "quotes 4s..20s: rejected 20ms\nquotes 6s..7s first 1: lost";
    assert_eq!(look(FAILS, fails, 8_900), None, "the last closed second is the fifth");
    let later = "quotes 4s..20s: rejected 20ms\nquotes 7s..8s first 1: lost";
    assert!(look(FAILS, later, 8_900).is_some(), "that of the seventh says nothing of those before");
}

/// One that is beyond the bound already is slow whatever becomes of it, once it could have been reported.
#[test]
fn what_hangs_longer_than_the_bound_is_known_to_be_slow() {
    let hangs = "quotes 4s..20s: lost";
    assert_eq!(look(HANGS, hangs, 7_100), None, "of the fifth second some are not a second old");
    assert_eq!(look(HANGS, hangs, 9_000).map(|why| why.starts_with("p95(quotes) > 1s: p95 ")), Some(true));
    assert_eq!(
        look("{ expect: p95(quotes) < 10ms, for: 3s }", hangs, 9_000),
        None,
        "of the other direction nothing is"
    );
}

#[test]
fn seconds_that_we_spoilt_count_for_neither_side() {
    let spoilt = |fate: &str| format!("quotes 4s..20s: rejected 20ms\nquotes 5s..6s: {fate}\nlate quotes 5: 60");
    assert!(look(FAILS, &spoilt("ok 20ms"), 7_100).is_some(), "what went well in it does not help");
    let alone = "quotes 5s..6s: rejected 20ms\nlate quotes 5: 60";
    assert_eq!(look("{ expect: errors(quotes) > 50%, for: 1s }", alone, 6_100), None, "and what did not ends nothing");
    // Over the two seconds that count, 160 were ok.
    let rate = "quotes 4s..20s every 5: rejected 20ms\nquotes 5s..6s: rejected 20ms\nlate quotes 5: 60";
    assert!(look("{ expect: rate(quotes) > 70/s, for: 3s }", rate, 7_100).is_some());
}

#[test]
fn the_first_condition_that_is_met_is_told() {
    let two = "{ expect: errors(quotes) > 90%, for: 2s }, { expect: errors(quotes) > 50%, for: 2s }";
    let told = look(two, "quotes 4s..20s: rejected 20ms", 7_100).expect("met");
    assert!(told.starts_with("errors(quotes) > 90%"), "{told}");
    assert_eq!(look("", "quotes: rejected 20ms", 7_100), None, "nothing is asked for");
}

/// A value at each second, and at which of them the experiment ended.
fn metrics(values: &[i64], looks: usize) -> Vec<usize> {
    let conditions = "{ promql: depth, expect: value > 5, for: 2s }";
    let nothing = case(conditions, "quotes: ok 20ms");
    let mut stops = Stops::new(&nothing.scenario, &nothing.plan);
    let mut ended = Vec::new();
    for second in 0..values.len() {
        let mut happened = String::from("quotes: ok 20ms\n");
        happened += &format!("scraped quote-service 0s..{second}500ms\n");
        for (at, value) in values.iter().enumerate().take(second + 1) {
            happened += &format!("sample depth{{job=\"quote-service\"}} {at}s..{at}500ms: {value}\n");
        }
        let case = case(conditions, &format!("{happened}ended: died {second}900ms"));
        for _ in 0..looks {
            let now = Offset::from_millis(second as i64 * 1_000 + 900);
            let met = stops.look(&case.scenario, &case.plan, &case.evidence(), &case.series, now);
            ended.extend(met.map(|_| second));
        }
    }
    ended
}

#[test]
fn a_metric_must_meet_it_at_every_scrape_for_as_long() {
    assert_eq!(metrics(&[0, 9, 9, 9, 0], 1), [3], "from the first scrape to the third two seconds have passed");
    assert_eq!(metrics(&[0, 9, 9, 0, 9, 9, 0], 1), Vec::<usize>::new(), "it begins anew");
    assert_eq!(metrics(&[9, 9, 9, 9], 1), [2, 3]);
    assert_eq!(metrics(&[0, 9, 9, 9, 0], 3), [3], "who looks again at the same scrape learns nothing new");
}
