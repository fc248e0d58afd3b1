//! The faults that a stage can inject: which are effective, whom they strike, and the record of it.
//!
//! Kinds of fault live here and not in `fault`, because they act in this process; `fault` decides when.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::config::{FaultConfig, Subject};
use super::decide::{Key, draw, strikes};
use super::effect::{Change, Effects, End, Held};
use super::filter;
use super::protocol::Report;
use super::throttle::Throttle;
use crate::base::httpd::{Pace, Request, Response, reason};
use crate::base::seed::Seed;
use crate::base::time::Offset;
use crate::base::trace::TraceId;
use crate::evidence::touches::{Decision, Effect, Writer};
use crate::scenario::{HttpFault, Inject, ResetAt};

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
    over: watch::Sender<bool>,
    throttle: Option<Throttle>,
    seen: u64, // requests that match
    eligible: u64,
    injected: u64,
}

/// A request at an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Where.
    pub upstream: &'a str,
    /// What is asked.
    pub request: &'a Request,
    /// Whose it is, and when.
    pub who: Who,
    /// When, in nanoseconds since the Unix epoch.
    pub wall: i64,
}

/// Which request it is.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Its trace id if it is one of the run's; all zeros otherwise.
    pub trace: TraceId,
    /// Which call it is.
    pub key: Key,
    /// When.
    pub at: Offset,
}

