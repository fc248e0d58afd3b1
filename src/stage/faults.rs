//! The faults that a stage can inject: which are effective, whom they strike, and the record of it.
//!
//! Kinds of fault live here and not in `fault`, because they act in this process; `fault` decides when.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::bucket::Bucket;
use super::config::{FaultConfig, Subject};
use super::decide::{Key, strikes};
use super::protocol::Report;
use crate::base::httpd::Answer;
use crate::base::seed::Seed;
use crate::base::time::Offset;
use crate::base::trace::TraceId;
use crate::evidence::touches::{Decision, Effect, Writer};
use crate::scenario::{HttpFault, Inject};

/// All faults of a scenario, in its order.
pub struct Faults {
    all: Vec<Armed>,
    seed: Seed,
    touches: Option<Writer>,
    reports: mpsc::UnboundedSender<Report>,
}

/// A fault that can be applied.
struct Armed {
    config: FaultConfig,
    effective: Option<Effective>,
    /// What was reported when it was last cleared, for an order that comes twice.
    cleared: Option<Report>,
}

/// A fault that is applied.
struct Effective {
    since: Offset,
    until: Offset, // its ttl
    kind: Kind,
    eligible: u64,
    injected: u64,
}

enum Kind {
    /// Requests hang until the sender says that it is over.
    Timeout(watch::Sender<bool>),
    /// The tighter bucket.
    RateLimit(Bucket),
}

/// A request at an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Where.
    pub upstream: &'a str,
    /// Its trace id if it is one of the run's; all zeros otherwise.
    pub trace: TraceId,
    /// Which call it is.
    pub key: Key,
    /// When.
    pub at: Offset,
}

impl Faults {
    /// None of them is effective. Decisions go to `touches`, news to `reports`.
    pub fn new(
        configs: &[FaultConfig],
        seed: Seed,
        touches: Option<Writer>,
        reports: mpsc::UnboundedSender<Report>,
    ) -> Faults {
        let armed = |config: &FaultConfig| Armed { config: config.clone(), effective: None, cleared: None };
        Faults { all: configs.iter().map(armed).collect(), seed, touches, reports }
    }

    /// Lets a fault begin.
    pub fn apply(&mut self, fault: usize, at: Offset) {
        let Some(armed) = self.all.get_mut(fault) else { return self.stranger(fault) };
        let effective = armed.effective.get_or_insert_with(|| Effective {
            since: at,
            until: at + armed.config.ttl,
            kind: match armed.config.inject {
                Inject::Http(HttpFault::RateLimit { limit, .. }) => Kind::RateLimit(Bucket::full(limit, at)),
                _ => Kind::Timeout(watch::Sender::new(false)),
            },
            eligible: 0,
            injected: 0,
        });
        let report = Report::Applied { fault, at: effective.since };
        self.report(report);
    }

    /// Lets a fault end: no request is struck from now on, and those that hang are let go, for else a service without
    /// timeouts would hang for ever on a fault that is over.
    pub fn clear(&mut self, fault: usize, at: Offset) {
        let Some(armed) = self.all.get_mut(fault) else { return self.stranger(fault) };
        if let Some(Effective { eligible, injected, kind, .. }) = armed.effective.take() {
            if let Kind::Timeout(over) = kind {
                over.send_replace(true);
            }
            armed.cleared = Some(Report::Cleared { fault, at, eligible, injected });
        }
        let never = Report::Cleared { fault, at, eligible: 0, injected: 0 };
        let report = armed.cleared.clone().unwrap_or(never);
        // The record must be there before anybody reads that the fault is over.
        self.flush();
        self.report(report);
    }

    /// Lets every fault end.
    pub fn clear_all(&mut self, at: Offset) {
        self.clear_if(at, |_| true);
        self.flush();
    }

    /// Lets those end whose time to live is over.
    pub fn expire(&mut self, at: Offset) {
        self.clear_if(at, |effective| effective.until <= at);
    }

