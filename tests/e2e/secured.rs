//! Signals on a cluster that wants to know who comes, and that speaks TLS where this build does (`--features kafka-tls`).
//!
//! The cluster in this process is open; a door stands before it. It names no other way there, asks for a user and a
//! password (PLAIN, told outside of requests), and can be reached within TLS only, if told so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::scene::{Ended, Going, Scene, Turn};
use crate::server::{Request, Server, status};
use crate::signals::{System, Truth, Wrong, cluster, scenario};

const USER: &str = "load";
const PASSWORD: &str = "n0b0dy-kn0ws-this-one";
/// What a client asks first, and what it asks then where that is known.
const API_VERSIONS: [u8; 2] = [0, 18];
const SASL_HANDSHAKE: [u8; 2] = [0, 17];

/// Stands before the only broker of a cluster.
struct Door {
    place: String,
    /// Connections on which the right password was said, and a wrong one.
    let_in: Arc<AtomicUsize>,
    turned_away: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Door {
    fn before(cluster: &MockCluster<'_, DefaultProducerContext>, tls: Option<Arc<ServerConfig>>) -> Door {
        let runtime = Runtime::new().expect("a runtime");
        let broker = cluster.bootstrap_servers();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let place = listener.local_addr().expect("a place").to_string();
        let (let_in, turned_away) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (counts, ours, acceptor) =
            ((let_in.clone(), turned_away.clone()), place.clone(), tls.map(TlsAcceptor::from));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (broker, ours, acceptor) = (broker.clone(), ours.clone(), acceptor.clone());
                let counts = counts.clone();
                tokio::spawn(async move {
                    match acceptor {
                        None => pass(client, &broker, &ours, &counts).await,
                        Some(acceptor) => {
                            if let Ok(client) = acceptor.accept(client).await {
                                pass(client, &broker, &ours, &counts).await;
                            }
                        }
                    }
                });
            }
        });
        Door { place, let_in, turned_away, _runtime: runtime }
    }

    fn counts(&self) -> (usize, usize) {
        (self.let_in.load(Ordering::Relaxed), self.turned_away.load(Ordering::Relaxed))
    }
}

