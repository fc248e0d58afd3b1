use super::*;
use crate::judge::Verdict;
use crate::judge::capacity::model::{Law, Parameters};
use crate::judge::capacity::{Approach, FORMAT, Held, Knee, Lengths, Probe, Role, Search, Study};

/// A probe at a rate of a target whose p95 is 20 ms up to its knee and grows steeply from there.
fn probe(number: u32, offered: f64, knee: f64) -> Probe {
    let p95 = 0.02 * (1.0 + (offered / knee).powi(24));
    let verdict = if p95 < 0.04 { Verdict::Pass } else { Verdict::Fail };
    Probe {
        number,
        role: Role::Search,
        from: Approach::Below,
        borne: None,
        offered,
        achieved: offered.min(knee),
        start: 0,
        length: 10.0,
        warm_up: 3.0,
        shots: (offered * 10.0) as u64,
        needed: 59,
        verdict,
        counts: true,
        why: Vec::new(),
        first_broken: None,
        promises: vec![Held {
            promise: "p95(quotes) < 40ms".into(),
            verdict,
            observed: Some(p95),
            bound: 0.04,
            unit: "s".into(),
        }],
        response: Lengths { mean: Some(p95 / 2.0), p50: Some(p95 / 2.0), p95: Some(p95), p99: Some(p95 * 2.0) },
        service: Lengths::default(),
        errors: 0.0,
        outcomes: Default::default(),
        in_flight: None,
        little: None,
        upstreams: Default::default(),
        resources: Default::default(),
        unfit_seconds: 0,
        p95_between: None,
        generator_cpu: None,
        report: String::new(),
    }
}

/// A study of so many replicas whose knee is known to two in a hundred.
fn study(replicas: u32, knee: f64) -> (String, Study) {
    let rates = [0.5, 0.8, 0.9, 0.96, 0.98, 1.02, 1.05, 1.2, 1.5].map(|part| part * knee);
    let probes: Vec<Probe> = rates.iter().enumerate().map(|(i, rate)| probe(i as u32 + 1, *rate, knee)).collect();
    let study = Study {
        format: FORMAT,
        scenario: "quotes".into(),
        file: "capacity.yaml".into(),
        traffic: "quotes".into(),
        seed: 7,
        target: "sim:quote-service".into(),
        replicas,
        probe: 10.0,
        resolution: 0.02,
        max_rate: None,
        promises: vec!["p95(quotes) < 40ms".into()],
        left_out: Vec::new(),
        searches: vec![Search {
            fault: None,
            probes,
            knee: Knee { rate: Some(knee), low: knee * 0.98, high: Some(knee * 1.02), ..Knee::default() },
            ended: None,
        }],
        claims: Vec::new(),
        verdict: Verdict::Pass,
        why: Vec::new(),
    };
    (format!("reports/{replicas}"), study)
}

const TRUTH: Parameters = Parameters { lambda: 500.0, sigma: 0.04, kappa: 0.001 };

fn studies(counts: &[u32]) -> Vec<(String, Study)> {
    counts.iter().map(|n| study(*n, TRUTH.rate(f64::from(*n)))).collect()
}

fn asked(need: f64, spare: u32) -> Asked {
    Asked { need, spare, promise: None, extrapolate: false }
}

#[test]
fn what_was_measured_is_an_answer() {
    // Three take 1 381/s, five 2 119/s, and four, which were not tried, 1 767/s by the law.
    let answer = plan(&studies(&[1, 3, 5]), &asked(1_500.0, 1)).expect("one plan");
    assert_eq!((answer.verdict, answer.law, answer.extrapolated), (Verdict::Pass, Some(Law::Universal), false));
    assert_eq!((answer.carrying, answer.replicas), (Some(4), Some(5)), "{answer:?}");
    assert!(
        answer.headline.starts_with("5 replicas for 1500/s at all its promises with 1 down"),
        "{}",
        answer.headline
    );
    // The lower end decides: what the middle of three would just take is not enough.
    let just = plan(&studies(&[1, 3, 5]), &asked(1_370.0, 0)).expect("one plan");
    assert_eq!(just.carrying, Some(4));
    let below = plan(&studies(&[1, 3, 5]), &asked(1_340.0, 0)).expect("one plan");
    assert_eq!(below.carrying, Some(3));
}

