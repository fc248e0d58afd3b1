//! How connections are made and kept: TLS, unix sockets, names that lead elsewhere, several addresses, and what becomes of
//! shots when TLS goes wrong.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use proofload::base::time::Clock;
use proofload::base::trace::Tracer;
use proofload::evidence::counters::Counters;
use proofload::evidence::reply::{Outcome, Reach};
use proofload::plan::Plan;
use proofload::scenario::{self, Settings, System};
use proofload::traffic::{self, Setup};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::certificates::Authority;
use crate::scene::{Scene, hold, outcome, scenario as written};
use crate::server::{Answer, Server, quote};

const SLO: &str = "  - expect: errors(q) < 5%\n";

/// A scene whose target is written as a mapping.
pub fn scene(target: &str, rate: &str, length: &str) -> Scene {
    Scene::new(&written(&format!("{{ {target} }}"), &hold(rate, length), SLO))
}

/// How many shots have a length on a clock.
pub fn on_clock(verdict: &Value, clock: &str) -> u64 {
    verdict["traffic"]["q"]["clocks"][clock]["count"].as_u64().expect("a number")
}

/// What is said of the first shot that was not ok.
pub fn exemplar(scene: &Scene) -> String {
    let events = fs::read_to_string(scene.evidence().join("events.jsonl")).expect("there");
    let mut events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let found = events.find(|event| event["event"] == "exemplar");
    found.and_then(|event| event["why"].as_str().map(str::to_owned)).unwrap_or_default()
}

