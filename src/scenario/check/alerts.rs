//! The target's own alert rules, and promises about them, as far as they can be checked without reading the rules.

use std::time::Duration;

use super::super::alerts::{AlertClaim, Alerts, Live, Must, RuleFile, Semantics};
use super::super::claim::{Claim, Severity, Window};
use super::super::raw;
use super::super::servers::Source;
use super::super::shape::At;
use super::super::{Input, Place};
use super::Check;
use crate::base::units;

/// Prometheus's own evaluation interval, for groups that say nothing.
const INTERVAL: Duration = Duration::from_secs(60);
/// At how many phases of its interval a group is tried.
const PHASES: u32 = 5;
/// More of them tell nothing more.
const MOST_PHASES: u64 = 20;
/// Larger factors leave nothing of any rule.
const MOST_SCALE: u64 = 1000;

impl Check<'_, '_> {
    /// The rules and how they are replayed.
    pub(super) fn alerts(&mut self, raw: &raw::Root) -> Option<Alerts> {
        let written = &raw.alerts.as_ref()?.value;
        let (files, live) = self.within("rules", |c| match &written.rules.value {
            raw::Rules::Files(names) => {
                if names.is_empty() {
                    c.reader.wrong(written.rules.at, "no rule file", "name one or more: `rules: [alerts.yml]`");
                }
                (c.rule_files(names), None)
            }
            raw::Rules::Live(live) => (Vec::new(), Some(c.live_rules(live, raw))),
        });
        let source = self.alerts_source(raw, written, live.is_some());
        if let Some(interval) = written.interval.filter(|i| i.value < Duration::from_millis(1)) {
            self.reader.wrong(interval.at, "shorter than a millisecond", "write a length such as 15s");
        }
        let own = written.time_scale.map_or(Some(1), |scale| match scale.value {
            1..=MOST_SCALE => Some(scale.value as u32),
            _ => {
                let what = format!("`time_scale: {}`", scale.value);
                self.reader.wrong(scale.at, what, format!("write 1 (the rules as they are) to {MOST_SCALE}"));
                None
            }
        });
        let semantics = match written.semantics.as_ref().map(|s| (s.at, s.value.as_str())) {
            None => None,
            Some((_, "3" | "3.x")) => Some(Semantics::V3),
            Some((_, "2" | "2.x")) => Some(Semantics::V2),
            Some((at, other)) => {
                self.reader.wrong(at, format!("`semantics: {other}`"), "write 3 or 2, the version of Prometheus");
                None
            }
        };
        let phases = written.phases.map_or(PHASES, |phases| match phases.value {
            1..=MOST_PHASES => phases.value as u32,
            other => {
                self.reader.wrong(phases.at, format!("`phases: {other}`"), format!("write 1 to {MOST_PHASES}"));
                PHASES
            }
        });
        let labels = written.external_labels.iter().flat_map(|l| &l.0);
        let expected = written.expected.iter().flat_map(|e| &e.0).map(|(name, expected)| {
            let severity = match expected.value {
                raw::Expected::Off => None,
                raw::Expected::Critical => Some(Severity::Critical),
                raw::Expected::Warning => Some(Severity::Warning),
                raw::Expected::Info => Some(Severity::Info),
            };
            (name.value.clone(), severity, name.at)
        });
        Some(Alerts {
            files,
            live,
            source,
            interval: written.interval.map_or(INTERVAL, |i| i.value),
            scale: own?.saturating_mul(self.settings.time_scale.max(1)),
            semantics,
            external_labels: labels.map(|(name, value)| (name.value.clone(), value.value.clone())).collect(),
            phases,
            expected: expected.collect(),
        })
    }

