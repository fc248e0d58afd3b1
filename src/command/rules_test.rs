//! `proofload rules test`: unit tests of rules, in promtool's files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::base::mistake::{Mistake, Mistakes, Place};
use crate::base::text;
use crate::cli::args::RulesTestArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::judge;
use crate::promql::Semantics;
use crate::promql::rules::unit::{self, Line, Miss, TestFile};
use crate::promql::rules::{self, Group};

/// Larger files are refused.
const MAX_BYTES: u64 = 64 << 20;

/// Runs every test of every file. Exit 1 when one fails, 2 when a file cannot be read.
pub fn test(args: &RulesTestArgs) -> Exit {
    let semantics = if args.semantics == 2 { Semantics::V2 } else { Semantics::V3 };
    let (mut tests, mut failed, mut unreadable) = (0, 0, false);
    for path in &args.files {
        let (file, groups) = match load(path, semantics) {
            Ok(loaded) => loaded,
            Err(mistakes) => {
                mistakes.iter().for_each(|mistakes| print::err(&mistakes.to_string()));
                unreadable = true;
                continue;
            }
        };
        print::line(&path.display().to_string());
        for (i, test) in file.tests.iter().enumerate() {
            let misses = unit::run(&file, test, &groups, semantics);
            let name = test.name.clone().unwrap_or_else(|| format!("test {}", i + 1));
            let verdict = if misses.is_empty() { "ok  " } else { "FAIL" };
            let checks = text::count(test.checks() as u64, "check");
            print::line(&format!("  {verdict}  {name} ({checks}, line {})", test.at.line));
            misses.iter().for_each(|miss| print::out(&show(miss)));
            tests += 1;
            failed += u64::from(!misses.is_empty());
        }
    }
    print::line(&format!("{}, {failed} failed", text::count(tests, "test")));
    match (unreadable, failed) {
        (true, _) => Exit::Usage,
        (false, 0) => Exit::PASS,
        (false, _) => Exit::Judged(judge::Exit::Fail),
    }
}

/// What was wanted with `-`, what was found with `+`.
fn show(miss: &Miss) -> String {
    let mut out = format!("        line {}: {}\n", miss.at.line, text::shorten(&miss.what, 400));
    for line in unit::diff(&miss.wanted, &miss.found) {
        let (mark, text) = match &line {
            Line::Same(text) => (' ', text),
            Line::Wanted(text) => ('-', text),
            Line::Found(text) => ('+', text),
        };
        out.push_str(&format!("          {mark} {}\n", text::shorten(text, 1_000)));
    }
    if miss.found.is_empty() && !miss.wanted.is_empty() {
        out.push_str("          nothing was found\n");
    }
    out
}

fn load(path: &Path, semantics: Semantics) -> Result<(TestFile, Vec<Group>), Vec<Mistakes>> {
    let text = read(path).map_err(|mistakes| vec![mistakes])?;
    let name = path.display().to_string();
    let told = |all| Mistakes { file: name.clone(), text: text.clone(), all };
    let file = unit::read(&text).map_err(|all| vec![told(all)])?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut groups, mut wrong) = (Vec::new(), Vec::new());
    for (pattern, at) in &file.rule_files {
        let files = match matching(folder, pattern) {
            Ok(files) => files,
            Err((what, remedy)) => {
                wrong.push(told(vec![Mistake { at: *at, path: "rule_files".into(), what, remedy: remedy.into() }]));
                continue;
            }
        };
        for path in files {
            match rules_of(&path, semantics) {
                Ok(of_file) => groups.extend(of_file),
                Err(mistakes) => wrong.push(mistakes),
            }
        }
    }
    if wrong.is_empty() { Ok((file, groups)) } else { Err(wrong) }
}

fn rules_of(path: &Path, semantics: Semantics) -> Result<Vec<Group>, Mistakes> {
    let text = read(path)?;
    let name = path.display().to_string();
    match rules::file::read_as(&name, &text, semantics) {
        (groups, all) if all.is_empty() => Ok(groups),
        (_, all) => Err(Mistakes { file: name, text, all }),
    }
}

/// The files that a pattern names, relative to a folder.
fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, (String, &'static str)> {
    let inside = glob::Pattern::escape(&folder.to_string_lossy());
    let whole = Path::new(&inside).join(pattern);
    let found = glob::glob(&whole.to_string_lossy()).map_err(|why| {
        (format!("`{pattern}` is no pattern: {why}"), "write a file's name, with `*` for what varies")
    })?;
    let files: Vec<PathBuf> = found.flatten().filter(|path| path.is_file()).collect();
    match files.is_empty() {
        true => Err((format!("`{pattern}` names no file"), "name files of rules, relative to this one")),
        false => Ok(files),
    }
}

fn read(path: &Path) -> Result<String, Mistakes> {
    let wrong = |what: String| Mistakes {
        file: path.display().to_string(),
        text: String::new(),
        all: vec![Mistake { at: Place::default(), path: String::new(), what, remedy: String::new() }],
    };
    match fs::metadata(path) {
        Ok(meta) if !meta.is_file() => return Err(wrong("not a file".into())),
        Ok(meta) if meta.len() > MAX_BYTES => {
            return Err(wrong(format!("{} bytes long; {MAX_BYTES} are the most", meta.len())));
        }
        Ok(_) => {}
        Err(why) => return Err(wrong(why.to_string())),
    }
    let bytes = fs::read(path).map_err(|why| wrong(why.to_string()))?;
    String::from_utf8(bytes).map_err(|e| wrong(format!("not text: byte {} is no UTF-8", e.utf8_error().valid_up_to())))
}
