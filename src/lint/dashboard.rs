//! Grafana dashboards: every query of every panel, wherever the panel stands (in rows, in library elements, in the
//! newer schema), with its variables filled in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::checks;
use super::finding::{Finding, Report};
use super::json::Strings;
use super::kinds::{self, Severity};
use super::silence;
use super::subject::{Known, Role, Subject};
use super::variables::{self, Filled};
use crate::base::mistake::Place;
use crate::promql::syntax::{Form, Span, Syntax, syntax};

/// A dashboard, read.
pub struct Dashboard {
    name: String,
    text: String,
    queries: Vec<Query>,
    /// Those of its own; nothing where it is a part of a dashboard and has none to define.
    variables: Option<BTreeSet<String>>,
    wrong: Option<String>,
}

/// A query of a panel.
struct Query {
    /// `panel P95 latency`, `panel P95 latency, B`, `variable service`, `annotation Restarts`
    of: String,
    expr: String,
    /// Where the text begins, its opening quote included.
    at: Place,
    is_loki: bool,
    /// What the panel's description says about itself.
    description: String,
}

/// What is known on the way down to a query.
#[derive(Clone, Default)]
struct Way {
    title: String,
    description: String,
    is_loki: bool,
    is_other: bool,
    is_annotation: bool,
}

/// Where the texts stand that the walk will come to.
struct Places {
    exprs: Strings,
    queries: Strings,
}

