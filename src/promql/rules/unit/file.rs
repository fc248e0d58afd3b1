//! Reads a file of unit tests; every mistake at once.

use crate::base::mistake::{Mistake, Place};
use crate::base::reader::Reader;
use crate::base::series::{Labels, Series};
use crate::base::yaml::{self, Key, Kind, Node};
use crate::promql::{Element, notation, parse_length};

/// A file of unit tests.
#[derive(Debug, Clone, Default)]
pub struct TestFile {
    /// Files of rules, as patterns relative to this file, and where they are named.
    pub rule_files: Vec<(String, Place)>,
    /// From one tick of all rules to the next, in milliseconds.
    pub interval_ms: i64,
    /// Whether numbers may differ in their last bit.
    pub fuzzy: bool,
    /// Names of groups that are evaluated in this order, before all others.
    pub order: Vec<String>,
    /// In the order of the file.
    pub tests: Vec<Test>,
}

/// A test: series, and what is expected of them.
#[derive(Debug, Clone, Default)]
pub struct Test {
    /// Where it stands.
    pub at: Place,
    /// What it is called.
    pub name: Option<String>,
    /// When its series begin, in milliseconds since 1970.
    pub start_ms: i64,
    /// Its series.
    pub series: Vec<Series>,
    /// What templates know as `$externalLabels`.
    pub external_labels: Labels,
    /// What templates know as `$externalURL`.
    pub external_url: String,
    /// What alerts must fire.
    pub alerts: Vec<AlertTest>,
    /// What expressions must answer.
    pub exprs: Vec<ExprTest>,
}

/// What alerts of a name must fire at a time.
#[derive(Debug, Clone)]
pub struct AlertTest {
    /// Where it stands.
    pub at: Place,
    /// When, in milliseconds from the start.
    pub eval_ms: i64,
    /// Their name.
    pub name: String,
    /// All of them; none must fire when there is none.
    pub alerts: Vec<ExpectedAlert>,
}

/// An alert that must fire.
#[derive(Debug, Clone)]
pub struct ExpectedAlert {
    /// All its labels but `alertname`.
    pub labels: Labels,
    /// All its annotations.
    pub annotations: Labels,
}

/// What an expression must answer at a time.
#[derive(Debug, Clone)]
pub struct ExprTest {
    /// Where it stands.
    pub at: Place,
    /// When, in milliseconds from the start.
    pub eval_ms: i64,
    /// The expression.
    pub expr: String,
    /// All elements of the answer.
    pub samples: Vec<Element>,
}

impl TestFile {
    /// How many things are expected.
    pub fn checks(&self) -> usize {
        self.tests.iter().map(Test::checks).sum()
    }
}

impl Test {
    /// How many things are expected.
    pub fn checks(&self) -> usize {
        self.alerts.len() + self.exprs.len()
    }
}

/// Reads a file of unit tests.
pub fn read(text: &str) -> Result<TestFile, Vec<Mistake>> {
    let root = yaml::parse(text).map_err(|mistake| vec![mistake.or_remedy("start with `rule_files:` and `tests:`")])?;
    let mut reading = Reading { reader: Reader::default(), interval_ms: 60_000 };
    let file = reading.file(&root);
    let mut mistakes = reading.reader.mistakes;
    mistakes.sort_by_key(|mistake| mistake.at);
    if mistakes.is_empty() { Ok(file) } else { Err(mistakes) }
}

struct Reading {
    reader: Reader,
    /// What holds where a test says nothing.
    interval_ms: i64,
}

type Entries<'n> = &'n [(Key, Node)];

const FILE_KEYS: &[&str] = &["rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests"];
const TEST_KEYS: &[&str] = &[
    "name",
    "interval",
    "start_timestamp",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
];

impl Reading {
    fn file(&mut self, root: &Node) -> TestFile {
        let entries = self.reader.map(root, "a file of tests").unwrap_or_default();
        self.reader.known(entries, FILE_KEYS, &[]);
        self.interval_ms = self.length(entries, "evaluation_interval").filter(|ms| *ms > 0).unwrap_or(60_000);
        TestFile {
            rule_files: self.texts(entries, "rule_files"),
            interval_ms: self.interval_ms,
            fuzzy: self.get(entries, "fuzzy_compare", "true or false", truth).unwrap_or_default(),
            order: self.texts(entries, "group_eval_order").into_iter().map(|(name, _)| name).collect(),
            tests: self.list(entries, "tests", Self::test),
        }
    }

