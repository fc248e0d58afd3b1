//! The PromQL evaluator against scripts in Prometheus's own test language: the project's cases in `tests/promql/`
//! always, and a folder of Prometheus's cases when `PROMQL_CONFORMANCE` names one.

#![expect(clippy::panic, reason = "a script that cannot be read must stop the test")]

#[path = "promql/random.rs"]
mod random;
#[path = "promql/script.rs"]
mod script;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proofload::base::series::{Labels, Sample, Series, stale};
use proofload::observe::oracle::{self, Asked, Oracle, Told, Which};
use proofload::promql::notation::Item;
use proofload::promql::{
    Answer, Element, Error, Level, Note, Options, Semantics, Storage, Value, answer, answer_range, evaluate_range,
    parse_for,
};
use random::Random;
use script::{Command, Eval, Expect, Load, Message, Row, What, When};

/// What became of the cases of a script.
#[derive(Default)]
struct Tally {
    passed: usize,
    /// With native histograms in the data, or with what is refused by name.
    skipped: usize,
    failed: Vec<String>,
}

enum Outcome {
    Passed,
    Skipped,
    Failed(String),
}

#[test]
fn the_projects_own_cases_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql");
    let (mut passed, mut failed) = (0, Vec::new());
    for file in scripts(&folder) {
        let tally = run(&file);
        failed.extend(tally.failed);
        assert_eq!(tally.skipped, 0, "{}: our own cases use only what is built", file.display());
        passed += tally.passed;
    }
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
    assert!(passed >= 1_300, "{passed} cases");
}

#[test]
fn every_expression_of_the_catalogue_is_understood() {
    let catalogue = include_str!("promql/expressions.txt");
    let quote_service = include_str!("promql/quote-service.test");
    let mut count = 0;
    for line in catalogue.lines().filter(|line| line.starts_with('E')) {
        let (id, text) = line.split_once(' ').expect("an id and an expression");
        let expr = parse_for(text, Semantics::V3).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert!(!expr.selectors().is_empty(), "{id}");
        count += 1;
        if id <= "E021" {
            assert!(quote_service.contains(text.trim()), "{id} is evaluated in quote-service.test");
        }
    }
    assert_eq!(count, 130);
}

#[test]
fn prometheus_own_cases_hold() {
    let Some(folder) = std::env::var_os("PROMQL_CONFORMANCE") else {
        eprintln!("skipped: set PROMQL_CONFORMANCE to a folder of Prometheus's .test files");
        return;
    };
    let mut failed = Vec::new();
    eprintln!("{:<24} {:>6} {:>6} {:>8}", "file", "pass", "fail", "skipped");
    for file in scripts(Path::new(&folder)) {
        let tally = run(&file);
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        eprintln!("{name:<24} {:>6} {:>6} {:>8}", tally.passed, tally.failed.len(), tally.skipped);
        failed.extend(tally.failed);
    }
    assert!(failed.is_empty(), "{} cases fail:\n{}", failed.len(), failed.join("\n"));
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ext| ext == "test"));
    files.sort();
    files
}

/// The series of a script so far.
#[derive(Default)]
struct World {
    series: BTreeMap<Labels, BTreeMap<i64, f64>>,
    /// Series that hold native histograms: what touches them is skipped.
    native: Vec<Labels>,
    options: Options,
}

fn run(file: &Path) -> Tally {
    let script = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut world = World::default();
    let mut tally = Tally::default();
    for Command { line, what } in script::read(&script) {
        match what {
            What::Clear => world = World::default(),
            What::Semantics { v2 } => world.options.semantics = if v2 { Semantics::V2 } else { Semantics::V3 },
            What::Load(load) => world.load(load),
            What::Eval(eval) => match world.check(&eval) {
                Outcome::Passed => tally.passed += 1,
                Outcome::Skipped => tally.skipped += 1,
                Outcome::Failed(why) => {
                    tally.failed.push(format!("{}:{line}: {}\n    {why}", file.display(), eval.expr));
                }
            },
        }
    }
    tally
}

