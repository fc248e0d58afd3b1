//! What was fetched from a Prometheus server that watched the target too: which series there are, on our axis; when it
//! scraped; whether an expression can be judged by it at all; and whether it says the same itself.

mod cover;
mod cross;
mod fired;
mod gaps;
mod summary;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::trial::Trial;
use super::verdict::{instant, stretch};
use crate::base::series::{Series, is_stale};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::event::Event;
use crate::evidence::servers::{Pairs, Prometheus as Told};
use crate::promql::{Expr, Options, Semantics, Storage};

pub use cover::{Selection, selections};
pub(super) use cross::Crossing;
pub use cross::{Agreement, CheckSummary};
pub use summary::{FiredSummary, PrometheusSummary, SelectedSummary};

/// Fewer good scrapes in a window, and there is too little to tell.
const LEAST_GOOD: f64 = 0.9;

/// What was fetched, laid out for questions.
pub struct Fetched {
    /// Every series, with the markers of staleness that the server does not show, in Unix milliseconds of our clock.
    pub series: Vec<Series>,
    identity: Option<Identity>,
    selected: Vec<cover::Selected>,
    answers: Vec<Answer>,
    marked: gaps::Marked,
    up: BTreeMap<Target, Vec<i64>>,
}

/// Whom a server scrapes: job and instance.
type Target = (String, String);

/// Who the server is.
#[derive(Debug, Clone)]
struct Identity {
    product: String,
    version: Option<String>,
    semantics: u32,
    by: String,
    ahead: i64,
    doubt: u64,
    every: Option<u64>,
    shift: i64, // its clock minus ours, in milliseconds; 0 where that is within doubt
}

/// What the server makes of an expression.
struct Answer {
    expr: String,
    at: i64, // ours
    elements: Vec<(Pairs, String)>,
    failed: Option<String>,
}

impl Fetched {
    /// Reads it from the evidence.
    pub fn read(trial: &Trial<'_>) -> Fetched {
        let told = || {
            trial.evidence.events.iter().filter_map(|event| match event {
                Event::Prometheus { told, .. } => Some(told),
                _ => None,
            })
        };
        let identity = told().filter_map(Identity::of).next_back();
        let shift = identity.as_ref().map_or(0, |identity| identity.shift);
        let selected: Vec<cover::Selected> = told().filter_map(|told| cover::Selected::of(told, shift)).collect();
        let answers = told().filter_map(|told| match told {
            Told::Answered { expr, instant, elements, failed } => Some(Answer {
                expr: expr.clone(),
                at: instant - shift,
                elements: elements.clone(),
                failed: failed.clone(),
            }),
            _ => None,
        });
        let mut series = trial.evidence.fetched.clone();
        series.iter_mut().flat_map(|s| &mut s.samples).for_each(|sample| sample.at -= shift);
        let up = gaps::up(&series);
        let end = selected.iter().map(|s| s.to).max();
        let marked = gaps::mark(&mut series, &up, end);
        Fetched { series, identity, selected, answers: answers.collect(), marked, up }
    }

    /// Whether a server was asked at all.
    fn was_asked(&self) -> bool {
        self.identity.is_some()
    }

    /// Whose PromQL the server speaks.
    pub(super) fn options(&self) -> Options {
        let semantics = match self.identity.as_ref().map(|identity| identity.semantics) {
            Some(2) => Semantics::V2,
            _ => Semantics::V3,
        };
        Options { semantics, ..Options::default() }
    }

    /// An instant of our clock on the server's, in Unix milliseconds.
    pub(super) fn on_its_clock(&self, at: i64) -> i64 {
        at + self.identity.as_ref().map_or(0, |identity| identity.shift)
    }

