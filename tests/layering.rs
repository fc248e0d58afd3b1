//! Holds every room of the house to what it may import, and a few deeds to the one place where they belong.
//!
//! The sources are read as tokens, so that comments and strings say nothing and a path is a path however it is wrapped:
//! `use crate::{judge, base::text}` is two. Tests beside the code are held to the same rooms; they may reach any part
//! of a room that they may enter, and they may print.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may import besides itself. `room::part` lets in that part alone.
const TABLE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("scenario", &["base"]),
    ("evidence", &["base"]),
    ("promql", &["base"]),
    ("plan", &["base", "scenario"]),
    ("stage", &["base", "scenario", "evidence"]),
    ("traffic", &["base", "plan", "scenario", "evidence"]),
    ("observe", &["base", "plan", "scenario", "evidence"]),
    ("fault", &["base", "plan", "scenario", "evidence", "stage::client", "stage::mend", "stage::protocol"]),
    ("judge", &["base", "scenario", "plan", "evidence", "promql", "lint"]),
    ("lint", &["base", "promql", "evidence", "observe::exposition"]),
    ("report", &["base", "plan", "evidence", "judge", "lint"]),
    ("sim", &["base"]),
    ("run", COMPOSED),
    ("suite", COMPOSED),
    ("shrink", &["base", "scenario", "judge"]),
    ("capacity", COMPOSED),
    ("selftest", COMPOSED),
    ("exit", &["judge"]),
    ("cli", &["base", "exit"]),
    ("command", EVERYTHING),
    ("main", &["cli", "command", "exit"]),
    ("lib", &[]),
];

/// What composes a run, or several.
const COMPOSED: &[&str] = &[
    "base", "scenario", "evidence", "promql", "plan", "stage", "traffic", "observe", "fault", "judge", "lint",
    "report", "sim", "exit", "run", "suite", "capacity", "selftest",
];

const EVERYTHING: &[&str] = &[
    "base", "scenario", "evidence", "promql", "plan", "stage", "traffic", "observe", "fault", "judge", "lint",
    "report", "sim", "exit", "run", "suite", "shrink", "capacity", "selftest", "cli",
];

/// What belongs in one place only: the end of a path, what it is, and where it may stand.
const DEEDS: &[(&[&str], &str, &[&str])] = &[
    (&["Instant", "now"], "reads a clock", &["base/time.rs"]),
    (&["SystemTime", "now"], "reads a clock", &["base/time.rs"]),
    (&["Timestamp", "now"], "reads a clock", &["base/time.rs"]),
    (&["Zoned", "now"], "reads a clock", &["base/time.rs"]),
    (&["clock_gettime"], "reads a clock", &["base/time.rs"]),
    (&["rand"], "draws by chance", &["base/seed.rs"]),
    (&["rand_core"], "draws by chance", &["base/seed.rs"]),
    (&["rand_chacha"], "draws by chance", &["base/seed.rs"]),
    (&["fastrand"], "draws by chance", &["base/seed.rs"]),
    (&["getrandom"], "draws by chance", &["base/seed.rs"]),
    (&["thread_rng"], "draws by chance", &["base/seed.rs"]),
    (&["RandomState"], "draws by chance", &["base/seed.rs"]),
    (&["process", "exit"], "ends the process", &["main.rs"]),
    (&["process", "abort"], "ends the process", &["main.rs"]),
    (&["unsafe"], "is unsafe", &["traffic/pacer.rs"]),
];

/// A timer is no measurement: these rooms may ask tokio when to give up, the path written out in full.
const TIMERS: (&[&str], &[&str]) = (&["tokio", "time", "Instant", "now"], &["traffic/http/"]);

/// Macros that print, and the rooms that may.
const PRINTING: (&[&str], &[&str]) = (&["println", "print", "eprintln", "eprint", "dbg"], &["cli", "report"]);

#[test]
fn the_house_keeps_its_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the sources are somewhere else: {} files", files.len());
    let sources: Vec<Source> = files
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("inside src").to_string_lossy().replace('\\', "/");
            Source { name, text: fs::read_to_string(path).expect("readable") }
        })
        .collect();
    let found = check(&sources);
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "{} violations:\n{}", list.len(), list.join("\n"));
}

