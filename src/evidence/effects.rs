//! What became of signals, as the ledger of effects counts it: once a second, and never a line for each.

use serde::{Deserialize, Serialize};

use crate::base::time::Offset;

/// What is new of the effects of a traffic's signals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effects {
    /// When.
    pub at: Offset,
    /// Which traffic.
    pub traffic: String,
    /// Counts so far.
    pub totals: Totals,
    /// What went wrong since the last time, by when the signal was due and over. Readers add up the rows of the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// How many signals were outstanding, some ten times a second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backlog: Vec<(Offset, u64)>,
    /// A few of each kind of thing that went wrong, over the whole run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
    /// Why effects may have been missed for good, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<String>,
}

/// Cumulative counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Taken up, whatever became of them.
    pub taken: u64,
    /// Acknowledged by the broker.
    pub acked: u64,
    /// Never acknowledged.
    pub refused: u64,
    /// Acknowledged, with an effect within the deadline.
    pub seen: u64,
    /// Acknowledged, and without an effect when the deadline came.
    pub lost: u64,
    /// Lost by then, and an effect came later after all.
    pub late: u64,
    /// Effects of ids that were never acknowledged.
    pub unacked: u64,
    /// Pairs of id and pipeline with an effect.
    pub pairs: u64,
    /// Effects of a pair after its first.
    pub repeats: u64,
    /// Ids of which some pair took effect more than once.
    pub duplicated: u64,
    /// Ids of which an effect came after that of a later one of the same key.
    pub reordered: u64,
    /// Effects that came when their id had been forgotten: what they are cannot be told.
    pub forgotten: u64,
    /// Effects of ids that are not of this run.
    pub foreign: u64,
    /// What came and named no id.
    pub unreadable: u64,
}

/// Signals that something went wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    /// When they were due: the beginning of 100 ms that planned edges may cut.
    pub due: Offset,
    /// When they were over: the beginning of 100 ms.
    pub done: Offset,
    /// Of which some pair took effect more than once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicated: u64,
    /// Of which an effect came after that of a later one of the same key.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reordered: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One of a few of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// When it was seen.
    pub at: Offset,
    /// What is wrong, in a word: duplicated, reordered, late, foreign, unacked, forgotten, unreadable.
    pub kind: String,
    /// The id, as the effect gives it; else what came.
    pub id: String,
    /// The pipeline, if it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

/// How far a group is behind on a topic, by the word of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// When it was asked.
    pub at: Offset,
    /// The traffic whose topic it is.
    pub traffic: String,
    /// By partition: the offset that the group has committed, if it has, and the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<(i32, Option<i64>, i64)>,
    /// Why nothing is known, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
