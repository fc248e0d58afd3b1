//! How much load a target takes is known to a few per cent: against laws whose knees the books give, and on bad days.

#[path = "capacity/known.rs"]
mod known;
#[path = "capacity/laws.rs"]
mod laws;
#[path = "capacity/model.rs"]
mod model;
#[path = "capacity/oracle.rs"]
mod oracle;

use laws::{Bucket, Cache, Flat, Fragile, Servers, Storm};
use model::{Case, Day};
use proofload::judge::Verdict;
use proofload::judge::capacity::{Ended, Role, Search};

/// As promised.
const MOST: f64 = 0.05;

#[test]
fn the_knee_is_where_the_books_have_it() {
    let seeds = std::env::var("PROOFLOAD_KNEES").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    let mut wrong = Vec::new();
    for known in known::all() {
        for seed in 1..=seeds {
            let found = known.search(seed);
            let error = known.error(&found);
            let (low, high) = (found.knee.low, found.knee.high.unwrap_or(f64::INFINITY));
            println!(
                "{} seed {seed}: {error:?}, {low}..{high} of {}, {} probes, {:?}",
                known.name,
                known.knee,
                found.probes.len(),
                found.ended
            );
            if error.is_none_or(|error| error.abs() > MOST) || found.ended != Some(Ended::Found) {
                wrong.push(format!("{} with seed {seed}: {error:?}, {:?}, {}", known.name, found.ended, told(&found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn told(search: &Search) -> String {
    let probe = |p: &proofload::judge::capacity::Probe| {
        format!(
            "\n  {} {:?} {:.1} {} p50 {:?} p95 {:?} errors {:.4} {:?}",
            p.number,
            p.role,
            p.offered,
            p.verdict.word(),
            p.response.p50,
            p.response.p95,
            p.errors,
            p.why
        )
    };
    search.probes.iter().map(probe).collect()
}

#[test]
fn one_that_is_broken_already_is_told_so() {
    let found = Case::default().search(&mut Flat(false), &Day::default());
    assert_eq!(found.ended, Some(Ended::BrokenAtLowest), "{}", told(&found));
    assert_eq!((found.knee.rate, found.knee.held, found.knee.low), (None, None, 0.0));
    assert_eq!(found.knee.breaks.first().map(|b| b.promise.as_str()), Some("p95(x) < 100ms"));
}

#[test]
fn the_generators_limit_is_not_taken_for_the_targets() {
    let day = Day { generator: 500.0, ..Day::default() };
    let found = Case::default().search(&mut Flat(true), &day);
    assert_eq!(found.ended, Some(Ended::Generator), "{}", told(&found));
    assert_eq!((found.knee.rate, found.knee.high), (None, None));
    let limit = found.knee.generator_limit.expect("known");
    assert!((500.0..600.0).contains(&limit) && found.knee.low >= limit / 1.15, "{limit} {}", found.knee.low);
    assert!(found.probes.iter().all(|p| p.verdict != Verdict::Fail));
}

#[test]
fn a_busy_core_is_asked_again_and_changes_nothing() {
    let day = Day { busy: vec![2, 4, 7], ..Day::default() };
    let known = &known::all()[4];
    let found = known.case.search(&mut Bucket::new(100.0, 20.0), &day);
    assert_eq!(found.ended, Some(Ended::Found), "{}", told(&found));
    assert_eq!(found.probes.iter().filter(|p| p.verdict == Verdict::Invalid).count(), 3);
    assert!(known.error(&found).is_some_and(|error| error.abs() < MOST), "{}", told(&found));
}

#[test]
fn one_that_gets_faster_is_noticed_and_searched_warm() {
    let mut law = Cache { cold: 0.02, warm: 0.005, size: 3_000.0, seen: 0.0, free: 0.0 };
    let found = Case { slo: "p95(x) < 150ms", probe: 20, ..Case::default() }.search(&mut law, &Day::default());
    let warming = found.knee.warming.expect("noticed");
    assert!(warming.last < warming.first * 0.8, "{warming:?}");
    let knee = oracle::mmc(1, 0.005, 0.15);
    let error = found.knee.rate.map(|rate| rate / knee - 1.0);
    assert!(error.is_some_and(|error| error.abs() < MOST), "{error:?} of {knee}{}", told(&found));
}

#[test]
fn whoever_ends_it_between_probes_has_what_is_known() {
    let known = &known::all()[1];
    let day = Day { ended_after: Some(8), ..Day::default() };
    let found = known.case.search(&mut Servers::new(1, 0.01, true), &day);
    assert_eq!(found.ended, Some(Ended::Interrupted));
    assert_eq!(found.probes.len(), 8);
    let (low, high) = (found.knee.low, found.knee.high.expect("something broke"));
    assert!(low < known.knee && known.knee < high, "{low} {high} {}", known.knee);
}

#[test]
fn a_budget_ends_it_with_what_is_known() {
    let case = Case { more: ", max_time: 200s", ..known::all()[1].case.clone() };
    let found = case.search(&mut Servers::new(1, 0.01, true), &Day::default());
    assert_eq!(found.ended, Some(Ended::OutOfTime), "{}", told(&found));
    assert!(found.knee.low > 0.0 && found.probes.len() < 10);
}

#[test]
fn no_rate_is_tried_above_the_highest() {
    let case = Case { more: ", up_to: 70/s", ..known::all()[1].case.clone() };
    let found = case.search(&mut Servers::new(1, 0.01, true), &Day::default());
    assert_eq!(found.ended, Some(Ended::HoldsAtMost), "{}", told(&found));
    assert!(found.probes.iter().all(|p| p.offered <= 70.0));
    assert_eq!((found.knee.low, found.knee.high), (70.0, None));
}

/// After an overload every call is made four times: 100/s is fine, and at more than 25/s it stays broken.
#[test]
fn a_storm_of_retries_is_told_from_a_slow_drain() {
    let mut law = Storm { service: 0.01, patience: 0.5, retries: 3.0, room: 3.0, free: 0.0 };
    let found = Case { slo: "p95(x) < 400ms; errors(x) < 1%", ..Case::default() }.search(&mut law, &Day::default());
    let storm = found.knee.metastable.unwrap_or_else(|| panic!("not noticed{}", told(&found)));
    assert!(storm.fine_before > 70.0 && storm.tries == 2, "{storm:?}");
    assert!(storm.recovered_at.is_none_or(|rate| rate < 27.0), "{storm:?}");
    assert!(found.knee.rate.is_some_and(|rate| (rate / oracle::storm(0.01) - 1.0).abs() < MOST), "{}", told(&found));
    assert!(found.knee.hysteresis.is_some_and(|h| h.down.is_none_or(|down| down < 27.0)));
    let mut queue = Servers::new(1, 0.01, false);
    let found = Case { slo: "p95(x) < 400ms; errors(x) < 1%", ..Case::default() }.search(&mut queue, &Day::default());
    assert_eq!((found.knee.metastable, found.knee.hysteresis), (None, None), "{}", told(&found));
    assert!(found.probes.iter().any(|p| p.role == Role::Return && p.verdict == Verdict::Pass));
}

#[test]
fn one_that_an_overload_breaks_for_good_is_told_so() {
    let mut law = Fragile { room: 1.0, service: 0.01, free: 0.0 };
    let found = Case::default().search(&mut law, &Day::default());
    assert_eq!(found.ended, Some(Ended::NotBack), "{}", told(&found));
    assert!(found.knee.held.is_some_and(|held| held < 100.0));
}

#[test]
fn little_agrees_with_what_was_counted() {
    let case = Case { more: ", up_to: 80/s", ..known::all()[0].case.clone() };
    let found = case.search(&mut Servers::new(4, 0.04, true), &Day::default());
    for probe in found.probes.iter().filter(|p| p.held() == Some(true)) {
        let (counted, little) = (probe.in_flight.expect("counted"), probe.little.expect("known"));
        assert!((counted - little).abs() < 1.0 + 0.35 * little, "{}: {counted} and {little}", probe.offered);
    }
}

#[test]
fn the_same_seed_searches_the_same() {
    let case = Case { more: ", resolution: 20%", slo: "p95(x) < 150ms", ..Case::default() };
    let rates = || {
        let search = case.search(&mut Servers::new(1, 0.01, true), &Day::default());
        search.probes.iter().map(|p| p.offered).collect::<Vec<_>>()
    };
    assert_eq!(rates(), rates());
}
