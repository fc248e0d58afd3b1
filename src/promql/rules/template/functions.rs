//! The functions of templates: those of Go, and those that Prometheus adds.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::rc::Rc;

use regex::Regex;

use super::Data;
use super::format;
use super::humanize;
use super::value::Value;
use crate::promql::parse_length;

/// What each function takes: `s` a text, `q` the answer of a query, `e` an element of one, `*` anything; and whether any
/// number of other arguments may follow.
const SIGNATURES: &[(&str, &str, bool)] = &[
    ("and", "*", true),
    ("args", "", true),
    ("eq", "**", true),
    ("externalURL", "", false),
    ("first", "q", false),
    ("ge", "**", false),
    ("graphLink", "s", false),
    ("gt", "**", false),
    ("html", "", true),
    ("humanize", "*", false),
    ("humanize1024", "*", false),
    ("humanizeDuration", "*", false),
    ("humanizePercentage", "*", false),
    ("humanizeTimestamp", "*", false),
    ("index", "*", true),
    ("label", "se", false),
    ("le", "**", false),
    ("len", "*", false),
    ("lt", "**", false),
    ("match", "ss", false),
    ("ne", "**", false),
    ("not", "*", false),
    ("or", "*", true),
    ("parseDuration", "s", false),
    ("pathPrefix", "", false),
    ("print", "", true),
    ("printf", "s", true),
    ("println", "", true),
    ("query", "s", false),
    ("reReplaceAll", "sss", false),
    ("safeHtml", "s", false),
    ("sortByLabel", "sq", false),
    ("stripDomain", "s", false),
    ("stripPort", "s", false),
    ("strvalue", "e", false),
    ("tableLink", "s", false),
    ("title", "s", false),
    ("toLower", "s", false),
    ("toUpper", "s", false),
    ("urlquery", "", true),
    ("value", "e", false),
];

/// Whether there is such a function.
pub(super) fn is_known(name: &str) -> bool {
    SIGNATURES.iter().any(|(known, ..)| *known == name)
}

/// Why a call has no value.
pub(super) enum Wrong {
    /// The call is wrong.
    Call(String),
    /// The function found something wrong.
    Inside(String),
}

type Answer<'d> = Result<Value<'d>, Wrong>;

/// Whether so many arguments will do.
pub(super) fn check_count(name: &str, count: usize) -> Result<(), String> {
    let Some((_, kinds, more)) = SIGNATURES.iter().find(|(known, ..)| *known == name) else { return Ok(()) };
    if count < kinds.len() || (count > kinds.len() && !more) {
        let least = if *more { format!("at least {}", kinds.len()) } else { kinds.len().to_string() };
        return Err(format!("wrong number of args for {name}: want {least} got {count}"));
    }
    Ok(())
}

/// Whether a value will do as an argument at this place, counted from 0.
pub(super) fn check_argument(name: &str, place: usize, value: &Value<'_>) -> Result<(), String> {
    let signature = SIGNATURES.iter().find(|(known, ..)| *known == name);
    let wanted = match (signature.and_then(|(_, kinds, _)| kinds.as_bytes().get(place)), value) {
        (Some(b's'), Value::Text(_)) | (Some(b'q'), Value::Samples(_)) | (Some(b'e'), Value::Sample(_)) => {
            return Ok(());
        }
        (Some(b's'), _) => "string",
        (Some(b'q'), _) => "template.queryResult",
        (Some(b'e'), _) => "*template.sample",
        _ => return Ok(()),
    };
    Err(match value {
        Value::Nil | Value::Missing => format!("invalid value; expected {wanted}"),
        _ => format!("wrong type for value; expected {wanted}; got {}", value.go_type()),
    })
}