#[test]
fn what_lies_beyond_is_none_without_leave() {
    let far = plan(&studies(&[1, 3, 5]), &asked(2_300.0, 1)).expect("one plan");
    assert_eq!((far.verdict, far.extrapolated), (Verdict::Inconclusive, true));
    assert!(far.doubts.iter().any(|d| d.contains("--extrapolate")), "{far:?}");
    let leave = Asked { extrapolate: true, ..asked(2_300.0, 1) };
    let far = plan(&studies(&[1, 3, 5]), &leave).expect("one plan");
    assert_eq!(far.verdict, Verdict::Pass);
    assert!(far.headline.contains("if the law holds beyond the 5 that were measured"), "{}", far.headline);
}

#[test]
fn one_study_is_a_lower_bound() {
    let one = plan(&studies(&[1]), &asked(1_500.0, 1)).expect("one plan");
    assert_eq!(
        (one.verdict, one.law, one.carrying, one.replicas),
        (Verdict::Inconclusive, Some(Law::Linear), Some(4), Some(5))
    );
    assert!(one.headline.starts_with("at least 5 replicas") && one.headline.contains("best case"), "{}", one.headline);
    // What one bears it bears.
    let enough = plan(&studies(&[1]), &asked(400.0, 1)).expect("one plan");
    assert_eq!((enough.verdict, enough.replicas), (Verdict::Pass, Some(2)));
    let two = plan(&studies(&[1, 3]), &asked(1_200.0, 0)).expect("one plan");
    assert_eq!((two.verdict, two.law, two.carrying), (Verdict::Pass, Some(Law::Amdahl), Some(3)));
}

#[test]
fn more_than_the_peak_is_more_than_any_number_takes() {
    let truth = Parameters { lambda: 500.0, sigma: 0.1, kappa: 0.03 };
    let all: Vec<(String, Study)> = [1, 2, 3, 5, 7, 9].map(|n| study(n, truth.rate(f64::from(n)))).to_vec();
    let answer = plan(&all, &asked(5_000.0, 0)).expect("one plan");
    assert_eq!((answer.verdict, answer.replicas), (Verdict::Fail, None), "{}", answer.headline);
    assert!(answer.headline.starts_with("no number of replicas is enough for 5000/s"), "{}", answer.headline);
}

#[test]
fn another_promise_has_another_knee() {
    // p95 is below 60 ms for longer than below 40 ms: (offered / knee)^24 < 2.
    let promise = Promised::parse("p95(quotes) < 60ms", "quotes").expect("valid");
    let answer = plan(&studies(&[1, 3, 5]), &Asked { promise: Some(promise), ..asked(1_500.0, 0) }).expect("one plan");
    let one = answer.measured.first().expect("a study").rate;
    assert!((1.0..1.06).contains(&(one / 500.0)), "{one}");
    assert!(answer.headline.contains("`p95(quotes) < 60ms`"), "{}", answer.headline);
    let never = Promised::parse("p95(quotes) < 1ms", "quotes").expect("valid");
    let answer = plan(&studies(&[1, 3]), &Asked { promise: Some(never), ..asked(10.0, 0) }).expect("one plan");
    assert_eq!((answer.verdict, answer.replicas), (Verdict::Inconclusive, None));
    assert!(answer.doubts.iter().all(|d| d.contains("broken at every rate")), "{:?}", answer.doubts);
}

#[test]
fn studies_that_do_not_belong_together_are_refused() {
    let mut all = studies(&[1, 3]);
    all[1].1.traffic = "orders".into();
    assert!(plan(&all, &asked(10.0, 0)).expect_err("two traffics").contains("one plan is about one thing"));
    let mut all = studies(&[1, 3]);
    all[1].1.promises.push("errors(quotes) < 1%".into());
    assert!(plan(&all, &asked(10.0, 0)).expect_err("other promises").contains("--promise"));
    assert!(plan(&[], &asked(10.0, 0)).is_err());
    let mut unknown = studies(&[1]);
    unknown[0].1.searches[0].knee.rate = None;
    let answer = plan(&unknown, &asked(10.0, 0)).expect("one plan");
    assert_eq!((answer.verdict, answer.replicas), (Verdict::Inconclusive, None));
    assert!(answer.headline.contains("no study has found its knee"), "{}", answer.headline);
}

#[test]
fn knees_that_contradict_each_other_are_doubted() {
    let answer = plan(&[study(1, 500.0), study(1, 700.0)], &asked(100.0, 0)).expect("one plan");
    assert!(answer.doubts.iter().any(|d| d.contains("contradict each other")), "{:?}", answer.doubts);
}
