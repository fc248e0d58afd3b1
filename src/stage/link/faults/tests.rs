use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::api::Api;
use super::super::links::Links;
use crate::base::httpd;
use crate::base::law::Law;
use crate::base::seed::Seed;
use crate::base::time::monotonic;
use crate::base::trace::TraceId;
use crate::base::units::Share;
use crate::evidence::touches::{self, Decision, Effect};
use crate::scenario::{self, Inject, Toxic};
use crate::stage::client::{Stage, StageError};
use crate::stage::config::{Config, FaultConfig, LeadConfig, LinkConfig, Subject, ToxiproxyConfig};
use crate::stage::protocol::Report;
use crate::stage::serve::serve;
use crate::stage::testing::{Line, QUOTE, config, lease, told};

const SOON: Duration = Duration::from_secs(5);

fn fault(name: &str, toxic: Toxic) -> FaultConfig {
    let inject = Inject::Link(toxic, scenario::Stream::Downstream);
    FaultConfig { name: name.into(), on: Subject::Link("db".into()), inject, ..config().faults[0].clone() }
}

fn late(ms: u64) -> Toxic {
    Toxic::Latency { law: Law::Fixed(Duration::from_millis(ms)) }
}

/// A link to `to` with faults.
fn linked(to: LeadConfig, faults: Vec<FaultConfig>) -> Config {
    let link = LinkConfig { name: "db".into(), listen: None, to, toxiproxy: None };
    Config { links: vec![link], faults, ..config() }
}

/// A stage in this process, held by a lease in memory.
async fn stage(config: &Config) -> (Stage, JoinHandle<()>) {
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let life = tokio::spawn(serve(orders, reports));
    (Stage::over(hear, say, config).await.expect("opens"), life)
}

/// A server that says everything back, and where it is.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

/// How long a byte takes there and back.
async fn ping(stream: &mut TcpStream) -> Option<Duration> {
    let begun = monotonic();
    stream.write_all(b"x").await.ok()?;
    timeout(SOON, stream.read_u8()).await.ok()?.ok()?;
    Some(Duration::from_nanos(monotonic() - begun))
}

/// A byte there and back on each, all at once; on how many it took half a second.
async fn pings(open: &mut Vec<TcpStream>) -> u64 {
    let mut asked = tokio::task::JoinSet::new();
    for mut stream in open.drain(..) {
        asked.spawn(async move { (ping(&mut stream).await.expect("passes"), stream) });
    }
    let mut slow = 0;
    while let Some(answered) = asked.join_next().await {
        let (took, stream) = answered.expect("no panic");
        slow += u64::from(took >= Duration::from_millis(500));
        open.push(stream);
    }
    slow
}

#[tokio::test]
async fn a_fault_acts_on_open_connections_and_what_it_touched_is_on_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("touches.stage.log");
    let mut faults = vec![fault("half", late(500))];
    faults[0].share = Share(500_000_000);
    let config = Config { touches: Some(path.clone()), ..linked(LeadConfig::Address(echo().await), faults) };
    let (mut stage, _life) = stage(&config).await;
    let place = stage.links()[0].1.clone();
    let mut open = Vec::new();
    for _ in 0..40 {
        let mut stream = TcpStream::connect(&place).await.expect("connects");
        ping(&mut stream).await.expect("passes");
        open.push(stream);
    }
    let applied = stage.apply(0).await.expect("applied");
    assert_eq!(stage.apply(0).await.expect("applied"), applied, "twice is once");
    let quiet = open.split_off(30);
    let slow = pings(&mut open).await + pings(&mut open).await;
    let Some(Report::Touched { fault: 0, at }) = told(&mut stage).await else { unreachable!("not touched") };
    let cleared = stage.clear(0).await.expect("cleared");
    assert!(applied <= at && at <= cleared.at);
    assert_eq!((cleared.eligible, cleared.injected * 2), (30, slow), "those that carried something");
    assert!((4..=26).contains(&cleared.injected), "{}", cleared.injected);
    assert_eq!(stage.clear(0).await.expect("cleared"), cleared, "twice is once");
    assert_eq!(pings(&mut open).await, 0, "over");

    let (records, torn) = touches::read::<Decision>(&path).expect("reads");
    let of = |effect| records.iter().filter(move |r| r.effect == effect).count() as u64;
    assert_eq!((records.len(), torn), (30, None), "one for each connection");
    assert_eq!((of(Effect::Injected), of(Effect::Spared)), (cleared.injected, 30 - cleared.injected));
    assert!(records.iter().all(|r| r.trace == TraceId([0; 16]) && r.fault == 0 && r.attempt < 30));

    // It comes back, and strikes the same connections.
    stage.apply(0).await.expect("applied");
    pings(&mut open).await;
    assert!(matches!(told(&mut stage).await, Some(Report::Touched { fault: 0, .. })), "told again");
    assert_eq!(stage.clear(0).await.expect("cleared").injected, cleared.injected);
    let again = touches::read::<Decision>(&path).expect("reads").0.split_off(30);
    let key = |d: &Decision| (d.attempt, d.effect == Effect::Injected);
    let sorted = |records: &[Decision]| {
        let mut keys: Vec<_> = records.iter().map(key).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!(sorted(&records), sorted(&again));
    drop(quiet);
}

