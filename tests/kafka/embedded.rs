//! What can be wrong with an embedded cluster.

use std::time::{Duration, Instant};

use proofload::scenario::{Inject, KafkaFault};
use proofload::stage::client::Report;

use crate::ground::{Client, Ground, LONG, TOPIC, broker_down, consume, embedded, errors, fault};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_produces_and_consumes_and_is_told_of_the_stage_only() {
    let ground = Ground::open(embedded(), Vec::new()).await;
    let client = Client::new(&ground.bootstrap, 10_000);
    for n in 0..30 {
        client.send(n % 3).await.expect("acknowledged");
    }
    let bootstrap = ground.bootstrap.clone();
    let consumer = tokio::task::spawn_blocking(move || consume(&bootstrap, 30)).await.expect("reads");
    assert_eq!(ground.ports().len(), 3);
    assert_eq!(client.named_ports(), ground.ports());
    for account in [&client.account, &consumer] {
        assert!(!account.ports().is_empty() && account.ports().is_subset(&ground.ports()), "{:?}", account.ports());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_down_and_up_again() {
    let down = fault("down", Some(2), broker_down(false));
    let mut ground = Ground::open(embedded(), vec![down]).await;
    let client = Client::new(&ground.bootstrap, 700);
    let before = client.leaders();
    let led = |broker: i32| before.iter().find(|(_, leader)| *leader == broker).expect("each leads one").0;
    for partition in 0..3 {
        client.send_surely(partition).await;
    }
    ground.apply(0).await;
    assert!(client.send(led(2)).await.is_err(), "its leader is gone");
    client.send_surely(led(1)).await;
    assert_eq!(client.leaders(), before, "nobody took over");
    assert!(client.named_ports().len() == 2, "it is not named any more");
    assert!(ground.clear(0).await >= 1, "a connection was cut");
    client.send_surely(led(2)).await;
    assert_eq!(client.named_ports(), ground.ports());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_lead_while_a_broker_is_down_and_give_back_what_they_led() {
    let down = fault("down", Some(2), broker_down(true));
    let mut ground = Ground::open(embedded(), vec![down]).await;
    let client = Client::new(&ground.bootstrap, 5000);
    let before = client.leaders();
    for partition in 0..3 {
        client.send_surely(partition).await;
    }
    ground.apply(0).await;
    for partition in 0..3 {
        client.send_surely(partition).await;
    }
    assert!(client.leaders().iter().all(|(_, leader)| [1, 3].contains(leader)), "{:?}", client.leaders());
    assert!(ground.clear(0).await >= 1);
    assert_eq!(client.leaders(), before);
    for partition in 0..3 {
        client.send_surely(partition).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_requests_are_answered_with_an_error_as_were_ordered() {
    let three = fault("three", None, errors("produce", "MSG_SIZE_TOO_LARGE", Some(3)));
    let all = fault("all", None, errors("produce", "MSG_SIZE_TOO_LARGE", None));
    let cut = fault("cut", None, errors("produce", "_TRANSPORT", Some(2)));
    let mut ground = Ground::open(embedded(), vec![three, all, cut]).await;
    let client = Client::new(&ground.bootstrap, 10_000);
    client.send(0).await.expect("nothing is wrong yet");

    ground.apply(0).await;
    for _ in 0..3 {
        let why = client.send(0).await.expect_err("an error");
        assert!(why.contains("MessageSizeTooLarge"), "{why}");
    }
    client.send(0).await.expect("the fourth is answered");
    assert_eq!(ground.clear(0).await, 3);

    ground.apply(1).await;
    for _ in 0..20 {
        client.send(0).await.expect_err("each is refused");
    }
    assert_eq!(ground.clear(1).await, 20);
    client.send(0).await.expect("over");

    // What is broken off is sent again.
    ground.apply(2).await;
    client.send(0).await.expect("in the end");
    assert_eq!(ground.clear(2).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_come_later_and_by_as_much_as_was_ordered() {
    const ADDED: Duration = Duration::from_millis(120);
    let slow = fault("slow", None, Inject::Kafka(KafkaFault::RoundTrip { add: ADDED }));
    let mut ground = Ground::open(embedded(), vec![slow]).await;
    let client = Client::new(&ground.bootstrap, 10_000);
    client.send(0).await.expect("acknowledged");
    ground.apply(0).await;
    for _ in 0..3 {
        let began = Instant::now();
        client.send(0).await.expect("acknowledged");
        assert!(began.elapsed() >= ADDED, "{:?}", began.elapsed());
    }
    assert!(ground.clear(0).await >= 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_has_no_leaders_and_has_them_again() {
    let gone = fault("gone", None, Inject::Kafka(KafkaFault::TopicUnavailable { topic: TOPIC.into() }));
    let mut ground = Ground::open(embedded(), vec![gone]).await;
    let client = Client::new(&ground.bootstrap, 700);
    let before = client.leaders();
    client.send_surely(0).await;
    ground.apply(0).await;
    assert!(client.send(0).await.is_err());
    assert!(ground.clear(0).await >= 1, "the client was told that there is no leader");
    assert_eq!(client.leaders(), before);
    client.send_surely(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_that_nobody_met_touched_nothing() {
    let all = fault("all", None, errors("produce", "REQUEST_TIMED_OUT", None));
    let mut ground = Ground::open(embedded(), vec![all, fault("down", None, broker_down(false))]).await;
    for fault in 0..2 {
        ground.apply(fault).await;
        assert_eq!(ground.clear(fault).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_to_live_ends_a_fault_that_nobody_ends() {
    let mut down = fault("down", None, broker_down(false));
    down.ttl = Duration::from_millis(100);
    let mut ground = Ground::open(embedded(), vec![down]).await;
    let client = Client::new(&ground.bootstrap, 5000);
    client.send_surely(0).await;
    ground.apply(0).await;
    let touched = ground.told().await;
    assert!(matches!(touched, Report::Touched { fault: 0, .. }), "{touched:?}");
    let report = ground.told().await;
    assert!(matches!(report, Report::Cleared { fault: 0, injected: 1.., .. }), "{report:?}");
    client.send_surely(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_lease_breaks_nothing_stays_broken() {
    let faults = vec![
        fault("down", Some(1), broker_down(false)),
        fault("errors", None, errors("produce", "MSG_SIZE_TOO_LARGE", None)),
        fault("slow", Some(3), Inject::Kafka(KafkaFault::RoundTrip { add: LONG })),
        fault("gone", None, Inject::Kafka(KafkaFault::TopicUnavailable { topic: TOPIC.into() })),
    ];
    let mut ground = Ground::open(embedded(), faults).await;
    let client = Client::new(&ground.bootstrap, 2000);
    let before = client.leaders();
    for fault in 0..4 {
        ground.apply(fault).await;
    }
    client.send(0).await.expect_err("all is broken");
    let Ground { stage, .. } = ground;
    drop(stage); // as the run's death does
    for partition in 0..3 {
        client.send_surely(partition).await;
    }
    assert_eq!(client.leaders(), before);
}