    /// When an expression about a span of time can be judged: at the first instant at or after its end by which every
    /// target that it reads has been scraped once more. The error says why it cannot be.
    pub(super) fn when(
        &self,
        trial: &Trial<'_>,
        storage: &Storage<'_>,
        expr: &Expr,
        span: Span,
    ) -> Result<i64, String> {
        let unix = |at: Offset| (trial.evidence.manifest.wall_zero + at.nanos()).div_euclid(1_000_000);
        let scrapes = self.scrapes(storage, expr);
        let end = unix(span.end);
        if !self.was_asked() {
            return Err("nothing was fetched from the Prometheus server: the run did not come so far".into());
        }
        let lookback = Options::default().lookback_ms;
        let at = match scrapes.is_empty() {
            true => end,
            false => {
                let mut last = end;
                for (target, times) in &scrapes {
                    let first = times.iter().find(|(at, _)| *at >= end);
                    let Some((at, _)) = first else {
                        let was = times.last().map_or_else(String::new, |(at, _)| {
                            let at = Offset::from_millis(at - unix(Offset::ZERO));
                            format!(", the last was at {}", instant(at))
                        });
                        return Err(format!(
                            "the server has no scrape of {} at or after {}{was}",
                            named(target),
                            instant(span.end)
                        ));
                    };
                    last = last.max(*at);
                }
                last
            }
        };
        cover::covered(&self.selected, expr, at - expr.reach().back_ms.saturating_add(lookback), at)?;
        if scrapes.is_empty() {
            let what = "the server has no series that it reads, so that nothing shows that the target was scraped";
            return Err(format!(
                "{what}: beside what may be absent name what is always there, such as `or 0 * sum(up)`"
            ));
        }
        for (target, times) in &scrapes {
            self.is_dense(target, times, (unix(span.start), end), span)?;
        }
        Ok(at)
    }

    /// Whether a target was scraped as often within a span as outside it.
    fn is_dense(
        &self,
        target: &Target,
        times: &[(i64, bool)],
        (from, to): (i64, i64),
        span: Span,
    ) -> Result<(), String> {
        let all: Vec<i64> = times.iter().map(|(at, _)| *at).collect();
        let known = self.identity.as_ref().and_then(|identity| identity.every).map(|every| (every / 1_000_000) as i64);
        // The configured interval of other targets may be longer than its own.
        let Some(every) = gaps::pace(&all).or(known).filter(|every| *every > 0) else {
            return Err(format!("the server scraped {} once: that is too little", named(target)));
        };
        let planned = ((to - from) / every) as u64;
        let good = times.iter().filter(|(at, good)| *good && from <= *at && *at <= to).count() as u64;
        if planned == 0 {
            let every = units::duration(Duration::from_millis(every.unsigned_abs()));
            return Err(format!("the server scrapes {} every {every}, longer than {}", named(target), stretch(span)));
        }
        if (good as f64) < LEAST_GOOD * planned as f64 {
            let (good, planned) = (text::thousands(good), text::count(planned, "scrape"));
            return Err(format!("only {good} of {planned} of {} brought samples", named(target)));
        }
        Ok(())
    }

    /// When each target that an expression reads was scraped, and whether that brought a sample of what it reads. What no
    /// target exposes (recorded series, `ALERTS`) counts as one target, whose scrapes are its evaluations.
    fn scrapes(&self, storage: &Storage<'_>, expr: &Expr) -> BTreeMap<Target, Vec<(i64, bool)>> {
        let mut good: BTreeMap<Target, BTreeSet<i64>> = BTreeMap::new();
        for series in expr.selectors().iter().flat_map(|s| storage.select(s.selector)) {
            let times = series.samples.iter().filter(|sample| !is_stale(sample.value)).map(|sample| sample.at);
            good.entry(target(series)).or_default().extend(times);
        }
        let all = |(target, good): (Target, BTreeSet<i64>)| {
            let up = self.up.get(&target).map_or(&[][..], Vec::as_slice);
            let times: BTreeSet<i64> = good.iter().chain(up).copied().collect();
            (target, times.into_iter().map(|at| (at, good.contains(&at))).collect())
        };
        good.into_iter().map(all).collect()
    }
}

impl Identity {
    fn of(told: &Told) -> Option<Identity> {
        let Told::Itself { product, version, semantics, by, ahead, doubt, every } = told else { return None };
        let is_known = ahead.unsigned_abs() > *doubt;
        Some(Identity {
            product: product.clone(),
            version: version.clone(),
            semantics: *semantics,
            by: by.clone(),
            ahead: *ahead,
            doubt: *doubt,
            every: *every,
            shift: if is_known { (*ahead as f64 / 1e6).round() as i64 } else { 0 },
        })
    }
}

/// Whose series it is.
fn target(series: &Series) -> Target {
    (series.labels.get("job").to_owned(), series.labels.get("instance").to_owned())
}

fn named((job, instance): &Target) -> String {
    match (job.as_str(), instance.as_str()) {
        ("", "") => "what no target exposes".into(),
        (job, "") => format!("`{job}`"),
        (job, instance) => format!("`{job}` at {instance}"),
    }
}
