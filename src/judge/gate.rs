//! Whether faults may begin: the steady promises must hold over the measured phase up to the first fault's planned start.
//!
//! The gate is judged while the run goes on, and again from its evidence, by the same arithmetic. At the planned start some
//! shots that were due before are not over, and some have not been reported. They count as taken up and lost, as those of
//! a run that died: a PASS stands only if it stands with all of them failed. Anything but a PASS waits until they are
//! over, so that what was decided at the time is what the evidence says for ever.
//!
//! Of signals that have no effect yet, the system's own counters tell how many rightly started nothing. What the others came to
//! decides only where it comes out the same with as few of them failed as can be, and with as many.

use serde::Serialize;

use super::effects;
use super::evaluate;
use super::fitness::seconds;
use super::missing::Missing;
use super::server::Server;
use super::trial::Trial;
use super::verdict::{Verdict, instant, span};
use super::window::{self, Cut};
use crate::base::series::Series;
use crate::base::time::{Offset, Span};
use crate::evidence::event::{Event, Tick, TickRow};
use crate::evidence::reader::Evidence;
use crate::plan::{Plan, Timeline};
use crate::scenario::{Arrivals, Claim, Expectation, Promise, Scenario, Severity};

/// How much more than expected a draw of arrivals may be: beyond it lie fewer than one in ten thousand.
const SPREAD: f64 = 4.0;

/// What the steady promises came to before the first fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GateSummary {
    /// The fault that it stands before.
    pub fault: String,
    /// Where they must have held: the measured phase of all traffic together, up to the fault's planned start.
    #[serde(serialize_with = "span")]
    pub window: Span,
    /// Whether faults could begin.
    pub verdict: Verdict,
    /// Each steady promise.
    pub promises: Vec<Held>,
}

/// What a steady promise came to before the first fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    /// As typed.
    pub promise: String,
    /// How it came out.
    pub verdict: Verdict,
    /// Why.
    pub why: String,
    #[serde(skip)]
    critical: bool,
    /// Whether counters have a say in it.
    #[serde(skip)]
    is_counted: bool,
}

/// What is known of the gate while the run goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// What it comes to.
    pub summary: GateSummary,
    /// Whether everything due before is over: what it comes to will not change any more.
    pub is_settled: bool,
}

impl GateSummary {
    /// The worst of the critical promises; where only others are to blame, the experiment was not the one described.
    pub fn blame(&self) -> Verdict {
        let critical = self.promises.iter().filter(|p| p.critical && p.verdict != Verdict::Pass);
        critical.map(|p| p.verdict).max().unwrap_or(Verdict::Invalid)
    }

    /// Why faults cannot begin, in words.
    pub fn why(&self) -> String {
        let broken: Vec<String> = self
            .promises
            .iter()
            .filter(|p| p.verdict != Verdict::Pass)
            .map(|p| format!("{}: {}", p.promise, p.why))
            .collect();
        format!("not steady before `{}` at {}: {}", self.fault, instant(self.window.end), broken.join("; "))
    }
}

/// The first fault and its planned start; `None` where there is no gate: no fault, or nothing steady.
pub fn closes(scenario: &Scenario, timeline: &Timeline) -> Option<(usize, Offset)> {
    let starts = timeline.faults.iter().enumerate().flat_map(|(f, spans)| spans.iter().map(move |s| (s.start, f)));
    let (start, fault) = starts.min()?;
    scenario.promises.iter().any(|p| p.steady).then_some((fault, start))
}

/// The gate as far as the evidence of a run goes that is still going on; `None` where there is none. The evidence is left
/// as it was.
pub fn gate(scenario: &Scenario, plan: &Plan, evidence: &mut Evidence, samples: &[Series]) -> Option<Gate> {
    let (_, until) = closes(scenario, &plan.timeline)?;
    let through = window::seen(&plan.timeline, evidence);
    evidence.events.push(Event::Tick(unreported(scenario, plan, Span { start: through, end: until })));
    let gate = as_told(&Trial::new(scenario, plan, evidence), samples, until);
    evidence.events.pop();
    gate.map(|gate| Gate { is_settled: gate.is_settled && through >= until, ..gate })
}