#[test]
fn tls_by_a_ca_of_our_own_carries_all_that_goes_to_the_target() {
    let authority = Authority::new("ours");
    let shown = authority.shows(&authority.server("127.0.0.1", None), false, &["http/1.1"]);
    let server = Server::secure(|_| quote(), move |_| Some(shown.clone()));
    let target = format!(
        "url: {}, timeout: 2s, tls: {{ ca: ca.pem }}, ready: {{ get: /ready }}, before: [{{ post: /in, json: 1 }}], after: [{{ get: /out }}]",
        server.url()
    );
    let scene = scene(&target, "100/s", "2s");
    authority.put(&scene);
    let ran = scene.run(&[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let verdict = scene.verdict();
    assert_eq!(outcome(&verdict, "ok"), 200, "{verdict}");
    for request in ["GET /ready ", "POST /in ", "GET /out "] {
        assert_eq!(server.count(request), 1, "{request}");
    }
    let opened = server.connections() as u64 - 3; // some perhaps for nothing: another came free first
    let agreed = on_clock(&verdict, "tls");
    assert!((1..=opened).contains(&agreed) && agreed == on_clock(&verdict, "connect"), "{opened}: {verdict}");
    assert_eq!((on_clock(&verdict, "dns"), on_clock(&verdict, "body")), (0, 200), "an IP address is not looked up");
    let kept = scene.evidence().join("inputs");
    assert!(fs::read_dir(kept).expect("there").flatten().any(|e| e.file_name().to_string_lossy().contains("ca.pem")));
    assert_eq!(scene.ask(&["judge", scene.evidence().to_str().expect("text")]).code, Some(0));
}

#[test]
fn who_we_are_is_shown_to_a_target_that_asks_and_is_missed_where_it_is_not() {
    let authority = Authority::new("ours");
    let shown = authority.server("127.0.0.1", None);
    let (asks, trusts) = (authority.shows(&shown, true, &[]), authority.shows(&shown, false, &[]));
    let always = asks.clone();
    let server = Server::secure(|_| quote(), move |_| Some(always.clone()));
    let target = |server: &Server, tls: &str| {
        let scene = scene(&format!("url: {}, timeout: 1s, tls: {{ ca: ca.pem{tls} }}", server.url()), "80/s", "1s");
        authority.put(&scene);
        authority.client("us").put(&scene);
        scene
    };
    let ours = target(&server, ", cert: client.pem, key: client.key");
    let ran = ours.run(&[]);
    assert_eq!((ran.code, outcome(&ours.verdict(), "ok")), (Some(0), 80), "{ran:?}");
    let key = fs::read_to_string(ours.path("scenes/client.key")).expect("there");
    let key = key.lines().nth(1).expect("a line of it").as_bytes();
    for file in ours.files() {
        let bytes = fs::read(&file).expect("there");
        assert!(!bytes.windows(key.len()).any(|w| w == key), "{} holds the private key", file.display());
    }

    // The first connection finds out that the target is there.
    let server = Server::secure(|_| quote(), move |nth| Some(if nth == 0 { trusts.clone() } else { asks.clone() }));
    let nobody = target(&server, "");
    let ran = nobody.run(&[]);
    assert_eq!(
        (ran.code, outcome(&nobody.verdict(), "unreachable_tls")),
        (Some(1), 80),
        "{ran:?} {}",
        nobody.verdict()
    );
    let why = exemplar(&nobody);
    assert!(why.contains("asks for a certificate of ours") && why.contains("cert: FILE"), "{why}");
}

#[test]
fn whoever_cannot_be_trusted_is_unreachable_and_it_is_said_why() {
    let authority = Authority::new("ours");
    let good = authority.shows(&authority.server("127.0.0.1", None), false, &[]);
    let stranger = Authority::new("a stranger");
    let wrongs: [(&str, Option<Arc<ServerConfig>>, &str); 4] = [
        (
            "expired",
            Some(authority.shows(&authority.server("127.0.0.1", Some(2020)), false, &[])),
            "expired on 2020-12-31",
        ),
        (
            "another's",
            Some(authority.shows(&authority.server("other.example", None), false, &[])),
            "is for other.example",
        ),
        ("unknown", Some(stranger.shows(&stranger.server("127.0.0.1", None), false, &[])), "nobody whom we trust"),
        ("plain", None, "does not speak TLS"),
    ];
    let comes_to = |name: &str, tls: Option<Arc<ServerConfig>>, words: &str| {
        let good = good.clone();
        let server = Server::secure(|_| quote(), move |nth| if nth == 0 { Some(good.clone()) } else { tls.clone() });
        let scene = scene(&format!("url: {}, timeout: 1s, tls: {{ ca: ca.pem }}", server.url()), "80/s", "1s");
        authority.put(&scene);
        let ran = scene.run(&[]);
        let verdict = scene.verdict();
        assert_eq!((ran.code, outcome(&verdict, "unreachable_tls")), (Some(1), 80), "{name}: {ran:?} {verdict}");
        let why = exemplar(&scene);
        assert!(why.contains(words) && why.contains(&server.url()), "{name}: {why}");
        let ran = scene.run(&[]);
        assert_eq!((ran.code, ran.err.contains(words)), (Some(5), true), "{name}, from the beginning: {ran:?}");
    };
    thread::scope(|scope| {
        for (name, tls, words) in wrongs {
            let comes_to = &comes_to;
            scope.spawn(move || comes_to(name, tls, words));
        }
        scope.spawn(|| {
            let good = good.clone();
            let server = Server::secure(|_| quote(), move |_| Some(good.clone()));
            let scene = scene(&format!("url: {}, timeout: 1s", server.url().replace("https", "http")), "80/s", "1s");
            let ran = scene.run(&[]);
            assert_eq!((ran.code, outcome(&scene.verdict(), "unreachable_tls")), (Some(1), 80), "{ran:?}");
            assert!(exemplar(&scene).contains("speaks TLS: write https://"), "{}", exemplar(&scene));
        });
    });
}

/// Agrees on TLS once, and never again.
fn agrees_once(config: Arc<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut kept = Vec::new();
        for (nth, mut stream) in listener.incoming().flatten().enumerate() {
            let mut session = ServerConnection::new(config.clone()).expect("a session");
            while nth == 0 && session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
            kept.push(stream);
        }
    });
    address
}

#[test]
fn a_shot_whose_connection_does_not_come_about_hears_what_is_wrong_with_it() {
    let authority = Authority::new("ours");
    let address = agrees_once(authority.shows(&authority.server("127.0.0.1", None), false, &[]));
    let scene = scene(&format!("url: https://{address}, timeout: 300ms, tls: {{ ca: ca.pem }}"), "80/s", "2s");
    authority.put(&scene);
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!((ran.code, outcome(&verdict, "unreachable_tls")), (Some(1), 160), "{ran:?} {verdict}");
    assert!(exemplar(&scene).contains("agreeing on TLS took longer than 300ms"), "{}", exemplar(&scene));
}