impl Dashboard {
    /// Reads a dashboard.
    pub fn read(name: &str, text: &str) -> Dashboard {
        let mut dashboard =
            Dashboard { name: name.into(), text: text.into(), queries: Vec::new(), variables: None, wrong: None };
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(root)) => {
                let root = Value::Object(root);
                let inner = root.get("dashboard").filter(|inner| inner.is_object()).unwrap_or(&root);
                let inner = inner.get("spec").filter(|spec| spec.is_object()).unwrap_or(inner);
                dashboard.variables = defined(inner);
                let mut places = Places { exprs: Strings::of(text, "expr"), queries: Strings::of(text, "query") };
                dashboard.walk(&root, &Way::default(), &mut places);
                let known = ["panels", "rows", "elements", "targets", "model", "__elements", "templating"];
                if dashboard.queries.is_empty() && !known.iter().any(|key| inner.get(key).is_some()) {
                    dashboard.wrong = Some("it has neither panels nor rows nor elements".into());
                }
            }
            Ok(_) => dashboard.wrong = Some("it is no JSON object".into()),
            Err(why) => dashboard.wrong = Some(format!("it is no JSON: {why}")),
        }
        dashboard
    }

    fn walk(&mut self, value: &Value, way: &Way, places: &mut Places) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item, way, places)),
            Value::Object(object) => {
                let mut way = way.clone();
                let text = |key: &str| object.get(key).and_then(Value::as_str).filter(|t| !t.trim().is_empty());
                if let Some(title) = text("title") {
                    way.title = title.into();
                    way.description.clear();
                }
                if let Some(description) = text("description") {
                    way.description = description.into();
                }
                for source in [object.get("datasource"), object.get("query")].into_iter().flatten() {
                    source_of(source, &mut way);
                }
                // In the newer schema the query's own kind names its data source.
                if text("kind") == Some("DataQuery") || object.contains_key("spec") {
                    for key in ["group", "kind"] {
                        language(text(key).unwrap_or_default(), &mut way);
                    }
                }
                for (key, inner) in object {
                    match inner {
                        Value::String(expr) if key == "expr" => {
                            let at = places.exprs.next().unwrap_or_default();
                            if !way.is_other && !expr.trim().is_empty() {
                                self.query(object, &way, expr, at);
                            }
                        }
                        Value::String(query) if key == "query" => {
                            let at = places.queries.next().unwrap_or_default();
                            let name = text("name").or(text("refId")).unwrap_or_default();
                            self.variable(&way, name, query, at);
                        }
                        inner if key == "annotations" => {
                            self.walk(inner, &Way { is_annotation: true, ..way.clone() }, places);
                        }
                        inner => self.walk(inner, &way, places),
                    }
                }
            }
            _ => {}
        }
    }

    /// What a variable asks: `label_values(SELECTOR, label)`, `query_result(EXPRESSION)`. Others name no metric.
    fn variable(&mut self, way: &Way, name: &str, query: &str, at: Place) {
        const LABELS: &str = "label_values(";
        const RESULT: &str = "query_result(";
        let labels = query.strip_prefix(LABELS).and_then(|rest| Some((LABELS, rest.rsplit_once(',')?.0)));
        let result = query.strip_prefix(RESULT).and_then(|rest| Some((RESULT, rest.trim_end().strip_suffix(')')?)));
        if let Some((call, expr)) = labels.or(result).filter(|_| !way.is_loki && !way.is_other) {
            self.queries.push(Query {
                of: format!("variable {name}"),
                expr: expr.into(),
                at: Place { col: at.col + call.len() as u32, ..at },
                is_loki: false,
                description: String::new(),
            });
        }
    }

    fn query(&mut self, object: &serde_json::Map<String, Value>, way: &Way, expr: &str, at: Place) {
        let word = |key: &str| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let of = match (word("refId"), word("name")) {
            (_, name) if way.is_annotation => format!("annotation {}", name.unwrap_or(&way.title)),
            (Some(id), _) => format!("panel {}, {id}", way.title),
            (None, _) => format!("panel {}", way.title),
        };
        self.queries.push(Query {
            of,
            expr: expr.into(),
            at,
            is_loki: way.is_loki,
            description: way.description.clone(),
        });
    }

    /// The metrics that its queries ask for.
    pub fn metrics(&self) -> BTreeSet<String> {
        let mut metrics = BTreeSet::new();
        for query in self.queries.iter().filter(|query| !query.is_loki) {
            if let Ok(tree) = syntax(&variables::fill(&query.expr).text) {
                metrics.extend(tree.picks().into_iter().filter_map(|(pick, _)| pick.metric.clone()));
            }
        }
        metrics
    }

    /// Everything that is wrong with it.
    pub fn lint(&self, known: &Known<'_>) -> Report {
        let mut report =
            Report { file: self.name.clone(), text: self.text.clone(), noun: "query", ..Report::default() };
        if let Some(why) = &self.wrong {
            let at = Place { line: 1, col: 1, len: 1 };
            report.findings.push(Finding::new(kinds::DASHBOARD_FILE, at, "", why.clone()));
        }
        for query in &self.queries {
            if query.is_loki {
                report.out_of_scope += 1;
                continue;
            }
            report.looked_at += 1;
            let mut findings = self.of_query(query, known);
            let exceptions: Vec<_> =
                query.description.lines().filter_map(|line| silence::read(line, query.at)).collect();
            report.silenced += silence::apply(&mut findings, &exceptions, |_, _| true);
            report.findings.append(&mut findings);
        }
        report.findings.sort_by_key(|f| (f.at, std::cmp::Reverse(f.severity)));
        report
    }

    fn of_query(&self, query: &Query, known: &Known<'_>) -> Vec<Finding> {
        let of = &query.of;
        let mut findings = Vec::new();
        let filled = variables::fill(&query.expr);
        let mut say = |kind, span: &Span, what: String| {
            let finding = Finding::new(kind, self.place(query, span), of, what);
            findings.push(finding);
        };
        for (name, span) in &filled.used {
            let is_known = variables::is_built_in(name) || self.variables.as_ref().is_none_or(|v| v.contains(name));
            if !is_known {
                say(kinds::UNKNOWN_VARIABLE, span, format!("`${name}` is not defined in this dashboard"));
            }
        }
        let tree = match syntax(&filled.text) {
            Ok(tree) => tree,
            Err(why) => {
                let why = why.to_string();
                let kind = if is_logql(&filled.text) { kinds::LOGQL } else { kinds::NOT_PROMQL };
                say(kind, &(0..query.expr.len()), why.replace(&filled.text, &query.expr));
                return findings;
            }
        };
        self.over_pixels(query, &filled, &tree, &mut say);
        let wild = Known {
            exposed: known.exposed,
            recorded: known.recorded.clone(),
            scrape: known.scrape,
            wildcards: vec![variables::ANYTHING.into()],
        };
        let subject = Subject { text: &filled.text, tree: &tree, role: Role::Panel, known: &wild };
        for remark in checks::expression(&subject) {
            // A range that a variable stands for is as long as the reader makes it.
            let is_of_variable = remark.kind == kinds::SHORT_RANGE && filled.touches(&remark.span, '[');
            // A variable may well ask for the labels of whatever a job exposes.
            let is_list = remark.kind == kinds::NAMELESS && query.of.starts_with("variable ");
            if is_of_variable || is_list {
                continue;
            }
            findings.push(Finding {
                kind: remark.kind,
                severity: softened(remark.kind, remark.severity),
                at: self.place(query, &filled.original(&remark.span)),
                of: of.clone(),
                what: filled.unfill(&remark.what),
                why: remark.why,
                instead: filled.unfill(&remark.instead),
            });
        }
        findings
    }

    /// `rate(x[$__interval])`
    fn over_pixels(
        &self,
        query: &Query,
        filled: &Filled,
        tree: &Syntax,
        say: &mut impl FnMut(&'static kinds::Kind, &Span, String),
    ) {
        tree.visit(&mut |part| {
            if let Form::Call { name: "rate" | "increase" | "irate" | "delta" | "deriv", .. } = &part.form {
                let original = filled.original(&part.span);
                let text = query.expr.get(original.clone()).unwrap_or_default();
                if ["[$__interval]", "[${__interval}]", "[[[__interval]]]"].iter().any(|range| text.contains(range)) {
                    say(kinds::INTERVAL_VARIABLE, &original, format!("`{text}` may look at less than one scrape"));
                }
            }
        });
    }

    /// Where a part of a query stands in the file.
    fn place(&self, query: &Query, span: &Span) -> Place {
        let before = query.expr.get(..span.start).unwrap_or_default();
        let part = query.expr.get(span.clone()).unwrap_or_default();
        let line = self.text.lines().nth((query.at.line as usize).saturating_sub(1)).unwrap_or_default();
        let rest: String = line.chars().skip(query.at.col as usize).collect();
        let start = super::json::written(&rest, before.chars().count());
        let end = super::json::written(&rest, before.chars().count() + part.chars().count());
        Place { line: query.at.line, col: query.at.col + 1 + start as u32, len: (end - start).max(1) as u32 }
    }
}

