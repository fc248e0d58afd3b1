//! The servers that watch the target for its owners, and which promises are judged by what they saw.

use std::time::Duration;

use super::super::claim::{Claim, Promise};
use super::super::raw;
use super::super::servers::{Alertmanager, Login, Prometheus, Server, Source};
use super::super::shape::{At, Names};
use super::Check;
use crate::base::net::{self, Address};

/// How long an answer may take, unless the scenario says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often an Alertmanager is asked, unless the scenario says otherwise, and at the most.
const EVERY: Duration = Duration::from_secs(1);
const FLOOR: Duration = Duration::from_millis(200);
/// Nobody scrapes more often, or waits longer for a scrape.
const EVERY_LIMITS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3600));

/// What both kinds of server have in common, as written.
struct Reached<'r> {
    url: &'r At<String>,
    headers: Option<&'r Names<raw::Header>>,
    basic: Option<&'r At<raw::Basic>>,
    bearer: Option<&'r At<raw::Secret>>,
    tenant: Option<&'r At<String>>,
    timeout: Option<At<Duration>>,
    ca: Option<&'r At<String>>,
    insecure: Option<At<bool>>,
}

/// Of a kind of server that is written down.
macro_rules! reached {
    ($raw:ident) => {
        Reached {
            url: &$raw.url,
            headers: $raw.headers.as_ref(),
            basic: $raw.basic.as_ref(),
            bearer: $raw.bearer.as_ref(),
            tenant: $raw.tenant.as_ref(),
            timeout: $raw.timeout,
            ca: $raw.ca.as_ref(),
            insecure: $raw.insecure,
        }
    };
}

impl Check<'_, '_> {
    pub(super) fn prometheus(&mut self, raw: &raw::Root) -> Option<Prometheus> {
        let raw = raw.observe.as_ref()?.prometheus.as_ref()?;
        self.within("prometheus", |c| {
            let server = c.server(reached!(raw));
            let (least, most) = EVERY_LIMITS;
            if let Some(every) = raw.every.filter(|e| e.value < least || e.value > most) {
                c.reader.wrong(every.at, "no server scrapes so often, or so seldom", "write 1ms to 1h, such as 15s");
            }
            if let Some(grace) = raw.grace.filter(|g| g.value > most) {
                c.reader.wrong(grace.at, "nobody waits so long for a sample", "write at most 1h");
            }
            let semantics = raw.semantics.as_ref().and_then(|s| match s.value.as_str() {
                "2" | "2.x" => Some(2),
                "3" | "3.x" => Some(3),
                other => {
                    let remedy = "write 2 or 3, the version of Prometheus, or leave it out";
                    c.reader.wrong(s.at, format!("`semantics: {other}`"), remedy);
                    None
                }
            });
            Some(Prometheus {
                server: server?,
                every: raw.every.map(|e| e.value),
                grace: raw.grace.map(|g| g.value),
                semantics,
            })
        })
    }

    pub(super) fn alertmanager(&mut self, raw: &raw::Root) -> Option<Alertmanager> {
        let raw = raw.observe.as_ref()?.alertmanager.as_ref()?;
        self.within("alertmanager", |c| {
            let server = c.server(reached!(raw));
            if let Some(every) = raw.every.filter(|e| e.value < FLOOR) {
                c.reader.wrong(every.at, "asks more often than every 200ms", "write 200ms or more");
            }
            if let Some(listen) = &raw.receiver_listen {
                c.listens(listen);
            }
            Some(Alertmanager {
                server: server?,
                every: raw.every.map_or(EVERY, |e| e.value),
                listen: raw.receiver_listen.as_ref().map(|l| l.value.clone()),
            })
        })
    }

