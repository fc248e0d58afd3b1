//! How closely the server watched what some expressions read: when it scraped, how often, and from when to when.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::server::is_synthetic;
use super::super::trial::Trial;
use super::super::verdict::instant;
use super::{Fetched, LEAST_GOOD, Target, cover, gaps, named, target};
use crate::base::series::is_stale;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::promql::{Expr, Options, Selector, Storage};

/// Which of an expression's selectors need not be fetched, because rules write what they select.
pub type Unneeded<'u> = &'u dyn Fn(&Selector) -> bool;

impl Fetched {
    /// The last scrape of any target, in Unix milliseconds; of what no target exposes, the last sample.
    pub fn last(&self) -> Option<i64> {
        let scraped = self.up.values().filter_map(|times| times.last()).max().copied();
        let sampled =
            || self.series.iter().filter_map(|s| s.samples.iter().rfind(|s| !is_stale(s.value))).map(|s| s.at);
        scraped.or_else(|| sampled().max())
    }

    /// The first scrape of all that some expressions read, in Unix milliseconds.
    pub fn first<'e>(&self, storage: &Storage<'_>, exprs: impl IntoIterator<Item = &'e Expr>) -> Option<i64> {
        let targets = self.targets(storage, exprs);
        targets.iter().filter_map(|target| self.scraped(target).first().map(|(at, _)| *at)).max()
    }

    /// From one scrape to the next, at the slowest of the targets that some expressions read.
    pub fn pace<'e>(&self, storage: &Storage<'_>, exprs: impl IntoIterator<Item = &'e Expr>) -> Option<Duration> {
        let known = self.identity.as_ref().and_then(|identity| identity.every).map(Duration::from_nanos);
        let of_target = |target: &Target| {
            let times: Vec<i64> = self.scraped(target).iter().map(|(at, _)| *at).collect();
            gaps::pace(&times).map(|ms| Duration::from_millis(ms.unsigned_abs()))
        };
        self.targets(storage, exprs).iter().filter_map(of_target).max().or(known)
    }

    /// Why a stretch of time cannot be judged by what some expressions read in it and `back` before it, if so.
    pub fn lacks<'e>(
        &self,
        trial: &Trial<'_>,
        storage: &Storage<'_>,
        exprs: impl IntoIterator<Item = &'e Expr> + Clone,
        (span, back): (Span, Duration),
        unneeded: Unneeded<'_>,
    ) -> Option<String> {
        if !self.was_asked() {
            return Some("nothing was fetched from the Prometheus server: the run did not come so far".into());
        }
        let unix = |at: Offset| (trial.evidence.manifest.wall_zero + at.nanos()).div_euclid(1_000_000);
        let (from, to) = (unix(span.start), unix(span.end));
        let reach = i64::try_from(back.as_millis()).unwrap_or(i64::MAX).saturating_add(Options::default().lookback_ms);
        for selection in exprs.clone().into_iter().flat_map(Expr::selectors) {
            let selector = selection.selector;
            if !unneeded(selector)
                && let Err(why) = cover::held(&self.selected, &selector.matchers, from.saturating_sub(reach), to)
            {
                return Some(why);
            }
        }
        let targets = self.targets(storage, exprs.clone());
        if targets.is_empty() {
            return Some("the server has no series of any target, so that nothing shows that it scraped".into());
        }
        let any = exprs.into_iter().flat_map(Expr::selectors).all(|s| is_synthetic(s.selector));
        targets.iter().find_map(|target| self.is_sparse(target, (from, to), span, any))
    }

    /// Why a target was scraped too seldom within a span, if so; with `any`, whether it answered or not. Between two scrapes
    /// there is nothing to miss.
    fn is_sparse(&self, of: &Target, (from, to): (i64, i64), span: Span, any: bool) -> Option<String> {
        let times = self.scraped(of);
        let all: Vec<i64> = times.iter().map(|(at, _)| *at).collect();
        let Some(every) = gaps::pace(&all).filter(|every| *every > 0) else {
            return Some(format!("the server scraped {} once: that is too little", named(of)));
        };
        let planned = ((to - from) / every) as u64;
        let good = times.iter().filter(|(at, good)| (any || *good) && from <= *at && *at <= to).count() as u64;
        let is_ended = all.last().is_none_or(|last| last.saturating_add(every) < to);
        if (good as f64) < LEAST_GOOD * planned as f64 || is_ended {
            let (good, planned) = (text::thousands(good), text::count(planned, "scrape"));
            let every = units::duration(Duration::from_millis(every.unsigned_abs()));
            let from = instant(span.start);
            return Some(format!(
                "only {good} of {planned} of {}, every {every} from {from} on, brought samples",
                named(of)
            ));
        }
        None
    }

    /// Whom the server scraped to have what some expressions read; all whose scrapes are known when there is nothing of
    /// that.
    fn targets<'e>(&self, storage: &Storage<'_>, exprs: impl IntoIterator<Item = &'e Expr>) -> BTreeSet<Target> {
        let read = exprs.into_iter().flat_map(Expr::selectors).flat_map(|s| storage.select(s.selector));
        let read: BTreeSet<Target> = read.map(target).collect();
        if read.is_empty() { self.up.keys().cloned().collect() } else { read }
    }

    /// When a target was scraped, and whether it answered; of what no target exposes, when there are samples.
    fn scraped(&self, of: &Target) -> Vec<(i64, bool)> {
        let is_known = self.up.contains_key(of);
        let of_target = self.series.iter().filter(|s| target(s) == *of && (!is_known || s.labels.name() == "up"));
        let samples = of_target.flat_map(|s| &s.samples).filter(|s| !is_stale(s.value));
        let mut times: Vec<(i64, bool)> = samples.map(|s| (s.at, !is_known || s.value == 1.0)).collect();
        times.sort_unstable();
        times.dedup_by_key(|(at, _)| *at);
        times
    }
}
