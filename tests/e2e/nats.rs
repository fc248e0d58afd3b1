//! Signals and completions over a real server of NATS with JetStream: Debian's nats-server, where it is installed or
//! `PROOFLOAD_REQUIRE` names `nats`.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proofload::base::nats::nkey::Signer;
use proofload::base::nats::{self, Line, Speaker};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::certificates::Authority;
use crate::port;
use crate::scene::{Going, Scene, Turn, finding, hold};
use crate::server::{Answer, Request, Server, status};

const TOKEN: &str = "n0b0dy-kn0ws";

/// Made up for these tests: of who runs servers, of an account, and of a user.
const OPERATOR: &str = "SOAA7VMI34N5WFD6VJ2OM5MISYMLKLMMJROJMUAX43UREZ6XL5O2V5LM3A";
const ACCOUNT: &str = "SAAOZZ6IZLVY7L3CV5ZGD22DVRQA7NDNUANZIEBSM3EQAL5AC3BJCWZVZA";
const USER: &str = "SUABFLRAOO3F72NOVBGI4FZ6EAPR7XKJQJULICGJVJDTFKN2MRC2O6G47M";

/// Whether there is a nats-server.
fn is_here() -> bool {
    let is = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    let required = std::env::var("PROOFLOAD_REQUIRE").is_ok_and(|list| list.split(',').any(|n| n == "nats"));
    assert!(is || !required, "nats-server is not here, and PROOFLOAD_REQUIRE names it");
    if !is {
        eprintln!("skipped: nats-server is not installed");
    }
    is
}

fn token() -> Vec<String> {
    vec!["--auth".to_owned(), TOKEN.to_owned()]
}