#[test]
fn a_planted_violation_is_caught() {
    for (file, text, why) in [
        // Rooms.
        ("base/text.rs", "use crate::scenario::Scenario;", "imports scenario"),
        ("scenario/raw/load.rs", "use crate::{base::units, plan::Plan};", "imports plan"),
        ("evidence/mod.rs", "fn f(x: &crate::judge::Judgement) {}", "imports judge"),
        ("judge/window.rs", "use super::super::traffic::drive;", "imports traffic"),
        ("judge/html/chart.rs", "use super::super::super::run;", "imports run"),
        ("judge/mod.rs", "use super::observe;", "imports observe"),
        ("judge/mod.rs", "use self::super::observe;", "imports observe"),
        ("judge/mod.rs", "mod a { mod b { use super::super::super::observe; } }", "imports observe"),
        ("fault/guard.rs", "use crate::{stage::{client, stub}};", "imports stage::stub"),
        ("lint/mod.rs", "use crate::observe::scrape::scrape;", "imports observe::scrape"),
        ("traffic/drive.rs", "use crate::fault;", "imports fault"),
        ("stage/stub.rs", "use crate::sim::quote_service;", "imports sim"),
        ("sim/sleep.rs", "use crate::stage::stub;", "imports stage"),
        ("run.rs", "use crate::cli::print;", "imports cli"),
        ("cli/live.rs", "use crate::judge::Verdict;", "imports judge"),
        ("main.rs", "use proofload::run::Launch;", "imports run"),
        ("base/text.rs", "macro_rules! m { () => { $crate::evidence::write() } }", "imports evidence"),
        ("base/text.rs", "#[cfg(test)] mod tests { use crate::scenario::read; }", "imports scenario"),
        // Ways around them.
        ("base/text.rs", "use crate::*;", "the whole crate"),
        ("judge/mod.rs", "use super::*;", "the whole crate"),
        ("base/text.rs", "use crate as house;", "the whole crate"),
        ("base/text.rs", "use super::super::{self as house};", "the whole crate"),
        ("base/text.rs", "extern crate self as house;", "the whole crate"),
        ("base/text.rs", "#[path = \"../judge/mod.rs\"] mod x;", "from elsewhere"),
        ("base/text.rs", "include!(\"../judge/mod.rs\");", "from elsewhere"),
        ("attic/mod.rs", "", "no room of the table"),
        ("base/text.rs", "use crate::attic::x;", "imports attic"),
        // Deeds.
        ("evidence/mod.rs", "let t = std::time::Instant::now();", "reads a clock"),
        ("evidence/mod.rs", "let t = SystemTime\n::\nnow();", "reads a clock"),
        ("evidence/mod.rs", "use rustix::time::{clock_gettime, ClockId};", "reads a clock"),
        ("judge/mod.rs", "let t = tokio::time::Instant::now();", "reads a clock"),
        ("stage/link.rs", "let t = Instant::now();", "reads a clock"),
        ("stage/world.rs", "let t = tokio::time::Instant::now();", "reads a clock"),
        ("evidence/mod.rs", "let x: u8 = rand::random();", "draws by chance"),
        ("plan/arrival.rs", "use rand_chacha::ChaCha8Rng;", "draws by chance"),
        ("plan/arrival.rs", "use std::collections::hash_map::RandomState;", "draws by chance"),
        ("command/run.rs", "std::process::exit(3);", "ends the process"),
        ("command/run.rs", "use std::process::{Command, exit};", "ends the process"),
        ("traffic/drive.rs", "let x = unsafe { y() };", "is unsafe"),
        ("run.rs", "println!(\"hello\");", "prints"),
        ("stage/mod.rs", "fn f() { eprintln !(\"hello\") }", "prints"),
    ] {
        let found = check(&[Source { name: file.into(), text: text.into() }]);
        assert_eq!(found.len(), 1, "{file}: {text}: {found:?}");
        assert!(found[0].why.contains(why), "{file}: {text}: {}", found[0]);
    }
}

