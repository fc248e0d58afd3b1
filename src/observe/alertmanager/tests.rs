//! Against servers that answer like Alertmanager, new and old, and against some that do not.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::sync::Mutex;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::base::ask::Ask;
use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::net::Address;
use crate::evidence::servers::Member;
use crate::scenario::{Login, Server};

type Says = dyn Fn(&Request) -> Response + Send + Sync;

struct Fake(Box<Says>, Mutex<Vec<String>>);

impl httpd::Handler for Fake {
    async fn handle(&self, request: Request) -> Answer {
        self.1.lock().expect("nobody panics").push(request.path.clone());
        (self.0)(&request).into()
    }
}

async fn settings(says: impl Fn(&Request) -> Response + Send + Sync + 'static) -> scenario::Alertmanager {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(httpd::serve(listener, Arc::new(Fake(Box::new(says), Mutex::default()))));
    let server = Server {
        address: Address::http("127.0.0.1", port),
        headers: Vec::new(),
        login: Login::Nobody,
        tenant: None,
        timeout: Duration::from_secs(5),
        ca: None,
        insecure: false,
    };
    scenario::Alertmanager { server, every: Duration::from_millis(10), listen: Some("127.0.0.1:0".into()) }
}

fn alert() -> Value {
    json!({ "labels": { "alertname": "High" }, "fingerprint": "f", "receivers": [{ "name": "pagers" }],
        "status": { "state": "active", "silencedBy": [], "inhibitedBy": [] } })
}

fn new(request: &Request) -> Response {
    match request.path.as_str() {
        "/api/v2/status" => Response::json(
            200,
            &json!({ "versionInfo": { "version": "0.27.0" }, "config": { "original": "smtp_auth_password: hunter2" } }),
        ),
        "/api/v2/alerts" => Response::json(200, &json!([alert()])),
        "/api/v2/alerts/groups" => Response::json(
            200,
            &json!([{ "receiver": { "name": "pagers" }, "labels": { "alertname": "High" }, "alerts": [alert()] }]),
        ),
        _ => Response::text(404, "no"),
    }
}

fn old(request: &Request) -> Response {
    match request.path.as_str() {
        "/api/v1/status" => {
            Response::json(200, &json!({ "status": "success", "data": { "versionInfo": { "version": "0.15.3" } } }))
        }
        "/api/v1/alerts" => Response::json(200, &json!({ "status": "success", "data": [alert()] })),
        _ => Response::text(404, "no"),
    }
}

/// What is told while it is watched until `until` holds.
async fn watched(says: fn(&Request) -> Response, until: impl Fn(&[Told]) -> bool, post: &[&str]) -> Vec<Told> {
    let settings = settings(says).await;
    let met = Alertmanager::meet(&settings, &|_| None).await.expect("met");
    let port = met.webhook.as_ref().and_then(|webhook| webhook.port().ok()).expect("open");
    let (events, mut told) = mpsc::unbounded_channel();
    let (stop, stopping) = watch::channel(false);
    let watching = tokio::spawn(met.watch(Clock::starting_in(Duration::ZERO), events, stopping));
    for body in post {
        let mut ask = Ask::new("POST", &format!("http://127.0.0.1:{port}/hook")).expect("an address");
        ask.body = (*body).into();
        let _ = ask.send(Duration::from_secs(5)).await.expect("answered");
    }
    let mut all = Vec::new();
    while !until(&all) {
        match told.recv().await {
            Some(Event::Alertmanager { told, .. }) => all.push(told),
            _ => break,
        }
    }
    let _ = stop.send(true);
    watching.await.expect("ends");
    while let Ok(Event::Alertmanager { told, .. }) = told.try_recv() {
        all.push(told);
    }
    all
}

#[tokio::test]
async fn its_alerts_are_told_by_the_new_api_and_by_the_old() {
    for (says, version, api) in [(new as fn(&Request) -> Response, "0.27.0", "v2"), (old, "0.15.3", "v1")] {
        let told = watched(says, |told| told.len() > 1, &[]).await;
        assert!(
            matches!(&told[0], Told::Itself { version: Some(v), api: a, .. } if v == version && a == api),
            "{told:?}"
        );
        assert!(matches!(&told[1], Told::Alert { state, .. } if state == "active"), "{told:?}");
        assert!(matches!(told.last(), Some(Told::Polls { good: 1.., failed: 0, dropped: 0 })), "{told:?}");
        assert!(!format!("{told:?}").contains("hunter2"), "its configuration is nobody's business");
    }
}

