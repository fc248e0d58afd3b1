//! Who answers, whose PromQL it speaks, how often it scrapes, and how far its clock is from ours.

use std::time::Duration;

use serde_json::Value;

use super::{Told, seconds};
use crate::base::ask;
use crate::base::time::Clock;
use crate::base::units::parse_duration;
use crate::observe::api::{Api, Refused};
use crate::scenario;

/// So many times its clock is read; the quickest answer tells it best.
const READINGS: usize = 3;

/// What answers Prometheus's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Product {
    /// Prometheus itself, or what cannot be told from it.
    Prometheus,
    /// Grafana Mimir.
    Mimir,
    /// Thanos Query.
    Thanos,
    /// VictoriaMetrics, whose MetricsQL differs from PromQL on purpose.
    VictoriaMetrics,
}

impl Product {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Product::Prometheus => "Prometheus",
            Product::Mimir => "Mimir",
            Product::Thanos => "Thanos",
            Product::VictoriaMetrics => "VictoriaMetrics",
        }
    }

    /// By what it says of its build: Mimir names itself, VictoriaMetrics puts its host into every answer, and the
    /// versions of Thanos begin with 0, which Prometheus's have not done since it has this page.
    fn of(build: &Value, told: &ask::Told) -> Product {
        let application = build.get("application").and_then(Value::as_str).unwrap_or_default();
        let version = build.get("version").and_then(Value::as_str).unwrap_or_default();
        match application {
            name if name.contains("Mimir") => Product::Mimir,
            name if name.contains("Thanos") => Product::Thanos,
            _ if told.header("x-server-hostname").is_some() => Product::VictoriaMetrics,
            _ if version.trim_start_matches('v').starts_with("0.") => Product::Thanos,
            _ => Product::Prometheus,
        }
    }

    /// The major version whose PromQL a version of it speaks; `None` where that cannot be told. Prometheus since 3.0, Mimir
    /// since 2.15 and Thanos since 0.37 leave out the first instant of a range.
    fn semantics(self, version: Option<&str>) -> Option<u32> {
        let mut parts = version?.trim_start_matches('v').split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
        let (major, minor) = (parts.next()??, parts.next().flatten().unwrap_or(0));
        let is_new = match self {
            Product::Prometheus => major >= 3,
            Product::Mimir => (major, minor) >= (2, 15),
            Product::Thanos => (major, minor) >= (0, 37),
            Product::VictoriaMetrics => return None,
        };
        Some(if is_new { 3 } else { 2 })
    }
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// What it is.
    pub product: Product,
    /// Its version, where it says one.
    pub version: Option<String>,
    /// Whose PromQL it speaks, and how that is known.
    pub semantics: (u32, &'static str),
    /// How far its clock is ahead of ours, in nanoseconds.
    pub ahead: i64,
    /// How far that may be off, in nanoseconds.
    pub doubt: u64,
    /// How often it scrapes, where it says so.
    pub every: Option<Duration>,
}

impl Identity {
    /// Asks. An error is that of the one question which every such server answers; others may stay open.
    pub async fn ask(api: &Api, settings: &scenario::Prometheus, clock: Clock) -> Result<Identity, Refused> {
        let (ahead, doubt) = skew(api, clock).await?;
        let build = api.json("/api/v1/status/buildinfo", &[]).await;
        let (product, version) = match &build {
            Ok((json, told)) => {
                let data = json.get("data").unwrap_or(&Value::Null);
                let version = data.get("version").and_then(Value::as_str).filter(|v| !v.is_empty());
                (Product::of(data, told), version.map(str::to_owned))
            }
            Err(_) => (Product::Prometheus, None),
        };
        let own = product.semantics(version.as_deref());
        let semantics = match (settings.semantics, own) {
            (Some(said), _) => (said, "scenario"),
            (None, Some(own)) => (own, "version"),
            (None, None) => (3, "assumed"),
        };
        let every = match settings.every {
            Some(every) => Some(every),
            None => scraping(api).await,
        };
        Ok(Identity { product, version, semantics, ahead, doubt, every })
    }

