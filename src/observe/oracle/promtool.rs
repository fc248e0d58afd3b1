//! `promtool test rules` as a calculator: a test file whose expectation never holds makes it print what it got. Samples
//! stand at their millisecond, which it counts one by one: enough for a few series over some minutes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{Asked, Room, Told, number};
use crate::base::series::{Labels, Series, is_stale};

/// More milliseconds of all series together do not fit into its memory.
const MOST: i64 = 50_000_000;
const PATIENCE: Duration = Duration::from_secs(300);

/// Asks everything at once.
pub(super) async fn ask(series: &[Series], asked: &[Asked]) -> Result<Vec<Told>, String> {
    let first = series.iter().filter_map(|s| s.samples.first()).map(|s| s.at).min().unwrap_or(0);
    let Some(last) = asked.iter().map(|asked| asked.at_ms).max() else { return Ok(Vec::new()) };
    let length = last.saturating_sub(first).max(0).saturating_mul(series.len() as i64);
    if length > MOST {
        let (count, seconds) = (series.len(), (last - first) / 1000);
        return Err(format!("promtool cannot hold {count} series over {seconds} s: use --verify-with prometheus"));
    }
    if let Some(early) = asked.iter().find(|asked| asked.at_ms < first) {
        return Err(format!("`{}` is asked before the first sample: use --verify-with prometheus", early.expr));
    }
    let room = Room::new()?;
    let file = room.0.join("test.yml");
    std::fs::write(&file, test_file(series, asked, first)).map_err(|e| format!("{}: {e}", file.display()))?;
    let run =
        Command::new("promtool").args(["test", "rules"]).arg(&file).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, run).await.map_err(|_| "promtool takes too long".to_owned())?;
    let output = output.map_err(|e| format!("promtool cannot be started: {e}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let answers: Vec<&str> = said.split("\n    expr: ").skip(1).collect();
    if answers.len() != asked.len() {
        let end = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(format!("promtool gave {} answers to {} questions: {end}", answers.len(), asked.len()));
    }
    Ok(answers.into_iter().map(answer).collect())
}

/// Its axis begins at zero, ours at `first`.
fn test_file(series: &[Series], asked: &[Asked], first: i64) -> String {
    let mut text =
        "rule_files: []\nevaluation_interval: 1ms\ntests:\n  - interval: 1ms\n    input_series:\n".to_owned();
    for one in series.iter().filter(|one| !one.samples.is_empty()) {
        let _ = write!(text, "      - series: {}\n        values: '", single(&name(&one.labels)));
        let mut next = first;
        for sample in &one.samples {
            match sample.at - next {
                0 => {}
                gap => {
                    let _ = write!(text, "_x{gap} ");
                }
            }
            match sample.value {
                value if is_stale(value) => text.push_str("stale "),
                value if value.is_infinite() => text.push_str(if value > 0.0 { "+Inf " } else { "-Inf " }),
                value => {
                    let _ = write!(text, "{value} ");
                }
            }
            next = sample.at + 1;
        }
        text.push_str("'\n");
    }
    text.push_str("    promql_expr_test:\n");
    for Asked { expr, at_ms } in asked {
        // One expression, one line of its output.
        let expr = expr.replace(['\n', '\r'], " ");
        let _ = writeln!(
            text,
            "      - expr: {}\n        eval_time: {}ms\n        exp_samples: [{{labels: '{{never=\"this\"}}', value: 0}}]",
            single(&expr),
            at_ms - first
        );
    }
    text
}

/// A series as it is written in a test file.
fn name(labels: &Labels) -> String {
    let pairs = labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
}

fn single(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Reads `… got: {a="b"} 1.5E+00, …`, or the error.
fn answer(text: &str) -> Told {
    if let Some((_, why)) = text.split_once(", err: ") {
        return Err(why.lines().next().unwrap_or_default().to_owned());
    }
    let got = text.split("got:").nth(1).unwrap_or_default().trim();
    let mut elements = BTreeMap::new();
    let mut rest = got;
    while !rest.is_empty() && !rest.starts_with("nil") {
        let (labels, after) = read_labels(rest).ok_or_else(|| format!("`{got}` is no answer of promtool"))?;
        let end = after.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(after.len());
        let value = number(&after[..end]).ok_or_else(|| format!("`{got}` is no answer of promtool"))?;
        elements.insert(labels, value);
        match after[end..].strip_prefix(", ") {
            Some(next) => rest = next,
            None => break,
        }
    }
    Ok(elements.into_iter().collect())
}

/// `name{a="b"}` and what comes behind it.
fn read_labels(text: &str) -> Option<(Labels, &str)> {
    let (name, mut rest) = text.split_at(text.find(['{', ' '])?);
    let mut labels = Labels::new([("__name__", name)]);
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (label, after) = rest.trim_start_matches([',', ' ']).split_once("=\"")?;
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next()? {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next()?.1 {
                        'n' => '\n',
                        't' => '\t',
                        c => c,
                    }),
                    (_, c) => value.push(c),
                }
            };
            labels.set(label, value);
            rest = &after[end + 1..];
        }
        rest = &rest[1..];
    }
    Some((labels, rest.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::{Sample, stale};

    #[test]
    fn samples_stand_at_their_millisecond() {
        let sample = |at, value| Sample { at, value };
        let labels = Labels::new([("__name__", "x"), ("a", "b'\"")]);
        let series =
            Series { labels, samples: vec![sample(1_000, 1.5), sample(1_004, f64::INFINITY), sample(1_005, stale())] };
        let asked = [Asked { expr: "x >\n 'y'".into(), at_ms: 1_010 }];
        let text = test_file(&[series], &asked, 1_000);
        assert!(text.contains(r#"- series: '{__name__="x",a="b''\""}'"#), "{text}");
        assert!(text.contains("values: '1.5 _x3 +Inf stale '"), "{text}");
        assert!(text.contains("- expr: 'x >  ''y'''\n        eval_time: 10ms"), "{text}");
    }

    #[test]
    fn answers_are_read() {
        let of = |text| answer(text);
        let text = "\"x\", time: 10ms,\n        exp: {never=\"this\"} 0E+00\n        got: x{a=\"b, \\\"c\\\"\"} 1.5E+00, {} NaN\n\n";
        let elements = of(text).expect("it is an answer");
        assert_eq!(elements[1], (Labels::new([("__name__", "x"), ("a", "b, \"c\"")]), 1.5));
        assert!(elements[0].0.is_empty() && elements[0].1.is_nan());
        assert_eq!(of("\"x\", time: 10ms,\n  exp: {} 0\n  got: nil"), Ok(Vec::new()));
        assert_eq!(of("\"x\", time: 10ms, err: it is bad\n"), Err("it is bad".into()));
    }
}