fn as_told(trial: &Trial<'_>, samples: &[Series], until: Offset) -> Option<Gate> {
    let summary = summary(trial, samples)?;
    let pending = steady(trial.scenario).any(|(_, e)| {
        let span = Span { start: trial.timeline.measured(Some(e.traffic)).start, end: until };
        let rows = &trial.fitness.seconds[e.traffic];
        rows.range(seconds(span)).any(|(_, row)| row.lost > 0)
    });
    // Of what had no effect, counters may say more at their next scrape.
    let undecided = summary.promises.iter().any(|held| held.is_counted && held.verdict == Verdict::Inconclusive);
    Some(Gate { summary, is_settled: !pending && !undecided })
}

/// What the steady promises come to before the first fault; `None` where there is no gate.
pub fn summary(strict: &Trial<'_>, samples: &[Series]) -> Option<GateSummary> {
    let (fault, until) = closes(strict.scenario, strict.timeline)?;
    let missing = missing(strict, samples, until);
    let is_counted = |traffic: usize| matches!(missing.get(traffic), Some(Missing::SoFar { .. }));
    let known = (0..missing.len()).any(is_counted);
    let known = known.then(|| Trial::knowing(strict.scenario, strict.plan, strict.evidence, missing.clone()));
    let trial = known.as_ref().unwrap_or(strict);
    let held = |(promise, expectation): (&Promise, &Expectation)| {
        let measured = trial.timeline.measured(Some(expectation.traffic));
        let parts: Vec<Span> = measured.overlap(Span { start: measured.start, end: until }).into_iter().collect();
        let cut = Cut { parts, ..Cut::default() };
        let finding = evaluate::on_shots(trial, promise, expectation, &cut);
        let why = if cut.parts.is_empty() { "nothing is measured before it".into() } else { finding.why };
        let critical = promise.severity == Severity::Critical;
        let is_counted = is_counted(expectation.traffic);
        Held { promise: promise.text.clone(), verdict: finding.verdict, why, critical, is_counted }
    };
    let promises: Vec<Held> = steady(trial.scenario).map(held).collect();
    let start = trial.timeline.measured(None).start.min(until);
    Some(GateSummary {
        fault: trial.scenario.faults[fault].name.clone(),
        window: Span { start, end: until },
        verdict: promises.iter().map(|p| p.verdict).max()?,
        promises,
    })
}

/// What is to be made of signals that were due before the gate and have no effect, by traffic.
fn missing(strict: &Trial<'_>, samples: &[Series], until: Offset) -> Vec<Missing> {
    let server = Server::new(strict, samples);
    (0..strict.scenario.traffic.len()).map(|traffic| effects::by(strict, &server, traffic, until)).collect()
}

fn steady(scenario: &Scenario) -> impl Iterator<Item = (&Promise, &Expectation)> {
    let steady = scenario.promises.iter().filter(|p| p.steady);
    steady.filter_map(|p| if let Claim::Client(e) = &p.claim { Some((p, e)) } else { None })
}

/// A tick for shots that are due by the plan and that nobody has told of: rather a few too many than one too few.
fn unreported(scenario: &Scenario, plan: &Plan, span: Span) -> Tick {
    let of_second = |traffic: usize, second: i64| {
        let start = Offset::from_millis(second * 1000);
        let whole = Span { start, end: Offset::from_millis(second * 1000 + 1000) };
        let part = span.overlap(whole)?;
        let profile = &plan.traffic[traffic].profile;
        let expected = profile.expected_by(part.end) - profile.expected_by(part.start);
        let spread = match &scenario.traffic[traffic].arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Replay(recording) => {
                let before = |at: Offset| recording.times.partition_point(|time| *time < at);
                ((before(part.end) - before(part.start)) as f64 - expected).max(0.0)
            }
            Arrivals::Poisson => SPREAD * expected.sqrt() + 1.0,
            Arrivals::Hawkes { branching, .. } => SPREAD * expected.sqrt() / (1.0 - branching.fraction()) + 1.0,
        };
        Some(TickRow { second, due: (expected + spread).ceil() as u64, ..TickRow::default() })
    };
    let rows = |traffic| seconds(span).filter_map(|second| of_second(traffic, second)).collect();
    let traffic = if span.start < span.end { (0..plan.traffic.len()).map(rows).collect() } else { Vec::new() };
    Tick { at: span.end, through: span.end, traffic, ..Tick::default() }
}