#[test]
fn a_handshake_that_does_not_end_is_of_tls_and_a_port_that_nobody_answers_is_told_apart() {
    let scene =
        scene(&format!("url: https://{}, timeout: 300ms, tls: {{ insecure: true }}", Server::deaf()), "80/s", "1s");
    let ran = scene.run(&[]);
    assert_eq!((ran.code, ran.err.contains("agreeing on TLS took longer than 5s")), (Some(5), true), "{ran:?}");
}

#[test]
fn a_stranger_is_taken_by_explicit_word_and_a_name_of_its_own_is_asked_for() {
    let stranger = Authority::new("a stranger");
    let shown = stranger.shows(&stranger.server("quotes.example", None), false, &[]);
    let server = Server::secure(|_| quote(), move |_| Some(shown.clone()));
    for tls in ["insecure: true", "ca: ca.pem, name: quotes.example"] {
        let scene = scene(&format!("url: {}, timeout: 1s, tls: {{ {tls} }}", server.url()), "80/s", "1s");
        stranger.put(&scene);
        let ran = scene.run(&[]);
        assert_eq!((ran.code, outcome(&scene.verdict(), "ok")), (Some(0), 80), "{tls}: {ran:?}");
    }
}

#[test]
fn a_unix_socket_is_spoken_to_like_a_port() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::on_socket(&folder.path().join("s"), |r| match r.head.starts_with("GET /v1/quote?") {
        true => quote(),
        false => crate::server::status(200),
    });
    let target = format!(
        "url: \"{}:/v1\", timeout: 1s, ready: {{ get: /ready, within: 1s }}, before: [{{ put: /in }}]",
        server.url()
    );
    let scene = scene(&target, "100/s", "2s");
    let ran = scene.run(&[]);
    assert_eq!((ran.code, outcome(&scene.verdict(), "ok")), (Some(0), 200), "{ran:?}");
    assert_eq!((server.count("GET /v1/ready "), server.count("PUT /v1/in ")), (1, 1));
    assert!(server.heads().iter().all(|head| head.contains("\r\nHost: localhost\r\n")));
    drop(server);
    let ran = scene.run(&[]);
    assert_eq!((ran.code, ran.err.contains("unix:")), (Some(5), true), "nobody there: {ran:?}");
}

#[test]
fn a_name_that_leads_elsewhere_needs_no_resolver_and_no_leave() {
    let authority = Authority::new("ours");
    let shown = authority.shows(&authority.server("quotes.example", None), false, &[]);
    let (plain, secure) = (Server::new(|_| quote()), Server::secure(|_| quote(), move |_| Some(shown.clone())));
    for (scheme, server, tls) in [("http", &plain, ""), ("https", &secure, ", tls: { ca: ca.pem }")] {
        let place = format!("quotes.example:{}", server.port());
        let target = format!("url: \"{scheme}://{place}\", timeout: 1s, resolve: {{ \"{place}\": 127.0.0.1 }}{tls}");
        let scene = scene(&target, "80/s", "1s");
        authority.put(&scene);
        let ran = scene.run(&[]);
        let verdict = scene.verdict();
        assert_eq!((ran.code, outcome(&verdict, "ok"), on_clock(&verdict, "dns")), (Some(0), 80, 0), "{ran:?}");
        assert!(
            server.heads().iter().all(|head| head.contains(&format!("\r\nHost: {place}\r\n"))),
            "asked by its name"
        );
    }
}

/// A page and a reply, each where it belongs.
fn pages(request: &crate::server::Request<'_>) -> Answer {
    match request.head.split(' ').nth(1).unwrap_or_default() {
        "/metrics" => Answer::Whole(
            200,
            "Content-Type: text/plain; version=0.0.4\r\n",
            "# HELP stock Pieces.\n# TYPE stock gauge\nstock 3\n".into(),
        ),
        "/health" => crate::server::status(200),
        _ => quote(),
    }
}

