//! `proofload rules lint`: rules and dashboards against what is known of them, and against what is exposed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::against::{self, Leave, Trouble};
use super::load;
use crate::cli::args::{Level, LintArgs, Rendering};
use crate::cli::print;
use crate::exit::Exit;
use crate::judge;
use crate::lint::kinds::Severity;
use crate::lint::{Dashboard, Exposed, Known, Report, RuleFile, Scrape};
use crate::report;

/// Lints every file; exit 1 when one has a finding that is grave enough.
pub fn lint(args: &LintArgs) -> Exit {
    let Some((rules, dashboards)) = read(args) else { return Exit::Usage };
    let exposed = match expose(args, &rules, &dashboards) {
        Ok(exposed) => exposed,
        Err(exit) => return exit,
    };
    let scrape = match (args.scrape, exposed.as_ref().and_then(Exposed::scrape_ms)) {
        (Some(told), _) => Scrape { every_ms: told.as_millis() as i64, is_known: true },
        (None, Some(seen)) => Scrape { every_ms: seen, is_known: true },
        (None, None) => Scrape::default(),
    };
    let known = Known {
        exposed: exposed.as_ref(),
        recorded: rules.iter().flat_map(RuleFile::recorded).map(str::to_owned).collect(),
        scrape,
        wildcards: Vec::new(),
    };
    let mut reports: Vec<Report> = rules.iter().map(|file| file.lint(&known)).collect();
    reports.extend(dashboards.iter().map(|dashboard| dashboard.lint(&known)));
    let level = severity(args.level);
    print::out(&match args.format {
        Rendering::Text => report::lint_text(&reports, level, print::colour(args.no_color)),
        Rendering::Json => report::lint_json(&reports, level),
        Rendering::Github => report::lint_github(&reports, level),
    });
    let fails = reports.iter().flat_map(|report| &report.findings).any(|f| f.severity >= severity(args.fail_on));
    if fails { Exit::Judged(judge::Exit::Fail) } else { Exit::PASS }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Info => Severity::Info,
        Level::Warning => Severity::Warning,
        Level::Error => Severity::Error,
    }
}

/// Reads all files; what cannot be read is printed, all of it.
fn read(args: &LintArgs) -> Option<(Vec<RuleFile>, Vec<Dashboard>)> {
    let mut wrong = false;
    let mut text = |path: &Path| {
        load::read_text(path).map_err(|why| {
            print::err(&format!("{}: {why}", path.display()));
            wrong = true;
        })
    };
    let mut rules = Vec::new();
    let mut dashboards = Vec::new();
    for path in &args.files {
        for file in inside(path) {
            rules.extend(text(&file).map(|text| RuleFile::read(&file.display().to_string(), &text)));
        }
    }
    for file in &args.dashboard {
        dashboards.extend(text(file).map(|text| Dashboard::read(&file.display().to_string(), &text)));
    }
    if rules.is_empty() && dashboards.is_empty() && !wrong {
        print::err("no rule files here: a file of rules ends in .yml or .yaml");
        wrong = true;
    }
    (!wrong).then_some((rules, dashboards))
}

/// The rule files in a folder, in order of their names; of a file, itself.
fn inside(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = path.read_dir() else { return vec![path.to_owned()] };
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|e| e == "yml" || e == "yaml") && path.is_file();
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_yaml).collect();
    files.sort();
    files
}

/// Everything that `--against` shows.
fn expose(args: &LintArgs, rules: &[RuleFile], dashboards: &[Dashboard]) -> Result<Option<Exposed>, Exit> {
    let mut metrics: BTreeSet<String> = rules.iter().flat_map(RuleFile::metrics).collect();
    metrics.extend(dashboards.iter().flat_map(Dashboard::metrics));
    let mut all: Option<Exposed> = None;
    let mut exit = None;
    let leave = Leave { hosts: &args.allow_host, headers: &args.header };
    for source in &args.against {
        match against::read(source, &leave, &metrics) {
            Ok(exposed) => {
                all = Some(match all.take() {
                    Some(before) => before.join(exposed),
                    None => exposed,
                });
            }
            Err(Trouble { why, is_usage }) => {
                print::err(&why);
                exit = Some(if is_usage || exit == Some(Exit::Usage) { Exit::Usage } else { Exit::NOT_STARTED });
            }
        }
    }
    exit.map_or(Ok(all), Err)
}
