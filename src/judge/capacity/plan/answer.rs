//! The answer to how many, with everything that it rests on.

use serde::Serialize;

use super::Promised;
use crate::base::seed::Seed;
use crate::base::text;
use crate::judge::Verdict;
use crate::judge::capacity::model::{Foretold, Law, Parameters, Point, Scaling};
use crate::judge::capacity::{Study, is_same};
use crate::judge::verdict::{Kind, Quantity};

/// No more replicas than this are thought about.
const MOST: u32 = 10_000;

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Shots a second that must be borne.
    pub need: f64,
    /// So many replicas may be down while they are.
    pub spare: u32,
    /// The promise that must hold; all critical ones of the studies when not given.
    pub promise: Option<Promised>,
    /// Whether an answer may lie beyond what was measured.
    pub extrapolate: bool,
}

/// A study that the answer rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// Its folder, as it was named.
    pub from: String,
    /// The scenario.
    pub scenario: String,
    /// How many replicas it had.
    pub replicas: u32,
    /// What they take, per second.
    pub rate: f64,
    /// It is not less, with 95 %.
    pub low: f64,
    /// It is not more, with 95 %.
    pub high: f64,
}

/// How many replicas, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// PASS: the answer is within what was measured, or may go beyond it. INCONCLUSIVE: it is not, or there is none. FAIL: no number
    /// of replicas is enough.
    pub verdict: Verdict,
    /// The answer in a sentence.
    pub headline: String,
    /// Shots a second that must be borne.
    pub need: f64,
    /// So many replicas may be down while they are.
    pub spare: u32,
    /// The promise that must hold, as typed; all critical ones of the studies where nothing is said.
    pub promise: Option<String>,
    /// How many replicas bear it.
    pub carrying: Option<u32>,
    /// The same with the spare ones: how many to run.
    pub replicas: Option<u32>,
    /// Whether that many bear it was foretold and not measured.
    pub extrapolated: bool,
    /// What was measured.
    pub measured: Vec<Measured>,
    /// The law, and its parameters.
    pub law: Option<Law>,
    /// Its parameters.
    pub parameters: Option<Parameters>,
    /// Between what each lies, with 95 %: λ, σ, κ.
    pub between: Option<[(f64, f64); 3]>,
    /// What each number of replicas takes by the law.
    pub curve: Vec<Foretold>,
    /// What the answer takes for granted.
    pub assumptions: Vec<String>,
    /// What speaks against it.
    pub doubts: Vec<String>,
}

/// Answers by studies, each with its folder as it was named. The error says why they cannot be put together.
pub fn plan(studies: &[(String, Study)], asked: &Asked) -> Result<Answer, String> {
    let first = &studies.first().ok_or("there is no study to plan by")?.1;
    for (from, study) in studies {
        let other = |what: &str, a: &str, b: &str| {
            format!("{from}: {what} `{b}`, and that of the first is `{a}`: one plan is about one thing")
        };
        if study.traffic != first.traffic {
            return Err(other("its traffic is", &first.traffic, &study.traffic));
        }
        if asked.promise.is_none() && promises(study) != promises(first) {
            return Err(format!(
                "{from}: its promises are others than those of the first; say which one counts: --promise"
            ));
        }
    }
    let mut answer = Answer {
        verdict: Verdict::Inconclusive,
        headline: String::new(),
        need: asked.need,
        spare: asked.spare,
        promise: asked.promise.as_ref().map(|p| p.text.clone()),
        carrying: None,
        replicas: None,
        extrapolated: false,
        measured: Vec::new(),
        law: None,
        parameters: None,
        between: None,
        curve: Vec::new(),
        assumptions: Vec::new(),
        doubts: Vec::new(),
    };
    for (from, study) in studies {
        match knee(study, asked.promise.as_ref()) {
            Ok((rate, low, high)) => answer.measured.push(Measured {
                from: from.clone(),
                scenario: study.scenario.clone(),
                replicas: study.replicas.max(1),
                rate,
                low,
                high,
            }),
            Err(why) => answer.doubts.push(format!("{from} says nothing: {why}")),
        }
        if study.whole().is_some_and(|search| search.knee.metastable.is_some()) {
            answer.doubts.push(format!(
                "{from}: the target did not come back by itself after an overload: what is spare must never be used up"
            ));
        }
    }
    answer.measured.sort_by_key(|m| m.replicas);
    let of = |m: &Measured| Point { n: f64::from(m.replicas), rate: m.rate, low: m.low, high: m.high };
    let points: Vec<Point> = answer.measured.iter().map(of).collect();
    let Some(scaling) = Scaling::of(&points, Seed(first.seed)) else {
        answer.headline = "no answer: no study has found its knee".into();
        return Ok(answer);
    };
    answer.law = Some(scaling.law);
    answer.parameters = Some(scaling.at);
    answer.between = Some([scaling.range(|p| p.lambda), scaling.range(|p| p.sigma), scaling.range(|p| p.kappa)]);
    doubt(&mut answer, &scaling);
    decide(&mut answer, &scaling, asked);
    answer.curve = curve(&answer, &scaling);
    answer.assumptions = assumptions(&answer, &scaling);
    Ok(answer)
}