/// Four bytes of length, and so many more; nothing at the end.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = from.read_u32().await.ok()?;
    let mut frame = vec![0; length as usize];
    from.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn put(to: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Option<()> {
    let whole = [&(frame.len() as u32).to_be_bytes(), frame].concat();
    to.write_all(&whole).await.ok()?;
    to.flush().await.ok()
}

/// `HOST` and PORT as replies name brokers.
fn named(place: &str) -> Vec<u8> {
    let (host, port) = place.split_once(':').expect("HOST:PORT");
    [host.as_bytes(), &port.parse::<u32>().expect("a port").to_be_bytes()].concat()
}

/// Says of a broker that it knows SaslHandshake, in version 0: after the number of the request and no error.
fn add_handshake(reply: &mut Vec<u8>, version: u8) {
    match version {
        3.. => {
            reply[6] += 1;
            reply.splice(7..7, [0, 17, 0, 0, 0, 0, 0]);
        }
        _ => {
            reply[9] += 1;
            reply.splice(10..10, [0, 17, 0, 0, 0, 0]);
        }
    }
}

async fn pass(
    client: impl AsyncRead + AsyncWrite,
    broker: &str,
    ours: &str,
    (let_in, turned_away): &(Arc<AtomicUsize>, Arc<AtomicUsize>),
) {
    let Ok(upstream) = TcpStream::connect(broker).await else { return };
    let ((mut from_client, to_client), (mut from_broker, mut to_broker)) = (split(client), upstream.into_split());
    let to_client = tokio::sync::Mutex::new(to_client);
    // The version in which it was asked what a broker can do, until that is answered.
    let versions = Mutex::new(None);
    let requests = async {
        let mut known = false;
        while let Some(asked) = frame(&mut from_client).await {
            if known {
                put(&mut to_broker, &asked).await?;
            } else if asked.starts_with(&API_VERSIONS) {
                *versions.lock().expect("no panic") = Some(asked[3]);
                put(&mut to_broker, &asked).await?;
            } else if asked.starts_with(&SASL_HANDSHAKE) {
                // To whom, no error, and one way.
                let answer = [&asked[4..8], &[0, 0, 0, 0, 0, 1, 0, 5], b"PLAIN"].concat();
                put(&mut *to_client.lock().await, &answer).await?;
            } else if asked == format!("\0{USER}\0{PASSWORD}").as_bytes() {
                known = true;
                let_in.fetch_add(1, Ordering::Relaxed);
                put(&mut *to_client.lock().await, b"").await?;
            } else {
                turned_away.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        }
        None::<()>
    };
    let replies = async {
        let (theirs, ours) = (named(broker), named(ours));
        while let Some(mut reply) = frame(&mut from_broker).await {
            for at in 0..reply.len().saturating_sub(theirs.len() - 1) {
                if reply[at..].starts_with(&theirs) {
                    reply[at..at + ours.len()].copy_from_slice(&ours);
                }
            }
            if let Some(version) = versions.lock().expect("no panic").take() {
                add_handshake(&mut reply, version);
            }
            put(&mut *to_client.lock().await, &reply).await?;
        }
        None::<()>
    };
    tokio::select! { _ = requests => {}, _ = replies => {} }
}

/// A scenario whose cluster is behind a door, and asks for what `security` says.
fn scene(door: &Door, security: &str) -> (Scene, Server) {
    let server = Server::new(|_: &Request<'_>| status(200));
    let slo = "  - expect: lost(signals) == 0\n  - expect: duplicated(signals) < 1%\n  - expect: p95(signals) < 2s";
    let yaml = scenario(&server.url(), &door.place, "", slo);
    let open = format!("brokers: [{}]", door.place);
    (Scene::new(&yaml.replacen(&open, &format!("{open}, security: {security}"), 1)), server)
}

fn run(scene: &Scene, password: &str) -> Ended {
    let mut command = scene.command(&[]);
    command.env("BROKER_PASSWORD", password);
    Going::start(command, &scene.path(".")).wait()
}

/// What was sent arrived, and the password is nowhere.
fn kept(ran: &Ended, scene: &Scene, truth: Truth) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(truth.read, 300);
    let effects: &Value = &scene.verdict()["traffic"]["signals"]["effects"];
    assert_eq!((&effects["acked"], &effects["seen"]), (&300.into(), &300.into()), "{effects}");
    for file in scene.files() {
        let bytes = std::fs::read(&file).expect("readable");
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(PASSWORD) && !text.contains("PRIVATE KEY"), "{}", file.display());
    }
    assert!(!ran.out.contains(PASSWORD) && !ran.err.contains(PASSWORD));
}

const SASL: &str = "sasl: { mechanism: plain, user: load, password: { secret: BROKER_PASSWORD } }";

#[test]
fn a_cluster_that_wants_a_password_gets_it_and_nobody_else_does() {
    let cluster = cluster();
    let door = Door::before(&cluster, None);
    let (scene, _server) = scene(&door, &format!("{{ {SASL} }}"));
    let system = System::start(&cluster.bootstrap_servers(), Wrong::default());
    let _turn = Turn::take();
    let ran = run(&scene, PASSWORD);
    kept(&ran, &scene, system.stop());
    let (let_in, turned_away) = door.counts();
    assert!(let_in >= 2 && turned_away == 0, "the producer and the reader of effects: {let_in}, {turned_away}");
    let refused = run(&scene, "a-wrong-one-8e1f");
    assert!(refused.code == Some(5) && door.counts().1 > 0, "{refused:?}");
    assert!(!refused.err.contains("a-wrong-one-8e1f"), "{refused:?}");
}

#[cfg(not(feature = "kafka-tls"))]
#[test]
fn what_this_build_cannot_speak_is_refused_by_name() {
    let cluster = cluster();
    let door = Door::before(&cluster, None);
    for (security, what) in [
        ("{ tls: {} }", "this build does not speak Kafka over TLS"),
        ("{ sasl: { mechanism: scram-sha-256, user: load, password: { secret: BROKER_PASSWORD } } }", "SCRAM"),
    ] {
        let (scene, _server) = scene(&door, security);
        let refused = run(&scene, PASSWORD);
        assert!(refused.code == Some(2) && refused.err.contains(what), "{refused:?}");
        assert!(refused.err.contains("--features kafka-tls"), "{refused:?}");
    }
    assert_eq!(door.counts(), (0, 0), "nobody came");
}

/// Within TLS, with a certificate that only the scenario's `ca` vouches for; without that nobody is let in.
#[cfg(feature = "kafka-tls")]
#[test]
fn signals_go_within_tls_and_only_to_whom_is_trusted() {
    use crate::certificates::Authority;
    let (cluster, authority) = (cluster(), Authority::new("a test"));
    let shown = authority.server("127.0.0.1", None);
    let door = Door::before(&cluster, Some(authority.shows(&shown, true, &[])));
    let (scene, _server) =
        scene(&door, &format!("{{ tls: {{ ca: ca.pem, cert: client.pem, key: client.key }}, {SASL} }}"));
    authority.put(&scene);
    authority.client("load").put(&scene);
    let system = System::start(&cluster.bootstrap_servers(), Wrong::default());
    let _turn = Turn::take();
    let ran = run(&scene, PASSWORD);
    kept(&ran, &scene, system.stop());
    let (let_in, _) = door.counts();
    assert!(let_in >= 2, "{let_in}");
    // Whom nobody vouches for gets nothing, no password least of all; neither does who has another name.
    Authority::new("another").put(&scene);
    let untrusted = run(&scene, PASSWORD);
    assert!(untrusted.code == Some(5) && untrusted.err.contains("certificate"), "{untrusted:?}");
    authority.put(&scene);
    let elsewhere = authority.server("elsewhere.example", None);
    let other = Door::before(&cluster, Some(authority.shows(&elsewhere, false, &[])));
    let (scene, _server) = self::scene(&other, &format!("{{ tls: {{ ca: ca.pem }}, {SASL} }}"));
    authority.put(&scene);
    let misnamed = run(&scene, PASSWORD);
    assert!(misnamed.code == Some(5) && other.counts() == (0, 0), "{misnamed:?}");
    assert_eq!(door.counts().0, let_in);
}
