//! Rules against Debian's promtool: every alert of the catalogue at every tick, states, labels and texts; templates;
//! and users' files of unit tests.

#[path = "rules/generate.rs"]
mod generate;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use proofload::base::series::{Labels, Series};
use proofload::promql::rules::{Group, Replay, Replayed, Setup, State, file};
use proofload::promql::{Options, Semantics, Storage};

/// Whether promtool is here. Where it is required, its absence is a failure and not a reason to skip.
fn promtool() -> bool {
    let here = Command::new("promtool").arg("--version").output().is_ok_and(|out| out.status.success());
    let required = std::env::var("PROOFLOAD_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name == "promtool"));
    assert!(here || !required, "promtool is required and not on the PATH: install Debian's `prometheus`");
    if !here {
        eprintln!("skipped: promtool is not on the PATH (Debian: apt-get install prometheus)");
    }
    here
}

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules").join(name);
    std::fs::read_to_string(path).expect("test data")
}

/// Rules and series, as both sides get them.
struct Case {
    rules: String,
    groups: Vec<Group>,
    series: Vec<(Labels, String)>,
    interval_s: i64,
    ticks: i64,
}

impl Case {
    fn new(rules: String, series: Vec<(Labels, String)>, interval_s: i64, ticks: i64) -> Case {
        let (groups, mistakes) = file::read_as("rules.yml", &rules, Semantics::V2);
        assert_eq!(mistakes, []);
        Case { rules, groups, series, interval_s, ticks }
    }

    fn setup(&self) -> Setup {
        let interval_ms = self.interval_s * 1_000;
        let options = Options { semantics: Semantics::V2, subquery_step_ms: interval_ms, ..Options::default() };
        let external_labels = Labels::new([("region", "eu")]);
        let base = Setup::new(0, (self.ticks - 1) * interval_ms);
        Setup { interval_ms, one_interval: true, options, external_labels, ..base }
    }

    /// What a replay with the rules of Prometheus 2 comes to, and a file of unit tests that expects it: of every alert
    /// at every tick whether it fires, with its labels and what is said of it then, and what `ALERTS` is.
    fn replayed(&self) -> (Replayed, String) {
        let setup = self.setup();
        let series: Vec<Series> = self.series.iter().map(|(l, v)| generate::series(l, v, setup.interval_ms)).collect();
        let storage = Storage::new(&series);
        let mut replay = Replay::new(&self.groups, &storage, &setup);
        let mut test = self.head();
        let alerts = self.groups.iter().flat_map(|g| &g.rules).filter(|rule| rule.alert().is_some());
        let names: BTreeSet<&str> = alerts.map(|rule| rule.name.as_str()).collect();
        test.push_str("    alert_rule_test:\n");
        for tick in 0..self.ticks {
            let at = tick * setup.interval_ms;
            replay.run_until(at);
            for name in &names {
                let _ = writeln!(test, "      - eval_time: {}s\n        alertname: {name}", at / 1_000);
                test.push_str("        exp_alerts:\n");
                for (labels, said) in replay.firing(name, at) {
                    let labels: Vec<(&str, &str)> = labels.iter().filter(|(name, _)| *name != "alertname").collect();
                    let said: Vec<(&str, &str)> =
                        said.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
                    let _ = writeln!(test, "          - exp_labels: {}", mapping(&labels));
                    let _ = writeln!(test, "            exp_annotations: {}", mapping(&said));
                }
            }
        }
        let replayed = replay.finish();
        test.push_str("    promql_expr_test:\n");
        for tick in 0..self.ticks {
            let at = tick * setup.interval_ms;
            let _ = writeln!(test, "      - expr: ALERTS\n        eval_time: {}s\n        exp_samples:", at / 1_000);
            for spell in replayed.rules.iter().flat_map(|outcome| &outcome.spells) {
                let state = match spell.state(at) {
                    State::Inactive => continue,
                    State::Pending => "pending",
                    State::Firing => "firing",
                };
                let mut labels = spell.labels.clone();
                labels.set("__name__", "ALERTS");
                labels.set("alertstate", state);
                let _ = writeln!(test, "          - {{ labels: {}, value: 1 }}", quoted(&labels.to_string()));
            }
        }
        (replayed, test)
    }

