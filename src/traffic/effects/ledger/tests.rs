//! The ledger on a virtual clock.

use super::*;

fn ms(n: i64) -> Offset {
    Offset::from_millis(n)
}

fn ledger() -> Ledger {
    Ledger::new(Duration::from_secs(1), States::default())
}

fn sent(due: i64, key: &str) -> Sent {
    let key = if key.is_empty() { 0 } else { hash(key.as_bytes()) };
    Sent { due: ms(due), ready: ms(due), handed: ms(due), key }
}

fn effect(at: i64, pipeline: &str) -> Effect {
    let pipeline = (!pipeline.is_empty()).then(|| pipeline.into());
    Effect { at: ms(at), id: "".into(), pipeline, state: None, sequence: None, listed: None }
}

/// Sends so many, one each 10 ms, all acknowledged.
fn many(ledger: &mut Ledger, count: u64, key: &str) {
    for n in 0..count {
        let seq = ledger.taken(sent(n as i64 * 10, key));
        assert_eq!(seq, n);
        assert!(ledger.acked(seq).is_some());
    }
}

#[test]
fn only_a_repeated_pair_is_a_duplicate() {
    let mut ledger = ledger();
    many(&mut ledger, 3, "");
    let first = ledger.effect(0, &effect(50, "a"));
    assert!(matches!(first.kind, Kind::First(Ended { seq: 0, done, fate: Some(Fate::Ok), .. }) if done == ms(50)));
    // One signal may rightly start several pipelines.
    let other = ledger.effect(0, &effect(60, "b"));
    assert_eq!((other.kind, other.duplicated), (Kind::Other, false));
    assert_eq!((ledger.totals().pairs, ledger.totals().repeats), (2, 0));
    for (at, duplicated) in [(70, true), (80, false)] {
        let again = ledger.effect(0, &effect(at, "b"));
        assert_eq!((again.kind, again.duplicated, again.span), (Kind::Other, duplicated, Some((ms(0), ms(50)))));
    }
    let totals = ledger.totals();
    assert_eq!((totals.pairs, totals.repeats, totals.duplicated, totals.seen), (2, 2, 1, 1));
    assert_eq!(ledger.outstanding(), 2);
}

#[test]
fn what_has_no_effect_by_its_deadline_is_lost_and_what_comes_later_is_late() {
    let mut ledger = ledger();
    many(&mut ledger, 4, "");
    ledger.effect(1, &effect(500, ""));
    let mut lost = Vec::new();
    ledger.expire(ms(999), |ended| lost.push(ended.seq));
    assert_eq!((lost.as_slice(), ledger.next_deadline()), ([].as_slice(), Some(ms(1_000))));
    ledger.expire(ms(1_020), |ended| lost.push(ended.seq));
    assert_eq!((lost.as_slice(), ledger.totals().lost, ledger.outstanding()), ([0, 2].as_slice(), 2, 1));
    assert_eq!(ledger.next_deadline(), Some(ms(1_030)));
    assert_eq!(ledger.effect(0, &effect(1_500, "")).kind, Kind::Late);
    assert_eq!(ledger.effect(0, &effect(1_600, "")).kind, Kind::Other);
    let totals = ledger.totals();
    assert_eq!((totals.lost, totals.late, totals.seen, totals.duplicated), (2, 1, 1, 1), "late is lost all the same");
}

#[test]
fn what_was_never_acknowledged_is_not_lost() {
    let mut ledger = ledger();
    let seq = ledger.taken(sent(0, ""));
    let ended = ledger.refused(seq, ms(30)).expect("it is over");
    assert_eq!((ended.done, ended.fate), (ms(30), None));
    let silent = ledger.taken(sent(1, ""));
    let mut over = Vec::new();
    ledger.expire(ms(1_500), |ended| over.push(ended.seq));
    assert_eq!((over, ledger.totals().lost), (vec![silent], 0), "nobody said that the broker has it");
    assert_eq!(ledger.effect(seq, &effect(1_600, "")).kind, Kind::Unacked);
    assert_eq!((ledger.totals().unacked, ledger.totals().seen), (1, 0));
    // The word of the broker comes after all, and too late.
    assert_eq!(ledger.acked(silent), None);
    assert_eq!((ledger.totals().lost, ledger.totals().acked), (0, 1));
}

#[test]
fn an_effect_before_the_acknowledgement_is_one() {
    let mut ledger = ledger();
    let seq = ledger.taken(sent(0, ""));
    assert!(matches!(ledger.effect(seq, &effect(5, "")).kind, Kind::First(_)));
    assert_eq!(ledger.totals().seen, 0);
    ledger.acked(seq);
    assert_eq!(ledger.totals().seen, 1);
    let other = ledger.taken(sent(1, ""));
    ledger.effect(other, &effect(6, ""));
    assert_eq!(ledger.refused(other, ms(9)), None, "it is over already");
    assert_eq!(ledger.outstanding(), 0);
}