#[tokio::test]
async fn a_link_to_an_upstream_leads_to_the_stub() {
    let config = linked(LeadConfig::Upstream("jupiter".into()), vec![fault("down", Toxic::Down)]);
    let (mut stage, _life) = stage(&config).await;
    let place = stage.links()[0].1.clone();
    let mut warm = Line::open(&place).await;
    assert_eq!(warm.ask(QUOTE).await, 200);
    stage.apply(0).await.expect("applied");
    assert_eq!(warm.answer_within(5000).await, Some(0), "closed");
    assert!(TcpStream::connect(&place).await.is_err(), "refused");
    assert!(matches!(told(&mut stage).await, Some(Report::Touched { .. })));
    let cleared = stage.clear(0).await.expect("cleared");
    assert_eq!((cleared.eligible, cleared.injected), (1, 1), "the one that was open");
    assert_eq!(Line::open(&place).await.ask(QUOTE).await, 200);
}

#[tokio::test]
async fn two_faults_that_hold_a_link_down_let_go_of_it_together() {
    let config = linked(LeadConfig::Address(echo().await), vec![fault("a", Toxic::Down), fault("b", Toxic::Down)]);
    let (mut stage, _life) = stage(&config).await;
    let place = stage.links()[0].1.clone();
    for fault in [0, 1] {
        stage.apply(fault).await.expect("applied");
    }
    stage.clear(0).await.expect("cleared");
    assert!(TcpStream::connect(&place).await.is_err(), "still down");
    stage.clear(1).await.expect("cleared");
    assert!(TcpStream::connect(&place).await.is_ok());
}

#[tokio::test]
async fn a_link_can_be_led_later() {
    let (mut stage, _life) = stage(&linked(LeadConfig::Later, vec![fault("late", late(1))])).await;
    stage.lead("db", &echo().await).await.expect("led");
    let mut stream = TcpStream::connect(&stage.links()[0].1).await.expect("connects");
    ping(&mut stream).await.expect("passes");
    assert!(stage.lead("none", "127.0.0.1:1").await.is_err_and(|e| e.to_string().contains("`none`")));
}

#[tokio::test]
async fn a_broken_lease_and_a_ttl_end_it() {
    let mut config = linked(
        LeadConfig::Address(echo().await),
        vec![fault("late", late(3_600_000)), fault("short", late(3_600_000))],
    );
    config.faults[1].ttl = Duration::from_millis(50);
    let (mut stage, _life) = stage(&config).await;
    let mut stream = TcpStream::connect(&stage.links()[0].1).await.expect("connects");
    stage.apply(1).await.expect("applied");
    let Some(Report::Cleared { fault: 1, .. }) = told(&mut stage).await else { unreachable!("not cleared") };
    // What is held is held for an hour: anything that comes at all was let go.
    timeout(SOON, ping(&mut stream)).await.expect("not late").expect("passes");
    stage.apply(0).await.expect("applied");
    stream.write_all(b"x").await.expect("writes");
    drop(stage);
    assert!(timeout(SOON, stream.read_u8()).await.is_ok(), "let go at once");
    timeout(SOON, ping(&mut stream)).await.expect("not late").expect("it goes on, cleanly");
}

