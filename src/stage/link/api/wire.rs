//! The JSON of the API: what clients send, and what they are shown. Names of fields are read in any case and unknown
//! ones are left alone, as toxiproxy does.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::link::Face;
use super::super::toxic::{Delay, Kind, Stream, Toxic, WORDS};

/// What is wrong with a request.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Wrong {
    /// It cannot be read.
    #[error("bad request body: {0}")]
    Body(String),
    /// Something must be said.
    #[error("missing required field: {0}")]
    Missing(String),
    /// No direction.
    #[error("stream was invalid, can be either upstream or downstream")]
    Stream,
    /// No kind.
    #[error("invalid toxic type")]
    Type,
    /// One name for two.
    #[error("duplicate proxy name \"{0}\"")]
    Twice(String),
}

/// A link that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Not empty.
    pub name: String,
    /// The rest.
    pub face: Face,
}

/// A body that must be an object.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Wrong> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(Wrong::Body("not an object".into())),
        Err(e) if body.is_empty() => Err(Wrong::Body(format!("EOF: {e}"))),
        Err(e) => Err(Wrong::Body(e.to_string())),
    }
}

/// The links of `/populate`; none when one is wrong.
pub fn proxies(body: &[u8]) -> Result<Vec<Proxy>, Wrong> {
    let all: Vec<Map<String, Value>> = serde_json::from_slice(body).map_err(|e| Wrong::Body(e.to_string()))?;
    let mut read: Vec<Proxy> = Vec::new();
    for (i, raw) in all.iter().enumerate() {
        let new = proxy(raw, Some(i + 1))?;
        if read.iter().any(|known| known.name == new.name) {
            return Err(Wrong::Twice(new.name));
        }
        read.push(new);
    }
    Ok(read)
}

/// A new link; `number` is which one of several.
pub fn proxy(raw: &Map<String, Value>, number: Option<usize>) -> Result<Proxy, Wrong> {
    let none = Face { listen: String::new(), upstream: String::new(), enabled: true };
    let new = Proxy { name: text(raw, "name")?.unwrap_or_default(), face: face(raw, &none)? };
    let place = number.map_or_else(String::new, |n| format!(" at proxy {n}"));
    match () {
        () if new.name.is_empty() => Err(Wrong::Missing(format!("name{place}"))),
        () if new.face.upstream.is_empty() => Err(Wrong::Missing(format!("upstream{place}"))),
        () => Ok(new),
    }
}

/// A link with other settings: what is not said stays.
pub fn face(raw: &Map<String, Value>, now: &Face) -> Result<Face, Wrong> {
    Ok(Face {
        listen: text(raw, "listen")?.unwrap_or_else(|| now.listen.clone()),
        upstream: text(raw, "upstream")?.unwrap_or_else(|| now.upstream.clone()),
        enabled: match field(raw, "enabled") {
            None => now.enabled,
            Some(Value::Bool(enabled)) => *enabled,
            Some(other) => return Err(Wrong::Body(format!("enabled: {other} is neither true nor false"))),
        },
    })
}

/// A new toxic. Its id is not known here.
pub fn toxic(raw: &Map<String, Value>) -> Result<Toxic, Wrong> {
    let stream = match text(raw, "stream")?.as_deref() {
        None | Some("downstream") => Stream::Downstream,
        Some("upstream") => Stream::Upstream,
        Some(_) => return Err(Wrong::Stream),
    };
    let word = text(raw, "type")?.unwrap_or_default();
    if !WORDS.contains(&word.as_str()) {
        return Err(Wrong::Type);
    }
    let name = text(raw, "name")?.filter(|name| !name.is_empty());
    Ok(Toxic {
        id: 0,
        name: name.unwrap_or_else(|| format!("{word}_{}", stream.word())),
        kind: kind(&word, &attributes(raw)?)?,
        stream,
        toxicity: toxicity(raw)?.unwrap_or(1.0),
        watcher: None,
    })
}

/// A toxic with other attributes and another toxicity: what is not said stays, and nothing else can change.
pub fn changed(now: &Toxic, raw: &Map<String, Value>) -> Result<Toxic, Wrong> {
    let mut all = shown(&now.kind);
    for (name, value) in attributes(raw)? {
        all.retain(|known, _| !known.eq_ignore_ascii_case(&name));
        all.insert(name, value);
    }
    let kind =
        if matches!(now.kind, Kind::Latency(Delay::Law(_))) { now.kind.clone() } else { kind(now.kind.word(), &all)? };
    Ok(Toxic { kind, toxicity: toxicity(raw)?.unwrap_or(now.toxicity), ..now.clone() })
}

