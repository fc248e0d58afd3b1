//! The control group (v2) of a process, and the limits in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::Process;

/// A control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// Its folder.
    pub folder: PathBuf,
}

impl Cgroup {
    /// The one that a process is in. The error says what is missing.
    pub fn of(process: Process) -> Result<Cgroup, String> {
        let read = |path: String| fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"));
        let membership = read(format!("/proc/{}/cgroup", process.pid))?;
        Cgroup::locate(&read("/proc/self/mountinfo".into())?, &membership).map_err(|why| format!("{process} {why}"))
    }

    /// From `/proc/self/mountinfo` and `/proc/PID/cgroup`.
    fn locate(mounts: &str, membership: &str) -> Result<Cgroup, String> {
        const OWN: &str = "start it in a group of its own, such as `systemd-run --user --scope`";
        let path = membership.lines().find_map(|line| line.strip_prefix("0::"));
        let path = path.ok_or("is in no control group of version 2: this system has version 1 only")?;
        if path == "/" {
            return Err(format!("is in the root control group, which has no limits: {OWN}"));
        }
        let mount = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut words = before.split(' ').skip(3);
            (after.split(' ').next()? == "cgroup2").then_some((words.next()?, words.next()?))
        });
        let (root, place) = mount.ok_or("is in a control group that is mounted nowhere")?;
        let below = path.strip_prefix(root.trim_end_matches('/'));
        let below =
            below.ok_or_else(|| format!("is in the control group {path}, of which this mount shows nothing"))?;
        Ok(Cgroup { folder: Path::new(place).join(below.trim_start_matches('/')) })
    }

    /// Whether a process is in it, or in a group beneath.
    pub fn holds(&self, process: Process) -> bool {
        Cgroup::of(process).is_ok_and(|other| other.folder.starts_with(&self.folder))
    }

    /// The file of a limit and what it says, after seeing that it can be written to. The error says what is missing.
    pub fn limit(&self, name: &str) -> Result<(PathBuf, String), String> {
        let file = self.folder.join(name);
        let value = fs::read_to_string(&file).map_err(|e| {
            let controller = name.split('.').next().unwrap_or(name);
            format!("{}: {e}: the controller `{controller}` must be enabled for this group", file.display())
        })?;
        let writable = fs::OpenOptions::new().write(true).open(&file);
        writable.map_err(|e| format!("{}: {e}: whoever runs this must be allowed to write it", file.display()))?;
        Ok((file, value.trim_end().to_owned()))
    }
}

/// Writes a limit; what it then says. The kernel rounds some.
pub fn set(file: &Path, value: &str) -> Result<String, String> {
    let failed = |e: std::io::Error| format!("{}: {e}", file.display());
    // One write, and no new file where the group is gone.
    let mut limit = fs::OpenOptions::new().write(true).truncate(true).open(file).map_err(failed)?;
    std::io::Write::write_all(&mut limit, value.as_bytes()).map_err(failed)?;
    fs::read_to_string(file).map(|now| now.trim_end().to_owned()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
24 30 0:22 / /proc rw - proc proc rw
35 24 0:30 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
";

    #[test]
    fn a_group_is_found_below_its_mount() {
        let found = Cgroup::locate(MOUNTS, "0::/user.slice/app.scope\n").expect("found");
        assert_eq!(found.folder, Path::new("/sys/fs/cgroup/user.slice/app.scope"));
        let within = MOUNTS.replace("0:30 / /sys", "0:30 /docker/x /sys");
        let found = Cgroup::locate(&within, "0::/docker/x/app\n").expect("found");
        assert_eq!(found.folder, Path::new("/sys/fs/cgroup/app"));
    }

    #[test]
    fn what_is_missing_is_said() {
        for (mounts, membership, why) in [
            (MOUNTS, "4:memory:/x\n", "version 1"),
            (MOUNTS, "4:memory:/x\n0::/\n", "systemd-run"),
            ("", "0::/x\n", "mounted nowhere"),
            (&MOUNTS.replace("0:30 / /sys", "0:30 /docker/x /sys"), "0::/other\n", "/other"),
        ] {
            let said = Cgroup::locate(mounts, membership).expect_err(why);
            assert!(said.contains(why), "{said}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let group = Cgroup { folder: folder.path().to_owned() };
        let said = group.limit("cpu.max").expect_err("no file");
        assert!(said.contains("controller `cpu`"), "{said}");
    }

    #[test]
    fn a_limit_is_set_and_restored() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("cpu.max"), "max 100000\n").expect("writes");
        let group = Cgroup { folder: folder.path().to_owned() };
        let (file, was) = group.limit("cpu.max").expect("there");
        assert_eq!(was, "max 100000");
        assert_eq!(set(&file, "20000 100000").expect("writes"), "20000 100000");
        assert_eq!(set(&file, &was).expect("writes"), was);
        assert!(set(&folder.path().join("none"), "1").is_err() && !folder.path().join("none").exists());
    }
}