#[test]
fn what_is_allowed_is_left_alone() {
    let test_file = [
        ("evidence/mod.rs", "#[cfg(test)] mod size;"),
        ("evidence/size.rs", "fn f() { eprintln!(\"skipped\") }"),
        ("fault/mod.rs", "#[cfg(test)] mod tests { use crate::stage::serve::serve; }"),
    ];
    for (file, text) in [
        ("base/text.rs", "// crate::judge\n/* crate::judge /* nested */ crate::judge */ /// crate::judge"),
        (
            "base/text.rs",
            "let s = \"crate::judge \\\" println!()\"; let r = r#\"unsafe \" crate::judge\"#; let b = b\"crate::run\";",
        ),
        ("base/text.rs", "fn f<'a>(c: char) -> &'a str { if c == '\"' || c == '\\'' { \"unsafe\" } else { \"'\" } }"),
        ("base/text.rs", "pub(super) fn f() {} pub(crate) fn g() {} use super::text; use r#crate_like::x;"),
        ("traffic/http/pool.rs", "use super::super::drive; use super::exchange; use crate::plan::Plan;"),
        ("traffic/http/exchange.rs", "let d = tokio::time::Instant::now() + timeout;"),
        ("base/time.rs", "let t = Instant::now();"),
        ("base/seed.rs", "use rand_core::Rng; mod tests { use super::*; }"),
        ("traffic/pacer.rs", "unsafe { x() }"),
        ("judge/window.rs", "use crate::plan::{Timeline, timeline::Phase}; let rand = 1; fn exit() {}"),
        ("lint/mod.rs", "use crate::observe::exposition::{read, Page};"),
        ("fault/conduct.rs", "use crate::stage::client::Stage;"),
        ("main.rs", "use proofload::cli::args::Cli; fn main() { std::process::exit(1) }"),
        ("cli/print.rs", "println!(\"hello\");"),
        ("evidence/mod.rs", "#[cfg(test)]\nmod tests { fn f() { println!(\"x\") } }"),
    ]
    .into_iter()
    .chain(test_file)
    {
        let mut sources = vec![Source { name: file.into(), text: text.into() }];
        if file == "evidence/size.rs" {
            sources.push(Source { name: test_file[0].0.into(), text: test_file[0].1.into() });
        }
        let found = check(&sources);
        assert!(found.is_empty(), "{file}: {text}: {found:?}");
    }
}

/// A file below `src/`.
struct Source {
    name: String,
    text: String,
}

/// Something that stands where it may not.
#[derive(Debug)]
struct Violation {
    file: String,
    line: usize,
    why: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}:{}: {}", self.file, self.line, self.why)
    }
}

/// All rust files below `folder`, in order.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

fn check(sources: &[Source]) -> Vec<Violation> {
    let read: Vec<(&Source, Vec<Token>)> = sources.iter().map(|s| (s, tokens(&s.text))).collect();
    let mut test_files = BTreeSet::new();
    for (source, tokens) in &read {
        for name in test_modules(tokens) {
            let mut module = module_of(&source.name);
            module.push(name);
            test_files.insert(module);
        }
    }
    let mut found = Vec::new();
    for (source, tokens) in &read {
        let module = module_of(&source.name);
        let all_test = (1..=module.len()).any(|n| test_files.contains(&module[..n]));
        check_file(&source.name, &module, tokens, all_test, &mut found);
    }
    found
}

fn check_file(file: &str, module: &[String], tokens: &[Token], all_test: bool, found: &mut Vec<Violation>) {
    let room = match file {
        "main.rs" => "main",
        "lib.rs" => "lib",
        _ => &module[0],
    };
    let mut note = |line, why: String| found.push(Violation { file: file.into(), line, why });
    let Some((_, allowed)) = TABLE.iter().find(|(name, _)| *name == room) else {
        note(1, format!("`{room}` is no room of the table"));
        return;
    };
    for path in paths(tokens, module) {
        let test = all_test || path.test;
        if let Some(target) = &path.inside {
            match target.as_slice() {
                [] => note(path.line, "takes the whole crate under another name".into()),
                [to, ..] if to == room => {}
                [to, rest @ ..] if !allows(allowed, to, rest, test) => {
                    let part = match rest.first() {
                        Some(part) if allowed.iter().any(|a| a.split("::").next() == Some(to)) => format!("::{part}"),
                        _ => String::new(),
                    };
                    note(path.line, format!("{room} imports {to}{part}: it may import {allowed:?}"));
                }
                _ => {}
            }
        }
        let timer = path.words == TIMERS.0 && TIMERS.1.iter().any(|place| file.starts_with(place));
        for (end, what, places) in DEEDS {
            let external = end.len() == 1 && end[0] != "unsafe" && end[0] != "clock_gettime";
            let hit = match external {
                // A crate at the head of a path, or a name of its own anywhere in one.
                true => path.words.len() > 1 && path.words.iter().any(|w| w == end[0]),
                false => path.words.len() >= end.len() && path.words[path.words.len() - end.len()..] == **end,
            };
            if hit && !timer && !places.contains(&file) {
                note(path.line, format!("`{}` {what}: only {places:?} may", path.words.join("::")));
            }
        }
        if path.bang && path.words == ["include"] {
            note(path.line, "takes code from elsewhere".into());
        }
        let prints = path.bang && PRINTING.0.iter().any(|name| path.words == [*name]);
        if prints && !test && !PRINTING.1.contains(&room) {
            note(path.line, format!("`{}!` prints: only {:?} may", path.words[0], PRINTING.1));
        }
    }
    for at in tokens.windows(3) {
        match [at[0].text.as_str(), at[1].text.as_str(), at[2].text.as_str()] {
            ["#", "[", "path"] => note(at[0].line, "takes code from elsewhere".into()),
            ["extern", "crate", "self"] => note(at[0].line, "takes the whole crate under another name".into()),
            _ => {}
        }
    }
}

