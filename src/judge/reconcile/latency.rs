//! Lengths of time, by bucket domination: what the service says that a request took is a part of the exchange as we saw
//! it. So of the exchanges that ended within a bound of its histogram, the service must have counted every one within
//! that bound too. One-sided, exact, without interpolation and without a tolerance beyond the resolution of clocks.
//!
//! Our own lengths come from the latency log, whose cells are 0.1 % wide: a cell that a bound falls into decides nothing.

use super::super::bucket;
use super::super::verdict::Verdict;
use super::Books;
use super::cause::{self, Signs};
use super::counts::{range, whole};
use super::groups::{Key, Split};
use super::settle::Excess;
use super::summary::{Accord, BoundRecord, LatencyRecord, PromiseRecord, QuantileRecord, Record, Residue};
use crate::base::series::{Labels, Series};
use crate::base::text;
use crate::base::timing::Timing;
use crate::base::units::{self, Share};
use crate::evidence::reply;
use crate::evidence::tally::Tally;
use crate::promql::Bracket;
use crate::scenario::{ByLabels, Check, Claim, Filter, Measure, TimeUnit, Window};

/// Clocks that services time requests by tell milliseconds apart, at the coarsest.
const RESOLUTION: u64 = 1_000_000; // ns
/// Quantiles that are shown.
const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// A histogram over a window: its bounds in order and what grew within each, `+Inf` last.
struct Buckets {
    bounds: Vec<(f64, f64)>, // in seconds, cumulative
    sum: Option<f64>,        // in seconds
}

impl Buckets {
    fn all(&self) -> f64 {
        self.bounds.last().map_or(0.0, |(_, count)| *count)
    }

    /// Between which bounds the quantile lies, when so many requests may sit on the other side of the window.
    fn quantile(&self, q: f64, off: f64) -> (f64, f64) {
        let rank = (q * self.all()).ceil().max(1.0);
        let at = |rank: f64| self.bounds.iter().position(|(_, count)| *count >= rank).unwrap_or(self.bounds.len() - 1);
        let (low, high) = (at((rank - off).max(1.0)), at(rank + off));
        (if low == 0 { 0.0 } else { self.bounds[low - 1].0 }, self.bounds[high].0)
    }
}

/// What is compared.
pub struct Timed<'a> {
    /// The series of the histogram: buckets, count and sum.
    pub series: &'a [&'a Series],
    /// The label that tells classes apart.
    pub class: Option<&'a str>,
    /// What it counts in.
    pub unit: TimeUnit,
    /// The most that may be pushed over a bound outside the service.
    pub gap: Option<Share>,
}

/// The records of a histogram: one, or one for each class that a label tells apart.
pub fn records(books: &Books<'_>, check: &Check, timed: &Timed<'_>) -> Vec<Record> {
    let Some(label) = timed.class else { return vec![one(books, check, timed, timed.series, "all".into())] };
    let by = ByLabels { class: Some(label.to_owned()), ..ByLabels::default() };
    let split = Split { by: &by, routes: &[] };
    if split.missing(timed.series).is_some() {
        let mut record = one(books, check, timed, timed.series, "all".into());
        let cause = format!("label `{label}` dropped: it is on no series");
        record.residue = vec![Residue::new(cause.clone(), record.client.received)];
        (record.verdict, record.why) = (Accord::Mismatch, cause);
        return vec![record];
    }
    let mut classes: Vec<&crate::scenario::Class> =
        check.of.iter().flat_map(|t| &books.scenario.traffic[*t].classes).collect();
    classes.dedup_by(|a, b| a.name == b.name);
    classes.retain(|class| check.subset.class.as_deref().is_none_or(|only| only == class.name));
    let mut records = Vec::new();
    for class in classes {
        let of_class = |series: &&&Series| {
            let value = series.labels.get(label);
            value == class.name || value == class.is
        };
        let series: Vec<&Series> = timed.series.iter().filter(of_class).copied().collect();
        let mut check = check.clone();
        check.subset.class = Some(class.name.clone());
        let key = Key { class: class.is.clone(), ..Key::default() };
        records.push(one(books, &check, timed, &series, key.words(&by)));
    }
    records
}

/// Which of a histogram's series.
fn named<'s>(series: &[&'s Series], suffix: &str) -> Vec<&'s Series> {
    series.iter().filter(|s| s.labels.name().ends_with(suffix)).copied().collect()
}

