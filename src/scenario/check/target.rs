//! The target and plain requests.

use std::time::Duration;

use serde_json_path::JsonPath;

use super::super::Place;
use super::super::raw;
use super::super::shape::{At, Names};
use super::super::target::{HeaderValue, Ready, Service, System, Target};
use super::super::wire::{Resolve, Wire};
use super::Check;
use crate::base::net::Address;
use crate::base::text;

/// Practice targets.
const SYSTEMS: [&str; 7] =
    ["quote-service", "trading-platform", "quantum-trader", "b25", "tradeengine", "calibrator", "queue"];
/// The services of those practice targets that have several.
pub const FLEETS: [(&str, &[&str]); 3] = [
    ("trading-platform", &["backend", "celery-worker", "signal-generator", "trigger-dispatcher"]),
    ("quantum-trader", &["ai-engine", "execution", "risk", "portfolio", "rl-training"]),
    (
        "b25",
        &[
            "market-data",
            "order-execution",
            "strategy-engine",
            "account-monitor",
            "risk-manager",
            "config-service",
            "dashboard-server",
        ],
    ),
];
/// The most connections to one service: what one address of ours has ports for.
pub(super) const MAX_CONNECTIONS: u32 = 60_000;
/// The most addresses of one service.
const MAX_ADDRESSES: usize = 256;

impl Check<'_, '_> {
    pub(super) fn target(&mut self, raw: &raw::Target) -> Option<Target> {
        let map = match raw {
            raw::Target::Word(word) => {
                let system = self.word(word);
                return Some(Target {
                    system,
                    pid: None,
                    ready: None,
                    connections: None,
                    timeout: Duration::from_secs(2),
                    wire: Wire::default(),
                    headers: Vec::new(),
                    before: Vec::new(),
                    after: Vec::new(),
                });
            }
            raw::Target::Map(map) => map,
        };
        let given = [map.sim.is_some(), map.url.is_some(), map.services.is_some()].iter().filter(|g| **g).count();
        if given != 1 {
            self.reader.wrong(
                map.place,
                "a target is one of `sim`, `url` and `services`",
                "write exactly one of the three",
            );
        }
        let resolve = self.within("resolve", |c| c.resolves(map.resolve.as_ref()));
        let system = self.system(map, &resolve);
        let wire = system.as_ref().map(|system| self.wire(map, system, resolve)).unwrap_or_default();
        // Without a target to go by the rest is checked by itself.
        let is_known = system.is_some();
        if let (Some(with), None) = (&map.with, &map.sim) {
            let at = with.0.first().map_or(map.place, |(k, _)| k.at);
            self.reader.wrong(at, "`with` sets up a practice target, and this is none", "leave it out");
        }
        let mut target = Target {
            system: system.unwrap_or_else(|| System::Services(Vec::new())),
            pid: self.watched_pid(map),
            ready: None,
            connections: None,
            timeout: map.timeout.map_or(Duration::from_secs(2), |t| t.value),
            wire,
            headers: self.headers(map.headers.as_ref()),
            before: Vec::new(),
            after: Vec::new(),
        };
        if let Some(timeout) = map.timeout.filter(|t| t.value.is_zero() || t.value > Duration::from_secs(600)) {
            self.reader.wrong(timeout.at, "a timeout is above 0 and at most 10m", "write one, such as 2s");
        }
        if let Some(connections) = map.connections {
            target.connections = self.number(connections, "connections", MAX_CONNECTIONS);
        }
        target.ready = map.ready.as_ref().map(|ready| Ready {
            service: self.service(ready.to.as_ref(), is_known.then_some(&target), ready.place),
            path: self.path(&ready.get),
            within: ready.within.map_or(Duration::from_secs(60), |w| w.value),
        });
        target.before = map.before.iter().flatten().map(|step| self.step(step, is_known.then_some(&target))).collect();
        target.after = map.after.iter().flatten().map(|step| self.step(step, is_known.then_some(&target))).collect();
        (is_known && given == 1).then_some(target)
    }

