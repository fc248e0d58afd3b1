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

/// How many arguments a function takes: at least, and at most.
const ARITIES: &[(&str, usize, usize)] = &[
    ("and", 1, MANY),
    ("args", 0, MANY),
    ("eq", 2, MANY),
    ("externalURL", 0, 0),
    ("first", 1, 1),
    ("ge", 2, 2),
    ("graphLink", 1, 1),
    ("gt", 2, 2),
    ("html", 0, MANY),
    ("humanize", 1, 1),
    ("humanize1024", 1, 1),
    ("humanizeDuration", 1, 1),
    ("humanizePercentage", 1, 1),
    ("humanizeTimestamp", 1, 1),
    ("index", 1, MANY),
    ("label", 2, 2),
    ("le", 2, 2),
    ("len", 1, 1),
    ("lt", 2, 2),
    ("match", 2, 2),
    ("ne", 2, 2),
    ("not", 1, 1),
    ("or", 1, MANY),
    ("parseDuration", 1, 1),
    ("pathPrefix", 0, 0),
    ("print", 0, MANY),
    ("printf", 1, MANY),
    ("println", 0, MANY),
    ("query", 1, 1),
    ("reReplaceAll", 3, 3),
    ("safeHtml", 1, 1),
    ("sortByLabel", 2, 2),
    ("stripDomain", 1, 1),
    ("stripPort", 1, 1),
    ("strvalue", 1, 1),
    ("tableLink", 1, 1),
    ("title", 1, 1),
    ("toLower", 1, 1),
    ("toUpper", 1, 1),
    ("urlquery", 0, MANY),
    ("value", 1, 1),
];

const MANY: usize = usize::MAX;

/// Whether there is such a function.
pub(super) fn is_known(name: &str) -> bool {
    ARITIES.iter().any(|(known, ..)| *known == name)
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
pub(super) fn check_count(name: &str, count: usize) -> Result<(), Wrong> {
    let Some((_, least, most)) = ARITIES.iter().find(|(known, ..)| *known == name) else { return Ok(()) };
    if count < *least || count > *most {
        let least = if *most == MANY { format!("at least {least}") } else { least.to_string() };
        return Err(Wrong::Call(format!("wrong number of args for {name}: want {least} got {count}")));
    }
    Ok(())
}

/// Calls a function whose count of arguments has been checked. `and` and `or` are called with what they came to.
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
        ("printf", [form, rest @ ..]) => text(format::sprintf(&string(form)?, rest)),
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
        ("query", [query]) => inside((data.query)(&string(query)?).map(|all| Value::Samples(all.into()))),
        ("first", [Value::Samples(all)]) => match all.first() {
            Some(first) => Ok(Value::Sample(Rc::new(first.clone()))),
            None => Err(Wrong::Inside("first() called on vector with no elements".into())),
        },
        ("value", [Value::Sample(one)]) => Ok(Value::Float(one.value)),
        ("strvalue", [Value::Sample(one)]) => text(one.labels.get("__value__").to_owned()),
        ("label", [label, Value::Sample(one)]) => text(one.labels.get(&string(label)?).to_owned()),
        ("sortByLabel", [label, Value::Samples(all)]) => {
            let label = string(label)?;
            let mut all = all.to_vec();
            all.sort_by(|a, b| a.labels.get(&label).cmp(b.labels.get(&label)));
            Ok(Value::Samples(all.into()))
        }
        ("first" | "value" | "strvalue" | "label" | "sortByLabel", [.., last]) => {
            let wanted =
                if matches!(name, "first" | "sortByLabel") { "template.queryResult" } else { "*template.sample" };
            Err(mistyped(wanted, last))
        }
        ("match", [pattern, subject]) => {
            let (pattern, subject) = (string(pattern)?, string(subject)?);
            inside(regex(&pattern).map(|regex| Value::Bool(regex.is_match(&subject))))
        }
        ("reReplaceAll", [pattern, with, subject]) => {
            let (with, subject) = (string(with)?, string(subject)?);
            let regex = regex(&string(pattern)?).map_err(Wrong::Inside)?;
            text(regex.replace_all(&subject, with.as_ref()).into_owned())
        }
        ("title", [arg]) => text(title(&string(arg)?)),
        ("toUpper", [arg]) => text(string(arg)?.to_uppercase()),
        ("toLower", [arg]) => text(string(arg)?.to_lowercase()),
        ("safeHtml", [arg]) => text(string(arg)?.into_owned()),
        ("graphLink", [arg]) => text(format!("/graph?g0.expr={}&g0.tab=0", escape_query(&string(arg)?))),
        ("tableLink", [arg]) => text(format!("/graph?g0.expr={}&g0.tab=1", escape_query(&string(arg)?))),
        ("stripPort", [arg]) => {
            let address = string(arg)?;
            text(split_port(&address).map_or(address.clone().into_owned(), |(host, _)| host.to_owned()))
        }
        ("stripDomain", [arg]) => text(strip_domain(&string(arg)?)),
        ("humanize", [arg]) => text(humanize::metric(float(arg)?)),
        ("humanize1024", [arg]) => text(humanize::binary(float(arg)?)),
        ("humanizeDuration", [arg]) => text(humanize::duration(float(arg)?)),
        ("humanizePercentage", [arg]) => text(humanize::percentage(float(arg)?)),
        ("humanizeTimestamp", [arg]) => text(humanize::timestamp(float(arg)?).map_err(Wrong::Inside)?),
        ("parseDuration", [arg]) => {
            let length = string(arg)?;
            let wrong = || format!("not a valid duration string: {}", format::quoted(&length));
            let ms = parse_length(&length).map_err(|_| Wrong::Inside(wrong()))?;
            Ok(Value::Float(ms as f64 / 1e3))
        }
        _ => Err(Wrong::Call(format!("{name} cannot be called like this"))),
    }
}

fn mistyped(wanted: &str, got: &Value<'_>) -> Wrong {
    match got {
        Value::Nil | Value::Missing => Wrong::Call(format!("invalid value; expected {wanted}")),
        _ => Wrong::Call(format!("wrong type for value; expected {wanted}; got {}", got.go_type())),
    }
}

fn string<'v, 'd>(value: &'v Value<'d>) -> Result<Cow<'v, str>, Wrong> {
    match value {
        Value::Text(text) => Ok(Cow::Borrowed(text)),
        other => Err(mistyped("string", other)),
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
    fn every_function_has_one_count_of_arguments() {
        assert!(ARITIES.windows(2).all(|pair| pair[0].0 < pair[1].0), "sorted, each once");
    }
}
