//! Signals in, effects out, over the protocol.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

use super::super::pipelines::TICKERS;
use super::super::signal::Signal;
use super::*;

const PARTITIONS: i32 = 3;

fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).expect("a cluster");
    for topic in TOPICS {
        cluster.create_topic(topic, PARTITIONS, 1).expect("a topic");
    }
    cluster
}

/// Sends so many signals, one after the other around the tickers.
async fn send(kafka: &str, numbers: std::ops::Range<usize>) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", kafka).set("linger.ms", "1").create().expect("a producer");
    let mut on_their_way = Vec::new();
    for n in numbers {
        let ticker = TICKERS[n % TICKERS.len()];
        let signal = Signal {
            id: format!("s-{n}").into(),
            kind: "golden_cross".into(),
            source: "test".into(),
            tickers: vec![ticker.into()],
            key: ticker.into(),
        };
        let payload = signal.payload(0, 50.0);
        on_their_way
            .push(producer.send_result(FutureRecord::to(SIGNALS).key(ticker).payload(&payload)).expect("a place"));
    }
    for delivery in on_their_way {
        delivery.await.expect("told").expect("taken");
    }
}

/// How often each signal has an effect on the topic, once it holds so many.
async fn effects(kafka: &str, wanted: usize) -> BTreeMap<String, usize> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("group.id", "test")
        .set("fetch.wait.max.ms", "20")
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        all.add_partition_offset(EFFECTS, partition, Offset::Beginning).expect("a place");
    }
    consumer.assign(&all).expect("assigned");
    let mut found = BTreeMap::new();
    let mut quiet = 0;
    while quiet < 50 && (quiet < 10 || found.values().sum::<usize>() < wanted) {
        match consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => {
                quiet = 0;
                let body: Value = serde_json::from_slice(message.payload().expect("a body")).expect("JSON");
                assert_eq!(body["status"], "COMPLETED", "{body}");
                *found.entry(body["signal_id"].as_str().expect("an id").to_owned()).or_insert(0) += 1;
            }
            Some(Err(why)) => panic!("{why}"),
            None => {
                quiet += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_signal_has_its_effect_once_and_defects_strike_as_often_as_they_say() {
    let cluster = cluster();
    let kafka = cluster.bootstrap_servers();
    let settings = [
        ("skip_running", "off"),
        ("batch_wait", "50ms"),
        ("lose_every", "20"),
        ("duplicate_every", "19"),
        ("rebalance_every", "1h"),
    ];
    send(&kafka, 900..910).await; // before it is there: `latest` does not see them
    let subject = Subject::start(Some(kafka.clone()), &settings).await;
    send(&kafka, 0..200).await;
    let totals = subject.until(|t| t.consumed == 200 && t.completed == 200).await;
    assert_eq!((totals.lost, totals.duplicated, totals.started), (10, 10, 200), "190 and ten twice");
    let found = effects(&kafka, 200).await;
    assert_eq!((found.len(), found.values().filter(|n| **n == 2).count()), (190, 10));
    let of = |metric| subject.sum("trigger-dispatcher", metric, "");
    assert_eq!((of("signals_consumed_total").await, of("pipelines_enqueued_total").await), (200.0, 200.0));
    assert!(of("batch_size_count").await >= 10.0, "at most twenty in a batch");
    assert_eq!(of("batch_size_sum").await, 200.0);
    subject.running.stop().await.expect("nothing to close");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_broker_delays_and_neither_loses_nor_repeats() {
    let cluster = cluster();
    let kafka = cluster.bootstrap_servers();
    let settings = [("skip_running", "off"), ("batch_wait", "50ms"), ("signals", "50/s")];
    let subject = Subject::start(Some(kafka.clone()), &settings).await;
    subject.until(|t| t.completed > 10).await;
    cluster.broker_down(-1).expect("down");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let during = subject.ledger.totals();
    cluster.broker_up(-1).expect("up");
    subject.until(|t| t.completed > during.completed + 100).await;
    let after = subject.ledger.totals();
    tokio::time::sleep(Duration::from_millis(300)).await; // what was over by then is on its way
    let made = subject.sum("signal-generator", "signals_generated_total", "").await;
    assert!(made >= 100.0, "{made}: it went on making signals");
    assert!(subject.sum("signal-generator", "kafka_publish_success_total", "").await > 100.0);
    subject.running.stop().await.expect("nothing to close");
    assert_eq!((after.lost, after.unpublished, after.failed), (0, 0, 0), "{after:?}");
    let found = effects(&kafka, after.completed as usize).await;
    assert!(found.len() as u64 >= after.completed, "{} of {after:?}", found.len());
    assert!(found.values().all(|n| *n == 1), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebalance_costs_what_it_is_said_to() {
    let cluster = cluster();
    let kafka = cluster.bootstrap_servers();
    let settings =
        [("skip_running", "off"), ("batch_wait", "20ms"), ("rebalance_every", "1s"), ("lose_on_rebalance", "4")];
    let subject = Subject::start(Some(kafka.clone()), &settings).await;
    subject.until(|t| t.rebalances == 1).await;
    send(&kafka, 0..60).await;
    let totals = subject.until(|t| t.lost == 4 && t.completed >= 56).await;
    assert_eq!(totals.lost_on_rebalance, 4);
}
