//! Runs that are killed at random moments while all kinds of faults come and go: nothing is left broken, whoever is
//! killed. Twenty times here; `.ci/proof undo` a thousand times.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use proofload::base::process::State;
use proofload::base::seed::Seed;
use proofload::evidence::undo;
use proofload::stage::kafka::ask::{Census, ask};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::port;
use crate::scene::{Going, PROGRAM, Scene, Turn, children, is_gone, kill};
use crate::things::{Engine, Flag, Idle, Marked, soon};

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whom {
    Run,
    Group,
    RunThenStage,
    StageThenRun,
}

/// Everything that the faults of a run break.
struct Things {
    engine: Engine,
    flag: Flag,
    paused: Idle,
    killed: Idle,
    file: PathBuf,
    stub: u16,
    broker: u16,
    word: Marked,
    scene: Scene, // last: what listens in its folder ends before that is gone
}

impl Things {
    fn new() -> Things {
        let scene = Scene::new("");
        let file = scene.path("broken");
        let [stub, broker] = port::free();
        let things = Things {
            engine: Engine::new(&scene.path(""), &["frozen", "dead"]),
            flag: Flag::new(),
            paused: Idle::start(),
            killed: Idle::start(),
            file,
            stub,
            broker,
            word: Marked::new(),
            scene,
        };
        fs::write(things.scene.file(), things.scenario()).expect("written");
        things
    }

    /// Every kind at once, in three seconds.
    fn scenario(&self) -> String {
        let (file, flag) = (self.file.display(), self.flag.hook());
        let (paused, killed, stub, broker) = (self.paused.pid(), self.killed.pid(), self.stub, self.broker);
        format!(
            "proofload: 1
target: {{ sim: quote-service, timeout: 1s, with: {{ ttl: 50ms }} }}
upstreams: {{ jupiter: {{ like: jupiter, listen: 127.0.0.1:{stub} }} }}
kafka: {{ trading: {{ cluster: {{ topics: {{ signals: {{}} }}, listen: 127.0.0.1:{broker} }} }} }}
processes:
  worker: {{ command: [sleep, '7001'] }}
  helper: {{ command: [sh, -c, 'sleep 7002 & exec sleep 7003'] }}
hooks:
  file: {{ apply: {{ exec: [touch, {file}] }}, undo: {{ exec: [rm, -f, {file}] }}, probe: {{ exec: [test, '!', -e, {file}] }}, within: 5s }}
  flag: {flag}
traffic:
  q:
    quote: {{ pairs: {{ file: pairs.csv }}, amount: {{ fixed: 1000000 }} }}
    load: [{{ hold: {{ at: 30/s, for: 4s }} }}]
faults:
  hangs: {{ on: upstream/jupiter, inject: {{ timeout: {{}} }}, at: 100ms, for: 2900ms }}
  stops: {{ on: process/{paused}, inject: {{ pause: {{}} }}, at: 200ms, for: 2600ms }}
  ends: {{ on: process/{killed}, inject: {{ kill: {{ signal: KILL, restart: [sleep, '7004'] }} }}, at: 400ms, for: 1300ms }}
  stops-worker: {{ on: process/worker, inject: {{ pause: {{}} }}, at: 300ms, for: 2s }}
  ends-helper: {{ on: process/helper, inject: {{ kill: {{ signal: TERM }} }}, at: 500ms, for: 1s }}
  stops-target: {{ on: process/target, inject: {{ pause: {{}} }}, at: 600ms, for: 700ms }}
  ends-target: {{ on: process/target, inject: {{ kill: {{ signal: KILL }} }}, at: 1700ms, for: 700ms }}
  file: {{ on: hook/file, inject: {{ hook: {{}} }}, at: 150ms, for: 2500ms }}
  flag: {{ on: hook/flag, inject: {{ hook: {{}} }}, at: 250ms, for: 2500ms }}
  freezes: {{ on: docker/frozen, inject: {{ docker: {{ action: pause }} }}, at: 350ms, for: 2200ms }}
  dies: {{ on: docker/dead, inject: {{ docker: {{ action: kill }} }}, at: 450ms, for: 2200ms }}
  no-topic: {{ on: kafka/trading, inject: {{ topic_unavailable: {{ topic: signals }} }}, at: 150ms, for: 2600ms }}
  distant: {{ on: kafka/trading, inject: {{ round_trip: {{ add: 4s }} }}, at: 250ms, for: 2400ms }}
  silent: {{ on: kafka/trading, inject: {{ timeout: {{}} }}, at: 350ms, for: 2s }}
  no-broker: {{ on: kafka/trading, inject: {{ broker_down: {{ broker: 1 }} }}, at: 900ms, for: 1500ms }}
limits: {{ faults: 20 }}
fitness: {{ lag: 10s, cpu: 100% }}
slo: [{{ expect: errors(q) < 100% }}]
"
        )
    }

