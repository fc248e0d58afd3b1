//! What reports show of signals and their effects.

use serde::Serialize;

use super::super::server::Server;
use super::super::trial::Trial;
use super::resent::Resent;
use super::unmatched::UnmatchedSummary;
use super::{Account, lag};
use crate::evidence::effects::Example;

/// What became of the signals of one traffic, warm-up included.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EffectsSummary {
    /// Taken up.
    pub signals: u64,
    /// Acknowledged by the broker.
    pub acked: u64,
    /// Never acknowledged.
    pub refused: u64,
    /// Acknowledged, with an effect within the deadline.
    pub seen: u64,
    /// Acknowledged, and without an effect within it.
    pub missing: u64,
    /// Of those, what the system's own counters do not explain; nothing where they say nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// Of those missing, how many had an effect after their deadline.
    pub late: u64,
    /// Pairs of signal and pipeline with an effect.
    pub pairs: u64,
    /// Signals of which some pair took effect more than once.
    pub duplicated: u64,
    /// Of those, how many an embedded cluster may have had twice itself, as a fault broke connections to it.
    #[serde(skip_serializing_if = "is_zero")]
    pub perhaps_resent: u64,
    /// Effects of a pair after its first.
    pub repeats: u64,
    /// Signals of which an effect came after that of a later one of the same key.
    pub reordered: u64,
    /// Effects of signals that were never acknowledged.
    pub unacked: u64,
    /// Effects of ids that are not of this run.
    pub foreign: u64,
    /// Effects that came when their signal had been forgotten.
    pub forgotten: u64,
    /// What came and named no id.
    pub unreadable: u64,
    /// The most that was outstanding at once.
    pub backlog: u64,
    /// What the system's own counters say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<UnmatchedSummary>,
    /// By a counter of effects, where they are only counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted: Option<UnmatchedSummary>,
    /// How far the group was behind that reads the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<LagSummary>,
    /// A few of each kind of thing that went wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExampleOf>,
    /// Why effects may have been missed for good, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
}

/// How far a group was behind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LagSummary {
    /// The group.
    pub group: String,
    /// How often the brokers told.
    pub looks: u64,
    /// The most messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// The age of the oldest of them, at most, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What the target says of it itself, at most, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<f64>,
    /// Whether the two say the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agree: Option<bool>,
}

/// One of a few of a kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExampleOf {
    /// What is wrong, in a word.
    pub kind: String,
    /// The id, or what came.
    pub id: String,
    /// The pipeline, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// When it was seen, in seconds.
    pub at: f64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// Of an account.
pub fn of(trial: &Trial<'_>, server: &Server<'_>, account: &Account, traffic: usize) -> EffectsSummary {
    let totals = &account.totals;
    let example = |example: &Example| ExampleOf {
        kind: example.kind.clone(),
        id: example.id.clone(),
        pipeline: example.pipeline.clone(),
        at: example.at.secs(),
    };
    let known = |expr: &str, known: &Result<u64, String>| UnmatchedSummary {
        expr: expr.to_owned(),
        count: known.as_ref().ok().copied(),
        why: known.as_ref().err().cloned(),
    };
    let missing = match &account.counted {
        Some(Ok(effects)) => totals.acked.saturating_sub(*effects),
        _ => totals.lost,
    };
    let lost = match &account.counted {
        Some(Err(_)) => None,
        Some(Ok(_)) => account.unmatched().ok().map(|explained| missing.saturating_sub(explained)),
        None => account.books().ok().filter(|books| books.least == books.most).map(|books| books.least),
    };
    EffectsSummary {
        signals: totals.taken,
        acked: totals.acked,
        refused: totals.refused,
        seen: totals.seen,
        missing,
        lost,
        late: totals.late,
        pairs: totals.pairs,
        duplicated: totals.duplicated,
        perhaps_resent: Resent::of(trial, traffic).count(account),
        repeats: totals.repeats,
        reordered: totals.reordered,
        unacked: totals.unacked,
        foreign: totals.foreign,
        forgotten: totals.forgotten,
        unreadable: totals.unreadable,
        backlog: account.backlog.iter().map(|(_, outstanding)| *outstanding).max().unwrap_or_default(),
        unmatched: account
            .unmatched
            .iter()
            .map(|(expr, course)| known(expr, &course.clone().map(|c| c.rise())))
            .collect(),
        counted: account.counted.as_ref().map(|rise| known("effects", rise)),
        lag: lag_of(trial, server, account, traffic),
        examples: account.examples.iter().map(example).collect(),
        missed: account.missed.clone(),
    }
}

fn lag_of(trial: &Trial<'_>, server: &Server<'_>, account: &Account, traffic: usize) -> Option<LagSummary> {
    let consumer = trial.scenario.traffic[traffic].kind.signal()?.consumer.as_ref()?;
    let (looks, measured) = (lag::looks(account), [trial.timeline.measured(Some(traffic))]);
    let of_window = looks.iter().filter(|look| measured[0].contains(look.at));
    let asked = account.lags.iter().filter(|lag| measured[0].contains(lag.at)).count();
    // A few looks that tell something, at the start for one, say nothing of all the others.
    let is_known = of_window.clone().count() * 2 >= asked;
    let seconds = lag::seconds(&looks, &measured).filter(|_| is_known);
    let told = consumer.lag.as_ref().and_then(|lag| lag::told(trial, server, &lag.expr, &measured).ok());
    Some(LagSummary {
        group: consumer.group.clone(),
        looks: of_window.clone().count() as u64,
        messages: of_window.map(|look| look.behind).max().filter(|_| is_known),
        seconds,
        told,
        agree: seconds.zip(told).map(|(broker, told)| lag::agree(broker, told)),
    })
}
