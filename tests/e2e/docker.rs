//! Containers of a real engine: one of its own, which is started for this and ended with it, and touches no network.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use proofload::base::ask::Ask;
use proofload::base::docker::{Container, Docker};
use proofload::evidence::undo;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scene::{Going, Scene, Turn, hold, kill, scenario};
use crate::server::{Server, quote};
use crate::things::soon;

/// How long one question to the engine may take.
const WITHIN: Duration = Duration::from_secs(30);

/// `dockerd`, with a few containers that do nothing.
struct Daemon {
    child: Child,
    socket: PathBuf,
    folder: TempDir,
}

impl Daemon {
    /// Starts it; `Err` says why it cannot be.
    fn start(names: &[&str]) -> Result<Daemon, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let socket = at("docker.sock");
        let said = File::create(at("said")).expect("created");
        let mut command = Command::new("dockerd");
        command
            .args(["--bridge=none", "--iptables=false", "--ip-forward=false", "--storage-driver=vfs"])
            .args(["--data-root".as_ref(), at("data").as_os_str(), "--exec-root".as_ref(), at("exec").as_os_str()])
            .args(["--pidfile".as_ref(), at("pid").as_os_str()])
            .args(["--host", &format!("unix://{}", socket.display())])
            .stdout(said.try_clone().expect("a second handle"))
            .stderr(said);
        let child = command.spawn().map_err(|why| format!("dockerd: {why} (apt-get install docker.io)"))?;
        let mut daemon = Daemon { child, socket, folder };
        if !soon(|| {
            daemon.child.try_wait().is_ok_and(|ended| ended.is_some()) || daemon.ask("GET", "/_ping", "").is_ok()
        }) {
            return Err("dockerd does not answer".into());
        }
        if let Ok(Some(status)) = daemon.child.try_wait() {
            let said = fs::read_to_string(daemon.folder.path().join("said")).unwrap_or_default();
            return Err(format!("dockerd ended with {status}: {}", said.lines().last().unwrap_or_default()));
        }
        // An image with nothing in it: what runs in a container is the host's own.
        daemon.ask("POST", "/images/create?fromSrc=-&repo=nothing&tag=1", &"\0".repeat(1024))?;
        let host = ["/bin", "/lib", "/lib64", "/usr"].iter().filter(|folder| Path::new(folder).exists());
        let binds: Vec<String> = host.map(|folder| format!("{folder}:{folder}:ro")).collect();
        let made = json!({
            "Image": "nothing:1",
            "Cmd": ["/bin/sleep", "600"],
            "StopSignal": "SIGKILL",
            "HostConfig": { "NetworkMode": "none", "Binds": binds },
        });
        for name in names {
            daemon.ask("POST", &format!("/containers/create?name={name}"), &made.to_string())?;
            daemon.ask("POST", &format!("/containers/{name}/start"), "")?;
        }
        Ok(daemon)
    }

    fn ask(&self, method: &str, target: &str, body: &str) -> Result<Value, String> {
        let mut ask = Ask::new(method, &format!("unix:{}:{target}", self.socket.display()))?;
        let media = if body.starts_with('\0') { "application/x-tar" } else { "application/json" };
        ask.headers.push(("Content-Type".into(), media.into()));
        ask.body = body.into();
        let told = now(ask.send(WITHIN))?;
        match told.is_ok() {
            true => Ok(serde_json::from_slice(&told.body).unwrap_or_default()),
            false => Err(format!("{target}: {}: {}", told.status, String::from_utf8_lossy(&told.body))),
        }
    }

    fn container(&self, name: &str) -> Container {
        now(Docker::at(&self.socket).inspect(name)).expect("it knows it")
    }

    fn started(&self, name: &str) -> String {
        let of = self.ask("GET", &format!("/containers/{name}/json"), "").expect("it knows it");
        of["State"]["StartedAt"].as_str().expect("a time").to_owned()
    }

    /// Runs a scenario against its containers.
    fn run(&self, scene: &Scene) -> Going {
        let mut command = scene.command(&["--allow-exec"]);
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        Going::start(command, &scene.path(""))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let containers = self.ask("GET", "/containers/json?all=true", "").unwrap_or_default();
        for container in containers.as_array().into_iter().flatten() {
            let _ =
                self.ask("DELETE", &format!("/containers/{}?force=true", container["Id"].as_str().unwrap_or("")), "");
        }
        kill(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn now<T>(asked: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(asked)
}

/// A daemon, or why the test is skipped.
fn daemon(names: &[&str]) -> Option<Daemon> {
    match Daemon::start(names) {
        Ok(daemon) => Some(daemon),
        Err(why) => {
            let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|tool| tool == "docker"), "docker is required: {why}");
            eprintln!("skipped: no docker engine can be started here: {why}");
            None
        }
    }
}

fn left(scene: &Scene) -> usize {
    undo::read(&scene.evidence().join(undo::FILE)).expect("readable").left.len()
}

#[test]
fn containers_of_a_real_engine_are_broken_and_mended_however_the_run_ends() {
    let Some(daemon) = daemon(&["frozen", "dead", "again"]) else { return };
    let _turn = Turn::take();
    let server = Server::new(|_| quote());
    let faults = |length: &str| {
        let rest = format!(
            "faults:
  freezes: {{ on: docker/frozen, inject: {{ docker: {{ action: pause }} }}, at: 300ms, for: {length} }}
  dies: {{ on: docker/dead, inject: {{ docker: {{ action: kill }} }}, at: 300ms, for: {length} }}
  again: {{ on: docker/again, inject: {{ docker: {{ action: restart }} }}, at: 300ms, for: {length} }}
"
        );
        scenario(&server.url(), &hold("20/s", "40s"), "  - expect: errors(q) < 5%\n") + &rest
    };
    let well = |name: &str| {
        let of = daemon.container(name);
        of.running && !of.paused
    };
    let all_well = || ["frozen", "dead", "again"].into_iter().all(well);
    assert!(all_well());
    let first = daemon.started("dead");

    // In order: each is seen broken, and whole when its time is over.
    let scene = Scene::new(&faults("2s").replace("for: 40s", "for: 4s"));
    let run = daemon.run(&scene);
    assert!(soon(|| daemon.container("frozen").paused && !daemon.container("dead").running));
    let ran = run.wait();
    assert_eq!((ran.code, left(&scene)), (Some(0), 0), "{ran:?}");
    assert!(all_well() && daemon.started("dead") != first);
    for fault in scene.verdict()["faults"].as_array().expect("faults") {
        assert!(fault["trouble"].is_null() && fault["injected"].as_u64() > Some(0), "{fault}");
    }

    // Killed: the stage sees to it.
    let scene = Scene::new(&faults("30s"));
    let run = daemon.run(&scene);
    assert!(soon(|| daemon.container("frozen").paused && !daemon.container("dead").running));
    run.signal(Signal::KILL);
    run.wait();
    assert!(soon(all_well), "{:?}", ["frozen", "dead", "again"].map(|name| daemon.container(name)));
    assert!(soon(|| left(&scene) == 0));
}