    /// What is still broken.
    fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut note = |wrong: bool, what: String| {
            if wrong {
                broken.push(what);
            }
        };
        note(
            self.paused.state() != State::Running,
            format!("process {}: {:?}", self.paused.pid(), self.paused.state()),
        );
        let again = self.word.running("7004").len();
        let wanted = usize::from(self.killed.state() == State::Gone);
        note(again != wanted, format!("started again {again} times, wanted {wanted}"));
        for line in ["7001", "7002", "7003", " sim "] {
            let left = self.word.running(line);
            note(!left.is_empty(), format!("`{line}` still runs: {left:?}"));
        }
        note(self.file.exists(), "the file is there".into());
        note(self.flag.is_on(), "the flag is on".into());
        for name in ["frozen", "dead"] {
            let container = self.engine.container(name);
            note(!container.running || container.paused, format!("{name}: {container:?}"));
        }
        for run in self.scene.runs() {
            let left = undo::read(&run.join(undo::FILE)).expect("readable").left;
            note(!left.is_empty(), format!("written down as left: {left:?}"));
        }
        broken
    }

    /// What is wrong with what the stage holds, where it lives.
    fn wrong(&self) -> Vec<String> {
        let stub = (!self.stub_answers()).then(|| "the stub does not answer".to_owned());
        stub.into_iter().chain(cluster_wrong(self.broker)).collect()
    }

    /// Whether the stub answers, where the stage lives.
    fn stub_answers(&self) -> bool {
        let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", self.stub)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let request =
            "GET /v6/quote?inputMint=A&outputMint=B&amount=1000 HTTP/1.1\r\nHost: stub\r\nConnection: close\r\n\r\n";
        let mut reply = [0; 12];
        stream.write_all(request.as_bytes()).is_ok()
            && std::io::Read::read_exact(&mut stream, &mut reply).is_ok()
            && reply.starts_with(b"HTTP/1.1 200")
    }
}

/// What is wrong with what the embedded cluster says of itself, where the stage lives: it answers and knows who leads its
/// topic, or not.
fn cluster_wrong(port: u16) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let census = runtime.block_on(async {
        let place = format!("127.0.0.1:{port}");
        tokio::time::timeout(Duration::from_secs(2), ask(&place)).await
    });
    let leads = |census: &Census| census.topics.iter().any(|topic| topic.is_available());
    match census {
        Ok(Ok(census)) if census.brokers.len() == 1 && leads(&census) => None,
        Ok(Ok(census)) => Some(format!("the cluster says {census:?}")),
        Ok(Err(why)) => Some(format!("the cluster does not answer: {why}")),
        Err(_) => Some("the cluster does not answer within two seconds".to_owned()),
    }
}

