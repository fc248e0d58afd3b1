//! The metrics contract: against the jobs, the faults, and the table of what can be found.

use std::time::Duration;

use super::super::claim::{Severity, Window};
use super::super::contract::{Cardinality, Contract, Probe, ScrapeLimits};
use super::super::fault::Fault;
use super::super::raw;
use super::super::shape::At;
use super::super::{Job, Place};
use super::Check;
use crate::base::metrics::{Template, rule};
use crate::base::text;

/// Labels that every series must carry, unless the scenario says otherwise.
const LABELS: [&str; 3] = ["service", "environment", "version"];
/// How often probes are asked, and how long an answer may take, unless the scenario says otherwise.
const EVERY: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(1);
/// How long a probe may take to follow, unless the scenario says otherwise.
const WITHIN: Duration = Duration::from_secs(2);
const FASTEST: Duration = Duration::from_millis(200);

impl Check<'_, '_> {
    pub(super) fn contracts(&mut self, raw: &raw::Root, jobs: &[Job], faults: &[Fault]) -> Vec<Contract> {
        let named = raw.contract.iter().flat_map(|contracts| &contracts.0);
        named.map(|(name, contract)| self.within(&name.value, |c| c.contract(name, contract, jobs, faults))).collect()
    }

    fn contract(&mut self, name: &At<String>, raw: &raw::Contract, jobs: &[Job], faults: &[Fault]) -> Contract {
        if !jobs.iter().any(|job| job.name == name.value) && !self.reader.is_broken("observe") {
            let known = jobs.iter().map(|job| job.name.as_str());
            let remedy = match jobs {
                [] => format!("add one: `observe: {{ jobs: {{ {}: {{ metrics: /metrics }} }} }}`", name.value),
                _ => text::suggest(&name.value, known),
            };
            self.reader.wrong(name.at, format!("no job is called `{}`", name.value), remedy);
        }
        Contract {
            job: name.value.clone(),
            labels: match &raw.labels {
                Some(labels) => self.within("labels", |c| c.labels(&labels.value)),
                None => LABELS.map(str::to_owned).into(),
            },
            names: self.within("names", |c| c.template(raw)),
            requires: self.within("requires", |c| c.metrics(raw.requires.as_deref())),
            moves: self.within("moves", |c| c.metrics(raw.moves.as_deref())),
            probes: self.within("probes", |c| c.probes(raw, faults)),
            cardinality: self.within("cardinality", |c| c.cardinality(raw.cardinality.as_ref())),
            scrape: self.within("scrape", |c| c.scrape_limits(raw.scrape.as_ref())),
            except: self.within("except", |c| c.exceptions(raw)),
            strict: raw.strict.is_some_and(|strict| strict.value),
            severities: raw.severity.as_ref().map(severities).unwrap_or_default(),
            place: name.at,
        }
    }

