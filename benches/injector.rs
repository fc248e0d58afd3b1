//! How closely a stub's injected delays keep to what was declared, at 1 000 and 5 000 requests a second, what the injector
//! costs when no fault is on, and how long a fault takes to begin and to end beside such a load. Run with
//! `cargo bench --bench injector`, on a machine that does nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofload::base::law::Law;
use proofload::base::time::{Clock, Offset, monotonic};
use proofload::base::units::Share;
use proofload::scenario::{HttpFault, Inject, Match, When};
use proofload::stage::client::Stage;
use proofload::stage::config::{Config, FaultConfig, LINGER, Subject, UpstreamConfig};
use proofload::stage::serve::serve;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SECONDS: u64 = 5;

fn main() {
    // The stage has threads of its own, as it has a process of its own in a run.
    let runtime = |threads| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime")
    };
    let (stage_runtime, client_runtime) = (runtime(1), runtime(1));
    let law = Law::Quantiles(vec![(0.5, Duration::from_millis(50)), (0.99, Duration::from_millis(120))]);
    let ((hear, say), (orders, reports)) = {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        (tokio::io::split(ours), tokio::io::split(theirs))
    };
    stage_runtime.spawn(serve(orders, reports));
    client_runtime.block_on(async {
        let config = config(law.clone());
        let clock = Clock::with_zero(config.zero);
        let mut stage = Stage::over(hear, say, &config).await.expect("opens");
        let place = stage.upstreams()[0].1.trim_start_matches("http://").to_owned();
        println!("{:<28}{:>12}{:>12}{:>12}", "", "p50", "p99", "replies");
        let row = |name: &str, times: &[u64]| {
            println!("{name:<28}{:>12}{:>12}{:>12}", ms(at(times, 0.5)), ms(at(times, 0.99)), times.len());
        };
        for rate in [1_000, 5_000] {
            let idle = load(&place, rate).await;
            row(&format!("idle, {rate}/s"), &idle);
            stage.apply(0).await.expect("applied");
            let delayed = load(&place, rate).await;
            stage.clear(0).await.expect("cleared");
            row(&format!("delayed, {rate}/s"), &delayed);
            let declared = [0.5, 0.99].map(|q| law.at(q).as_nanos() as u64);
            let off = |i: usize, q| at(&delayed, q) as f64 - declared[i] as f64;
            println!("{:<28}{:>12}{:>12}", "  declared", ms(declared[0]), ms(declared[1]));
            println!("{:<28}{:>12}{:>12}", "  observed − declared", signed(off(0, 0.5)), signed(off(1, 0.99)));
            // How long it takes from being told until it is effective, beside that load.
            let ((mut begin, mut end), _) = tokio::join!(control(&mut stage, &clock), load(&place, rate));
            begin.sort_unstable();
            end.sort_unstable();
            row(&format!("told to begin, {rate}/s"), &begin);
            row(&format!("told to end, {rate}/s"), &end);
        }
        stage.close().await.expect("closes");
    });
}

/// Lets the fault begin and end again and again; how long each took, from being told until it was effective, in nanoseconds.
async fn control(stage: &mut Stage, clock: &Clock) -> (Vec<u64>, Vec<u64>) {
    let (mut begin, mut end) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        let told = clock.now();
        begin.push(stage.apply(0).await.expect("applied").nanos_since(told));
        tokio::time::sleep(Duration::from_millis(2)).await;
        let told = clock.now();
        end.push(stage.clear(0).await.expect("cleared").at.nanos_since(told));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    (begin, end)
}

/// One stub without delay of its own, and one fault.
fn config(law: Law) -> Config {
    Config {
        kafka: Vec::new(),
        zero: Clock::starting_in(Duration::ZERO).zero(),
        seed: 7,
        run: "bench".into(),
        upstreams: vec![UpstreamConfig {
            name: "jupiter".into(),
            like: Some("jupiter".into()),
            listen: None,
            latency: Law::Fixed(Duration::ZERO),
            success: 1_000_000_000,
            rate_limit: None,
            replies: Vec::new(),
            forward: None,
            tls: None,
        }],
        links: Vec::new(),
        faults: vec![FaultConfig {
            name: "late".into(),
            on: Subject::Upstream("jupiter".into()),
            inject: Inject::Http(HttpFault::Latency { law, replace: false }),
            share: Share::ALL,
            ramp: None,
            matching: Match::default(),
            when: When::Always,
            mark: false,
            ttl: Duration::from_secs(3600),
        }],
        allow_hosts: Vec::new(),
        touches: None,
        undo: None,
        linger: LINGER,
    }
}

/// Times from sent to whole reply, in nanoseconds, in order, of requests at an even rate on connections that are kept.
async fn load(place: &str, rate: u64) -> Vec<u64> {
    let clock = Clock::starting_in(Duration::from_millis(100));
    let times = Arc::new(Mutex::new(Vec::new()));
    // Each line asks every so-manieth time, and never before its last reply: enough of them for 200 ms replies.
    let lines = rate / 4;
    let mut tasks = Vec::new();
    for line in 0..lines {
        let mut stream = TcpStream::connect(place).await.expect("connects");
        stream.set_nodelay(true).expect("a socket");
        let times = times.clone();
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            for nth in (line..rate * SECONDS).step_by(lines as usize) {
                let due = Offset::from_nanos((nth * 1_000_000_000 / rate) as i64);
                tokio::time::sleep(clock.until(due)).await;
                let sent = monotonic();
                ask(&mut stream).await;
                mine.push(monotonic() - sent);
            }
            times.lock().expect("no panic").extend(mine);
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    let mut times = std::mem::take(&mut *times.lock().expect("no panic"));
    times.sort_unstable();
    times
}

async fn ask(stream: &mut TcpStream) {
    const REQUEST: &[u8] = b"GET /v6/quote?inputMint=A&outputMint=B&amount=1000 HTTP/1.1\r\nHost: stub\r\n\r\n";
    stream.write_all(REQUEST).await.expect("writes");
    let (mut reply, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut buffer).await.expect("reads");
        assert!(n > 0, "closed");
        reply.extend_from_slice(&buffer[..n]);
        let text = String::from_utf8_lossy(&reply);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        if length.is_some_and(|length: usize| body.len() >= length) {
            return;
        }
    }
}

fn at(times: &[u64], q: f64) -> u64 {
    times[((times.len() as f64 * q) as usize).min(times.len() - 1)]
}

fn ms(nanos: u64) -> String {
    format!("{:.3} ms", nanos as f64 / 1e6)
}

fn signed(nanos: f64) -> String {
    format!("{:+.3} ms", nanos / 1e6)
}
