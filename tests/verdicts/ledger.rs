//! The books of faults: what cases expect of them, and that they always add up.

use proofload::evidence::touches::{Effect, Log};
use proofload::judge::{FaultSummary, Verdict, judge};
use proofload::report;
use proptest::prelude::*;

use super::case::{Case, trace};
use super::*;

/// Whether the book of a fault is as a line says; `None` when the line says nothing.
pub fn check(line: &str, fault: &FaultSummary) -> Option<bool> {
    let words: Vec<&str> = line.split(' ').collect();
    if words == ["no", "book"] {
        return Some(fault.ledger.is_none());
    }
    let Some(book) = &fault.ledger else { return Some(false) };
    let are = |said: &[&str], counts: &[u64]| {
        said.iter().zip(counts).all(|(said, count)| *said == count.to_string()) && said.len() == counts.len()
    };
    let retry = || book.retry_after.as_ref();
    Some(match words.as_slice() {
        ["absorbed", a, "surfaced", s, "unexplained", u, "background", b] => {
            are(&[a, s, u, b], &[book.absorbed, book.surfaced, book.unexplained, book.background])
        }
        [traffic, "absorbed", a, "surfaced", s, "unexplained", u] => {
            let of = book.traffic.iter().find(|(name, _)| name == traffic).map(|(_, of)| of);
            of.is_some_and(|of| are(&[a, s, u], &[of.absorbed, of.surfaced, of.unexplained]))
        }
        ["late", n] => are(&[n], &[book.surfaced_late]),
        ["shots", n] => are(&[n], &[book.shots]),
        ["calls", calls, "for", shots, "at", "most", most] => {
            are(&[calls, shots, most], &[book.retries.calls, book.retries.shots, book.retries.most])
        }
        ["chosen", chosen, "of", eligible, "within", range] => {
            let (low, high) = range.split_once("..")?;
            let [from, to] = book.chosen.between;
            are(&[chosen, eligible, low, high], &[book.chosen.chosen, book.chosen.eligible, from, to])
        }
        ["not", "attributable"] => !book.attributable,
        ["told", told, "early", early, "of", knowing, "again", soon, "of", again] => retry().is_some_and(|r| {
            are(&[told, early, knowing, soon, again], &[r.told, r.early, r.knowing, r.again_early, r.again])
        }),
        ["herds", herds, "of", releases] => {
            retry().is_some_and(|r| are(&[herds, releases], &[r.herd.herds, r.herd.releases]))
        }
        ["examples", n] => are(&[n], &[book.examples.len() as u64]),
        _ => return None,
    })
}

const SCENE: &str = "proofload: 1
target: { sim: quote-service, timeout: 2s }
upstreams: { jupiter: { like: jupiter }, dflow: { like: dflow } }
traffic:
  quotes:
    flow: { steps: [ { get: / } ] }
    classes: { hit: { json: $.source, is: cache } }
    arrivals: even
    load: [ { hold: { at: 10/s, for: 30s } } ]
  orders:
    flow: { steps: [ { get: /o } ] }
    arrivals: even
    load: [ { hold: { at: 5/s, for: 30s } } ]
faults:
  hangs: { on: upstream/jupiter, inject: { timeout: {} }, share: 50%, at: 5s, for: 10s }
  limits: { on: upstream/dflow, inject: { rate_limit: { rate: 1/s, burst: 1 } }, at: 8s, for: 10s }
slo:
  - expect: errors(quotes) < 100%
  - expect: p95(quotes) < 500ms
  - expect: absorbed(quotes) > 1%
---
fault hangs: applied 5s
fault limits: applied 8s
---
FAIL, exit 1
";

