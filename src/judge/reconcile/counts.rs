//! Counters of requests: accounting with hard brackets. Whatever moment a server reads its counter at, and whether it
//! counts a request when it comes or when it goes: what was answered when the scrape was asked for has been counted, and
//! nothing has been that was not sent when the scrape was over.

use std::time::Duration;

use super::super::verdict::instant;
use super::Books;
use super::cause::{self, Signs};
use super::client::{Cell, Entry, broke, never_left, timed_out};
use super::foreign::Foreign;
use super::groups::{Group, Key, Split};
use super::page::{Course, Own, Page};
use super::settle::{Excess, Settled, lies, settle};
use super::summary::{Accord, Client, Record, Residue, Server};
use crate::base::series::Series;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::evidence::event::Scrape;
use crate::scenario::{Check, Timeouts};

/// A server has so much time to count a request after its reply has gone. Scrapes are at least twice as far apart; pages of
/// several replicas may be read sooner after one another.
const GRACE: Duration = Duration::from_millis(100);

/// How a counter is compared.
#[derive(Clone, Copy)]
pub struct Counted<'a> {
    /// How it tells requests apart.
    pub split: Split<'a>,
    /// What it does with requests that nobody waited for any more.
    pub timeouts: Timeouts,
    /// What traffic there is besides ours.
    pub foreign: Option<&'a Foreign>,
}

/// A counter summed over its pages at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// What it has grown by since the opening scrapes.
    pub grown: f64,
    /// The sum of its series.
    pub sum: f64,
    /// What was answered when this was asked for has been counted.
    pub from: &'a Scrape,
    /// What was not sent when this was over has not been counted.
    pub to: &'a Scrape,
    /// Whether one of the series fell on the way: then some growth may have been lost.
    pub fell: bool,
    /// Whether every page was read after the drain.
    pub closed: bool,
    /// What we asked of the services besides shots since the opening scrapes.
    pub own: Own,
}

/// A group of requests under comparison.
struct Claim<'c> {
    name: String,
    key: Option<&'c Key>,
    keys: &'c [Key],
    series: Vec<&'c Series>,
}

/// The records of a check on a counter.
pub fn records(books: &Books<'_>, check: &Check, selected: &[&Series], counted: Counted<'_>) -> Vec<Record> {
    let pages = books.pages_of(selected);
    let mut signs =
        Signs::read(books.scenario, &check.of, &pages, &books.evidence.manifest.services, books.falls(selected));
    let readings = books.readings(&pages, selected);
    let Some(last) = readings.last() else { return vec![books.nothing(check, selected, &pages)] };
    signs.see_saw = see_saws(books, check, &pages, selected);
    let split = counted.split;
    if let Some(label) = split.missing(selected).filter(|_| last.grown > 0.0) {
        let mut record = record(books, check, &Claim::whole(selected), &readings, &signs, counted);
        let count = last.grown.round() as u64;
        let cause = format!("label `{label}` dropped: it is on no series");
        (record.verdict, record.why) = (Accord::Mismatch, cause.clone());
        record.residue = vec![Residue::new(cause, count)];
        return vec![record];
    }
    let kin = books.kin(check);
    let groups = split.groups(selected, &kin, &last.from.at_a);
    let (ours, others): (Vec<&Group<'_>>, Vec<&Group<'_>>) = groups.iter().partition(|group| group.ours);
    let keys: Vec<Key> = ours.iter().map(|group| group.key.clone()).collect();
    let mut records = Vec::new();
    if !split.is_whole() {
        for group in &ours {
            let name = group.key.words(split.by);
            let claim = Claim { name, key: Some(&group.key), keys: &keys, series: group.series.clone() };
            let all = books.readings(&pages, &group.series);
            records.push(record(books, check, &claim, if all.is_empty() { &readings } else { &all }, &signs, counted));
        }
        shifted(&mut records);
        records.retain(|r| r.client.received > 0 || r.value.is_some_and(|v| v > 0.0) || r.verdict != Accord::Ok);
    }
    let series: Vec<&Series> = ours.iter().flat_map(|group| group.series.iter().copied()).collect();
    let readings = books.readings(&pages, &series);
    let whole = Claim { name: "all".into(), key: None, keys: &keys, series };
    let mut whole = record(books, check, &whole, &readings, &signs, counted);
    for group in others {
        let grown = books.readings(&pages, &group.series).last().map_or(0.0, |reading| reading.grown);
        if grown > 0.0 {
            whole.residue.push(Residue::new(stranger(books, &pages, &group.key.route), grown.round() as u64));
        }
    }
    records.insert(0, whole);
    records
}

/// What is counted under a path that none of ours goes to.
fn stranger(books: &Books<'_>, pages: &[&Page<'_>], route: &str) -> String {
    let of_page = |page: &&&Page<'_>| books.path_of(page.job) == Some(route);
    if pages.iter().any(|page| of_page(&page)) {
        return format!("our own scrapes of {route}");
    }
    let health = ["health", "ready", "live", "ping", "status"];
    match health.iter().any(|word| route.to_ascii_lowercase().contains(word)) {
        true => format!("health checks of {route}"),
        false => format!("requests to {}, which are not ours", if route.is_empty() { "no route" } else { route }),
    }
}