impl World {
    fn load(&mut self, load: Load) {
        for Row { labels, values } in load.series {
            let Some(values) = values else {
                self.native.push(labels);
                continue;
            };
            if load.also_native {
                let mut native = labels.clone();
                native.remove("le");
                native.set("__name__", labels.name().trim_end_matches("_bucket"));
                self.native.push(native);
            }
            let samples = values.iter().enumerate().filter_map(|(i, item)| {
                let at = i as i64 * load.step_ms;
                match item {
                    Item::Missing => None,
                    Item::Stale => Some((at, stale())),
                    Item::Value(value) => Some((at, *value)),
                }
            });
            let samples: Vec<_> = samples.collect();
            let series = self.series.entry(labels).or_default();
            series.extend(samples);
        }
    }

    /// What was loaded, but for labels that older servers refuse and values that they do not store.
    fn series_named_as_ever(&self) -> Vec<Series> {
        let plain = |name: &str| {
            let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':');
            first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        };
        (self.series.iter())
            .filter(|(labels, _)| labels.iter().all(|(name, _)| plain(name)) && plain(labels.name()))
            .map(|(labels, samples)| Series {
                labels: labels.clone(),
                samples: samples.iter().map(|(at, value)| Sample { at: *at, value: *value }).collect(),
            })
            .collect()
    }

    fn check(&self, eval: &Eval) -> Outcome {
        let expr = match parse_for(&eval.expr, self.options.semantics) {
            Ok(expr) => expr,
            Err(Error::Unsupported { .. }) if eval.expect.fail.is_none() => return Outcome::Skipped,
            Err(error) => return judge_error(&error, &eval.expect),
        };
        let touches_native =
            |labels: &Labels| expr.selectors().iter().any(|selection| selection.selector.matches(labels));
        if self.native.iter().any(touches_native) || eval.expect.rows.iter().any(|row| row.values.is_none()) {
            return Outcome::Skipped;
        }
        let series: Vec<Series> = (self.series.iter())
            .map(|(labels, samples)| Series {
                labels: labels.clone(),
                samples: samples.iter().map(|(at, value)| Sample { at: *at, value: *value }).collect(),
            })
            .collect();
        let storage = Storage::new(&series);
        match eval.when {
            When::Instant(at) => match answer(&expr, &storage, at, &self.options) {
                Err(error) => judge_error(&error, &eval.expect),
                Ok(Answer { value, notes }) => {
                    if eval.expect.fail.is_some() {
                        return Outcome::Failed(format!("an error was wanted, not {value:?}"));
                    }
                    if let Err(why) =
                        judge_instant(&value, &eval.expect).and_then(|()| judge_notes(&notes, &eval.expect))
                    {
                        return Outcome::Failed(why);
                    }
                    let knows_the_query =
                        ["start()", "end()", "range()", "step()"].iter().any(|f| eval.expr.contains(f));
                    if knows_the_query || matches!(value, Value::Matrix(_) | Value::Text(_)) {
                        return Outcome::Passed;
                    }
                    // As Prometheus does: the same again as the middle step of a range query.
                    let range = (at - 60_000, at + 60_000, 60_000);
                    let middle = evaluate_range(&expr, &storage, range, &self.options).map(|all| at_step(all, at));
                    match middle {
                        Ok(middle) if same_elements(&value, &middle) => Outcome::Passed,
                        // Another step of that range may be in error for a good reason.
                        Err(_) => Outcome::Passed,
                        Ok(middle) => Outcome::Failed(format!("instant {value:?}\n    range   {middle:?}")),
                    }
                }
            },
            When::Range { from, to, step } => match answer_range(&expr, &storage, (from, to, step), &self.options) {
                Err(error) => judge_error(&error, &eval.expect),
                Ok(answer) if eval.expect.fail.is_some() => {
                    Outcome::Failed(format!("an error was wanted, not {:?}", answer.value))
                }
                Ok(Answer { value, notes }) => {
                    let judged = judge_rows(&value, &eval.expect.rows, from, step);
                    match judged.and_then(|()| judge_notes(&notes, &eval.expect)) {
                        Ok(()) => Outcome::Passed,
                        Err(why) => Outcome::Failed(why),
                    }
                }
            },
        }
    }
}

fn judge_error(error: &Error, expect: &Expect) -> Outcome {
    let said = error.to_string();
    match &expect.fail {
        None => Outcome::Failed(format!("error: {said}")),
        Some(Message::Any) => Outcome::Passed,
        Some(message) if message.is_met_by(&said) => Outcome::Passed,
        Some(Message::Contains(wanted) | Message::Matches(wanted)) => {
            if matches!(error, Error::Unsupported { .. }) {
                return Outcome::Skipped;
            }
            Outcome::Failed(format!("error: {said}\n    wanted: {wanted}"))
        }
    }
}

