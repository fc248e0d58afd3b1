use super::*;
use crate::stage::client::Stage;
use crate::stage::config::{LeadConfig, LinkConfig};
use crate::stage::testing::{Line, QUOTE, config, lease, told};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A stage in this process, held by a lease in memory.
async fn stage(config: &Config) -> (Stage, JoinHandle<()>) {
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let life = tokio::spawn(serve(orders, reports));
    (Stage::over(hear, say, config).await.expect("opens"), life)
}

fn url(stage: &Stage) -> String {
    stage.upstreams()[0].1.clone()
}

#[tokio::test]
async fn a_warm_connection_is_struck_and_let_go() {
    let (mut stage, _life) = stage(&config()).await;
    let mut line = Line::open(&url(&stage)).await;
    assert_eq!([line.ask(QUOTE).await, line.ask("/nothing").await], [200, 404]);
    let applied = stage.apply(0).await.expect("applied");
    line.send(QUOTE).await;
    let Some(Report::Touched { fault: 0, at }) = told(&mut stage).await else { unreachable!("not touched") };
    assert!(at >= applied);
    assert_eq!(line.answer_within(30).await, None, "accepted, not answered");
    let cleared = stage.clear(0).await.expect("cleared");
    assert!(cleared.at >= at);
    assert_eq!((cleared.eligible, cleared.injected), (1, 1));
    assert_eq!(line.answer_within(5000).await, Some(0), "closed");
    assert_eq!(Line::open(&url(&stage)).await.ask(QUOTE).await, 200);
    assert_eq!(stage.clear(0).await.expect("cleared"), cleared, "twice is once");
}

#[tokio::test]
async fn a_broken_lease_ends_every_fault_and_stubs_go_on_for_a_while() {
    let (mut stage, life) = stage(&Config { linger: Duration::from_millis(400), ..config() }).await;
    let url = url(&stage);
    stage.apply(0).await.expect("applied");
    let mut line = Line::open(&url).await;
    line.send(QUOTE).await;
    assert_eq!(line.answer_within(30).await, None);
    drop(stage);
    assert_eq!(line.answer_within(5000).await, Some(0), "let go at once");
    assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200, "and answers cleanly");
    timeout(Duration::from_secs(5), life).await.expect("lingers no longer").expect("in order");
    assert!(tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.is_err());
}

#[tokio::test]
async fn an_orderly_close_does_not_linger() {
    let (mut stage, life) = stage(&config()).await;
    stage.apply(0).await.expect("applied");
    stage.close().await.expect("closed");
    timeout(Duration::from_secs(5), life).await.expect("gone at once").expect("in order");
}

#[tokio::test]
async fn the_ttl_ends_a_fault_without_an_order() {
    let mut config = config();
    config.faults[0].ttl = Duration::from_millis(40);
    let (mut stage, _life) = stage(&config).await;
    let applied = stage.apply(0).await.expect("applied");
    let mut line = Line::open(&url(&stage)).await;
    line.send(QUOTE).await;
    assert!(matches!(told(&mut stage).await, Some(Report::Touched { .. })));
    let Some(Report::Cleared { at, injected: 1, .. }) = told(&mut stage).await else { unreachable!("not cleared") };
    assert!(at >= applied + Duration::from_millis(40));
    assert_eq!(line.answer_within(5000).await, Some(0), "let go");
}