/// Whether a counter fell and, elsewhere, grew by more from one scrape to the next than can have been counted in between.
fn see_saws(books: &Books<'_>, check: &Check, pages: &[&Page<'_>], series: &[&Series]) -> bool {
    let kin = books.kin(check);
    let of = |scrape: &[crate::evidence::counters::Count]| kin.entry(scrape, &|_| true, &|_| true);
    pages.iter().any(|page| {
        let (Some(course), Some(opening)) = (page.course(series.iter().copied()), page.opening) else { return false };
        let jumps = |points: &[super::page::Point], at: usize| {
            let (before, after) = (page.scrapes[opening + at], page.scrapes[opening + at + 1]);
            let (answered, sent) = (of(&before.at_a), of(&after.at_b));
            let most = (sent.sent + sent.again).saturating_sub(answered.received + answered.others) + 2;
            points[1].sum - points[0].sum > most as f64
        };
        !course.falls.is_empty() && course.points.windows(2).enumerate().any(|(at, points)| jumps(points, at))
    })
}

/// Where some are missing and as many more than were answered stand elsewhere, they were counted under another label.
fn shifted(records: &mut [Record]) {
    let missing = |r: &Record| (r.bound[0] - r.value.unwrap_or(r.bound[0])).max(0.0);
    let over = |r: &Record| (r.value.unwrap_or(0.0) - r.bound[0]).max(0.0);
    let lacking: f64 = records.iter().map(missing).sum();
    let Some(to) = records.iter().max_by(|a, b| over(a).total_cmp(&over(b))) else { return };
    if lacking <= 0.0 || over(to) < lacking {
        return;
    }
    let from: Vec<&str> = records.iter().filter(|r| missing(r) > 0.0).map(|r| r.group.as_str()).collect();
    let cause = format!("{} counted under {}", text::list(from), to.group);
    for record in records.iter_mut().filter(|r| r.verdict == Accord::Mismatch) {
        record.why = format!("{cause}: {}", record.why);
        record.residue = vec![Residue::new(cause.clone(), lacking as u64)];
    }
}

