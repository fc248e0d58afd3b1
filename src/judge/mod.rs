//! Evidence in, judgement out: windows, measures, recovery, the fault ledger, fitness, verdict. Pure: no clock, no sockets,
//! nothing but what evidence hands over, and the same evidence gives the same judgement, byte for byte.

pub mod alerts;
mod anatomy;
mod bucket;
pub mod capacity;
mod cause;
mod closed;
mod compare;
mod contract;
mod course;
mod detection;
mod dip;
mod distribution;
mod effects;
mod evaluate;
mod fetched;
mod fitness;
mod followed;
mod gate;
mod health;
mod history;
mod injector;
mod ledger;
mod measure;
mod missing;
mod notified;
mod reconcile;
mod recovery;
mod relative;
mod resources;
mod seconds;
mod server;
mod shots;
mod slices;
mod standing;
mod stat;
mod stop;
mod suite;
mod summary;
mod toll;
mod trend;
mod trial;
mod verdict;
mod window;

pub use crate::scenario::Severity;
pub use anatomy::Anatomy;
pub use cause::{Cause, CauseSummary};
pub use compare::{
    Change, Comparison, FIGURES, Outcome as Compared, Side, apart, compare, compare_pairs, no_base, unfair,
};
pub use contract::{ContractSummary, Part, ProbeSummary, Violation};
pub use course::Course;
pub use dip::DipSummary;
pub use distribution::{Distribution, Wanted};
pub use effects::{EffectsSummary, LagSummary, UnmatchedSummary};
pub use fetched::{Agreement, CheckSummary, FiredSummary, PrometheusSummary, SelectedSummary, Selection, selections};
pub use fitness::{FitnessSummary, Unfit};
pub use followed::{FollowedSummary, LoginSummary};
pub use gate::{Gate, GateSummary, Held, closes, gate};
pub use health::HealthSummary;
pub use history::{CHANCE, History, Past, Series as Trend, Shift, least_runs};
pub use injector::{AddedSummary, InjectorSummary};
pub use ledger::{
    CalledSummary, ClassLedger, ExampleSummary, HerdSummary, LedgerSummary, ObedienceSummary, RetrySummary,
    ShareSummary, TrafficLedger,
};
pub use notified::{AlertmanagerSummary, GroupSummary, HeldSummary, NotificationSummary};
pub use reconcile::{
    Accord, BoundRecord, Client, LatencyRecord, PromiseRecord, QuantileRecord, Reconciliation, Record, Residue, Server,
};
pub use relative::{BaselineSummary, figures};
pub use resources::{Growth, ResourceSummary};
pub use server::Inquiry;
pub use standing::{Standing, State, standings};
pub use stop::Stops;
pub use suite::{Ended, Recovery, Stood, Turn, stood};
pub use summary::{Claimed, LoopSummary, PartSummary, Percentiles, ScrapeSummary, TrafficSummary};
pub use toll::{CanarySummary, DetectionSummary, FaultSummary, OccurrenceSummary, RecoverySummary};
pub use verdict::{Exit, FORMAT, Finding, Judgement, Kind, Place, Quantity, Reason, Slices, Stuck, Verdict};

use crate::base::series::Series;
use crate::base::text;
use crate::evidence::event::Event;
use crate::evidence::manifest::How;
use crate::evidence::reader::Evidence;
use crate::plan::Plan;
use crate::scenario::{Claim, Measure, Promise, Scenario, Source, Traffic, Window};
use trial::Trial;