    fn clear_if(&mut self, at: Offset, over: impl Fn(&Effective) -> bool) {
        for fault in 0..self.all.len() {
            if self.all[fault].effective.as_ref().is_some_and(&over) {
                self.clear(fault, at);
            }
        }
    }

    /// When the next time to live is over.
    pub fn next_expiry(&self) -> Option<Offset> {
        self.all.iter().filter_map(|a| a.effective.as_ref()).map(|e| e.until).min()
    }

    /// What becomes of a request; `None` when no fault strikes it. Faults are asked in the order of the scenario and
    /// the first that injects wins: a request that it struck never reaches the others, which do not count it.
    pub fn strike(&mut self, arrival: Arrival<'_>) -> Option<Answer> {
        // A timer that is late must not let a fault live longer than it may.
        self.expire(arrival.at);
        for fault in 0..self.all.len() {
            let Armed { config, effective: Some(effective), .. } = &mut self.all[fault] else { continue };
            if !matches!(&config.on, Subject::Upstream(name) if name == arrival.upstream) {
                continue;
            }
            let chosen = strikes(self.seed, &config.name, config.share, arrival.upstream, arrival.key);
            let answer = if chosen { effective.kind.meet(arrival.at) } else { None };
            let effect = match (chosen, &answer) {
                (false, _) => Effect::Spared,
                (true, None) => Effect::Allowed,
                (true, Some(_)) => Effect::Injected,
            };
            effective.eligible += 1;
            effective.injected += u64::from(answer.is_some());
            let first = answer.is_some() && effective.injected == 1;
            let (trace, attempt) = (arrival.trace, arrival.key.attempt());
            self.record(&Decision { trace, at: arrival.at, fault: fault as u16, attempt, effect });
            if first {
                self.report(Report::Touched { fault, at: arrival.at });
            }
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// Hands the record to the system.
    pub fn flush(&mut self) {
        if let Some(Err(e)) = self.touches.as_mut().map(Writer::flush) {
            self.lost(&e);
        }
    }

    /// Says nothing more: nobody is listening.
    pub fn silence(&mut self) {
        self.reports = mpsc::unbounded_channel().0;
    }

    fn record(&mut self, decision: &Decision) {
        if let Some(Err(e)) = self.touches.as_mut().map(|w| w.write(decision)) {
            self.lost(&e);
        }
    }

    /// Without a record faults still end on time; that it is incomplete is said once.
    fn lost(&mut self, e: &std::io::Error) {
        self.touches = None;
        self.report(Report::Failed { fault: None, why: format!("decisions are no longer recorded: {e}") });
    }

    fn stranger(&self, fault: usize) {
        self.report(Report::Failed { fault: Some(fault), why: format!("there are {} faults", self.all.len()) });
    }

    /// Nobody may be listening any more; that changes nothing here.
    fn report(&self, report: Report) {
        let _ = self.reports.send(report);
    }
}

impl Kind {
    /// What a chosen request meets; `None` when it passes unchanged.
    fn meet(&mut self, at: Offset) -> Option<Answer> {
        match self {
            Kind::Timeout(over) => Some(Answer::HangUntil(over.subscribe())),
            Kind::RateLimit(bucket) => {
                let taken = bucket.take(at);
                (!taken.granted).then(|| taken.refusal().into())
            }
        }
    }
}

/// How long from `now` until an instant, for a timer; an hour when there is none.
pub fn until(instant: Option<Offset>, now: Offset) -> Duration {
    instant.map_or(Duration::from_secs(3600), |i| i.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::trace::{Shot, Tracer};
    use crate::base::units::{Rate, Share};
    use crate::evidence::touches;
    use crate::scenario::{Per, RateLimit, RetryAfter};
    use crate::stage::testing;

    fn fault(name: &str, inject: HttpFault, share: Share) -> FaultConfig {
        FaultConfig { share, ttl: Duration::from_secs(10), ..testing::fault(name, inject) }
    }

    fn limit(burst: u32) -> HttpFault {
        let limit = RateLimit { rate: Rate::per_second(1), burst };
        HttpFault::RateLimit { limit, per: Per::One, retry_after: RetryAfter::Seconds }
    }

    const ALL: Share = Share::ALL;
    const THIRD: Share = Share(333_333_333);

    fn faults(configs: &[FaultConfig]) -> (Faults, mpsc::UnboundedReceiver<Report>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Faults::new(configs, Seed(7), None, sender), receiver)
    }

    fn arrival(upstream: &str, seq: u64, ms: i64) -> Arrival<'_> {
        let shot = Shot { traffic: 0, seq };
        Arrival {
            upstream,
            trace: Tracer::new(Seed(7), "r").id(shot),
            key: Key::Call { shot, attempt: 0 },
            at: Offset::from_millis(ms),
        }
    }

    fn struck(faults: &mut Faults, ms: i64) -> Vec<u64> {
        (0..300).filter(|seq| faults.strike(arrival("jupiter", *seq, ms)).is_some()).collect()
    }

    fn all(reports: &mut mpsc::UnboundedReceiver<Report>) -> Vec<Report> {
        std::iter::from_fn(|| reports.try_recv().ok()).collect()
    }

    #[test]
    fn a_fault_strikes_while_it_is_effective_and_only_its_upstream() {
        let (mut faults, mut reports) = faults(&[fault("hang", HttpFault::Timeout, ALL)]);
        let at = Offset::from_millis;
        assert!(struck(&mut faults, 0).is_empty(), "not yet");
        faults.apply(0, at(100));
        faults.apply(0, at(110));
        assert!(matches!(faults.strike(arrival("jupiter", 0, 120)), Some(Answer::HangUntil(_))));
        assert!(faults.strike(arrival("dflow", 0, 121)).is_none());
        assert_eq!(struck(&mut faults, 130).len(), 300);
        faults.clear(0, at(200));
        faults.clear(0, at(300));
        assert!(struck(&mut faults, 210).is_empty(), "over");
        let cleared = Report::Cleared { fault: 0, at: at(200), eligible: 301, injected: 301 };
        let expected = [
            Report::Applied { fault: 0, at: at(100) },
            Report::Applied { fault: 0, at: at(100) },
            Report::Touched { fault: 0, at: at(120) },
            cleared.clone(),
            cleared,
        ];
        assert_eq!(all(&mut reports), expected);
    }

    #[test]
    fn what_hangs_is_let_go_when_the_fault_ends() {
        let (mut faults, _reports) = faults(&[fault("hang", HttpFault::Timeout, ALL)]);
        faults.apply(0, Offset::ZERO);
        let Some(Answer::HangUntil(held)) = faults.strike(arrival("jupiter", 0, 1)) else { unreachable!("not struck") };
        assert!(!*held.borrow());
        faults.clear_all(Offset::from_millis(2));
        assert!(*held.borrow());
    }

    #[test]
    fn the_ttl_ends_a_fault_that_nobody_clears() {
        let (mut faults, mut reports) = faults(&[fault("hang", HttpFault::Timeout, ALL)]);
        faults.apply(0, Offset::ZERO);
        assert_eq!(faults.next_expiry(), Some(Offset::from_millis(10_000)));
        assert!(faults.strike(arrival("jupiter", 0, 9_999)).is_some());
        assert!(faults.strike(arrival("jupiter", 1, 10_000)).is_none(), "even before any timer fired");
        assert_eq!(faults.next_expiry(), None);
        assert!(matches!(all(&mut reports).last(), Some(Report::Cleared { eligible: 1, injected: 1, .. })));
    }

    #[test]
    fn another_fault_shifts_no_decision() {
        let third = fault("third", HttpFault::Timeout, THIRD);
        let (mut alone, _a) = faults(std::slice::from_ref(&third));
        alone.apply(0, Offset::ZERO);
        let alone = struck(&mut alone, 1);
        let (mut after, _b) = faults(&[third.clone(), fault("other", HttpFault::Timeout, THIRD)]);
        after.apply(0, Offset::ZERO);
        assert_eq!(struck(&mut after, 1), alone, "not effective: no difference");
        after.apply(1, Offset::ZERO);
        let both = struck(&mut after, 2);
        assert!(alone.iter().all(|seq| both.contains(seq)) && both.len() > alone.len());
        let (mut elsewhere, _c) = faults(&[fault("other", HttpFault::Timeout, THIRD), third]);
        elsewhere.apply(1, Offset::ZERO);
        assert_eq!(struck(&mut elsewhere, 1), alone, "nor does its place in the scenario matter");
    }

    #[test]
    fn the_first_that_injects_wins_and_the_rest_do_not_count() {
        let (mut faults, mut reports) =
            faults(&[fault("limit", limit(100), ALL), fault("hang", HttpFault::Timeout, ALL)]);
        faults.apply(0, Offset::ZERO);
        faults.apply(1, Offset::ZERO);
        let mut hung = 0;
        for seq in 0..300 {
            match faults.strike(arrival("jupiter", seq, 0)) {
                Some(Answer::Reply(reply)) => assert_eq!(reply.status, 429),
                Some(Answer::HangUntil(_)) => hung += 1,
                other => unreachable!("{other:?}"),
            }
        }
        assert_eq!(hung, 100, "what the bucket let through");
        faults.clear_all(Offset::from_millis(1));
        let counts: Vec<(u64, u64)> = all(&mut reports)
            .into_iter()
            .filter_map(|r| match r {
                Report::Cleared { eligible, injected, .. } => Some((eligible, injected)),
                _ => None,
            })
            .collect();
        assert_eq!(counts, [(300, 200), (100, 100)]);
    }

    #[test]
    fn decisions_are_on_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("touches.stage.log");
        let configs = [fault("third", HttpFault::Timeout, THIRD), fault("limit", limit(10), ALL)];
        let (sender, mut reports) = mpsc::unbounded_channel();
        let writer = Writer::create(&path).expect("creates");
        let mut faults = Faults::new(&configs, Seed(7), Some(writer), sender);
        struck(&mut faults, 0);
        faults.apply(0, Offset::ZERO);
        let hung = struck(&mut faults, 1);
        faults.clear(0, Offset::from_millis(2));
        faults.apply(1, Offset::from_millis(3));
        struck(&mut faults, 4);
        faults.clear(1, Offset::from_millis(5));
        struck(&mut faults, 6);
        let (records, torn) = touches::read::<Decision>(&path).expect("reads");
        assert_eq!((records.len(), torn), (600, None), "only while a fault is effective");
        let tracer = Tracer::new(Seed(7), "r");
        let of = |fault, effect| {
            let chosen = records.iter().filter(move |r| r.fault == fault && r.effect == effect);
            chosen.map(|r| tracer.shot(r.trace).expect("ours").seq).collect::<Vec<_>>()
        };
        assert_eq!(of(0, Effect::Injected), hung);
        let (at, injected) = (Offset::from_millis(2), hung.len() as u64);
        assert!(all(&mut reports).contains(&Report::Cleared { fault: 0, at, eligible: 300, injected }));
        assert_eq!(of(0, Effect::Spared).len(), 300 - hung.len());
        assert_eq!((of(1, Effect::Allowed).len(), of(1, Effect::Injected).len()), (10, 290));
    }

    #[test]
    fn a_fault_that_is_none_is_refused() {
        let (mut faults, mut reports) = faults(&[]);
        faults.apply(5, Offset::ZERO);
        faults.clear(5, Offset::ZERO);
        assert!(all(&mut reports).iter().all(|r| matches!(r, Report::Failed { fault: Some(5), .. })));
    }
}