/// Whether the table lets a room into `to`, at `rest` of it. Tests may reach any part of a room that is open.
fn allows(allowed: &[&str], to: &str, rest: &[String], test: bool) -> bool {
    allowed.iter().any(|entry| match entry.split_once("::") {
        None => *entry == to,
        Some((room, part)) => room == to && (test || rest.first().is_some_and(|first| first == part)),
    })
}

/// The module that a file is: `traffic/http/pool.rs` is `traffic::http::pool`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    match stem {
        "lib" | "main" => Vec::new(),
        stem => stem.split('/').map(str::to_owned).collect(),
    }
}

/// A word or a mark of the source; literals and comments are left out.
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
    /// Whether it stands in a `#[cfg(test)]` module.
    test: bool,
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out: Vec<Token> = Vec::new();
    let (mut i, mut line) = (0, 1);
    while i < chars.len() {
        let start = i;
        let c = chars[i];
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            loop {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 || i >= chars.len() {
                    break;
                }
            }
        } else if let Some(end) = raw_string(&chars, i) {
            i = end;
        } else if c == '"' {
            i = closing(&chars, i + 1, '"');
        } else if c == '\'' {
            let is_char = at(i + 1) == '\\' || (at(i + 2) == '\'' && at(i + 1) != '\'');
            i = if is_char { closing(&chars, i + 1, '\'') } else { i + 1 };
        } else if word(c) {
            while word(at(i)) {
                i += 1;
            }
            if i - start == 1 && c == 'r' && at(i) == '#' && word(at(i + 1)) {
                i += 1; // r#name is a name
                while word(at(i)) {
                    i += 1;
                }
            }
            // The prefix of b"…" and c"…" is no word.
            if !(at(i) == '"' && i - start == 1 && matches!(c, 'b' | 'c')) {
                out.push(Token { text: chars[start..i].iter().collect(), line, test: false });
            }
        } else if c == ':' && at(i + 1) == ':' {
            out.push(Token { text: "::".into(), line, test: false });
            i += 2;
        } else {
            if !c.is_whitespace() {
                out.push(Token { text: c.into(), line, test: false });
            }
            i += 1;
        }
        line += chars[start..i.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    mark_tests(&mut out);
    out
}

/// The end of the raw string that starts at `i`, if one does.
fn raw_string(chars: &[char], i: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let after_word = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
    let mut j = if at(i) == 'b' || at(i) == 'c' { i + 1 } else { i };
    if after_word || at(j) != 'r' {
        return None;
    }
    j += 1;
    let hashes = (j..).take_while(|k| at(*k) == '#').count();
    j += hashes;
    if at(j) != '"' {
        return None;
    }
    j += 1;
    while j < chars.len() {
        if chars[j] == '"' && (1..=hashes).all(|k| at(j + k) == '#') {
            return Some(j + 1 + hashes);
        }
        j += 1;
    }
    Some(j)
}

/// The place after the closing quote of a literal with escapes.
fn closing(chars: &[char], mut i: usize, quote: char) -> usize {
    while i < chars.len() && chars[i] != quote {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    (i + 1).min(chars.len())
}

/// Where `#[cfg(test)]` ends and a module begins: the place of its name.
fn test_module_at(tokens: &[Token], i: usize) -> Option<usize> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    if tokens.len() < i + MARK.len() || !MARK.iter().zip(&tokens[i..]).all(|(mark, token)| token.text == *mark) {
        return None;
    }
    let declaration = tokens[i..].iter().take(20).position(|t| t.text == "mod")?;
    Some(i + declaration + 1)
}

