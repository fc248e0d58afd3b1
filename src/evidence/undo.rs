//! `undo.jsonl`: how to undo each fault on processes, each hook and each toxic on a server of somebody else's, on disk before it is applied, and what became of
//! that. The run, its stage and `proofload heal` write to it; each line by itself says everything.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::command::shown;
use crate::base::httpd::encode;
use crate::base::process::Process;

/// The name of the file.
pub const FILE: &str = "undo.jsonl";

/// How to undo one fault, once. Doing it twice is doing it once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Among those of the run.
    pub id: u64,
    /// Which fault; or which process, that the run started.
    pub of: String,
    /// How.
    pub undo: Undo,
}

/// How something is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// A stopped process is let go on (SIGCONT).
    Resume {
        /// Which.
        process: Process,
    },
    /// A killed process is started again, unless it was not killed or has been started.
    Restart {
        /// Which was killed.
        process: Process,
        /// The program and its arguments.
        command: Vec<String>,
        /// An entry of the environment, by which what was started is known.
        mark: Mark,
    },
    /// A limit of a control group is written back.
    Restore {
        /// The file of the limit.
        file: PathBuf,
        /// What it said before.
        value: String,
    },
    /// A container goes on, or is started.
    Container {
        /// The engine's socket.
        socket: PathBuf,
        /// Its id.
        id: String,
        /// Its name, for people.
        name: String,
    },
    /// What a hook says.
    Call {
        /// Mends it.
        undo: Call,
        /// Succeeds when it is mended.
        probe: Call,
        /// How long each of them may take.
        within: Duration,
    },
    /// What was done to a proxy of somebody else's toxiproxy server is taken away.
    Toxiproxy {
        /// HOST:PORT of its API.
        server: String,
        /// The name of the proxy there.
        proxy: String,
        /// The toxic; where there is none, the proxy takes connections again.
        toxic: Option<String>,
    },
    /// What the run started is ended, children included.
    End {
        /// By which it is known.
        mark: Mark,
    },
}

/// An entry of the environment, by which what we started is known, and what that started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A command or a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// The program and its arguments; exit code 0 is success.
    Exec(Vec<String>),
    /// A request; 2xx is success.
    Http {
        /// In upper case.
        method: String,
        /// Where.
        url: String,
        /// Sent with it.
        headers: Vec<(String, Value)>,
        /// The body; none when empty.
        body: String,
    },
}

/// The value of a header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// As it is.
    Text(String),
    /// The variable of the environment that holds it; only its name is ever written.
    Secret(String),
}

impl Mark {
    /// As it stands in an environment.
    pub fn entry(&self) -> String {
        format!("{}={}", self.name, self.value)
    }
}

impl Call {
    /// As it is typed.
    pub fn shown(&self) -> String {
        match self {
            Call::Exec(command) => shown(command),
            Call::Http { method, url, headers, body } => {
                let mut curl: Vec<String> = ["curl", "-f", "-X", method].map(Into::into).to_vec();
                let mut secret = String::new();
                for (name, value) in headers {
                    match value {
                        Value::Text(text) => curl.extend(["-H".into(), format!("{name}: {text}")]),
                        // In double quotes, so that the shell fills it in.
                        Value::Secret(variable) => secret.push_str(&format!(" -H \"{name}: ${variable}\"")),
                    }
                }
                if !body.is_empty() {
                    curl.extend(["-d".into(), body.clone()]);
                }
                match url.strip_prefix("unix:").map(|rest| rest.split_once(":/").unwrap_or((rest, ""))) {
                    Some((socket, path)) => {
                        curl.extend(["--unix-socket".into(), socket.into(), format!("http://localhost/{path}")]);
                    }
                    None => curl.push(url.clone()),
                }
                shown(&curl) + &secret
            }
        }
    }
}

impl Undo {
    /// What to type where it could not be done.
    pub fn remedy(&self) -> String {
        match self {
            Undo::Resume { process } => format!("kill -CONT {}", process.pid),
            Undo::Restart { command, .. } => shown(command),
            Undo::Restore { file, value } => {
                let file = file.to_string_lossy().into_owned();
                format!("echo {} > {}", shown(std::slice::from_ref(value)), shown(&[file]))
            }
            Undo::Container { name, .. } => {
                let name = shown(std::slice::from_ref(name));
                format!("docker unpause {name}; docker start {name}")
            }
            Undo::Call { undo, .. } => undo.shown(),
            Undo::Toxiproxy { server, proxy, toxic } => {
                let proxy = format!("http://{server}/proxies/{}", encode(proxy));
                let words: Vec<String> = match toxic {
                    Some(toxic) => {
                        ["curl", "-X", "DELETE", &format!("{proxy}/toxics/{}", encode(toxic))].map(Into::into).to_vec()
                    }
                    None => ["curl", "-d", "{\"enabled\":true}", &proxy].map(Into::into).to_vec(),
                };
                shown(&words)
            }
            Undo::End { mark } => {
                format!("grep -lz '^{}$' /proc/[0-9]*/environ | cut -d/ -f3 | xargs -r kill -9", mark.entry())
            }
        }
    }
}

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// What will have to be undone.
    Recipe(Recipe),
    /// It was.
    Done {
        /// Which recipe.
        id: u64,
        /// By whom: `run`, `stage` or `heal`.
        by: String,
        /// In words.
        what: String,
    },
}