fn promises(study: &Study) -> Vec<String> {
    let mut all: Vec<String> = study.promises.iter().map(|p| p.split_whitespace().collect()).collect();
    all.sort();
    all
}

/// The knee of a study: of all its promises, or of one.
fn knee(study: &Study, promise: Option<&Promised>) -> Result<(f64, f64, f64), String> {
    if let Some(promise) = promise {
        return promise.knee(study);
    }
    let search = study.whole().ok_or("there is no search without faults")?;
    let knee = &search.knee;
    match (knee.rate, knee.high) {
        (Some(rate), Some(high)) => Ok((rate, knee.low, high)),
        _ => Err("its search has not found the knee".into()),
    }
}

fn decide(answer: &mut Answer, scaling: &Scaling, asked: &Asked) {
    let least = answer.measured.first().map_or(1, |m| m.replicas);
    let most = answer.measured.last().map_or(1, |m| m.replicas);
    let promise = answer.promise.as_ref().map_or("all its promises".to_owned(), |promise| format!("`{promise}`"));
    let spare = match asked.spare {
        0 => String::new(),
        n => format!(" with {n} down"),
    };
    let goal = format!("{} at {promise}{spare}", rate(asked.need));
    let limit = scaling.at.peak().map_or(MOST, |peak| (peak.ceil() as u32).clamp(1, MOST));
    // By the lower end: what is planned must hold. A number that was measured speaks for itself.
    let bears = |n: u32| {
        let own = answer.measured.iter().filter(|m| m.replicas == n).map(|m| m.low).reduce(f64::min);
        own.unwrap_or_else(|| scaling.foretell(f64::from(n)).low) >= asked.need
    };
    let Some(carrying) = (1..=limit.max(most)).find(|n| bears(*n)) else {
        let peak = scaling.foretell(f64::from(limit));
        let enough = scaling.at.rate(f64::from(limit)) >= asked.need;
        (answer.verdict, answer.headline) = match enough {
            true => (
                Verdict::Inconclusive,
                format!(
                    "no sure answer for {goal}: the law's best guess reaches it, the lower end of its interval never does"
                ),
            ),
            false if limit > most && !asked.extrapolate => (
                Verdict::Inconclusive,
                format!(
                    "no number of replicas is enough for {goal}, if the law holds beyond the {most} that were measured: it peaks at {} with {limit}",
                    rate(peak.rate)
                ),
            ),
            false => (
                Verdict::Fail,
                format!(
                    "no number of replicas is enough for {goal}: together they take at most {}, with {limit}",
                    rate(peak.rate)
                ),
            ),
        };
        answer.extrapolated = limit > most;
        return;
    };
    let replicas = carrying + asked.spare;
    answer.carrying = Some(carrying);
    answer.replicas = Some(replicas);
    answer.extrapolated = carrying > most;
    let of = |n: u32| text::count(n.into(), "replica");
    let more = match asked.spare {
        0 => String::new(),
        n => format!(": {carrying} that bear it, and {n} spare"),
    };
    (answer.verdict, answer.headline) = match (answer.extrapolated, scaling.law) {
        (false, _) => (Verdict::Pass, format!("{} for {goal}{more}", of(replicas))),
        // One number of replicas says nothing of how others get on with each other.
        (true, Law::Linear) => {
            let said = format!(
                "at least {} for {goal}{more}; only {} {} measured, and that replicas do not hinder each other at all is the best case, not the likely one",
                of(replicas),
                of(least),
                if least == 1 { "was" } else { "were" }
            );
            (if asked.extrapolate { Verdict::Pass } else { Verdict::Inconclusive }, said)
        }
        (true, _) => {
            let said =
                format!("{} for {goal}{more}, if the law holds beyond the {most} that were measured", of(replicas));
            (if asked.extrapolate { Verdict::Pass } else { Verdict::Inconclusive }, said)
        }
    };
    if answer.extrapolated && !asked.extrapolate {
        answer.doubts.push(format!(
            "{carrying} replicas lie beyond what was measured: study more of them, or take the word of the law with --extrapolate"
        ));
    }
}

