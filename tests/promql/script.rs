//! Reads Prometheus's own test language (`load`, `eval instant`, `eval range`, `expect …`), in which the cases of this
//! project are written too. One extension: `semantics v2` and `semantics v3` hold until the next `clear`.

use proofload::base::series::Labels;
use proofload::promql::notation::{self, Item};

/// One command of a script, with its line.
pub struct Command {
    pub line: usize,
    pub what: What,
}

pub enum What {
    Clear,
    /// Whether Prometheus 2's rules hold from here on.
    Semantics {
        v2: bool,
    },
    Load(Load),
    Eval(Box<Eval>),
}

pub struct Load {
    pub step_ms: i64,
    pub series: Vec<Row>,
    /// `load_with_nhcb`: the buckets are loaded as native histograms besides.
    pub also_native: bool,
}

/// A series with its values; `values` is `None` where a native histogram stands among them.
pub struct Row {
    pub labels: Labels,
    pub values: Option<Vec<Item>>,
}

pub struct Eval {
    pub when: When,
    pub expr: String,
    pub expect: Expect,
}

#[derive(Clone, Copy)]
pub enum When {
    Instant(i64),
    Range { from: i64, to: i64, step: i64 },
}

#[derive(Default)]
pub struct Expect {
    pub fail: Option<Message>,
    pub ordered: bool,
    pub text: Option<String>,
    /// From and step of the samples of a range vector.
    pub range_vector: Option<(i64, i64)>,
    pub scalar: Option<f64>,
    pub rows: Vec<Row>,
    /// What notes there must be, of which level.
    pub notes: Vec<(Level, Message)>,
    /// Of which levels there must be none.
    pub no_notes: Vec<Level>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Warning,
}

const LEVELS: [(&str, Level); 2] = [("warn", Level::Warning), ("info", Level::Info)];

/// What an error or a note must say.
pub enum Message {
    Any,
    Contains(String),
    Matches(String),
}

impl Message {
    pub fn is_met_by(&self, text: &str) -> bool {
        match self {
            Message::Any => true,
            Message::Contains(part) => text.contains(part),
            Message::Matches(pattern) => regex::Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)),
        }
    }
}

/// Reads a script; panics with the line where it cannot.
pub fn read(script: &str) -> Vec<Command> {
    let lines: Vec<&str> =
        script.lines().map(str::trim).map(|line| if line.starts_with('#') { "" } else { line }).collect();
    let mut commands = Vec::new();
    let mut place = 0;
    while place < lines.len() {
        let (line, head) = (place + 1, lines[place]);
        place += 1;
        if head.is_empty() {
            continue;
        }
        let length = lines[place..].iter().take_while(|line| !line.is_empty()).count();
        let block =
            if head == "clear" || head.starts_with("semantics ") { &[][..] } else { &lines[place..place + length] };
        place += block.len();
        let what = match head.split_once(char::is_whitespace).unwrap_or((head, "")) {
            ("clear", _) => What::Clear,
            ("semantics", version) => What::Semantics { v2: version == "v2" },
            (load @ ("load" | "load_with_nhcb"), step) => What::Load(Load {
                step_ms: duration(step),
                series: block.iter().map(|row| series(row)).collect(),
                also_native: load == "load_with_nhcb",
            }),
            (eval, rest) if eval.starts_with("eval") => What::Eval(Box::new(self::eval(eval, rest, block))),
            _ => panic!("line {line}: `{head}` is no command"),
        };
        commands.push(Command { line, what });
    }
    commands
}

