//! Things that can be broken and looked at: processes, a flag behind HTTP, a container engine that plays Docker's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofload::base::process::{Process, State, marked};
use rustix::process::Signal;

use crate::server::{Answer, Server};

/// Looks again and again until something is so; whether it came to that in ten seconds.
pub fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    (0..1000).any(|_| {
        let so = is_so();
        if !so {
            std::thread::sleep(Duration::from_millis(10));
        }
        so
    })
}

/// A process of the test's own, which does nothing; it is killed when dropped.
pub struct Idle {
    child: Child,
    pub process: Process,
}

impl Idle {
    pub fn start() -> Idle {
        let child =
            Command::new("sleep").arg("600").stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("starts");
        let process = Process::find(child.id()).expect("lives");
        Idle { child, process }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    pub fn state(&self) -> State {
        self.process.state()
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that have a word in their environment; they are killed when dropped.
pub struct Marked(pub String);

impl Marked {
    /// A word that nobody else has.
    pub fn new() -> Marked {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Marked(format!("{}.{next}", std::process::id()))
    }

    /// Lets a command, and all that comes of it, have the word.
    pub fn put(&self, command: &mut Command) {
        command.env("PROOFLOAD_TEST_WORD", &self.0);
    }

    /// Those that live and whose command line contains a text.
    pub fn running(&self, with: &str) -> Vec<Process> {
        let mut found = marked(&format!("PROOFLOAD_TEST_WORD={}", self.0));
        found.retain(|p| {
            let line = fs::read(format!("/proc/{}/cmdline", p.pid)).unwrap_or_default();
            String::from_utf8_lossy(&line).replace('\0', " ").contains(with)
        });
        found
    }
}

impl Drop for Marked {
    fn drop(&mut self) {
        for process in self.running("") {
            let _ = process.signal(Signal::KILL);
        }
    }
}

/// A feature flag behind HTTP: `POST /on`, `POST /off`, and `GET /` which is 200 while it is off.
pub struct Flag {
    pub server: Server,
    on: Arc<Mutex<bool>>,
}

impl Flag {
    pub fn new() -> Flag {
        let on = Arc::new(Mutex::new(false));
        let flag = on.clone();
        let server = Server::new(move |request| {
            let mut on = flag.lock().expect("no panic");
            match request.head {
                head if head.starts_with("POST /on ") => *on = true,
                head if head.starts_with("POST /off ") => *on = false,
                _ => {}
            }
            Answer::Whole(if *on && request.head.starts_with("GET ") { 503 } else { 200 }, "", Vec::new())
        });
        Flag { server, on }
    }

    pub fn is_on(&self) -> bool {
        *self.on.lock().expect("no panic")
    }

    /// `hooks:` of a scenario.
    pub fn hook(&self) -> String {
        let url = self.server.url();
        format!(
            "{{ apply: {{ http: {{ url: {url}/on }} }}, undo: {{ http: {{ url: {url}/off }} }}, \
             probe: {{ http: {{ method: GET, url: {url}/ }} }}, within: 5s }}"
        )
    }
}

/// A container engine with a few containers.
pub struct Engine {
    _server: Server,
    socket: PathBuf,
    containers: Arc<Mutex<BTreeMap<String, Container>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Container {
    pub running: bool,
    pub paused: bool,
    /// How often it was told to do something.
    pub told: usize,
}

impl Engine {
    pub fn new(folder: &Path, names: &[&str]) -> Engine {
        let whole = Container { running: true, paused: false, told: 0 };
        let containers: BTreeMap<String, Container> = names.iter().map(|n| ((*n).to_owned(), whole)).collect();
        let containers = Arc::new(Mutex::new(containers));
        let socket = folder.join("docker.sock");
        let inside = containers.clone();
        let server =
            Server::on_socket(&socket, move |request| answer(request.head, &mut inside.lock().expect("no panic")));
        Engine { _server: server, socket, containers }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub fn container(&self, name: &str) -> Container {
        self.containers.lock().expect("no panic")[name]
    }
}

/// As Docker answers (API 1.41): `GET /containers/X/json`, `POST /containers/X/VERB`; X is a name or `id-NAME`.
fn answer(head: &str, containers: &mut BTreeMap<String, Container>) -> Answer {
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut parts = target.split('/').skip(2);
    let (name, what) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = name.strip_prefix("id-").unwrap_or(name);
    let json = |status, body: serde_json::Value| {
        Answer::Whole(status, "Content-Type: application/json\r\n", body.to_string().into_bytes())
    };
    let Some(container) = containers.get_mut(name) else {
        return json(404, serde_json::json!({ "message": format!("No such container: {name}") }));
    };
    let Container { running, paused, .. } = *container;
    let state = serde_json::json!({ "Running": running, "Paused": paused });
    let conflict = |why: &str| json(409, serde_json::json!({ "message": why }));
    container.told += usize::from(method == "POST");
    match (method, what, running, paused) {
        ("GET", "json", ..) => return json(200, serde_json::json!({ "Id": format!("id-{name}"), "State": state })),
        ("POST", "pause", true, false) => container.paused = true,
        ("POST", "unpause", true, true) => container.paused = false,
        ("POST", "kill", true, _) => (container.running, container.paused) = (false, false),
        ("POST", "start", true, _) => return Answer::Whole(304, "", Vec::new()),
        ("POST", "start", false, _) => container.running = true,
        ("POST", "restart", ..) => (container.running, container.paused) = (true, false),
        _ => return conflict("it is not in that state"),
    }
    Answer::Whole(204, "", Vec::new())
}
