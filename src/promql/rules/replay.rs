//! Evaluates groups of rules at their ticks over samples that are there already.
//!
//! Groups tick at fixed phases. Where two tick at the same instant, they do so in the order in which they are given; a
//! rule sees what rules before it recorded at the same instant. What rules record hides series of the same labels.

use std::collections::BTreeSet;

use super::alerting::{Alerting, Tick};
use super::group::{Group, Kind, Rule};
use super::outcome::{Outcome, Replayed};
use super::recorded::{Id, Recorded};
use crate::base::series::Labels;
use crate::promql::{self, Element, Expr, MatchOp, Options, Standing, Storage, Value};

/// What a replay depends on besides rules and samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Nothing is evaluated before; in milliseconds on the axis of the samples.
    pub start_ms: i64,
    /// Nothing is evaluated after.
    pub end_ms: i64,
    /// From one tick to the next, for groups that say nothing.
    pub interval_ms: i64,
    /// Ticks are at whole intervals before and after this instant, each group's moved by what `late_ms` says.
    pub origin_ms: i64,
    /// By how much each group is late, in the order of the groups; those that are not here are not. A server moves each by a
    /// hash of its name.
    pub late_ms: Vec<i64>,
    /// Whether all groups tick at `interval_ms`, whatever they say; that is what unit tests of promtool do.
    pub one_interval: bool,
    /// How expressions are evaluated.
    pub options: Options,
    /// What templates know as `$externalLabels`.
    pub external_labels: Labels,
    /// What templates know as `$externalURL`.
    pub external_url: String,
}

impl Setup {
    /// A replay from one instant to another as Prometheus does it by default: an interval of a minute, no phase.
    pub fn new(start_ms: i64, end_ms: i64) -> Setup {
        Setup {
            start_ms,
            end_ms,
            interval_ms: 60_000,
            origin_ms: 0,
            late_ms: Vec::new(),
            one_interval: false,
            options: Options::default(),
            external_labels: Labels::default(),
            external_url: String::new(),
        }
    }
}

/// What becomes of the rules of these groups over these samples.
pub fn replay(groups: &[Group], storage: &Storage<'_>, setup: &Setup) -> Replayed {
    let mut replay = Replay::new(groups, storage, setup);
    replay.run_until(setup.end_ms);
    replay.finish()
}

/// A replay that goes step by step, for what [`replay`] does not keep.
pub struct Replay<'g, 'a> {
    groups: &'g [Group],
    storage: &'g Storage<'a>,
    setup: &'g Setup,
    /// The next tick of each group.
    next: Vec<i64>,
    /// One for each rule, group by group.
    rules: Vec<Running<'g, 'a>>,
    recorded: Recorded,
}

struct Running<'g, 'a> {
    rule: &'g Rule,
    source: Source<'g, 'a>,
    alerting: Alerting,
    /// What a recording rule wrote in the evaluation before.
    written: Vec<Id>,
    outcome: Outcome,
}

/// What a rule reads.
enum Source<'g, 'a> {
    /// Samples that were there already.
    Given(Standing<'g, 'a>),
    /// Also what rules record.
    Recorded,
}

impl<'g, 'a> Replay<'g, 'a> {
    /// Before the first tick.
    pub fn new(groups: &'g [Group], storage: &'g Storage<'a>, setup: &'g Setup) -> Replay<'g, 'a> {
        let made = made_by(groups);
        let mut rules = Vec::new();
        for (g, group) in groups.iter().enumerate() {
            for (r, rule) in group.rules.iter().enumerate() {
                let source = match reads(&rule.expr, &made) {
                    true => Source::Recorded,
                    false => Source::Given(Standing::new(&rule.expr, storage, &setup.options)),
                };
                let outcome = Outcome { group: g, rule: r, ..Outcome::default() };
                rules.push(Running { rule, source, alerting: Alerting::default(), written: Vec::new(), outcome });
            }
        }
        let mut replay = Replay { groups, storage, setup, next: Vec::new(), rules, recorded: Recorded::default() };
        let first = |(g, group)| first_tick(setup, replay.interval(group), setup.late_ms.get(g).copied());
        replay.next = groups.iter().enumerate().map(first).collect();
        replay
    }

    fn interval(&self, group: &Group) -> i64 {
        let own = group.interval_ms.filter(|_| !self.setup.one_interval);
        own.unwrap_or(self.setup.interval_ms).max(1)
    }

    /// Does every tick up to an instant, that one included.
    pub fn run_until(&mut self, until: i64) {
        while let Some(at) = self.next.iter().copied().min().filter(|at| *at <= until) {
            let mut rule = 0;
            for (g, group) in self.groups.iter().enumerate() {
                if self.next[g] == at {
                    for r in 0..group.rules.len() {
                        self.evaluate(rule + r, group, at);
                    }
                    self.next[g] = at.saturating_add(self.interval(group));
                    if self.next[g] == at {
                        return;
                    }
                }
                rule += group.rules.len();
            }
        }
    }

