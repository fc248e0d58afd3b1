//! Signals on a cluster in this process, and a small system that acts upon them, wrongly where it is told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::gates::{LONG, ended_for};
use crate::scene::{Ended, Scene, finding, hold};
use crate::server::{Request, Server, status};

/// What a system does wrong: every so many-th signal of all, in the order in which it reads them.
#[derive(Clone, Copy, Default)]
pub struct Wrong {
    loses: usize,
    repeats: usize,
    swaps: usize, // does one after the next with its key
    strangers: usize,
}

/// What it did wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Truth {
    pub read: u64,
    lost: u64,
    repeated: u64,
    swapped: u64,
    strangers: u64,
    untraced: u64,
}

/// A system that acts upon signals.
pub struct System {
    stop: Arc<AtomicBool>,
    truth: Arc<Mutex<Truth>>,
    thread: Option<JoinHandle<()>>,
}

impl System {
    pub fn start(brokers: &str, wrong: Wrong) -> System {
        let (stop, truth) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Truth::default())));
        let (stopping, counted) = (stop.clone(), truth.clone());
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "system")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a consumer");
        let producer: ThreadedProducer<DefaultProducerContext> =
            ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "1").create().expect("a producer");
        let mut all = rdkafka::TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            let from = rdkafka::Offset::Offset(0);
            all.add_partition_offset("signals", partition, from).expect("a partition");
        }
        consumer.assign(&all).expect("assigned");
        let act = move || {
            let mut held: BTreeMap<String, Value> = BTreeMap::new(); // by key: until the next one with it
            while !stopping.load(Ordering::Relaxed) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
                let mut truth = counted.lock().expect("no panic");
                let signal: Value = serde_json::from_slice(message.payload().expect("a message")).expect("JSON");
                let key = String::from_utf8(message.key().expect("a key").to_vec()).expect("text");
                assert_eq!(signal["ticker"], key.as_str());
                let traced = message.headers().is_some_and(|h| h.iter().any(|h| h.key == "traceparent"));
                truth.untraced += u64::from(!traced);
                truth.read += 1;
                let due = |every: usize| every > 0 && truth.read.is_multiple_of(every as u64);
                let (loses, repeats, swaps, strangers) =
                    (due(wrong.loses), due(wrong.repeats), due(wrong.swaps), due(wrong.strangers));
                let effect = json!({ "signal_id": signal["signal_id"], "pipeline": "p-1", "status": "COMPLETED" });
                let send = |effect: &Value| {
                    let body = effect.to_string();
                    // One partition: what comes of a key comes in the order in which it is done.
                    let record = BaseRecord::<str, str>::to("effects").payload(&body).key(&key).partition(0);
                    producer.send(record).map_err(|(why, _)| why).expect("sent");
                };
                send(&json!({ "signal_id": signal["signal_id"], "pipeline": "p-1", "status": "RUNNING" }));
                if loses {
                    truth.lost += 1;
                } else if swaps && !held.contains_key(&key) {
                    held.insert(key, effect);
                    continue;
                } else {
                    send(&effect);
                    if repeats {
                        truth.repeated += 1;
                        send(&effect);
                    }
                    if let Some(before) = held.remove(&key) {
                        truth.swapped += 1;
                        send(&before);
                    }
                }
                if strangers {
                    truth.strangers += 1;
                    let id = format!("{:032x}", 0xabcd_0000 + truth.read);
                    send(&json!({ "signal_id": id, "pipeline": "p-1", "status": "COMPLETED" }));
                }
                consumer.commit_message(&message, CommitMode::Async).expect("committed");
            }
            producer.flush(Duration::from_secs(2)).expect("flushed");
        };
        System { stop, truth, thread: Some(thread::spawn(act)) }
    }

    /// How many it has read.
    fn read(&self) -> u64 {
        self.truth.lock().expect("no panic").read
    }

    pub fn stop(mut self) -> Truth {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("no panic");
        *self.truth.lock().expect("no panic")
    }
}

const PARTITIONS: i32 = 3;

pub fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a cluster");
    cluster.create_topic("signals", PARTITIONS, 1).expect("a topic");
    cluster.create_topic("effects", 1, 1).expect("a topic");
    cluster
}