#[tokio::test]
async fn its_groups_are_told_where_its_api_has_them() {
    let told = watched(new, |told| told.iter().any(|told| matches!(told, Told::Group { .. })), &[]).await;
    let groups: Vec<&Told> = told.iter().filter(|told| matches!(told, Told::Group { .. })).collect();
    let [Told::Group { receiver, labels, alerts, left_out: 0 }] = groups[..] else { panic!("once: {told:?}") };
    assert_eq!((receiver.as_str(), alerts.len(), alerts[0].state.as_str()), ("pagers", 1, "active"));
    assert_eq!(labels, &[("alertname".to_owned(), "High".to_owned())]);
    let told = watched(old, |told| told.len() > 1, &[]).await;
    assert!(!told.iter().any(|told| matches!(told, Told::Group { .. } | Told::Failed { .. })), "{told:?}");
}

#[tokio::test]
async fn its_notifications_are_received_and_what_is_none_is_told() {
    let good = json!({ "receiver": "pagers", "status": "resolved", "groupLabels": { "alertname": "High" },
        "alerts": [{ "labels": { "alertname": "High" }, "status": "resolved" }] });
    let told = watched(new, |told| told.len() > 3, &[&good.to_string(), "nonsense"]).await;
    let notified = told.iter().find_map(|told| match told {
        Told::Notified { receiver, status, group, alerts, .. } => Some((receiver, status, group, alerts.len())),
        _ => None,
    });
    let group = vec![("alertname".to_owned(), "High".to_owned())];
    assert_eq!(notified, Some((&"pagers".to_owned(), &"resolved".to_owned(), &group, 1)));
    assert!(told.iter().any(|told| matches!(told, Told::Failed { why, .. } if why.contains("is it a webhook"))));
}

#[tokio::test]
async fn what_is_no_alertmanager_is_refused_before_the_load() {
    let refused = async |says: fn(&Request) -> Response| {
        Alertmanager::meet(&settings(says).await, &|_| None).await.err().expect("refused")
    };
    assert!(refused(|_| Response::text(401, "")).await.contains("(401)"));
    assert!(refused(|_| Response::json(200, &json!({}))).await.contains("is it an Alertmanager?"));
    assert!(refused(|_| Response::text(404, "")).await.contains("no such place (404)"));
    let mut taken = settings(new).await;
    let holding = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    taken.listen = Some(holding.local_addr().expect("bound").to_string());
    let why = Alertmanager::meet(&taken, &|_| None).await.err().expect("taken");
    assert!(why.contains("receiver_listen") && why.contains("name a port that is free"), "{why}");
}

fn held(state: &str, inhibited_by: &[&str], fingerprint: &str) -> Held {
    Held {
        state: state.into(),
        silenced_by: Vec::new(),
        inhibited_by: inhibited_by.iter().map(|f| (*f).to_owned()).collect(),
        receivers: vec!["pagers".into()],
        fingerprint: fingerprint.into(),
    }
}

#[test]
fn only_what_has_changed_is_told() {
    let named = |name: &str| -> Pairs { vec![("alertname".into(), name.into()), ("service".into(), "a".into())] };
    let mut looks = Looks::default();
    let first = BTreeMap::from([(named("High"), held("active", &[], "f1"))]);
    assert_eq!(looks.changes(first.clone()).len(), 1);
    assert_eq!(looks.changes(first), []);
    let down = held("active", &[], "f2");
    let both = BTreeMap::from([(named("High"), held("suppressed", &["f2"], "f1")), (named("Down"), down)]);
    let told = looks.changes(both);
    let inhibited = told.iter().find_map(|told| match told {
        Told::Alert { state, inhibited_by, .. } if state == "suppressed" => Some(inhibited_by.clone()),
        _ => None,
    });
    assert_eq!(inhibited, Some(vec!["Down{service=\"a\"}".to_owned()]));
    let gone = looks.changes(BTreeMap::new());
    assert!(gone.iter().all(|told| matches!(told, Told::Alert { state, .. } if state == "gone")));
    assert_eq!(gone.len(), 2);
}

#[test]
fn a_group_is_told_when_it_changes_and_when_it_is_gone() {
    let key = ("pagers".to_owned(), vec![("service".to_owned(), "a".to_owned())]);
    let member = |state: &str| Member { labels: vec![("alertname".into(), "High".into())], state: state.into() };
    let of = |state| BTreeMap::from([(key.clone(), Group { alerts: vec![member(state)], left_out: 0 })]);
    let mut looks = Looks::default();
    let told: Vec<usize> = ["active", "active", "suppressed"].map(|state| looks.regrouped(of(state)).len()).into();
    assert_eq!(told, [1, 0, 1]);
    let gone = looks.regrouped(BTreeMap::new());
    assert!(matches!(&gone[..], [Told::Group { alerts, .. }] if alerts.is_empty()), "{gone:?}");
}

#[test]
fn the_same_failure_is_told_once() {
    let mut looks = Looks::default();
    let told: Vec<bool> = ["a", "a", "b", "a"].map(|why| looks.refused("/x", why.into()).is_some()).into();
    assert_eq!(told, [true, false, true, true]);
    assert_eq!(looks.failed, 4);
}