fn curve(answer: &Answer, scaling: &Scaling) -> Vec<Foretold> {
    let most = answer.measured.last().map_or(1, |m| m.replicas);
    let end = answer.replicas.unwrap_or(most).max(most) + 2;
    let step = (end / 60).max(1);
    (1..=end).step_by(step as usize).map(|n| scaling.foretell(f64::from(n))).collect()
}

fn assumptions(answer: &Answer, scaling: &Scaling) -> Vec<String> {
    let counts: Vec<u32> = answer.measured.iter().map(|m| m.replicas).collect();
    let mut said = Vec::new();
    said.push(match scaling.law {
        Law::Linear => "twice the replicas take twice the load: one number of replicas was measured, and with it nothing is known of what they cost each other".to_owned(),
        Law::Amdahl => "a part of the work is done by one at a time (Amdahl's law): two numbers of replicas were measured, which cannot tell whether they also cost each other time to agree".into(),
        Law::Universal => "the Universal Scalability Law: a part of the work is done by one at a time, and each pair costs something to agree".into(),
    });
    said.push("replicas are alike, the load is spread evenly over them, and when one is down the rest share what it had at once".into());
    said.push("shots are as in the studies: the same mix, the same sizes, the same warm caches".into());
    if counts.iter().max().is_some_and(|most| answer.carrying.is_some_and(|n| n > *most)) {
        said.push(
            "nothing that they share (a database, an upstream's quota, a network) is full before they are".into(),
        );
    }
    said.push("what is needed is borne by the lower end of the interval of a capacity, not by its middle".into());
    if scaling.freedom == 0 {
        said.push("as many numbers were measured as the law has parameters: nothing is left to check it by".into());
    }
    said
}

/// What of the fit and of the studies speaks against the answer.
fn doubt(answer: &mut Answer, scaling: &Scaling) {
    if scaling.is_doubtful() {
        answer.doubts.push("the measured capacities lie farther off the law than their own ranges allow".into());
    }
    for pair in answer.measured.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        if a.replicas == b.replicas && !is_same(a.rate, b.rate) && (a.high < b.low || b.high < a.low) {
            answer.doubts.push(format!(
                "two studies of {} contradict each other: {} and {}",
                text::count(a.replicas.into(), "replica"),
                rate(a.rate),
                rate(b.rate)
            ));
        }
    }
}

fn rate(per_second: f64) -> String {
    Quantity { value: per_second, kind: Kind::Rate }.to_string()
}
