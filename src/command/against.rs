//! What is exposed: a metrics page, a Prometheus, or the folder of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::base::net::{self, Address};
use crate::base::series::Labels;
use crate::base::text::{cause, shorten};
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

/// Reads a source. Of a Prometheus, the series of `metrics` are asked for; of others everything comes.
pub fn read(source: &str, allowed: &[String], metrics: &BTreeSet<String>) -> Result<Exposed, Trouble> {
    if source.contains("://") {
        return server(source, allowed, metrics);
    }
    let samples = samples::read(&Folder::open(Path::new(source)).file("samples.chunks"));
    match samples {
        Ok(samples) => Ok(Exposed::of_samples(source, &samples)),
        Err(why) => Err(Trouble { why: format!("--against {source}: {why}"), is_usage: true }),
    }
}

fn server(source: &str, allowed: &[String], metrics: &BTreeSet<String>) -> Result<Exposed, Trouble> {
    let usage = |why: String| Trouble { why: format!("--against {source}: {why}"), is_usage: true };
    let address = Address::parse(source).map_err(usage)?;
    let host = address.tcp().map(|(host, _)| host.to_owned()).unwrap_or_default();
    if !net::is_loopback(&host) && !allowed.iter().any(|name| name.eq_ignore_ascii_case(&host)) {
        return Err(usage(format!("`{host}` is not this machine: allow it with --allow-host {host}")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| usage(e.to_string()))?;
    let asked = runtime.block_on(async {
        let asker = Asker::new()?;
        match asker.prometheus(source, metrics).await? {
            Some(exposed) => Ok(exposed),
            None => asker.page(source, address.base.is_empty()).await,
        }
    });
    asked.map_err(|why| Trouble { why: format!("--against {source}: {why}"), is_usage: false })
}

struct Asker {
    client: reqwest::Client,
}

/// A body, its status, and its media type.
struct Answer {
    status: u16,
    media: Option<String>,
    body: Vec<u8>,
}

impl Asker {
    fn new() -> Result<Asker, String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(WITHIN)
            .build()
            .map_err(|e| cause(&e))?;
        Ok(Asker { client })
    }

    async fn get(&self, url: &str) -> Result<Answer, String> {
        let request = self.client.get(url).header("Accept", exposition::ACCEPT);
        let mut response = request.send().await.map_err(|e| {
            if e.is_timeout() { format!("no answer within {}", units::duration(WITHIN)) } else { cause(&e) }
        })?;
        let media = response.headers().get("content-type").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| cause(&e))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(format!("the answer is larger than {MAX_ANSWER} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, media, body })
    }

    /// A metrics page, here or at `/metrics`.
    async fn page(&self, source: &str, is_root: bool) -> Result<Exposed, String> {
        let here = source.trim_end_matches('/');
        let urls = if is_root { vec![format!("{here}/metrics"), format!("{here}/")] } else { vec![source.to_owned()] };
        let mut why = String::new();
        for url in urls {
            let answer = self.get(&url).await?;
            if !(200..300).contains(&answer.status) {
                why = format!("status {}", answer.status);
                continue;
            }
            match exposition::parse(&answer.body, Dialect::of(answer.media.as_deref(), &answer.body)) {
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
        let mut series = Vec::new();
        let wanted: Vec<&String> = metrics.iter().filter(|name| known.contains(*name)).collect();
        let now = time::wall() / 1_000_000_000;
        for names in wanted.chunks(AT_ONCE) {
            let matches: String = names.iter().map(|name| format!("&match[]={}", encoded(&selector(name)))).collect();
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
        known.retain(|name| !series.iter().any(|labels: &Labels| labels.name() == name));
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

fn encoded(text: &str) -> String {
    let one = |b: u8| {
        let plain = b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        if plain { (b as char).to_string() } else { format!("%{b:02X}") }
    };
    text.bytes().map(one).collect()
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
        assert_eq!(encoded(&selector("a:b")), "%7B__name__%3D%22a%3Ab%22%7D");
    }

    #[test]
    fn a_host_that_is_not_ours_is_not_asked() {
        let Err(Trouble { why, is_usage }) = read("http://10.0.0.1:9090", &[], &BTreeSet::new()) else {
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