/// Calls a function whose arguments have been checked. `and` and `or` are called with what they came to.
pub(super) fn call<'d>(name: &str, args: Vec<Value<'d>>, data: &Data<'d>) -> Answer<'d> {
    let inside = |result: Result<Value<'d>, String>| result.map_err(Wrong::Inside);
    let text = |text: String| Ok(Value::Text(Cow::Owned(text)));
    match (name, args.as_slice()) {
        ("and" | "or", [.., last]) => Ok(last.clone()),
        ("not", [arg]) => Ok(Value::Bool(!arg.is_true())),
        ("eq", [first, rest @ ..]) => inside(equal_any(first, rest)),
        ("ne" | "lt" | "le" | "gt" | "ge", [a, b]) => inside(compare(name, a, b)),
        ("len", [arg]) => match arg.len() {
            Some(length) => Ok(Value::Int(length as i64)),
            None => Err(Wrong::Inside(format!("len of type {}", arg.go_type()))),
        },
        ("index", [of, keys @ ..]) => inside(keys.iter().try_fold(of.clone(), |of, key| index(&of, key))),
        ("print", all) => text(print(all)),
        ("println", all) => text(all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ") + "\n"),
        ("printf", [form, rest @ ..]) => text(format::sprintf(string(form), rest)),
        ("html", all) => text(escape_html(&print(all))),
        ("urlquery", all) => text(escape_query(&print(all))),
        ("args", all) => {
            let named = all.iter().enumerate().map(|(i, value)| (format!("arg{i}"), value.clone()));
            Ok(Value::Map(Rc::new(named.collect())))
        }
        ("externalURL", _) => Ok(Value::Text(Cow::Borrowed(data.external_url))),
        ("pathPrefix", _) => {
            let after = data.external_url.split_once("://").map_or("", |(_, rest)| rest);
            Ok(Value::Text(Cow::Borrowed(after.find('/').map_or("", |slash| &after[slash..]))))
        }
        ("query", [query]) => inside((data.query)(string(query)).map(|all| Value::Samples(all.into()))),
        ("first", [Value::Samples(all)]) => match all.first() {
            Some(first) => Ok(Value::Sample(Rc::new(first.clone()))),
            None => Err(Wrong::Inside("first() called on vector with no elements".into())),
        },
        ("value", [Value::Sample(one)]) => Ok(Value::Float(one.value)),
        ("strvalue", [Value::Sample(one)]) => text(one.labels.get("__value__").to_owned()),
        ("label", [label, Value::Sample(one)]) => text(one.labels.get(string(label)).to_owned()),
        ("sortByLabel", [label, Value::Samples(all)]) => {
            let label = string(label);
            let mut all = all.to_vec();
            all.sort_by(|a, b| a.labels.get(label).cmp(b.labels.get(label)));
            Ok(Value::Samples(all.into()))
        }
        ("match", [pattern, subject]) => {
            let (pattern, subject) = (string(pattern), string(subject));
            inside(regex(pattern).map(|regex| Value::Bool(regex.is_match(subject))))
        }
        ("reReplaceAll", [pattern, with, subject]) => {
            let (with, subject) = (string(with), string(subject));
            let regex = regex(string(pattern)).map_err(Wrong::Inside)?;
            text(regex.replace_all(subject, with).into_owned())
        }
        ("title", [arg]) => text(title(string(arg))),
        ("toUpper", [arg]) => text(string(arg).to_uppercase()),
        ("toLower", [arg]) => text(string(arg).to_lowercase()),
        ("safeHtml", [arg]) => text(string(arg).to_owned()),
        ("graphLink", [arg]) => text(format!("/graph?g0.expr={}&g0.tab=0", escape_query(string(arg)))),
        ("tableLink", [arg]) => text(format!("/graph?g0.expr={}&g0.tab=1", escape_query(string(arg)))),
        ("stripPort", [arg]) => {
            let address = string(arg);
            text(split_port(address).map_or(address, |(host, _)| host).to_owned())
        }
        ("stripDomain", [arg]) => text(strip_domain(string(arg))),
        ("humanize", [arg]) => text(humanize::metric(float(arg)?)),
        ("humanize1024", [arg]) => text(humanize::binary(float(arg)?)),
        ("humanizeDuration", [arg]) => text(humanize::duration(float(arg)?)),
        ("humanizePercentage", [arg]) => text(humanize::percentage(float(arg)?)),
        ("humanizeTimestamp", [arg]) => text(humanize::timestamp(float(arg)?).map_err(Wrong::Inside)?),
        ("parseDuration", [arg]) => {
            let length = string(arg);
            let wrong = || format!("not a valid duration string: {}", format::quoted(length));
            let ms = parse_length(length).map_err(|_| Wrong::Inside(wrong()))?;
            Ok(Value::Float(ms as f64 / 1e3))
        }
        _ => Err(Wrong::Call(format!("{name} cannot be called like this"))),
    }
}

/// A text; where it is something else, its call has been refused.
fn string<'v>(value: &'v Value<'_>) -> &'v str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn float(value: &Value<'_>) -> Result<f64, Wrong> {
    match value {
        Value::Float(value) => Ok(*value),
        Value::Int(value) => Ok(*value as f64),
        Value::Text(text) => (text.parse()).map_err(|_| {
            Wrong::Inside(format!("strconv.ParseFloat: parsing {}: invalid syntax", format::quoted(text)))
        }),
        other => Err(Wrong::Inside(format!("can't convert {} to float", other.go_type()))),
    }
}

fn print(all: &[Value<'_>]) -> String {
    let mut out = String::new();
    for (i, value) in all.iter().enumerate() {
        let spaced = i > 0 && ![&all[i - 1], value].iter().any(|v| matches!(v, Value::Text(_)));
        out.push_str(if spaced { " " } else { "" });
        out.push_str(&value.to_string());
    }
    out
}

fn equal_any<'d>(first: &Value<'d>, rest: &[Value<'d>]) -> Result<Value<'d>, String> {
    for other in rest {
        let nothing = |v: &Value<'_>| matches!(v, Value::Nil | Value::Missing);
        if nothing(first) || nothing(other) {
            if nothing(first) && nothing(other) {
                return Ok(Value::Bool(true));
            }
            continue;
        }
        if first.compare(other)? == Some(Ordering::Equal) {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn compare<'d>(name: &str, a: &Value<'d>, b: &Value<'d>) -> Result<Value<'d>, String> {
    if name == "ne" {
        let Value::Bool(equal) = equal_any(a, std::slice::from_ref(b))? else { return Ok(Value::Bool(true)) };
        return Ok(Value::Bool(!equal));
    }
    if matches!(a, Value::Bool(_)) {
        return Err("invalid type for comparison".into());
    }
    let order = a.compare(b)?;
    Ok(Value::Bool(match name {
        "lt" => order == Some(Ordering::Less),
        "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "gt" => order == Some(Ordering::Greater),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }))
}

fn index<'d>(of: &Value<'d>, key: &Value<'d>) -> Result<Value<'d>, String> {
    match (of, key) {
        (Value::Labels(labels), Value::Text(name)) => Ok(Value::Text(Cow::Owned(labels.get(name).to_owned()))),
        (Value::Map(map), Value::Text(name)) => Ok(map.get(name.as_ref()).cloned().unwrap_or(Value::Missing)),
        (Value::Samples(all), Value::Int(i)) => usize::try_from(*i)
            .ok()
            .and_then(|i| all.get(i))
            .map(|one| Value::Sample(Rc::new(one.clone())))
            .ok_or_else(|| format!("index out of range: {i}")),
        (Value::Labels(_) | Value::Map(_), key) => Err(format!("value has type {}; should be string", key.go_type())),
        (Value::Samples(_), key) => Err(format!("cannot index slice/array with type {}", key.go_type())),
        (Value::Nil | Value::Missing, _) => Err("index of untyped nil".into()),
        (other, _) => Err(format!("can't index item of type {}", other.go_type())),
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|_| format!("error parsing regexp: `{pattern}`"))
}

/// The first letter of each word as a capital, the others as they are.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c)
        } else {
            out.extend(c.to_uppercase())
        }
        inside = c.is_alphanumeric() || c == '_' || (inside && c == '\'');
    }
    out
}

/// The host and the port of an address that has both.
fn split_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
        Some(host) => host.map(|host| (host, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

fn strip_domain(address: &str) -> String {
    let (host, port) = split_port(address).unwrap_or((address, ""));
    if host.parse::<IpAddr>().is_ok() {
        return address.to_owned();
    }
    let first = host.split('.').next().unwrap_or_default();
    if port.is_empty() { first.to_owned() } else { format!("{first}:{port}") }
}

fn escape_query(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(b as char),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn escape_html(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(split_port("a:1"), Some(("a", "1")));
        assert_eq!(split_port("[::1]:80"), Some(("::1", "80")));
        assert_eq!([split_port("a"), split_port("::1")], [None, None]);
        let stripped = ["a.example.org:80", "a.example.org", "10.0.0.1:80", "[::1]:80"].map(strip_domain);
        assert_eq!(stripped, ["a:80", "a", "10.0.0.1:80", "[::1]:80"]);
    }

    #[test]
    fn words_get_capitals() {
        assert_eq!(title("hello world's api_server 2nd-try iOS"), "Hello World's Api_server 2nd-Try IOS");
    }

    #[test]
    fn every_function_is_in_the_table_once() {
        assert!(SIGNATURES.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, each once");
    }
}