pub fn scenario(url: &str, brokers: &str, more: &str, slo: &str) -> String {
    format!(
        "proofload: 1
target: {url}
kafka: {{ trading: {{ brokers: [{brokers}] }} }}
traffic:
  signals:
    signal:
      kafka: {{ on: trading, topic: signals, key: \"{{{{ticker}}}}\" }}
      values: {{ id: uuid, ticker: {{ choice: {{ AAPL: 50%, MSFT: 50% }} }} }}
      json: {{ signal_id: \"{{{{id}}}}\", ticker: \"{{{{ticker}}}}\", n: \"{{{{seq}}}}\" }}
      id: \"{{{{id}}}}\"
      effects:
        kafka: {{ on: trading, topic: effects, id: $.signal_id, pipeline: $.pipeline, state: $.status }}
        states: {{ ok: COMPLETED, failed: FAILED }}
      deadline: 2s
{more}    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}
",
        load = hold("150/s", "2s"),
    )
}

fn run(brokers: &str, more: &str, slo: &str) -> (Ended, Scene) {
    let server = Server::new(|_: &Request<'_>| status(200));
    let scene = Scene::new(&scenario(&server.url(), brokers, more, slo));
    let ended = scene.run(&[]);
    (ended, scene)
}

#[test]
fn what_a_system_does_right_is_proved() {
    let cluster = cluster();
    let system = System::start(&cluster.bootstrap_servers(), Wrong::default());
    let slo = "  - expect: lost(signals) == 0
  - expect: duplicated(signals) < 1%
  - expect: reordered(signals) == 0
  - expect: errors(signals) == 0
  - expect: p95(signals) < 2s
  - expect: consumer_lag(signals) < 300";
    let (ran, scene) = run(&cluster.bootstrap_servers(), "      consumer: { group: system }\n", slo);
    let truth = system.stop();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(truth, Truth { read: 300, ..Truth::default() });
    let effects = &scene.verdict()["traffic"]["signals"]["effects"];
    for (what, count) in [("signals", 300), ("acked", 300), ("seen", 300), ("missing", 0), ("lost", 0), ("pairs", 300)]
    {
        assert_eq!(effects[what], count, "{what}: {effects}");
    }
    assert!(effects["lag"]["looks"].as_u64().is_some_and(|looks| looks >= 1), "{effects}");
}

/// Each while the load goes on: of what is known by then, there is too much.
#[test]
fn what_goes_wrong_with_signals_ends_the_experiment() {
    let conditions = [
        ("duplicated(signals) > 10%, for: 2s", Wrong { repeats: 3, ..Wrong::default() }),
        ("lost(signals) > 10%, for: 2s", Wrong { loses: 3, ..Wrong::default() }),
        ("reordered(signals) > 5%, for: 2s", Wrong { swaps: 4, ..Wrong::default() }),
    ];
    thread::scope(|scope| {
        for (condition, wrong) in conditions {
            scope.spawn(move || {
                let cluster = cluster();
                let system = System::start(&cluster.bootstrap_servers(), wrong);
                let server = Server::new(|_: &Request<'_>| status(200));
                let slo = "  - expect: errors(signals) < 100%";
                let brokers = cluster.bootstrap_servers();
                let yaml = scenario(&server.url(), &brokers, "", slo).replace("for: 2s }", &format!("for: {LONG} }}"));
                let scene = Scene::new(&format!("{yaml}abort_when: [ {{ expect: {condition} }} ]\n"));
                let ran = scene.run(&[]);
                system.stop();
                assert_eq!(ran.code, Some(4), "{condition}: {ran:?}");
                let why = ended_for(&scene);
                let (measure, _) = condition.split_once(',').expect("for how long");
                assert!(why.starts_with(measure) && why.ends_with("for 2s"), "{condition}: {why}");
            });
        }
    });
}

#[test]
fn who_reads_signals_and_falls_behind_ends_the_experiment() {
    let cluster = cluster();
    let brokers = cluster.bootstrap_servers();
    let system = System::start(&brokers, Wrong::default());
    let server = Server::new(|_: &Request<'_>| status(200));
    let reader = "      consumer: { group: system }\n";
    let yaml = scenario(&server.url(), &brokers, reader, "  - expect: errors(signals) < 100%")
        .replace("for: 2s }", &format!("for: {LONG} }}"));
    let scene = Scene::new(&format!("{yaml}abort_when: [ {{ expect: consumer_lag(signals) > 200, for: 2s }} ]\n"));
    let ran = thread::scope(|scope| {
        let ran = scope.spawn(|| scene.run(&[]));
        // It reads some, and then no more.
        while system.read() < 100 {
            thread::sleep(Duration::from_millis(20));
        }
        system.stop();
        ran.join().expect("it ran")
    });
    assert_eq!(ran.code, Some(4), "{ran:?}");
    let why = ended_for(&scene);
    assert!(why.starts_with("consumer_lag(signals) > 200: ") && why.contains("too far for 2s"), "{why}");
}

/// The worker that sends quotes has nothing to send here, and ends at once: that is no reason to think that the run did.
#[test]
fn a_run_of_signals_that_was_killed_is_judged_as_far_as_it_went() {
    let cluster = cluster();
    let brokers = cluster.bootstrap_servers();
    let system = System::start(&brokers, Wrong::default());
    let server = Server::new(|_: &Request<'_>| status(200));
    let yaml = scenario(&server.url(), &brokers, "", "  - expect: errors(signals) < 5%")
        .replace("for: 2s }", &format!("for: {LONG} }}"));
    let scene = Scene::new(&yaml);
    let run = scene.start(&[]);
    while system.read() < 450 {
        thread::sleep(Duration::from_millis(20));
    }
    run.signal(Signal::KILL);
    run.wait();
    system.stop();
    let again = scene.ask(&["judge", scene.evidence().to_str().expect("a path")]);
    assert_eq!(again.code, Some(4), "{again:?}");
    let verdict = scene.verdict();
    let found = finding(&verdict, "errors(signals) < 5%");
    assert_eq!((&found["verdict"], &found["observed"]["value"]), (&"INCONCLUSIVE".into(), &0.0.into()), "{verdict}");
    assert!(found["samples"].as_u64() >= Some(150), "{verdict}");
    let why = found["why"].as_str().expect("why");
    let ended =
        why.rsplit_once("ended at ").and_then(|(_, at)| at.split(['\u{202f}', ' ']).next()?.parse::<f64>().ok());
    assert!(ended >= Some(1.0), "{why}");
}

#[test]
fn what_a_system_does_wrong_is_counted_exactly() {
    let cluster = cluster();
    let wrong = Wrong { loses: 50, repeats: 45, swaps: 70, strangers: 100 };
    let system = System::start(&cluster.bootstrap_servers(), wrong);
    let slo = "  - expect: lost(signals) == 0
  - expect: duplicated(signals) < 0.01%
  - expect: reordered(signals) == 0
  - { expect: errors(signals) < 50%, severity: warning }";
    let (ran, scene) = run(&cluster.bootstrap_servers(), "", slo);
    let truth = system.stop();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(truth.lost > 0 && truth.repeated > 0 && truth.swapped > 0 && truth.strangers > 0, "{truth:?}");
    let verdict = scene.verdict();
    let effects = &verdict["traffic"]["signals"]["effects"];
    for (what, count) in [
        ("signals", 300),
        ("acked", 300),
        ("seen", 300 - truth.lost),
        ("missing", truth.lost),
        ("lost", truth.lost),
        ("duplicated", truth.repeated),
        ("repeats", truth.repeated),
        ("reordered", truth.swapped),
        ("foreign", truth.strangers),
        ("unreadable", 0),
    ] {
        assert_eq!(effects[what], count, "{what}: {effects} {truth:?}");
    }
    assert_eq!(verdict["traffic"]["signals"]["outcomes"]["unfinished"], truth.lost);
    for finding in 0..3 {
        assert_eq!(verdict["findings"][finding]["verdict"], "FAIL", "{verdict}");
    }
}

#[test]
fn without_a_broker_or_a_topic_nothing_starts() {
    let slo = "  - expect: lost(signals) == 0";
    let (ran, _) = run("127.0.0.1:1", "", slo);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(
        ran.err.contains("at 127.0.0.1:1: no connection to 127.0.0.1:1: Connection refused: see whether"),
        "{ran:?}"
    );
    let cluster = MockCluster::new(1).expect("a cluster");
    cluster.create_topic("effects", 1, 1).expect("a topic");
    let (lacking, _) = run(&cluster.bootstrap_servers(), "", slo);
    assert_eq!(lacking.code, Some(5), "{lacking:?}");
    assert!(lacking.err.contains("`signals`: there is no topic `signals`: make it"), "{lacking:?}");
    cluster.create_topic("signal", 1, 1).expect("a topic");
    let (slip, _) = run(&cluster.bootstrap_servers(), "", slo);
    assert!(slip.err.contains("there is no topic `signals`: did you mean `signal`?"), "{slip:?}");
    // The library does not write to the terminal by itself.
    assert!(!ran.err.contains("rdkafka") && !ran.err.contains('%'), "{ran:?}");
}
