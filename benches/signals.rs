//! What the ledger of effects costs: a million ids outstanding, in bytes each, and how many signals a second it keeps up with;
//! then signals to a cluster in this process, with the ledger, from the processor time of one core. Run with
//! `cargo bench --bench signals`; `-- N` for another number of signals a second, `-- ledger` for the ledger alone.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proofload::base::time::{Offset, monotonic};
use proofload::base::units;
use proofload::scenario::States;
use proofload::traffic::effects::Effect;
use proofload::traffic::effects::ledger::{Ledger, Sent, hash};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use serde_json::Value;

/// Ids outstanding at once.
const IDS: u64 = 1_000_000;
/// The most that they may take, in bytes.
const BAR: u64 = 200_000_000;
/// Keys that they share.
const KEYS: u64 = 10_000;

fn main() {
    let rate = std::env::args().skip(1).find_map(|arg| arg.parse::<u64>().ok()).unwrap_or(20_000);
    ledger();
    if !std::env::args().any(|arg| arg == "ledger") {
        cluster(rate);
    }
}

/// How much memory this process has, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}

fn ledger() {
    let before = resident();
    let mut ledger = Ledger::new(Duration::from_secs(3_600), States::default());
    let began = monotonic();
    for n in 0..IDS {
        let due = Offset::from_nanos(n as i64 * 1_000);
        ledger.taken(Sent { due, ready: due, handed: due, key: hash(&(n % KEYS).to_le_bytes()) });
        ledger.acked(n);
    }
    let (taken, held) = (monotonic() - began, resident().saturating_sub(before));
    assert_eq!(ledger.outstanding(), IDS);
    let began = monotonic();
    let mut effect = Effect {
        at: Offset::ZERO,
        id: "".into(),
        pipeline: Some("p".into()),
        state: None,
        sequence: None,
        listed: None,
    };
    for n in 0..IDS {
        effect.at = Offset::from_nanos(n as i64 * 1_000 + 500);
        ledger.effect(n, &effect);
    }
    let seen = monotonic() - began;
    assert_eq!((ledger.outstanding(), ledger.totals().seen, ledger.totals().reordered), (0, IDS, 0));
    let each = |nanos: u64| nanos as f64 / IDS as f64;
    println!(
        "| ids outstanding | memory | within {} MB | bytes each | taken up and acknowledged | effect |",
        BAR / 1_000_000
    );
    println!("|---|---|---|---|---|---|");
    println!(
        "| {IDS} | {:.1} MB | {} | {:.0} | {:.0} ns | {:.0} ns |",
        held as f64 / 1e6,
        if held <= BAR { "yes" } else { "no" },
        held as f64 / IDS as f64,
        each(taken),
        each(seen)
    );
}

/// Signals to a cluster in this process, which echoes each as its effect; the run is a process of its own, on one core.
fn cluster(rate: u64) {
    let cluster: MockCluster<'static, DefaultProducerContext> = MockCluster::new(1).expect("a cluster");
    cluster.create_topic("signals", 6, 1).expect("a topic");
    cluster.create_topic("effects", 6, 1).expect("a topic");
    let brokers = cluster.bootstrap_servers();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (stopping, from) = (stop.clone(), brokers.clone());
    let echo = std::thread::spawn(move || echo(&from, &stopping));
    let folder = tempfile::tempdir().expect("a folder");
    let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = target.local_addr().expect("an address").port();
    std::thread::spawn(move || target.incoming().for_each(drop));
    let (verdict, memory) = run(folder.path(), port, &brokers, rate);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    echo.join().expect("no panic");
    let (traffic, fitness) = (&verdict["traffic"]["signals"], &verdict["fitness"]);
    println!(
        "\n| signals/s | sent | with effect | duplicated | p50 | p99 | publish p99 | cores of the run | its memory at most | verdict |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    println!(
        "| {rate} | {} | {} | {} | {} | {} | {} | {} | {:.0} MB | {} |",
        traffic["effects"]["acked"],
        traffic["effects"]["seen"],
        traffic["effects"]["duplicated"],
        length(&traffic["clocks"]["response"]["p50"]),
        length(&traffic["clocks"]["response"]["p99"]),
        length(&traffic["parts"]["publish"]["clocks"]["response"]["p99"]),
        fitness["health"]["own"]["cpu"].as_f64().map_or("?".into(), |cores| format!("{cores:.2}")),
        memory as f64 / 1e6,
        verdict["verdict"]
    );
}

