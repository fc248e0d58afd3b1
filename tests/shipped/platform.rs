//! The scenarios of the trading platform: they read, they have twins, and the twins fail.

use std::thread;

use super::*;

/// Every scenario that has a twin.
const NAMES: [&str; 4] = ["chaos/broker-outage", "chaos/stuck-worker", "prelaunch", "smoke"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/trading-platform")
}

fn file(name: &str) -> PathBuf {
    folder().join(format!("{name}.yaml"))
}

fn twin(name: &str) -> PathBuf {
    let file = file(name);
    file.with_file_name("must-fail").join(file.file_name().expect("a name"))
}

#[test]
fn every_scenario_of_the_platform_reads_and_has_a_twin_that_says_what_must_break() {
    for name in NAMES {
        for (file, deeper) in [(file(name), 0), (twin(name), 1)] {
            let scenario = read(&file, 1);
            let plan = Plan::new(&scenario);
            let mistakes = [plan::review(&scenario, &plan), alerts::review(&scenario, &plan)].concat();
            assert!(mistakes.is_empty(), "{}: {mistakes:?}", file.display());
            let up = "../".repeat(1 + name.matches('/').count() + deeper);
            let modeline = format!("# yaml-language-server: $schema={up}schema.json");
            assert_eq!(text(&file).lines().next(), Some(modeline.as_str()), "{}", file.display());
            let wanted = must_break(&file);
            assert_eq!(wanted.is_empty(), deeper == 0, "{}", file.display());
            for promise in wanted {
                let (claim, _) = promise.rsplit_once(", ").expect("a window");
                assert!(text(&file).contains(&format!("- expect: {claim}\n")), "{}: {claim}", file.display());
            }
        }
    }
}

#[test]
fn the_rules_of_the_platform_are_those_that_prometheus_loads() {
    for (name, alerts) in [("alerts.yml", 6), ("as-published/alerts.yml", 8)] {
        let (groups, mistakes) = file::read(name, &text(&folder().join(name)));
        assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
        let rules = groups.iter().flat_map(|group| &group.rules);
        assert_eq!(rules.filter(|rule| rule.alert().is_some()).count(), alerts, "{name}");
    }
}

/// Each expression of the note is a promise before a launch, under its number.
#[test]
fn every_expression_of_the_platforms_note_is_looked_at_before_a_launch() {
    let prelaunch = text(&file("prelaunch"));
    for number in 30..=55 {
        assert!(prelaunch.contains(&format!("E0{number}")), "E0{number}");
    }
}

#[test]
fn twins_of_the_platform_fail_for_real() {
    thread::scope(|scope| {
        for name in NAMES {
            scope.spawn(move || breaks_for_real(&twin(name), 1));
        }
    });
}