fn one(books: &Books<'_>, check: &Check, timed: &Timed<'_>, series: &[&Series], group: String) -> Record {
    let pages = books.pages_of(if series.is_empty() { timed.series } else { series });
    let counts = named(series, "_count");
    let readings = books.readings(&pages, &counts);
    let at = readings.iter().position(|r| r.closed).or(readings.len().checked_sub(1));
    let Some(at) = at else { return Record { group, ..books.nothing(check, timed.series, &pages) } };
    let last = &readings[at];
    let kin = books.kin(check);
    let end = kin.entry(&last.to.at_b, &|_| true, &|_| true);
    let least = kin.entry(&last.from.at_a, &|_| true, &|_| true).received;
    let mut record = books.blank(check, &group);
    record.window.end = last.to.b;
    record.closed = last.closed;
    (record.client.sent, record.client.received, record.client.unknown) = (end.sent, end.received, end.unknown());
    (record.server.first, record.server.last) = (last.sum - last.grown, last.sum);
    (record.server.resets, record.server.scrapes) = (books.falls(series), at as u64 + 2);
    record.server.missed = pages.iter().map(|page| page.missed).sum();
    (record.bound, record.value) = ([least as f64, end.most() as f64], Some(last.grown));
    let signs = Signs::read(books.scenario, &check.of, &pages, &books.evidence.manifest.services, books.falls(series));
    if end.received == 0 && last.grown == 0.0 {
        (record.verdict, record.why) = (Accord::Ok, "no such request".into());
        return record;
    }
    if signs.several() || last.fell || signs.restarted().is_some() {
        let (verdict, why) = match signs.several() {
            true => (Accord::Mismatch, format!("{}: what a page says is a part", cause::SEVERAL)),
            false => (Accord::Undecided, signs.restarted().unwrap_or_else(|| "counter reset".into())),
        };
        (record.verdict, record.why) = (verdict, why.clone());
        record.residue.push(Residue::new(why, record.server.resets));
        return record;
    }
    let Some(buckets) = read(books, &pages, series, at, timed.unit) else {
        record.why = "a histogram without buckets, or without le=\"+Inf\"".into();
        record.verdict = Accord::NoData;
        return record;
    };
    let ours = lengths(books, check);
    // Requests that may sit on the other side of the window.
    let off =
        if last.closed { 0.0 } else { (ours.count().saturating_sub(least) + end.most().saturating_sub(least)) as f64 };
    record.latency = Some(compared(books, check, &buckets, &ours, off));
    let said = format!("{} timed, {}", whole(last.grown), range(least, end.most()));
    if last.closed && last.grown < least as f64 {
        let missing = least - last.grown as u64;
        let cause = cause::of_counts(&signs, Excess::Fewer { value: last.grown, missing });
        (record.verdict, record.why) = (Accord::Mismatch, format!("{cause} ({said})"));
        record.residue.push(Residue::new(cause, missing));
        return record;
    }
    dominated(&mut record, timed, &signs, off);
    if record.verdict == Accord::Ok {
        ceiling(&mut record, &buckets, off);
    }
    if let (Some(ahead), Accord::Ok) = (signs.ahead, record.verdict) {
        let ahead = units::measured(std::time::Duration::from_secs_f64(ahead));
        record.why.push_str(&format!("; clock skew: the process says that it began {ahead} after we saw it"));
        record.residue.push(Residue::new(format!("the service's clock is at least {ahead} ahead of ours"), 0));
    }
    record
}

