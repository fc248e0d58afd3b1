//! The books as reports and `verdict.json` have them.

use serde::Serialize;

use super::super::trial::Trial;
use super::super::verdict::by_name;
use super::retries::{Around, CalledSummary};
use super::{Account, Book, Counts, Harm, Ledger, upstream};
use crate::base::time::Offset;

/// What became of the requests that a fault struck.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerSummary {
    /// Whether any call of the upstream carried our trace context; without, nothing can be said of any.
    pub attributable: bool,
    /// Shots that it struck at least once.
    pub shots: u64,
    /// Requests whose shot ended well.
    pub absorbed: u64,
    /// Requests whose shot failed, or took longer than promised.
    pub surfaced: u64,
    /// Of those, requests whose shot was ok but took longer than promised.
    pub surfaced_late: u64,
    /// Requests that carry our trace, but of whose shot nothing is known.
    pub unexplained: u64,
    /// Requests that no shot began.
    pub background: u64,
    /// By traffic, of those that say whose they are.
    #[serde(serialize_with = "by_name")]
    pub traffic: Vec<(String, TrafficLedger)>,
    /// Whether it struck the share that it should.
    pub chosen: ShareSummary,
    /// How often the service called.
    pub retries: RetrySummary,
    /// How the service took being told to wait; nothing where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<ObedienceSummary>,
    /// A few of each, the earliest.
    pub examples: Vec<ExampleSummary>,
}

/// What became of the requests of one traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrafficLedger {
    /// The tightest promise that shots of every class were held against; nothing where only errors surface.
    pub bound: Option<String>,
    /// As of the whole.
    pub absorbed: u64,
    /// As of the whole.
    pub surfaced: u64,
    /// As of the whole.
    pub unexplained: u64,
    /// By the class of the reply, of those that have one.
    #[serde(serialize_with = "by_name")]
    pub classes: Vec<(String, ClassLedger)>,
}

/// What became of the requests of one class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClassLedger {
    /// As of the whole.
    pub absorbed: u64,
    /// As of the whole.
    pub surfaced: u64,
}

/// The share that a fault chose, and what it should have been.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ShareSummary {
    /// Requests that it could have chosen, by its record.
    pub eligible: u64,
    /// Requests that it chose; a rate limit lets some of them pass.
    pub chosen: u64,
    /// The share that was declared, on average over the requests; nothing without a request.
    pub expected: Option<f64>,
    /// 99.9 % of runs choose so many: no fewer than the first, no more than the second.
    pub between: [u64; 2],
}

/// How often the service called for a shot while the fault was effective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RetrySummary {
    /// Calls for shots of ours, retries included.
    pub calls: u64,
    /// The shots that they were for.
    pub shots: u64,
    /// The most calls for one shot.
    pub most: u64,
    /// Calls for each shot; nothing without a shot.
    pub calls_per_shot: Option<f64>,
    /// All calls of the upstream, whether they met the fault or not, up to its beginning; nothing where that was not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<CalledSummary>,
    /// The same, while it was effective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub during: Option<CalledSummary>,
    /// The same, from its end on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<CalledSummary>,
    /// How many times more calls a shot took during than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amplification: Option<f64>,
}

/// How the service took being told to wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ObedienceSummary {
    /// Refusals that said how long to wait.
    pub told: u64,
    /// Requests that came when the service knew of a refusal.
    pub knowing: u64,
    /// Of those, requests that came before the wait was over.
    pub early: u64,
    /// Calls for a shot that had been told to wait.
    pub again: u64,
    /// Of those, calls that did not wait so long.
    pub again_early: u64,
    /// Whether all that waited came back at once.
    pub herd: HerdSummary,
}

/// Requests that come back at the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HerdSummary {
    /// Tenths of a second that began where a wait ended.
    pub releases: u64,
    /// Of those, tenths with more requests than chance and custom explain.
    pub herds: u64,
    /// How many requests the fullest had.
    pub most: u64,
    /// When that one began; nothing without a release.
    pub at: Option<Offset>,
    /// How many a tenth of a second has on average.
    pub usual: f64,
    /// A herd has more than this.
    pub threshold: u64,
}

