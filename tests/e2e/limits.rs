//! Limits on a real control group (v2), made for this and removed in the end.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scene::{Scene, Turn, hold, scenario};
use crate::server::{Server, quote};
use crate::things::{Idle, soon};

/// A group of its own.
struct Group(PathBuf);

impl Group {
    /// Makes one in which processor time and memory can be limited; `Err` says why there is none.
    fn new() -> Result<Group, String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(|e| e.to_string())?;
        let mount = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            after.starts_with("cgroup2 ").then(|| before.split(' ').nth(4))?
        });
        let mount = Path::new(mount.ok_or("no control groups of version 2 are mounted")?);
        let has = fs::read_to_string(mount.join("cgroup.controllers")).map_err(|e| e.to_string())?;
        if !["cpu", "memory"].iter().all(|wanted| has.split_whitespace().any(|found| found == *wanted)) {
            return Err(format!("the controllers cpu and memory are not of version 2 here, only `{}`", has.trim()));
        }
        let group = Group(mount.join(format!("proofload-test-{}", std::process::id())));
        fs::create_dir(&group.0).map_err(|e| format!("{}: {e}", group.0.display()))?;
        if !group.0.join("cpu.max").exists() || !group.0.join("memory.high").exists() {
            fs::write(mount.join("cgroup.subtree_control"), "+cpu +memory").map_err(|e| e.to_string())?;
        }
        Ok(group)
    }

    fn says(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Only once nobody is in it any more.
        soon(|| fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn limits_of_a_real_group_are_set_and_taken_back() {
    let group = match Group::new() {
        Ok(group) => group,
        Err(why) => {
            let required = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
            assert!(!required.split(',').any(|tool| tool == "cgroup2"), "cgroup2 is required: {why}");
            eprintln!("skipped: {why}");
            return;
        }
    };
    let _turn = Turn::take();
    let (server, idle) = (Server::new(|_| quote()), Idle::start());
    let pid = idle.pid().to_string();
    fs::write(group.0.join("cgroup.procs"), &pid).expect("moved there");
    let before = [group.says("cpu.max"), group.says("memory.high")];
    let faults = format!(
        "faults:
  slow: {{ on: process/{pid}, inject: {{ cpu: {{ cores: 0.2 }} }}, at: 300ms, for: 1s }}
  small: {{ on: process/{pid}, inject: {{ memory: {{ limit: 64MiB }} }}, at: 300ms, for: 1s }}
"
    );
    let scene = Scene::new(&(scenario(&server.url(), &hold("50/s", "3s"), "  - expect: errors(q) < 5%\n") + &faults));
    let run = scene.start(&["--allow-pid", &pid]);
    assert!(soon(|| group.says("cpu.max") == "20000 100000" && group.says("memory.high") == "67108864"));
    let ran = run.wait();
    assert_eq!((ran.code, [group.says("cpu.max"), group.says("memory.high")]), (Some(0), before), "{ran:?}");
}