/// A run in which anything may have happened: what each of some shots came to, and what was decided about calls.
fn any_run(fates: &[(usize, u8)], calls: &[(u8, usize, u16, u8, u8)]) -> (Case, [u64; 2]) {
    let mut case = Case::read(SCENE).expect("a case");
    for (traffic, fates_of) in case.fates.iter_mut().enumerate() {
        for (seq, (_, fate)) in fates_of.iter_mut().enumerate() {
            let (ms, kind) = fates[(seq + traffic) % fates.len()];
            let outcome = Outcome::ALL[usize::from(kind) % Outcome::ALL.len()];
            let response = Duration::from_millis(ms as u64 + 1);
            let lag = Duration::ZERO;
            let class = (traffic == 0 && outcome == Outcome::Ok && seq % 2 == 0).then_some(0);
            let opening = proofload::evidence::reply::Opening::default();
            let service = Some(response);
            *fate = Some(Fate::Done { outcome, response, service, lag, class, first: None, opening, status: None });
        }
    }
    let mut injected = [0, 0];
    for (whose, seq, ms, effect, wait) in calls {
        let effect = [Effect::Injected, Effect::Spared, Effect::Allowed, Effect::Injected][usize::from(*effect % 4)];
        let fault = u16::from(wait % 2);
        injected[usize::from(fault)] += u64::from(effect == Effect::Injected);
        let trace = match whose % 8 {
            0 => TraceId::NONE,
            // Ours by its looks, but of no shot that there is, or of no traffic.
            1 => trace(1, 1_000_000 + seq),
            2 => trace(77, *seq),
            3 => TraceId([9; 16]),
            whose => trace(usize::from(whose % 2), seq % 150),
        };
        let at = Offset::from_millis(5_000 + i64::from(*ms));
        case.decisions.push(Decision { trace, at, fault, attempt: 0, effect, retry_after: u16::from(wait / 2) });
    }
    let cleared = |name: &str, at, injected| Event::Fault {
        at: Offset::from_millis(at),
        fault: name.into(),
        step: FaultStep::Cleared { eligible: 0, injected },
    };
    case.events.extend([cleared("hangs", 15_000, injected[0]), cleared("limits", 18_000, injected[1])]);
    (case, injected)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The four add up to what was injected, whatever happened; the rows of traffic never exceed them; and where the
    /// stage counted more, the run proves nothing.
    #[test]
    fn the_four_add_up_to_what_was_injected(
        fates in proptest::collection::vec((0usize..3_000, any::<u8>()), 1..40),
        calls in proptest::collection::vec((any::<u8>(), 0usize..300, 0u16..14_000, any::<u8>(), 0u8..8), 0..300),
        off in 0usize..3,
    ) {
        let (mut case, injected) = any_run(&fates, &calls);
        let judgement = case.judge();
        for (fault, injected) in judgement.faults.iter().zip(injected) {
            let book = fault.ledger.as_ref().expect("on an upstream");
            prop_assert_eq!(book.absorbed + book.surfaced + book.unexplained + book.background, injected);
            let of_traffic: u64 = book.traffic.iter().map(|(_, t)| t.absorbed + t.surfaced + t.unexplained).sum();
            prop_assert!(of_traffic <= injected - book.background);
            prop_assert!(book.attributable || book.background + book.absorbed + book.surfaced == 0);
            prop_assert!(book.examples.len() as u64 == injected.min(10));
            prop_assert!(!judgement.reasons.iter().any(|r| r.why.contains("its record accounts for")));
        }
        // From files as from memory.
        let evidence = case.evidence();
        let again = judge(&case.scenario, &case.plan, &on_disk(evidence).1, &case.series);
        prop_assert_eq!(report::verdict(&again), report::verdict(&judgement));
        if off < 2 {
            let counts = case.events.iter_mut().filter_map(|e| match e {
                Event::Fault { step: FaultStep::Cleared { injected, .. }, .. } => Some(injected),
                _ => None,
            });
            *counts.last().expect("cleared") += if off == 0 { 1 } else { 2 };
            let judgement = case.judge();
            prop_assert!(judgement.reasons.iter().any(|r| {
                r.verdict == Verdict::Invalid && r.why.contains("its record accounts for")
            }), "{:?}", judgement.reasons);
            prop_assert!(judgement.verdict >= Verdict::Invalid);
        }
    }
}

/// The same evidence with its touches in files; the folder must outlive it.
fn on_disk(evidence: Evidence) -> (tempfile::TempDir, Evidence) {
    let folder = tempfile::tempdir().expect("a folder");
    let (shots, decisions) = (folder.path().join("touches.log"), folder.path().join("touches.stage.log"));
    let mut writer = proofload::evidence::touches::Writer::create(&shots).expect("creates");
    evidence.shots.iter().for_each(|shot| writer.write(&shot).expect("writes"));
    writer.flush().expect("flushes");
    let mut writer = proofload::evidence::touches::Writer::create(&decisions).expect("creates");
    evidence.decisions.iter().for_each(|decision| writer.write(&decision).expect("writes"));
    writer.flush().expect("flushes");
    let (shots, _) = Log::open(&shots, 0).expect("opens");
    let (decisions, _) = Log::open(&decisions, 0).expect("opens");
    (folder, Evidence { shots, decisions, ..evidence })
}
