//! The rules of a scenario, read and made as fast as the run: what alerts there are, what each reads, and how long it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::text;
use crate::promql::rules::{Group, Kind, Rule, file};
use crate::promql::{self, Expr, Selector};
use crate::scenario::{Alerts, Live, Mistake, Place};

/// Series that the evaluation of alerts itself writes.
const WRITTEN: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

/// The rules of a scenario.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// As they are evaluated: lengths divided by the scale, each with its interval.
    pub groups: Vec<Group>,
    /// The alerts, in the order of the files.
    pub alerts: Vec<Alert>,
    /// What recording rules record, and from what.
    pub recorded: BTreeMap<String, Vec<Expr>>,
    /// What is wrong with the files: the file, where the scenario names it, and the mistake in it.
    pub mistakes: Vec<(String, Place, Mistake)>,
}

/// One alert of the rules. All lengths are as evaluated.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Its file, and the line in it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// The position of its group in [`Book::groups`].
    pub group: usize,
    /// The position of its rule in its group.
    pub rule: usize,
    /// What is evaluated.
    pub expr: Expr,
    /// What it reads: its own expression, and those of the recording rules behind it.
    pub reads: Vec<Expr>,
    /// `for`
    pub hold: Duration,
    /// `keep_firing_for`
    pub keep: Duration,
    /// From one evaluation to the next.
    pub interval: Duration,
    /// How far back it reads: ranges, subqueries and offsets, through recorded series.
    pub reach: Duration,
    /// Whether what it compares is a ratio or a quantile, in which a range cancels out.
    pub relative: bool,
    /// Its labels, as the file has them.
    pub labels: Vec<(String, String)>,
}

impl Book {
    /// Reads the files.
    pub fn read(alerts: &Alerts) -> Book {
        let mut book = Book::default();
        book.mistakes.extend(alerts.live.as_ref().filter(|_| !alerts.are_known()).map(untold));
        for named in &alerts.files {
            let (mut groups, mistakes) = file::read(&named.name, &named.text);
            book.mistakes.extend(mistakes.into_iter().map(|m| (named.name.clone(), named.place, m)));
            if let Some(live) = &alerts.live {
                book.mistakes.extend(missing(live, &groups).into_iter().map(|(at, m)| (named.name.clone(), at, m)));
                groups
                    .retain(|group| live.groups.is_empty() || live.groups.iter().any(|(name, _)| *name == group.name));
            }
            for mut group in groups {
                if let Err((at, what)) = scale(&mut group, alerts) {
                    let mistake =
                        Mistake { at, path: String::new(), what, remedy: "write a smaller `time_scale`".into() };
                    book.mistakes.push((named.name.clone(), named.place, mistake));
                }
                book.groups.push(group);
            }
        }
        let rules = || {
            book.groups
                .iter()
                .enumerate()
                .flat_map(|(g, group)| group.rules.iter().enumerate().map(move |(r, rule)| (g, r, rule)))
        };
        let mut recorded: BTreeMap<String, Vec<Expr>> = BTreeMap::new();
        for (_, _, rule) in rules().filter(|(_, _, rule)| matches!(rule.kind, Kind::Record)) {
            recorded.entry(rule.name.clone()).or_default().push(rule.expr.clone());
        }
        let found =
            rules().filter_map(|(g, r, rule)| Some(alert(&book.groups[g], (g, r), rule, rule.alert()?, &recorded)));
        let found: Vec<Alert> = found.collect();
        (book.alerts, book.recorded) = (found, recorded);
        book
    }

    /// The alerts of a name, by their positions.
    pub fn named(&self, name: &str) -> Vec<usize> {
        self.alerts.iter().enumerate().filter(|(_, alert)| alert.name == name).map(|(i, _)| i).collect()
    }
}

impl Alert {
    /// The label `severity`; empty without one.
    pub fn severity(&self) -> &str {
        self.labels.iter().find(|(name, _)| name == "severity").map_or("", |(_, value)| value)
    }

    /// How long it takes at the longest from the moment that its condition is true at the target until it fires, whatever its
    /// range holds: a scrape, an evaluation, and `for` in whole evaluations.
    pub fn least(&self, scrape: Duration) -> Duration {
        let evaluations = self.hold.as_nanos().div_ceil(self.interval.as_nanos().max(1));
        let hold = Duration::from_nanos(u64::try_from(evaluations * self.interval.as_nanos()).unwrap_or(u64::MAX));
        scrape.saturating_add(self.interval).saturating_add(hold)
    }

