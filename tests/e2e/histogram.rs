//! `histogram`: what a run's folder says of how its times are distributed.

use crate::scene::{Scene, hold, scenario, verdict};
use crate::server::{Server, quote, status};

/// The lines of an .hgrm before its footer: value in ms, percentile, total.
fn lines(hgrm: &str) -> Vec<[f64; 3]> {
    let rows = hgrm.lines().skip(2).take_while(|line| !line.starts_with('#'));
    rows.map(|row| {
        let mut words = row.split_whitespace().map(|word| word.parse().expect("a number"));
        [(); 3].map(|()| words.next().expect("three numbers"))
    })
    .collect()
}

#[test]
fn it_says_what_the_verdict_says_and_merges_runs_without_loss() {
    let server = Server::new(|r| if r.nth.is_multiple_of(5) { status(500) } else { quote() });
    let load = format!("{{ warm_up: {{ at: 50/s, for: 1s }} }}, {}", hold("100/s", "2s"));
    let yaml = scenario(&server.url(), &load, "  - expect: errors(q) < 90%\n");
    let scene = Scene::new(&yaml);
    assert_eq!((scene.run(&[]).code, scene.run(&[]).code), (Some(0), Some(0)));
    let runs = scene.runs();
    let [one, other] = [0, 1].map(|n: usize| runs[n].to_str().expect("text"));

    let hgrm = scene.ask(&["histogram", one, "--hgrm"]);
    assert_eq!(hgrm.code, Some(0), "{hgrm:?}");
    let found = lines(&hgrm.out);
    let verdict = verdict(&runs[0]);
    let response = &verdict["traffic"]["q"]["clocks"]["response"];
    let ms = |key: &str| (response[key].as_f64().expect("a length") * 1e6).round() / 1e3;
    let at = |q: f64| found.iter().find(|line| line[1] == q).map(|line| line[0]);
    assert_eq!(at(0.5), Some(ms("p50")), "{found:?}");
    assert_eq!(found.last().map(|line| (line[0], line[2])), Some((ms("max"), 200.0)));

    let total = |args: &[&str]| {
        let hgrm = scene.ask(&[&["histogram", "--hgrm"], args].concat());
        assert_eq!(hgrm.code, Some(0), "{args:?}: {hgrm:?}");
        lines(&hgrm.out).last().map(|line| line[2])
    };
    assert_eq!(total(&[one, "--window", "whole"]), Some(250.0), "with the warm-up");
    assert_eq!(total(&[one, other]), Some(400.0));
    let (ok, failed) = (total(&[one, "--outcome", "ok"]), total(&[one, "--outcome", "failed"]));
    assert_eq!(ok.zip(failed).map(|(ok, failed)| ok + failed), Some(200.0), "{ok:?} {failed:?}");
    assert_eq!(total(&[one, "--clock", "lag"]), Some(200.0));

    let table = scene.ask(&["histogram", one, other]);
    assert_eq!(table.code, Some(0), "{table:?}");
    let title = "q, in the measured phase: response of 400 shots, 2 runs\n";
    assert!(table.out.starts_with(title) && table.out.contains("\n     100 %"), "{}", table.out);
    assert!(table.out.contains("failed shots that took less"), "failing fast does not look fast: {}", table.out);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), "  - expect: errors(q) < 5%\n"));
    assert_eq!(scene.run(&[]).code, Some(0));
    let evidence = scene.evidence();
    let dir = evidence.to_str().expect("text");
    for (args, code, said) in [
        (&["--traffic", "quote"][..], 2, "no such traffic; known: q"),
        (&["--class", "fats"], 2, "no such class; did you mean `fast`?"),
        (&["--clock", "reply"], 2, "first_byte"),
        (&["--class", "slow"], 3, "no shots"),
        (&["--outcome", "failed"], 3, "no shots"),
        (&["nowhere"], 2, "manifest.json"),
    ] {
        let asked = scene.ask(&[&["histogram", dir], args].concat());
        assert_eq!((asked.code, asked.err.contains(said)), (Some(code), true), "{args:?}: {asked:?}");
    }
}

#[test]
fn closed_loops_are_shown_by_themselves() {
    let server = Server::new(|_| quote());
    let load = format!("{}, {{ saturate: {{ connections: 2, for: 1s }} }}", hold("100/s", "1s"));
    let scene = Scene::new(&scenario(&server.url(), &load, "  - expect: errors(q) < 5%\n"));
    assert_eq!(scene.run(&[]).code, Some(0));
    let evidence = scene.evidence();
    let dir = evidence.to_str().expect("text");
    let looped = verdict(&evidence)["traffic"]["q"]["closed_loops"][0]["shots"].as_f64().expect("a count");
    let total =
        |window: &str| lines(&scene.ask(&["histogram", dir, "--hgrm", "--window", window]).out).last().map(|l| l[2]);
    assert_eq!((total("measured"), total("saturate")), (Some(100.0), Some(looped)));
    let both = scene.ask(&["histogram", dir]);
    let [planned, closed] = ["q, in the measured phase: response of 100 shots\n", "\nq, in closed loops: response of "];
    assert!(both.out.contains(planned) && both.out.contains(closed), "{both:?}");
    let undecided = scene.ask(&["histogram", dir, "--hgrm"]);
    assert_eq!((undecided.code, undecided.err.contains("--window")), (Some(2), true), "{undecided:?}");
    assert_eq!(scene.ask(&["histogram", dir, "--clock", "lag", "--window", "saturate"]).code, Some(3));
}
