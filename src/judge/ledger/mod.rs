//! The fault ledger: what became of every request that a fault struck.
//!
//! The stage wrote down each decision, the run each shot that was under way; here the two are put together by trace id.
//! Every injected decision is exactly one of *absorbed*, *surfaced*, *unexplained* and *background*, so that the four
//! add up to what was injected; where they do not, evidence is missing and the run is INVALID.
//!
//! Only faults on upstreams strike requests one by one. What else was touched is counted elsewhere.

mod absorbed;
mod bounds;
mod example;
mod herd;
mod obedience;
mod retries;
mod share;
mod summary;
mod too_little;

use std::collections::BTreeMap;

pub use absorbed::finding;
pub use retries::CalledSummary;
pub use summary::{
    ClassLedger, ExampleSummary, HerdSummary, LedgerSummary, ObedienceSummary, RetrySummary, ShareSummary,
    TrafficLedger,
};
pub use too_little::too_little;

use super::shots::second;
use super::trial::Trial;
use super::window::FaultTimes;
use crate::base::seed::Seed;
use crate::base::text;
use crate::base::time::Offset;
use crate::base::trace::Tracer;
use crate::evidence::reply::{Outcome, Why};
use crate::evidence::touches::{self, Effect, Joined, ShotTouch};
use crate::scenario::{HttpFault, Inject, On, Scenario};
use bounds::Bounds;
use example::Examples;
use obedience::Obedience;
use share::Shares;

/// What became of a request that a fault struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Account {
    /// The client saw an error, or more than its promise allows.
    Surfaced(Harm),
    /// It carries our trace, but what became of its shot is not known, or says nothing.
    Unexplained,
    /// Its shot ended well: a fallback, a cache or a retry hid it.
    Absorbed,
    /// No shot of ours began it.
    Background,
}

/// How the client saw a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// As an error.
    Failed,
    /// As a reply that was ok, but too late.
    Late,
}

/// How many struck requests came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Hidden from the client.
    pub absorbed: u64,
    /// Seen by the client, as an error.
    pub failed: u64,
    /// Seen by the client, as a reply that was too late.
    pub late: u64,
    /// Of ours, but nothing is known.
    pub unexplained: u64,
    /// Of nobody.
    pub background: u64,
}

impl Counts {
    fn add(&mut self, account: Account, count: u64) {
        *match account {
            Account::Absorbed => &mut self.absorbed,
            Account::Surfaced(Harm::Failed) => &mut self.failed,
            Account::Surfaced(Harm::Late) => &mut self.late,
            Account::Unexplained => &mut self.unexplained,
            Account::Background => &mut self.background,
        } += count;
    }

    fn merge(&mut self, other: &Counts) {
        self.absorbed += other.absorbed;
        self.failed += other.failed;
        self.late += other.late;
        self.unexplained += other.unexplained;
        self.background += other.background;
    }

    /// Seen by the client.
    pub fn surfaced(&self) -> u64 {
        self.failed + self.late
    }

    /// Everything that was injected.
    pub fn all(&self) -> u64 {
        self.absorbed + self.surfaced() + self.unexplained + self.background
    }
}

/// Whose requests, and in which second their shots were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    traffic: Option<usize>,
    class: Option<usize>,
    second: i64,
}

/// The account of one fault.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Whether any call of its upstream carried our trace context.
    pub attributable: bool,
    /// Over everything.
    pub total: Counts,
    rows: BTreeMap<Row, Counts>,
    /// Shots that it struck at least once.
    pub shots: u64,
    /// Whether it struck the share that it should.
    pub shares: Shares,
    /// How the service under test took it.
    pub obedience: Obedience,
    examples: Examples,
    bounds: Vec<Bounds>, // by traffic
}

/// The accounts of all faults.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// By fault; nothing for one that does not act on an upstream.
    pub books: Vec<Option<Book>>,
    /// Why the evidence could not be read, if so.
    pub unreadable: Option<String>,
}

impl Ledger {
    /// Keeps the books of a run.
    pub fn read(trial: &Trial<'_>) -> Ledger {
        let scenario = trial.scenario;
        let books = (0..scenario.faults.len()).map(|fault| upstream(scenario, fault).map(|_| Book::open(scenario)));
        let mut ledger = Ledger { books: books.collect(), unreadable: None };
        if let Err(why) = ledger.fill(trial) {
            ledger.unreadable = Some(format!("the touches could not be read: {why}"));
        }
        ledger
    }