fn eval(head: &str, rest: &str, block: &[&str]) -> Eval {
    let (when, expr) = match rest.trim().split_once(char::is_whitespace).expect("instant or range") {
        ("instant", rest) => {
            let (at, expr) = word(rest.trim().strip_prefix("at").expect("at"));
            (When::Instant(duration(at)), expr)
        }
        (_, rest) => {
            let (from, rest) = word(rest.trim().strip_prefix("from").expect("from"));
            let (to, rest) = word(rest.trim().strip_prefix("to").expect("to"));
            let (step, expr) = word(rest.trim().strip_prefix("step").expect("step"));
            (When::Range { from: duration(from), to: duration(to), step: duration(step) }, expr)
        }
    };
    let old = LEVELS.iter().find(|(word, _)| head.strip_prefix("eval_") == Some(word));
    let mut expect = Expect {
        fail: (head == "eval_fail").then_some(Message::Any),
        ordered: head == "eval_ordered",
        notes: old.map(|(_, level)| (*level, Message::Any)).into_iter().collect(),
        ..Expect::default()
    };
    for line in block {
        if let Some(rest) = line.strip_prefix("expect ") {
            expectation(rest.trim(), &mut expect);
        } else if let Some(message) = line.strip_prefix("expected_fail_message ") {
            expect.fail = Some(Message::Contains(message.trim().into()));
        } else if let Some(pattern) = line.strip_prefix("expected_fail_regexp ") {
            expect.fail = Some(Message::Matches(pattern.trim().into()));
        } else if let Some(value) =
            number(line).filter(|_| block.iter().filter(|l| !l.starts_with("expect")).count() == 1)
        {
            expect.scalar = Some(value);
        } else {
            expect.rows.push(series(line));
        }
    }
    Eval { when, expr: expr.trim().into(), expect }
}

fn expectation(text: &str, expect: &mut Expect) {
    if let Some(rest) = text.strip_prefix("fail") {
        expect.fail = Some(message(rest));
    } else if let Some((rest, level)) = LEVELS.iter().find_map(|(word, l)| Some((text.strip_prefix(word)?, *l))) {
        expect.notes.push((level, message(rest)));
    } else if let Some((_, level)) = LEVELS.iter().find(|(word, _)| text.strip_prefix("no_") == Some(word)) {
        expect.no_notes.push(*level);
    } else if text == "ordered" {
        expect.ordered = true;
    } else if let Some(rest) = text.strip_prefix("string") {
        expect.text = notation::quoted(rest.trim()).map(|(text, _)| text);
    } else if let Some(rest) = text.strip_prefix("range vector") {
        let (from, rest) = word(rest.trim().strip_prefix("from").expect("from"));
        let (_, rest) = word(rest.trim().strip_prefix("to").expect("to"));
        let (step, _) = word(rest.trim().strip_prefix("step").expect("step"));
        expect.range_vector = Some((duration(from), duration(step)));
    } else {
        panic!("`expect {text}` is not known");
    }
}

/// What an error or a note must say: nothing, `msg: text` or `regex: pattern`.
fn message(text: &str) -> Message {
    match text.trim().split_once(':') {
        Some(("msg", message)) => Message::Contains(message.trim().into()),
        Some((_, pattern)) => Message::Matches(pattern.trim().into()),
        None => Message::Any,
    }
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}

/// `5m`, `10s53ms`, `90`: in milliseconds.
fn duration(text: &str) -> i64 {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return (seconds * 1e3).round() as i64;
    }
    let mut rest = text.trim();
    let (sign, mut total) = match rest.strip_prefix('-') {
        Some(positive) => {
            rest = positive;
            (-1, 0)
        }
        None => (1, 0),
    };
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or_else(|| panic!("`{text}` is no duration"));
        let (number, tail) = rest.split_at(digits);
        let units = [
            ("ms", 1),
            ("s", 1_000),
            ("m", 60_000),
            ("h", 3_600_000),
            ("d", 86_400_000),
            ("w", 604_800_000),
            ("y", 31_536_000_000),
        ];
        let (unit, size) = units
            .iter()
            .find(|(unit, _)| tail.starts_with(unit) && !(*unit == "m" && tail.starts_with("ms")))
            .unwrap_or_else(|| panic!("`{text}` is no duration"));
        total += number.parse::<i64>().expect("digits") * size;
        rest = &tail[unit.len()..];
    }
    sign * total
}

/// `name{a="b"} 1 2 3`
fn series(line: &str) -> Row {
    let (labels, rest) = notation::metric(line).unwrap_or_else(|why| panic!("{why}"));
    let values = (!rest.contains("{{")).then(|| notation::items(rest).unwrap_or_else(|why| panic!("{line}: {why}")));
    Row { labels, values }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}