/// Writes the file; any number of writers, in any number of processes.
#[derive(Debug, Clone)]
pub struct UndoLog {
    path: PathBuf,
}

impl UndoLog {
    /// Of a run's folder; the file need not be there yet.
    pub fn at(path: &Path) -> UndoLog {
        UndoLog { path: path.to_owned() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a recipe down, on the disk itself: afterwards the fault may be applied.
    pub fn promise(&self, recipe: &Recipe) -> io::Result<()> {
        self.append(&Line::Recipe(recipe.clone()))?;
        // The name of a new file is the folder's.
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// Writes down that a recipe needs doing no more.
    pub fn done(&self, id: u64, by: &str, what: &str) -> io::Result<()> {
        self.append(&Line::Done { id, by: by.into(), what: what.into() })
    }

    fn append(&self, line: &Line) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        // After a line that the disk had no room for, this one must stand by itself.
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            text.insert(0, b'\n');
        }
        file.write_all(&text)?;
        file.sync_all()
    }
}

/// What is written in the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Undone {
    /// Recipes that nobody is known to have followed, in the order in which they were made.
    pub left: Vec<Recipe>,
    /// Those that were, by whom, and what was done.
    pub done: Vec<(Recipe, String, String)>,
    /// Lines that cannot be read: what the disk had no room for was never applied.
    pub torn: usize,
}

/// Reads the file; where there is none there was nothing to undo.
pub fn read(path: &Path) -> io::Result<Undone> {
    let bytes = match std::fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Undone::default()),
        read => read?,
    };
    let mut undone = Undone::default();
    let mut recipes = BTreeMap::new();
    for line in String::from_utf8_lossy(&bytes).lines().filter(|line| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(Line::Recipe(recipe)) => _ = recipes.insert(recipe.id, recipe),
            Ok(Line::Done { id, by, what }) => {
                undone.done.extend(recipes.remove(&id).map(|recipe| (recipe, by, what)));
            }
            Err(_) => undone.torn += 1,
        }
    }
    undone.left = recipes.into_values().collect();
    Ok(undone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(id: u64) -> Recipe {
        Recipe { id, of: format!("f{id}"), undo: Undo::Resume { process: Process { pid: 7, started: 9 } } }
    }

    #[test]
    fn what_is_not_done_is_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        assert_eq!(read(&path).expect("nothing to read"), Undone::default());
        let log = UndoLog::at(&path);
        for id in 0..3 {
            log.promise(&recipe(id)).expect("written");
        }
        log.done(1, "stage", "continued").expect("written");
        log.done(1, "heal", "again").expect("written");
        let found = read(&path).expect("reads");
        assert_eq!(found.left, [recipe(0), recipe(2)]);
        assert_eq!(found.done, [(recipe(1), "stage".into(), "continued".into())]);
        assert_eq!(found.torn, 0);
    }

    #[test]
    fn a_torn_line_costs_only_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let log = UndoLog::at(&path);
        log.promise(&recipe(0)).expect("written");
        let whole = std::fs::read(&path).expect("reads");
        std::fs::write(&path, [&whole[..], b"{\"recipe\":{\"id\":1"].concat()).expect("written");
        log.promise(&recipe(2)).expect("written");
        let found = read(&path).expect("reads");
        assert_eq!((found.left, found.torn), (vec![recipe(0), recipe(2)], 1));
    }

    #[test]
    fn a_remedy_can_be_typed() {
        let mark = Mark { name: "PROOFLOAD_RUN".into(), value: "r/worker".into() };
        assert_eq!(recipe(0).undo.remedy(), "kill -CONT 7");
        let limit = Undo::Restore { file: "/sys/fs/cgroup/a b/cpu.max".into(), value: "max 100000".into() };
        assert_eq!(limit.remedy(), "echo 'max 100000' > '/sys/fs/cgroup/a b/cpu.max'");
        let call = Call::Http {
            method: "POST".into(),
            url: "http://127.0.0.1:1/flag?on=0".into(),
            headers: vec![("Authorization".into(), Value::Secret("FLAG_TOKEN".into()))],
            body: "{}".into(),
        };
        assert_eq!(
            call.shown(),
            "curl -f -X POST -d '{}' 'http://127.0.0.1:1/flag?on=0' -H \"Authorization: $FLAG_TOKEN\""
        );
        assert!(Undo::End { mark }.remedy().contains("PROOFLOAD_RUN=r/worker"));
    }
}