    /// The same, for the evidence.
    pub fn told(&self) -> Told {
        Told::Itself {
            product: self.product.word().into(),
            version: self.version.clone(),
            semantics: self.semantics.0,
            by: self.semantics.1.into(),
            ahead: self.ahead,
            doubt: self.doubt,
            every: self.every.map(|every| every.as_nanos() as u64),
        }
    }
}

/// How far its clock is ahead of ours and how far that may be off, in nanoseconds: it says what time it is, and somewhere
/// between the question and the answer that was so.
async fn skew(api: &Api, clock: Clock) -> Result<(i64, u64), Refused> {
    let mut best: Option<(i64, u64)> = None;
    for _ in 0..READINGS {
        let asked = clock.now();
        let (json, _) = api.json("/api/v1/query", &[("query", "time()")]).await?;
        let answered = clock.now();
        let said = json.pointer("/data/result/0").and_then(Value::as_f64);
        let Some(said) = said.filter(|said| said.is_finite()) else {
            let why = "/api/v1/query: it answers with what is no answer to `time()`: is it a Prometheus?";
            return Err(Refused::from(why.to_owned()));
        };
        let half = answered.nanos_since(asked) / 2;
        let middle = clock.wall_nanos(asked) + half as i64;
        let ahead = (said * 1e9).round() as i64 - middle;
        // It tells whole milliseconds.
        let doubt = half + 1_000_000;
        if best.is_none_or(|(_, known)| doubt < known) {
            best = Some((ahead, doubt));
        }
    }
    best.ok_or_else(|| Refused::from(format!("no time at {}", seconds(0))))
}

/// How often it scrapes: the slowest of its targets, or what its configuration says for all.
async fn scraping(api: &Api) -> Option<Duration> {
    let targets = api.json("/api/v1/targets", &[("state", "active")]).await.ok();
    let targets = targets.as_ref().and_then(|(json, _)| json.pointer("/data/activeTargets")?.as_array());
    let intervals = targets.into_iter().flatten().filter_map(|target| target.get("scrapeInterval")?.as_str());
    intervals.filter_map(|every| parse_duration(every).ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_what_it_says_of_its_build() {
        let told = |headers: &[(&str, &str)]| ask::Told {
            status: 200,
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Default::default(),
        };
        let of = |build: &str, headers| Product::of(&serde_json::from_str(build).expect("json"), &told(headers));
        assert_eq!(of(r#"{"version":"2.42.0"}"#, &[]), Product::Prometheus);
        assert_eq!(of(r#"{"application":"Grafana Mimir","version":"2.14.0"}"#, &[]), Product::Mimir);
        assert_eq!(of(r#"{"version":"0.32.5"}"#, &[]), Product::Thanos);
        assert_eq!(of(r#"{"version":"2.24.0"}"#, &[("x-server-hostname", "vm")]), Product::VictoriaMetrics);
        assert_eq!(of("{}", &[]), Product::Prometheus);
    }

    #[test]
    fn a_version_chooses_whose_promql_holds() {
        let of = |product: Product, version| product.semantics(Some(version));
        assert_eq!(of(Product::Prometheus, "2.42.0+ds"), Some(2));
        assert_eq!(of(Product::Prometheus, "3.0.0-rc.1"), Some(3));
        assert_eq!(of(Product::Mimir, "2.14.3"), Some(2));
        assert_eq!(of(Product::Mimir, "2.15.0"), Some(3));
        assert_eq!(of(Product::Thanos, "v0.36.1"), Some(2));
        assert_eq!(of(Product::Thanos, "0.37.0"), Some(3));
        assert_eq!(of(Product::Prometheus, "main"), None);
        assert_eq!(of(Product::VictoriaMetrics, "2.24.0"), None);
    }
}