/// The buckets of some series, at the reading of that position. Bounds that not all of them have cannot be added up.
fn read(
    books: &Books<'_>,
    pages: &[&super::page::Page<'_>],
    series: &[&Series],
    at: usize,
    unit: TimeUnit,
) -> Option<Buckets> {
    let all = named(series, "_bucket");
    let le = |s: &Series| s.labels.get("le").parse::<f64>().ok();
    let mut bounds: Vec<f64> = all.iter().filter_map(|s| le(s)).filter(|b| !b.is_nan()).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let with = |bound: f64| all.iter().filter(|s| le(s) == Some(bound)).copied().collect::<Vec<&Series>>();
    let infinite = with(f64::INFINITY).len();
    bounds.retain(|bound| with(*bound).len() == infinite);
    if bounds.last() != Some(&f64::INFINITY) {
        return None;
    }
    let grown = |series: &[&Series]| books.readings(pages, series).get(at).map(|r| r.grown);
    let seconds = |value: f64| value * unit.nanos() / 1e9;
    let bounds =
        bounds.into_iter().map(|bound| Some((seconds(bound), grown(&with(bound))?))).collect::<Option<Vec<_>>>()?;
    let sum = named(series, "_sum");
    Some(Buckets { bounds, sum: (!sum.is_empty()).then(|| grown(&sum).map(seconds)).flatten() })
}

/// How long the exchanges of some requests took, from the first byte sent to the last received.
fn lengths(books: &Books<'_>, check: &Check) -> Tally {
    let names: Vec<&str> = check.of.iter().map(|t| books.scenario.traffic[*t].name.as_str()).collect();
    let log = &books.evidence.latency;
    let wanted: Vec<bool> = log
        .tags
        .iter()
        .map(|tag| {
            let answered = matches!(
                tag.outcome,
                reply::Outcome::Ok | reply::Outcome::Rejected | reply::Outcome::Invalid | reply::Outcome::Failed
            );
            tag.timing == Timing::Service
                && answered
                && names.contains(&tag.traffic.as_str())
                && check.subset.class.as_ref().is_none_or(|class| tag.class.as_ref() == Some(class))
        })
        .collect();
    let ours = log.intervals.iter().filter(|interval| wanted[interval.tag]);
    ours.flat_map(|interval| interval.cells.iter().copied()).collect()
}

fn compared(books: &Books<'_>, check: &Check, buckets: &Buckets, ours: &Tally, off: f64) -> LatencyRecord {
    let all = buckets.all().max(1.0);
    let total = ours.count().max(1) as f64;
    let finite = buckets.bounds.iter().filter(|(bound, _)| bound.is_finite());
    let bounds = finite.map(|(bound, count)| {
        let nanos = (bound * 1e9).round() as u64;
        let within = |limit: u64| ours.cells().take_while(|(top, _)| *top <= limit).map(|(_, n)| n).sum::<u64>();
        let most =
            ours.cells().take_while(|(top, _)| *top <= nanos + nanos / 500 + RESOLUTION).map(|(_, n)| n).sum::<u64>();
        BoundRecord {
            bound: *bound,
            client: within(nanos.saturating_sub(RESOLUTION)),
            server: count.round() as u64,
            gap: (count / all - most as f64 / total).max(0.0),
        }
    });
    let mean = |sum: f64, count: f64| (count > 0.0).then_some(sum / count);
    let client_sum: f64 =
        ours.cells().map(|(top, n)| crate::evidence::tally::middle(top) as f64 / 1e9 * n as f64).sum();
    LatencyRecord {
        bounds: bounds.collect(),
        server_mean: buckets.sum.and_then(|sum| mean(sum, buckets.all())),
        client_mean: mean(client_sum, ours.count() as f64),
        quantiles: QUANTILES
            .iter()
            .map(|q| {
                let (low, high) = buckets.quantile(*q, off);
                let client = ours.quantile(*q).map(|length| length.as_secs_f64());
                QuantileRecord { quantile: *q, client, low, high: high.is_finite().then_some(high) }
            })
            .collect(),
        promises: promises(books, check, buckets, off),
    }
}

/// The client's promises on the same requests, as the histogram alone would decide them.
fn promises(books: &Books<'_>, check: &Check, buckets: &Buckets, off: f64) -> Vec<PromiseRecord> {
    let one = |promise: &crate::scenario::Promise| {
        let Claim::Client(claim) = &promise.claim else { return None };
        let Measure::Quantile(q) = claim.measure else { return None };
        let traffic = &books.scenario.traffic[claim.traffic];
        let class = claim.class.map(|c| traffic.classes[c].name.as_str());
        let same = check.of == [claim.traffic] && class == check.subset.class.as_deref();
        if !same || promise.window != Window::Measured || claim.filter != Filter::All || promise.each.is_some() {
            return None;
        }
        let (low, high) = buckets.quantile(q.fraction(), off);
        let within = Bracket { labels: Labels::default(), low, high, scale: 1.0 };
        let bound = claim.bound as f64 / 1e9;
        let (verdict, why) = match bucket::verdict(&within, claim.compare, bound) {
            Verdict::Pass => ("kept", format!("{q} in the bucket {}", bucket::words(&within))),
            Verdict::Fail => ("broken", format!("{q} in the bucket {}", bucket::words(&within))),
            Verdict::Inconclusive | Verdict::Invalid => {
                let missing = bucket::missing(&within, bound);
                ("undecidable", format!("{q} in the bucket {}: add a bucket at {missing} s", bucket::words(&within)))
            }
        };
        Some(PromiseRecord { promise: promise.text.clone(), verdict, why })
    };
    books.scenario.promises.iter().filter_map(one).collect()
}

/// Holds each bound against the law.
fn dominated(record: &mut Record, timed: &Timed<'_>, signs: &Signs, off: f64) {
    let Some(latency) = &record.latency else { return };
    let over = |b: &&BoundRecord| b.client as f64 > b.server as f64 + off;
    let worst = latency.bounds.iter().filter(over).max_by_key(|b| b.client - b.server);
    let value = whole(record.value.unwrap_or_default());
    if let Some(worst) = worst {
        let broken = latency.bounds.iter().filter(over).count() as u64;
        let cause = cause::of_latency(signs, timed.unit, latency.server_mean, latency.client_mean);
        let bound = units::measured(std::time::Duration::from_secs_f64(worst.bound));
        let why = format!(
            "{cause}: {} exchanges were over within {bound} as we saw them, and the service says so of {} only ({} of {} broken)",
            text::thousands(worst.client),
            text::thousands(worst.server),
            text::thousands(broken),
            text::count(latency.bounds.len() as u64, "bound")
        );
        let count = worst.client - worst.server;
        (record.verdict, record.why) = (Accord::Mismatch, why);
        record.residue.push(Residue::new(cause, count));
        return;
    }
    let widest = latency.bounds.iter().max_by(|a, b| a.gap.total_cmp(&b.gap));
    let gap = widest.map_or(0.0, |b| b.gap);
    let bound = widest.map_or(String::new(), |b| units::measured(std::time::Duration::from_secs_f64(b.bound)));
    if timed.gap.is_some_and(|limit| gap > limit.fraction()) && off == 0.0 {
        let cause = format!("{} pushed over {bound} outside the service", units::percent(gap));
        record.residue.push(Residue::new(cause.clone(), (gap * record.value.unwrap_or_default()) as u64));
        (record.verdict, record.why) = (Accord::Mismatch, format!("{cause}, more than `gap` allows"));
        return;
    }
    let pushed = match gap > 0.0 {
        true => format!("; at most {} pushed over {bound} outside the service", units::percent(gap)),
        false => String::new(),
    };
    record.why = format!("{value} timed, none longer than the whole exchange{pushed}");
}

/// A quantile beyond the last bound cannot be read: whatever PromQL answers is the last bound.
fn ceiling(record: &mut Record, buckets: &Buckets, off: f64) {
    let Some((last, below)) = buckets.bounds.iter().rev().nth(1) else { return };
    let (_, high) = buckets.quantile(0.99, off);
    // While the books are open its rank may lie beyond all that were timed: no bucket is to blame for that.
    if high.is_finite() || buckets.all() < 100.0 || *below >= buckets.all() {
        return;
    }
    let beyond = buckets.all() - below;
    let slowest = record.latency.as_ref().and_then(|l| l.quantiles.last().and_then(|q| q.client));
    let add = slowest.map_or(String::new(), |s| {
        format!(": add buckets up to {}", units::measured(std::time::Duration::from_secs_f64(s)))
    });
    let bound = units::measured(std::time::Duration::from_secs_f64(*last));
    let share = units::percent(beyond / buckets.all().max(1.0));
    record.verdict = Accord::Undecided;
    record.why = format!(
        "bucket ceiling too low: {share} took longer than {bound}, the last bound, and p99 cannot be read{add}"
    );
    record.residue.push(Residue::new("bucket ceiling too low", beyond.round() as u64));
}

/// The record of a summary: its quantiles beside ours. It is over a sliding window of its own and decides nothing.
pub fn summary(books: &Books<'_>, check: &Check, series: &[&Series], unit: TimeUnit) -> Record {
    let pages = books.pages_of(series);
    let mut record = books.blank(check, "all");
    let ours = lengths(books, check);
    let mut quantiles = Vec::new();
    for one in series {
        let (Ok(quantile), Some(page)) =
            (one.labels.get("quantile").parse::<f64>(), pages.iter().find(|p| p.job == one.labels.get("job")))
        else {
            continue;
        };
        let last = page.values(one).into_iter().rev().flatten().find(|v| !v.is_nan());
        if let Some(value) = last {
            let low = value * unit.nanos() / 1e9;
            let client = ours.quantile(quantile).map(|length| length.as_secs_f64());
            quantiles.push(QuantileRecord { quantile, client, low, high: Some(low) });
        }
    }
    quantiles.sort_by(|a, b| a.quantile.total_cmp(&b.quantile));
    if quantiles.is_empty() {
        (record.verdict, record.why) = (Accord::NoData, "no quantile of it is on the pages".into());
        return record;
    }
    let longest = ours.max().map_or(0.0, |length| length.as_secs_f64());
    let beyond = quantiles.iter().filter(|q| q.low > longest).count();
    let seconds = |s: f64| units::measured(std::time::Duration::from_secs_f64(s.max(0.0)));
    let said: Vec<String> = quantiles
        .iter()
        .map(|q| format!("p{} {} (ours {})", q.quantile * 100.0, seconds(q.low), q.client.map_or("–".into(), seconds)))
        .collect();
    record.why = format!("{}: over a sliding window, for orientation only", said.join(", "));
    if beyond > 0 && longest > 0.0 {
        record.verdict = Accord::Undecided;
        record.why = format!("longer than our longest exchange of {}: {}", seconds(longest), record.why);
    }
    record.client.received = ours.count();
    record.latency = Some(LatencyRecord {
        bounds: Vec::new(),
        server_mean: None,
        client_mean: None,
        quantiles,
        promises: Vec::new(),
    });
    record
}