/// Somebody else's toxiproxy server with the proxy `db`; its links, and where it answers.
async fn server(to: &str) -> (Arc<Links>, String) {
    let links = Arc::new(Links::new(Seed(1), &[]).expect("a timer"));
    links.create("db", "127.0.0.1:0", to, true).await.expect("opens");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    tokio::spawn(httpd::serve(listener, Arc::new(Api::new(links.clone()))));
    (links, address)
}

fn remote(server: &str, faults: Vec<FaultConfig>) -> Config {
    let mut config = linked(LeadConfig::Later, faults);
    config.links[0].toxiproxy = Some(ToxiproxyConfig { server: server.into(), proxy: "db".into() });
    config
}

#[tokio::test]
async fn an_existing_server_is_driven_and_left_clean() {
    let (links, address) = server(&echo().await).await;
    let theirs = links.get("db").expect("made");
    let config = remote(&address, vec![fault("late", late(500)), fault("down", Toxic::Down), fault("x", late(1))]);
    {
        let (mut crashed, _life) = stage(&config).await;
        crashed.apply(0).await.expect("applied");
        assert_eq!(theirs.toxics().len(), 1);
        // As if it had died without a chance to undo.
        let left = (*theirs.toxics()[0]).clone();
        crashed.clear(0).await.expect("cleared");
        assert!(theirs.toxics().is_empty());
        links.add(&theirs, left).expect("added");
    }
    let (mut stage, life) = stage(&config).await;
    assert!(theirs.toxics().is_empty(), "what an earlier run left is taken away");

    // By the stage's own link before it, what is touched is counted exactly.
    let mut stream = TcpStream::connect(&stage.links()[0].1).await.expect("connects");
    ping(&mut stream).await.expect("passes");
    stage.apply(0).await.expect("applied");
    assert!(ping(&mut stream).await.expect("passes") >= Duration::from_millis(500));
    assert!(matches!(told(&mut stage).await, Some(Report::Touched { fault: 0, .. })));
    let cleared = stage.clear(0).await.expect("cleared");
    assert_eq!((cleared.eligible, cleared.injected), (1, 1));
    assert!(theirs.toxics().is_empty(), "and nothing holds what comes from now on");
    ping(&mut stream).await.expect("passes");

    // Who goes there directly is known by the server's own counters alone.
    let mut direct = TcpStream::connect(theirs.face().listen).await.expect("connects");
    stage.apply(0).await.expect("applied");
    ping(&mut direct).await.expect("passes");
    assert_eq!(stage.clear(0).await.expect("cleared").injected, 1);
    stage.apply(0).await.expect("applied");
    assert_eq!(stage.clear(0).await.expect("cleared").injected, 0, "nothing passed");

    stage.apply(1).await.expect("applied");
    assert!(!theirs.face().enabled);
    stage.clear(1).await.expect("cleared");
    assert!(theirs.face().enabled);

    for fault in [0, 1] {
        stage.apply(fault).await.expect("applied");
    }
    drop(stage);
    let clean = async {
        while !theirs.toxics().is_empty() || !theirs.face().enabled {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, clean).await.expect("a broken lease undoes it");
    life.abort();
}

#[tokio::test]
async fn a_server_that_has_not_what_is_needed_says_so() {
    let (links, address) = server("127.0.0.1:1").await;
    let mut config = remote(&address, vec![fault("late", late(1))]);
    let refusal = async |config: &Config| {
        let ((orders, reports), (hear, say)) = lease(1 << 16);
        tokio::spawn(serve(orders, reports));
        Stage::over(hear, say, config).await.map(|s| s.pid()).expect_err("refused").to_string()
    };
    let (mut stage, _life) = stage(&config).await;
    stage.apply(0).await.expect("applied");
    links.remove("db").await.expect("removed");
    stage.clear(0).await.expect("that it is gone is fine");
    assert!(matches!(stage.apply(0).await, Err(StageError::Refused(why)) if why.contains("404")));
    assert!(refusal(&config).await.contains("has no proxy `db`"));
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound").to_string();
    config.links[0].toxiproxy = Some(ToxiproxyConfig { server: free.clone(), proxy: "db".into() });
    assert!(refusal(&config).await.contains(&format!("at {free} does not answer")));
}