    fn server(&mut self, raw: Reached<'_>) -> Option<Server> {
        let address = self.address(raw.url, &[]);
        let is_tls = address.as_ref().is_some_and(Address::is_tls);
        for at in [raw.ca.map(|ca| ca.at), raw.insecure.map(|i| i.at)].into_iter().flatten() {
            if address.is_some() && !is_tls {
                self.reader.wrong(at, "certificates are of https://, and this is not", "leave it out");
            }
        }
        let insecure = raw.insecure.is_some_and(|i| i.value);
        if let Some(ca) = raw.ca.filter(|_| insecure) {
            self.reader.wrong(ca.at, "`ca` beside `insecure`: nothing would be held against it", "keep one of the two");
        }
        let headers = self.within("headers", |c| c.headers(raw.headers));
        let said = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let ways = [raw.basic.map(|b| b.at), raw.bearer.map(|b| b.at)].into_iter().flatten().collect::<Vec<_>>();
        if let [_, second] | [second] = ways.as_slice()
            && (ways.len() > 1 || said)
        {
            let remedy = "keep one of `basic`, `bearer` and the header Authorization";
            self.reader.wrong(*second, "two ways to say who asks", remedy);
        }
        if let Some(user) = raw.basic.map(|b| &b.value.user).filter(|u| u.value.contains(':')) {
            self.reader.wrong(user.at, "a name with a colon, which ends it", "write the name alone");
        }
        let plain = |c: char| c.is_ascii_graphic();
        if let Some(tenant) = raw.tenant.filter(|t| t.value.is_empty() || !t.value.chars().all(plain)) {
            self.reader.wrong(tenant.at, "no tenant has such a name", "write it in plain ASCII, without spaces");
        }
        if let Some(timeout) = raw.timeout.filter(|t| t.value.is_zero() || t.value > Duration::from_secs(600)) {
            self.reader.wrong(timeout.at, "a timeout is above 0 and at most 10m", "write one, such as 10s");
        }
        let login = match (raw.basic, raw.bearer) {
            (Some(basic), _) => Login::Basic {
                user: basic.value.user.value.clone(),
                password: basic.value.password.secret.value.clone(),
            },
            (None, Some(bearer)) => Login::Bearer(bearer.value.secret.value.clone()),
            (None, None) => Login::Nobody,
        };
        Some(Server {
            address: address?,
            headers,
            login,
            tenant: raw.tenant.map(|t| t.value.clone()),
            timeout: raw.timeout.map_or(TIMEOUT, |t| t.value),
            ca: raw.ca.and_then(|file| self.certificates(file)),
            insecure,
        })
    }

    /// Where webhooks are received: a port of our own that is known beforehand.
    fn listens(&mut self, listen: &At<String>) {
        match net::split_host(&listen.value, 0) {
            Some((host, port)) if port != 0 => self.allowed(&host, listen.at),
            _ => self.reader.wrong(
                listen.at,
                format!("`{}` is no HOST:PORT to listen on", listen.value),
                "write the one to which Alertmanager's configuration points, such as 127.0.0.1:9095",
            ),
        }
    }

    /// Whose samples a promise is judged by: what it says, or the only ones that there are.
    pub(super) fn sourced(&mut self, raw: &raw::Promise, root: &raw::Root, promise: &mut Promise) {
        let Claim::Server { source, place, .. } = &mut promise.claim else {
            if let Some(said) = &raw.source {
                self.reader.wrong(said.at, "`source` belongs to a PromQL promise", "leave it out");
            }
            return;
        };
        let observe = root.observe.as_ref();
        let has_jobs = observe.and_then(|o| o.jobs.as_ref()).is_some_and(|jobs| !jobs.0.is_empty());
        let has_server = observe.is_some_and(|o| o.prometheus.is_some());
        *source = match raw.source.as_ref().map(|s| (s.at, s.value.as_str())) {
            Some((at, "prometheus")) if !has_server && !self.reader.is_broken("observe") => {
                let remedy = "name one: `observe: { prometheus: { url: http://HOST:9090 } }`";
                self.reader.wrong(at, "no Prometheus server is watched", remedy);
                Source::Prometheus
            }
            Some((at, "scrape")) if !has_jobs && !self.reader.is_broken("observe") => {
                let remedy = "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`";
                self.reader.wrong(at, "nothing is scraped by the run itself", remedy);
                Source::Scrape
            }
            Some((_, "prometheus")) => Source::Prometheus,
            Some((_, "scrape")) => Source::Scrape,
            Some((at, other)) => {
                self.reader.wrong(at, format!("`source: {other}`"), "write `source: scrape` or `source: prometheus`");
                Source::Scrape
            }
            None if has_jobs && has_server => {
                let remedy = "add `source: scrape` (our own pages) or `source: prometheus` (what the server saw)";
                self.reader.wrong(*place, "both `jobs` and `prometheus` are watched: whose samples?", remedy);
                Source::Scrape
            }
            None if has_server => Source::Prometheus,
            None => {
                if !has_jobs && !self.reader.is_broken("observe") {
                    let remedy = "add a job: `observe: { jobs: { NAME: { metrics: /metrics } } }`";
                    self.reader.wrong(*place, "nothing is scraped, so that this has no answer ever", remedy);
                }
                Source::Scrape
            }
        };
    }
}
