//! What is refused before anything is sent, and what stops a run before its load.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::scene::{Going, PROGRAM, Scene, Turn, hold, scenario};
use crate::server::{Server, quote};

const SLO: &str = "  - expect: errors(q) < 5%\n";

#[test]
fn what_is_wrong_with_the_command_line_or_the_scenario_is_exit_2_and_nothing_is_sent() {
    let server = Server::new(|_| quote());
    let good = scenario(&server.url(), &hold("100/s", "1s"), SLO);
    let scene = Scene::new(&good);
    let file = scene.file();
    let file = file.to_str().expect("text");
    let out = scene.out();
    let out = out.to_str().expect("text");
    fs::create_dir(scene.path("empty")).expect("made");
    let empty = scene.path("empty");
    let nowhere = scene.path("nowhere.yaml");
    let wrong: [&[&str]; 10] = [
        &["run"],
        &["run", nowhere.to_str().expect("text")],
        &["run", empty.to_str().expect("text")],
        &["run", file, "--no-such-flag"],
        &["run", file, "--out", out, "--set", "traffic.q.lod=1"],
        &["run", file, "--out", out, "--set", "seed"],
        &["run", file, "--out", out, "--set", "seed=minus one"],
        &["run", file, "--out", out, "--time-scale", "0"],
        &["no-such-command"],
        &["sim", "no-such-system"],
    ];
    for args in wrong {
        let ran = scene.ask(args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        assert!(!ran.err.trim().is_empty(), "{args:?} says why");
    }
    let replace = |from: &str, to: &str| good.replace(from, to).into_bytes();
    let ten = |what: &str| [what; 10].join(", ");
    let level = |i: usize| format!("a{i}: &a{i} [{}]\n", ten(&format!("*a{}", i - 1)));
    let bomb = format!("a0: &a0 [{}]\n{}", ten("x"), (1..12).map(level).collect::<String>());
    let scenarios: [(&str, Vec<u8>); 12] = [
        ("unknown key", replace("slo:", "slos:")),
        ("wrong unit", replace("100/s", "100")),
        ("negative duration", replace("for: 1s", "for: -1s")),
        ("empty", Vec::new()),
        ("binary", vec![0xff, 0, 1, 2, 3, 0xfe]),
        ("50 MB", vec![b'#'; 50_000_000]),
        ("bomb", bomb.into_bytes()),
        ("missing CSV", replace("pairs.csv", "none.csv")),
        ("bad CSV", replace("pairs.csv", "scene.yaml")),
        ("unknown traffic", replace("errors(q)", "errors(quotes)")),
        ("a cluster that is none", replace("slo:", "kafka: { bus: {} }\nslo:")),
        ("not YAML", b"{ [ : }".to_vec()),
    ];
    for (name, bytes) in scenarios {
        fs::write(scene.file(), bytes).expect("written");
        for ran in [scene.run(&[]), scene.ask(&["check", file])] {
            assert_eq!(ran.code, Some(2), "{name}: {ran:?}");
            assert!(ran.err.contains("scene.yaml"), "{name} is located: {ran:?}");
        }
    }
    fs::write(scene.file(), replace("slo:", "slos:")).expect("written");
    assert!(scene.run(&[]).err.contains("`slo`"), "did you mean?");
    assert_eq!(server.connections(), 0);
    assert!(scene.runs().is_empty(), "no report folder for what never ran");
}

#[test]
fn one_wrong_scenario_of_several_stops_them_all() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), SLO));
    fs::write(scene.path("scenes/z.yaml"), "proofload: 1\n").expect("written");
    let ran = scene.ask(&["run", scene.path("scenes").to_str().expect("text")]);
    assert_eq!((ran.code, ran.err.contains("nothing was sent")), (Some(2), true), "{ran:?}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_host_that_nobody_allowed_is_refused() {
    let elsewhere = |yaml: String| {
        let scene = Scene::new(&yaml);
        let ran = scene.run(&[]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains("192.0.2.1") && ran.err.contains("--allow-host"), "{ran:?}");
    };
    let here = Server::new(|_| quote());
    elsewhere(scenario("http://192.0.2.1:8080", &hold("100/s", "1s"), SLO));
    elsewhere(
        scenario(&here.url(), &hold("100/s", "1s"), SLO)
            + "observe: { jobs: { far: { metrics: 'http://192.0.2.1/metrics' } } }\n",
    );
    assert_eq!(here.connections(), 0);
}