    fn test(&mut self, node: &Node) -> Option<Test> {
        let entries = self.reader.map(node, "a test")?;
        self.reader.known(entries, TEST_KEYS, &[]);
        let interval_ms = self.length(entries, "interval").filter(|ms| *ms > 0).unwrap_or(self.interval_ms);
        let start_ms = self.get(entries, "start_timestamp", "a time", timestamp).unwrap_or_default();
        let series = self.list(entries, "input_series", |reading, node| reading.series(node, start_ms, interval_ms));
        Some(Test {
            at: node.at,
            name: self.get(entries, "name", "a name", |text| Ok(text.to_owned())),
            start_ms,
            series: self.distinct(series),
            external_labels: self.labels(entries, "external_labels"),
            external_url: self.get(entries, "external_url", "an address", |t| Ok(t.to_owned())).unwrap_or_default(),
            alerts: self.list(entries, "alert_rule_test", Self::alert_test),
            exprs: self.list(entries, "promql_expr_test", Self::expr_test),
        })
    }

    fn series(&mut self, node: &Node, start_ms: i64, interval_ms: i64) -> Option<(Place, Series)> {
        let entries = self.reader.map(node, "a series")?;
        self.reader.known(entries, &["series", "values"], &[]);
        let labels = self.needed(entries, node, "series", "a metric such as x{job=\"a\"}", whole_metric);
        let items = self.needed(entries, node, "values", "values such as 0+10x5", notation::items);
        let mut samples = notation::samples(&items?, interval_ms);
        samples.iter_mut().for_each(|sample| sample.at += start_ms);
        Some((node.at, Series { labels: labels?, samples }))
    }

    /// Series of the same labels are refused: which of two samples at an instant holds?
    fn distinct(&mut self, series: Vec<(Place, Series)>) -> Vec<Series> {
        let mut all: Vec<Series> = Vec::with_capacity(series.len());
        let mut seen = std::collections::HashSet::new();
        for (at, one) in series {
            if seen.insert(one.labels.clone()) {
                all.push(one);
            } else {
                let what = format!("`{}` is given twice", one.labels);
                self.reader.within("input_series", |r| r.wrong(at, what, "write all its values in one line"));
            }
        }
        all
    }

    fn alert_test(&mut self, node: &Node) -> Option<AlertTest> {
        let entries = self.reader.map(node, "what alerts fire at a time")?;
        self.reader.known(entries, &["eval_time", "alertname", "groupname", "exp_alerts"], &[]);
        let eval_ms = self.length(entries, "eval_time");
        let name = self.needed(entries, node, "alertname", "the name of an alert", |text| match text.is_empty() {
            true => Err("the name of the alert is empty: write it".into()),
            false => Ok(text.to_owned()),
        });
        let alerts = self.list(entries, "exp_alerts", |reading, node| {
            let entries = reading.reader.map(node, "an alert")?;
            reading.reader.known(entries, &["exp_labels", "exp_annotations"], &[]);
            let labels = reading.labels(entries, "exp_labels");
            Some(ExpectedAlert { labels, annotations: reading.labels(entries, "exp_annotations") })
        });
        Some(AlertTest { at: node.at, eval_ms: eval_ms.unwrap_or_default(), name: name?, alerts })
    }

    fn expr_test(&mut self, node: &Node) -> Option<ExprTest> {
        let entries = self.reader.map(node, "what an expression answers at a time")?;
        self.reader.known(entries, &["expr", "eval_time", "exp_samples"], &[]);
        let eval_ms = self.length(entries, "eval_time");
        let expr = self.needed(entries, node, "expr", "an expression", |text| Ok(text.to_owned()));
        let samples = self.list(entries, "exp_samples", |reading, node| {
            let entries = reading.reader.map(node, "an element")?;
            reading.reader.known(entries, &["labels", "value", "histogram"], &[]);
            if let Some(node) = get(entries, "histogram") {
                let what = "native histograms are not part of this evaluator";
                reading.reader.within("histogram", |r| r.wrong(node.at, what, "leave this test to promtool"));
            }
            let labels = reading.get(entries, "labels", "a metric such as x{job=\"a\"}", whole_metric);
            let value = reading.get(entries, "value", "a number", number).unwrap_or_default();
            Some(Element { labels: labels.unwrap_or_default(), value })
        });
        Some(ExprTest { at: node.at, eval_ms: eval_ms.unwrap_or_default(), expr: expr?, samples })
    }

