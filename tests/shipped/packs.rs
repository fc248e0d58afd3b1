//! The packs of the systems that trade: each is whole and reads without a mistake, its alert rules are what they should be,
//! its scenarios keep on synthetic evidence what clients are promised, and its twins break what they say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use proofload::base::law::Law;
use proofload::base::seed::{Seed, Stream};
use proofload::base::time::Offset;
use proofload::base::trace::{Shot, Tracer};
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply, Stage};
use proofload::evidence::touches::{Decision, Effect};
use proofload::judge::{Judgement, Verdict, alerts, judge};
use proofload::lint::kinds::Severity;
use proofload::lint::{Known, RuleFile};
use proofload::plan::{self, Plan};
use proofload::scenario::{Claim, Kind, Scenario};
use regex::Regex;

use super::model::{self, Played, Struck};
use super::{breaks_for_real, client_side, label, must_break, read, run_for_real, text};

/// Each pack, and what goes wrong in its chaos.
const PACKS: [(&str, &str); 3] =
    [("b25", "exchange-hangs"), ("quantum-trader", "exchange-fails"), ("tradeengine", "exchange-far")];

fn pack(system: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(system)
}

/// The scenarios of a folder, by name.
fn scenarios(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    yaml.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned()).collect()
}

#[test]
fn every_pack_is_whole_and_reads() {
    for (system, chaos) in PACKS {
        let folder = pack(system);
        for needed in ["smoke", "prelaunch"] {
            assert!(scenarios(&folder).contains(needed), "{system}: no {needed}");
            assert!(scenarios(&folder.join("must-fail")).contains(needed), "{system}: no twin of {needed}");
        }
        assert!(scenarios(&folder.join("chaos")).contains(chaos), "{system}: no {chaos}");
        assert_eq!(scenarios(&folder.join("chaos")), scenarios(&folder.join("chaos/must-fail")), "{system}");
        for (below, schema) in [
            ("", "../schema.json"),
            ("must-fail", "../../schema.json"),
            ("chaos", "../../schema.json"),
            ("chaos/must-fail", "../../../schema.json"),
        ] {
            for name in scenarios(&folder.join(below)) {
                let file = folder.join(below).join(format!("{name}.yaml"));
                let modeline = format!("# yaml-language-server: $schema={schema}");
                assert_eq!(text(&file).lines().next(), Some(modeline.as_str()), "{}", file.display());
                let scenario = read(&file, 1);
                let plan = Plan::new(&scenario);
                let mistakes = [plan::review(&scenario, &plan), alerts::review(&scenario, &plan)].concat();
                assert!(mistakes.is_empty(), "{}: {mistakes:?}", file.display());
                let says = !must_break(&file).is_empty();
                assert_eq!(says, below.ends_with("must-fail"), "{}: says what must break", file.display());
            }
        }
        let smoke = Plan::new(&read(&folder.join("smoke.yaml"), 1));
        assert!(smoke.timeline.end <= Offset::after_zero(Duration::from_secs(20)), "{system}: smoke is short");
    }
}

#[test]
fn rules_are_clean_where_they_are_put_right_and_not_where_they_are_published() {
    let worst = |file: &Path| {
        let rules = RuleFile::read(&file.display().to_string(), &text(file));
        let recorded = rules.recorded().map(str::to_owned).collect();
        let report = rules.lint(&Known { recorded, ..Known::default() });
        report.findings.iter().map(|finding| finding.severity).max()
    };
    for (system, _) in PACKS {
        assert!(worst(&pack(system).join("alerts.yml")) <= Some(Severity::Info), "{system}");
        let published = fs::read_dir(pack(system).join("as-published")).expect("a folder");
        let worst = published.map(|entry| worst(&entry.expect("an entry").path())).max().flatten();
        assert!(worst >= Some(Severity::Warning), "{system}: what is published has its faults: {worst:?}");
    }
}

/// What is found in an alert, by its name.
type Found = BTreeMap<String, BTreeSet<String>>;

/// What the comments above the alerts of a file say is found in each, by the linter alone.
fn told(text: &str) -> Found {
    let tag = Regex::new(r"\b(error|warning)\[[a-z-]+\]").expect("a pattern");
    let (mut all, mut above) = (Found::new(), String::new());
    for line in text.lines().map(str::trim) {
        match line.strip_prefix("- alert: ") {
            Some(name) => {
                let alone = above.to_lowercase();
                let alone = alone.split("against the page").next().unwrap_or_default();
                all.insert(name.to_owned(), tag.find_iter(alone).map(|found| found.as_str().to_owned()).collect());
            }
            None if line.starts_with('#') => above.push_str(line),
            None => above.clear(),
        }
    }
    all
}