    /// The process that is watched.
    fn watched_pid(&mut self, map: &raw::TargetMap) -> Option<u32> {
        let pid = map.pid?;
        if map.sim.is_some() {
            self.reader.wrong(pid.at, "the process of a practice target is known", "leave `pid` out");
        }
        let valid = u32::try_from(pid.value).ok().filter(|pid| (1..=1 << 22).contains(pid));
        if valid.is_none() {
            self.reader.wrong(pid.at, format!("`{}` is no id of a process", pid.value), "write 1 to 4194304");
        }
        valid
    }

    /// `sim:NAME` or an address.
    fn word(&mut self, word: &At<String>) -> System {
        match word.value.strip_prefix("sim:") {
            Some(name) => {
                self.known_system(name, word.at);
                System::Sim { name: name.into(), with: Vec::new() }
            }
            None => {
                System::Services(vec![Service { name: "target".into(), addresses: vec![self.somewhere(word, &[])] }])
            }
        }
    }

    /// An address, or after a mistake any, so that the rest of the target is checked all the same.
    fn somewhere(&mut self, url: &At<String>, resolve: &[Resolve]) -> Address {
        self.address(url, resolve).unwrap_or_else(|| Address::http("localhost", 0))
    }

    /// The addresses of one service: at least one, and alike but for where they are.
    fn addresses(&mut self, raw: &raw::Addresses, resolve: &[Resolve]) -> Vec<Address> {
        if (raw.all.is_empty() && !self.reader.is_broken_here()) || raw.all.len() > MAX_ADDRESSES {
            let what = format!("a service has 1 to {MAX_ADDRESSES} addresses");
            self.reader.wrong(raw.place, what, "write at least one: http://HOST:PORT");
        }
        let mut all: Vec<Address> = Vec::new();
        for url in &raw.all {
            let Some(address) = self.address(url, resolve) else { continue };
            if all.contains(&address) {
                self.reader.wrong(
                    url.at,
                    format!("`{}` stands here twice", url.value),
                    "connections are spread evenly: keep one",
                );
            }
            if let Some(first) = all.first().filter(|a| (a.scheme, &a.base) != (address.scheme, &address.base)) {
                let what = format!("`{}` is not another place of {first}", url.value);
                self.reader.wrong(url.at, what, "addresses of one service have the same scheme and base");
            }
            all.push(address);
        }
        if all.is_empty() { vec![Address::http("localhost", 0)] } else { all }
    }

    /// What is loaded. Where several are named each is checked, and the rest of the file goes by the one that says most.
    fn system(&mut self, map: &raw::TargetMap, resolve: &[Resolve]) -> Option<System> {
        let sim = map.sim.as_ref().map(|sim| {
            self.known_system(&sim.value, sim.at);
            let with = map.with.iter().flat_map(|w| &w.0).map(|(k, v)| (k.value.clone(), v.clone())).collect();
            System::Sim { name: sim.value.clone(), with }
        });
        let url = map.url.as_ref().map(|url| {
            let addresses = self.within("url", |c| c.addresses(url, resolve));
            System::Services(vec![Service { name: "target".into(), addresses }])
        });
        let services = map.services.as_ref().and_then(|services| self.services(map, services, resolve));
        services.or(url).or(sim)
    }

    fn services(
        &mut self,
        map: &raw::TargetMap,
        services: &Names<raw::Addresses>,
        resolve: &[Resolve],
    ) -> Option<System> {
        if services.0.is_empty() {
            self.reader.wrong(map.place, "no services", "write at least one: `services: { api: http://HOST:PORT }`");
        }
        let mut all = Vec::new();
        for (name, urls) in &services.0 {
            self.name(name);
            let addresses = self.within("services", |c| c.within(&name.value, |c| c.addresses(urls, resolve)));
            all.push(Service { name: name.value.clone(), addresses });
        }
        (!all.is_empty()).then_some(System::Services(all))
    }