/// One run, killed at a moment that the seed chooses; what was still broken afterwards.
fn killed(nth: usize) -> (Whom, Duration, Vec<String>) {
    let _turn = Turn::take();
    let mut chance = Seed(nth as u64).stream("kill");
    let moment = Duration::from_millis(200 + (chance.unit() * 4_300.0) as u64);
    let whom = match nth % 10 {
        0..=5 => Whom::Run,
        6 | 7 => Whom::Group,
        8 => Whom::RunThenStage,
        _ => Whom::StageThenRun,
    };
    let things = Things::new();
    let (paused, dead) = (things.paused.pid().to_string(), things.killed.pid().to_string());
    let mut command = things.scene.command(&["--allow-exec", "--allow-pid", &paused, "--allow-pid", &dead, "--quiet"]);
    command.env("DOCKER_HOST", things.engine.host());
    things.word.put(&mut command);
    command.process_group(0);
    let run = Going::start(command, &things.scene.path(""));
    thread::sleep(moment);
    let stage = children(run.pid()).into_iter().find(|(_, line)| line.contains(" stage ")).map(|(pid, _)| pid);
    let kill_stage = || stage.into_iter().for_each(|pid| kill(pid, Signal::KILL));
    match whom {
        Whom::Run => kill(run.pid(), Signal::KILL),
        Whom::Group => {
            let group = Pid::from_raw(run.pid() as i32).expect("a process id");
            let _ = kill_process_group(group, Signal::KILL);
        }
        Whom::RunThenStage => {
            kill(run.pid(), Signal::KILL);
            kill_stage();
        }
        Whom::StageThenRun => {
            kill_stage();
            kill(run.pid(), Signal::KILL);
        }
    }
    let ended = run.wait();
    let lives = matches!(whom, Whom::Run | Whom::Group);
    if !lives {
        for run in things.scene.runs() {
            let mut command = Command::new(PROGRAM);
            command.arg("heal").arg(&run);
            // What it starts again is looked for by the word.
            things.word.put(&mut command);
            let healed = Going::start(command, &things.scene.path("")).wait();
            if healed.code != Some(0) {
                return (whom, moment, vec![format!("heal: {healed:?}")]);
            }
        }
    }
    soon(|| things.broken().is_empty());
    let mut broken = things.broken();
    // A run that was over before it was killed has taken its stage along.
    if let Some(stage) = stage.filter(|pid| lives && ended.code.is_none() && !is_gone(*pid)) {
        // Events are written once all is open. Before that no fault can be: what still opens is given the time to.
        if !things.scene.runs().iter().any(|run| run.join("events.jsonl").exists()) {
            soon(|| is_gone(stage) || things.wrong().is_empty());
        }
        if !is_gone(stage) {
            broken.extend(things.wrong());
        }
    }
    stage.into_iter().for_each(|pid| kill(pid, Signal::KILL));
    (whom, moment, broken)
}

#[test]
fn nothing_is_left_broken_whenever_a_run_is_killed() {
    let times = std::env::var("PROOFLOAD_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let record = std::env::var_os("PROOFLOAD_KILLS_RECORD").map(PathBuf::from);
    // What was interrupted goes on where it was.
    let before = record.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let done: HashSet<usize> = before.lines().filter_map(|line| line.split('\t').next()?.parse().ok()).collect();
    let next = AtomicUsize::new(0);
    let left = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::SeqCst);
                    if nth >= times {
                        return;
                    }
                    if done.contains(&nth) {
                        continue;
                    }
                    let (whom, moment, broken) = killed(nth);
                    let mut left = left.lock().expect("no panic");
                    if let Some(path) = &record {
                        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).expect("opened");
                        let line = format!("{nth}\t{whom:?}\t{}\t{}\n", moment.as_millis(), broken.join("; "));
                        file.write_all(line.as_bytes()).expect("written");
                    }
                    if !broken.is_empty() {
                        left.push((nth, whom, moment, broken));
                    }
                }
            });
        }
    });
    let left = left.into_inner().expect("no panic");
    assert!(left.is_empty(), "{} of {times}: {left:#?}", left.len());
}
