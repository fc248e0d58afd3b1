//! The faults that a stage can inject: which are effective, whom they strike, and the record of it.
//!
//! Kinds of fault live here and not in `fault`, because they act in this process; `fault` decides when.

use std::collections::BTreeSet;
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
    /// Those on links that have touched something.
    touched: BTreeSet<usize>,
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
        Faults { all: configs.iter().map(armed).collect(), seed, touches, reports, touched: BTreeSet::new() }
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
                true if effective.befall(fault, config, inject, arrival, self.seed, &mut effects) => {
                    if config.mark {
                        effects.mark(fault, &config.name);
                    }
                    Effect::Injected
                }
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
        let who = Who { trace: TraceId::NONE, key: Key::Arrival(number), at };
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

    /// Takes note of what a fault did elsewhere, on a link. News when it is the first that it touched.
    pub fn touched(&mut self, decision: &Decision) {
        let fault = usize::from(decision.fault);
        self.write(decision);
        if decision.effect == Effect::Injected && self.touched.insert(fault) {
            self.report(Report::Touched { fault, at: decision.at });
        }
    }

    /// A fault on a link begins again: its next touch is its first.
    pub fn untouched(&mut self, fault: usize) {
        self.touched.remove(&fault);
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

    /// Tells the run. Nobody may be listening any more; that changes nothing here.
    pub fn report(&self, report: Report) {
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
                effects.wait = told_to_wait(headers, wall);
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

/// How long the `Retry-After` among these headers tells to wait, from `wall` on; zero when there is none.
fn told_to_wait(headers: &[(String, String)], wall: i64) -> Duration {
    let header = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let nanos = header.and_then(|(_, value)| match value.parse::<u32>() {
        Ok(seconds) => Some(i64::from(seconds) * 1_000_000_000),
        Err(_) => Some(jiff::fmt::rfc2822::parse(value).ok()?.timestamp().as_nanosecond() as i64 - wall),
    });
    Duration::from_nanos(nanos.unwrap_or_default().max(0) as u64)
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
mod tests;