    /// The file up to what is expected.
    fn head(&self) -> String {
        let order: Vec<&str> = self.groups.iter().map(|group| group.name.as_str()).collect();
        let (step, order) = (self.interval_s, order.join(", "));
        let mut head = format!("rule_files: [rules.yml]\nevaluation_interval: {step}s\ngroup_eval_order: [{order}]\n");
        let _ =
            writeln!(head, "tests:\n  - interval: {step}s\n    external_labels: {{ region: eu }}\n    input_series:");
        for (labels, values) in &self.series {
            let _ = writeln!(head, "      - {{ series: {}, values: {} }}", quoted(&labels.to_string()), quoted(values));
        }
        head
    }

    fn promtool(&self, unit_test: &str) -> Output {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("rules.yml"), &self.rules).expect("space");
        std::fs::write(folder.path().join("test.yml"), unit_test).expect("space");
        let args = ["test", "rules", "test.yml"];
        Command::new("promtool").args(args).current_dir(folder.path()).output().expect("promtool runs")
    }

    /// Holds a replay against promtool; what it came to.
    fn agrees(&self) -> Replayed {
        let (replayed, test) = self.replayed();
        let failures: Vec<_> = replayed.rules.iter().flat_map(|outcome| &outcome.failures).collect();
        assert!(failures.is_empty(), "{failures:?}");
        let out = self.promtool(&test);
        let said: String = said(&out).chars().take(4_000).collect();
        assert!(out.status.success(), "promtool does not agree:\n{said}");
        replayed
    }
}

