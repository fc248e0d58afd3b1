//! Pipelines whose end is told on a topic, without being asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::json;

use crate::scene::{Scene, finding, hold};
use crate::server::{Answer, Request, Server};
use crate::worker::cluster;

/// Writes to the topic of executions.
#[derive(Clone)]
struct Teller(Arc<ThreadedProducer<DefaultProducerContext>>);

impl Teller {
    fn new(brokers: &str) -> Teller {
        let producer =
            ClientConfig::new().set("bootstrap.servers", brokers).set("linger.ms", "0").create().expect("a producer");
        Teller(Arc::new(producer))
    }

    fn say(&self, what: &str) {
        // One partition: what is told of an execution comes in order.
        let record = BaseRecord::<str, str>::to("executions").payload(what).partition(0);
        self.0.send(record).map_err(|(why, _)| why).expect("sent");
    }

    fn tell(&self, n: usize, state: &str) {
        self.say(&json!({ "execution": { "id": format!("e-{n}") }, "state": state }).to_string());
    }
}

fn scenario(url: &str, brokers: &str, slo: &str) -> String {
    format!(
        "proofload: 1
target: {url}
kafka: {{ trading: {{ brokers: [{brokers}] }} }}
traffic:
  executions:
    pipeline:
      start: {{ post: /executions/, json: {{ symbol: AAPL }}, expect: {{ status: 202 }}, id: $.id }}
      follow: {{ kafka: {{ on: trading, topic: executions, id: $.execution.id, state: $.state }} }}
      states: {{ queued: PENDING, running: RUNNING, ok: COMPLETED, failed: FAILED }}
      deadline: 2s
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}
",
        load = hold("40/s", "2s"),
    )
}

/// Of four one is over before its start is answered, one is told twice, one is in a state that nobody knows, and one is
/// never told. What another run left on the topic, what nobody started and what nobody can read prove nothing.
#[test]
fn what_a_topic_tells_ends_what_was_started_also_before_we_know_what_that_is_called() {
    let cluster = cluster(&["executions"]);
    let teller = Teller::new(&cluster.bootstrap_servers());
    // Of a run before: the same names, and no end of ours.
    (0..80).for_each(|n| teller.tell(n, "COMPLETED"));
    teller.0.flush(Duration::from_secs(5)).expect("written");
    let (all, started) = (teller.clone(), AtomicUsize::new(0));
    let server = Server::new(move |r: &Request<'_>| {
        if !r.head.starts_with("POST ") {
            return Answer::Whole(404, "", Vec::new());
        }
        let (n, teller) = (started.fetch_add(1, Ordering::Relaxed), all.clone());
        match n % 4 {
            0 => {
                teller.tell(n, "COMPLETED");
                teller.0.flush(Duration::from_secs(5)).expect("written");
                thread::sleep(Duration::from_millis(250)); // the answer comes after it
            }
            1 => drop(thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                for state in ["RUNNING", "COMPLETED", "COMPLETED"] {
                    thread::sleep(Duration::from_millis(20));
                    teller.tell(n, state);
                }
            })),
            2 => drop(thread::spawn(move || {
                thread::sleep(Duration::from_millis(100));
                teller.tell(n, "EXPLODED");
            })),
            _ if n == 3 => {
                teller.say(r#"{"execution":{"id":"x-1"},"state":"COMPLETED"}"#);
                teller.say(r#"{"execution":{"id":"e-3"}}"#);
                teller.say("what?");
            }
            _ => {}
        }
        Answer::Whole(202, "", json!({ "id": format!("e-{n}") }).to_string().into())
    });
    let slo = "  - expect: errors(executions) == 0\n  - expect: p50(executions, ok) < 5s\n  - expect: p50(executions.accept) < 5s";
    let scene = Scene::new(&scenario(&server.url(), &cluster.bootstrap_servers(), slo));
    let plan = scene.ask(&["plan", &scene.file().display().to_string()]);
    assert!(plan.out.contains("tell of completions on topic executions of trading"), "{plan:?}");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verdict = scene.verdict();
    let traffic = &verdict["traffic"]["executions"];
    let outcomes = ["ok", "invalid", "unfinished"].map(|word| traffic["outcomes"][word].as_u64().unwrap_or(0));
    assert_eq!(outcomes, [40, 20, 20], "{traffic}");
    let followed = &traffic["followed"];
    let counts = ["polls", "again", "strange", "unreadable"].map(|count| followed[count].as_u64().unwrap_or(0));
    assert_eq!(counts, [0, 20, 1, 2], "{followed}");
    assert!(followed["early"].as_u64().is_some_and(|early| (1..=20).contains(&early)), "{followed}");
    // What is told to the instant leaves nothing undecided.
    assert_eq!(finding(&verdict, "p50(executions, ok) < 5s")["verdict"], "PASS", "{ran:?}");
    assert!(traffic["clocks"]["gap"].is_null(), "{verdict}");
    // Parts have rows of their own: as many shots as the whole, second by second.
    let csv = std::fs::read_to_string(scene.evidence().join("timeline.csv")).expect("written");
    let shots = |of: &str| {
        let rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>()).filter(|row| row[1] == of);
        rows.map(|row| row[3].parse::<u64>().expect("a number")).sum::<u64>()
    };
    assert_eq!((shots("executions"), shots("executions.accept")), (80, 80), "{csv}");
    let junit = std::fs::read_to_string(scene.evidence().join("junit.xml")).expect("written");
    assert!(junit.contains("executions: part") && junit.contains("came of what was never started"), "{junit}");
}

#[test]
fn without_the_topic_of_completions_nothing_is_started() {
    let cluster = cluster(&[]);
    let server = Server::new(|_: &Request<'_>| Answer::Whole(202, "", b"{\"id\":\"e-1\"}".to_vec()));
    let slo = "  - expect: errors(executions) == 0";
    let scene = Scene::new(&scenario(&server.url(), &cluster.bootstrap_servers(), slo));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("`executions`: there is no topic `executions`"), "{ran:?}");
    assert_eq!(server.count("POST "), 0);
}