    fn get<T>(
        &mut self,
        entries: Entries<'_>,
        key: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let node = get(entries, key)?;
        self.reader.within(key, |r| match &node.kind {
            // An empty text is a text.
            Kind::Scalar { text, plain: false } if text.is_empty() => {
                parse(text).map_err(|why| wrong(r, node, &why)).ok()
            }
            _ => r.parsed(node, what, parse),
        })
    }

    fn needed<T>(
        &mut self,
        entries: Entries<'_>,
        node: &Node,
        key: &str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if get(entries, key).is_none() {
            self.reader.wrong(node.at, format!("`{key}` is missing"), format!("add `{key}:`"));
        }
        self.get(entries, key, what, parse)
    }

    fn length(&mut self, entries: Entries<'_>, key: &str) -> Option<i64> {
        self.get(entries, key, "a length of time such as 5m", parse_length)
    }

    fn list<T>(
        &mut self,
        entries: Entries<'_>,
        key: &str,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let Some(node) = get(entries, key) else { return Vec::new() };
        let mut all = Vec::new();
        self.reader.enter(key);
        match &node.kind {
            Kind::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.reader.enter(&i.to_string());
                    all.extend(read(self, item));
                    self.reader.leave();
                }
            }
            _ if node.is_null() => {}
            _ => {
                let what = format!("{} where a list belongs", node.describe());
                self.reader.wrong(node.at, what, "write `- item` lines");
            }
        }
        self.reader.leave();
        all
    }

    fn texts(&mut self, entries: Entries<'_>, key: &str) -> Vec<(String, Place)> {
        self.list(entries, key, |reading, node| {
            reading.reader.scalar(node, "a name").map(|text| (text.to_owned(), node.at))
        })
    }

    fn labels(&mut self, entries: Entries<'_>, key: &str) -> Labels {
        let Some(node) = get(entries, key) else { return Labels::default() };
        self.reader.enter(key);
        let mut labels = Labels::default();
        for (name, value) in self.reader.map(node, "names and texts").unwrap_or_default() {
            match &value.kind {
                _ if value.is_null() => {}
                Kind::Scalar { text, .. } => labels.set(name.text.as_str(), text.as_str()),
                _ => {
                    let what = format!("{} where a text belongs", value.describe());
                    self.reader.within(&name.text, |r| r.wrong(value.at, what, "write a text"));
                }
            }
        }
        self.reader.leave();
        labels
    }
}

fn get<'n>(entries: Entries<'n>, key: &str) -> Option<&'n Node> {
    entries.iter().find(|(k, _)| k.text == key).map(|(_, value)| value)
}

fn wrong(reader: &mut Reader, node: &Node, why: &str) {
    let (what, remedy) = why.split_once(": ").unwrap_or((why, ""));
    reader.wrong(node.at, what, remedy);
}

fn whole_metric(text: &str) -> Result<Labels, String> {
    match notation::metric(text)? {
        (labels, rest) if rest.trim().is_empty() => Ok(labels),
        (_, rest) => Err(format!("`{}` stands behind the metric: take it away", rest.trim())),
    }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither true nor false: write true or false"))
}

/// A number as YAML or Go write it.
fn number(text: &str) -> Result<f64, String> {
    let plain = text.replace('_', "").to_ascii_lowercase();
    let plain = match plain.as_str() {
        ".inf" | "+.inf" => "inf",
        "-.inf" => "-inf",
        ".nan" => "nan",
        other => other,
    };
    plain.parse().map_err(|_| format!("`{text}` is not a number: write one, such as 1.5, NaN or +Inf"))
}

/// Seconds since 1970, or a date and a time.
fn timestamp(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Ok((seconds * 1e3) as i64);
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    let want = || format!("`{text}` is not a time: write seconds since 1970, or 2024-01-31T12:00:00Z");
    time.map(|time| time.as_millisecond()).map_err(|_| want())
}