    fn known_system(&mut self, name: &str, at: Place) {
        if !SYSTEMS.contains(&name) {
            self.reader.wrong(at, format!("`{name}` is no practice target"), text::suggest(name, SYSTEMS));
        }
    }

    /// The service that `to` names; needed where there are several.
    pub(super) fn service(&mut self, to: Option<&At<String>>, target: Option<&Target>, at: Place) -> Option<String> {
        let names: Vec<&str> = match &target?.system {
            System::Services(services) => services.iter().map(|s| s.name.as_str()).collect(),
            System::Sim { name, .. } => match FLEETS.iter().find(|(system, _)| system == name) {
                Some((_, services)) => services.to_vec(),
                None => {
                    if let Some(to) = to {
                        self.reader.wrong(to.at, "this practice target is one service", "leave `to` out");
                    }
                    return None;
                }
            },
        };
        match to {
            Some(to) if names.contains(&to.value.as_str()) => Some(to.value.clone()),
            Some(to) => {
                self.reader.wrong(
                    to.at,
                    format!("`{}` is no service of the target", to.value),
                    text::suggest(&to.value, names),
                );
                None
            }
            None if names.len() > 1 => {
                self.reader.wrong(
                    at,
                    "the target has several services",
                    format!("say which: `to:` one of {}", text::list(names)),
                );
                None
            }
            None => None,
        }
    }

    /// Headers that are the same for every request.
    pub(super) fn headers(&mut self, raw: Option<&Names<raw::Header>>) -> Vec<(String, HeaderValue)> {
        for (_, value) in raw.iter().flat_map(|h| &h.0) {
            if let raw::Header::Text(text) = value
                && text.value.contains("{{")
            {
                let what = "`{{…}}` outside a flow: nothing fills it in";
                self.reader.wrong(text.at, what, "write plain text, or make it a step of a flow");
            }
        }
        self.any_headers(raw)
    }

    /// Headers, which may be templates.
    pub(super) fn any_headers(&mut self, raw: Option<&Names<raw::Header>>) -> Vec<(String, HeaderValue)> {
        let mut headers = Vec::new();
        for (name, value) in raw.iter().flat_map(|h| &h.0) {
            let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.value.is_empty() || !name.value.chars().all(token) {
                self.reader.wrong(name.at, format!("`{}` is no header name", name.value), "letters, digits and -");
            }
            if ["host", "content-length", "connection", "transfer-encoding", "traceparent"]
                .contains(&name.value.to_ascii_lowercase().as_str())
            {
                self.reader.wrong(name.at, format!("`{}` is set by the sender itself", name.value), "leave it out");
            }
            let value = match value {
                raw::Header::Secret(secret) => HeaderValue::Secret(secret.secret.value.clone()),
                raw::Header::Text(text) => {
                    if text::looks_secret(&name.value) {
                        self.reader.wrong(
                            text.at.unquoted(),
                            format!("`{}` looks like a secret", name.value),
                            "use { secret: NAME }: it is read from the environment and never stored",
                        );
                    } else if !text.value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) {
                        self.reader.wrong(
                            text.at,
                            "a header value is plain ASCII",
                            "remove line breaks and other characters",
                        );
                    }
                    HeaderValue::Text(text.value.clone())
                }
            };
            headers.push((name.value.clone(), value));
        }
        headers
    }

    pub(super) fn status(&mut self, status: &At<u64>) -> Option<u16> {
        let valid = u16::try_from(status.value).ok().filter(|s| (100..=599).contains(s));
        if valid.is_none() {
            self.reader.wrong(status.at, format!("`{}` is no HTTP status", status.value), "write 100 to 599");
        }
        valid
    }

    pub(super) fn json_path(&mut self, path: &At<String>) -> Option<JsonPath> {
        match JsonPath::parse(&path.value) {
            Ok(path) => Some(path),
            Err(why) => {
                self.reader.wrong(
                    path.at,
                    format!("`{}` is no JSONPath: {why}", path.value),
                    "write one, such as $.outAmount",
                );
                None
            }
        }
    }
}