    fn fill(&mut self, trial: &Trial<'_>) -> std::io::Result<()> {
        let (scenario, evidence) = (trial.scenario, trial.evidence);
        let mut traced = vec![false; scenario.upstreams.len()];
        let mut unsigned = vec![0; scenario.faults.len()]; // injected into calls that carry no trace of ours
        evidence.decisions.each(|decision| {
            let fault = usize::from(decision.fault);
            let Some(Some(book)) = self.books.get_mut(fault) else { return };
            let is_ours = !decision.trace.is_none();
            if let Some(upstream) = upstream(scenario, fault) {
                traced[upstream] |= is_ours;
            }
            let since = decision.at.since(began(&trial.windows.faults[fault], decision.at));
            book.shares.count(scenario.faults[fault].share_at(since), decision.effect);
            book.obedience.arrival(&decision);
            if decision.effect == Effect::Injected && !is_ours {
                unsigned[fault] += 1;
                book.examples.unsigned(&decision);
            }
        })?;
        for (fault, book) in self.books.iter_mut().enumerate() {
            let (Some(book), Some(upstream)) = (book, upstream(scenario, fault)) else { continue };
            // A connection that is refused brings no request, and so no trace.
            let refuses = scenario.faults[fault].inject == Inject::Http(HttpFault::Refuse);
            book.attributable = traced[upstream] && !refuses;
            // Where no call says whose it is, one that says nothing may well be a shot's.
            let account = if book.attributable { Account::Background } else { Account::Unexplained };
            book.examples.sign(account);
            book.total.add(account, unsigned[fault]);
            if unsigned[fault] > 0 && account == Account::Unexplained {
                let row = Row { traffic: None, class: None, second: 0 };
                book.rows.entry(row).or_default().add(account, unsigned[fault]);
            }
        }
        let tracer = Tracer::new(Seed(evidence.manifest.seed), &evidence.manifest.run);
        touches::join(&evidence.decisions, &evidence.shots, |joined| self.post(scenario, &tracer, &joined))?;
        for (book, times) in self.books.iter_mut().zip(&trial.windows.faults) {
            if let Some(book) = book {
                book.obedience.close(&times.strikes().collect::<Vec<_>>());
            }
        }
        Ok(())
    }

    /// Enters the calls of one shot.
    fn post(&mut self, scenario: &Scenario, tracer: &Tracer, joined: &Joined<'_>) {
        let traffic = tracer.shot(joined.trace).map(|shot| usize::from(shot.traffic));
        let traffic = joined.shot.map(|shot| usize::from(shot.traffic)).or(traffic);
        let traffic = traffic.filter(|traffic| *traffic < scenario.traffic.len());
        for (fault, book) in self.books.iter_mut().enumerate() {
            let of_fault = || joined.decisions.iter().filter(move |d| usize::from(d.fault) == fault);
            let (Some(book), Some(first)) = (book, of_fault().next()) else { continue };
            book.obedience.shot(of_fault());
            let injected = of_fault().filter(|d| d.effect == Effect::Injected);
            book.shots += u64::from(injected.clone().next().is_some());
            let bounds = traffic.and_then(|traffic| book.bounds.get(traffic));
            let account = account(joined.shot, bounds);
            let row = Row {
                traffic,
                class: joined.shot.and_then(|shot| shot.class).map(usize::from),
                second: second(joined.shot.map_or(first.at, |shot| shot.due)),
            };
            for decision in injected {
                book.total.add(account, 1);
                book.rows.entry(row).or_default().add(account, 1);
                book.examples.keep(account, decision, joined.shot);
            }
        }
    }

    /// What about the books keeps the run from being what the scenario describes.
    pub fn troubles(&self, trial: &Trial<'_>) -> Vec<String> {
        let mut troubles: Vec<String> = self.unreadable.iter().cloned().collect();
        let faults = trial.scenario.faults.iter().zip(&trial.windows.faults).zip(&self.books);
        for ((fault, times), book) in faults {
            let Some(book) = book.as_ref().filter(|_| self.unreadable.is_none()) else { continue };
            let (counted, accounted) = (times.injected, book.total.all());
            if counted != accounted {
                troubles.push(format!(
                    "fault `{}`: the stage counted {}, its record accounts for {}",
                    fault.name,
                    text::count(counted, "struck request"),
                    text::thousands(accounted)
                ));
            }
            // One that struck nothing is said to, and why.
            if let Some(off) = book.shares.trouble().filter(|_| accounted > 0) {
                troubles.push(format!("fault `{}` {off}", fault.name));
            }
        }
        troubles
    }
}

impl Book {
    fn open(scenario: &Scenario) -> Book {
        let bounds = (0..scenario.traffic.len()).map(|traffic| Bounds::read(&scenario.promises, traffic));
        Book { bounds: bounds.collect(), ..Book::default() }
    }

    /// What it came to for some traffic, or for all; by the second in which shots were due.
    fn of(&self, traffic: Option<usize>) -> impl Iterator<Item = (&Row, &Counts)> {
        self.rows.iter().filter(move |(row, _)| traffic.is_none() || row.traffic == traffic || row.traffic.is_none())
    }
}

/// The upstream that a fault acts on, if it acts on one.
pub fn upstream(scenario: &Scenario, fault: usize) -> Option<usize> {
    match scenario.faults.get(fault)?.on {
        On::Upstream(upstream) => Some(upstream),
        On::Link(_) | On::Kafka { .. } | On::Process(_) | On::Hook(_) => None,
    }
}

