//! One alerting rule: which of its alerts are pending and which fire, from one evaluation to the next.
//!
//! An element of the answer is an alert. It is pending from the first evaluation that finds it, and fires in the one
//! that finds it there for `for`. One that is pending and missing is forgotten; one that fires and is missing goes on
//! firing for `keep_firing_for`.

use std::collections::{BTreeMap, HashSet};

use super::group::{Alert, Rule};
use super::outcome::Spell;
use super::recorded::{Id, Recorded};
use super::template::Data;
use crate::base::series::Labels;
use crate::promql::Element;

/// The alerts of a rule.
#[derive(Debug, Default)]
pub(super) struct Alerting {
    active: BTreeMap<Labels, Active>,
    /// What was written in the evaluation before.
    written: Vec<Id>,
    pub(super) spells: Vec<Spell>,
    evaluations: u64,
}

/// An alert that is pending or fires.
#[derive(Debug)]
struct Active {
    /// Which of the spells it is.
    spell: usize,
    firing: bool,
    active_at: i64,
    keep_since: Option<i64>,
    /// What the expression last answered.
    element: Element,
    /// In which evaluation that was.
    seen: u64,
    /// What was said of it then, where that may be asked for when the element is gone.
    said: Vec<(String, String)>,
    series: [Option<Id>; 3],
}

/// How an evaluation is done.
pub(super) struct Tick<'t> {
    /// When.
    pub(super) at: i64,
    /// The time of the samples that are written.
    pub(super) written_at: i64,
    /// The most alerts; 0 for any number.
    pub(super) limit: usize,
    pub(super) external_labels: &'t Labels,
    pub(super) external_url: &'t str,
    /// What a template asks.
    pub(super) query: &'t dyn Fn(&str, &Recorded) -> Result<Vec<Element>, String>,
}

impl Alerting {
    /// Takes the answer of an evaluation. On an error nothing has changed, but that too many alerts are all forgotten.
    pub(super) fn take(
        &mut self,
        rule: &Rule,
        alert: &Alert,
        elements: Vec<Element>,
        tick: &Tick<'_>,
        recorded: &mut Recorded,
    ) -> Result<(), String> {
        let labelled: Vec<(Labels, Element)> =
            elements.into_iter().map(|element| (labels(rule, &element, tick, recorded), element)).collect();
        if labelled.len() > 1 {
            let distinct: HashSet<&Labels> = labelled.iter().map(|(labels, _)| labels).collect();
            if distinct.len() < labelled.len() {
                return Err("vector contains metrics with the same labelset after applying alert labels".into());
            }
        }
        self.evaluations += 1;
        for (labels, element) in labelled {
            self.see(labels, element, rule, alert, tick, recorded);
        }
        self.advance(rule, alert, tick, recorded);
        if tick.limit > 0 && self.active.len() > tick.limit {
            let count = self.active.len();
            self.end_all(tick.at);
            return Err(format!("exceeded limit of {} with {count} alerts", tick.limit));
        }
        self.write(tick, recorded);
        Ok(())
    }

    fn see(
        &mut self,
        labels: Labels,
        element: Element,
        rule: &Rule,
        alert: &Alert,
        tick: &Tick<'_>,
        recorded: &Recorded,
    ) {
        let seen = self.evaluations;
        match self.active.get_mut(&labels) {
            Some(active) => {
                if alert.keep_firing_for_ms > 0 {
                    active.said = annotations(rule, alert, &element, tick, recorded);
                }
                active.element = element;
                active.seen = seen;
                active.keep_since = None;
            }
            None => {
                let annotations = annotations(rule, alert, &element, tick, recorded);
                let value = element.value;
                let said = annotations.clone();
                self.spells.push(Spell { annotations, value, ..Spell::pending(labels.clone(), tick.at) });
                let spell = self.spells.len() - 1;
                let active_at = tick.at;
                let fresh = Active {
                    spell,
                    firing: false,
                    active_at,
                    keep_since: None,
                    element,
                    seen,
                    said,
                    series: [None; 3],
                };
                self.active.insert(labels, fresh);
            }
        }
    }

