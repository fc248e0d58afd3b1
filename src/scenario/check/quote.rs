//! Quotes: which pairs and amounts are asked for, and what stands where in the replies.

use serde_json_path::JsonPath;

use super::super::Input;
use super::super::raw;
use super::super::shape::At;
use super::super::traffic::{Amount, Pair, Popularity, Quote};
use super::Check;
use crate::base::units::Size;

/// Larger CSV files are refused.
const MAX_CSV: usize = 16 << 20;

impl Check<'_, '_> {
    pub(super) fn quote(&mut self, raw: &raw::Quote) -> Option<Quote> {
        let popularity = match raw.pairs.popularity.as_ref() {
            Some(At { at, value: raw::Popularity::Zipf(s) }) => {
                if !(s.value > 0.0 && s.value <= 10.0) {
                    self.reader.wrong(*at, "a Zipf exponent is above 0 and at most 10", "write one, such as 1.1");
                }
                Popularity::Zipf(s.value)
            }
            Some(At { value: raw::Popularity::Weighted, .. }) => Popularity::Weighted,
            Some(At { value: raw::Popularity::Uniform, .. }) | None => Popularity::Uniform,
        };
        let pairs = self.pairs(&raw.pairs.file, popularity);
        let amount = self.amount(&raw.amount);
        let query = raw.query.as_ref();
        let word =
            |given: Option<&At<String>>, default: &str| given.map_or_else(|| default.to_owned(), |g| g.value.clone());
        let reply = raw.reply.as_ref();
        let mut place = |given: Option<&At<String>>, default: &str| -> Option<(JsonPath, bool)> {
            match given {
                Some(path) => self.json_path(path).map(|p| (p, true)),
                None => JsonPath::parse(default).ok().map(|p| (p, false)),
            }
        };
        let out_amount = place(reply.and_then(|r| r.amount.as_ref()), "$.outAmount");
        let input = place(reply.and_then(|r| r.input.as_ref()), "$.inputMint");
        let output = place(reply.and_then(|r| r.output.as_ref()), "$.outputMint");
        let timestamp = place(reply.and_then(|r| r.timestamp_ms.as_ref()), "$.timestampMs");
        Some(Quote {
            pairs,
            popularity,
            amount: amount?,
            path: raw.path.as_ref().map_or_else(|| "/quote".into(), |p| self.path(p)),
            query: [
                word(query.and_then(|q| q.input.as_ref()), "input"),
                word(query.and_then(|q| q.output.as_ref()), "output"),
                word(query.and_then(|q| q.amount.as_ref()), "amount"),
            ],
            out_amount: out_amount?.0,
            echo: [input?, output?],
            timestamp: timestamp?,
            hybrid: raw.hybrid.as_ref().map(|h| (h.share.value, self.path(&h.path))),
            max_age: raw.max_age.map(|a| a.value),
            max_body: raw.max_body.map_or(Size(1_000_000), |s| s.value),
            headers: self.headers(raw.headers.as_ref()),
        })
    }

    fn amount(&mut self, raw: &At<raw::Amount>) -> Option<Amount> {
        let wrong = |check: &mut Self, what: &str| {
            check.reader.wrong(
                raw.at,
                what,
                "write { fixed: n } or { log_uniform: [low, high] } with 1 <= low <= high",
            );
            None
        };
        let range = |values: &[At<u64>]| match values {
            [low, high] if 1 <= low.value && low.value <= high.value => Some((low.value, high.value)),
            _ => None,
        };
        match &raw.value {
            raw::Amount::Fixed(n) if n.value > 0 => Some(Amount::Fixed(n.value)),
            raw::Amount::Fixed(_) => wrong(self, "an amount of nothing"),
            raw::Amount::Uniform(values) => match range(values) {
                Some((low, high)) => Some(Amount::Uniform(low, high)),
                None => wrong(self, "not a range of amounts"),
            },
            raw::Amount::LogUniform(values) => match range(values) {
                Some((low, high)) => Some(Amount::LogUniform(low, high)),
                None => wrong(self, "not a range of amounts"),
            },
        }
    }

    /// Reads the pairs and keeps the file as an input.
    fn pairs(&mut self, file: &At<String>, popularity: Popularity) -> Vec<Pair> {
        let bytes = match (self.settings.files)(&file.value) {
            Ok(bytes) if bytes.len() <= MAX_CSV => bytes,
            Ok(bytes) => {
                self.reader.wrong(
                    file.at,
                    format!("`{}` is {} bytes long", file.value, bytes.len()),
                    "16 MB of pairs are enough",
                );
                return Vec::new();
            }
            Err(why) => {
                self.reader.wrong(
                    file.at,
                    format!("cannot read `{}`: {why}", file.value),
                    "name a CSV file, relative to the scenario",
                );
                return Vec::new();
            }
        };
        let pairs = self.parse_pairs(&bytes, file, popularity);
        if !self.inputs.iter().any(|i| i.name == file.value) {
            self.inputs.push(Input { name: file.value.clone(), bytes });
        }
        pairs
    }

    fn parse_pairs(&mut self, bytes: &[u8], file: &At<String>, popularity: Popularity) -> Vec<Pair> {
        const SHOWN: usize = 5;
        let mut csv =
            csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).flexible(true).from_reader(bytes);
        let headers = csv.headers().cloned().unwrap_or_default();
        let column = |name: &str| headers.iter().position(|h| h == name);
        let (Some(input), Some(output)) = (column("input"), column("output")) else {
            self.reader.wrong(
                file.at,
                format!("`{}` lacks the columns `input` and `output`", file.value),
                "begin the file with the line `input,output`",
            );
            return Vec::new();
        };
        let weight = column("weight");
        if popularity == Popularity::Weighted && weight.is_none() {
            self.reader.wrong(
                file.at,
                format!("`{}` lacks the column `weight`", file.value),
                "add it, or choose another popularity",
            );
        }
        let mut pairs = Vec::new();
        let mut bad = 0;
        for row in csv.records() {
            let read = row.map_err(|e| (e.position().map_or(0, csv::Position::line), e.to_string())).and_then(|row| {
                let line = row.position().map_or(0, csv::Position::line);
                let mint = |i| {
                    row.get(i).filter(|m: &&str| {
                        !m.is_empty() && m.len() <= 64 && m.chars().all(|c| c.is_ascii_alphanumeric())
                    })
                };
                let (Some(input), Some(output)) = (mint(input), mint(output)) else {
                    return Err((line, "`input` and `output` are letters and digits, at most 64".to_owned()));
                };
                if input == output {
                    return Err((line, format!("`{input}` for itself")));
                }
                let weight = match weight.map(|i| row.get(i).unwrap_or_default()) {
                    Some(text) => text.parse::<f64>().ok().filter(|w| w.is_finite() && *w > 0.0),
                    None => Some(1.0),
                };
                let weight = weight.ok_or((line, "`weight` is a number above 0".to_owned()))?;
                Ok(Pair { input: input.into(), output: output.into(), weight })
            });
            match read {
                Ok(pair) => pairs.push(pair),
                Err((line, why)) => {
                    bad += 1;
                    if bad <= SHOWN {
                        self.reader.wrong(
                            file.at,
                            format!("{}:{line}: {why}", file.value),
                            "mend the row or take it out",
                        );
                    }
                }
            }
        }
        if bad > SHOWN {
            self.reader.wrong(file.at, format!("{}: {} more bad rows", file.value, bad - SHOWN), "mend them too");
        }
        if pairs.is_empty() && bad == 0 {
            self.reader.wrong(file.at, format!("`{}` has no pairs", file.value), "add at least one row");
        }
        pairs
    }
}