/// Each note that is wanted is there, and where some of a level are wanted no others.
fn judge_notes(notes: &[Note], expect: &Expect) -> Result<(), String> {
    for (level, of) in [(script::Level::Info, Level::Info), (script::Level::Warning, Level::Warning)] {
        let said: Vec<String> = notes.iter().filter(|note| note.level == of).map(Note::to_string).collect();
        let wanted: Vec<&Message> = expect.notes.iter().filter(|(l, _)| *l == level).map(|(_, m)| m).collect();
        let unmet = wanted.iter().any(|message| !said.iter().any(|text| message.is_met_by(text)));
        let foreign = !wanted.is_empty() && said.iter().any(|text| !wanted.iter().any(|m| m.is_met_by(text)));
        if unmet || foreign || expect.no_notes.contains(&level) && !said.is_empty() {
            return Err(format!("notes of level {level:?}: {said:?}"));
        }
    }
    Ok(())
}

fn judge_instant(value: &Value, expect: &Expect) -> Result<(), String> {
    match value {
        Value::Text(text) if expect.text.as_ref() == Some(text) => Ok(()),
        Value::Scalar(value) if expect.scalar.is_some_and(|wanted| same(wanted, *value)) => Ok(()),
        Value::Matrix(series) => match expect.range_vector {
            Some((from, step)) => judge_rows(series, &expect.rows, from, step),
            None => Err("no range vector was wanted".into()),
        },
        Value::Vector(elements) if expect.text.is_none() && expect.scalar.is_none() => {
            let mut got: Vec<(Labels, f64)> = elements.iter().map(|e| (e.labels.clone(), e.value)).collect();
            let mut wanted: Vec<(Labels, f64)> = (expect.rows.iter())
                .map(|row| match row.values.as_deref() {
                    Some([Item::Value(value)]) => (row.labels.clone(), *value),
                    _ => panic!("{}: one value is wanted", row.labels),
                })
                .collect();
            if !expect.ordered {
                got.sort_by(|a, b| a.0.cmp(&b.0));
                wanted.sort_by(|a, b| a.0.cmp(&b.0));
            }
            let all_same = got.len() == wanted.len()
                && got.iter().zip(&wanted).all(|(got, wanted)| got.0 == wanted.0 && same(wanted.1, got.1));
            if all_same { Ok(()) } else { Err(format!("got    {}\n    wanted {}", show(&got), show(&wanted))) }
        }
        other => Err(format!("got {other:?}")),
    }
}

fn judge_rows(series: &[Series], rows: &[Row], from: i64, step: i64) -> Result<(), String> {
    let mut wanted: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    for row in rows {
        let items = row.values.iter().flatten().enumerate();
        let samples = items.filter_map(|(i, item)| match item {
            Item::Value(value) => Some((from + i as i64 * step, *value)),
            _ => None,
        });
        wanted.insert(row.labels.clone(), samples.collect());
    }
    wanted.retain(|_, samples| !samples.is_empty());
    let got: BTreeMap<Labels, Vec<(i64, f64)>> =
        series.iter().map(|s| (s.labels.clone(), s.samples.iter().map(|s| (s.at, s.value)).collect())).collect();
    let same_samples = |a: &[(i64, f64)], b: &[(i64, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && same(a.1, b.1))
    };
    let all_same = got.len() == wanted.len()
        && got.iter().zip(&wanted).all(|(got, wanted)| got.0 == wanted.0 && same_samples(wanted.1, got.1));
    if all_same { Ok(()) } else { Err(format!("got    {got:?}\n    wanted {wanted:?}")) }
}

/// What a range query has at one of its steps.
fn at_step(series: Vec<Series>, at: i64) -> Vec<Element> {
    (series.into_iter())
        .filter_map(|s| {
            Some(Element { value: s.samples.iter().find(|sample| sample.at == at)?.value, labels: s.labels })
        })
        .collect()
}

