//! What is common to several runs of one command: the time that they may take, and the page about all of them.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::listed::Loaded;
use crate::base::text;
use crate::base::time::{self, Clock, Offset};
use crate::base::units;
use crate::cli::args::RunArgs;
use crate::cli::print;
use crate::evidence::folder::Folder;
use crate::exit::Exit;
use crate::judge::{Ended, Turn};
use crate::report::{self, Launchpad};
use crate::run;

/// How long all runs of a command may take together.
pub(super) struct Budget {
    end: Option<Offset>,
    clock: Clock,
}

impl Budget {
    /// From now on.
    pub(super) fn new(length: Option<Duration>) -> Budget {
        Budget { end: length.map(Offset::after_zero), clock: Clock::starting_in(Duration::ZERO) }
    }

    /// Refuses plans that are longer, whatever the target does.
    pub(super) fn fits(budget: Duration, loaded: &[Loaded]) -> Result<(), String> {
        let planned: Duration = loaded.iter().map(|loaded| loaded.plan.timeline.end.since(Offset::ZERO)).sum();
        if planned <= budget {
            return Ok(());
        }
        let of = text::count(loaded.len() as u64, "scenario");
        Err(format!(
            "the plan of {of} takes {}, and --time-budget is {}: leave scenarios out, shorten them, or allow for more",
            units::duration(planned),
            units::duration(budget)
        ))
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.since(self.clock.now()))
    }

    /// Whether nothing is.
    pub(super) fn is_used_up(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

/// The page about several runs.
pub(super) struct Page {
    name: String,
    parent: PathBuf,
}

impl Page {
    /// Of what a command line names: `name` is that of its suite.
    pub(super) fn new(args: &RunArgs, name: Option<String>) -> Page {
        let parent = match args.files.as_slice() {
            [one] => run::home(&args.out, one),
            _ => args.out.join("suites"),
        };
        let name = name.unwrap_or_else(|| match args.files.as_slice() {
            [folder] => folder.display().to_string(),
            _ => "several scenarios".into(),
        });
        Page { name, parent }
    }

    /// Prints the table of all, and writes the page, beside it the same for machines and for pull requests.
    pub(super) fn show(self, turns: Vec<Turn>, exit: Exit, colour: bool) {
        let written = self.write(&turns, exit).map(|folder| folder.file("suite.html").display().to_string());
        if let Err(why) = &written {
            print::err(&format!("{}: the page could not be written: {why}", self.parent.display()));
        }
        print::out(&report::suite(&self.name, &turns, exit.code(), written.ok().as_deref(), colour));
    }

    fn write(&self, turns: &[Turn], exit: Exit) -> std::io::Result<Folder> {
        let folder = Folder::create(&self.parent, time::wall())?;
        let href = |turn: &Turn| match &turn.ended {
            Ended::Judged { place, .. } | Ended::Unjudged { place, .. } | Ended::Searched { place, .. } => {
                between(folder.path(), Path::new(place))
            }
            Ended::NotStarted(_) | Ended::NotRun => None,
        };
        let hrefs: Vec<Option<String>> = turns.iter().map(href).collect();
        let pad = Launchpad { name: &self.name, run: &folder.name(), turns, hrefs: &hrefs, code: exit.code() };
        for (name, text) in report::suite_files(&pad) {
            folder.replace(name, text.as_bytes())?;
        }
        Ok(folder)
    }
}

/// The way from one folder to another, as a link; nothing where they have no common root.
fn between(from: &Path, to: &Path) -> Option<String> {
    let (from, to) = (from.canonicalize().ok()?, to.canonicalize().ok()?);
    let parts = |path: &Path| -> Vec<String> {
        let normal = path.components().filter(|part| matches!(part, Component::Normal(_)));
        normal.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let (from, to) = (parts(&from), parts(&to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| "..".to_owned());
    Some(up.chain(to[common..].iter().map(|part| escaped(part))).collect::<Vec<_>>().join("/"))
}

/// A part of a path as links have it.
fn escaped(part: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    part.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_from_one_folder_to_another() {
        let root = tempfile::tempdir().expect("a folder");
        let [a, b] = ["x/a/1", "x/b c/2"].map(|name| root.path().join(name));
        std::fs::create_dir_all(&a).expect("creates");
        std::fs::create_dir_all(&b).expect("creates");
        assert_eq!(between(&a, &b).as_deref(), Some("../../b%20c/2"));
        assert_eq!(between(&a, &root.path().join("nowhere")), None);
    }
}