#[test]
fn reports_that_cannot_be_written_are_no_start() {
    let server = Server::new(|_| quote());
    let scene = Scene::new(&scenario(&server.url(), &hold("100/s", "1s"), SLO));
    fs::write(scene.out(), "a file, where a folder should be").expect("written");
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains(scene.out().to_str().expect("text")) && ran.err.contains("--out"), "{ran:?}");
    assert_eq!(server.count("GET /quote"), 0);
}

#[test]
fn a_port_that_is_taken_is_no_start() {
    let server = Server::new(|_| quote());
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let yaml = scenario(&server.url(), &hold("100/s", "1s"), SLO)
        + &format!("upstreams: {{ jupiter: {{ like: jupiter, listen: '127.0.0.1:{port}' }} }}\n");
    let scene = Scene::new(&yaml);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains(&port.to_string()) && ran.err.contains("jupiter"), "{ran:?}");
    assert_eq!(server.count("GET /quote"), 0);
}

#[test]
fn more_connections_than_open_files_are_no_start() {
    let server = Server::new(|_| quote());
    let target = format!("{{ url: {}, connections: 500 }}", server.url());
    let scene = Scene::new(&scenario(&target, &hold("100/s", "1s"), SLO));
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 100; exec \"$@\"", "sh", PROGRAM, "run"]);
    command.arg(scene.file()).arg("--out").arg(scene.out());
    let _turn = Turn::take();
    let ran = Going::start(command, &scene.path("")).wait();
    assert_eq!(ran.code, Some(5), "{ran:?}");
    assert!(ran.err.contains("connections: 500") && ran.err.contains("ulimit -n"), "{ran:?}");
    assert_eq!(server.count("GET /quote"), 0);
}

#[test]
fn a_secret_reaches_the_target_and_nobody_else() {
    const VALUE: &str = "hunter2-f00dcafe-4711";
    let server = Server::new(|r| if r.nth.is_multiple_of(10) { crate::server::status(401) } else { quote() });
    let target = format!(
        "{{ url: {}, headers: {{ Authorization: {{ secret: E2E_TOKEN }}, X-Plain: hello }}, before: [{{ get: /quote }}] }}",
        server.url()
    );
    // The first request, before the load, would be answered 401.
    let target = target.replace("before: [{ get: /quote }]", "before: [{ get: /login, expect: { status: 401 } }]");
    let scene = Scene::new(&scenario(&target, &hold("100/s", "1s"), "  - expect: errors(q) < 50%\n"));

    let ran = scene.run(&[]);
    assert_eq!((ran.code, ran.err.contains("E2E_TOKEN")), (Some(5), true), "a missing secret is named: {ran:?}");
    assert_eq!(server.connections(), 0);
    fs::remove_dir_all(scene.out()).expect("removed");

    let mut command = scene.command(&[]);
    command.env("E2E_TOKEN", VALUE);
    let turn = Turn::take();
    let ran = Going::start(command, &scene.path("")).wait();
    drop(turn);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let heads = server.heads();
    assert!(heads.len() > 100, "the load and what comes before it");
    let carries = |head: &String| head.to_lowercase().contains(&format!("authorization: {VALUE}"));
    assert!(heads.iter().all(carries), "every request carries it");
    let dir = scene.evidence();
    let dir = dir.to_str().expect("text");
    let judged = scene.ask(&["judge", dir]);
    assert_eq!(judged.code, Some(0), "and judging needs none: {judged:?}");
    for printed in [ran.out, ran.err, judged.out, judged.err] {
        assert!(!printed.contains(VALUE), "printed");
    }
    for file in scene.files() {
        let bytes = fs::read(&file).expect("there");
        let holds = bytes.windows(VALUE.len()).any(|w| w == VALUE.as_bytes());
        assert!(!holds, "{} holds the secret", file.display());
    }
}