/// A length of time that a verdict gives in seconds.
fn length(seconds: &Value) -> String {
    let known = seconds.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    known.map_or("?".into(), units::measured)
}

fn echo(brokers: &str, stop: &std::sync::atomic::AtomicBool) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "echo")
        .set("fetch.wait.max.ms", "10")
        .create()
        .expect("a consumer");
    let mut all = rdkafka::TopicPartitionList::new();
    for partition in 0..6 {
        all.add_partition_offset("signals", partition, rdkafka::Offset::Offset(0)).expect("a partition");
    }
    consumer.assign(&all).expect("assigned");
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "2").create().expect("a producer");
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
        let record = BaseRecord::<[u8], [u8]>::to("effects")
            .payload(message.payload().unwrap_or_default())
            .key(message.key().unwrap_or_default())
            .partition(message.partition());
        let _ = producer.send(record);
    }
}

/// Runs the program on one core, where `taskset` is there to see to that; its verdict, and the most memory that it had, in
/// bytes.
fn run(folder: &Path, port: u16, brokers: &str, rate: u64) -> (Value, u64) {
    let file = folder.join("signals.yaml");
    let scenario = format!(
        "proofload: 1
target: http://127.0.0.1:{port}
kafka: {{ bench: {{ brokers: [\"{brokers}\"] }} }}
traffic:
  signals:
    signal:
      kafka: {{ on: bench, topic: signals, key: \"{{{{n}}}}\" }}
      values: {{ n: {{ uniform: [1, {KEYS}] }} }}
      json: {{ signal_id: \"{{{{uuid}}}}\", n: \"{{{{n}}}}\" }}
      id: \"{{{{uuid}}}}\"
      effects: {{ kafka: {{ on: bench, topic: effects, id: $.signal_id }} }}
      deadline: 10s
    arrivals: even
    load: [ {{ hold: {{ at: {rate}/s, for: 20s }} }} ]
fitness: {{ lag: 100ms, cpu: 100% }}
slo: [ {{ expect: lost(signals) == 0 }}, {{ expect: duplicated(signals) < 0.01% }} ]
"
    );
    std::fs::write(&file, scenario).expect("written");
    let out = folder.join("out");
    let program = env!("CARGO_BIN_EXE_proofload");
    let pinned = Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok();
    let mut command = Command::new(if pinned { "taskset" } else { program });
    if pinned {
        command.args(["-c", "0", program]);
    }
    command.args(["run", "--quiet", "--no-color", "--out"]).arg(&out).arg(&file);
    let mut child = command.stdout(Stdio::null()).spawn().expect("runs");
    let mut memory = 0;
    while child.try_wait().expect("waited for").is_none() {
        memory = memory.max(most(child.id()));
        std::thread::sleep(Duration::from_millis(200));
    }
    let verdict = find(&out).expect("a verdict");
    (serde_json::from_slice(&std::fs::read(verdict).expect("readable")).expect("JSON"), memory)
}

/// The most memory that a process has had so far, in bytes.
fn most(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap_or_default() * 1024
}

/// The verdict below a folder.
fn find(folder: &Path) -> Option<std::path::PathBuf> {
    let mut entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
        .iter()
        .find(|path| path.ends_with("verdict.json"))
        .cloned()
        .or_else(|| entries.iter().find_map(|path| find(path)))
}