/// In a panel the reader sees what is wrong; what is fatal in an alert is a remark here.
fn softened(kind: &'static kinds::Kind, severity: Severity) -> Severity {
    let only_a_remark = [kinds::LIFETIME_RATIO, kinds::SPLIT_QUANTILE, kinds::ASSUMED_LABELS];
    if only_a_remark.contains(&kind) { Severity::Info } else { severity }
}

/// Which language a data source speaks, as far as it says so.
fn source_of(source: &Value, way: &mut Way) {
    let name = match source {
        Value::String(name) => Some(name.as_str()),
        Value::Object(source) => {
            ["type", "group", "kind", "uid"].iter().find_map(|key| source.get(*key).and_then(Value::as_str))
        }
        _ => None,
    };
    language(name.unwrap_or_default(), way);
}

fn language(name: &str, way: &mut Way) {
    let name = name.to_ascii_lowercase();
    let other =
        ["influx", "elasticsearch", "graphite", "mysql", "postgres", "tempo", "jaeger", "testdata", "cloudwatch"];
    if name.contains("loki") {
        way.is_loki = true;
    } else if name.contains("prometheus") || name.contains("mimir") || name.contains("thanos") {
        way.is_loki = false;
        way.is_other = false;
    } else if other.iter().any(|word| name.contains(word)) {
        way.is_other = true;
    }
}

/// The names of a dashboard's variables.
fn defined(dashboard: &Value) -> Option<BTreeSet<String>> {
    let classic = dashboard.get("templating").and_then(|t| t.get("list")).and_then(Value::as_array);
    let newer = dashboard.get("variables").and_then(Value::as_array);
    // What an export asks for when it is imported.
    let inputs = dashboard.get("__inputs").and_then(Value::as_array);
    let is_whole = dashboard.get("panels").or(dashboard.get("rows")).or(dashboard.get("elements")).is_some();
    if classic.is_none() && newer.is_none() && !is_whole {
        return None;
    }
    let name = |v: &Value| Some(v.get("name").or(v.get("spec")?.get("name"))?.as_str()?.to_owned());
    let of = |v: &Value| v.get("name").and_then(Value::as_str).map(str::to_owned).or_else(|| name(v));
    Some(classic.into_iter().chain(newer).chain(inputs).flatten().filter_map(of).collect())
}

/// Whether a text that is no PromQL has what only LogQL has.
fn is_logql(text: &str) -> bool {
    let squeezed: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    ["|=", "|~", "} |", "} !=", "} !~", "| json", "| logfmt", "|json"].iter().any(|mark| squeezed.contains(mark))
}
