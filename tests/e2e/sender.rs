//! The sender: closed loops, several workers, every precision.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::scene::{Scene, hold, scenario};
use crate::server::{Answer, QUOTE, Server, quote};

const SLO: &str = "  - expect: errors(q) < 5%\n";

#[test]
fn a_closed_loop_keeps_its_connections_busy_and_no_more() {
    let server = Server::new(|_| Answer::Late(Duration::from_millis(5), QUOTE.to_vec()));
    let target = format!("{{ url: {}, connections: 64 }}", server.url());
    let load = "{ saturate: { connections: 3, for: 1s } }";
    let scene = Scene::new(&scenario(&target, load, SLO));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    let traffic = &verdict["traffic"]["q"];
    let shots = traffic["shots"].as_u64().expect("a count");
    // Three loops, 5 ms a turn and more: never over 600 in a second, whatever the machine does.
    assert!((10..=600).contains(&shots), "{verdict}");
    assert_eq!((traffic["planned"].as_u64(), traffic["taken_up"].as_u64()), (Some(0), Some(0)), "{verdict}");
    let asked = server.heads().iter().filter(|head| head.contains("/quote")).count() as u64;
    assert_eq!(asked, shots, "every request is a shot");
    let traces: BTreeSet<String> = server.heads().iter().filter_map(|head| trace(head)).collect();
    assert_eq!(traces.len() as u64, shots, "and has a name of its own");
    // One more connection asks whether the target is there at all.
    assert!(server.connections() <= 3 + 1, "{} connections", server.connections());
    assert!(ran.out.contains("closed loop"), "{ran:?}");
}

#[test]
fn a_closed_loop_against_nobody_ends_and_fails() {
    let server = Server::new(|_| Answer::Reset);
    let target = format!("{{ url: {}, connections: 64 }}", server.url());
    let load = "{ saturate: { connections: 4, for: 1s } }";
    let scene = Scene::new(&scenario(&target, load, SLO));
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let shots = scene.verdict()["traffic"]["q"]["shots"].as_u64().expect("a count");
    assert!((4..=4_000).contains(&shots), "after a reset a loop rests for a millisecond: {shots}");
}

#[test]
fn workers_share_the_shots_and_every_one_is_sent_once() {
    for fitness in ["workers: 3", "workers: 2, precision: exact", "precision: eco"] {
        let server = Server::new(|_| quote());
        let yaml = scenario(&server.url(), &hold("300/s", "1s"), SLO);
        let scene = Scene::new(&yaml.replace("lag: 10s", &format!("lag: 10s, {fitness}")));
        let ran = scene.run(&[]);
        assert_eq!(ran.code, Some(0), "{fitness}: {ran:?}");
        let verdict = scene.verdict();
        let planned = verdict["traffic"]["q"]["planned"].as_u64().expect("a count");
        assert_eq!(verdict["traffic"]["q"]["taken_up"].as_u64(), Some(planned), "{fitness}: {verdict}");
        let traces: BTreeSet<String> = server.heads().iter().filter_map(|head| trace(head)).collect();
        assert_eq!(traces.len() as u64, planned, "{fitness}: each shot has a trace, and no two the same");
    }
}

fn trace(head: &str) -> Option<String> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("traceparent:"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