/// What a fault decided about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    fault: usize,
    effect: Effect,
    retry_after: u16, // in tenths of a second
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
            over: watch::Sender::new(false),
            throttle: match &armed.config.inject {
                Inject::Http(HttpFault::RateLimit { limit, per, .. }) => Some(Throttle::new(*limit, per.clone())),
                _ => None,
            },
            seen: 0,
            eligible: 0,
            injected: 0,
        });
        let report = Report::Applied { fault, at: effective.since };
        self.report(report);
    }

    /// Lets a fault end: no request is struck from now on, and those that hang or wait are let go, for else a service
    /// without timeouts would hang for ever on a fault that is over.
    pub fn clear(&mut self, fault: usize, at: Offset) {
        let Some(armed) = self.all.get_mut(fault) else { return self.stranger(fault) };
        if let Some(Effective { eligible, injected, over, .. }) = armed.effective.take() {
            over.send_replace(true);
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

    /// What becomes of a request. Faults are asked in the order of the scenario; one that ends a request keeps it from
    /// the others, which do not count it. What they decided is on record only when [`record`](Self::record) is told.
    pub fn strike(&mut self, arrival: &Arrival<'_>) -> (Effects, Vec<Met>) {
        // A timer that is late must not let a fault live longer than it may.
        let Who { key, at, .. } = arrival.who;
        self.expire(at);
        let (mut effects, mut met) = (Effects::default(), Vec::new());
        for (fault, armed) in self.all.iter_mut().enumerate() {
            let Armed { config, effective: Some(effective), .. } = armed else { continue };
            let (true, Inject::Http(inject)) = (config.is_on(arrival.upstream), &config.inject) else { continue };
            if !filter::matches(&config.matching, arrival.request) {
                continue;
            }
            effective.seen += 1;
            if !config.when.admits(effective.seen) {
                continue;
            }
            let share = config.share_at(at.since(effective.since));
            let effect = match strikes(self.seed, &config.name, share, arrival.upstream, key) {
                false => Effect::Spared,
                true if effective.befall(fault, config, inject, arrival, self.seed, &mut effects) => Effect::Injected,
                true => Effect::Allowed,
            };
            met.push(Met { fault, effect, retry_after: tenths(effects.wait) });
            if effects.end.is_some() {
                break;
            }
        }
        (effects, met)
    }

    /// Puts on record what was decided about a request, once its reply is known: `unfelt` faults changed nothing.
    pub fn record(&mut self, Who { trace, key, at }: Who, met: Vec<Met>, unfelt: &[usize]) {
        for Met { fault, effect, retry_after } in met {
            let effect = if unfelt.contains(&fault) && effect == Effect::Injected { Effect::Allowed } else { effect };
            let Some(effective) = self.all[fault].effective.as_mut() else { continue };
            effective.eligible += 1;
            effective.injected += u64::from(effect == Effect::Injected);
            let first = effect == Effect::Injected && effective.injected == 1;
            self.write(&Decision { trace, at, fault: fault as u16, attempt: key.attempt(), effect, retry_after });
            if first {
                self.report(Report::Touched { fault, at });
            }
        }
    }

    /// Whether an upstream takes a connection. One that is refused is on record without a trace, by its number.
    pub fn admits(&mut self, upstream: &str, at: Offset) -> bool {
        self.expire(at);
        let refuses = |armed: &Armed| {
            let refuse = armed.config.inject == Inject::Http(HttpFault::Refuse);
            armed.effective.is_some() && refuse && armed.config.is_on(upstream)
        };
        let Some(fault) = self.all.iter().position(refuses) else { return true };
        let number = self.all[fault].effective.as_mut().map_or(0, |effective| {
            effective.seen += 1;
            effective.seen - 1
        });
        let who = Who { trace: TraceId([0; 16]), key: Key::Arrival(number), at };
        self.record(who, vec![Met { fault, effect: Effect::Injected, retry_after: 0 }], &[]);
        false
    }

    /// Hands the record to the system.
    pub fn flush(&mut self) {
        if let Some(Err(e)) = self.touches.as_mut().map(Writer::flush) {
            self.lost(&e);
        }
    }

    /// Tells of something that concerns no fault.
    pub fn note(&self, why: String) {
        self.report(Report::Failed { fault: None, why });
    }

    /// Says nothing more: nobody is listening.
    pub fn silence(&mut self) {
        self.reports = mpsc::unbounded_channel().0;
    }

    fn write(&mut self, decision: &Decision) {
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

impl FaultConfig {
    fn is_on(&self, upstream: &str) -> bool {
        matches!(&self.on, Subject::Upstream(name) if name == upstream)
    }
}

impl Effective {
    /// Does to a chosen request what the fault does; `false` when it passes unchanged after all.
    fn befall(
        &mut self,
        fault: usize,
        config: &FaultConfig,
        inject: &HttpFault,
        arrival: &Arrival<'_>,
        seed: Seed,
        effects: &mut Effects,
    ) -> bool {
        let Arrival { upstream, request, who: Who { key, at, .. }, wall } = *arrival;
        let over = || self.over.subscribe();
        match inject {
            HttpFault::Latency { law, replace } => {
                let drawn = law.at(draw(seed, &format!("fault/{}", config.name), upstream, key));
                let held = Held { length: drawn, over: over() };
                match replace {
                    true => _ = effects.replaced.get_or_insert(held),
                    false => effects.added.push(held),
                }
            }
            HttpFault::Timeout => effects.end = Some(End::Hang(over())),
            HttpFault::Status { code, headers, body } => {
                effects.end = Some(End::Reply(made_up(*code, headers, body.as_deref())));
            }
            HttpFault::RateLimit { retry_after, .. } => {
                let taken = self.throttle.as_mut().map(|throttle| throttle.take(request, at));
                let Some(refused) = taken.filter(|taken| !taken.granted) else { return false };
                effects.end = Some(End::Reply(refused.refusal(*retry_after, wall)));
                effects.wait = refused.wait(*retry_after, wall);
            }
            HttpFault::Reset(ResetAt::Before) | HttpFault::Refuse => effects.end = Some(End::Reset),
            HttpFault::Reset(at) => effects.change(fault, Change::Reset { half: *at == ResetAt::MidBody }),
            HttpFault::Truncate(keep) => effects.change(fault, Change::Truncate(*keep)),
            HttpFault::Corrupt(corruption) => {
                let grain = seed.decide(&[b"corrupt", config.name.as_bytes(), upstream.as_bytes(), &key.bytes()]);
                effects.change(fault, Change::Corrupt(corruption.clone(), Seed(grain)));
            }
            HttpFault::Stale { by, prices, timestamps } => {
                let age = &mut effects.age;
                age.prices = age.prices.max(if *prices { *by } else { Duration::ZERO });
                age.timestamps = age.timestamps.max(if *timestamps { *by } else { Duration::ZERO });
            }
            HttpFault::SlowBody { rate } => {
                effects.change(fault, Change::Slow(Pace { rate: rate.0, over: over() }));
            }
        }
        true
    }
}

/// A length of time in tenths of a second, as the touches have it.
fn tenths(length: Duration) -> u16 {
    u16::try_from(length.as_millis() / 100).unwrap_or(u16::MAX)
}

/// A reply that no upstream gave.
fn made_up(code: u16, headers: &[(String, String)], body: Option<&str>) -> Response {
    let typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let short = || serde_json::json!({ "error": reason(code), "code": code }).to_string();
    let mut response = Response::new(code, "application/json", body.map_or_else(short, str::to_owned));
    if typed {
        response.headers.clear();
    }
    response.headers.extend(headers.iter().cloned());
    response
}

/// How long from `now` until an instant, for a timer; an hour when there is none.
pub fn until(instant: Option<Offset>, now: Offset) -> Duration {
    instant.map_or(Duration::from_secs(3600), |i| i.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::law::Law;
    use crate::base::trace::{Shot, Tracer};
    use crate::base::units::{Rate, Share};
    use crate::evidence::touches;
    use crate::scenario::{Match, Per, Ramp, RateLimit, RetryAfter, When};
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

    /// A request of a shot, at an upstream.
    fn ask(faults: &mut Faults, upstream: &str, seq: u64, ms: i64, request: &Request) -> Effects {
        let shot = Shot { traffic: 0, seq };
        let trace = Tracer::new(Seed(7), "r").id(shot);
        let who = Who { trace, key: Key::Call { shot, attempt: 0 }, at: Offset::from_millis(ms) };
        let (effects, met) = faults.strike(&Arrival { upstream, request, who, wall: 0 });
        faults.record(who, met, &[]);
        effects
    }

    fn end(faults: &mut Faults, upstream: &str, seq: u64, ms: i64) -> Option<End> {
        ask(faults, upstream, seq, ms, &Request::default()).end
    }

    fn struck(faults: &mut Faults, ms: i64) -> Vec<u64> {
        (0..300).filter(|seq| end(faults, "jupiter", *seq, ms).is_some()).collect()
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
        assert!(matches!(end(&mut faults, "jupiter", 0, 120), Some(End::Hang(_))));
        assert!(end(&mut faults, "dflow", 0, 121).is_none());
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
        let Some(End::Hang(held)) = end(&mut faults, "jupiter", 0, 1) else { unreachable!("not struck") };
        assert!(!*held.borrow());
        faults.clear_all(Offset::from_millis(2));
        assert!(*held.borrow());
    }

    #[test]
    fn the_ttl_ends_a_fault_that_nobody_clears() {
        let (mut faults, mut reports) = faults(&[fault("hang", HttpFault::Timeout, ALL)]);
        faults.apply(0, Offset::ZERO);
        assert_eq!(faults.next_expiry(), Some(Offset::from_millis(10_000)));
        assert!(end(&mut faults, "jupiter", 0, 9_999).is_some());
        assert!(end(&mut faults, "jupiter", 1, 10_000).is_none(), "even before any timer fired");
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
            match end(&mut faults, "jupiter", seq, 0) {
                Some(End::Reply(reply)) => assert_eq!(reply.status, 429),
                Some(End::Hang(_)) => hung += 1,
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

    #[test]
    fn the_declared_share_is_the_observed_one_over_a_hundred_seeds() {
        let mut total = 0;
        for seed in 0..100 {
            let third = fault("third", HttpFault::Timeout, THIRD);
            let mut faults = Faults::new(&[third], Seed(seed), None, mpsc::unbounded_channel().0);
            faults.apply(0, Offset::ZERO);
            let n = struck(&mut faults, 1).len();
            // 300 at a third: outside of this one seed in 10 000, and of a hundred one set in a hundred.
            assert!((69..=132).contains(&n), "seed {seed}: {n} of 300");
            total += n;
        }
        // The 99.9 % interval of 30 000 at a third.
        assert!((9_732..=10_268).contains(&total), "{total}");
    }

    #[test]
    fn a_ramp_strikes_whom_a_smaller_share_strikes_and_more() {
        let ramp = Ramp { from: Share(100_000_000), to: Share(600_000_000), over: Duration::from_secs(5) };
        let (mut faults, _reports) = faults(&[FaultConfig { ramp: Some(ramp), ..fault("f", HttpFault::Timeout, ALL) }]);
        faults.apply(0, Offset::from_millis(1_000));
        let (start, middle, end) = (struck(&mut faults, 1_000), struck(&mut faults, 3_500), struck(&mut faults, 8_000));
        assert!(start.iter().all(|seq| middle.contains(seq)) && middle.iter().all(|seq| end.contains(seq)));
        // 99.9 % intervals of 300 at 10, 35 and 60 %.
        assert!((14..=48).contains(&start.len()), "{}", start.len());
        assert!((79..=132).contains(&middle.len()), "{}", middle.len());
        assert!((152..=208).contains(&end.len()), "{}", end.len());
    }

    #[test]
    fn who_does_not_come_its_way_is_no_trial_of_its_share() {
        let matching = Match { path: Some("/quote*".into()), ..Match::default() };
        let config = FaultConfig { matching, when: When::First(3), ..fault("f", HttpFault::Timeout, ALL) };
        let (mut faults, mut reports) = faults(&[config]);
        let paths = ["/other", "/quote", "/quotes", "/quote/x", "/quote"];
        let round = |faults: &mut Faults| {
            paths.map(|path| {
                let request = Request { path: path.into(), ..Request::default() };
                ask(faults, "jupiter", 1, 1, &request).end.is_some()
            })
        };
        faults.apply(0, Offset::ZERO);
        assert_eq!(round(&mut faults), [false, true, true, true, false]);
        faults.clear_all(Offset::from_millis(2));
        faults.apply(0, Offset::from_millis(3));
        assert_eq!(round(&mut faults), [false, true, true, true, false], "counted anew");
        faults.clear_all(Offset::from_millis(4));
        let cleared =
            all(&mut reports).into_iter().filter(|r| matches!(r, Report::Cleared { eligible: 3, injected: 3, .. }));
        assert_eq!(cleared.count(), 2);
    }

    #[test]
    fn delays_add_up_and_what_ends_a_request_keeps_it_from_those_behind() {
        let late = |ms| HttpFault::Latency { law: Law::Fixed(Duration::from_millis(ms)), replace: false };
        let bad = HttpFault::Status { code: 500, headers: Vec::new(), body: None };
        let configs =
            [fault("a", late(1), ALL), fault("b", late(2), ALL), fault("c", bad, ALL), fault("d", late(4), ALL)];
        let (mut faults, mut reports) = faults(&configs);
        (0..4).for_each(|f| faults.apply(f, Offset::ZERO));
        let effects = ask(&mut faults, "jupiter", 1, 1, &Request::default());
        let added: Duration = effects.added.iter().map(|held| held.length).sum();
        assert_eq!(added, Duration::from_millis(3));
        assert!(matches!(effects.end, Some(End::Reply(reply)) if reply.status == 500));
        faults.clear_all(Offset::from_millis(2));
        let eligible: Vec<u64> = all(&mut reports)
            .into_iter()
            .filter_map(|r| if let Report::Cleared { eligible, .. } = r { Some(eligible) } else { None })
            .collect();
        assert_eq!(eligible, [1, 1, 1, 0]);
    }

    /// The injected delays against the declared law: Kolmogorov's and Smirnov's test at 99.9 %.
    #[test]
    fn delays_have_the_declared_distribution() {
        const N: usize = 2_000;
        let ms = Duration::from_millis;
        for law in [
            Law::Uniform(ms(1), ms(9)),
            Law::Normal { mean: ms(50), sd: ms(10) },
            Law::Lognormal { median: ms(30), sigma: 0.5 },
            Law::Pareto { min: ms(10), alpha: 2.0 },
            Law::Quantiles(vec![(0.5, ms(120)), (0.95, ms(280))]),
        ] {
            let late = HttpFault::Latency { law: law.clone(), replace: false };
            let (mut faults, _reports) = faults(&[fault("f", late, ALL)]);
            faults.apply(0, Offset::ZERO);
            let drawn = |seq| ask(&mut faults, "jupiter", seq, 1, &Request::default()).added[0].length;
            let mut delays: Vec<Duration> = (0..N as u64).map(drawn).collect();
            delays.sort_unstable();
            let apart = delays.iter().enumerate().map(|(i, observed)| {
                // The law is its quantile function; where it reaches the delay is its distribution function.
                let (mut low, mut high) = (0.0, 1.0);
                for _ in 0..50 {
                    let middle = (low + high) / 2.0;
                    if law.at(middle) < *observed { low = middle } else { high = middle }
                }
                let (before, after) = (i as f64 / N as f64, (i + 1) as f64 / N as f64);
                (low - before).abs().max((low - after).abs())
            });
            let apart = apart.fold(0.0, f64::max);
            assert!(apart < 1.95 / (N as f64).sqrt(), "{law:?}: {apart}");
        }
    }
}
