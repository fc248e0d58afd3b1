//! The proxy, in front of clusters that somebody else runs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proofload::base::law::Law;
use proofload::scenario::{Inject, Stream, Toxic};
use proofload::stage::client::Report;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::ground::{Client, Ground, LONG, TOPIC, broker_down, consume, fault, real};

fn somebody_elses() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(3).expect("opens");
    cluster.create_topic(TOPIC, 3, 3).expect("made");
    for partition in 0..3 {
        cluster.partition_leader(TOPIC, partition, Some(1 + partition)).expect("led");
    }
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_cannot_be_reached_past_its_proxy() {
    let cluster = somebody_elses();
    let bootstrap = cluster.bootstrap_servers();
    // One broker is enough to find the others by.
    let one = bootstrap.split(',').next().expect("three");
    let ground = Ground::open(real(one), Vec::new()).await;
    assert_eq!(ground.ports().len(), 3, "each broker has an address of its own: {}", ground.bootstrap);
    let first = ground.bootstrap.split(',').next().expect("three").to_owned();
    let client = Client::new(&first, 10_000);
    for n in 0..30 {
        client.send(n % 3).await.expect("acknowledged");
    }
    // Who asks a broker that does not lead is told who does, in the reply itself: the leader moves under the client's feet.
    for partition in 0..3 {
        cluster.partition_leader(TOPIC, partition, Some(1 + (partition + 1) % 3)).expect("moved");
        client.send(partition).await.expect("acknowledged");
    }
    let consumer = tokio::task::spawn_blocking(move || consume(&first, 33)).await.expect("reads");
    assert_eq!(client.named_ports(), ground.ports());
    for account in [&client.account, &consumer] {
        assert!(!account.ports().is_empty() && account.ports().is_subset(&ground.ports()), "{:?}", account.ports());
    }
    let theirs: BTreeSet<u16> = bootstrap.split(',').filter_map(|a| a.rsplit_once(':')?.1.parse().ok()).collect();
    assert!(theirs.is_disjoint(&ground.ports()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn toxics_strike_the_way_to_one_broker_or_to_all() {
    const LATER: Duration = Duration::from_millis(100);
    let link = |toxic| Inject::Link(toxic, Stream::Downstream);
    let late = fault("late", Some(1), link(Toxic::Latency { law: Law::Fixed(LATER) }));
    let reset = fault("reset", None, link(Toxic::ResetPeer { timeout: Duration::ZERO }));
    let down = fault("down", Some(1), broker_down(false));
    let cluster = somebody_elses();
    let mut ground = Ground::open(real(&cluster.bootstrap_servers()), vec![late, reset, down]).await;
    let client = Client::new(&ground.bootstrap, 5000);
    let leaders = client.leaders();
    let led = |broker: i32| leaders.iter().find(|(_, leader)| *leader == broker).expect("each leads one").0;
    for partition in 0..3 {
        client.send_surely(partition).await;
    }

    ground.apply(0).await;
    let began = Instant::now();
    client.send(led(1)).await.expect("acknowledged");
    assert!(began.elapsed() >= LATER, "{:?}", began.elapsed());
    assert!(ground.clear(0).await >= 1);

    ground.apply(1).await;
    let sending = async {
        // Whoever is reset comes again, and is reset again, for as long as it lasts.
        tokio::time::timeout(Duration::from_millis(300), client.send_surely(led(2))).await
    };
    assert!(sending.await.is_err(), "nothing gets through");
    assert!(ground.clear(1).await >= 1);
    client.send_surely(led(2)).await;

    client.send_surely(led(1)).await;
    ground.apply(2).await;
    let sending = tokio::time::timeout(Duration::from_millis(300), client.send_surely(led(1)));
    assert!(sending.await.is_err(), "the only way to it is shut");
    client.send_surely(led(3)).await;
    assert!(ground.clear(2).await >= 1);
    client.send_surely(led(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_refused_aloud() {
    let cluster = somebody_elses();
    let mut ground = Ground::open(real(&cluster.bootstrap_servers()), Vec::new()).await;
    let place = ground.bootstrap.split(',').next().expect("three").to_owned();
    for (bytes, why) in [
        (&[0, 0, 0, 8, 3, 231, 0, 0, 0, 0, 0, 1][..], "a request of API 999"),
        (&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0][..], "speaks TLS"),
    ] {
        let mut stream = TcpStream::connect(&place).await.expect("listens");
        stream.write_all(bytes).await.expect("taken");
        let mut reply = [0; 16];
        assert!(!matches!(stream.read(&mut reply).await, Ok(1..)), "nobody answers");
        let Report::Failed { fault: None, why: said } = ground.told().await else { panic!("it says why") };
        assert!(said.contains(why) && said.contains("trading"), "{said}");
    }
}

/// A broker that answers every request for metadata (version 1) with these brokers, and to anything else with nothing.
async fn names(brokers: Vec<(i32, String, u16)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let place = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let brokers = brokers.clone();
            tokio::spawn(async move {
                let mut size = [0; 4];
                while stream.read_exact(&mut size).await.is_ok() {
                    let mut request = vec![0; u32::from_be_bytes(size) as usize];
                    stream.read_exact(&mut request).await.expect("whole");
                    let mut reply = request[4..8].to_vec();
                    reply.extend((brokers.len() as i32).to_be_bytes());
                    for (node, host, port) in &brokers {
                        reply.extend(node.to_be_bytes());
                        reply.extend((host.len() as i16).to_be_bytes());
                        reply.extend(host.as_bytes());
                        reply.extend(i32::from(*port).to_be_bytes());
                        reply.extend((-1_i16).to_be_bytes());
                    }
                    reply.extend(1_i32.to_be_bytes());
                    reply.extend(0_i32.to_be_bytes());
                    stream.write_all(&(reply.len() as u32).to_be_bytes()).await.expect("sent");
                    stream.write_all(&reply).await.expect("sent");
                }
            });
        }
    });
    place
}

const ASK: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 9, 255, 255, 255, 255, 255, 255];

/// What a client is told of brokers: their ports; nothing where the connection ends.
async fn asked(place: &str) -> Option<Vec<u16>> {
    let mut stream = TcpStream::connect(place).await.ok()?;
    stream.write_all(&ASK).await.ok()?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).await.ok()?;
    let mut reply = vec![0; u32::from_be_bytes(size) as usize];
    stream.read_exact(&mut reply).await.ok()?;
    let (mut at, mut ports) = (8, Vec::new());
    for _ in 0..u32::from_be_bytes(reply[4..8].try_into().expect("four")) {
        let host = usize::from(u16::from_be_bytes(reply[at + 4..at + 6].try_into().expect("two")));
        assert_eq!(&reply[at + 6..at + 6 + host], b"127.0.0.1");
        at += 6 + host;
        ports.push(u16::from_be_bytes(reply[at + 2..at + 4].try_into().expect("two")));
        at += 6;
    }
    Some(ports)
}

