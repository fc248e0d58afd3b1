//! The scenarios that ship and the rules that they replay, and what of them evaluates a row.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use proofload::base::yaml::{self, Node};
use proofload::promql::rules::file;

use super::normal;
use super::rows::{Row, Rows, entries, items, member, word};

/// A line of `slo:`.
struct Promise {
    line: u32,
    promql: Option<String>,
    expect: String,
    each: bool,
    alert: Option<String>,
    notified_within: Option<String>,
    grouped_by: Vec<String>,
}

/// A scenario.
struct Scene {
    /// Below `scenarios/`.
    file: String,
    promises: Vec<Promise>,
    /// Rule files that it replays, below `scenarios/`.
    rules: Vec<String>,
    /// Metrics that contracts and reconciliations name, and where.
    named: Vec<(u32, String)>,
    /// Parts of contracts and of the target, in the words of `held`.
    parts: Vec<(u32, String)>,
}

/// A rule that some scenario replays.
struct Rule {
    file: String,
    line: u32,
    alert: Option<String>,
    expr: String,
}

/// All of them.
pub struct Scenes {
    scenes: Vec<Scene>,
    rules: Vec<Rule>,
}

/// Where a row is evaluated.
#[derive(Default)]
pub struct Found {
    /// `b25/prelaunch.yaml:84`, each with what is asked of it.
    pub places: Vec<(String, String)>,
    /// What was to be there and is not.
    pub missing: Vec<String>,
}

impl Found {
    fn add(&mut self, file: &str, line: u32, what: &str) {
        let place = (format!("{file}:{line}"), what.to_owned());
        if !self.places.contains(&place) {
            self.places.push(place);
        }
    }
}

impl Scenes {
    /// Reads them.
    pub fn read() -> Scenes {
        let folder = super::root().join("scenarios");
        let mut files = Vec::new();
        collect(&folder, &mut files);
        files.sort();
        let mut scenes: Vec<Scene> = files.iter().filter_map(|path| scene(&folder, path)).collect();
        // What is meant to pass is told before its twin that must fail.
        scenes.sort_by_key(|scene| (scene.file.contains("must-fail"), rank(&scene.file), scene.file.clone()));
        let mut names: Vec<&String> = scenes.iter().flat_map(|scene| &scene.rules).collect();
        names.sort_by_key(|name| (name.contains("as-published"), (*name).clone()));
        names.dedup();
        let mut rules = Vec::new();
        for name in names {
            let (groups, mistakes) = file::read(name, &super::text(&folder.join(name)));
            assert!(mistakes.is_empty(), "{name}: {mistakes:?}");
            rules.extend(groups.iter().flat_map(|group| &group.rules).map(|rule| Rule {
                file: name.clone(),
                line: rule.at.line,
                alert: rule.alert().map(|_| rule.name.clone()),
                expr: rule.expr.text().to_owned(),
            }));
        }
        Scenes { scenes, rules }
    }

    /// Where a row is evaluated, in the scenarios of its system.
    pub fn places(&self, rows: &Rows, row: &Row) -> Found {
        let mut found = Found::default();
        match (&row.expr, row.kind.is_some()) {
            (Some(expr), _) => self.expression(row, expr, &mut found),
            (None, true) => self.metric(row, &mut found),
            (None, false) => {
                for held in &row.held {
                    let before = found.places.len();
                    held.split(" | ").for_each(|held| self.held(rows, row, held, &mut found));
                    if found.places.len() == before {
                        found.missing.push(held.clone());
                    }
                }
            }
        }
        found
    }

    fn scenes<'s>(&'s self, row: &'s Row) -> impl Iterator<Item = &'s Scene> {
        self.scenes.iter().filter(|scene| scene.file.starts_with(&format!("{}/", row.of)))
    }

    fn rules<'s>(&'s self, row: &'s Row) -> impl Iterator<Item = &'s Rule> {
        self.rules.iter().filter(|rule| rule.file.starts_with(&format!("{}/", row.of)))
    }

    fn expression(&self, row: &Row, expr: &str, found: &mut Found) {
        let Some(tree) = normal::tree(expr) else { return };
        let wanted = normal::form(expr);
        let compared = normal::comparison(&tree);
        let alerts = normal::metrics(expr).first().is_some_and(|metric| metric == "ALERTS");
        for scene in self.scenes(row) {
            for promise in &scene.promises {
                if let Some(promql) = &promise.promql {
                    let form = normal::form(promql);
                    let same = form == wanted;
                    let as_bound = compared.as_ref().is_some_and(|(what, number)| {
                        form.as_ref() == Some(what) && normal::bound(&promise.expect) == Some(*number)
                    });
                    if same || as_bound {
                        found.add(&scene.file, promise.line, &promise.expect);
                    }
                }
                if let Some(alert) = promise.alert.as_ref().filter(|_| alerts)
                    && (!expr.contains("alertname") || expr.contains(alert.as_str()))
                {
                    found.add(&scene.file, promise.line, &format!("alert {alert}"));
                }
            }
        }
        for rule in self.rules(row).filter(|rule| normal::form(&rule.expr) == wanted) {
            found.add(&rule.file, rule.line, "rule, replayed");
        }
        // A rule that was put right has another expression; the alert is the same.
        if let Some(name) = row.says.strip_prefix("alert ") {
            for rule in self.rules(row).filter(|rule| rule.alert.as_deref() == Some(name)) {
                let same = normal::form(&rule.expr) == wanted;
                found.add(&rule.file, rule.line, if same { "rule, replayed" } else { "corrected, replayed" });
            }
        }
    }