#[test]
fn what_the_linter_finds_in_published_rules_stands_beside_them() {
    for system in PACKS.iter().map(|(system, _)| *system).chain(["quote-service", "trading-platform"]) {
        for entry in fs::read_dir(pack(system).join("as-published")).expect("a folder") {
            let file = entry.expect("an entry").path();
            let rules = RuleFile::read(&file.display().to_string(), &text(&file));
            let recorded = rules.recorded().map(str::to_owned).collect();
            let report = rules.lint(&Known { recorded, ..Known::default() });
            let told = told(&text(&file));
            let mut found: Found = told.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
            for finding in report.findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
                let name = finding.of.trim_start_matches("alert ").to_owned();
                let tag = format!("{}[{}]", finding.severity.word(), finding.kind.id);
                found.entry(name).or_default().insert(tag);
            }
            assert_eq!(told, found, "{}", file.display());
        }
    }
}

#[test]
fn scenarios_keep_what_clients_are_promised() {
    for (system, chaos) in PACKS {
        for name in ["smoke".to_owned(), "prelaunch".to_owned(), format!("chaos/{chaos}")] {
            let file = pack(system).join(format!("{name}.yaml"));
            for (seed, judgement) in judgements(&file, 0..crate::seeds().div_ceil(2)) {
                for finding in &judgement.findings {
                    let what = label(finding);
                    assert_eq!(finding.verdict, Verdict::Pass, "{system}/{name}, seed {seed}: {what}: {}", finding.why);
                }
                assert_eq!(judgement.verdict, Verdict::Pass, "{system}/{name}, seed {seed}: {:?}", judgement.reasons);
            }
        }
    }
}

#[test]
fn twins_break_what_they_say_of_clients_and_nothing_else() {
    for (system, chaos) in PACKS {
        for name in ["must-fail/smoke".to_owned(), "must-fail/prelaunch".to_owned(), format!("chaos/must-fail/{chaos}")]
        {
            let file = pack(system).join(format!("{name}.yaml"));
            // What is promised of series and of alerts real runs show.
            let of_clients = |promise: &String| !promise.starts_with("value") && !promise.contains("stays silent");
            let wanted: Vec<String> = must_break(&file).into_iter().filter(of_clients).collect();
            for (seed, judgement) in judgements(&file, 0..crate::seeds().div_ceil(4)) {
                let broken = judgement.findings.iter().filter(|f| f.verdict != Verdict::Pass).map(label);
                assert_eq!(broken.collect::<Vec<_>>(), wanted, "{system}/{name}, seed {seed}");
            }
        }
    }
}

/// Real runs, shortened, side by side: they wait more than they work.
#[test]
fn twins_of_the_packs_fail_for_real() {
    thread::scope(|scope| {
        for (system, _) in PACKS {
            scope.spawn(move || breaks_for_real(&pack(system).join("must-fail/smoke.yaml"), 2));
        }
        scope.spawn(|| breaks_for_real(&pack("tradeengine").join("must-fail/signed.yaml"), 2));
        // And what is signed as it should be is taken: no verdict but that says so.
        let (said, verdict) = run_for_real(&pack("tradeengine").join("signed.yaml"), 2);
        let orders = &verdict["traffic"]["orders"]["outcomes"];
        assert!(orders["ok"].as_u64() > Some(200) && orders["rejected"].as_u64().unwrap_or(0) == 0, "{orders}: {said}");
    });
}

fn judgements(file: &Path, seeds: std::ops::Range<u64>) -> Vec<(u64, Judgement)> {
    let mut scenario = client_side(file, 1);
    // Nor is it played which part of a shot took how long.
    let is_of_a_part = |claim: &Claim| matches!(claim, Claim::Client(expected) if expected.part.is_some());
    scenario.promises.retain(|p| !matches!(p.claim, Claim::Alert(_)) && !is_of_a_part(&p.claim));
    scenario.alerts = None;
    let judged = |seed| {
        scenario.seed = Seed(seed);
        let plan = Plan::new(&scenario);
        let evidence = model::evidence(&scenario, &plan, &play(&scenario, &plan, file, seed));
        (seed, judge(&scenario, &plan, &evidence, &[]))
    };
    seeds.map(judged).collect()
}

