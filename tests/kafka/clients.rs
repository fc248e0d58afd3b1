//! Clients of others: kcat, and kafka-python, which shares no code with librdkafka. Each is skipped where it is not
//! installed, unless `PROOFLOAD_REQUIRE` names it.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::ground::{Ground, LONG, TOPIC, embedded};

/// Runs a program with an input: what it printed. Nothing where it cannot be started and need not be.
async fn said(what: &str, program: &str, args: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let required = std::env::var("PROOFLOAD_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name == what));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(why) if !required => {
            eprintln!("skipped: {what} cannot be started: {why}");
            return None;
        }
        Err(why) => panic!("{what}: {why}"),
    };
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).await.expect("taken");
    let out = timeout(LONG * 2, child.wait_with_output()).await.expect("it ends").expect("ran");
    let errors = String::from_utf8_lossy(&out.stderr).into_owned();
    if errors.contains("No module named") && !required {
        eprintln!("skipped: {what} is not installed");
        return None;
    }
    assert!(out.status.success(), "{what}: {}\n{errors}", out.status);
    Some(String::from_utf8_lossy(&out.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kcat_produces_consumes_and_lists_the_stage_only() {
    let ground = Ground::open(embedded(), Vec::new()).await;
    let first = ground.bootstrap.split(',').next().expect("three");
    let common = ["-b", first, "-t", TOPIC];
    let lines: String = (0..50).map(|n| format!("message {n}\n")).collect();
    let Some(_) = said("kcat", "kcat", &[&common[..], &["-P"]].concat(), &lines).await else { return };
    let consume = [&common[..], &["-C", "-o", "beginning", "-e", "-q"]].concat();
    let mut read: Vec<String> =
        said("kcat", "kcat", &consume, "").await.expect("ran").lines().map(Into::into).collect();
    let mut sent: Vec<String> = lines.lines().map(Into::into).collect();
    read.sort();
    sent.sort();
    assert_eq!(read, sent);
    let listed = said("kcat", "kcat", &["-b", first, "-L", "-J"], "").await.expect("ran");
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    let names: Vec<&str> =
        listed["brokers"].as_array().expect("a list").iter().filter_map(|b| b["name"].as_str()).collect();
    assert_eq!(names, ground.bootstrap.split(',').collect::<Vec<_>>());
}

/// Sends fifty messages, reads them, and says where it was told to go. librdkafka's brokers take no other client into a
/// group: partitions are read one by one.
const PYTHON: &str = r#"
import sys
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
first, topic = sys.argv[1:]
producer = KafkaProducer(bootstrap_servers=first, acks='all')
for n in range(50):
    producer.send(topic, key=b'%d' % n, value=b'message')
producer.flush()
consumer = KafkaConsumer(bootstrap_servers=first, group_id=None, auto_offset_reset='earliest')
consumer.assign([TopicPartition(topic, partition) for partition in range(3)])
read = 0
while read < 50:
    read += sum(len(batch) for batch in consumer.poll(timeout_ms=500).values())
brokers = producer._metadata.brokers()
print(read, *sorted({broker.port for broker in brokers}))
consumer.close()
producer.close()
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_python_produces_consumes_and_is_told_of_the_stage_only() {
    let ground = Ground::open(embedded(), Vec::new()).await;
    let first = ground.bootstrap.split(',').next().expect("three");
    let Some(said) = said("kafka-python", "python3", &["-c", PYTHON, first, TOPIC], "").await else { return };
    let ports: Vec<String> = ground.ports().into_iter().map(|port| port.to_string()).collect();
    assert_eq!(said.trim(), format!("50 {}", ports.join(" ")));
}
