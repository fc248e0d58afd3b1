//! How late shots leave, beside a loop that does nothing but sleep until each due time. Prints the ratio.
//!
//! `cargo bench --bench lag`

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proofload::base::httpd::{self, Answer, Handler, Request, Response};
use proofload::base::net::Address;
use proofload::base::time::{Clock, Offset};
use proofload::base::trace::Tracer;
use proofload::evidence::counters::Counters;
use proofload::evidence::tally::Tally;
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings};
use proofload::traffic::{self, Setup};
use tokio::sync::{mpsc, watch};

/// Answers at once.
struct Idle;

impl Handler for Idle {
    async fn handle(&self, _: Request) -> Answer {
        Response::new(200, "application/json", "{\"outAmount\":\"1\"}").into()
    }
}

fn main() {
    println!("{:>8}  {:>22}  {:>22}  {:>13}", "rate", "bare loop p50 / p99", "shots p50 / p99", "ratio of p99");
    for rate in [1_000, 5_000] {
        let (bare, ours) = (bare(rate), ours(rate));
        let us = |t: &Tally, q| t.quantile(q).unwrap_or_default().as_secs_f64() * 1e6;
        println!(
            "{rate:>6}/s  {:>9.1} / {:>7.1} µs  {:>9.1} / {:>7.1} µs  {:>13.2}",
            us(&bare, 0.5),
            us(&bare, 0.99),
            us(&ours, 0.5),
            us(&ours, 0.99),
            us(&ours, 0.99) / us(&bare, 0.99)
        );
    }
}

/// A thread that sleeps until each due time of the same plan.
fn bare(rate: u64) -> Tally {
    let plan = Plan::new(&load(rate));
    let clock = Clock::starting_in(Duration::from_millis(50));
    let mut lag = Tally::default();
    for shot in plan.traffic[0].shots() {
        let wait = clock.until(shot.due);
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        lag.record(clock.now().since(shot.due));
    }
    lag
}

fn ours(rate: u64) -> Tally {
    let scenario = Arc::new(load(rate));
    let plan = Arc::new(Plan::new(&scenario));
    let (address_out, address_in) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            address_out.send(listener.local_addr().expect("bound").port()).expect("somebody listens");
            httpd::serve(listener, Arc::new(Idle)).await;
        });
    });
    let port = address_in.recv().expect("the server starts");
    let (reports, mut reports_in) = mpsc::unbounded_channel();
    let (_stop, stop) = watch::channel(false);
    let address = Address::http("127.0.0.1", port);
    let sender = traffic::spawn(Setup {
        tracer: Tracer::new(scenario.seed, "bench"),
        plan,
        services: vec![("target".into(), address)],
        secrets: Vec::new(),
        clock: Clock::starting_in(Duration::from_millis(50)),
        connections: 64,
        counters: Arc::new(Counters::new(1)),
        workers: 1,
        reports,
        stop,
        scenario,
    })
    .expect("a thread");
    let mut lag = Tally::default();
    while let Some(batch) = reports_in.blocking_recv() {
        for reply in batch.replies.iter().filter(|r| r.due > Offset::from_millis(500)) {
            lag.record(reply.lag());
        }
    }
    sender.join().expect("no panic").expect("no error");
    lag
}

fn load(rate: u64) -> Scenario {
    let text = format!(
        "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  x:\n    flow: {{ steps: [ {{ get: / }} ] }}\n    arrivals: even\n    load: [ {{ hold: {{ at: {rate}/s, for: 5s }} }} ]\n"
    );
    let settings = Settings {
        overrides: &[],
        time_scale: 1,
        allow_hosts: None,
        env: &|_| None,
        files: &|_| Err(std::io::ErrorKind::NotFound.into()),
        default_name: "bench",
    };
    scenario::read("bench", &text, &settings).expect("a valid scenario")
}
