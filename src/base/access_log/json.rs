//! Access logs of one JSON object a line, by the names that common servers give to things.

use serde_json::Value;

use super::{Entry, instant, request};

const TIME: &[&str] =
    &["time", "@timestamp", "timestamp", "ts", "time_iso8601", "time_local", "msec", "start_time", "StartUTC"];
const METHOD: &[&str] = &["method", "request_method", "http_method", "verb", "RequestMethod"];
const TARGET: &[&str] = &["path", "uri", "request_uri", "url", "target", "RequestPath"];
const STATUS: &[&str] = &["status", "status_code", "code", "response_status", "DownstreamStatus"];

pub(super) fn read(line: &str) -> Result<Entry, String> {
    let object: Value = serde_json::from_str(line).map_err(|why| format!("no JSON: {why}"))?;
    let time = text(&object, TIME).ok_or("no time")?;
    let (at, is_whole_second) = instant(&time).ok_or_else(|| format!("`{time}` is no time"))?;
    // Some have the whole line, some an object of their own for the request.
    let whole = object.get("request").and_then(Value::as_str).and_then(request);
    let within = object.get("request").filter(|request| request.is_object()).unwrap_or(&object);
    let (method, target) = match whole {
        Some(whole) => whole,
        None => {
            let method = text(within, METHOD).ok_or("no method")?;
            (method.to_ascii_uppercase(), text(within, TARGET).ok_or("no path")?)
        }
    };
    let status = text(&object, STATUS).and_then(|status| status.parse().ok());
    Ok(Entry { at, is_whole_second, method, target: path(&target).to_owned(), status })
}

/// The first of some members that is there, as text.
fn text(object: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| match object.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// What follows the host of a whole address.
fn path(target: &str) -> &str {
    let rest = target.split_once("://").map(|(_, rest)| rest);
    rest.map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]))
}