fn spawn(place: &str, more: &[String]) -> Child {
    let port = place.rsplit(':').next().expect("a port");
    let mut child = Command::new("nats-server")
        .args(["--addr", "127.0.0.1", "--port", port])
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    for _ in 0..500 {
        if TcpStream::connect(place).is_ok() {
            return child;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    panic!("nats-server does not answer");
}

/// A server with a stream that keeps `signals.*`, and nothing over 10 000 bytes.
struct Broker {
    child: Child,
    _folder: TempDir,
    place: String,
    /// How it is started.
    arguments: Vec<String>,
    /// What it wants of clients; a token where it wants no key.
    wants: Wants,
}

/// What a server wants of clients.
#[derive(Default)]
struct Wants {
    key: Option<nats::Key>,
    tls: Option<nats::Tls>,
}

impl Broker {
    /// Nothing where there is no nats-server.
    fn start() -> Option<Broker> {
        Broker::start_with(|_| (token(), Wants::default()))
    }

    /// One that is spoken to within TLS, with a certificate that an authority has signed, and that wants one, too.
    fn start_secured(authority: &Authority) -> Option<Broker> {
        Broker::start_with(|folder| {
            let [cert, key] = authority.server("127.0.0.1", None).write(folder);
            let ca = folder.join("ca.pem");
            std::fs::write(&ca, authority.pem()).expect("written");
            let arguments = [("--tlscert", cert), ("--tlskey", key), ("--tlscacert", ca)];
            let arguments = arguments.iter().map(|(name, file)| format!("{name}={}", file.display()));
            let [cert, key] = authority
                .client("system")
                .write(tempfile::tempdir().expect("a folder").path())
                .map(|file| std::fs::read(file).expect("written"));
            let tls =
                nats::Tls { ca: Some(authority.pem().into()), identity: Some((cert, key)), ..nats::Tls::default() };
            let tls_only = ["--tls".to_owned(), "--tlsverify".to_owned()];
            let arguments = token().into_iter().chain(tls_only).chain(arguments).collect();
            (arguments, Wants { tls: Some(tls), key: None })
        })
    }

    /// One that lets in who signs as a seed says.
    fn start_keyed(seed: &str) -> Option<Broker> {
        let public = Signer::new(seed).expect("a seed").public();
        Broker::start_with(|folder| {
            let file = folder.join("users.conf");
            std::fs::write(&file, format!("authorization {{ users: [ {{ nkey: {public} }} ] }}")).expect("written");
            let arguments = vec![format!("--config={}", file.display())];
            (arguments, Wants { key: Some(nats::Key::Seed(seed.to_owned())), tls: None })
        })
    }

    fn start_with(more: impl FnOnce(&Path) -> (Vec<String>, Wants)) -> Option<Broker> {
        is_here().then_some(())?;
        let (folder, place) = (tempfile::tempdir().expect("a folder"), port::place());
        let (mut arguments, wants) = more(folder.path());
        let store = folder.path().join("store").display().to_string();
        arguments.extend(["--jetstream".to_owned(), "--store_dir".to_owned(), store]);
        let child = spawn(&place, &arguments);
        let broker = Broker { child, _folder: folder, place, arguments, wants };
        let mut line = broker.line();
        line.subscribe("_INBOX.made").expect("subscribed");
        let stream = json!({ "name": "SIGNALS", "subjects": ["signals.*"], "max_msg_size": 10_000, "storage": "file" });
        let made =
            nats::publish("$JS.API.STREAM.CREATE.SIGNALS", Some("_INBOX.made"), &[], stream.to_string().as_bytes());
        line.speaker().say(&made.expect("written")).expect("asked");
        let answer = loop {
            if let Some(answer) = line.next(Duration::from_secs(5)).expect("answered") {
                break String::from_utf8(answer.body).expect("text");
            }
        };
        assert!(answer.contains("\"config\""), "{answer}");
        Some(broker)
    }

    fn line(&self) -> Line {
        let Wants { key, tls } = &self.wants;
        let token = key.is_none().then(|| TOKEN.to_owned());
        let server = nats::Server { place: self.place.clone(), user: None, token, key: key.clone(), tls: tls.clone() };
        Line::open(&server).expect("connects")
    }

    /// Ends it, and starts it again over what it has kept.
    fn restart(&mut self, after: Duration) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        thread::sleep(after);
        self.child = spawn(&self.place, &self.arguments);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads signals and publishes effects: one in fifty never, one in ten twice.
struct System {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(u64, u64)>>,
}

fn say(speaker: &Speaker, subject: &str, what: &Value) {
    let written = nats::publish(subject, None, &[], what.to_string().as_bytes()).expect("written");
    speaker.say(&written).expect("said");
}

impl System {
    fn start(broker: &Broker) -> System {
        let mut line = broker.line();
        line.subscribe("signals.*").expect("subscribed");
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let act = move || {
            let (mut nth, mut wrong) = (0_u64, 0);
            while !stopping.load(Ordering::Relaxed) {
                let Some(message) = line.next(Duration::from_millis(20)).expect("connected") else { continue };
                let signal: Value = serde_json::from_slice(&message.body).expect("JSON");
                wrong += u64::from(message.subject != format!("signals.{}", signal["ticker"].as_str().unwrap_or("?")));
                let times = [1, 2, 0][usize::from(nth % 10 == 5) + 2 * usize::from(nth % 50 == 7)];
                let effect = json!({ "of": signal["id"], "state": "DONE" });
                (0..times).for_each(|_| say(&line.speaker(), "effects.done", &effect));
                nth += 1;
            }
            (nth, wrong)
        };
        System { stop, thread: Some(thread::spawn(act)) }
    }

    /// How many signals it read, and how many of them came to a wrong subject.
    fn stop(mut self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("no panic")
    }
}

fn scenario(url: &str, place: &str, signal: &str, effects: &str, slo: &str) -> String {
    format!(
        "proofload: 1
target: {url}
traffic:
  signals:
    signal:
      nats: {{ server: 'nats://{place}', login: {{ token: {{ secret: NATS_KEY }} }}, {signal} }}
      values: {{ ticker: {{ choice: [AAPL, MSFT] }} }}
      json: {{ id: \"{{{{uuid}}}}\", ticker: \"{{{{ticker}}}}\" }}
      id: \"{{{{uuid}}}}\"
      effects: {effects}
      deadline: 6s
    arrivals: even
    load: [{load}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
{slo}
",
        load = hold("150/s", "2s"),
    )
}

fn effects(place: &str) -> String {
    let login = "login: { token: { secret: NATS_KEY } }";
    format!(
        "{{ nats: {{ server: '{place}', {login}, subject: effects.>, id: $.of, state: $.state }}, states: {{ ok: DONE }} }}"
    )
}

fn start(scene: &Scene, token: &str) -> Going {
    let mut command = scene.command(&[]);
    command.env("NATS_KEY", token);
    Going::start(command, &scene.path("."))
}

#[test]
fn signals_over_a_stream_are_acknowledged_and_what_comes_of_them_is_counted() {
    let Some(broker) = Broker::start() else { return };
    let system = System::start(&broker);
    let server = Server::new(|_: &Request<'_>| status(200));
    let slo = "  - expect: lost(signals) < 5%\n  - expect: lost(signals) < 1%\n  - expect: duplicated(signals) < 5%";
    let signal = "subject: \"signals.{{ticker}}\", key: \"{{ticker}}\"";
    let scene = Scene::new(&scenario(&server.url(), &broker.place, signal, &effects(&broker.place), slo));
    let _turn = Turn::take();
    let ran = start(&scene, TOKEN).wait();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(system.stop(), (300, 0));
    let verdict = scene.verdict();
    let traffic = &verdict["traffic"]["signals"];
    for (what, count) in
        [("acked", 300), ("seen", 294), ("lost", 6), ("duplicated", 30), ("foreign", 0), ("unreadable", 0)]
    {
        assert_eq!(traffic["effects"][what], count, "{what}: {traffic} {ran:?}");
    }
    for (promise, decided) in
        [("lost(signals) < 5%", "PASS"), ("lost(signals) < 1%", "FAIL"), ("duplicated(signals) < 5%", "FAIL")]
    {
        assert_eq!(finding(&verdict, promise)["verdict"], decided, "{promise}: {ran:?}");
    }
    for file in scene.files() {
        let bytes = std::fs::read(&file).expect("readable");
        assert!(!String::from_utf8_lossy(&bytes).contains(TOKEN), "{}", file.display());
    }
    // Who is not let in, and what no stream takes, is told before anything is sent.
    let refused = start(&scene, "wrong").wait();
    assert!(refused.code == Some(5) && refused.err.contains("Authorization Violation"), "{refused:?}");
    let nowhere =
        Scene::new(&scenario(&server.url(), &broker.place, "subject: elsewhere.a", &effects(&broker.place), slo));
    let nowhere = start(&nowhere, TOKEN).wait();
    let said = "there is no stream that takes `elsewhere.a`";
    assert!(nowhere.code == Some(5) && nowhere.err.contains(said), "{nowhere:?}");
}

/// Within TLS, to whom the scenario's `ca` vouches for, and as whom our own certificate says; else nobody is let in.
#[test]
fn within_tls_signals_go_to_whom_is_trusted_and_to_nobody_else() {
    let authority = Authority::new("a test");
    let Some(broker) = Broker::start_secured(&authority) else { return };
    let system = System::start(&broker);
    let server = Server::new(|_: &Request<'_>| status(200));
    let (tls, slo) = ("tls: { ca: ca.pem, cert: client.pem, key: client.key }", "  - expect: lost(signals) < 5%");
    let seen = effects(&broker.place).replacen("subject:", &format!("{tls}, subject:"), 1);
    let yaml =
        scenario(&server.url(), &broker.place, &format!("{tls}, subject: \"signals.{{{{ticker}}}}\""), &seen, slo);
    let scene = Scene::new(&yaml);
    authority.put(&scene);
    authority.client("load").put(&scene);
    let _turn = Turn::take();
    let ran = start(&scene, TOKEN).wait();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(system.stop(), (300, 0));
    let traffic = &scene.verdict()["traffic"]["signals"];
    assert_eq!((&traffic["effects"]["acked"], &traffic["effects"]["seen"]), (&300.into(), &294.into()), "{traffic}");
    for file in scene.files() {
        let bytes = std::fs::read(&file).expect("readable");
        assert!(!String::from_utf8_lossy(&bytes).contains("PRIVATE KEY"), "{}", file.display());
    }
    // Whom nobody vouches for gets nothing; neither does who comes without a certificate.
    Authority::new("another").put(&scene);
    let untrusted = start(&scene, TOKEN).wait();
    assert!(untrusted.code == Some(5) && untrusted.err.contains("signed by nobody whom we trust"), "{untrusted:?}");
    let bare = Scene::new(&yaml.replace(tls, "tls: { ca: ca.pem }"));
    authority.put(&bare);
    let bare = start(&bare, TOKEN).wait();
    assert!(bare.code == Some(5) && !bare.err.is_empty(), "{bare:?}");
    // Where TLS is asked for, nothing is said in plain text.
    let Some(plain) = Broker::start() else { return };
    let yaml = scenario(&server.url(), &plain.place, "tls: {}, subject: signals.a", "{ metric: done_total }", slo);
    let observed = "observe: { jobs: { api: { metrics: /metrics, every: 500ms } } }\ntraffic:\n";
    let open = start(&Scene::new(&yaml.replacen("traffic:\n", observed, 1)), TOKEN).wait();
    assert!(open.code == Some(5) && open.err.contains("it does not speak TLS"), "{open:?}");
}

/// Who signs what the server says is let in, as whom its key says; the seed is in no file and no message.
#[test]
fn who_signs_with_a_key_is_let_in_and_nobody_else() {
    let Some(broker) = Broker::start_keyed(USER) else { return };
    let system = System::start(&broker);
    let server = Server::new(|_: &Request<'_>| status(200));
    let (signal, slo) = ("subject: \"signals.{{ticker}}\"", "  - expect: lost(signals) < 5%");
    let yaml = scenario(&server.url(), &broker.place, signal, &effects(&broker.place), slo);
    let scene = Scene::new(&yaml.replace("token: {", "nkey: {"));
    let _turn = Turn::take();
    let ran = start(&scene, USER).wait();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(system.stop(), (300, 0));
    for file in scene.files() {
        let bytes = std::fs::read(&file).expect("readable");
        assert!(!String::from_utf8_lossy(&bytes).contains(USER), "{}", file.display());
    }
    for (seed, why) in [(ACCOUNT, "Authorization Violation"), ("SUABFLRA", "no seed of an NKEY")] {
        let refused = start(&scene, seed).wait();
        assert!(refused.code == Some(5) && refused.err.contains(why) && !refused.err.contains(seed), "{refused:?}");
    }
    // A server that lets people in by a token asks for no signature.
    let Some(other) = Broker::start() else { return };
    let key = Some(nats::Key::Seed(USER.into()));
    let server = nats::Server { place: other.place.clone(), user: None, token: None, key, tls: None };
    assert!(Line::open(&server).is_err_and(|why| why.contains("asks for no signature")));
}

/// A JWT that an account has signed, which an operator has signed whom the server trusts.
#[test]
fn who_shows_a_jwt_and_signs_for_it_is_let_in() {
    if !is_here() {
        return;
    }
    let [operator, account, user] = [OPERATOR, ACCOUNT, USER].map(|seed| Signer::new(seed).expect("a seed"));
    let signed = |by: &Signer, whom: &str, nats: Value| {
        let write = |what: Value| URL_SAFE_NO_PAD.encode(what.to_string());
        let (by_whom, when) = (by.public(), 1_700_000_000);
        let claims =
            json!({ "jti": "made-up", "iat": when, "iss": by_whom, "name": "a test", "sub": whom, "nats": nats });
        let told = format!("{}.{}", write(json!({ "typ": "JWT", "alg": "ed25519-nkey" })), write(claims));
        format!("{told}.{}", by.sign(told.as_bytes()))
    };
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    let of_account = json!({ "type": "account", "version": 2, "limits": limits });
    let of_user = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, "pub": {}, "sub": {} });
    let trusted = signed(&operator, &operator.public(), json!({ "type": "operator", "version": 2 }));
    let of_account = signed(&operator, &account.public(), of_account);
    let jwt = signed(&account, &user.public(), of_user.clone());
    let forged = signed(&user, &user.public(), of_user);
    let (folder, place) = (tempfile::tempdir().expect("a folder"), port::place());
    let file = folder.path().join("operator.conf");
    let known = format!("{{ {}: \"{of_account}\" }}", account.public());
    let config = format!("operator: \"{trusted}\"\nresolver: MEMORY\nresolver_preload: {known}\n");
    std::fs::write(&file, config).expect("written");
    let mut child = spawn(&place, &[format!("--config={}", file.display())]);
    let open = |key| {
        let server = nats::Server { place: place.clone(), user: None, token: None, key: Some(key), tls: None };
        Line::open(&server).and_then(|mut line| line.subscribe("effects.>"))
    };
    let part = |what: &str, text: &str| format!("-----BEGIN {what}-----\n{text}\n------END {what}------\n\n");
    let creds = part("NATS USER JWT", &jwt) + &part("USER NKEY SEED", USER);
    let let_in = [open(nats::Key::Jwt(jwt.clone(), USER.into())), open(nats::Key::Credentials(creds))];
    let refused = [open(nats::Key::Jwt(jwt, ACCOUNT.into())), open(nats::Key::Jwt(forged, USER.into()))];
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(let_in, [Ok(()), Ok(())], "by its parts, and by what a file of credentials holds");
    for refused in refused {
        assert!(refused.as_ref().is_err_and(|why| why.contains("Authorization Violation")), "{refused:?}");
    }
}

/// The server dies in the middle of the load and comes back: what was not acknowledged is published again, and is there once.
#[test]
fn a_server_that_dies_and_comes_back_loses_no_signal_and_has_none_twice() {
    let Some(mut broker) = Broker::start() else { return };
    let server = Server::new(|r: &Request<'_>| match r.head.starts_with("GET /metrics") {
        true => Answer::Whole(200, "Content-Type: text/plain; version=0.0.4\r\n", b"done_total 0\n".to_vec()),
        false => status(200),
    });
    let slo = "  - { expect: lost(signals) < 50%, severity: warning }\n  - expect: errors(signals) == 0";
    let signal = "subject: \"signals.{{ticker}}\"";
    let yaml = scenario(&server.url(), &broker.place, signal, "{ metric: done_total }", slo);
    let observed = "observe: { jobs: { api: { metrics: /metrics, every: 500ms } } }\ntraffic:\n";
    let scene = Scene::new(&yaml.replacen("traffic:\n", observed, 1));
    let _turn = Turn::take();
    let going = start(&scene, TOKEN);
    scene.wait_for_load(1);
    broker.restart(Duration::from_millis(700));
    let ran = going.wait();
    let traffic = &scene.verdict()["traffic"]["signals"];
    assert_eq!(traffic["effects"]["acked"], 300, "{traffic} {ran:?}");
    assert!(traffic["clocks"]["response"]["max"].as_f64() > Some(0.5), "late, from when each was due: {traffic}");
    let mut line = broker.line();
    line.subscribe("_INBOX.info").expect("subscribed");
    let asked = nats::publish("$JS.API.STREAM.INFO.SIGNALS", Some("_INBOX.info"), &[], b"").expect("written");
    line.speaker().say(&asked).expect("asked");
    let info = loop {
        if let Some(answer) = line.next(Duration::from_secs(5)).expect("answered") {
            break serde_json::from_slice::<Value>(&answer.body).expect("JSON");
        }
    };
    assert_eq!(info["state"]["messages"], 300, "each once: {info}");
}

#[test]
fn what_a_subject_tells_ends_what_was_started() {
    let Some(broker) = Broker::start() else { return };
    let (speaker, _line) = {
        let line = broker.line();
        (line.speaker(), line)
    };
    let started = AtomicUsize::new(0);
    let server = Server::new(move |_: &Request<'_>| {
        let n = started.fetch_add(1, Ordering::Relaxed);
        let tell = |speaker: &Speaker, state: &str| {
            say(speaker, "executions.e", &json!({ "id": format!("e-{n}"), "state": state }))
        };
        match n % 4 {
            // Told before the answer, told twice, told to have failed, never told.
            0 => {
                tell(&speaker, "DONE");
                thread::sleep(Duration::from_millis(200));
            }
            1 => (0..2).for_each(|_| tell(&speaker, "DONE")),
            2 => tell(&speaker, "FAILED"),
            _ => {}
        }
        Answer::Whole(202, "", json!({ "id": format!("e-{n}") }).to_string().into())
    });
    let yaml = format!(
        "proofload: 1
target: {}
traffic:
  executions:
    pipeline:
      start: {{ post: /executions, json: {{}}, id: $.id }}
      follow: {{ nats: {{ server: '{}', login: {{ token: {{ secret: NATS_KEY }} }}, subject: 'executions.*', id: $.id, state: $.state }} }}
      states: {{ ok: DONE, failed: FAILED }}
      deadline: 2s
    arrivals: even
    load: [{}]
fitness: {{ lag: 10s, cpu: 100% }}
slo:
  - expect: errors(executions) < 10%
",
        server.url(),
        broker.place,
        hold("40/s", "2s"),
    );
    let scene = Scene::new(&yaml);
    let _turn = Turn::take();
    let ran = start(&scene, TOKEN).wait();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let traffic = &scene.verdict()["traffic"]["executions"];
    let outcomes = ["ok", "failed", "unfinished"].map(|word| traffic["outcomes"][word].as_u64().unwrap_or(0));
    assert_eq!(outcomes, [40, 20, 20], "{traffic} {ran:?}");
    assert!(traffic["followed"]["early"].as_u64() >= Some(20), "{traffic}");
    assert_eq!(traffic["followed"]["again"], 20, "{traffic}");
}
