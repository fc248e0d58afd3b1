//! Against servers that answer like Prometheus, Mimir and Thanos, and against some that do not.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::net::Address;
use crate::evidence::samples;
use crate::scenario::{HeaderValue, Login, Server};

type Says = dyn Fn(&Request) -> Response + Send + Sync;

/// Answers as it is told to, and remembers what it was asked.
struct Fake {
    says: Box<Says>,
    asked: Mutex<Vec<Request>>,
}

impl httpd::Handler for Fake {
    async fn handle(&self, request: Request) -> Answer {
        let answer = (self.says)(&request);
        self.asked.lock().expect("nobody panics").push(request);
        answer.into()
    }
}

struct Stand {
    settings: scenario::Prometheus,
    fake: Arc<Fake>,
    serving: JoinHandle<()>,
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn stand(says: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Stand {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let fake = Arc::new(Fake { says: Box::new(says), asked: Mutex::default() });
    let serving = tokio::spawn(httpd::serve(listener, fake.clone()));
    let server = Server {
        address: Address::http("127.0.0.1", port),
        headers: Vec::new(),
        login: Login::Nobody,
        tenant: None,
        timeout: Duration::from_secs(5),
        ca: None,
        insecure: false,
    };
    let settings = scenario::Prometheus { server, every: None, grace: None, semantics: None };
    Stand { settings, fake, serving }
}

fn success(data: serde_json::Value) -> Response {
    Response::json(200, &json!({ "status": "success", "data": data }))
}

fn now() -> f64 {
    crate::base::time::wall() as f64 / 1e9
}

/// A Prometheus 2.42 with one counter that rises by one each second.
fn prometheus(request: &Request) -> Response {
    match request.path.as_str() {
        "/api/v1/status/buildinfo" => success(json!({ "version": "2.42.0+ds" })),
        "/api/v1/targets" => {
            success(json!({ "activeTargets": [{ "scrapeInterval": "1s" }, { "scrapeInterval": "15s" }] }))
        }
        "/api/v1/alerts" => {
            success(json!({ "alerts": [{ "labels": { "alertname": "High" }, "state": "firing", "activeAt": "t" }] }))
        }
        "/api/v1/rules" => {
            success(json!({ "groups": [{ "rules": [{ "name": "Odd", "health": "err", "lastError": "why" }] }] }))
        }
        "/api/v1/query" => query(request),
        _ => Response::text(404, "404 page not found\n"),
    }
}

fn query(request: &Request) -> Response {
    let query = request.param("query").expect("a query");
    let at = request.param("time").and_then(|at| at.parse::<f64>().ok()).unwrap_or_else(now);
    if query == "time()" {
        return success(json!({ "resultType": "scalar", "result": [at, at.to_string()] }));
    }
    let Some((selector, rest)) = query.rsplit_once('[') else {
        let result = json!([{ "metric": { "job": "api" }, "value": [at, "+Inf"] }]);
        return success(json!({ "resultType": "vector", "result": result }));
    };
    let length: f64 = rest.trim_end_matches("ms]").parse().expect("milliseconds");
    if !selector.contains("\"m\"") && !selector.contains("\"up\"") {
        return success(json!({ "resultType": "matrix", "result": [] }));
    }
    // Closed at both ends, as 2.x has it.
    let (first, last) = ((at - length / 1000.0).ceil() as i64, at.floor() as i64);
    let values: Vec<_> = (first..=last).map(|second| json!([second as f64, second.to_string()])).collect();
    let metric =
        json!({ "__name__": if selector.contains("up") { "up" } else { "m" }, "job": "api", "instance": "h:1" });
    success(json!({ "resultType": "matrix", "result": [{ "metric": metric, "values": values }] }))
}

async fn meet(stand: &Stand) -> Result<(Prometheus, mpsc::UnboundedReceiver<Event>), String> {
    let (events, told) = mpsc::unbounded_channel();
    let clock = Clock::starting_in(Duration::ZERO);
    let known = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
    let met = Prometheus::meet(&stand.settings, &known, clock, events).await?;
    Ok((met, told))
}

fn told(events: &mut mpsc::UnboundedReceiver<Event>) -> Vec<Told> {
    let mut all = Vec::new();
    while let Ok(Event::Prometheus { told, .. }) = events.try_recv() {
        all.push(told);
    }
    all
}

async fn why(says: impl Fn(&Request) -> Response + Send + Sync + 'static) -> String {
    meet(&stand(says).await).await.err().expect("no Prometheus")
}

#[tokio::test]
async fn every_raw_sample_comes_once_with_its_own_time() {
    let stand = stand(prometheus).await;
    let (server, mut events) = meet(&stand).await.expect("met");
    assert_eq!(server.identity.product, Product::Prometheus);
    assert_eq!((server.identity.semantics, server.identity.every), ((2, "version"), Some(Duration::from_secs(15))));
    assert!(server.identity.ahead.unsigned_abs() <= server.identity.doubt, "{:?}", server.identity);
    assert_eq!(server.grace(), Duration::from_secs(16));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prometheus.chunks");
    let wanted = Wanted { selector: "{__name__=\"m\"}".into(), back: Duration::from_secs(300) };
    server.fetch(&[wanted], &path, Offset::MAX).await.expect("space");
    let read = samples::read(&path).expect("a file");
    let m = read.series.iter().find(|s| s.labels.name() == "m").expect("fetched");
    assert!((299..=301).contains(&m.samples.len()), "{} samples over more than one piece", m.samples.len());
    assert!(m.samples.windows(2).all(|pair| pair[1].at - pair[0].at == 1_000));
    assert!(m.samples.iter().all(|sample| sample.at as f64 == sample.value * 1000.0));
    assert!(read.series.iter().any(|s| s.labels.name() == "up"), "which targets were up comes with it");
    let fetched: Vec<(String, u64)> = told(&mut events)
        .into_iter()
        .filter_map(|told| match told {
            Told::Fetched { selector, samples, failed: None, .. } => Some((selector, samples)),
            _ => None,
        })
        .collect();
    assert_eq!(fetched[0], ("{__name__=\"m\"}".to_owned(), m.samples.len() as u64));
    assert_eq!(fetched[1].0, "{__name__=\"up\",job=~\"api\"}");
    assert_eq!(fetched[2], ("{__name__=\"ALERTS\"}".to_owned(), 0));
}

#[tokio::test]
async fn its_own_answers_and_alerts_are_told() {
    let stand = stand(prometheus).await;
    let (server, mut events) = meet(&stand).await.expect("met");
    server.answer(&[Question { expr: "sum(m)".into(), at: 1_234 }], Offset::MAX).await;
    server.answer(&[Question { expr: "late".into(), at: 1 }], Offset::from_millis(-1)).await;
    server.state().await;
    let told = told(&mut events);
    let pairs = vec![("job".to_owned(), "api".to_owned())];
    let elements = vec![(pairs, "+Inf".to_owned())];
    assert_eq!(told[0], Told::Answered { expr: "sum(m)".into(), instant: 1_234, elements, failed: None });
    assert!(matches!(&told[1], Told::Answered { failed: Some(why), .. } if why.contains("given up")));
    assert!(matches!(&told[2], Told::Alerts { alerts } if alerts[0].state == "firing"));
    assert_eq!(told[3], Told::Rules { rules: 1, failing: vec![("Odd".into(), "why".into())] });
    let asked = stand.fake.asked.lock().expect("nobody panics");
    assert!(asked.iter().any(|request| request.param("time").as_deref() == Some("1.234")));
}

#[tokio::test]
async fn what_is_too_much_is_asked_in_smaller_pieces() {
    let stand = stand(|request| {
        let length =
            request.param("query").and_then(|q| q.rsplit_once('[')?.1.trim_end_matches("ms]").parse::<u64>().ok());
        if length.is_some_and(|length| length > 20_000) {
            let error = "query processing would load too many samples into memory in query execution";
            return Response::json(422, &json!({ "status": "error", "errorType": "execution", "error": error }));
        }
        prometheus(request)
    })
    .await;
    let (server, _events) = meet(&stand).await.expect("met");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("prometheus.chunks");
    let wanted = Wanted { selector: "{__name__=\"m\"}".into(), back: Duration::from_secs(60) };
    server.fetch(&[wanted], &path, Offset::MAX).await.expect("space");
    let read = samples::read(&path).expect("a file");
    let m = read.series.iter().find(|s| s.labels.name() == "m").expect("fetched");
    let times: BTreeSet<i64> = m.samples.iter().map(|s| s.at).collect();
    assert!((59..=61).contains(&times.len()) && times.len() == m.samples.len(), "{} samples", times.len());
}

#[tokio::test]
async fn a_part_of_the_answer_is_no_answer() {
    let stand = stand(|request| match request.param("query") {
        Some(query) if query.contains('[') => Response::json(
            200,
            &json!({ "status": "success", "warnings": ["No StoreAPIs matched"], "data": { "resultType": "matrix", "result": [] } }),
        ),
        _ => prometheus(request),
    })
    .await;
    let (server, mut events) = meet(&stand).await.expect("met");
    let folder = tempfile::tempdir().expect("a folder");
    let wanted = Wanted { selector: "{__name__=\"m\"}".into(), back: Duration::ZERO };
    tokio::time::sleep(Duration::from_millis(5)).await; // there must be something to ask about
    server.fetch(&[wanted], &folder.path().join("f"), Offset::MAX).await.expect("space");
    let told = told(&mut events);
    assert!(
        matches!(&told[0], Told::Fetched { failed: Some(why), .. } if why.contains("only a part") && why.contains("StoreAPIs")),
        "{told:?}"
    );
}

#[tokio::test]
async fn whoever_asks_says_who_it_is_and_for_whom() {
    for (login, want) in [
        (Login::Bearer("TOKEN".into()), "Bearer hunter2".to_owned()),
        (Login::Basic { user: "me".into(), password: "TOKEN".into() }, "Basic bWU6aHVudGVyMg==".to_owned()),
    ] {
        let mut stand = stand(prometheus).await;
        stand.settings.server.login = login;
        stand.settings.server.tenant = Some("team-a".into());
        stand.settings.server.headers = vec![("X-Key".into(), HeaderValue::Secret("TOKEN".into()))];
        stand.settings.server.address.base = "/prometheus".into();
        let _ = meet(&stand).await; // nothing answers below this base
        let asked = stand.fake.asked.lock().expect("nobody panics");
        let first = asked.first().expect("asked");
        assert_eq!(first.path, "/prometheus/api/v1/query");
        assert_eq!(first.header("authorization"), Some(want.as_str()));
        assert_eq!((first.header("x-scope-orgid"), first.header("thanos-tenant")), (Some("team-a"), Some("team-a")));
        assert_eq!(first.header("x-key"), Some("hunter2"));
    }
    let mut stand = stand(prometheus).await;
    stand.settings.server.login = Login::Bearer("OTHER".into());
    let why = meet(&stand).await.err().expect("not known");
    assert!(why.contains("the secret OTHER is not in the environment"), "{why}");
}

#[tokio::test]
async fn who_answers_is_known() {
    for (build, header, product, semantics) in [
        (json!({ "application": "Grafana Mimir", "version": "2.10.0" }), None, Product::Mimir, (2, "version")),
        (json!({ "version": "0.37.2" }), None, Product::Thanos, (3, "version")),
        (json!({ "version": "2.24.0" }), Some("vm-0"), Product::VictoriaMetrics, (3, "assumed")),
        (json!({ "version": "3.2.1" }), None, Product::Prometheus, (3, "version")),
    ] {
        let stand = stand(move |request| match request.path.as_str() {
            "/api/v1/status/buildinfo" => match header {
                Some(host) => success(build.clone()).with("X-Server-Hostname", host),
                None => success(build.clone()),
            },
            "/api/v1/targets" => Response::text(404, "not here"),
            _ => prometheus(request),
        })
        .await;
        let (server, _) = meet(&stand).await.expect("met");
        assert_eq!((server.identity.product, server.identity.semantics), (product, semantics));
        assert_eq!((server.identity.every, server.grace()), (None, Duration::from_secs(16)));
    }
    let mut said = stand(prometheus).await;
    said.settings.semantics = Some(3);
    assert_eq!(meet(&said).await.expect("met").0.identity.semantics, (3, "scenario"));
}

#[tokio::test]
async fn what_is_wrong_is_said_and_no_secret_with_it() {
    let html = |_: &Request| Response::new(200, "text/html; charset=utf-8", "<!doctype html><title>Sign in</title>");
    assert!(why(html).await.contains("answers with a web page (200)"));
    assert!(why(|_| Response::text(401, "who?")).await.contains("asks who we are (401)"));
    let no_org = |_: &Request| Response::text(401, "no org id\n");
    assert!(why(no_org).await.contains("name a `tenant`"));
    assert!(why(|_| Response::text(403, "")).await.contains("does not allow it (403)"));
    assert!(why(|_| Response::text(404, "")).await.contains("such as /prometheus"));
    assert!(why(|_| Response::text(200, "hello")).await.contains("no JSON: `hello`"));
    assert!(why(|_| Response::json(200, &json!({ "ok": true }))).await.contains("is it a Prometheus?"));
    assert!(why(|_| Response::json(503, &json!({ "error": "not yet ready" }))).await.contains("not yet ready (503)"));
    assert!(why(|_| Response::text(429, "")).await.contains("too many questions (429)"));
    let elsewhere = |_: &Request| Response::text(302, "").with("Location", "https://sso.example/login?token=hunter2");
    let told = why(elsewhere).await;
    assert!(told.contains("https://sso.example/login (302)") && !told.contains("hunter2"), "{told}");
    let mut stand = stand(|_| Response::text(401, "no such user")).await;
    stand.settings.server.login = Login::Bearer("TOKEN".into());
    let told = meet(&stand).await.err().expect("refused");
    assert!(told.contains("does not know who we are (401)") && !told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let gone = stand(prometheus).await;
    gone.serving.abort();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(meet(&gone).await.err().expect("nobody").contains("no connection"));
    struct Silent;
    impl httpd::Handler for Silent {
        async fn handle(&self, _: Request) -> Answer {
            Answer::Hang
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let _serving = tokio::spawn(httpd::serve(listener, Arc::new(Silent)));
    let mut silent = stand(prometheus).await;
    silent.settings.server.address = Address::http("127.0.0.1", port);
    silent.settings.server.timeout = Duration::from_millis(30);
    assert!(meet(&silent).await.err().expect("silent").contains("no answer within 30ms"));
}