#[tokio::test]
async fn a_run_that_does_not_listen_keeps_no_fault_alive() {
    // Room for one report and no more: the stage's writing stalls.
    let mut config = config();
    config.faults[0].ttl = Duration::from_millis(40);
    let ((orders, reports), (_deaf, mut say)) = lease(1);
    let _life = tokio::spawn(serve(orders, reports));
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = free.local_addr().expect("bound").to_string();
    drop(free);
    config.upstreams[0].listen = Some(address.clone());
    for order in [Order::Open(Box::new(config)), Order::Apply { fault: 0 }, Order::Apply { fault: 0 }] {
        protocol::write(&mut say, &order).await.expect("orders");
    }
    protocol::write(&mut say, &Order::Apply { fault: 0 }).await.expect("orders");
    sleep(Duration::from_millis(100)).await;
    assert_eq!(Line::open(&address).await.ask(QUOTE).await, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut config = config();
    config.upstreams[0].listen = Some(address.clone());
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let life = tokio::spawn(serve(orders, reports));
    let refused = Stage::over(hear, say, &config).await.map(|s| s.pid());
    let why = refused.expect_err("the port is taken").to_string();
    assert!(why.contains(&address) && why.contains("upstream `jupiter`") && why.contains("change `listen`"), "{why}");
    timeout(Duration::from_secs(5), life).await.expect("nothing to linger for").expect("in order");
}

#[tokio::test]
async fn a_record_that_cannot_be_written_is_said_before_the_run() {
    let config = Config { touches: Some("/no/such/folder/touches.stage.log".into()), ..config() };
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let _life = tokio::spawn(serve(orders, reports));
    let refused = Stage::over(hear, say, &config).await.map(|s| s.pid());
    assert!(refused.expect_err("no folder").to_string().contains("/no/such/folder"));
}

#[tokio::test]
async fn nonsense_is_answered_and_survived() {
    let ((orders, reports), (hear, mut say)) = lease(1 << 16);
    let life = tokio::spawn(serve(orders, reports));
    let mut lines = Lines::new(hear);
    say.write_all(b"hello\n\xff\xfe\n{\"open\":{}}\n{\"apply\":{\"fault\":9}}\n").await.expect("writes");
    for about in [None, None, None, Some(9)] {
        let Some(Ok(Report::Failed { fault, .. })) = lines.next().await else { unreachable!("not refused") };
        assert_eq!(fault, about);
    }
    protocol::write(&mut say, &Order::Open(Box::new(config()))).await.expect("writes");
    assert!(matches!(lines.next().await, Some(Ok(Report::Ready { .. }))));
    protocol::write(&mut say, &Order::Open(Box::new(config()))).await.expect("writes");
    assert!(matches!(lines.next().await, Some(Ok(Report::Failed { fault: None, .. }))));
    for fault in [5, usize::MAX] {
        protocol::write(&mut say, &Order::Apply { fault }).await.expect("writes");
        assert!(matches!(lines.next().await, Some(Ok(Report::Calls { .. }))));
        assert!(matches!(lines.next().await, Some(Ok(Report::Failed { fault: Some(f), .. })) if f == fault));
    }
    protocol::write(&mut say, &Order::Close).await.expect("writes");
    timeout(Duration::from_secs(5), life).await.expect("ends").expect("without a panic");
}

#[tokio::test]
async fn links_pass_traffic_on() {
    let target = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let to = target.local_addr().expect("bound").to_string();
    let (stage, _life) = stage(&Config {
        links: vec![LinkConfig { name: "db".into(), listen: None, to: LeadConfig::Address(to), toxiproxy: None }],
        ..config()
    })
    .await;
    let (name, address) = &stage.links()[0];
    assert_eq!(name, "db");
    let mut client = tokio::net::TcpStream::connect(address).await.expect("connects");
    client.write_all(b"ping").await.expect("writes");
    let (mut server, _) = target.accept().await.expect("a client");
    let mut heard = [0; 4];
    server.read_exact(&mut heard).await.expect("reads");
    assert_eq!(&heard, b"ping");
}

/// However much the stubs have to do, an order is obeyed: sixty-four connections that ask all the time do not keep faults
/// from beginning and ending, and what is told of each beginning and end is in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_obeyed_beside_a_load_that_never_rests() {
    let mut config = config();
    config.faults[0].inject = crate::scenario::Inject::Http(crate::scenario::HttpFault::Status {
        code: 503,
        headers: Vec::new(),
        body: None,
    });
    let (mut stage, _life) = stage(&config).await;
    let url = url(&stage);
    let load: Vec<JoinHandle<[u64; 2]>> = (0..64)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let (mut line, mut seen) = (Line::open(&url).await, [0, 0]);
                loop {
                    let status = line.ask(QUOTE).await;
                    seen[usize::from(status == 503)] += 1;
                    // As long as it takes to have seen both.
                    if seen.iter().all(|n| *n >= 20) {
                        return seen;
                    }
                }
            })
        })
        .collect();
    let mut last = None;
    while !load.iter().all(JoinHandle::is_finished) {
        let begun = timeout(Duration::from_secs(5), stage.apply(0)).await.expect("obeyed").expect("applied");
        sleep(Duration::from_millis(5)).await;
        let over = timeout(Duration::from_secs(5), stage.clear(0)).await.expect("obeyed").expect("cleared");
        assert!(last <= Some(begun) && begun <= over.at, "{last:?}, {begun:?}, {:?}", over.at);
        assert!(over.injected <= over.eligible);
        last = Some(over.at);
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200, "nothing is left of it");
}