/// How many spells there were, and how many of them fired.
fn count(replayed: &Replayed) -> (usize, usize) {
    let spells = || replayed.rules.iter().flat_map(|outcome| &outcome.spells);
    (spells().count(), spells().filter(|spell| spell.fired_at.is_some()).count())
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn mapping(pairs: &[(&str, &str)]) -> String {
    let all: Vec<String> = pairs.iter().map(|(name, text)| format!("{}: {}", quoted(name), quoted(text))).collect();
    format!("{{ {} }}", all.join(", "))
}

#[test]
fn every_alert_of_the_catalogue_fires_when_promtool_says_and_says_the_same() {
    if !promtool() {
        return;
    }
    let (mut spells, mut fired) = (0, 0);
    for (seed, interval_s, ticks) in [(1, 15, 80), (2, 30, 80), (3, 60, 150)] {
        let case = Case::new(data("catalogue.yml"), generate::catalogue(seed, ticks as usize), interval_s, ticks);
        assert_eq!(case.groups.iter().map(|group| group.rules.len()).sum::<usize>(), 21);
        let (all, of_these) = count(&case.agrees());
        spells += all;
        fired += of_these;
    }
    eprintln!("agreed on {spells} spells, {fired} of which fired");
    assert!(spells > 200 && fired > 60, "{spells} spells, {fired} fired: the series are too calm");
}

#[test]
fn recorded_series_alerts_about_alerts_and_templated_labels_are_those_of_promtool() {
    if !promtool() {
        return;
    }
    let more = data("more.yml");
    let rules = data("catalogue.yml") + more.split_once("groups:\n").expect("groups").1;
    let mut seen = BTreeSet::new();
    for seed in 4..8 {
        let case = Case::new(rules.clone(), generate::catalogue(seed, 60), 15, 60);
        let replayed = case.agrees();
        let fired = replayed.rules.iter().flat_map(|o| &o.spells).filter(|spell| spell.fired_at.is_some());
        seen.extend(fired.map(|spell| spell.labels.get("alertname").to_owned()));
    }
    for name in ["ErrorsRecorded", "ManyAlerts", "DownForLong", "NoQueue", "DownAgain"] {
        assert!(seen.contains(name), "{name} never fired: {seen:?}");
    }
}

#[test]
fn templates_expand_as_promtool_expands_them() {
    if !promtool() {
        return;
    }
    for numbers in
        ["1234567 0 1e6 100000 0.00001 33.333333333333336 0.05 -1.5", "Inf -Inf 1e21 3661 86400 1 1024 999.95"]
    {
        let series = [
            ("numbers{instance=\"db1.example.org:9100\", job=\"node exporter\"}", numbers),
            ("several{n=\"1\"}", "2x10"),
            ("several{n=\"2\"}", "1.5x10"),
        ];
        let read = |(metric, values): (&str, &str)| {
            (proofload::promql::notation::metric(metric).expect("a metric").0, values.to_owned())
        };
        Case::new(data("templates.yml"), series.map(read).into(), 60, 8).agrees();
    }
}

#[test]
fn a_replay_that_is_wrong_is_noticed() {
    if !promtool() {
        return;
    }
    let case = Case::new(data("catalogue.yml"), generate::catalogue(1, 40), 15, 40);
    let (_, test) = case.replayed();
    let summary = test.find("exp_annotations: { \"").expect("an alert fires") + "exp_annotations: { \"".len();
    let other = format!("{}x{}", &test[..summary], &test[summary..]);
    assert!(!case.promtool(&other).status.success(), "another annotation");
    let state = test.find("alertstate=\\\"pending").expect("an alert is pending");
    let other = test[..state].to_owned() + &test[state..].replacen("pending", "firing", 1);
    assert!(!case.promtool(&other).status.success(), "another state");
}

fn proofload(args: &[&str]) -> (Option<i32>, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/unit");
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
    let out = command.args(["rules", "test"]).args(args).current_dir(folder).output().expect("proofload runs");
    (out.status.code(), said(&out))
}

#[test]
fn unit_tests_that_pass_say_so() {
    let (code, said) = proofload(&["good.yml", "fuzzy.yml"]);
    let want = "good.yml
  ok    a backlog fires and is over (6 checks, line 5)
  ok    test 2 (1 check, line 33)
fuzzy.yml
  ok    test 1 (3 checks, line 4)
3 tests, 0 failed
";
    assert_eq!((code, said.as_str()), (Some(0), want));
    assert_eq!(proofload(&["good.yml", "--semantics", "2"]).0, Some(0));
}

#[test]
fn what_is_not_as_expected_is_shown_line_by_line() {
    let (code, said) = proofload(&["bad.yml"]);
    let want = "bad.yml
  FAIL  wrong expectations (4 checks, line 4)
        line 9: alert Backlog at 2m
            {alertname=\"Backlog\",service=\"api\",severity=\"page\"}
          -   summary: \"120 orders wait at web\"
          +   summary: \"120 orders wait at api\"
        line 15: expression queue:depth:sum at 1m
          - queue:depth:sum 121
          + queue:depth:sum 120
        line 17: expression sum(queue_depth at 1m: `sum(queue_depth` is not PromQL: at character 4: `(` is never closed
  ok    right expectations (1 check, line 18)
2 tests, 1 failed
";
    assert_eq!((code, said.as_str()), (Some(1), want));
}

#[test]
fn files_that_cannot_be_run_are_explained_at_once() {
    let (code, said) = proofload(&["wrong.yml", "lost.yml", "missing.yml"]);
    assert_eq!(code, Some(2), "{said}");
    for what in [
        "wrong.yml:1:1: unknown key `rule_file`",
        "wrong.yml:3:22: `30 s` is not a length of time",
        "`x{a=\"b}` is no metric",
        "`1x` is no value",
        "`alertname` is missing",
        "`soon` is not a length of time",
        "`many` is not a number",
        "lost.yml:1:14: `nowhere-*.yml` names no file",
        "wrong-rules.yml:1:50: `sum(x` is not PromQL",
        "missing.yml: No such file",
        "0 tests, 0 failed",
    ] {
        assert!(said.contains(what), "{what} is missing:\n{said}");
    }
}

#[test]
fn promtool_comes_to_the_same_of_the_same_files() {
    if !promtool() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules/unit");
    for (file, passes) in [("good.yml", true), ("bad.yml", false)] {
        let mut command = Command::new("promtool");
        let out = command.args(["test", "rules", file]).current_dir(&folder).output().expect("promtool runs");
        assert_eq!(out.status.success(), passes, "{file}: {}", said(&out));
    }
}
