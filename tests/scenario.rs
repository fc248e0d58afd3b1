//! The scenario language as its users meet it: what is said of bad files, word for word; that nothing makes the reader
//! panic; and that the schema, the shipped scenarios and the reference agree with it.
//!
//! `UPDATE_GOLDEN=1 cargo test --test scenario` writes what is now said as what is expected; read the difference.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use proofload::base::seed::{Seed, Stream};
use proofload::plan::{self, Plan};
use proofload::scenario::{self, Leave, Mistakes, Scenario, Settings};
use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` that end in `.yaml`, in order.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|e| e == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Compares with a file, or writes it when asked to.
fn golden(file: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|v| v == "1") {
        fs::write(file, actual).expect("writable");
        return Ok(());
    }
    match fs::read_to_string(file) {
        Ok(expected) if expected == actual => Ok(()),
        Ok(expected) => Err(format!("{}\n--- expected\n{expected}\n--- actual\n{actual}", file.display())),
        Err(why) => Err(format!("{}: {why}\n--- actual\n{actual}", file.display())),
    }
}

/// Reads a scenario that names no files but these few, in an empty environment.
fn read(text: &str) -> Result<Scenario, Mistakes> {
    let files = |name: &str| match name {
        "accounts.csv" => Ok(b"id,desk\na-1,fx\n".to_vec()),
        "pairs.csv" => Ok(b"input,output,weight\nSOL,USDC,2\nUSDC,SOL,1\n".to_vec()),
        "alerts.yml" => Ok(include_bytes!("../scenarios/quote-service/alerts.yml").to_vec()),
        "ca.pem" | "client.pem" => Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
        "client.key" => Ok(b"-----BEGIN PRIVATE KEY-----\n".to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let settings = Settings {
        leave: Some(Leave { exec: true, pids: &[4242], ..Leave::default() }),
        files: &files,
        ..Settings::alone("test")
    };
    scenario::read("test.yaml", text, &settings)
}

#[test]
fn every_bad_scenario_is_told_what_is_wrong() {
    let folder = root().join("tests/scenarios");
    let files = yaml_files(&folder);
    assert!(files.len() >= 30, "{} bad scenarios", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let text = String::from_utf8_lossy(&fs::read(file).expect("readable")).into_owned();
        let first = text.lines().next().unwrap_or_default();
        let args = first.strip_prefix("# args: ").unwrap_or_default().split_whitespace();
        let out = Command::new(env!("CARGO_BIN_EXE_proofload"))
            .arg("check")
            .arg(file.file_name().expect("a name"))
            .args(args)
            .current_dir(&folder)
            .env_clear()
            .output()
            .expect("starts");
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        if out.status.code() != Some(2) {
            wrong.push(format!("{}: {}, not exit 2\n{said}", file.display(), out.status));
        }
        if let Err(why) = golden(&file.with_extension("expected"), &said) {
            wrong.push(why);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_looks_secret_is_not_quoted() {
    for (file, secret) in [("secret-in-a-header", "hunter2"), ("secret-in-an-address", "hunter2")] {
        let folder = root().join("tests/scenarios").join(file);
        let text = fs::read_to_string(folder.with_extension("yaml")).expect("readable");
        let said = fs::read_to_string(folder.with_extension("expected")).expect("readable");
        assert!(text.contains(secret) && !said.contains(secret), "{file}:\n{said}");
    }
}

#[test]
fn an_unset_variable_is_told_once() {
    let text = "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a: { flow: { steps: [{ get: /x }] }, \
                load: [{ hold: { at: 1/s, for: \"${LONG}\" } }] }\n";
    let mistakes = read(text).expect_err("unset");
    assert_eq!(mistakes.all.len(), 1, "{mistakes}");
}

/// They go to a topic: asking for one of several services would ask for what is refused.
#[test]
fn signals_beside_several_services_name_none() {
    let text = "proofload: 1\ntarget: sim:trading-platform\nkafka: { k: { cluster: { topics: { a: {}, b: {} } } } }\ntraffic:\n  \
                s: { signal: { kafka: { on: k, topic: a }, json: { id: \"{{uuid}}\" }, id: \"{{uuid}}\", deadline: 5s, \
                effects: { kafka: { on: k, topic: b, id: $.id } } }, load: [{ hold: { at: 50/s, for: 10s } }] }\n\
                slo: [{ expect: lost(s) == 0 }]\n";
    read(text).expect("valid");
}

#[test]
fn a_bad_address_hides_no_other_mistake_of_the_target() {
    let text = "proofload: 1\ntarget: { services: { a: nowhere, b: elsewhere }, timeout: 0s, connections: 0 }\n\
                traffic:\n  a: { to: c, flow: { steps: [{ get: /x }] }, load: [{ hold: { at: 1/s, for: 5s } }] }\n";
    let mistakes = read(text).expect_err("five mistakes");
    assert_eq!(mistakes.all.len(), 5, "{mistakes}");
}

#[test]
fn an_expectation_that_compares_nothing_is_refused() {
    let text = "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a: { flow: { steps: [{ get: /x, expect: { is: up } }] }, \
                load: [{ hold: { at: 1/s, for: 5s } }] }\n";
    let mistakes = read(text).expect_err("compares nothing");
    assert!(
        mistakes.all.len() == 1 && mistakes.all[0].what.contains("one of `json`, `header` and `body`"),
        "{mistakes}"
    );
}

/// The number of a shot says in which loop it was, and has room for so many.
#[test]
fn a_load_in_too_many_pieces_is_refused() {
    let loads = |piece: &str, times: usize| {
        let text = "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  a: { flow: { steps: [{ get: /x }] }, load: [";
        format!("{text}{}] }}\n", format!("{{ {piece} }}, ").repeat(times))
    };
    for (piece, most) in
        [("saturate: { connections: 1, for: 1s }", 200), ("step: { by: 1/s, every: 1ms, times: 1000 }", 10)]
    {
        assert!(read(&loads(piece, most)).is_ok(), "{piece}");
        let mistakes = read(&loads(piece, most + 1)).expect_err(piece);
        assert!(mistakes.all.len() == 1 && mistakes.all[0].what.contains("more than"), "{mistakes}");
    }
}

/// A good scenario that uses most of the language.
const GOOD: &str = include_str!("../scenarios/quote-service/smoke.yaml");

const MORE: &str = r#"
faults:
  hangs: { on: upstream/jupiter, inject: { timeout: {} }, share: 50%, at: 8s, for: 4s, ttl: 6s }
  limits: { on: upstream/dflow, inject: { rate_limit: { rate: 1/s, burst: 1 } }, at: 20s, for: 2s }
limits: { faults: 2, share: 100%, ttl: 1m }
"#;

/// Another, with what that one cannot say.
const WIRED: &str = r#"
proofload: 1
target:
  url: ["https://api.example:8443/v1", "https://127.0.0.1:8444/v1"]
  tls: { ca: ca.pem, cert: client.pem, key: client.key, name: quotes.example }
  http: auto
  streams: 100
  reuse: { requests: 1000, age: 30s }
  resolve: { "api.example:8443": "::1" }
traffic:
  pings:
    flow: { steps: [{ get: /ping }] }
    load:
      - warm_up: { at: 100/s, for: 5s }
      - saturate: { connections: 64, for: 30s }
      - spike: { to: 100/s, for: 1s }
      - hold: { at: 100/s, for: 10s }
fitness: { precision: eco, workers: 2 }
slo:
  - expect: rate(pings) > 50/s
"#;

#[test]
fn a_private_key_is_read_and_not_kept() {
    let scenario = read(WIRED).expect("good");
    assert_eq!(scenario.inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["ca.pem", "client.pem"]);
    let tls = scenario.target.wire.tls.expect("as written");
    assert_eq!(tls.identity.expect("as written").key.pem(), b"-----BEGIN PRIVATE KEY-----\n");
    assert!(!scenario.source.contains("BEGIN PRIVATE KEY"));

    // Evidence is judged where the key is not.
    let without_key = |name: &str| match name {
        "ca.pem" | "client.pem" => Ok(b"-----BEGIN CERTIFICATE-----\n".to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let settings = Settings { files: &without_key, ..Settings::alone("test") };
    assert!(scenario::read("test.yaml", WIRED, &settings).is_ok());
    let run = Settings { leave: Some(Leave::default()), ..settings };
    let mistakes = scenario::read("test.yaml", WIRED, &run).expect_err("a run needs the key");
    assert!(mistakes.all.len() == 1 && mistakes.all[0].what.contains("client.key"), "{mistakes}");
}

#[test]
fn a_name_that_leads_elsewhere_needs_no_leave_of_its_own() {
    assert!(read(WIRED).is_ok());
    let elsewhere = WIRED.replace("\"::1\"", "10.0.0.5");
    let mistakes = read(&elsewhere).expect_err("10.0.0.5 is not this machine");
    assert!(mistakes.all.len() == 1 && mistakes.all[0].what.contains("10.0.0.5"), "{mistakes}");
    let another_port = WIRED.replace("api.example:8443\":", "api.example:443\":");
    let mistakes = read(&another_port).expect_err("nothing leads api.example:8443 elsewhere");
    assert!(mistakes.all.iter().any(|m| m.what.contains("`api.example` is not this machine")), "{mistakes}");
}

#[test]
fn no_mutation_of_a_good_scenario_makes_the_reader_panic() {
    const SCRAPS: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        ",",
        "&a ",
        "*a",
        "<<: *a",
        "${",
        "${X:-",
        "$$",
        "0",
        "-1",
        "1e999",
        "18446744073709551615",
        "99999999999999999999/s",
        "999d",
        "%",
        "\u{0}",
        "é",
        "\n",
    ];
    let good = format!("{GOOD}{MORE}");
    assert!(read(&good).is_ok(), "{}", read(&good).expect_err("bad"));
    let mut chance = Seed(1).stream("mutations");
    let (mut bad, mut valid) = (0, 0);
    for n in 0..10_000 {
        let good = if n % 4 == 0 { WIRED } else { good.as_str() };
        let mut text: Vec<char> = good.chars().collect();
        for _ in 0..=below(&mut chance, 4) {
            let at = below(&mut chance, text.len());
            let end = (at + below(&mut chance, 12)).min(text.len());
            match below(&mut chance, 5) {
                0 => drop(text.drain(at..end)),
                1 => drop(text.splice(at..at, SCRAPS[below(&mut chance, SCRAPS.len())].chars())),
                2 => drop(text.splice(at..end, SCRAPS[below(&mut chance, SCRAPS.len())].chars())),
                3 => text.swap(at, below(&mut chance, good.chars().count() / 2).min(at)),
                _ => {
                    let from = below(&mut chance, text.len());
                    let piece = text[from..(from + 40).min(text.len())].to_vec();
                    drop(text.splice(at..at, piece));
                }
            }
        }
        let text: String = text.into_iter().collect();
        match read(&text) {
            Ok(scenario) => {
                valid += 1;
                let plan = Plan::new(&scenario);
                let _ = plan::review(&scenario, &plan);
            }
            Err(mistakes) => {
                bad += 1;
                assert!(!mistakes.all.is_empty(), "refused without a word:\n{text}");
                assert!(mistakes.all.windows(2).all(|w| w[0].at <= w[1].at), "out of order: {mistakes}");
                let _ = mistakes.to_string();
            }
        }
    }
    assert!(bad > 1_000 && valid > 100, "the mutations test little: {bad} bad, {valid} valid");
}

fn below(chance: &mut Stream, n: usize) -> usize {
    (chance.unit() * n as f64) as usize
}

#[test]
fn the_schema_for_editors_is_the_one_that_ships() {
    let schema = serde_json::to_string_pretty(&scenario::schema()).expect("plain JSON") + "\n";
    golden(&root().join("scenarios/schema.json"), &schema).expect("run `proofload schema > scenarios/schema.json`");
}

#[test]
fn the_schema_of_suites_is_the_one_that_ships() {
    let schema = serde_json::to_string_pretty(&scenario::suite_schema()).expect("plain JSON") + "\n";
    golden(&root().join("scenarios/suite.schema.json"), &schema)
        .expect("run `proofload schema suite > scenarios/suite.schema.json`");
}

#[test]
fn shipped_suites_name_their_schema_and_scenarios_that_are_there() {
    let folder = root().join("scenarios");
    let mut seen = 0;
    for file in yaml_files(&folder) {
        let text = fs::read_to_string(&file).expect("readable");
        if !scenario::is_suite(&text) {
            continue;
        }
        seen += 1;
        let depth = file.strip_prefix(&folder).expect("inside").components().count() - 1;
        let modeline = format!("# yaml-language-server: $schema={}suite.schema.json", "../".repeat(depth));
        assert_eq!(text.lines().next(), Some(modeline.as_str()), "{}", file.display());
        assert_eq!(validate(&scenario::suite_schema(), &json(&text), ""), Ok(()), "{}", file.display());
        let beside = file.parent().expect("a folder");
        let trouble = |name: &str| (!beside.join(name).is_file()).then(|| "not there".to_owned());
        let settings = scenario::SuiteSettings { env: &|_| None, trouble: &trouble, default_name: "suite" };
        let suite = scenario::read_suite(&file.display().to_string(), &text, &settings);
        assert!(suite.is_ok_and(|suite| !suite.run.is_empty()), "{}", file.display());
    }
    assert!(seen > 0, "no suites in {}", folder.display());
}

#[test]
fn shipped_scenarios_name_the_schema_and_keep_to_it() {
    let folder = root().join("scenarios");
    let schema = scenario::schema();
    let mut seen = 0;
    for file in yaml_files(&folder) {
        let text = fs::read_to_string(&file).expect("readable");
        if !text.lines().any(|line| line.starts_with("proofload:")) {
            continue; // alert rules and other data
        }
        seen += 1;
        let depth = file.strip_prefix(&folder).expect("inside").components().count() - 1;
        let modeline = format!("# yaml-language-server: $schema={}schema.json", "../".repeat(depth));
        assert_eq!(text.lines().next(), Some(modeline.as_str()), "{}", file.display());
        let refused = validate(&schema, &json(&text), "");
        assert!(refused.is_ok(), "{}: {refused:?}", file.display());
    }
    assert!(seen > 0, "no scenarios in {}", folder.display());
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let schema = scenario::schema();
    let good = format!("{GOOD}{MORE}");
    assert_eq!(validate(&schema, &json(&good), ""), Ok(()));
    assert_eq!(validate(&schema, &json(WIRED), ""), Ok(()));
    for (old, new) in [
        ("http: auto", "http: 3"),
        ("reuse: {", "reuse: often #"),
        ("tls: {", "tls: { insecure: maybe,"),
        ("url: [", "url: [[], "),
        ("precision: eco", "precision: fine"),
        ("connections: 64, ", ""),
    ] {
        let bad = WIRED.replacen(old, new, 1);
        assert!(read(&bad).is_err(), "{new}: the reader takes it");
        assert!(validate(&schema, &json(&bad), "").is_err(), "{new}: the schema takes it");
    }
    for (old, new) in [
        ("proofload: 1", "proofload: one"),
        ("traffic:", "trafic:"),
        ("for: 20s", "for: 20"),
        ("at: 100/s", "at: 100"),
        ("- hold:", "- hodl:"),
        ("success: 99.2%", "success: 0.992"),
        ("name: quote-service smoke", "name: []"),
        ("burst: 5", "burst: -5"),
        ("share: 50%", "colour: red"),
        ("target: sim:quote-service", "target: quote-service"),
    ] {
        let bad = good.replacen(old, new, 1);
        assert_ne!(bad, good, "{old}");
        assert!(read(&bad).is_err(), "{new}: the reader takes it");
        assert!(validate(&schema, &json(&bad), "").is_err(), "{new}: the schema takes it");
    }
}

#[test]
fn every_example_of_the_reference_is_right() {
    let mut seen = 0;
    for file in ["docs/scenario.md", "docs/pipelines.md", "docs/measuring.md", "README.md"] {
        let Ok(text) = fs::read_to_string(root().join(file)) else { continue };
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            seen += 1;
            if scenario::is_suite(block) {
                let settings =
                    scenario::SuiteSettings { env: &|_| None, trouble: &|_| None, default_name: "an example" };
                let suite = scenario::read_suite(file, block, &settings);
                assert!(suite.is_ok(), "{file}:\n{}", suite.unwrap_err());
                assert_eq!(validate(&scenario::suite_schema(), &json(block), ""), Ok(()), "{file}:\n{block}");
                continue;
            }
            let whole = completed(block);
            let scenario = read(&whole).map_err(|mistakes| format!("{file}:\n{mistakes}")).expect("right");
            let all = plan::review(&scenario, &Plan::new(&scenario));
            assert!(all.is_empty(), "{file}:\n{whole}\n{all:?}");
            assert_eq!(validate(&scenario::schema(), &json(&whole), ""), Ok(()), "{file}:\n{whole}");
        }
    }
    assert!(seen >= 8, "{seen} examples");
}

/// An example that shows some keys of the top, with the others that it needs.
fn completed(block: &str) -> String {
    let to = if block.contains("services:") { "to: api, " } else { "" };
    let traffic = format!(
        "traffic:\n  pings: {{ {to}flow: {{ steps: [{{ get: /ping }}] }}, load: [{{ hold: {{ at: 50/s, for: 120s }} }}] }}"
    );
    let books = block.lines().any(|line| line.starts_with("reconcile:"));
    let traffic = if books { BOOKS.to_owned() } else { traffic };
    let rest = [
        ("proofload", "proofload: 1"),
        ("target", "target: http://127.0.0.1:8080"),
        (
            "upstreams",
            "upstreams:\n  jupiter: { like: jupiter, listen: 127.0.0.1:9001 }\n  \
             dflow: { like: dflow, listen: 127.0.0.1:9002 }",
        ),
        ("traffic", &traffic),
    ];
    let jobs = ("observe", "observe: { jobs: { quote-service: { metrics: /metrics } } }");
    let mut whole = block.to_owned();
    for (key, piece) in rest.into_iter().chain(books.then_some(jobs)) {
        if !block.lines().any(|line| line.starts_with(&format!("{key}:"))) {
            whole.push_str(piece);
            whole.push('\n');
        }
    }
    whole
}

/// Traffic of which books are kept.
const BOOKS: &str = "traffic:
  quotes:
    quote: { pairs: { file: pairs.csv }, amount: { fixed: 1000 } }
    classes: { hit: { json: $.source, is: cache }, miss: { json: $.source, is: calculated } }
    load: [{ hold: { at: 50/s, for: 120s } }]
  orders: { flow: { steps: [{ post: /orders }] }, load: [{ hold: { at: 5/s, for: 120s } }] }";

/// The few keywords of JSON Schema that ours uses; any other is an error, so that none is passed over.
fn validate(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let rules = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(rules) => rules,
        other => return Err(format!("{at}: no schema: {other}")),
    };
    let no = |why: String| Err(format!("{at}: {why}: {value}"));
    for (keyword, rule) in rules {
        match keyword.as_str() {
            "$schema" | "title" | "description" | "examples" => {}
            "type" => {
                let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                if !types.iter().any(|t| is_type(t.as_str().unwrap_or_default(), value)) {
                    return no(format!("not of type {rule}"));
                }
            }
            "const" if rule != value => return no(format!("not {rule}")),
            "const" => {}
            "minimum" => {
                if value.as_f64().zip(rule.as_f64()).is_some_and(|(value, least)| value < least) {
                    return no(format!("below {rule}"));
                }
            }
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap_or_default()).map_err(|e| e.to_string())?;
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    return no(format!("not like {rule}"));
                }
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    validate(rule, item, &format!("{at}.{i}"))?;
                }
            }
            "required" => {
                let names = rule.as_array().into_iter().flatten().filter_map(Value::as_str);
                let missing = value.as_object().and_then(|map| names.into_iter().find(|n| !map.contains_key(*n)));
                if let Some(name) = missing {
                    return no(format!("lacks {name}"));
                }
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    if let Some(rule) = rule.get(name) {
                        validate(rule, inner, &format!("{at}.{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = rules.get("properties").and_then(Value::as_object);
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match rule {
                        _ if known.is_some_and(|k| k.contains_key(name)) => {}
                        Value::Bool(false) => return no(format!("does not know {name}")),
                        rule => validate(rule, inner, &format!("{at}.{name}"))?,
                    }
                }
            }
            "anyOf" | "oneOf" => {
                let tried: Vec<_> =
                    rule.as_array().into_iter().flatten().map(|rule| validate(rule, value, at)).collect();
                let fits = tried.iter().filter(|t| t.is_ok()).count();
                if fits == 0 || (keyword == "oneOf" && fits > 1) {
                    return no(format!("{fits} of {keyword} fit: {tried:?}"));
                }
            }
            other => return Err(format!("{at}: the keyword {other} is new to this test")),
        }
    }
    Ok(())
}

fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => false,
    }
}

/// YAML as an editor's validator sees it.
fn json(text: &str) -> Value {
    let mut events = Parser::new_from_str(text).map(|event| event.expect("YAML").0);
    loop {
        match events.next().expect("a document") {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            event => return node(event, &mut events, &mut Map::new()),
        }
    }
}

/// `anchors` holds what was given a name, by its number.
fn node<'i>(event: Event<'i>, events: &mut impl Iterator<Item = Event<'i>>, anchors: &mut Map<String, Value>) -> Value {
    let anchor = match &event {
        Event::Scalar(.., anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => *anchor,
        _ => 0,
    };
    let value = plain(event, events, anchors);
    if anchor > 0 {
        anchors.insert(anchor.to_string(), value.clone());
    }
    value
}

fn plain<'i>(
    event: Event<'i>,
    events: &mut impl Iterator<Item = Event<'i>>,
    anchors: &mut Map<String, Value>,
) -> Value {
    match event {
        Event::Alias(anchor) => anchors[&anchor.to_string()].clone(),
        Event::Scalar(text, ScalarStyle::Plain, ..) => match text.as_ref() {
            "" | "~" | "null" => Value::Null,
            plain => match serde_json::from_str(plain) {
                Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
                _ => plain.into(),
            },
        },
        Event::Scalar(text, ..) => text.as_ref().into(),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().expect("an item") {
                    Event::SequenceEnd => return items.into(),
                    event => items.push(node(event, events, anchors)),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut map = Map::new();
            loop {
                match events.next().expect("a key") {
                    Event::MappingEnd => return map.into(),
                    event => {
                        let key = node(event, events, anchors);
                        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
                        let value = events.next().expect("a value");
                        map.insert(key, node(value, events, anchors));
                    }
                }
            }
        }
        other => unreachable!("{other:?} in a shipped scenario"),
    }
}

/// Which services a practice target has must be known before it is started.
#[test]
fn the_services_of_practice_targets_are_those_that_they_have() {
    for system in proofload::sim::System::ALL {
        let known = scenario::FLEETS.iter().find(|(name, _)| *name == system.name()).map_or(&[][..], |(_, all)| all);
        assert_eq!(known, system.services(), "{}", system.name());
        assert_eq!(scenario::COMES_TO_KAFKA.contains(&system.name()), system.takes_kafka(), "{}", system.name());
    }
}