    fn advance(&mut self, rule: &Rule, alert: &Alert, tick: &Tick<'_>, recorded: &Recorded) {
        let (now, spells) = (self.evaluations, &mut self.spells);
        self.active.retain(|_, active| {
            if active.seen == now {
                if !active.firing && tick.at - active.active_at >= alert.for_ms {
                    active.firing = true;
                    let spell = &mut spells[active.spell];
                    if spell.pending_at != tick.at {
                        spell.annotations = annotations(rule, alert, &active.element, tick, recorded);
                    }
                    spell.value = active.element.value;
                    spell.fired_at = Some(tick.at);
                }
                return true;
            }
            let since = *active.keep_since.get_or_insert(tick.at);
            let kept = active.firing && tick.at - since < alert.keep_firing_for_ms;
            if !kept {
                spells[active.spell].ended_at = Some(tick.at);
            }
            kept
        });
    }

    fn end_all(&mut self, at: i64) {
        for active in std::mem::take(&mut self.active).into_values() {
            self.spells[active.spell].ended_at = Some(at);
        }
    }

    fn write(&mut self, tick: &Tick<'_>, recorded: &mut Recorded) {
        recorded.begin();
        let mut written = Vec::with_capacity(self.active.len() * 2);
        for (labels, active) in &mut self.active {
            let mut write = |place: usize, name: &str, state: &str, value: f64| {
                let id = *active.series[place].get_or_insert_with(|| {
                    let mut labels = labels.clone();
                    labels.set("__name__", name);
                    labels.set("alertstate", state);
                    recorded.id(&labels)
                });
                recorded.write(id, tick.written_at, value);
                written.push(id);
            };
            match active.firing {
                false => write(0, "ALERTS", "pending", 1.0),
                true => write(1, "ALERTS", "firing", 1.0),
            }
            write(2, "ALERTS_FOR_STATE", "", active.active_at.div_euclid(1_000) as f64);
        }
        recorded.end(&self.written, tick.written_at);
        self.written = written;
    }

    /// The alerts that fire, with what is said of them now.
    pub(super) fn firing(
        &self,
        rule: &Rule,
        alert: &Alert,
        tick: &Tick<'_>,
        recorded: &Recorded,
    ) -> Vec<(Labels, Vec<(String, String)>)> {
        let firing = self.active.iter().filter(|(_, active)| active.firing);
        let said = |active: &Active| match alert.keep_firing_for_ms > 0 {
            true => active.said.clone(),
            false => annotations(rule, alert, &active.element, tick, recorded),
        };
        firing.map(|(labels, active)| (labels.clone(), said(active))).collect()
    }
}

fn labels(rule: &Rule, element: &Element, tick: &Tick<'_>, recorded: &Recorded) -> Labels {
    let mut labels = element.labels.clone();
    labels.remove("__name__");
    for label in &rule.labels {
        let value = match label.value.is_constant() {
            true => label.value.text().to_owned(),
            false => with_data(element, tick, recorded, |data| label.value.expand(&rule.name, data)),
        };
        labels.set(label.name.as_str(), value);
    }
    labels.set("alertname", rule.name.as_str());
    labels
}

fn annotations(
    rule: &Rule,
    alert: &Alert,
    element: &Element,
    tick: &Tick<'_>,
    recorded: &Recorded,
) -> Vec<(String, String)> {
    with_data(element, tick, recorded, |data| {
        let expand = |a: &super::Label| (a.name.clone(), a.value.expand(&rule.name, data));
        alert.annotations.iter().map(expand).collect()
    })
}

fn with_data<T>(element: &Element, tick: &Tick<'_>, recorded: &Recorded, then: impl FnOnce(&Data<'_>) -> T) -> T {
    let query = |text: &str| (tick.query)(text, recorded);
    then(&Data {
        labels: &element.labels,
        external_labels: tick.external_labels,
        external_url: tick.external_url,
        value: element.value,
        query: &query,
    })
}