#[test]
fn pages_and_probes_are_reached_as_the_target_is() {
    let authority = Authority::new("ours");
    let shown = authority.shows(&authority.server("quotes.example", None), true, &["http/1.1"]);
    let secure = Server::secure(pages, move |_| Some(shown.clone()));
    let folder = tempfile::tempdir().expect("a folder");
    let socket = Server::on_socket(&folder.path().join("s"), pages);
    let place = format!("quotes.example:{}", secure.port());
    let encrypted = format!(
        "url: \"https://{place}\", timeout: 1s, resolve: {{ \"{place}\": 127.0.0.1 }}, \
         tls: {{ ca: ca.pem, cert: client.pem, key: client.key }}"
    );
    for (target, server) in [(encrypted, &secure), (format!("url: \"{}\", timeout: 1s", socket.url()), &socket)] {
        let promises = format!("{SLO}  - {{ promql: stock, expect: value >= 3 }}\n");
        let more = "observe: { jobs: { page: { metrics: /metrics, every: 200ms } } }\n\
                    contract: { page: { labels: [], probes: { /health: { outside: 200, every: 200ms } } } }\n";
        let scene = Scene::new(&(written(&format!("{{ {target} }}"), &hold("50/s", "2s"), &promises) + more));
        authority.put(&scene);
        authority.client("us").put(&scene);
        let ran = scene.run(&[]);
        let verdict = scene.verdict();
        let stock = crate::scene::finding(&verdict, "value >= 3");
        assert_eq!(stock["verdict"], "PASS", "{ran:?}");
        let probes = verdict["contract"]["page"]["probes"].as_array().expect("probes");
        assert!(!probes.is_empty() && ran.out.contains("/health"), "{ran:?}");
        let scrapes = &verdict["scrapes"]["page"];
        assert_eq!(scrapes["good"], scrapes["planned"], "{verdict}");
        assert!(server.count("GET /metrics ") >= 10 && server.count("GET /health ") >= 5);
    }
    // Looked at by hand, by whom we trust.
    let scene = Scene::new("");
    let shown = authority.shows(&authority.server("127.0.0.1", None), false, &[]);
    let open = Server::secure(pages, move |_| Some(shown.clone()));
    authority.put(&scene);
    let ca = scene.path("scenes/ca.pem").display().to_string();
    let lint = |more: &[&str]| scene.ask(&[&["metrics", "lint", &open.url(), "--labels", "none"], more].concat());
    for trusted in [&["--ca", &ca][..], &["--insecure"]] {
        let ended = lint(trusted);
        assert!(ended.code == Some(0) && ended.out.contains("1 series"), "{ended:?}");
    }
    let stranger = lint(&[]);
    assert_eq!(stranger.code, Some(5), "{stranger:?}");
    let page = format!("{}:/metrics", socket.url());
    let ended = scene.ask(&["metrics", "lint", &page, "--labels", "none"]);
    assert!(ended.code == Some(0) && ended.out.contains("1 series"), "{ended:?}");
    let plain = scene.ask(&["metrics", "lint", &page, "--insecure"]);
    assert!(plain.code == Some(2) && plain.err.contains("certificates of https://"), "{plain:?}");
}

#[test]
fn a_name_without_an_address_is_no_start() {
    // Two dots in a row: no resolver has to be asked.
    let scene = scene("url: \"http://no..where:8080\", timeout: 1s", "80/s", "1s");
    let ran = scene.run(&["--allow-host", "no..where"]);
    assert_eq!((ran.code, ran.err.contains("http://no..where:8080")), (Some(5), true), "{ran:?}");
}

/// A run would not begin. So its sender alone.
#[test]
fn a_name_that_cannot_be_looked_up_is_an_outcome_of_its_own() {
    let yaml = "proofload: 1
target: { url: 'http://no..where:8080', timeout: 1s }
traffic: { q: { flow: { steps: [{ get: / }] }, arrivals: even, load: [{ hold: { at: 80/s, for: 1s } }] } }
";
    let settings = Settings::alone("dns");
    let scenario = Arc::new(scenario::read("dns", yaml, &settings).expect("a valid scenario"));
    let System::Services(services) = &scenario.target.system else { panic!("a service") };
    let services = services.iter().map(|s| (s.name.clone(), s.addresses.clone())).collect();
    let (reports, mut reported) = mpsc::unbounded_channel();
    let (_stop, stop) = watch::channel(false);
    let setup = Setup {
        tracer: Tracer::new(scenario.seed, "dns"),
        plan: Arc::new(Plan::new(&scenario)),
        services,
        kafka: Vec::new(),
        keepers: Vec::new(),
        meetings: Vec::new(),
        secrets: Vec::new(),
        clock: Clock::starting_in(Duration::from_millis(50)),
        connections: 4,
        workers: 2,
        counters: Arc::new(Counters::new([(1, 0)])),
        reports,
        stop,
        scenario,
    };
    let senders = traffic::spawn(setup, Vec::new());
    let mut replies = Vec::new();
    while let Some(batch) = reported.blocking_recv() {
        replies.extend(batch.replies);
    }
    senders.expect("threads").join().expect("no panic").expect("no error");
    assert_eq!(replies.len(), 80);
    for reply in replies {
        assert_eq!(reply.outcome, Outcome::Unreachable(Reach::Dns), "{reply:?}");
        assert!(reply.why.is_some_and(|why| why.contains("http://no..where:8080")));
    }
}