/// When a fault had begun that struck at an instant.
fn began(times: &FaultTimes, at: Offset) -> Offset {
    let starts = times.occurrences.iter().map(|time| time.applied.unwrap_or(time.planned.start));
    starts.take_while(|start| *start <= at).last().unwrap_or(at)
}

/// What became of a request, by what became of its shot.
fn account(shot: Option<&ShotTouch>, bounds: Option<&Bounds>) -> Account {
    let Some(shot) = shot else { return Account::Unexplained };
    match shot.outcome {
        Outcome::Ok if bounds.is_some_and(|bounds| bounds.is_broken_by(shot)) => Account::Surfaced(Harm::Late),
        Outcome::Ok => Account::Absorbed,
        // What was never sent began no call, and what was rightly not done tells neither way.
        Outcome::Skipped | Outcome::NotSent(Why::Backlog | Why::Resources) => Account::Unexplained,
        _ => Account::Surfaced(Harm::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::trace::TraceId;
    use crate::evidence::reply::{Reach, Stage};
    use crate::scenario::{self, Settings};

    /// The bounds of `q` under some promises.
    fn bounds(slo: &str) -> Bounds {
        let yaml = format!(
            "proofload: 1
target: sim:quote-service
upstreams: {{ jupiter: {{ like: jupiter }} }}
traffic:
  q:
    flow: {{ steps: [ {{ get: / }} ] }}
    classes: {{ hit: {{ json: $.a, is: b }}, miss: {{ json: $.a, is: c }} }}
    load: [ {{ hold: {{ at: 10/s, for: 60s }} }} ]
faults: {{ hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, at: 20s, for: 10s }} }}
slo:
  - expect: errors(q) < 100%
{slo}"
        );
        let settings = Settings::alone("ledger");
        let scenario = scenario::read("ledger", &yaml, &settings).expect("valid");
        Bounds::read(&scenario.promises, 0)
    }

    fn shot(outcome: Outcome, ms: u64) -> ShotTouch {
        ShotTouch {
            trace: TraceId([1; 16]),
            due: Offset::ZERO,
            response: ms * 1_000_000,
            service: Some(ms * 500_000),
            traffic: 0,
            class: Some(1),
            outcome,
        }
    }

    #[test]
    fn every_outcome_has_an_account() {
        let bounds = bounds("  - expect: p95(q) < 500ms\n");
        for outcome in Outcome::ALL {
            let expected = match outcome {
                Outcome::Ok => Account::Absorbed,
                Outcome::Skipped | Outcome::NotSent(_) => Account::Unexplained,
                Outcome::Unreachable(Reach::Dns | Reach::Connect | Reach::Tls)
                | Outcome::Broken(Stage::Head | Stage::Body)
                | Outcome::TimedOut(_)
                | Outcome::Rejected
                | Outcome::Invalid
                | Outcome::Failed
                | Outcome::Unfinished => Account::Surfaced(Harm::Failed),
            };
            assert_eq!(account(Some(&shot(outcome, 10)), Some(&bounds)), expected, "{outcome:?}");
        }
        assert_eq!(account(Some(&shot(Outcome::Ok, 500)), Some(&bounds)), Account::Surfaced(Harm::Late));
        assert_eq!(account(Some(&shot(Outcome::Ok, 500)), None), Account::Absorbed, "nothing was promised");
        assert_eq!(account(None, Some(&bounds)), Account::Unexplained);
    }

    /// What is slow: a shot of a second, half of it on the service clock, of the class `miss`.
    #[test]
    fn only_promises_about_single_shots_in_calm_times_say_what_is_slow() {
        for (slow, promise) in [
            (true, "p95(q) < 900ms"),
            (true, "p99.9(q, ok) <= 999ms"),
            (true, "max(q) < 1s"),
            (false, "max(q) <= 1s"),
            (true, "p95(q, service) < 499ms"),
            (false, "p95(q, service) < 501ms"),
            (true, "p95(q, miss) < 900ms"),
            (false, "p95(q, hit) < 900ms"),
            (false, "p50(q) < 900ms"),
            (false, "mean(q) < 900ms"),
            (false, "p95(q) > 1ms"),
            (false, "p95(q, failed) < 900ms"),
            (false, "p95(q, lag) < 1ms"),
            (true, "p95(q) < 900ms\n    outside: faults"),
            (true, "p95(q) < 900ms\n    before: hangs"),
            (true, "p95(q) < 900ms\n    after: hangs"),
            (false, "p95(q) < 900ms\n    during: hangs"),
            (false, "p95(q) < 900ms\n    recovery: hangs"),
            (false, "p95(q) < 900ms\n    severity: warning"),
        ] {
            let bounds = bounds(&format!("  - expect: {promise}\n"));
            assert_eq!(bounds.is_broken_by(&shot(Outcome::Ok, 1_000)), slow, "{promise}");
        }
        let several = bounds("  - expect: p99(q) < 2s\n  - expect: p95(q) < 700ms\n  - expect: p95(q, hit) < 20ms\n");
        assert_eq!(several.tightest(), Some("p95(q) < 700ms"));
    }
}
