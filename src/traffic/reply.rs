//! What a reply is worth: its class, and whether its body keeps to what was asked for.

use serde_json::Value;
use serde_json_path::JsonPath;

use super::http::exchange::Answer;
use crate::evidence::reply::Outcome;
use crate::scenario::{Class, ClassPlace, Pair, Quote};

/// The class of a reply: the first that matches. `body` is its JSON, if it is JSON.
pub fn classify(classes: &[Class], answer: &Answer, body: Option<&Value>) -> Option<u16> {
    let matches = |class: &Class| match &class.place {
        ClassPlace::Json(path) => body.and_then(|b| first(path, b)).is_some_and(|v| text(v) == class.is),
        ClassPlace::Header(name) => answer.headers.get(name).is_some_and(|v| v.as_bytes() == class.is.as_bytes()),
    };
    classes.iter().position(matches).map(|i| i as u16)
}

/// Whether a status is the one that is wanted: any 2xx where none is named.
pub fn status_is(status: u16, wanted: Option<u16>) -> bool {
    wanted.map_or((200..300).contains(&status), |w| w == status)
}

/// What a quote's reply is worth. `now_ms` is the wall clock in Unix milliseconds.
pub fn quote(
    quote: &Quote,
    pair: &Pair,
    answer: &Answer,
    body: Option<&Value>,
    now_ms: i64,
) -> (Outcome, Option<String>) {
    if !status_is(answer.status, None) {
        return (Outcome::Rejected, Some(format!("status {}", answer.status)));
    }
    match invalid(quote, pair, answer, body, now_ms) {
        Some(why) => (Outcome::Invalid, Some(why)),
        None => (Outcome::Ok, None),
    }
}

fn invalid(quote: &Quote, pair: &Pair, answer: &Answer, body: Option<&Value>, now_ms: i64) -> Option<String> {
    if answer.too_long {
        return Some(format!("the body is longer than {}", quote.max_body));
    }
    let Some(body) = body else {
        return Some(format!("the body is no JSON: {}", excerpt(&answer.body)));
    };
    match first(&quote.out_amount, body).map(amount) {
        None => return Some(format!("no amount at {}", quote.out_amount)),
        Some(None) => return Some(format!("what stands at {} is no amount", quote.out_amount)),
        Some(Some(n)) if n <= 0.0 => return Some("an amount of 0".into()),
        Some(Some(_)) => {}
    }
    for ((path, required), asked) in quote.echo.iter().zip([&pair.input, &pair.output]) {
        match first(path, body).map(text) {
            Some(mint) if mint != *asked => return Some(format!("asked for {asked}, answered {mint} at {path}")),
            None if *required => return Some(format!("no mint at {path}")),
            _ => {}
        }
    }
    let (path, required) = &quote.timestamp;
    let made = first(path, body).and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
    match (made, quote.max_age) {
        (None, _) if *required => Some(format!("no time at {path}")),
        (None, Some(_)) => Some(format!("no time at {path}, and `max_age` needs one")),
        (Some(made), Some(age)) if now_ms - made > age.as_millis() as i64 => {
            Some(format!("{} ms old, {} is allowed", now_ms - made, crate::base::units::duration(age)))
        }
        _ => None,
    }
}

/// What a plain step's reply is worth.
pub fn step(step: &crate::scenario::Step, status: u16, body: &[u8], too_long: bool) -> (Outcome, Option<String>) {
    if !status_is(status, step.status) {
        return (Outcome::Rejected, Some(format!("status {status}")));
    }
    if too_long {
        return (Outcome::Invalid, Some("the body is too long".into()));
    }
    let Some((path, is)) = &step.json else { return (Outcome::Ok, None) };
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    match parsed.as_ref().map(|b| first(path, b).map(text)) {
        None => (Outcome::Invalid, Some(format!("the body is no JSON: {}", excerpt(body)))),
        Some(None) => (Outcome::Invalid, Some(format!("nothing at {path}"))),
        Some(Some(found)) => match is {
            Some(is) if found != *is => (Outcome::Invalid, Some(format!("`{found}` at {path}, not `{is}`"))),
            _ => (Outcome::Ok, None),
        },
    }
}

fn first<'v>(path: &JsonPath, body: &'v Value) -> Option<&'v Value> {
    path.query(body).first()
}

/// A value as text: strings without their quotes.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// An amount, written as a number or as text.
fn amount(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

fn excerpt(body: &[u8]) -> String {
    crate::base::text::shorten(&String::from_utf8_lossy(&body[..body.len().min(80)]), 80)
}