impl<'c> Claim<'c> {
    fn whole(series: &[&'c Series]) -> Claim<'c> {
        Claim { name: "all".into(), key: None, keys: &[], series: series.to_vec() }
    }

    fn entry(
        &self,
        books: &Books<'_>,
        check: &Check,
        split: Split<'_>,
        scrape: &[crate::evidence::counters::Count],
    ) -> Entry {
        let on = |path: &str| self.key.is_none_or(|key| split.may_hold(key, path));
        let wanted = |cell: &Cell<'_>| match self.key {
            None => true,
            Some(key) => split.best(self.keys, cell).is_some_and(|best| best == key),
        };
        books.kin(check).entry(scrape, &on, &wanted)
    }
}

/// One group of requests, held against the series that count it.
fn record(
    books: &Books<'_>,
    check: &Check,
    claim: &Claim<'_>,
    readings: &[Reading<'_>],
    signs: &Signs,
    counted: Counted<'_>,
) -> Record {
    let split = counted.split;
    let bracket = |reading: &Reading<'_>| {
        let (from, to) =
            (claim.entry(books, check, split, &reading.from.at_a), claim.entry(books, check, split, &reading.to.at_b));
        (from.received, to.most())
    };
    let closed = readings.iter().find(|reading| reading.closed);
    let Some(last) = closed.or(readings.last()) else { return books.blank(check, &claim.name) };
    let end = claim.entry(books, check, split, &last.to.at_b);
    let (least, most) = bracket(last);
    let kin = books.kin(check);
    let mut record = Record {
        group: claim.name.clone(),
        window: Span { start: readings[0].opened(books), end: last.to.b },
        closed: closed.is_some(),
        client: Client {
            sent: end.sent,
            received: end.received,
            failed: kin.outcomes(books.evidence, never_left),
            unknown: end.unknown(),
        },
        server: Server {
            first: last.sum - last.grown,
            last: last.sum,
            resets: u64::from(last.fell),
            scrapes: readings.len() as u64 + 1,
            missed: books.pages_of(&claim.series).iter().map(|page| page.missed).sum(),
        },
        bound: [least as f64, most as f64],
        value: Some(last.grown),
        verdict: Accord::Ok,
        why: String::new(),
        residue: Vec::new(),
        latency: None,
    };
    if last.fell {
        // What a fall lost is not known; what is left is a lower bound.
        record.server.first = last.sum - last.grown.min(last.sum);
    }
    record.server.resets = books.falls(&claim.series);
    if end.again > 0 {
        record.residue.push(Residue::new("written again to a new connection", end.again));
    }
    if record.client.failed > 0 {
        record.residue.push(Residue::new("never sent: no connection", record.client.failed));
    }
    let broken = kin.outcomes(books.evidence, broke).min(end.unknown());
    if claim.key.is_none() && broken > 0 {
        record.residue.push(Residue::new("broke off before the reply was complete", broken));
    }
    let takes_scrapes = split.by.route.is_none()
        && check.subset.route.is_none()
        && check.subset.class.is_none()
        && check.subset.status.is_none_or(|s| s.contains(200))
        && claim.key.is_none_or(|key| crate::scenario::Statuses::parse(&key.status).is_none_or(|s| s.contains(200)));
    let may_add = |reading: &Reading<'_>| {
        let own = if takes_scrapes { reading.own.scrapes[1] + reading.own.probes[1] } else { 0 };
        own as f64
            + counted
                .foreign
                .map_or(0.0, |foreign| foreign.most(reading.to.b.since(readings[0].opened(books)).as_secs_f64()))
    };
    if signs.several() {
        (record.verdict, record.why) = (Accord::Mismatch, format!("{}: what a page says is a part", cause::SEVERAL));
        record.residue.push(Residue::new(cause::SEVERAL, (record.bound[0] - last.grown).max(0.0) as u64));
        return record;
    }
    let restarted = signs.restarted();
    let settled = (closed.is_some() && !last.fell && restarted.is_none()).then(|| {
        let timed_out = timeouts(books, check, claim, &end);
        settle(record.clone(), signs, counted, last, &Settled { least, most, takes_scrapes, timed_out, broken })
    });
    if let Some(settled) = settled.as_ref().filter(|settled| settled.verdict == Accord::Mismatch) {
        return settled.clone();
    }
    // Open windows: what one scrape proves, no other can take back.
    for (nth, reading) in readings.iter().enumerate() {
        let (least, most) = bracket(reading);
        let at = instant(reading.to.b);
        if reading.grown > most as f64 + may_add(reading) {
            let excess = Excess::More { value: reading.grown, least: least as f64, most: most as f64 };
            if !reading.closed {
                return lies(
                    record,
                    signs,
                    excess,
                    &format!("at {at} {} counted, {} sent", whole(reading.grown), text::thousands(most)),
                );
            }
        }
        // A server may count after its reply has gone. What was answered by a scrape well before this one it must have
        // counted.
        let before = readings[..nth].iter().rev().find(|before| before.to.b + GRACE <= reading.from.a);
        let settled = before.map_or(0, |before| claim.entry(books, check, split, &before.to.at_b).received);
        let settled = settled.min(least);
        if !reading.fell && !reading.closed && reading.grown < settled as f64 {
            let missing = settled - reading.grown as u64;
            let excess = Excess::Fewer { value: reading.grown, missing };
            let said = format!(
                "at {at} {} counted, {} answered by an earlier scrape",
                whole(reading.grown),
                text::thousands(settled)
            );
            return lies(record, signs, excess, &said);
        }
    }
    if last.fell || restarted.is_some() {
        let resets = record.server.resets;
        let why = restarted.unwrap_or_else(|| {
            format!("counter reset: it fell {} and its process is the same", text::count(resets, "time"))
        });
        record.residue.push(Residue::new(why.clone(), resets));
        (record.verdict, record.why) = (Accord::Undecided, format!("{why}; what was counted before is lost"));
        return record;
    }
    if closed.is_none() {
        let width = text::thousands(most.saturating_sub(least));
        let why = format!(
            "{} within {}, but {width} were under way when it was read: {}",
            whole(last.grown),
            range(least, most),
            books.why_open(claim.series.as_slice())
        );
        (record.verdict, record.why) = (Accord::Undecided, why);
        return record;
    }
    settled.unwrap_or(record)
}

/// How many of a group's requests nobody waited for any more; none where the group is only a part of them.
fn timeouts(books: &Books<'_>, check: &Check, claim: &Claim<'_>, end: &Entry) -> u64 {
    let part = claim.key.is_some() || check.subset.class.is_some() || check.subset.status.is_some();
    if part { 0 } else { books.kin(check).outcomes(books.evidence, timed_out).min(end.unknown()) }
}

impl Reading<'_> {
    fn opened(&self, books: &Books<'_>) -> Offset {
        books.opened.unwrap_or(Offset::ZERO)
    }
}

/// A count as people read it.
pub fn whole(value: f64) -> String {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) { text::thousands(value as u64) } else { value.to_string() }
}

/// `200 answered`, or between which two numbers.
pub fn range(least: u64, most: u64) -> String {
    match least == most {
        true => format!("{} answered", text::thousands(least)),
        false => format!("{} answered to {} sent", text::thousands(least), text::thousands(most)),
    }
}

/// The course of some series over one page, for whoever sums them up.
pub fn course(page: &Page<'_>, series: &[&Series]) -> Option<Course> {
    page.course(series.iter().copied())
}