fn mark_tests(tokens: &mut [Token]) {
    for i in 0..tokens.len() {
        let Some(name) = test_module_at(tokens, i) else { continue };
        if tokens.get(name + 1).is_none_or(|t| t.text != "{") {
            continue;
        }
        let mut depth = 0;
        for token in &mut tokens[name + 1..] {
            token.test = true;
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
}

/// The names of modules in files of their own that are only for tests.
fn test_modules(tokens: &[Token]) -> Vec<String> {
    let names = (0..tokens.len()).filter_map(|i| test_module_at(tokens, i));
    names
        .filter(|name| tokens.get(name + 1).is_some_and(|t| t.text == ";"))
        .map(|name| tokens[name].text.clone())
        .collect()
}

/// A path as it stands in the source, one for each leaf of a `use` tree.
#[derive(Debug)]
struct Found {
    line: usize,
    test: bool,
    /// Followed by `!`.
    bang: bool,
    /// As written.
    words: Vec<String>,
    /// Where in the crate it leads, if into it: from the root.
    inside: Option<Vec<String>>,
}

fn paths(tokens: &[Token], file: &[String]) -> Vec<Found> {
    let mut found = Vec::new();
    // Inline modules that are open: name and the depth of braces inside.
    let mut open: Vec<(String, usize)> = Vec::new();
    let (mut depth, mut i) = (0, 0);
    while i < tokens.len() {
        let text = tokens[i].text.as_str();
        match text {
            "{" => {
                depth += 1;
                let named = i >= 2 && tokens[i - 2].text == "mod";
                if named {
                    open.push((tokens[i - 1].text.clone(), depth));
                }
            }
            "}" => {
                open.pop_if(|(_, inside)| *inside == depth);
                depth -= 1;
            }
            _ => {}
        }
        let starts = is_word(text) && (i == 0 || tokens[i - 1].text != "::");
        if !starts {
            i += 1;
            continue;
        }
        let module: Vec<String> = file.iter().cloned().chain(open.iter().map(|(name, _)| name.clone())).collect();
        let mut leaves = Vec::new();
        i = leaves_of(tokens, i, Vec::new(), &mut leaves);
        for (words, place) in leaves {
            let end = tokens.get(place + 1).map_or("", |t| t.text.as_str());
            // `super` and `crate` by themselves, as in `pub(super)`, lead nowhere unless they get a new name.
            let alone = words.len() == 1 && end != "as";
            found.push(Found {
                line: tokens[place].line,
                test: tokens[place].test,
                bang: end == "!",
                inside: if alone { None } else { resolve(&words, &module) },
                words,
            });
        }
    }
    found
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads the path that starts at `i`, through `{…}`; gives each leaf with the place of its last token, and returns
/// where to go on.
fn leaves_of(tokens: &[Token], mut i: usize, mut words: Vec<String>, leaves: &mut Vec<(Vec<String>, usize)>) -> usize {
    let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
    loop {
        if text(i) == "{" && !words.is_empty() {
            i += 1;
            while i < tokens.len() && text(i) != "}" {
                match text(i) {
                    "as" => i += 2,
                    word if is_word(word) || word == "*" => i = leaves_of(tokens, i, words.clone(), leaves),
                    _ => i += 1,
                }
            }
            return i + 1;
        }
        if !(is_word(text(i)) || text(i) == "*") {
            leaves.push((words, i - 1));
            return i;
        }
        words.push(text(i).to_owned());
        if text(i + 1) != "::" {
            leaves.push((words, i));
            return i + 1;
        }
        i += 2;
    }
}

/// Where a path leads, from the root of the crate; `None` when it leads out of it or says nothing of the root.
/// An empty answer is the root itself.
fn resolve(words: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut here = match words[0].as_str() {
        "crate" | "proofload" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for (i, word) in words.iter().enumerate() {
        match word.as_str() {
            "crate" | "proofload" if i == 0 => {}
            "self" => {}
            "super" => {
                here.pop();
            }
            "*" => break,
            word => here.push(word.into()),
        }
    }
    Some(here)
}
