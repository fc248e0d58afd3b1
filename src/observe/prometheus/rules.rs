//! The rules that a server evaluates, as a rule file: what `/api/v1/rules` says, written as Prometheus would read it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use crate::observe::api::{Api, Refused};

/// The rules of a server as the text of a rule file. The error says why there are none.
pub(super) async fn rule_file(api: &Api) -> Result<String, Refused> {
    let (json, _) = api.json("/api/v1/rules", &[]).await?;
    written(&json).map_err(Refused::from)
}

/// The text of a rule file; JSON strings are YAML too.
fn written(json: &Value) -> Result<String, String> {
    let groups = json.pointer("/data/groups").and_then(Value::as_array);
    let groups = groups.ok_or("/api/v1/rules: it answers with what are no rules: is it a Prometheus?")?;
    if groups.is_empty() {
        return Err("/api/v1/rules: it has no rules".into());
    }
    let mut out = String::from("# As /api/v1/rules told them.\ngroups:\n");
    let mut names = BTreeSet::new();
    for group in groups {
        let word = |key: &str| group.get(key).and_then(Value::as_str).unwrap_or_default();
        // Two files may have groups of one name; within one file no two may.
        let mut name = word("name").to_owned();
        if !names.insert(name.clone()) {
            name = format!("{name} of {}", word("file"));
            names.insert(name.clone());
        }
        let _ = writeln!(out, "  - name: {}", Value::from(name));
        line(&mut out, "    interval", length(group.get("interval")));
        let limit = group.get("limit").and_then(Value::as_u64).filter(|limit| *limit > 0);
        line(&mut out, "    limit", limit.map(|limit| limit.to_string()));
        let _ = writeln!(out, "    rules:");
        for rule in group.get("rules").and_then(Value::as_array).into_iter().flatten() {
            one(&mut out, rule)?;
        }
    }
    Ok(out)
}

fn one(out: &mut String, rule: &Value) -> Result<(), String> {
    let text = |key: &str| rule.get(key).and_then(Value::as_str);
    let kind = match text("type") {
        Some("alerting") => "alert",
        Some("recording") => "record",
        _ => return Err("/api/v1/rules: a rule that is neither an alert nor a record".into()),
    };
    let (name, query) = (text("name").unwrap_or_default(), text("query").unwrap_or_default());
    let _ = writeln!(out, "      - {kind}: {}\n        expr: {}", Value::from(name), Value::from(query));
    line(out, "        for", length(rule.get("duration")));
    line(out, "        keep_firing_for", length(rule.get("keepFiringFor")));
    for key in ["labels", "annotations"] {
        let pairs = rule.get(key).and_then(Value::as_object).filter(|pairs| !pairs.is_empty());
        let Some(pairs) = pairs else { continue };
        let _ = writeln!(out, "        {key}:");
        for (name, value) in pairs {
            let value = Value::from(value.as_str().unwrap_or_default());
            let _ = writeln!(out, "          {}: {value}", Value::from(name.as_str()));
        }
    }
    Ok(())
}

fn line(out: &mut String, key: &str, value: Option<String>) {
    if let Some(value) = value {
        let _ = writeln!(out, "{key}: {value}");
    }
}

/// Seconds as a duration of Prometheus; nothing where there are none.
fn length(seconds: Option<&Value>) -> Option<String> {
    let ms = (seconds?.as_f64()? * 1000.0).round() as u64;
    match ms {
        0 => None,
        ms if ms.is_multiple_of(1000) => Some(format!("{}s", ms / 1000)),
        ms => Some(format!("{ms}ms")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_they_would_be_read() {
        let json = r#"{"status":"success","data":{"groups":[
            {"name":"g","file":"a.yml","interval":0.5,"limit":0,"rules":[
                {"type":"alerting","name":"High","query":"sum(rate(x{a=\"b\"}[1m])) > 1","duration":90,"keepFiringFor":1.5,
                 "labels":{"severity":"critical"},"annotations":{"summary":"{{ $value }}: \"no\""},"state":"inactive"},
                {"type":"recording","name":"a:b","query":"x","labels":{}}]},
            {"name":"g","file":"b.yml","interval":60,"limit":3,"rules":[]}]}}"#;
        let want = "\
            # As /api/v1/rules told them.\n\
            groups:\n\
            \x20 - name: \"g\"\n\
            \x20   interval: 500ms\n\
            \x20   rules:\n\
            \x20     - alert: \"High\"\n\
            \x20       expr: \"sum(rate(x{a=\\\"b\\\"}[1m])) > 1\"\n\
            \x20       for: 90s\n\
            \x20       keep_firing_for: 1500ms\n\
            \x20       labels:\n\
            \x20         \"severity\": \"critical\"\n\
            \x20       annotations:\n\
            \x20         \"summary\": \"{{ $value }}: \\\"no\\\"\"\n\
            \x20     - record: \"a:b\"\n\
            \x20       expr: \"x\"\n\
            \x20 - name: \"g of b.yml\"\n\
            \x20   interval: 60s\n\
            \x20   limit: 3\n\
            \x20   rules:\n";
        assert_eq!(written(&serde_json::from_str(json).expect("json")).as_deref(), Ok(want));
        assert!(written(&serde_json::json!({"data": {"groups": []}})).is_err_and(|why| why.contains("no rules")));
        assert!(written(&Value::Null).is_err());
    }
}
