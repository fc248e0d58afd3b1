//! What is exposed: a metrics page, a Prometheus, or the folder of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::base::ask::{Ask, Means, Told};
use crate::base::dial::Dial;
use crate::base::httpd::encode;
use crate::base::net::{self, Address};
use crate::base::series::Labels;
use crate::base::text::shorten;
use crate::base::tls::{self, Trust};
use crate::base::{time, units};
use crate::evidence::folder::Folder;
use crate::evidence::samples::{self, Kind};
use crate::lint::Exposed;
use crate::observe::exposition::{self, Dialect};

/// A server that has not answered by then does not answer.
const WITHIN: Duration = Duration::from_secs(30);
/// Larger answers are refused, in bytes.
const MAX_ANSWER: usize = 256 << 20;
/// How far back a Prometheus is asked for series, in seconds.
const LOOK_BACK: i64 = 6 * 3600;
/// Metrics are asked for so many at a time.
const AT_ONCE: usize = 50;

/// Why nothing is known.
pub struct Trouble {
    /// What is wrong, and with what.
    pub why: String,
    /// Whether it was asked for wrongly, and not that nobody answered.
    pub is_usage: bool,
}

/// Who may be asked, and as whom.
pub struct Leave<'a> {
    /// Hosts other than this machine.
    pub hosts: &'a [String],
    /// Headers, and the environment variables that hold their values.
    pub headers: &'a [(String, String)],
}

/// Reads a source. Of a Prometheus, the series of `metrics` are asked for; of others everything comes.
pub fn read(source: &str, leave: &Leave<'_>, metrics: &BTreeSet<String>) -> Result<Exposed, Trouble> {
    if source.contains("://") {
        return server(source, leave, metrics);
    }
    let samples = samples::read(&Folder::open(Path::new(source)).file("samples.chunks"));
    match samples {
        Ok(samples) => Ok(Exposed::of_samples(source, &samples)),
        Err(why) => Err(Trouble { why: format!("--against {source}: {why}"), is_usage: true }),
    }
}

