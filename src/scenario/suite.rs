//! A suite: scenarios that are run in turn.

use super::mistake::Mistakes;
use super::raw;
use super::reader::Reader;
use super::shape::Shape;
use super::{locate, vars, yaml};
use serde_json::{Value, json};

/// Scenarios that are run in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// What its table is called.
    pub name: String,
    /// Scenario files, in order, relative to the suite's own folder.
    pub run: Vec<String>,
    /// Where every one of them sends, instead of to its own target.
    pub target: Option<String>,
    /// Whether nothing follows a scenario that is not PASS.
    pub stop: bool,
    /// What is set in every one of them, before what the command line sets.
    pub set: Vec<(String, String)>,
}

/// How a suite is read: what the world around it says.
pub struct SuiteSettings<'a> {
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// Why a file that the suite names, relative to its own folder, cannot be a scenario; `None` when it may be one.
    pub trouble: &'a dyn Fn(&str) -> Option<String>,
    /// The name of the suite where the file gives none.
    pub default_name: &'a str,
}

/// Whether a file means to be a suite. What cannot be read as YAML does not.
pub fn is_suite(text: &str) -> bool {
    let Ok(yaml::Node { kind: yaml::Kind::Map(entries), .. }) = yaml::parse(text) else { return false };
    let has = |name: &str| entries.iter().any(|(key, _)| key.text == name);
    has("suite") && !has("proofload")
}

/// Reads a suite file. `Err` carries every mistake of that file; those of its scenarios are found when they are read.
pub fn read_suite(file: &str, text: &str, settings: &SuiteSettings<'_>) -> Result<Suite, Mistakes> {
    let fail = |all| Mistakes { file: file.into(), text: text.into(), all };
    let mut root = yaml::parse(text).map_err(|m| fail(vec![m.or_remedy("start with `suite: 1`")]))?;
    let mut reader = Reader::default();
    vars::substitute(&mut root, settings.env, &mut reader);
    let raw = raw::Suite::read(&root, &mut reader);
    if let Some(raw) = &raw {
        check(raw, settings, &mut reader);
    }
    match raw {
        Some(raw) if reader.mistakes.is_empty() => Ok(Suite {
            name: raw.name.map_or_else(|| settings.default_name.to_owned(), |n| n.value),
            run: raw.run.into_iter().map(|file| file.value).collect(),
            target: raw.target.map(|target| target.value),
            stop: matches!(raw.on_failure, Some(raw::OnFailure::Stop)),
            set: raw.set.into_iter().flat_map(|set| set.0).map(|(path, value)| (path.value, value.value)).collect(),
        }),
        _ => {
            let mut all = reader.mistakes;
            locate::complete(&root, &mut all);
            all.sort_by_key(|m| m.at);
            Err(fail(all))
        }
    }
}

fn check(raw: &raw::Suite, settings: &SuiteSettings<'_>, reader: &mut Reader) {
    if raw.suite.value != 1 {
        let what = format!("version {} of the language is not known", raw.suite.value);
        reader.wrong(raw.suite.at, what, "write `suite: 1`");
    }
    if raw.run.is_empty() && !reader.is_broken("run") {
        reader.within("run", |r| r.wrong(raw.place, "nothing to run", "name scenario files: `run: [smoke.yaml]`"));
    }
    for file in &raw.run {
        if let Some(why) = (settings.trouble)(&file.value) {
            let remedy = "name a scenario file, relative to this one";
            reader.within("run", |r| r.wrong(file.at, format!("`{}`: {why}", file.value), remedy));
        }
    }
}

/// The JSON Schema of suite files (draft 2020-12), for editors.
pub fn suite_schema() -> Value {
    let mut schema = raw::Suite::schema();
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("Proofload suite"));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Suite, Vec<String>> {
        let trouble = |file: &str| (file == "lost.yaml").then(|| "no such file".to_owned());
        let settings = SuiteSettings {
            env: &|name| (name == "SEED").then(|| "9".to_owned()),
            trouble: &trouble,
            default_name: "stem",
        };
        read_suite("suite.yaml", text, &settings).map_err(|m| m.all.into_iter().map(|m| m.what).collect())
    }

    #[test]
    fn it_names_scenarios_in_order_and_what_is_set_in_all() {
        let suite = read(
            "suite: 1\nname: chaos\nrun: [b.yaml, a.yaml]\nset: { seed: '${SEED}', traffic.q.load.0.hold.for: 5s }",
        );
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let want = Suite {
            name: "chaos".into(),
            run: vec!["b.yaml".into(), "a.yaml".into()],
            target: None,
            stop: false,
            set: vec![set("seed", "9"), set("traffic.q.load.0.hold.for", "5s")],
        };
        assert_eq!(suite, Ok(want));
        assert_eq!(read("suite: 1\nrun: [a.yaml]").map(|s| s.name), Ok("stem".into()));
        let shared = read("suite: 1\nrun: [a.yaml]\ntarget: http://127.0.0.1:1\non_failure: stop").expect("valid");
        assert_eq!((shared.target.as_deref(), shared.stop), (Some("http://127.0.0.1:1"), true));
        assert!(read("suite: 1\nrun: [a.yaml]\non_failure: perhaps").is_err());
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = read("suite: 2\nrun: [lost.yaml, a.yaml]\nrnu: 1").expect_err("three");
        assert_eq!(wrong, ["version 2 of the language is not known", "`lost.yaml`: no such file", "unknown key `rnu`"]);
        assert_eq!(read("suite: 1\nrun: []").expect_err("one"), ["nothing to run"]);
        assert_eq!(read("suite: 1").expect_err("one"), ["`run` is missing"]);
        assert!(read("suite: [").is_err());
    }

    #[test]
    fn a_suite_is_told_from_a_scenario() {
        assert!(is_suite("suite: 1\nrun: []"));
        for text in ["proofload: 1", "suite: 1\nproofload: 1", "- suite", "suite: [", ""] {
            assert!(!is_suite(text), "{text}");
        }
    }
}
