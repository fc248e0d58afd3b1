//! Decisions and shots put together by their trace ids, in bounded memory: both files are read as many times as it takes
//! for the decisions of one share of all trace ids to fit. What is read again comes from the system's cache; no
//! temporary file is needed, so that evidence may lie where nothing can be written.

use std::io;

use super::{Decision, Log, ShotTouch};
use crate::base::trace::TraceId;

/// So many decisions are held at once, give or take; each takes 48 bytes, and the shot that it belongs to as much again
/// and a third: about 110 MB. All decisions that bear one trace id are held together, however many they are.
const HELD: u64 = 1 << 20;

/// What one shot began: its calls that met a fault, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    /// Whose calls.
    pub trace: TraceId,
    /// What became of it; `None` when there is no record of it.
    pub shot: Option<&'a ShotTouch>,
    /// By time, then by fault and attempt. There is at least one.
    pub decisions: &'a [Decision],
}

/// Shows each trace that a decision bears, in no order to rely on, once. Decisions without a trace are left out. `Err`
/// when a file could not be read.
pub fn join(decisions: &Log<Decision>, shots: &Log<ShotTouch>, visit: impl FnMut(Joined<'_>)) -> io::Result<()> {
    join_holding(HELD, decisions, shots, visit)
}

fn join_holding(
    held: u64,
    decisions: &Log<Decision>,
    shots: &Log<ShotTouch>,
    mut visit: impl FnMut(Joined<'_>),
) -> io::Result<()> {
    let parts = decisions.len().div_ceil(held);
    for part in 0..parts {
        let is_mine = |trace: &TraceId| !trace.is_none() && low(trace) % parts == part;
        let mut mine: Vec<Decision> = Vec::new();
        decisions.each(|decision| {
            if is_mine(&decision.trace) {
                mine.push(decision);
            }
        })?;
        mine.sort_unstable_by_key(|d| (d.trace, d.at, d.fault, d.attempt));
        let mut found: Vec<ShotTouch> = Vec::new();
        shots.each(|shot| {
            if is_mine(&shot.trace) && mine.binary_search_by_key(&shot.trace, |d| d.trace).is_ok() {
                found.push(shot);
            }
        })?;
        // Of several records of one shot, which only damage brings about, always the same counts.
        found.sort_unstable_by_key(|shot| (shot.trace, shot.due, shot.response, shot.outcome.code()));
        let mut rest = found.as_slice();
        for decisions in mine.chunk_by(|a, b| a.trace == b.trace) {
            let trace = decisions[0].trace;
            rest = &rest[rest.partition_point(|shot| shot.trace < trace)..];
            visit(Joined { trace, shot: rest.first().filter(|shot| shot.trace == trace), decisions });
        }
    }
    Ok(())
}

/// The half of a trace id in which shots differ; it is scrambled, so that shares of it are alike in size.
fn low(trace: &TraceId) -> u64 {
    trace.0[8..].iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::shot;
    use super::super::{Effect, Record, Writer};
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::time::Offset;
    use crate::base::trace::{Shot, Tracer};

    fn trace(seq: u64) -> TraceId {
        if seq == 0 { TraceId::NONE } else { Tracer::new(Seed(7), "r").id(Shot { traffic: 0, seq }) }
    }

    fn decision(seq: u64, ms: i64, attempt: u32) -> Decision {
        let at = Offset::from_millis(ms);
        Decision { trace: trace(seq), at, fault: 0, attempt, effect: Effect::Injected, retry_after: 0 }
    }

    /// Every trace with its decisions and whether its shot is known, as [`join_holding`] shows them.
    fn joined(held: u64, decisions: &Log<Decision>, shots: &Log<ShotTouch>) -> Vec<(TraceId, bool, Vec<Decision>)> {
        let mut all = Vec::new();
        let visit = |j: Joined<'_>| all.push((j.trace, j.shot.is_some(), j.decisions.to_vec()));
        join_holding(held, decisions, shots, visit).expect("readable");
        all.sort_unstable_by_key(|(trace, ..)| *trace);
        all
    }

    #[test]
    fn calls_find_their_shot() {
        let decisions = vec![decision(3, 9, 1), decision(0, 1, 0), decision(5, 4, 0), decision(3, 2, 0)];
        let shots =
            vec![ShotTouch { trace: trace(4), ..shot(None, None) }, ShotTouch { trace: trace(3), ..shot(None, None) }];
        let mut expected = vec![
            (trace(3), true, vec![decision(3, 2, 0), decision(3, 9, 1)]),
            (trace(5), false, vec![decision(5, 4, 0)]),
        ];
        expected.sort_unstable_by_key(|(trace, ..)| *trace);
        assert_eq!(joined(100, &decisions.into(), &shots.into()), expected);
        assert_eq!(joined(1, &Log::default(), &Log::default()), []);
    }

    fn written<R: Record>(path: &std::path::Path, records: &[R]) {
        let mut writer = Writer::create(path).expect("creates");
        records.iter().for_each(|record| writer.write(record).expect("writes"));
        writer.flush().expect("flushes");
    }

    proptest! {
        /// However little is held at once, and from a file as from memory: every traced decision once, in its group.
        #[test]
        fn little_memory_changes_nothing(
            calls in proptest::collection::vec((0u64..40, 0i64..50, 0u32..3), 0..200),
            known in proptest::collection::vec(0u64..40, 0..40),
            held in 1u64..30,
        ) {
            let decisions: Vec<Decision> = calls.iter().map(|(seq, ms, attempt)| decision(*seq, *ms, *attempt)).collect();
            let shots: Vec<ShotTouch> =
                known.iter().map(|seq| ShotTouch { trace: trace(*seq), ..shot(None, None) }).collect();
            let folder = tempfile::tempdir().expect("a folder");
            written(&folder.path().join("d"), &decisions);
            written(&folder.path().join("s"), &shots);
            let (from_file, _) = Log::open(&folder.path().join("d"), 0).expect("opens");
            let (shots_file, _) = Log::open(&folder.path().join("s"), 0).expect("opens");
            let traced = decisions.iter().filter(|d| !d.trace.is_none()).count();
            let (decisions, shots) = (Log::from(decisions), Log::from(shots));
            let all = joined(u64::MAX, &decisions, &shots);
            prop_assert_eq!(&joined(held, &decisions, &shots), &all);
            prop_assert_eq!(&joined(held, &from_file, &shots_file), &all);
            prop_assert_eq!(all.iter().map(|(_, _, calls)| calls.len()).sum::<usize>(), traced);
            for (id, found, calls) in all {
                prop_assert_eq!(found, known.iter().any(|seq| trace(*seq) == id));
                prop_assert!(calls.iter().all(|call| call.trace == id));
            }
        }
    }
}