/// Judges a run by its evidence. `samples` are the scraped series, in Unix milliseconds.
pub fn judge(scenario: &Scenario, plan: &Plan, evidence: &Evidence, samples: &[Series]) -> Judgement {
    let strict = Trial::new(scenario, plan, evidence);
    let known = lay_out(&strict, samples);
    let trial = known.as_ref().unwrap_or(&strict);
    let fetched = fetched::Fetched::read(trial);
    let server = server::Server::new(trial, samples).beside(&fetched);
    let ledger = ledger::Ledger::read(trial);
    let replayed = alerts::Replayed::new(&server);
    let injector = injector::Injector::read(trial);
    let effects = effects::Accounts::read(trial, &server);
    let resources = resources::Resources::read(trial, samples);
    let finding = |promise: &Promise| match &promise.claim {
        Claim::Client(expectation) => {
            let mut finding = evaluate::client(trial, promise, expectation);
            if let (Measure::Detection, Window::After(fault)) = (expectation.measure, promise.window) {
                finding.why.extend(replayed.as_ref().map(|replayed| replayed.beside_detection(fault)));
            }
            finding
        }
        Claim::Relative(claim) => relative::finding(trial, promise, claim),
        Claim::Absorbed(absorbed) => ledger::finding(trial, &ledger, promise, absorbed),
        Claim::Effects(claim) => effects.finding(trial, &server, promise, claim),
        Claim::Leak(claim) => resources.finding(trial, promise, claim),
        Claim::Server { expr, compare, bound, source, .. } => server.finding(promise, expr, *compare, *bound, *source),
        Claim::Notified(notified) => notified::finding(trial, promise, notified),
        Claim::Alert(claim) => alerts::finding(trial, replayed.as_ref(), promise, claim),
        Claim::Capacity(claim) => capacity::finding(promise, claim),
    };
    let promised = scenario.promises.iter();
    let mut findings: Vec<Finding> = promised.map(|p| injector.doubt(trial, p, finding(p))).collect();
    server.draw(&scenario.promises, &mut findings);
    findings.extend(replayed.iter().flat_map(alerts::Replayed::expected));
    let (of_contracts, contracts) = contract::contracts(trial, samples);
    findings.extend(of_contracts);
    let mut traffic = summary::traffic(trial);
    for (position, (_, summary)) in traffic.iter_mut().enumerate() {
        summary.effects = effects.summary(trial, &server, position);
    }
    let reconcile = reconcile::reconcile(trial, samples);
    // The gate decided when nobody knew yet how all would end.
    let gate = gate::summary(&strict, samples)
        .filter(|gate| gate.window.end <= trial.windows.seen || withheld(trial).is_some());
    let reasons = reasons(trial, &ledger, (&findings, &reconcile), &traffic, gate.as_ref());
    let verdict = overall(&findings, &reconcile, &reasons);
    let stuck = stuck(trial);
    Judgement {
        format: FORMAT,
        scenario: scenario.name.clone(),
        run: evidence.manifest.run.clone(),
        time_scale: scenario.time_scale,
        verdict,
        exit: exit(verdict, &stuck, evidence),
        reasons,
        findings,
        fitness: trial.fitness.summary(scenario, evidence, trial.timeline.measured(None)),
        traffic,
        baseline: relative::summary(trial),
        gate,
        faults: toll::faults(trial, &ledger, replayed.as_ref()),
        injector: injector.summary(),
        canary: toll::canary(evidence),
        scrapes: summary::scrapes(trial),
        alerts: replayed.as_ref().map(alerts::Replayed::summary),
        contracts,
        prometheus: fetched.summary(trial, server.checks()),
        alertmanager: notified::summary(trial),
        resources: resources.summary(trial),
        reconcile,
        stuck,
    }
}

/// The same run, with what the system's own counters say of signals that had no effect; nothing where there are none.
fn lay_out<'a>(strict: &Trial<'a>, samples: &[Series]) -> Option<Trial<'a>> {
    let counted = |traffic: &Traffic| traffic.kind.signal().is_some_and(|signal| !signal.unmatched.is_empty());
    if !strict.scenario.traffic.iter().any(counted) {
        return None;
    }
    let server = server::Server::new(strict, samples);
    let missing = effects::Accounts::read(strict, &server).missing(strict);
    Some(Trial::knowing(strict.scenario, strict.plan, strict.evidence, missing))
}