    /// The rules of a server, which only the run can ask for.
    fn live_rules(&mut self, written: &raw::Live, root: &raw::Root) -> Live {
        if !written.prometheus.value {
            let remedy = "write `prometheus: true`, or a list of files: `rules: [alerts.yml]`";
            self.reader.wrong(written.prometheus.at, "`prometheus: false`: whose rules then?", remedy);
        }
        let has_server = root.observe.as_ref().is_some_and(|o| o.prometheus.is_some());
        if !has_server && !self.reader.is_broken("observe") {
            let remedy = "name the server: `observe: { prometheus: { url: http://HOST:9090 } }`";
            self.reader.wrong(
                written.prometheus.at,
                "no Prometheus server is watched, whose rules these could be",
                remedy,
            );
        }
        let named = written.groups.as_ref();
        if let Some(none) = named.filter(|groups| groups.value.is_empty()) {
            self.reader.wrong(none.at, "none of its groups", "name one or more, or leave it out for all of them");
        }
        let mut groups: Vec<(String, Place)> = Vec::new();
        for group in named.iter().flat_map(|groups| &groups.value) {
            match groups.iter().any(|(name, _)| *name == group.value) {
                true => self.reader.wrong(group.at, format!("`{}` twice", group.value), "name each group once"),
                false => groups.push((group.value.clone(), group.at)),
            }
        }
        Live { groups, place: written.place }
    }

    /// Over whose samples rules are replayed: those that the scenario says, or those that the rules are made for.
    fn alerts_source(&mut self, root: &raw::Root, written: &raw::Alerts, is_live: bool) -> Source {
        let observe = root.observe.as_ref();
        let has_jobs = observe.and_then(|o| o.jobs.as_ref()).is_some_and(|jobs| !jobs.0.is_empty());
        let has_server = observe.is_some_and(|o| o.prometheus.is_some());
        let is_whole = !self.reader.is_broken("observe");
        match written.source.as_ref().map(|s| (s.at, s.value.as_str())) {
            Some((at, "scrape")) => {
                if is_live {
                    let what = "the server's rules over our own samples, whose labels are others";
                    self.reader.wrong(at, what, "leave it out: they are replayed over the server's samples");
                } else if !has_jobs && is_whole {
                    let remedy = "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`";
                    self.reader.wrong(at, "nothing is scraped by the run itself", remedy);
                }
                Source::Scrape
            }
            Some((at, "prometheus")) => {
                if !has_server && !is_live && is_whole {
                    let remedy = "name one: `observe: { prometheus: { url: http://HOST:9090 } }`";
                    self.reader.wrong(at, "no Prometheus server is watched", remedy);
                }
                Source::Prometheus
            }
            Some((at, other)) => {
                self.reader.wrong(at, format!("`source: {other}`"), "write `source: scrape` or `source: prometheus`");
                Source::Scrape
            }
            None if is_live || (has_server && !has_jobs) => Source::Prometheus,
            None => {
                if !has_jobs && is_whole {
                    let what = "nothing is scraped, so that no rule has anything to read";
                    let remedy = "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`";
                    self.reader.wrong(written.place, what, remedy);
                }
                Source::Scrape
            }
        }
    }

    fn rule_files(&mut self, names: &[At<String>]) -> Vec<RuleFile> {
        let mut files: Vec<RuleFile> = Vec::new();
        for (i, name) in names.iter().enumerate() {
            if files.iter().any(|f| f.name == name.value) {
                self.reader.wrong(name.at, format!("`{}` twice", name.value), "name each file once");
                continue;
            }
            let text = self.within(&i.to_string(), |c| c.rule_file(name));
            files.extend(text.map(|text| RuleFile { name: name.value.clone(), text, place: name.at }));
        }
        files
    }

    fn rule_file(&mut self, name: &At<String>) -> Option<String> {
        let bytes = match (self.settings.files)(&name.value) {
            Ok(bytes) => bytes,
            Err(why) => {
                let remedy = "name a rule file beside the scenario, such as alerts.yml";
                self.reader.wrong(name.at, format!("`{}` cannot be read: {why}", name.value), remedy);
                return None;
            }
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.reader.wrong(name.at, format!("`{}` is not text", name.value), "name a YAML file of rules");
            return None;
        };
        if !self.inputs.iter().any(|i| i.name == name.value) {
            self.inputs.push(Input { name: name.value.clone(), bytes: text.clone().into_bytes() });
        }
        Some(text)
    }