    fn labels(&mut self, labels: &[At<String>]) -> Vec<String> {
        for label in labels {
            let plain = label.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !plain || !label.value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
                let remedy = "letters, digits and _, beginning with a letter";
                self.reader.wrong(label.at, format!("`{}` is no name of a label", label.value), remedy);
            }
        }
        labels.iter().map(|label| label.value.clone()).collect()
    }

    fn template(&mut self, raw: &raw::Contract) -> Option<Template> {
        let service = raw.service.as_ref();
        let Some(names) = &raw.names else {
            if let Some(service) = service {
                let what = "`service` without `names` says nothing";
                self.reader.wrong(service.at, what, "add `names: \"{service}_{subsystem}_{name}_{unit}\"`");
            }
            return None;
        };
        match Template::new(&names.value, service.map(|s| s.value.as_str())) {
            Ok(template) => Some(template),
            Err(why) => {
                let (what, remedy) =
                    why.rsplit_once(": ").unwrap_or((&why, "write {service}_{subsystem}_{name}_{unit}"));
                self.reader.wrong(names.at, what, remedy);
                None
            }
        }
    }

    fn metrics(&mut self, metrics: Option<&[At<String>]>) -> Vec<String> {
        let metrics = metrics.unwrap_or_default();
        for metric in metrics {
            let plain = metric.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
            if metric.value.is_empty() || !plain || metric.value.starts_with(|c: char| c.is_ascii_digit()) {
                let what = format!("`{}` is no name of a metric", metric.value);
                self.reader.wrong(metric.at, what, "write the name alone, such as quote_requests_total");
            }
        }
        metrics.iter().map(|metric| metric.value.clone()).collect()
    }

    fn probes(&mut self, raw: &raw::Contract, faults: &[Fault]) -> Vec<Probe> {
        let named = raw.probes.iter().flat_map(|probes| &probes.0);
        named.map(|(path, probe)| self.within(&path.value, |c| c.probe(path, probe, faults))).collect()
    }

    fn probe(&mut self, path: &At<String>, raw: &raw::Probe, faults: &[Fault]) -> Probe {
        let mut probe = Probe {
            path: self.path(path),
            expected: Vec::new(),
            every: self.scaled(EVERY).max(FASTEST),
            timeout: TIMEOUT,
            within: WITHIN,
        };
        let map = match raw {
            raw::Probe::Always(status) => {
                probe.expected.extend(self.status(status).map(|status| (Window::Measured, status)));
                return probe;
            }
            raw::Probe::ByWindow(map) => map,
        };
        if let Some(every) = map.every {
            if every.value < FASTEST {
                self.reader.wrong(every.at, "asks more often than every 200ms", "write 200ms or more");
            }
            probe.every = self.scaled(every.value).max(FASTEST);
        }
        if let Some(timeout) = map.timeout {
            if timeout.value.is_zero() {
                self.reader.wrong(timeout.at, "a timeout of nothing", "write a length above 0");
            }
            probe.timeout = timeout.value;
        }
        probe.within = map.within.map_or(WITHIN, |within| within.value);
        if let Some(status) = &map.outside {
            probe.expected.extend(self.status(status).map(|status| (Window::Outside, status)));
        }
        for (name, status) in map.during.iter().flat_map(|during| &during.0) {
            let status = self.within("during", |c| c.status(status));
            let Some(position) = self.fault_named(name, faults) else { continue };
            // It must have time to follow, and to be asked then.
            let fault = &faults[position];
            if fault.length <= probe.within + probe.every && !self.reader.is_broken("faults") {
                let what = format!("`{}` is over before `{}` is asked", name.value, path.value);
                let remedy = "let the fault last longer than `within` and `every` together, or make those shorter";
                self.reader.wrong(name.at, what, remedy);
            }
            probe.expected.extend(status.map(|status| (Window::During(position), status)));
        }
        if probe.expected.is_empty() && !self.reader.is_broken_here() {
            let what = format!("`{}` may answer whatever it likes", path.value);
            self.reader.wrong(map.place, what, "write the status: `outside: 200`");
        }
        probe
    }

    fn fault_named(&mut self, name: &At<String>, faults: &[Fault]) -> Option<usize> {
        let found = faults.iter().position(|fault| fault.name == name.value);
        if found.is_none() && !self.reader.is_broken("faults") {
            let known = faults.iter().map(|fault| fault.name.as_str());
            let remedy = text::suggest(&name.value, known);
            self.reader.wrong(name.at, format!("no fault is called `{}`", name.value), remedy);
        }
        found
    }

    fn cardinality(&mut self, raw: Option<&raw::Cardinality>) -> Cardinality {
        let above = |c: &mut Self, number: Option<At<u64>>, default: u64| match number {
            Some(number) if number.value == 0 => {
                c.reader.wrong(number.at, "none are allowed", "write a number above 0");
                default
            }
            Some(number) => number.value,
            None => default,
        };
        let growth = match raw.and_then(|raw| raw.growth) {
            Some(growth) if growth.value < 0.0 => {
                self.reader.wrong(growth.at, "less than nothing is allowed", "write new values per 1 000 requests: 10");
                10.0
            }
            Some(growth) => growth.value,
            None => 10.0,
        };
        Cardinality {
            series: above(self, raw.and_then(|raw| raw.series), 10_000),
            values: above(self, raw.and_then(|raw| raw.values), 1_000),
            growth,
        }
    }

    fn scrape_limits(&mut self, raw: Option<&raw::ScrapeLimits>) -> ScrapeLimits {
        let limits = ScrapeLimits {
            within: raw.and_then(|raw| raw.within).map_or(Duration::from_secs(1), |within| within.value),
            warn: raw.and_then(|raw| raw.warn).map_or(Duration::from_millis(100), |warn| warn.value),
            size: raw.and_then(|raw| raw.size).map_or(10_000_000, |size| size.value.0),
        };
        let nothing = |at: Place, c: &mut Self| c.reader.wrong(at, "no time to answer in", "write a length above 0");
        if let Some(within) = raw.and_then(|raw| raw.within).filter(|within| within.value.is_zero()) {
            nothing(within.at, self);
        }
        if let Some(size) = raw.and_then(|raw| raw.size).filter(|size| size.value.0 == 0) {
            self.reader.wrong(size.at, "no page is so small", "write a size above 0");
        }
        limits
    }

    fn exceptions(&mut self, raw: &raw::Contract) -> Vec<(String, Vec<String>)> {
        let mut all = Vec::new();
        for (id, metrics) in raw.except.iter().flat_map(|except| &except.0) {
            if rule::rule(&id.value).is_none() {
                let known = rule::RULES.iter().map(|rule| rule.id);
                self.reader.wrong(
                    id.at,
                    format!("nothing is found under the name `{}`", id.value),
                    text::suggest(&id.value, known),
                );
            }
            if metrics.is_empty() && !self.reader.is_broken_here() {
                self.reader.wrong(id.at, "excepts no metric", "name those that are meant, or [\"*\"] for all");
            }
            all.push((id.value.clone(), metrics.iter().map(|metric| metric.value.clone()).collect()));
        }
        all
    }
}

fn severities(raw: &raw::Severities) -> Vec<(&'static str, Severity)> {
    let all = [
        ("format", &raw.format),
        ("metadata", &raw.metadata),
        ("names", &raw.names),
        ("labels", &raw.labels),
        ("counters", &raw.counters),
        ("histograms", &raw.histograms),
        ("cardinality", &raw.cardinality),
        ("scrape", &raw.scrape),
        ("requires", &raw.requires),
        ("moves", &raw.moves),
        ("probes", &raw.probes),
    ];
    let of = |(word, severity): (&'static str, &Option<At<raw::Severity>>)| {
        let severity = match severity.as_ref()?.value {
            raw::Severity::Critical => Severity::Critical,
            raw::Severity::Warning => Severity::Warning,
            raw::Severity::Info => Severity::Info,
        };
        Some((word, severity))
    };
    all.into_iter().filter_map(of).collect()
}