/// What a Prometheus server must be asked, whose samples are in the evidence, to hold its own answers against ours.
pub fn inquiries(scenario: &Scenario, plan: &Plan, evidence: &Evidence) -> Vec<Inquiry> {
    let trial = Trial::new(scenario, plan, evidence);
    let fetched = fetched::Fetched::read(&trial);
    server::Server::new(&trial, &[]).beside(&fetched).inquiries()
}

/// An expression that a finding hangs on, as it was evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which finding, counted from 0.
    pub finding: usize,
    /// PromQL, with its window filled in.
    pub expr: String,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
}

/// All expressions that the findings of a judgement hang on.
pub fn questions(scenario: &Scenario, plan: &Plan, evidence: &Evidence, samples: &[Series]) -> Vec<Question> {
    let strict = Trial::new(scenario, plan, evidence);
    let known = lay_out(&strict, samples);
    let trial = known.as_ref().unwrap_or(&strict);
    let fetched = fetched::Fetched::read(trial);
    let server = server::Server::new(trial, samples).beside(&fetched);
    let of = |(finding, promise): (usize, &Promise)| {
        match &promise.claim {
            // Of samples that a server gave, its own answers are in the evidence.
            Claim::Server { expr, source, .. } if *source != Source::Prometheus => server.questions(promise, expr),
            _ => Vec::new(),
        }
        .into_iter()
        .map(move |(expr, at_ms)| Question { finding, expr, at_ms })
    };
    let of_promises = scenario.promises.iter().enumerate().flat_map(of);
    let replayed = alerts::Replayed::new(&server);
    let of_alerts = replayed.iter().flat_map(|replayed| replayed.questions(&scenario.promises));
    of_promises.chain(of_alerts).collect()
}

/// Takes findings back that somebody else, asked the same, does not share: they could not be decided, each for the reason
/// given. The verdict follows.
pub fn doubt(judgement: &mut Judgement, evidence: &Evidence, doubts: impl IntoIterator<Item = (usize, String)>) {
    for (finding, why) in doubts {
        if let Some(finding) = judgement.findings.get_mut(finding) {
            finding.verdict = Verdict::Inconclusive;
            finding.why = why;
        }
    }
    judgement.verdict = overall(&judgement.findings, &judgement.reconcile, &judgement.reasons);
    judgement.exit = exit(judgement.verdict, &judgement.stuck, evidence);
}

/// The greatest of all that counts.
fn overall(findings: &[Finding], checks: &[Reconciliation], reasons: &[Reason]) -> Verdict {
    let of_findings = findings.iter().filter(|f| f.severity == Severity::Critical).map(|f| f.verdict);
    let of_checks = checks.iter().filter(|c| c.severity == Severity::Critical).map(|c| c.counts_as);
    of_findings.chain(of_checks).chain(reasons.iter().map(|r| r.verdict)).max().unwrap_or(Verdict::Inconclusive)
}