    fn metric(&self, row: &Row, found: &mut Found) {
        let name = row.says.split('{').next().unwrap_or_default();
        let is_it = |metric: &str| {
            metric == name
                || metric.strip_prefix(name).is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest))
        };
        for scene in self.scenes(row) {
            for promise in &scene.promises {
                let read = promise.promql.as_deref().map(normal::metrics).unwrap_or_default();
                if read.iter().any(|metric| is_it(metric)) {
                    found.add(&scene.file, promise.line, "");
                }
                if promise.alert.is_some() && name == "ALERTS" {
                    found.add(&scene.file, promise.line, "");
                }
            }
            for (line, _) in scene.named.iter().filter(|(_, metric)| is_it(metric)) {
                found.add(&scene.file, *line, "");
            }
        }
        for rule in self.rules(row).filter(|rule| normal::metrics(&rule.expr).iter().any(|metric| is_it(metric))) {
            found.add(&rule.file, rule.line, "");
        }
    }

    fn held(&self, rows: &Rows, row: &Row, held: &str, found: &mut Found) {
        if let Some(alert) = held.strip_prefix("alert ") {
            for rule in self.rules(row).filter(|rule| rule.alert.as_deref() == Some(alert)) {
                found.add(&rule.file, rule.line, held);
            }
            return;
        }
        for scene in self.scenes(row) {
            for (line, _) in scene.parts.iter().filter(|(_, part)| part == held) {
                found.add(&scene.file, *line, held);
            }
            for promise in &scene.promises {
                let is_held = if let Some((expect, meant)) = held.split_once(" of ") {
                    let wanted = normal::form(rows.expression(meant));
                    promise.expect == expect && promise.promql.as_deref().and_then(normal::form) == wanted
                } else if let Some((alert, within)) = held.split_once(" notified_within ") {
                    promise.alert.as_deref() == Some(alert) && promise.notified_within.as_deref() == Some(within)
                } else if held.starts_with("grouped_by") {
                    held == format!("grouped_by [{}]", promise.grouped_by.join(", "))
                } else {
                    let (text, each) = held.strip_suffix(" each").map_or((held, false), |text| (text, true));
                    promise.expect == text && promise.promql.is_none() && promise.each == each
                };
                if is_held {
                    found.add(&scene.file, promise.line, held);
                }
            }
        }
    }
}

/// What a scenario is for, by its name: the launch first, then the first thing to run, then the rest.
fn rank(file: &str) -> usize {
    ["/prelaunch.yaml", "/smoke.yaml"].iter().position(|name| file.ends_with(name)).unwrap_or(2)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|e| e == "yaml") => files.push(path),
            false => {}
        }
    }
}

fn scene(folder: &Path, path: &Path) -> Option<Scene> {
    let root = yaml::parse(&super::text(path)).unwrap_or_else(|mistake| panic!("{}: {mistake:?}", path.display()));
    member(&root, "proofload")?;
    let file = below(folder, path);
    let promises = member(&root, "slo").map(items).unwrap_or_default().iter().map(promise).collect();
    let beside = path.parent().expect("a folder");
    let rules = member(&root, "alerts").and_then(|alerts| member(alerts, "rules")).map(items).unwrap_or_default();
    let rules = rules.iter().map(|name| below(folder, &beside.join(word(name))));
    let mut scene = Scene { file, promises, rules: rules.collect(), named: Vec::new(), parts: Vec::new() };
    for (job, contract) in member(&root, "contract").map(entries).unwrap_or_default() {
        scene.parts.push((contract.at.line, format!("contract of {job}")));
        for key in ["requires", "moves"] {
            let metrics = member(contract, key).map(items).unwrap_or_default();
            scene.named.extend(metrics.iter().map(|metric| (metric.at.line, word(metric).to_owned())));
        }
        for (path, probe) in member(contract, "probes").map(entries).unwrap_or_default() {
            scene.parts.push((probe.at.line, format!("probe {path}")));
        }
        if let Some(series) = member(contract, "cardinality").and_then(|c| member(c, "series")) {
            scene.parts.push((series.at.line, format!("cardinality {}", word(series))));
        }
    }
    for kind in ["counts", "ratios", "latency"] {
        for line in member(&root, "reconcile").and_then(|r| member(r, kind)).map(items).unwrap_or_default() {
            for key in ["counter", "over", "histogram", "summary"] {
                let metric = member(line, key).map(word).and_then(|text| text.split('{').next());
                scene.named.extend(metric.map(|metric| (line.at.line, metric.to_owned())));
            }
        }
    }
    let ready = member(&root, "target").and_then(|target| member(target, "ready"));
    if let Some(within) = ready.and_then(|ready| member(ready, "within")) {
        scene.parts.push((within.at.line, format!("ready within {}", word(within))));
    }
    Some(scene)
}

fn promise(node: &Node) -> Promise {
    let text = |key: &str| member(node, key).map(|value| word(value).to_owned());
    let members: BTreeMap<&str, &Node> = entries(node).into_iter().collect();
    Promise {
        line: node.at.line,
        promql: text("promql"),
        expect: text("expect").unwrap_or_default(),
        each: members.contains_key("each"),
        alert: text("alert"),
        notified_within: text("notified_within"),
        grouped_by: members
            .get("grouped_by")
            .map(|l| items(l).iter().map(|i| word(i).to_owned()).collect())
            .unwrap_or_default(),
    }
}

/// A path below `scenarios/`, without steps back.
fn below(folder: &Path, path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.strip_prefix(folder).expect("below scenarios").components() {
        match part.as_os_str().to_string_lossy().as_ref() {
            ".." => _ = parts.pop(),
            name => parts.push(name.to_owned()),
        }
    }
    parts.join("/")
}
