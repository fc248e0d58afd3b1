//! What a flow's templates can name: drawn values, and rows of files.

use std::sync::Arc;

use serde_json::Value as Json;

use super::super::Input;
use super::super::raw;
use super::super::shape::{At, Names};
use super::super::value::{Datum, Decimal, Feed, Pick, Value, ValueLaw};
use super::Check;

/// Larger files are refused.
const MAX_FEED: usize = 16 << 20;
/// Of so many bad rows each is told.
const SHOWN: usize = 5;

impl Check<'_, '_> {
    pub(super) fn values(&mut self, raw: Option<&Names<raw::Value>>) -> Vec<Value> {
        let mut all = Vec::new();
        for (name, value) in raw.iter().flat_map(|names| &names.0) {
            self.own_name(name);
            let law = self.within(&name.value, |c| c.value_law(name, value));
            all.push(Value { name: name.value.clone(), law });
        }
        all
    }

    /// A name that templates can use.
    fn own_name(&mut self, name: &At<String>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if super::template::BUILT_IN.iter().any(|(built_in, _)| *built_in == name.value) {
            self.reader.wrong(name.at, format!("`{}` is there already", name.value), "call it otherwise");
        } else if !name.value.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.value.chars().all(plain) {
            let what = format!("`{}` is no name for templates", name.value);
            self.reader.wrong(name.at, what, "letters, digits and _, beginning with a letter");
        }
    }

    fn value_law(&mut self, name: &At<String>, raw: &raw::Value) -> ValueLaw {
        match raw {
            raw::Value::Uuid => ValueLaw::Uuid,
            raw::Value::Counter(counter) => ValueLaw::Counter {
                from: counter.from.map_or(0, |n| n.value),
                step: counter.step.map_or(1, |n| n.value),
            },
            raw::Value::Choice(raw::Choice::Even(texts)) => {
                let share = 1.0 / texts.len() as f64;
                self.choice(name, texts.iter().map(|text| (text.value.as_str(), share)).collect())
            }
            raw::Value::Choice(raw::Choice::Shares(shares)) => {
                let billionths: u64 = shares.0.iter().map(|(_, share)| u64::from(share.value.0)).sum();
                if billionths != 1_000_000_000 && !shares.0.is_empty() {
                    let what = format!("the shares come to {}%", billionths as f64 / 1e7);
                    self.reader.wrong(name.at, what, "let them come to 100%");
                }
                self.choice(name, shares.0.iter().map(|(t, s)| (t.value.as_str(), s.value.fraction())).collect())
            }
            raw::Value::Uniform(ends) => match self.range(name, ends, f64::NEG_INFINITY) {
                Some((low, high)) => ValueLaw::Uniform(low, high),
                None => ValueLaw::Uuid,
            },
            raw::Value::LogUniform(ends) => match self.range(name, ends, 0.0) {
                Some((low, high)) => ValueLaw::LogUniform(low, high),
                None => ValueLaw::Uuid,
            },
            raw::Value::Normal(normal) => {
                let (min, max) = self.ends(&normal.mean, normal.min.as_ref(), normal.max.as_ref());
                if normal.sd.value.value < 0.0 {
                    self.reader.wrong(normal.sd.at, "a standard deviation below 0", "write 0 or more");
                }
                ValueLaw::Normal { mean: normal.mean.value, sd: normal.sd.value.value, min, max }
            }
            raw::Value::Walk(walk) => {
                let (min, max) = self.ends(&walk.from, walk.min.as_ref(), walk.max.as_ref());
                let least = walk.min.as_ref().unwrap_or(&walk.from);
                if least.value.value <= 0.0 {
                    self.reader.wrong(least.at, "a walk reaches no price of 0 or below", "write one above 0");
                }
                ValueLaw::Walk { from: walk.from.value, step: walk.step.value.fraction(), min: min.max(0.0), max }
            }
        }
    }

    fn choice(&mut self, name: &At<String>, texts: Vec<(&str, f64)>) -> ValueLaw {
        if texts.is_empty() {
            self.reader.wrong(name.at, "a choice of nothing", "write at least one: `choice: [buy, sell]`");
        }
        let mut sum = 0.0;
        let mut rising = |(text, share): (&str, f64)| {
            sum += share;
            (Arc::from(text), sum)
        };
        ValueLaw::Choice(texts.into_iter().map(&mut rising).collect())
    }

    fn range(&mut self, name: &At<String>, ends: &[At<Decimal>], above: f64) -> Option<(Decimal, Decimal)> {
        match ends {
            [low, high] if above < low.value.value && low.value.value <= high.value.value => {
                Some((low.value, high.value))
            }
            _ if self.reader.is_broken_here() => None,
            _ => {
                let least = if above == 0.0 { ", both above 0" } else { "" };
                let remedy = format!("write two numbers, the lower first{least}: [1, 100]");
                self.reader.wrong(ends.first().map_or(name.at, |e| e.at), "not a range of numbers", remedy);
                None
            }
        }
    }

