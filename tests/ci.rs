//! What `docs/ci.md` and the Dockerfile tell people to copy: it can be read, and every command line in it is one that the
//! program takes. And every test that `docs/trust.md` and `docs/shown.md` name is one.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use clap::Parser as _;
use proofload::base::yaml::{self, Kind, Node};
use proofload::cli::args::Cli;

/// The blocks of YAML of a page.
fn blocks(page: &str) -> Vec<String> {
    let parts = page.split("```yaml\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// All scalars of a document; panics on what is no YAML.
fn scalars(text: &str) -> Vec<String> {
    fn of(node: &Node, into: &mut Vec<String>) {
        match &node.kind {
            Kind::Scalar { text, .. } => into.push(text.clone()),
            Kind::List(items) => items.iter().for_each(|item| of(item, into)),
            Kind::Map(entries) => entries.iter().for_each(|(_, value)| of(value, into)),
        }
    }
    let root = yaml::parse(text)
        .unwrap_or_else(|mistake| panic!("{}:{}: {}\n{text}", mistake.at.line, mistake.at.col, mistake.what));
    let mut all = Vec::new();
    of(&root, &mut all);
    all
}

/// The words of each command of a script that runs the program, up to where the shell takes over again.
fn commands(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "proofload" || word.ends_with("/proofload"))?;
        // A path that is given to another command, or that a cache keeps, is no command.
        let is_first = at == 0 && words.len() > 1;
        let words = words[at..].iter().take_while(|word| !["|", "||", "&&", ">", ">>"].contains(*word));
        is_first.then(|| words.map(|word| word.trim_matches('"').replace("${", "").replace('}', "")).collect())
    };
    joined.lines().filter_map(of).collect()
}

#[test]
fn every_command_of_the_jobs_is_one_that_the_program_takes() {
    let page = fs::read_to_string("docs/ci.md").expect("readable");
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 2, "a job for GitHub and one for GitLab");
    let mut verbs = Vec::new();
    for block in &blocks {
        for words in scalars(block).iter().flat_map(|scalar| commands(scalar)) {
            if let Err(why) = Cli::try_parse_from(&words) {
                panic!("{}: {why}", words.join(" "));
            }
            verbs.extend(words.get(1).cloned());
        }
    }
    assert_eq!(verbs, ["run", "compare", "run", "run", "history"]);
}

#[test]
fn a_command_that_the_program_does_not_take_is_found() {
    let script = "cd x\n.y/target/release/proofload run a.yaml \\\n  --no-such-flag | tee z\ncargo build /proofload";
    let found = commands(script);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0][1..], ["run", "a.yaml", "--no-such-flag"]);
    assert!(Cli::try_parse_from(&found[0]).is_err());
}

#[test]
fn what_the_text_names_is_there() {
    let page = fs::read_to_string("docs/ci.md").expect("readable");
    let flags = page.split(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c)));
    let ours = ["--allow-host", "--allow-exec", "--allow-pid", "--baseline", "--time-budget", "--interleave"];
    for flag in ours {
        assert!(flags.clone().any(|word| word == flag), "{flag} is in the page");
        let help = ["run", "compare"].map(|verb| Cli::try_parse_from(["proofload", verb, "--help"]).expect_err("help"));
        assert!(help.iter().any(|help| help.to_string().contains(flag)), "{flag} is in the help");
    }
}

/// What sources take in from outside their own folder, as paths from the root; tests left out.
fn taken_in(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(taken_in(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("readable");
            let built = text.split("#[cfg(test)]").next().unwrap_or_default();
            let named = built
                .split("include_str!(\"")
                .chain(built.split("include_bytes!(\""))
                .filter(|part| part.starts_with("../"));
            let outside = named.filter_map(|part| part.split('"').next()?.rsplit("../").next().map(str::to_owned));
            all.extend(outside.filter(|path| !path.starts_with("src/")));
        }
    }
    all.retain(|path| Path::new(path).exists());
    all
}