/// One struck request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExampleSummary {
    /// `absorbed`, `surfaced`, `unexplained` or `background`.
    pub account: &'static str,
    /// When it was struck.
    pub at: Offset,
    /// Its trace id; nothing when it carried none of ours.
    pub trace: Option<String>,
    /// The upstream that it called.
    pub upstream: String,
    /// How many calls of its shot the upstream had seen before; without a trace, of all that had none.
    pub attempt: u32,
    /// The word for what became of its shot; nothing when that is not known.
    pub outcome: Option<&'static str>,
    /// How long the shot took, in nanoseconds.
    pub response: Option<u64>,
}

impl Account {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Account::Absorbed => "absorbed",
            Account::Surfaced(Harm::Failed | Harm::Late) => "surfaced",
            Account::Unexplained => "unexplained",
            Account::Background => "background",
        }
    }
}

impl Ledger {
    /// The book of a fault; nothing for one that does not act on an upstream.
    pub fn summary(&self, trial: &Trial<'_>, fault: usize) -> Option<LedgerSummary> {
        let book = self.books.get(fault)?.as_ref()?;
        let position = upstream(trial.scenario, fault)?;
        let around = Around::read(trial, fault, position);
        let upstream = &trial.scenario.upstreams[position].name;
        let Counts { absorbed, late, unexplained, background, .. } = book.total;
        let (low, high) = book.shares.interval();
        let of = &book.obedience;
        let retry_after = of.herd.map(|herd| ObedienceSummary {
            told: of.told,
            knowing: of.knowing,
            early: of.early,
            again: of.again,
            again_early: of.again_early,
            herd: HerdSummary {
                releases: herd.releases,
                herds: herd.herds,
                most: herd.worst.map_or(0, |(_, requests)| requests),
                at: herd.worst.map(|(at, _)| at),
                usual: herd.usual,
                threshold: herd.threshold,
            },
        });
        let example = |(account, example): (Account, super::example::Example)| ExampleSummary {
            account: account.word(),
            at: example.decision.at,
            trace: (!example.decision.trace.is_none()).then(|| example.decision.trace.to_string()),
            upstream: upstream.clone(),
            attempt: example.decision.attempt,
            outcome: example.shot.map(|shot| shot.outcome.word()),
            response: example.shot.map(|shot| shot.response),
        };
        Some(LedgerSummary {
            attributable: book.attributable,
            shots: book.shots,
            absorbed,
            surfaced: book.total.surfaced(),
            surfaced_late: late,
            unexplained,
            background,
            traffic: (0..trial.scenario.traffic.len()).filter_map(|t| book.traffic(trial, t)).collect(),
            chosen: ShareSummary {
                eligible: book.shares.eligible,
                chosen: book.shares.chosen,
                expected: book.shares.expected(),
                between: [low, high],
            },
            retries: RetrySummary {
                calls: of.calls,
                shots: of.shots,
                most: of.most,
                calls_per_shot: of.calls_per_shot(),
                before: around.map(|around| around.before.into()),
                during: around.map(|around| around.during.into()),
                after: around.map(|around| around.after.into()),
                amplification: around.and_then(|around| around.amplification()),
            },
            retry_after,
            examples: book.examples.shown().into_iter().map(example).collect(),
        })
    }
}

impl Book {
    /// What it came to for one traffic; nothing where it struck none of its requests.
    fn traffic(&self, trial: &Trial<'_>, traffic: usize) -> Option<(String, TrafficLedger)> {
        let sum = |wanted: &dyn Fn(Option<usize>) -> bool| {
            let mut sum = Counts::default();
            let rows = self.rows.iter().filter(|(row, _)| row.traffic == Some(traffic) && wanted(row.class));
            rows.for_each(|(_, counts)| sum.merge(counts));
            sum
        };
        let all = sum(&|_| true);
        let of = &trial.scenario.traffic[traffic];
        let class = |(class, name): (usize, &crate::scenario::Class)| {
            let counts = sum(&|of| of == Some(class));
            let ledger = ClassLedger { absorbed: counts.absorbed, surfaced: counts.surfaced() };
            (counts.all() > 0).then(|| (name.name.clone(), ledger))
        };
        let ledger = TrafficLedger {
            bound: self.bounds.get(traffic).and_then(|bounds| bounds.tightest()).map(str::to_owned),
            absorbed: all.absorbed,
            surfaced: all.surfaced(),
            unexplained: all.unexplained,
            classes: of.classes.iter().enumerate().filter_map(class).collect(),
        };
        (all.all() > 0).then(|| (of.name.clone(), ledger))
    }
}