/// What a client meets, as the heads of the scenarios tell it: the targets themselves are not modelled.
fn play(scenario: &Scenario, plan: &Plan, file: &Path, seed: u64) -> Played {
    let name = file.display().to_string();
    let twin = name.contains("must-fail");
    let mut stream = Seed(seed).stream("clients");
    let tracer = Tracer::new(scenario.seed, "synthetic");
    let usual = Law::Lognormal { median: Duration::from_millis(12), sigma: 0.5 };
    let fault = scenario.faults.first();
    let (start, end) = fault.map_or((f64::MAX, f64::MAX), |f| (f.at.as_secs_f64(), (f.at + f.length).as_secs_f64()));
    let mut struck = Struck::default();
    let mut decisions = Vec::new();
    let mut shots: Vec<(Offset, u16, u64)> = Vec::new();
    for (traffic, planned) in plan.traffic.iter().enumerate() {
        shots.extend(planned.shots().map(|shot| (shot.due, traffic as u16, shot.seq)));
    }
    shots.sort_unstable();
    let reply = |(due, traffic, seq): (Offset, u16, u64)| {
        let at = due.secs();
        let rests: Duration = match &scenario.traffic[usize::from(traffic)].kind {
            Kind::Flow(flow) => flow.steps.iter().map(|step| step.think).sum(),
            _ => Duration::ZERO,
        };
        let took = usual.at(stream.unit()).as_secs_f64() + rests.as_secs_f64();
        let during = at >= start && at < end;
        let asks_an_exchange = scenario.traffic[usize::from(traffic)].name != "predictions";
        let (took, outcome) = if name.ends_with("must-fail/smoke.yaml") && asks_an_exchange {
            share(&mut stream, 0.33, took)
        } else if name.ends_with("tradeengine/must-fail/prelaunch.yaml") {
            share(&mut stream, 0.12, took)
        } else if during {
            struck.eligible += 1;
            let is_first = struck.injected < 5;
            let ends = if name.contains("b25") {
                // The first few wait, and so do three a second once the breaker tries; the others are refused at once.
                match (twin, is_first || stream.unit() < 0.05) {
                    (true, _) => Some((scenario.target.timeout.as_secs_f64(), Outcome::TimedOut(Stage::Head))),
                    (false, true) => Some((0.5, Outcome::Rejected)),
                    (false, false) => None,
                }
            } else if name.contains("quantum-trader") {
                Some(if twin { (took, Outcome::Rejected) } else { (took + 0.012, Outcome::Ok) })
            } else {
                Some(if twin { (0.22, Outcome::Rejected) } else { (took + 0.3, Outcome::Ok) })
            };
            if ends.is_some() {
                struck.injected += 1;
                struck.first.get_or_insert(due);
                let trace = tracer.id(Shot { traffic, seq });
                let effect = Effect::Injected;
                decisions.push(Decision { trace, at: due, fault: 0, attempt: 0, effect, retry_after: 0 });
            }
            ends.unwrap_or((0.002, Outcome::Rejected))
        } else if name.contains("b25") && !twin && at >= end && at < end + 0.9 {
            (0.002, Outcome::Rejected) // the breaker has still to try
        } else {
            (took, Outcome::Ok)
        };
        let done = due + Duration::from_secs_f64(took);
        let answered = !matches!(outcome, Outcome::TimedOut(_));
        Reply {
            traffic,
            seq,
            class: None,
            outcome,
            status: answered.then_some(200),
            due,
            ready: due,
            not_before: Maybe::NONE,
            sent: Some(due).into(),
            first_byte: answered.then_some(done).into(),
            done,
            opening: Opening::default(),
            why: None,
        }
    };
    let replies = shots.into_iter().map(reply).collect();
    // What acts on a line counts connections and decides on no request.
    let on_a_line = fault.is_some_and(|f| matches!(f.on, proofload::scenario::On::Link(_)));
    let decisions = if on_a_line { Vec::new() } else { decisions };
    let struck = fault.map(|_| struck).into_iter().collect();
    Played { replies, struck, decisions, calls: Vec::new() }
}

/// So many fail.
fn share(stream: &mut Stream, failing: f64, took: f64) -> (f64, Outcome) {
    (took, if stream.unit() < failing { Outcome::Rejected } else { Outcome::Ok })
}
