//! The stage as a toxiproxy server: driven by the clients that people have, in three languages.

#[path = "links/stand.rs"]
mod stand;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use stand::{Stand, echo, talk};

/// Whether a test must not be skipped here.
fn required(what: &str) -> bool {
    std::env::var("PROOFLOAD_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name == what))
}

/// Says why a test is skipped; a failure where it is required.
fn skip(what: &str, how: &str) {
    assert!(!required(what), "{what} is required: {how}");
    eprintln!("skipped: no {what} ({how})");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn passed(what: &str, out: &Output) {
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{what}: {said}{}", String::from_utf8_lossy(&out.stderr));
    eprintln!("{what} did: {}", said.trim());
}

#[test]
fn without_a_scenario_a_stage_is_a_toxiproxy_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("toxiproxy.json");
    let to = echo();
    let proxies = json!([{ "name": "db", "listen": "127.0.0.1:0", "upstream": to, "enabled": true }]);
    std::fs::write(&file, proxies.to_string()).expect("written");
    let mut stand = Stand::start(&["--config", file.to_str().expect("text")]);
    let place = stand.said.iter().find_map(|line| line.strip_prefix("link db listens on ")).expect("said").to_owned();
    assert_eq!(talk(&place, b"hello").expect("passes"), b"hello");

    let cut = r#"{"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 2}}"#;
    assert_eq!(stand.ask("POST", "/proxies/db/toxics", cut).0, 200);
    assert_eq!(talk(&place, b"hello").expect("passes"), b"he");
    assert_eq!(stand.ask("PATCH", "/proxies/db", r#"{"enabled": false}"#).0, 200);
    assert_eq!(talk(&place, b"hello").expect_err("down").kind(), ErrorKind::ConnectionRefused);
    assert_eq!(stand.ask("POST", "/reset", "").0, 204);
    assert_eq!(talk(&place, b"hello").expect("passes"), b"hello");
    let (_, metrics) = stand.ask("GET", "/metrics", "");
    let page = metrics.as_str().expect("a page");
    assert!(
        page.lines().any(|l| l.contains(r#"direction="upstream""#) && l.contains("proxy=\"db\"") && !l.ends_with(" 0"))
    );

    let pid = Pid::from_raw(stand.pid() as i32).expect("a process");
    kill_process(pid, Signal::TERM).expect("told");
    assert_eq!(stand.wait(), Some(0));
}

#[test]
fn what_a_stage_cannot_do_it_says_before_it_serves() {
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofload"));
        command.args(["stage", "--control", "127.0.0.1:0"]).args(args);
        let out = command.output().expect("it runs");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, why) = run(&["--api", "0.0.0.0:0"]);
    assert!(code == Some(5) && why.contains("write 127.0.0.1:PORT"), "{why}");
    let (code, why) = run(&["--api", "127.0.0.1:0", "--config", "/no/such/file"]);
    assert!(code == Some(5) && why.contains("/no/such/file"), "{why}");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("toxiproxy.json");
    std::fs::write(&file, r#"[{"name": "db", "upstream": "10.0.0.1:1"}]"#).expect("written");
    let (code, why) = run(&["--api", "127.0.0.1:0", "--config", file.to_str().expect("text")]);
    assert!(code == Some(5) && why.contains("--allow-host 10.0.0.1"), "{why}");
    assert_eq!(run(&["--no-api", "--config", "x"]).0, Some(2));
}

#[test]
fn the_client_of_node_drives_it() {
    let modules = root().join("target/node/node_modules");
    let how = "npm install --prefix target/node toxiproxy-node-client";
    let node = Command::new("node").arg("--version").output().is_ok_and(|out| out.status.success());
    if !node || !modules.join("toxiproxy-node-client").is_dir() {
        return skip("toxiproxy-node", how);
    }
    let stand = Stand::start(&[]);
    let mut command = Command::new("node");
    command.arg(root().join("tests/links/node.js")).arg(format!("http://{}", stand.api)).env("NODE_PATH", modules);
    passed("toxiproxy-node-client", &command.output().expect("node runs"));
}

#[test]
fn the_client_of_python_drives_it() {
    let own = root().join("target/python/bin/python3");
    let python = if own.is_file() { own } else { PathBuf::from("python3") };
    let here = Command::new(&python).args(["-c", "import toxiproxy"]).output().is_ok_and(|out| out.status.success());
    if !here {
        return skip("toxiproxy-python", "target/python/bin/pip install toxiproxy-python");
    }
    let stand = Stand::start(&[]);
    let (host, port) = stand.api.rsplit_once(':').expect("HOST:PORT");
    let mut command = Command::new(python);
    command.arg(root().join("tests/links/python.py")).args([host, port]);
    passed("toxiproxy-python", &command.output().expect("python runs"));
}

/// A network of its own with a stage in it, and a program that expects it there; its arguments are the program of the stage,
/// the other one and a folder. Ends with 97 where such a network cannot be had.
const ALONE: &str = r#"
ip link set lo up || exit 97
mkfifo "$3/said" || exit 97
"$1" stage --control 127.0.0.1:0 --api 127.0.0.1:8474 >"$3/said" &
stage=$!
exec 3<"$3/said"
while read -r line <&3; do case $line in *"API answers"*) break ;; esac; done
"$2" --test-threads 1
code=$?
kill $stage
exit $code
"#;

/// The crate `toxiproxy_rust` ships tests of its own, which expect a server at toxiproxy's port and nothing at ports
/// 2000 and 2001: they run in a network of their own, where nobody else can have them. It wants OpenSSL, so it is built in
/// a place of its own, by `.ci/run`.
#[test]
fn the_client_of_rust_drives_it_by_its_own_tests() {
    let tests = root().join("target/toxiproxy_rust/own-tests");
    if !tests.is_file() {
        return skip("toxiproxy-rust", "tests/links/rust.sh");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut alone = Command::new("unshare");
    alone.args(["--map-root-user", "--net", "sh", "-c", ALONE, "sh", env!("CARGO_BIN_EXE_proofload")]);
    match alone.arg(&tests).arg(folder.path()).output() {
        Ok(out) if out.status.code() == Some(0) || String::from_utf8_lossy(&out.stdout).contains("running ") => {
            return passed("toxiproxy_rust", &out);
        }
        // No such network here: among those of everybody, if they are free.
        Ok(out) => eprintln!("no network of its own: {}", String::from_utf8_lossy(&out.stderr).trim()),
        Err(why) => eprintln!("no network of its own: unshare: {why}"),
    }
    let free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    if ![8474, 2000, 2001].into_iter().all(free) {
        return skip("toxiproxy-rust", "ports 8474, 2000 and 2001 are taken");
    }
    let _stand = Stand::at("127.0.0.1:8474", &[]);
    let out = Command::new(tests).args(["--test-threads", "1"]).output().expect("they run");
    passed("toxiproxy_rust", &out);
}