#[test]
fn the_image_is_made_of_what_is_there_and_runs_as_nobody_in_particular() {
    let text = fs::read_to_string("Dockerfile").expect("readable");
    let manifest = fs::read_to_string("Cargo.toml").expect("readable");
    let ignored = fs::read_to_string(".dockerignore").expect("readable");
    let lines = || text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).expect("a version");
    let builder = format!("FROM rust:{}-", version.trim_matches('"'));
    assert!(lines().any(|line| line.starts_with(&builder)), "{builder}");
    for line in lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for from in &words[1..words.len() - 1] {
            assert!(Path::new(from).exists(), "{line}");
            assert!(ignored.lines().any(|kept| kept == format!("!{from}")), "{from} is kept from the build");
        }
    }
    // Of what the sources take in from elsewhere nothing is missing; what tests take in is not built there.
    let copied: Vec<&str> = lines().filter(|line| line.starts_with("COPY ")).flat_map(str::split_whitespace).collect();
    let taken = taken_in(Path::new("src"));
    assert!(taken.len() >= 5 && taken.iter().all(|path| path.starts_with("docs/")), "{taken:?}");
    for path in &taken {
        assert!(copied.contains(&path.as_str()), "{path} is taken in by the sources and not there when they are built");
    }
    let last = lines().position(|line| line.starts_with("FROM gcr.io/distroless/cc")).expect("a distroless image");
    let rest: Vec<&str> = lines().skip(last).collect();
    assert!(rest.contains(&"USER nonroot") && rest.iter().any(|line| line.starts_with("ENTRYPOINT [")), "{rest:?}");
}

/// The text of all sources below a folder.
fn sources(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, all);
        } else if entry.extension().is_some_and(|ext| ext == "rs") {
            all.push_str(&fs::read_to_string(&entry).expect("readable"));
        }
    }
}

/// What stands in backticks on a page, outside its blocks.
fn quoted(page: &str) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_else(|why| panic!("{page}: {why}"));
    let prose = text.split("```").next().unwrap_or_default();
    prose.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Those of the names that are names of tests, and of these the ones that no test has.
fn tests_of(names: &[String]) -> (usize, Vec<&String>) {
    let mut all = String::new();
    ["src", "tests"].iter().for_each(|folder| sources(Path::new(folder), &mut all));
    let tests: Vec<&String> =
        names.iter().filter(|name| name.matches('_').count() > 2 && !name.contains([' ', '/', '.'])).collect();
    (tests.len(), tests.into_iter().filter(|name| !all.contains(&format!("fn {name}("))).collect())
}

#[test]
fn every_test_that_shows_why_the_injector_can_be_trusted_is_one() {
    let names = quoted("docs/trust.md");
    let (count, missing) = tests_of(&names);
    assert!(missing.is_empty() && count > 40, "no such tests: {missing:?}");
    let is_case = |name: &&String| ["green-", "stage-", "control-"].iter().any(|kind| name.starts_with(kind));
    for name in names.iter().filter(is_case) {
        assert!(Path::new(&format!("tests/verdicts/{name}.case")).exists(), "no such case: {name}");
    }
}

#[test]
fn whatever_is_said_to_show_something_is_there() {
    let names = quoted("docs/shown.md");
    let (count, missing) = tests_of(&names);
    assert!(missing.is_empty() && count > 100, "no such tests: {missing:?}");
    let folder = |name: &str| match name.rsplit_once('.')? {
        ("NAME", _) => None,
        (_, "case") => Some("tests/verdicts"),
        (_, "yaml") => Some("tests/scenarios"),
        _ => None,
    };
    let gone = names.iter().filter(|name| folder(name).is_some_and(|folder| !Path::new(folder).join(name).exists()));
    let gone: Vec<&String> = gone.collect();
    assert!(gone.is_empty(), "no such cases: {gone:?}");
}