#[test]
fn several_addresses_take_turns_and_one_that_is_down_fails_its_share_alone() {
    let servers = [Server::new(|_| quote()), Server::new(|_| quote())];
    let down = Server::refusing();
    let urls = format!("[\"{}\", \"{}\", \"http://{down}\"]", servers[0].url(), servers[1].url());
    let scene = scene(&format!("url: {urls}, timeout: 1s"), "100/s", "3s");
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "a share of errors is no secret: {ran:?}");
    assert_eq!((outcome(&verdict, "ok"), outcome(&verdict, "unreachable_connect")), (200, 100), "{verdict}");
    for server in &servers {
        assert_eq!(server.count("GET /quote"), 100);
        let host = server.url().replace("http://", "Host: ");
        assert!(server.heads().iter().all(|head| head.contains(&host)), "each is asked by its own name");
    }
}

#[test]
fn a_connection_is_kept_as_long_as_it_is_wanted() {
    let kept = |reuse: &str, rate: &str, length: &str| {
        let server = Server::new(|_| quote());
        let scene = scene(&format!("url: {}, timeout: 2s{reuse}", server.url()), rate, length);
        let ran = scene.run(&[]);
        assert_eq!(ran.code, Some(0), "{reuse}: {ran:?}");
        assert_eq!(server.count("GET /quote") as u64, outcome(&scene.verdict(), "ok"), "{reuse}");
        // One more was opened to see whether the target is there.
        (server.connections() - 1, server.longest(), on_clock(&scene.verdict(), "connect"), server.heads())
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let (opened, longest, connects, heads) = kept(", reuse: per_request", "50/s", "2s");
            assert_eq!((opened, longest, connects), (100, 1, 100));
            assert!(heads.iter().all(|head| head.contains("\r\nConnection: close\r\n")), "the other side closes first");
        });
        scope.spawn(|| {
            let (opened, longest, connects, heads) = kept(", reuse: { requests: 10 }", "50/s", "2s");
            assert!(
                opened >= 10 && longest == 10 && (10..=opened as u64).contains(&connects),
                "{opened} {longest} {connects}"
            );
            assert!(heads.iter().all(|head| !head.contains("Connection:")));
        });
        scope.spawn(|| {
            let (opened, ..) = kept(", reuse: { age: 300ms }", "50/s", "3s");
            assert!(opened >= 5, "{opened} connections in ten ages");
        });
        scope.spawn(|| {
            let (opened, longest, ..) = kept("", "50/s", "2s");
            assert!(opened < 20 && longest > 10, "kept as long as both sides will have it: {opened} {longest}");
        });
    });
}

#[test]
fn a_target_within_tls_that_breaks_off_is_broken_and_not_a_matter_of_tls() {
    let authority = Authority::new("ours");
    let shown = authority.shows(&authority.server("127.0.0.1", None), false, &[]);
    let server = Server::secure(
        |r| match r.nth % 3 {
            0 => Answer::CutBody,
            1 => Answer::Garbage,
            _ => quote(),
        },
        move |_| Some(shown.clone()),
    );
    let scene = scene(&format!("url: {}, timeout: 2s, tls: {{ ca: ca.pem }}", server.url()), "50/s", "3s");
    authority.put(&scene);
    let ran = scene.run(&[]);
    let verdict = scene.verdict();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let of = |word| outcome(&verdict, word);
    assert_eq!((of("broken_body"), of("broken_head"), of("ok")), (50, 50, 50), "{verdict}");
}