    /// The claim of a promise about an alert; `None` for another promise, or after a mistake without which there is none.
    pub(super) fn alert_claim(&mut self, raw: &raw::Promise, root: &raw::Root) -> Option<Option<Claim>> {
        let fires = raw.fires_within.map(|within| (within.at, Must::Fire(within.value)));
        let resolves = raw.resolves_within.map(|within| (within.at, Must::Resolve(within.value)));
        let silent = raw.stays_silent.map(|silent| (silent.at, Must::StaySilent));
        let given: Vec<(Place, Must)> = [fires, resolves, silent].into_iter().flatten().collect();
        let labels = raw.labels.as_ref().map(|labels| labels.at);
        let Some(alert) = &raw.alert else {
            let stray = given.first().map(|(at, _)| *at).or(labels)?;
            self.reader.wrong(stray, "whose? there is no `alert` here", "add `alert: NAME`, a rule of `alerts`");
            return Some(None);
        };
        if let Some(expect) = &raw.expect {
            let remedy = "write two promises: one with `expect`, one with `alert`";
            self.reader.wrong(expect.at, "`expect` beside `alert`", remedy);
        }
        if root.alerts.is_none() && !self.reader.is_broken("alerts") {
            let remedy = "name the rule files: `alerts: { rules: [alerts.yml] }`";
            self.reader.wrong(alert.at, format!("`{}` is no alert: there are no rules", alert.value), remedy);
        }
        if let Some(silent) = raw.stays_silent.filter(|silent| !silent.value) {
            let remedy = "write `stays_silent: true`, or `fires_within` for an alert that must fire";
            self.reader.wrong(silent.at, "`stays_silent: false`", remedy);
        }
        let must = match given.as_slice() {
            [] => {
                let remedy = "add `fires_within: 60s`, `resolves_within: 60s` or `stays_silent: true`";
                self.reader.wrong(alert.at, format!("what must `{}` do?", alert.value), remedy);
                return Some(None);
            }
            [(_, must)] => *must,
            [_, (second, _), ..] => {
                self.reader.wrong(*second, "a second claim about one alert", "write one claim per promise");
                return Some(None);
            }
        };
        let labels = raw.labels.iter().flat_map(|l| &l.value.0);
        let labels = labels.map(|(name, value)| (name.value.clone(), value.value.clone())).collect();
        Some(Some(Claim::Alert(AlertClaim { alert: alert.value.clone(), labels, must, place: alert.at })))
    }

    /// Settings that do not go with a promise about an alert.
    pub(super) fn fits_alert(&mut self, claim: &AlertClaim, window: Window, raw: &raw::Promise) {
        let within = match claim.must {
            Must::Fire(within) => Some((within, raw.fires_within.map(|w| w.at), "first touch")),
            Must::Resolve(within) => Some((within, raw.resolves_within.map(|w| w.at), "end")),
            Must::StaySilent => None,
        };
        if let Some((length, Some(at), from)) = within {
            if length.is_zero() {
                self.reader.wrong(at, "no time at all", "write a length above 0");
            }
            if !matches!(window, Window::After(_)) {
                let what = format!("within {} of what?", units::duration(length));
                self.reader.wrong(at, what, format!("name the fault whose {from} counts: `after: FAULT`"));
            }
        }
        let strays = [
            raw.promql.as_ref().map(|p| (p.at, "promql")),
            raw.each.map(|e| (e.at, "each")),
            raw.steady.map(|s| (s.at, "steady")),
            raw.stable.map(|s| (s.at, "stable")),
            raw.confidence.map(|c| (c.at, "confidence")),
            raw.look_back.as_ref().map(|l| (l.at, "look_back")),
            raw.recovery.as_ref().map(|r| (r.at, "recovery")),
        ];
        for (at, key) in strays.into_iter().flatten() {
            self.reader.wrong(at, format!("`{key}` does not go with an alert"), "leave it out");
        }
    }
}

/// A promise about an alert in words.
pub(super) fn text(claim: &AlertClaim) -> String {
    match claim.must {
        Must::Fire(within) => format!("{claim} fires within {}", units::duration(within)),
        Must::Resolve(within) => format!("{claim} resolves within {}", units::duration(within)),
        Must::StaySilent => format!("{claim} stays silent"),
    }
}