/// A toxic as clients see it.
pub fn show(toxic: &Toxic) -> Value {
    json!({
        "attributes": shown(&toxic.kind),
        "name": toxic.name,
        "type": toxic.kind.word(),
        "stream": toxic.stream.word(),
        "toxicity": number(toxic.toxicity),
    })
}

fn shown(kind: &Kind) -> Map<String, Value> {
    let ms = |length: Duration| number(length.as_secs_f64() * 1e3);
    let pairs: Vec<(&str, Value)> = match kind {
        Kind::Noop | Kind::DropHalf => Vec::new(),
        Kind::Latency(Delay::Jitter { latency, jitter }) => vec![("latency", ms(*latency)), ("jitter", ms(*jitter))],
        Kind::Latency(Delay::Law(law)) => vec![("law", format!("{law:?}").into())],
        Kind::Bandwidth { rate } => vec![("rate", number(*rate as f64 / 1e3))],
        Kind::SlowClose { delay } => vec![("delay", ms(*delay))],
        Kind::Timeout { timeout } | Kind::ResetPeer { timeout } => vec![("timeout", ms(*timeout))],
        Kind::Slicer { average_size, size_variation, delay } => vec![
            ("average_size", (*average_size).into()),
            ("size_variation", (*size_variation).into()),
            ("delay", number(delay.as_secs_f64() * 1e6)),
        ],
        Kind::LimitData { bytes } => vec![("bytes", (*bytes).into())],
        Kind::Corrupt { bits, every } => vec![("bits", (*bits).into()), ("every", (*every).into())],
    };
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn kind(word: &str, raw: &Map<String, Value>) -> Result<Kind, Wrong> {
    let amount = |name: &str| match field(raw, name) {
        None => Ok(0.0),
        Some(value) => {
            let wrong = || Wrong::Body(format!("{name}: {value} is no number from 0"));
            value.as_f64().filter(|n| *n >= 0.0 && *n <= 1e15).ok_or_else(wrong)
        }
    };
    let ms = |name: &str| Ok::<_, Wrong>(Duration::from_nanos((amount(name)? * 1e6).round() as u64));
    let whole = |name: &str| Ok::<_, Wrong>(amount(name)?.round() as u64);
    Ok(match word {
        "latency" => Kind::Latency(Delay::Jitter { latency: ms("latency")?, jitter: ms("jitter")? }),
        "bandwidth" => Kind::Bandwidth { rate: (amount("rate")? * 1e3).round() as u64 },
        "slow_close" => Kind::SlowClose { delay: ms("delay")? },
        "timeout" => Kind::Timeout { timeout: ms("timeout")? },
        "reset_peer" => Kind::ResetPeer { timeout: ms("timeout")? },
        "slicer" => {
            let (average_size, size_variation) = (whole("average_size")?, whole("size_variation")?);
            if average_size <= size_variation {
                return Err(Wrong::Body("average_size must be above size_variation".into()));
            }
            let delay = Duration::from_nanos((amount("delay")? * 1e3).round() as u64);
            Kind::Slicer { average_size, size_variation, delay }
        }
        "limit_data" => Kind::LimitData { bytes: whole("bytes")? },
        "corrupt" => {
            let or = |value: u64, default| if value == 0 { default } else { value };
            let bits = u32::try_from(or(whole("bits")?, 1)).unwrap_or(u32::MAX);
            Kind::Corrupt { bits, every: or(whole("every")?, 64 * 1024) }
        }
        "drop_half" => Kind::DropHalf,
        _ => Kind::Noop,
    })
}

fn attributes(raw: &Map<String, Value>) -> Result<Map<String, Value>, Wrong> {
    match field(raw, "attributes") {
        None => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(other) => Err(Wrong::Body(format!("attributes: {other} is no object"))),
    }
}

fn toxicity(raw: &Map<String, Value>) -> Result<Option<f64>, Wrong> {
    let read = |value: &Value| value.as_f64().ok_or_else(|| Wrong::Body(format!("toxicity: {value} is no number")));
    field(raw, "toxicity").map(read).transpose()
}

fn text(raw: &Map<String, Value>, name: &str) -> Result<Option<String>, Wrong> {
    match field(raw, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(Wrong::Body(format!("{name}: {other} is no string"))),
    }
}

/// A field, its name in any case; `null` says nothing.
fn field<'r>(raw: &'r Map<String, Value>, name: &str) -> Option<&'r Value> {
    let found = raw.get(name).or_else(|| raw.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v));
    found.filter(|value| !value.is_null())
}

/// Whole numbers without a fraction.
fn number(n: f64) -> Value {
    if n.fract() == 0.0 && n.abs() < 9e15 { (n as i64).into() } else { n.into() }
}