fn server(source: &str, leave: &Leave<'_>, metrics: &BTreeSet<String>) -> Result<Exposed, Trouble> {
    let usage = |why: String| Trouble { why: format!("--against {source}: {why}"), is_usage: true };
    let address = Address::parse(source).map_err(usage)?;
    let host = address.tcp().map(|(host, _)| host.to_owned()).unwrap_or_default();
    if !net::is_loopback(&host) && !leave.hosts.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
        return Err(usage(format!("`{host}` is not this machine: allow it with --allow-host {host}")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| usage(e.to_string()))?;
    let asker = Asker::new(&address, leave.headers).map_err(usage)?;
    let asked = runtime.block_on(async {
        match asker.prometheus(source, metrics).await? {
            Some(exposed) => Ok(exposed),
            None => asker.page(source, address.base.is_empty()).await,
        }
    });
    asked.map_err(|why| Trouble { why: format!("--against {source}: {why}"), is_usage: false })
}

struct Asker {
    means: Means,
    headers: Vec<(String, String)>,
}

impl Asker {
    /// Gets ready to ask as whoever `headers` say: names, and the environment variables that hold their values.
    fn new(address: &Address, headers: &[(String, String)]) -> Result<Asker, String> {
        let mut known = vec![("Accept".to_owned(), exposition::ACCEPT.to_owned())];
        for (name, variable) in headers {
            let value =
                std::env::var(variable).map_err(|_| format!("the secret {variable} is not in the environment"))?;
            known.push((name.clone(), value));
        }
        let trust = Trust { ca: None, identity: None, insecure: false };
        let tls = address.is_tls().then(|| tls::client(trust, &["http/1.1"])).transpose()?;
        Ok(Asker { means: Means { within: WITHIN, dial: Dial::within(tls), most: MAX_ANSWER }, headers: known })
    }

    async fn get(&self, url: &str) -> Result<Told, String> {
        let mut ask = Ask::new("GET", url)?;
        ask.headers = self.headers.clone();
        ask.send_by(&self.means).await
    }

    /// A metrics page, here or at `/metrics`.
    async fn page(&self, source: &str, is_root: bool) -> Result<Exposed, String> {
        let here = source.trim_end_matches('/');
        let urls = if is_root { vec![format!("{here}/metrics"), format!("{here}/")] } else { vec![source.to_owned()] };
        let mut why = String::new();
        for url in urls {
            let answer = self.get(&url).await?;
            if !answer.is_ok() {
                why = format!("status {}", answer.status);
                continue;
            }
            match exposition::parse(&answer.body, Dialect::of(answer.header("content-type"), &answer.body)) {
                Ok(page) => return Ok(Exposed::of_page(&url, &page)),
                Err(e) => why = format!("not metrics: {e}"),
            }
        }
        Err(why)
    }

    /// The series of `metrics` and all types, if a Prometheus answers here.
    async fn prometheus(&self, source: &str, metrics: &BTreeSet<String>) -> Result<Option<Exposed>, String> {
        let base = source.trim_end_matches('/');
        let Some(names) = self.api(&format!("{base}/api/v1/label/__name__/values")).await? else { return Ok(None) };
        let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut known: BTreeSet<String> = names.map(str::to_owned).collect();
        let mut series: Vec<Labels> = Vec::new();
        let wanted: Vec<&String> = metrics.iter().filter(|name| known.contains(*name)).collect();
        let now = time::wall() / 1_000_000_000;
        for names in wanted.chunks(AT_ONCE) {
            let matches: String = names.iter().map(|name| format!("&match[]={}", encode(&selector(name)))).collect();
            let url = format!("{base}/api/v1/series?start={}&end={now}{matches}", now - LOOK_BACK);
            let found = self.api(&url).await?.ok_or("the series API does not answer as Prometheus does")?;
            series.extend(found.as_array().into_iter().flatten().filter_map(labels));
        }
        let kinds = match self.api(&format!("{base}/api/v1/metadata")).await {
            Ok(Some(Value::Object(metadata))) => {
                metadata.iter().filter_map(|(n, m)| Some((n.clone(), kind(m)?))).collect()
            }
            // Without types, names must do.
            _ => BTreeMap::new(),
        };
        let scrape = self.api(&format!("{base}/api/v1/targets?state=active")).await.ok().flatten();
        for labels in &series {
            known.remove(labels.name());
        }
        Ok(Some(Exposed::of_prometheus(source, known, series, kinds, scrape.as_ref().and_then(slowest))))
    }

    /// The `data` of an API's answer; nothing where no such API answers.
    async fn api(&self, url: &str) -> Result<Option<Value>, String> {
        let answer = self.get(url).await?;
        let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(&answer.body) else { return Ok(None) };
        match object.get("status").and_then(Value::as_str) {
            Some("success") => Ok(object.remove("data")),
            Some("error") => {
                let why = object.get("error").and_then(Value::as_str).unwrap_or("an error without a text");
                Err(shorten(why, 200))
            }
            _ => Ok(None),
        }
    }
}

/// `{__name__="x"}`: any name can be written so.
fn selector(name: &str) -> String {
    format!("{{__name__=\"{}\"}}", name.replace('\\', "\\\\").replace('"', "\\\""))
}

fn labels(value: &Value) -> Option<Labels> {
    Some(Labels::new(value.as_object()?.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?)))))
}

/// The type in an entry of `/api/v1/metadata`, if all targets agree on it.
fn kind(entry: &Value) -> Option<Kind> {
    let told: BTreeSet<&str> = entry.as_array()?.iter().filter_map(|m| m.get("type")?.as_str()).collect();
    let [word] = told.into_iter().collect::<Vec<_>>()[..] else { return None };
    Some(match word {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        "gaugehistogram" => Kind::GaugeHistogram,
        "summary" => Kind::Summary,
        "info" => Kind::Info,
        "stateset" => Kind::StateSet,
        _ => return None,
    })
}

/// The longest scrape interval of the targets, in milliseconds.
fn slowest(targets: &Value) -> Option<i64> {
    let targets = targets.get("activeTargets")?.as_array()?;
    let every = |target: &Value| units::parse_duration(target.get("scrapeInterval")?.as_str()?).ok();
    targets.iter().filter_map(every).max().map(|every| every.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_travel_in_a_url() {
        assert_eq!(encode(&selector("a:b")), "%7B__name__%3D%22a%3Ab%22%7D");
    }

    #[test]
    fn a_host_that_is_not_ours_is_not_asked() {
        let Err(Trouble { why, is_usage }) =
            read("http://10.0.0.1:9090", &Leave { hosts: &[], headers: &[] }, &BTreeSet::new())
        else {
            panic!("it must be refused")
        };
        assert!(is_usage && why.contains("--allow-host 10.0.0.1"), "{why}");
    }

    #[test]
    fn types_count_where_all_targets_agree() {
        let entry = |types: &[&str]| Value::Array(types.iter().map(|t| serde_json::json!({ "type": t })).collect());
        assert_eq!(kind(&entry(&["counter", "counter"])), Some(Kind::Counter));
        assert_eq!(kind(&entry(&["counter", "gauge"])), None);
    }
}
