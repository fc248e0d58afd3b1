//! Real servers beside the run: Debian's Prometheus scrapes a practice target and evaluates real rules, its Alertmanager
//! groups and notifies, and the run is told. Skipped where they are not installed.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::port;
use crate::scene::{Ended, Going, PROGRAM, Turn, verdict};

/// The programs of Debian's packages.
const PROGRAMS: [&str; 2] = ["prometheus", "prometheus-alertmanager"];

/// Whether both are here; a reason where they are not and need not be.
fn are_here() -> bool {
    let missing: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|program| !Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success()))
        .collect();
    let list = std::env::var("PROOFLOAD_REQUIRE").unwrap_or_default();
    for program in &missing {
        let required = list.split(',').any(|name| name == program.trim_start_matches("prometheus-"));
        assert!(!required, "{program} is required: apt-get install {program}");
        eprintln!("skipped: {program} is not installed (apt-get install {program})");
    }
    missing.is_empty()
}

/// A server that ends when it is dropped.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Prometheus and Alertmanager with the configuration that ships with a system, on free ports.
struct Stand {
    folder: TempDir,
    system: &'static str,
    ports: u16,
    prometheus: u16,
    alertmanager: u16,
    receiver: u16,
    _servers: [Server; 2],
}

impl Stand {
    fn new(system: &'static str, services: u16) -> Stand {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = port::row(services);
        let [prometheus, alertmanager, receiver] = port::free();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(system);
        let scenes = folder.path().join("scenes");
        fs::create_dir(&scenes).expect("made");
        for entry in fs::read_dir(&shipped).expect("it ships").flatten().filter(|e| e.path().is_file()) {
            fs::copy(entry.path(), scenes.join(entry.file_name())).expect("copied");
        }
        let text = |name: &str| fs::read_to_string(scenes.join(name)).expect("it ships");
        let mut config = text("prometheus.yml");
        // What ships has fixed ports; here each has a free one in its place.
        let first = config.match_indices("127.0.0.1:").nth(2).map(|(at, _)| at + 10).expect("its targets");
        let first: u16 = config[first..first + 5].parse().expect("a port");
        for nth in (0..services).rev() {
            config = config.replace(&format!("127.0.0.1:{}", first + nth), &format!("127.0.0.1:{}", ports + nth));
        }
        let at = config.find("targets: [\"127.0.0.1:").expect("an Alertmanager") + 21;
        config.replace_range(at..at + 5, &alertmanager.to_string());
        fs::write(scenes.join("prometheus.yml"), config).expect("written");
        let mut config = text("alertmanager.yml");
        let at = config.find("url: http://127.0.0.1:").expect("a webhook") + 22;
        config.replace_range(at..at + 5, &receiver.to_string());
        fs::write(scenes.join("alertmanager.yml"), config).expect("written");
        let start = |program: &str, port: u16, more: &[String]| {
            let mut command = Command::new(program);
            command.arg(format!("--web.listen-address=127.0.0.1:{port}")).args(more).current_dir(&scenes);
            Server(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts"))
        };
        let below = |name: &str| folder.path().join(name).display().to_string();
        let servers = [
            start(
                PROGRAMS[1],
                alertmanager,
                &[
                    "--config.file=alertmanager.yml".into(),
                    "--cluster.listen-address=".into(),
                    format!("--storage.path={}", below("alertmanager")),
                ],
            ),
            start(
                PROGRAMS[0],
                prometheus,
                &["--config.file=prometheus.yml".into(), format!("--storage.tsdb.path={}", below("prometheus"))],
            ),
        ];
        let stand = Stand { folder, system, ports, prometheus, alertmanager, receiver, _servers: servers };
        let is_ready = |answer: &str| answer.lines().next().is_some_and(|line| line.contains(" 200 "));
        [prometheus, alertmanager].into_iter().for_each(|port| until(port, "/-/ready", is_ready));
        // It looks for its targets, and for whom to send alerts to, some seconds after it is ready.
        until(prometheus, "/api/v1/targets", |answer| answer.contains("\"scrapeUrl\""));
        until(prometheus, "/api/v1/alertmanagers", |answer| answer.contains(&format!(":{alertmanager}/")));
        stand
    }

    fn run(&self, scenario: &str, more: &[&str]) -> Ended {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(self.folder.path().join("scenes").join(scenario));
        command.arg("--out").arg(self.folder.path().join("out")).args(more);
        command.env("PORTS", self.ports.to_string());
        command.env("PROMETHEUS", format!("http://127.0.0.1:{}", self.prometheus));
        command.env("ALERTMANAGER", format!("http://127.0.0.1:{}", self.alertmanager));
        command.env("RECEIVER", format!("127.0.0.1:{}", self.receiver));
        let ended = Going::start(command, self.folder.path()).wait();
        // For the transcript of docs/proof/drills.md.
        if let Ok(place) = std::env::var("PROOFLOAD_TRANSCRIPT") {
            let place = Path::new(&place).join(format!("{}-{scenario}.txt", self.system));
            fs::write(place, &ended.out).expect("written");
        }
        ended
    }

    fn evidence(&self) -> PathBuf {
        let mut found = vec![self.folder.path().join("out")];
        for _ in 0..3 {
            found =
                found.iter().flat_map(|f| fs::read_dir(f).into_iter().flatten().flatten().map(|e| e.path())).collect();
        }
        assert_eq!(found.len(), 1, "one run");
        found.remove(0)
    }
}

/// Waits until a server answers as it should.
pub fn until(port: u16, path: &str, is_so: impl Fn(&str) -> bool) {
    use std::io::{Read, Write};
    for _ in 0..1500 {
        let mut answer = String::new();
        let asked = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).and_then(|mut stream| {
            stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        if asked.is_ok() && is_so(&answer) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("the server at port {port} never answered {path} as it should");
}

fn findings(verdict: &Value) -> Vec<(String, String)> {
    let word = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    verdict["findings"].as_array().into_iter().flatten().map(|f| (word(f, "verdict"), word(f, "why"))).collect()
}

/// A hundred failures beside ordinary orders: scraped, fired, grouped, notified, and notified again when it was over.
#[test]
fn an_alert_goes_all_its_way_from_a_failure_to_whoever_is_paged() {
    if !are_here() {
        return;
    }
    let _turn = Turn::heavy();
    let stand = Stand::new("b25", 7);
    let ended = stand.run("alert-drill.yaml", &[]);
    let verdict = verdict(&stand.evidence());
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    let findings = findings(&verdict);
    assert!(findings[0].1.contains("firing to `pagers`"), "{findings:?}");
    assert!(findings[1].1.contains("resolved to `pagers`"), "{findings:?}");
    let server = &verdict["prometheus"];
    assert_eq!((&server["product"], &server["semantics"]), (&"Prometheus".into(), &2.into()), "{server}");
    let checks = server["checks"].as_array().expect("its own answers");
    assert_eq!(checks.len(), 2);
    assert!(checks.iter().all(|check| check["agreement"] == "agree"), "{checks:?}");
    let fired = server["alerts"].as_array().expect("alerts");
    assert!(
        fired.iter().any(|f| f["state"] == "firing" && f["alert"].to_string().contains("HighErrorRate")),
        "{fired:?}"
    );
    let sent = verdict["alertmanager"]["notifications"].as_array().expect("notifications");
    assert!(sent.len() >= 2 && sent.iter().all(|n| n["receiver"] == "pagers"), "{sent:?}");
    // Judged again from the evidence alone, and by a promise that reads what was not fetched.
    let before = fs::read_to_string(stand.evidence().join("verdict.json")).expect("written");
    let place = stand.evidence().display().to_string();
    let again = Command::new(PROGRAM).args(["judge", &place]).output().expect("judges");
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(fs::read_to_string(stand.evidence().join("verdict.json")).expect("written"), before, "byte for byte");
    let file = stand.folder.path().join("scenes/other.yaml");
    let text = fs::read_to_string(stand.folder.path().join("scenes/alert-drill.yaml")).expect("it ships");
    let (head, _) = text.split_once("slo:").expect("promises");
    fs::write(
        &file,
        format!("{head}slo:\n  - {{ promql: max(never_fetched), expect: value < 1, source: prometheus }}\n"),
    )
    .expect("written");
    let other = Command::new(PROGRAM).args(["judge", &place, "--slo"]).arg(&file).output().expect("judges");
    assert_eq!(other.status.code(), Some(3));
    let said = String::from_utf8_lossy(&other.stdout).into_owned();
    assert!(said.contains("is not in the evidence: it was not fetched"), "{said}");
}

/// The rules that the server evaluates are taken from it, replayed over its samples, and held against what it fired itself.
#[test]
fn the_rules_of_a_running_server_are_replayed_over_its_samples() {
    if !are_here() {
        return;
    }
    let _turn = Turn::heavy();
    let stand = Stand::new("b25", 7);
    let scenes = stand.folder.path().join("scenes");
    let drill = fs::read_to_string(scenes.join("alert-drill.yaml")).expect("it ships");
    let (head, _) = drill.split_once("slo:").expect("promises");
    let live = |groups: &str, promises: &str| {
        format!(
            "{head}alerts: {{ rules: {{ prometheus: true{groups} }}, expected: {{ HighErrorRate: off }} }}\nslo:\n{promises}"
        )
    };
    let scene = |name: &str, text: String| fs::write(scenes.join(name), text).expect("written");
    // What the server does not have is said before anything is sent.
    scene("wrong.yaml", live(", groups: [service-helth]", "  - { alert: HighErorRate, stays_silent: true }\n"));
    let refused = stand.run("wrong.yaml", &[]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    assert!(refused.err.contains("no group `service-helth`") && refused.err.contains("service-health"), "{refused:?}");
    fs::remove_dir_all(stand.folder.path().join("out")).expect("its evidence");

    scene(
        "live.yaml",
        live(
            "",
            "  - { alert: HighErrorRate, labels: { service: order-execution }, stays_silent: true, severity: info }\n  \
             - { alert: ServiceDown, stays_silent: true }\n  \
             - { alert: HighErrorRate, routed_within: 6s, receiver: pagers, grouped_by: [alertname, service] }\n",
        ),
    );
    let ended = stand.run("live.yaml", &[]);
    let verdict = verdict(&stand.evidence());
    let findings = findings(&verdict);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert!(findings[0].0 == "FAIL" && findings[0].1.contains("of requests fail"), "it fired: {findings:?}");
    assert_eq!((findings[1].0.as_str(), findings[2].0.as_str()), ("PASS", "PASS"), "{findings:?}");
    let alerts = &verdict["alerts"];
    assert_eq!((&alerts["source"], &alerts["semantics"]), (&"prometheus".into(), &"2".into()), "{alerts}");
    let rules = alerts["alerts"].as_array().expect("rules");
    let beside = rules.iter().flat_map(|rule| rule["beside"].as_array().into_iter().flatten()).collect::<Vec<_>>();
    assert!(!beside.is_empty(), "{alerts}");
    for of in beside {
        assert!(of["agreement"] == "agree" || of["agreement"] == "near", "{of}");
    }
    let groups = verdict["alertmanager"]["groups"].as_array().expect("groups");
    assert!(groups.iter().any(|group| group["receiver"] == "pagers"), "{groups:?}");
    // From the evidence alone, byte for byte.
    let before = fs::read_to_string(stand.evidence().join("verdict.json")).expect("written");
    let again = Command::new(PROGRAM).arg("judge").arg(stand.evidence()).output().expect("judges");
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(fs::read_to_string(stand.evidence().join("verdict.json")).expect("written"), before, "byte for byte");
}

/// 404s cannot fire a rule about 5xx: whoever relies on such a drill is told.
#[test]
fn a_drill_that_cannot_fire_fails() {
    if !are_here() {
        return;
    }
    let _turn = Turn::heavy();
    let stand = Stand::new("quantum-trader", 5);
    let ended = stand.run("alert-drill.yaml", &["--set", "traffic.nowhere.load.0.hold.for=6s"]);
    let findings = findings(&verdict(&stand.evidence()));
    assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
    assert!(findings[0].1.contains("Alertmanager never had it: it did not fire"), "{findings:?}");
    let verdicts: Vec<&str> = findings.iter().map(|(verdict, _)| verdict.as_str()).collect();
    assert_eq!(verdicts, ["FAIL", "PASS", "PASS"], "{findings:?}");
}