#[tokio::test]
async fn a_broker_that_appears_later_is_found_behind_the_proxy_too() {
    let newcomer = names(Vec::new()).await;
    let port = newcomer.rsplit_once(':').expect("a port").1.parse().expect("a number");
    // It is not asked beforehand, as one that wants to know who asks is not.
    let old = names(vec![(1, "127.0.0.1".into(), port)]).await;
    let mut config = real(&old);
    if let proofload::stage::config::ClusterConfig::Real { asks, .. } = &mut config.cluster {
        *asks = false;
    }
    let ground = Ground::open(config, Vec::new()).await;
    assert_eq!(ground.ports().len(), 1);
    let told = asked(&ground.bootstrap).await.expect("an answer");
    assert!(told.len() == 1 && told[0] != port && !ground.ports().contains(&told[0]), "{told:?}");
    assert_eq!(asked(&ground.bootstrap).await, Some(told.clone()), "and always the same");
    let through = async {
        loop {
            // The newcomer itself answers there: with no brokers.
            match asked(&format!("127.0.0.1:{}", told[0])).await {
                Some(none) => return none,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    assert_eq!(tokio::time::timeout(LONG, through).await.expect("it listens"), Vec::<u16>::new());
}

#[tokio::test]
async fn a_broker_on_a_host_that_nobody_allowed_is_not_named_to_anybody() {
    let elsewhere = names(vec![(7, "10.9.8.7".into(), 9092)]).await;
    let refused = Ground::try_open(real(&elsewhere), Vec::new()).await.map(|g| g.bootstrap);
    let why = refused.expect_err("it is not this machine").to_string();
    assert!(why.contains("--allow-host 10.9.8.7") && why.contains("trading"), "{why}");

    let mut config = real(&elsewhere);
    if let proofload::stage::config::ClusterConfig::Real { asks, .. } = &mut config.cluster {
        *asks = false;
    }
    let mut ground = Ground::open(config, Vec::new()).await;
    assert_eq!(asked(&ground.bootstrap).await, None, "the connection ends");
    let Report::Failed { fault: None, why } = ground.told().await else { panic!("it says why") };
    assert!(why.contains("--allow-host 10.9.8.7") && why.contains("broker 7"), "{why}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_told_before_anything_begins() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound").to_string();
    let why = Ground::try_open(real(&free), Vec::new()).await.map(|g| g.bootstrap).expect_err("nobody").to_string();
    assert!(why.contains("no broker answers") && why.contains(&free), "{why}");
}