    fn evaluate(&mut self, rule: usize, group: &Group, at: i64) {
        let looked_at = at.saturating_sub(group.query_offset_ms.unwrap_or_default());
        let Replay { storage, setup, recorded, .. } = self;
        let running = &mut self.rules[rule];
        running.outcome.ticks += 1;
        let value = match &mut running.source {
            Source::Given(standing) => standing.at(looked_at),
            Source::Recorded => {
                let storage = Storage::over(storage, recorded.series());
                promql::evaluate(&running.rule.expr, &storage, looked_at, &setup.options)
            }
        };
        let elements = match value.map_err(|why| why.to_string()).and_then(elements) {
            Ok(elements) => elements,
            Err(why) => return running.outcome.fail(at, why),
        };
        running.outcome.empty += usize::from(elements.is_empty());
        let query = |text: &str, recorded: &Recorded| query(text, storage, recorded, at, &setup.options);
        let result = match &running.rule.kind {
            Kind::Alert(alert) => {
                let tick = Tick {
                    at,
                    written_at: looked_at,
                    limit: group.limit,
                    external_labels: &setup.external_labels,
                    external_url: &setup.external_url,
                    query: &query,
                };
                running.alerting.take(running.rule, alert, elements, &tick, recorded)
            }
            Kind::Record => running.record(elements, group.limit, looked_at, recorded),
        };
        if let Err(why) = result {
            running.outcome.fail(at, why);
        }
    }

    /// The alerts of a name that fire, with what is said of them at this instant, the one of the last tick.
    pub fn firing(&self, name: &str, at: i64) -> Vec<(Labels, Vec<(String, String)>)> {
        let query = |text: &str, recorded: &Recorded| query(text, self.storage, recorded, at, &self.setup.options);
        let tick = Tick {
            at,
            written_at: at,
            limit: 0,
            external_labels: &self.setup.external_labels,
            external_url: &self.setup.external_url,
            query: &query,
        };
        let named = self.rules.iter().filter(|running| running.rule.name == name);
        let firing = |running: &Running<'_, '_>| {
            let alert = running.rule.alert()?;
            Some(running.alerting.firing(running.rule, alert, &tick, &self.recorded))
        };
        named.filter_map(firing).flatten().collect()
    }

    /// What an expression answers, with what has been recorded so far.
    pub fn query(&self, text: &str, at: i64) -> Result<Vec<Element>, String> {
        query(text, self.storage, &self.recorded, at, &self.setup.options)
    }

    /// What went wrong so far.
    pub fn failures(&self) -> impl Iterator<Item = (&'g Rule, &super::Failure)> {
        self.rules.iter().flat_map(|running| running.outcome.failures.iter().map(|failure| (running.rule, failure)))
    }

    /// What has become of the rules.
    pub fn finish(self) -> Replayed {
        let finished = |running: Running<'_, '_>| Outcome { spells: running.alerting.spells, ..running.outcome };
        Replayed { rules: self.rules.into_iter().map(finished).collect(), series: self.recorded.into_series() }
    }
}

impl Running<'_, '_> {
    fn record(&mut self, elements: Vec<Element>, limit: usize, at: i64, recorded: &mut Recorded) -> Result<(), String> {
        let mut labelled = Vec::with_capacity(elements.len());
        let mut seen = BTreeSet::new();
        for Element { mut labels, value } in elements {
            labels.set("__name__", self.rule.name.as_str());
            for label in &self.rule.labels {
                labels.set(label.name.as_str(), label.value.text());
            }
            let id = recorded.id(&labels);
            if !seen.insert(id) {
                return Err("vector contains metrics with the same labelset after applying rule labels".into());
            }
            labelled.push((id, value));
        }
        if limit > 0 && labelled.len() > limit {
            return Err(format!("exceeded limit of {limit} with {} series", labelled.len()));
        }
        recorded.begin();
        for (id, value) in &labelled {
            recorded.write(*id, at, *value);
        }
        recorded.end(&self.written, at);
        self.written = labelled.into_iter().map(|(id, _)| id).collect();
        Ok(())
    }
}

/// The first tick of a group.
fn first_tick(setup: &Setup, interval: i64, late_ms: Option<i64>) -> i64 {
    let past = (setup.start_ms - setup.origin_ms - late_ms.unwrap_or_default()).rem_euclid(interval);
    setup.start_ms + if past == 0 { 0 } else { interval - past }
}

/// The names of all metrics that these rules make.
fn made_by(groups: &[Group]) -> BTreeSet<&str> {
    let mut made = BTreeSet::new();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        match rule.kind {
            Kind::Alert(_) => made.extend(["ALERTS", "ALERTS_FOR_STATE"]),
            Kind::Record => _ = made.insert(rule.name.as_str()),
        }
    }
    made
}

/// Whether an expression can see any of these metrics.
fn reads(expr: &Expr, made: &BTreeSet<&str>) -> bool {
    expr.selectors().iter().any(|selection| {
        let names: Vec<_> = selection.selector.matchers.iter().filter(|m| m.label == "__name__").collect();
        match names.as_slice() {
            [only] if matches!(only.op, MatchOp::Equal) => made.contains(only.value.as_str()),
            all => made.iter().any(|name| all.iter().all(|m| m.matches(name))),
        }
    })
}

fn query(
    text: &str,
    storage: &Storage<'_>,
    recorded: &Recorded,
    at: i64,
    options: &Options,
) -> Result<Vec<Element>, String> {
    let expr = promql::parse_for(text, options.semantics).map_err(|why| why.to_string())?;
    let storage = Storage::over(storage, recorded.series());
    promql::evaluate(&expr, &storage, at, options).map_err(|why| why.to_string()).and_then(elements)
}

/// A number is an element without labels.
fn elements(value: Value) -> Result<Vec<Element>, String> {
    match value {
        Value::Vector(elements) => Ok(elements),
        Value::Scalar(value) => Ok(vec![Element { labels: Labels::default(), value }]),
        Value::Matrix(_) | Value::Text(_) => Err("rule result is not a vector or scalar".into()),
    }
}