#[test]
fn order_is_kept_by_key_and_pipeline() {
    let mut ledger = ledger();
    many(&mut ledger, 4, "AAPL");
    ledger.taken(sent(40, "MSFT"));
    ledger.taken(sent(50, ""));
    let reordered = |ledger: &mut Ledger, seq, pipeline: &str| ledger.effect(seq, &effect(100, pipeline)).reordered;
    assert!(!reordered(&mut ledger, 0, "a"));
    assert!(!reordered(&mut ledger, 2, "a"));
    assert!(reordered(&mut ledger, 1, "a"), "a later one of its key has passed");
    assert!(!reordered(&mut ledger, 1, "b"), "another pipeline has an order of its own");
    assert!(!reordered(&mut ledger, 4, "a"), "so has another key");
    assert!(!reordered(&mut ledger, 3, "a"));
    assert!(!reordered(&mut ledger, 5, "a"), "without a key there is no order");
    assert_eq!(ledger.totals().reordered, 1);
    // A repetition is no disorder.
    assert!(!reordered(&mut ledger, 0, "a"));
    assert_eq!((ledger.totals().reordered, ledger.totals().duplicated), (1, 1));
}

#[test]
fn the_order_is_that_of_the_effects_own_numbers_where_they_have_some() {
    let mut ledger = ledger();
    many(&mut ledger, 3, "AAPL");
    let numbered = |ledger: &mut Ledger, seq, number| {
        ledger.effect(seq, &Effect { sequence: Some(number), ..effect(100, "") }).reordered
    };
    assert!(!numbered(&mut ledger, 2, 10));
    assert!(!numbered(&mut ledger, 0, 11));
    assert!(numbered(&mut ledger, 1, 9));
}

#[test]
fn what_stands_in_a_list_stands_there_again() {
    let mut ledger = ledger();
    many(&mut ledger, 2, "AAPL");
    let listed = |ledger: &mut Ledger, seq, nth| ledger.effect(seq, &Effect { listed: Some(nth), ..effect(100, "a") });
    assert!(matches!(listed(&mut ledger, 1, 1).kind, Kind::First(_)));
    assert!(!listed(&mut ledger, 0, 1).reordered, "a list has no order");
    for _ in 0..3 {
        assert!(!listed(&mut ledger, 1, 1).duplicated);
    }
    assert!(listed(&mut ledger, 1, 2).duplicated, "twice in one list");
    assert!(!listed(&mut ledger, 1, 2).duplicated, "and counted once");
    assert_eq!(ledger.totals().duplicated, 1);
}

#[test]
fn a_state_that_is_not_the_end_is_no_effect() {
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect();
    let states = States { ok: words(&["DONE"]), failed: words(&["FAILED"]), skipped: words(&["SKIPPED"]) };
    let mut ledger = Ledger::new(Duration::from_secs(1), states);
    many(&mut ledger, 3, "");
    let came = |ledger: &mut Ledger, seq, state: &str| match ledger
        .effect(seq, &Effect { state: Some(state.into()), ..effect(9, "") })
        .kind
    {
        Kind::First(ended) => ended.fate,
        _ => None,
    };
    assert_eq!(came(&mut ledger, 0, "RUNNING"), None);
    assert_eq!(came(&mut ledger, 0, "DONE"), Some(Fate::Ok));
    assert_eq!(came(&mut ledger, 1, "FAILED"), Some(Fate::Failed));
    assert_eq!(came(&mut ledger, 2, "SKIPPED"), Some(Fate::Skipped));
    assert_eq!((ledger.totals().pairs, ledger.totals().repeats), (3, 0));
}

#[test]
fn what_is_too_old_is_forgotten_and_what_is_not_sent_yet_unknown() {
    let mut ledger = ledger();
    many(&mut ledger, 10_000, "AAPL");
    let mut lost = 0;
    ledger.expire(ms(100_000), |_| lost += 1);
    assert_eq!(lost, 9_901, "due at 99 s and before");
    assert_eq!(ledger.entries.begin(), 9_800, "two deadlines are kept");
    assert_eq!(ledger.effect(5, &effect(100_000, "")).kind, Kind::Forgotten);
    assert_eq!(ledger.effect(10_000, &effect(100_000, "")).kind, Kind::Unknown);
    assert!(matches!(ledger.effect(9_999, &effect(100_000, "")).kind, Kind::First(_)));
    assert_eq!((ledger.totals().forgotten, ledger.outstanding()), (1, 98));
    ledger.acked(5);
    assert_eq!((ledger.totals().lost, ledger.totals().seen), (9_901, 1));
}

/// Memory follows what is held, not what was sent: so do the lines of keys that never come again.
#[test]
fn a_long_run_holds_two_deadlines() {
    let mut ledger = ledger();
    for n in 0..200_000_i64 {
        let seq = ledger.taken(sent(n, &format!("key {n}")));
        ledger.acked(seq);
        ledger.effect(seq, &effect(n + 3, ""));
        if n % 100 == 0 {
            ledger.expire(ms(n), |_| panic!("nothing is lost"));
        }
    }
    assert!(ledger.entries.len() <= 2_101, "{}", ledger.entries.len());
    assert!(ledger.lines.len() <= 10_000, "{}", ledger.lines.len());
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<Entry>() <= 72, "{}", size_of::<Entry>());
}