fn same_elements(value: &Value, middle: &[Element]) -> bool {
    let mut elements = match value {
        Value::Scalar(value) => vec![Element { labels: Labels::default(), value: *value }],
        Value::Vector(elements) => elements.clone(),
        _ => return true,
    };
    elements.sort_by(|a, b| a.labels.cmp(&b.labels));
    elements.len() == middle.len()
        && elements.iter().zip(middle).all(|(a, b)| a.labels == b.labels && (same(a.value, b.value)))
}

/// Equal to six digits, as Prometheus compares.
fn same(wanted: f64, got: f64) -> bool {
    if wanted == got || wanted.is_nan() && got.is_nan() {
        return true;
    }
    let (difference, total) = ((wanted - got).abs(), wanted.abs() + got.abs());
    if wanted == 0.0 || got == 0.0 || total < f64::MIN_POSITIVE {
        return difference < 1e-6 * f64::MIN_POSITIVE;
    }
    difference / total.min(f64::MAX) < 1e-6
}

fn show(elements: &[(Labels, f64)]) -> String {
    elements.iter().map(|(labels, value)| format!("{labels} {value}")).collect::<Vec<_>>().join("; ")
}

/// What 3 does otherwise than 2.42 beside what `semantics v2` says: sums and means lose nothing, types and units go with
/// names, `histogram_fraction` reads classic histograms.
const OTHERWISE: [&str; 4] = ["(big)", "avg_over_time(series", "typed", "histogram_fraction"];

#[test]
fn our_own_cases_are_those_of_a_real_prometheus() {
    let Some(runtime) = with_prometheus() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promql");
    let (mut compared, mut different) = (0, Vec::new());
    for file in scripts(&folder).into_iter().filter(|file| !file.ends_with("prometheus-2.42.test")) {
        let script = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let (mut world, mut asked) = (World::default(), Vec::new());
        let mut ask = |world: &World, asked: &mut Vec<Asked>| {
            let series = world.series_named_as_ever();
            let asked: Vec<Asked> = std::mem::take(asked);
            if asked.is_empty() || series.is_empty() {
                return;
            }
            let told = runtime.block_on(told(&series, &asked));
            for (Asked { expr, at_ms }, theirs) in asked.into_iter().zip(told) {
                // What 2.42 cannot read it cannot answer.
                let (Ok(theirs), Ok(ours)) = (theirs, ours(&expr, at_ms, &series)) else { continue };
                compared += 1;
                if compare(Ok(ours.clone()), Ok(theirs.clone())).is_none() {
                    let (ours, theirs) = (show(&ours), show(&theirs));
                    different.push(format!("{}: {expr}\n  ours   {ours}\n  theirs {theirs}", file.display()));
                }
            }
        };
        for Command { what, .. } in script::read(&script) {
            match what {
                What::Clear => {
                    ask(&world, &mut asked);
                    world = World::default();
                }
                What::Load(load) => {
                    ask(&world, &mut asked);
                    world.load(load);
                }
                What::Eval(eval) => match eval.when {
                    When::Instant(at_ms) if !OTHERWISE.iter().any(|other| eval.expr.contains(other)) => {
                        asked.push(Asked { expr: eval.expr, at_ms });
                    }
                    _ => {}
                },
                What::Semantics { .. } => {}
            }
        }
        ask(&world, &mut asked);
    }
    eprintln!("{compared} cases compared");
    assert!(different.is_empty(), "{} of {compared} differ:\n{}", different.len(), different.join("\n"));
    assert!(compared >= 300, "{compared} cases");
}

/// A runtime, where there is a Prometheus whose rules are those of `semantics v2`.
fn with_prometheus() -> Option<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let version = match runtime.block_on(oracle::version(Which::Prometheus)) {
        Ok(version) => version,
        Err(why) => {
            let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|tool| tool == "prometheus"), "{why}");
            eprintln!("skipped: {why}");
            return None;
        }
    };
    if version.major != 2 || version.minor > 48 {
        eprintln!("skipped: the questions are asked in the language of Prometheus before 2.49, this is {version}");
        return None;
    }
    Some(runtime)
}

async fn told(series: &[Series], asked: &[Asked]) -> Vec<Told> {
    let series: Vec<&Series> = series.iter().collect();
    let oracle = Oracle::start(Which::Prometheus, &series).await.expect("prometheus takes the samples");
    oracle.ask(asked).await.expect("prometheus answers")
}