/// What about the experiment as a whole keeps it from passing.
fn reasons(
    trial: &Trial<'_>,
    ledger: &ledger::Ledger,
    (findings, checks): (&[Finding], &[Reconciliation]),
    traffic: &[(String, TrafficSummary)],
    gate: Option<&GateSummary>,
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(told) = withheld(trial) {
        // By the promises of this judgement; by others than those of the run it may have been steady.
        let reason = match gate.filter(|gate| gate.verdict != Verdict::Pass) {
            Some(gate) => Reason { verdict: gate.blame(), why: format!("{}; no fault was applied", gate.why()) },
            None => Reason { verdict: Verdict::Invalid, why: format!("no fault was applied: {told}") },
        };
        reasons.push(reason);
    }
    let mut invalid = |why: String| reasons.push(Reason { verdict: Verdict::Invalid, why });
    let complete = window::is_complete(trial.evidence);
    let seen = verdict::instant(trial.windows.seen);
    match trial.evidence.manifest.end.as_ref().map(|end| &end.how) {
        Some(How::Complete) => {}
        // What was withheld, and why, is said already.
        Some(How::Unsteady(_)) => {}
        Some(How::Aborted(why)) => invalid(format!("aborted at {seen}: {why}")),
        Some(How::Interrupted) => invalid(format!("interrupted at {seen}")),
        Some(How::Terminated) => invalid(format!("terminated at {seen}")),
        Some(How::CutShort(why)) => invalid(format!("cut short at {seen}: {why}")),
        Some(How::NotStarted(why)) => invalid(format!("could not start: {why}")),
        None => invalid(format!("the run died at about {seen}")),
    }
    for (fault, times) in trial.scenario.faults.iter().zip(&trial.windows.faults) {
        if let Some(trouble) = times.trouble.as_ref().filter(|_| !times.withheld) {
            invalid(format!("fault `{}` {trouble}", fault.name));
        }
    }
    // What lasted longer than it should have is not what was described, and whoever reads a report only must hear of it.
    for Stuck { fault, why, remedy } in stuck(trial) {
        let remedy = if remedy.is_empty() { remedy } else { format!("; type `{remedy}`") };
        invalid(format!("`{fault}` could not be undone: {why}{remedy}"));
    }
    ledger.troubles(trial).into_iter().for_each(&mut invalid);
    if complete {
        for gap in &trial.evidence.gaps {
            invalid(format!("evidence is damaged: {gap}"));
        }
        for (name, summary) in traffic.iter().filter(|(_, t)| t.taken_up != t.planned) {
            let planned = text::count(summary.planned, "planned shot");
            invalid(format!("`{name}`: {} of {planned} were taken up", text::thousands(summary.taken_up)));
        }
    }
    let critical = |severity| severity == Severity::Critical;
    if !findings.iter().any(|f| critical(f.severity)) && !checks.iter().any(|c| critical(c.severity)) {
        let why = "there is no critical promise: nothing was proved".to_owned();
        reasons.push(Reason { verdict: Verdict::Inconclusive, why });
    }
    reasons
}

/// What was said of a fault that was not applied on purpose.
fn withheld<'t>(trial: &'t Trial<'_>) -> Option<&'t str> {
    let mut withheld = trial.windows.faults.iter().filter(|times| times.withheld);
    withheld.find_map(|times| times.trouble.as_deref()).map(|why| why.trim_start_matches("was not applied: "))
}

/// What is left over: faults that could not be undone, and what the canary found.
fn stuck(trial: &Trial<'_>) -> Vec<Stuck> {
    let canary = trial.evidence.events.iter().filter_map(|event| match event {
        Event::Canary { on, fault, clean: false, saw, remedy, .. } => Some(Stuck {
            fault: fault.clone().unwrap_or_else(|| on.clone()),
            why: format!("{on} does not behave as without faults: {saw}"),
            remedy: remedy.clone().unwrap_or_default(),
        }),
        _ => None,
    });
    let faults = trial.scenario.faults.iter().zip(&trial.windows.faults);
    let stuck = faults.filter_map(|(fault, times)| times.stuck.as_ref().map(|(why, remedy)| (fault, why, remedy)));
    stuck
        .map(|(fault, why, remedy)| Stuck { fault: fault.name.clone(), why: why.clone(), remedy: remedy.clone() })
        .chain(canary)
        .collect()
}

/// A fault left behind beats all; a broken promise beats an interruption; an interruption beats the rest.
fn exit(verdict: Verdict, stuck: &[Stuck], evidence: &Evidence) -> Exit {
    let how = evidence.manifest.end.as_ref().map(|end| &end.how);
    match (verdict, how) {
        _ if !stuck.is_empty() => Exit::Stuck,
        (_, Some(How::NotStarted(_))) => Exit::NotStarted,
        (Verdict::Fail, _) => Exit::Fail,
        (_, Some(How::Interrupted)) => Exit::Interrupted,
        (_, Some(How::Terminated)) => Exit::Terminated,
        (Verdict::Pass, _) => Exit::Pass,
        (Verdict::Inconclusive, _) => Exit::Inconclusive,
        (Verdict::Invalid, _) => Exit::Invalid,
    }
}