    /// Where what begins at `middle` ends.
    fn ends(&mut self, middle: &At<Decimal>, min: Option<&At<Decimal>>, max: Option<&At<Decimal>>) -> (f64, f64) {
        let low = min.map_or(f64::NEG_INFINITY, |m| m.value.value);
        let high = max.map_or(f64::INFINITY, |m| m.value.value);
        if !(low..=high).contains(&middle.value.value) {
            self.reader.wrong(middle.at, format!("{} lies outside min and max", middle.value), "let it lie between");
        }
        (low, high)
    }

    pub(super) fn feeds(&mut self, raw: Option<&Names<raw::Feed>>) -> Vec<Arc<Feed>> {
        let mut all = Vec::new();
        for (name, feed) in raw.iter().flat_map(|names| &names.0) {
            self.own_name(name);
            let (columns, rows) = self.within(&name.value, |c| c.rows(&feed.file)).unwrap_or_default();
            let pick = match feed.pick.as_ref().map(|p| &p.value) {
                Some(raw::Pick::Random) => Pick::Random,
                Some(raw::Pick::Unique) => Pick::Unique,
                Some(raw::Pick::Sequential) | None => Pick::Sequential,
            };
            let (file, place) = (feed.file.value.clone(), feed.file.at);
            all.push(Arc::new(Feed { name: name.value.clone(), file, place, pick, columns, rows }));
        }
        all
    }

    /// The columns and rows of a file, which is kept as an input.
    pub(super) fn rows(&mut self, file: &At<String>) -> Option<(Vec<String>, Vec<Vec<Datum>>)> {
        let bytes = match (self.settings.files)(&file.value) {
            Ok(bytes) if bytes.len() <= MAX_FEED => bytes,
            Ok(bytes) => {
                let what = format!("`{}` is {} bytes long", file.value, bytes.len());
                self.reader.wrong(file.at, what, "16 MB of rows are enough");
                return None;
            }
            Err(why) => {
                let remedy = "name a file of CSV or of JSON lines, relative to the scenario";
                self.reader.wrong(file.at, format!("cannot read `{}`: {why}", file.value), remedy);
                return None;
            }
        };
        let lines = [".jsonl", ".ndjson"].iter().any(|end| file.value.ends_with(end));
        let (columns, rows, bad) = if lines { json_lines(&bytes) } else { csv_rows(&bytes) };
        for (line, why) in bad.iter().take(SHOWN) {
            let what = format!("{}:{line}: {why}", file.value);
            self.reader.wrong(file.at, what, "mend the row or take it out");
        }
        if bad.len() > SHOWN {
            let what = format!("{}: {} more bad rows", file.value, bad.len() - SHOWN);
            self.reader.wrong(file.at, what, "mend them too");
        }
        if rows.is_empty() && bad.is_empty() {
            self.reader.wrong(file.at, format!("`{}` has no rows", file.value), "add at least one");
        }
        if !self.inputs.iter().any(|i| i.name == file.value) {
            self.inputs.push(Input { name: file.value.clone(), bytes });
        }
        Some((columns, rows))
    }
}

/// Columns, rows, and what is wrong at which lines.
type Table = (Vec<String>, Vec<Vec<Datum>>, Vec<(u64, String)>);

fn csv_rows(bytes: &[u8]) -> Table {
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).flexible(true).from_reader(bytes);
    let columns: Vec<String> = match csv.headers() {
        Ok(headers) => headers.iter().map(str::to_owned).collect(),
        Err(why) => return (Vec::new(), Vec::new(), vec![(1, why.to_string())]),
    };
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for row in csv.records() {
        match row {
            Ok(row) if row.len() == columns.len() => {
                rows.push(row.iter().map(|field| Datum::Text(field.into())).collect());
            }
            Ok(row) => {
                let line = row.position().map_or(0, csv::Position::line);
                bad.push((line, format!("{} fields, and the first line names {}", row.len(), columns.len())));
            }
            Err(why) => bad.push((why.position().map_or(0, csv::Position::line), why.to_string())),
        }
    }
    (columns, rows, bad)
}

/// The columns are the members of the first object; every other must have them.
fn json_lines(bytes: &[u8]) -> Table {
    let (mut columns, mut rows, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let number = i as u64 + 1;
        let object = match serde_json::from_slice::<Json>(line) {
            Ok(Json::Object(object)) => object,
            Ok(_) => {
                bad.push((number, "no JSON object".into()));
                continue;
            }
            Err(why) => {
                bad.push((number, format!("no JSON: {why}")));
                continue;
            }
        };
        if columns.is_empty() {
            columns = object.keys().cloned().collect();
        }
        match columns.iter().find(|column| !object.contains_key(*column)) {
            Some(missing) => bad.push((number, format!("`{missing}` is missing"))),
            None => rows.push(columns.iter().map(|column| datum(&object[column])).collect()),
        }
    }
    (columns, rows, bad)
}

fn datum(value: &Json) -> Datum {
    match value {
        Json::String(text) => Datum::Text(text.as_str().into()),
        other => Datum::Json(other.to_string().into()),
    }
}