    /// The same, where its range must be full of what is wrong first. In a ratio or a quantile it need not be.
    pub fn needed(&self, scrape: Duration) -> Duration {
        if self.relative { self.least(scrape) } else { self.least(scrape).saturating_add(self.reach) }
    }

    /// So long after a fault's end it may still fire because of it: until the last scrape of it has left the longest range,
    /// and what is on its way then has come to `for` and `keep_firing_for`.
    pub fn settling(&self, scrape: Duration) -> Duration {
        self.least(scrape).saturating_add(self.reach).saturating_add(self.keep)
    }
}

/// That a server's rules are not known.
fn untold(live: &Live) -> (String, Place, Mistake) {
    let what = "the rules of the Prometheus server were never told: the run did not come so far";
    let mistake = Mistake { at: live.place, path: String::new(), what: what.into(), remedy: "run it again".into() };
    ("/api/v1/rules".into(), live.place, mistake)
}

/// The groups that a server does not have.
fn missing(live: &Live, groups: &[Group]) -> Vec<(Place, Mistake)> {
    let known = || groups.iter().map(|group| group.name.as_str());
    let of = |(name, place): &(String, Place)| {
        let what = format!("the server has no group `{name}`");
        let remedy = text::suggest(name, known().collect::<Vec<_>>());
        let mistake = Mistake { at: Place::default(), path: String::new(), what, remedy };
        (!known().any(|group| group == name)).then_some((*place, mistake))
    };
    live.groups.iter().filter_map(of).collect()
}

/// Divides every length of a group by the scale.
fn scale(group: &mut Group, alerts: &Alerts) -> Result<(), (Place, String)> {
    let by = i64::from(alerts.scale.max(1));
    let scaled = |ms: i64| if ms == 0 { 0 } else { ((ms + by / 2) / by).max(1) };
    let interval = group.interval_ms.unwrap_or(i64::try_from(alerts.interval.as_millis()).unwrap_or(i64::MAX));
    group.interval_ms = Some(scaled(interval));
    group.query_offset_ms = group.query_offset_ms.map(scaled);
    for rule in &mut group.rules {
        if let Kind::Alert(alert) = &mut rule.kind {
            (alert.for_ms, alert.keep_firing_for_ms) = (scaled(alert.for_ms), scaled(alert.keep_firing_for_ms));
        }
        if by > 1 {
            let text = promql::scaled(rule.expr.text(), alerts.scale);
            rule.expr = text.and_then(|text| promql::parse(&text)).map_err(|why| (rule.expr_at, why.to_string()))?;
        }
    }
    Ok(())
}

fn alert(
    group: &Group,
    (g, r): (usize, usize),
    rule: &Rule,
    alert: &promql::rules::Alert,
    recorded: &BTreeMap<String, Vec<Expr>>,
) -> Alert {
    let length = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let offset = length(group.query_offset_ms.unwrap_or_default());
    let mut reads = vec![rule.expr.clone()];
    let reach = reach(&rule.expr, recorded, &mut BTreeSet::new(), &mut reads);
    Alert {
        name: rule.name.clone(),
        file: group.file.clone(),
        line: rule.at.line,
        group: g,
        rule: r,
        expr: rule.expr.clone(),
        hold: length(alert.for_ms),
        keep: length(alert.keep_firing_for_ms),
        interval: length(group.interval_ms.unwrap_or(60_000)),
        relative: reads.iter().any(Expr::is_relative),
        reach: reach.saturating_add(offset),
        reads,
        labels: rule.labels.iter().map(|l| (l.name.clone(), l.value.text().to_owned())).collect(),
    }
}

/// How far back an expression reads, with what is behind recorded series; notes the expressions behind them.
fn reach(
    expr: &Expr,
    recorded: &BTreeMap<String, Vec<Expr>>,
    seen: &mut BTreeSet<String>,
    reads: &mut Vec<Expr>,
) -> Duration {
    let own = Duration::from_millis(expr.reach().back_ms.unsigned_abs());
    let behind = metrics(expr).into_iter().filter_map(|name| {
        let exprs = recorded.get(&name).filter(|_| seen.insert(name.clone()))?;
        reads.extend(exprs.iter().cloned());
        exprs.iter().map(|expr| reach(expr, recorded, seen, reads)).max()
    });
    own.saturating_add(behind.max().unwrap_or_default())
}

fn metrics(expr: &Expr) -> Vec<String> {
    expr.selectors().iter().filter_map(|s| s.selector.metric()).map(str::to_owned).collect()
}

/// Whether a selector asks for series that rules write.
pub fn is_written(selector: &Selector, book: &Book) -> bool {
    selector.metric().is_some_and(|name| WRITTEN.contains(&name) || book.recorded.contains_key(name))
}