/// Our own answer, by the rules of 2.
fn ours(expr: &str, at_ms: i64, series: &[Series]) -> Told {
    let options = Options { semantics: Semantics::V2, ..Options::default() };
    let parsed = parse_for(expr, Semantics::V2).map_err(|why| why.to_string())?;
    match answer(&parsed, &Storage::new(series), at_ms, &options).map_err(|why| why.to_string())?.value {
        Value::Scalar(value) => Ok(vec![(Labels::default(), value)]),
        Value::Vector(elements) => Ok(elements.into_iter().map(|e| (e.labels, e.value)).collect()),
        Value::Matrix(_) | Value::Text(_) => Err("no number".into()),
    }
}

/// How many lots of 500 questions are asked of the real Prometheus: 4, or what this variable says.
const LOTS: &str = "PROMQL_DIFFERENTIAL";

#[test]
fn answers_are_those_of_a_real_prometheus() {
    let Some(runtime) = with_prometheus() else { return };
    let lots: u64 = std::env::var(LOTS).ok().and_then(|lots| lots.parse().ok()).unwrap_or(4);
    let mut tally = Differential::default();
    for lot in 0..lots {
        runtime.block_on(tally.ask(lot));
    }
    eprintln!(
        "{} expressions: {} with {} elements, {} empty, {} in error on both sides; worst difference {:.1e}",
        tally.asked, tally.answered, tally.elements, tally.empty, tally.errors, tally.worst
    );
    let shown = tally.different.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(tally.different.is_empty(), "{} of {} differ:\n{shown}", tally.different.len(), tally.asked);
    assert!(tally.answered > tally.asked / 2 && tally.errors > 0 && tally.empty > 0, "the questions are too simple");
}

#[derive(Default)]
struct Differential {
    asked: usize,
    answered: usize,
    elements: usize,
    empty: usize,
    errors: usize,
    worst: f64,
    different: Vec<String>,
}

impl Differential {
    async fn ask(&mut self, seed: u64) {
        let mut random = Random(seed);
        let world = random::world(&mut random);
        let asked: Vec<Asked> =
            (0..500).map(|_| random::question(&mut random)).map(|(expr, at_ms)| Asked { expr, at_ms }).collect();
        let told = told(&world, &asked).await;
        for (Asked { expr, at_ms }, theirs) in asked.into_iter().zip(told) {
            self.asked += 1;
            let ours = ours(&expr, at_ms, &world);
            match compare(ours.clone(), theirs.clone()) {
                Some(worst) => {
                    self.worst = self.worst.max(worst);
                    match &ours {
                        Err(_) => self.errors += 1,
                        Ok(all) if all.is_empty() => self.empty += 1,
                        Ok(all) => (self.answered, self.elements) = (self.answered + 1, self.elements + all.len()),
                    }
                }
                None => self.different.push(format!(
                    "seed {seed} at {at_ms} ms: {expr}\n  ours   {}\n  theirs {}",
                    told_as(&ours),
                    told_as(&theirs)
                )),
            }
        }
    }
}

fn told_as(told: &Told) -> String {
    match told {
        Ok(elements) => show(elements),
        Err(why) => format!("error: {why}"),
    }
}

/// The worst difference; `None` where the answers are not the same to nine digits.
fn compare(ours: Told, theirs: Told) -> Option<f64> {
    let (Ok(mut ours), Ok(mut theirs)) = (ours.clone(), theirs.clone()) else {
        return (ours.is_err() && theirs.is_err()).then_some(0.0);
    };
    ours.sort_by(|a, b| a.0.cmp(&b.0));
    theirs.sort_by(|a, b| a.0.cmp(&b.0));
    if ours.len() != theirs.len() || ours.iter().zip(&theirs).any(|(a, b)| a.0 != b.0) {
        return None;
    }
    let difference = |a: f64, b: f64| match (a == b || a.is_nan() && b.is_nan(), a.is_finite() && b.is_finite()) {
        (true, _) => 0.0,
        // What is nothing but rounding beside the samples, which are eighths, is nothing.
        (false, true) => (a - b).abs() / a.abs().max(b.abs()).max(1.0),
        (false, false) => f64::INFINITY,
    };
    let worst = ours.iter().zip(&theirs).map(|(a, b)| difference(a.1, b.1)).fold(0.0, f64::max);
    (worst <= 1e-9).then_some(worst)
}
