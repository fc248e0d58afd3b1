use super::*;
use crate::base::seed::Seed;
use bytes::Bytes;

fn api() -> Api {
    Api::new(Arc::new(Links::new(Seed(7), &[]).expect("a timer")))
}

async fn ask(api: &Api, method: &str, path: &str, body: &str) -> (u16, String) {
    let request = Request {
        method: method.into(),
        path: path.into(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        ..Request::default()
    };
    let Answer::Reply(reply) = api.handle(request).await else { unreachable!("always a reply") };
    assert!(reply.headers.iter().any(|(name, id)| name == "X-Toxiproxy-Request-Id" && id.len() == 20));
    (reply.status, String::from_utf8(reply.body.to_vec()).expect("text"))
}

/// What is answered, as JSON.
async fn json(api: &Api, method: &str, path: &str, body: &str) -> (u16, Value) {
    let (status, body) = ask(api, method, path, body).await;
    (status, serde_json::from_str(&body).expect("JSON"))
}

fn refused(status: u16, error: &str) -> (u16, Value) {
    (status, json!({ "error": error, "status": status }))
}

const DB: &str = r#"{"name": "db", "listen": "localhost:0", "upstream": "localhost:5432"}"#;

#[tokio::test]
async fn a_proxy_is_made_shown_changed_and_removed() {
    let api = api();
    assert_eq!(json(&api, "GET", "/proxies", "").await, (200, json!({})));
    let (status, made) = json(&api, "POST", "/proxies", DB).await;
    let listen = made["listen"].as_str().expect("an address").to_owned();
    assert!(listen.starts_with("127.0.0.1:") && !listen.ends_with(":0"), "{listen}");
    let shown = json!({ "name": "db", "listen": listen, "upstream": "localhost:5432", "enabled": true, "toxics": [] });
    assert_eq!((status, &made), (201, &shown));
    assert_eq!(json(&api, "GET", "/proxies/db", "").await, (200, shown.clone()));
    assert_eq!(json(&api, "GET", "/proxies", "").await, (200, json!({ "db": shown })));
    assert_eq!(json(&api, "POST", "/proxies", DB).await, refused(409, "proxy already exists"));

    for method in ["PATCH", "POST"] {
        let (status, off) = json(&api, method, "/proxies/db", r#"{"enabled": false}"#).await;
        assert_eq!((status, &off["enabled"], &off["listen"]), (200, &json!(false), &json!(listen)));
        assert!(tokio::net::TcpStream::connect(&listen).await.is_err());
        let (_, on) = json(&api, method, "/proxies/db", r#"{"enabled": true}"#).await;
        assert_eq!((&on["enabled"], &on["listen"]), (&json!(true), &json!(listen)));
        assert!(tokio::net::TcpStream::connect(&listen).await.is_ok());
    }
    let (_, moved) = json(&api, "PATCH", "/proxies/db", r#"{"upstream": "127.0.0.1:1"}"#).await;
    assert_eq!((&moved["upstream"], &moved["enabled"]), (&json!("127.0.0.1:1"), &json!(true)));
    let (_, moved) = json(&api, "PATCH", "/proxies/db", r#"{"listen": "127.0.0.1:0"}"#).await;
    assert_ne!(moved["listen"], json!(listen));

    assert_eq!(ask(&api, "DELETE", "/proxies/db", "").await, (204, String::new()));
    for (method, path) in [("DELETE", "/proxies/db"), ("GET", "/proxies/db"), ("GET", "/proxies/db/toxics")] {
        assert_eq!(json(&api, method, path, "").await, refused(404, "proxy not found"));
    }
    assert_eq!(json(&api, "PATCH", "/proxies/db", "{}").await, refused(404, "proxy not found"));
}

#[tokio::test]
async fn what_is_wrong_with_a_proxy_is_said() {
    let api = api();
    let post = async |body: &str| json(&api, "POST", "/proxies", body).await;
    assert_eq!(post(r#"{"upstream": "localhost:1"}"#).await, refused(400, "missing required field: name"));
    assert_eq!(post(r#"{"name": "a"}"#).await, refused(400, "missing required field: upstream"));
    for body in ["", "[]", "{", r#"{"name": 5}"#, r#"{"name": "a", "upstream": "localhost:1", "enabled": "yes"}"#] {
        let (status, said) = post(body).await;
        assert!(status == 400 && said["error"].as_str().is_some_and(|e| e.starts_with("bad request body: ")), "{said}");
    }
    let (status, said) = post(r#"{"name": "a", "upstream": "10.0.0.1:1"}"#).await;
    assert!(status == 403 && said["error"].as_str().is_some_and(|e| e.contains("--allow-host 10.0.0.1")), "{said}");
    assert_eq!(post(r#"{"name": "a", "listen": "0.0.0.0:0", "upstream": "localhost:1"}"#).await.0, 403);
    assert_eq!(post(r#"{"name": "a", "upstream": "what is this"}"#).await.0, 400);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let kept = std::net::TcpListener::bind(taken).expect("free");
    let body = format!(r#"{{"name": "a", "listen": "{taken}", "upstream": "localhost:1"}}"#);
    let (status, said) = post(&body).await;
    assert!(status == 500 && said["error"].as_str().is_some_and(|e| e.contains("in use")), "{said}");
    assert_eq!(json(&api, "GET", "/proxies", "").await, (200, json!({})), "nothing was made");
    drop(kept);
    let (status, off) =
        post(r#"{"Name": "a", "LISTEN": "127.0.0.1:0", "upstream": "localhost:1", "enabled": false, "x": 1}"#).await;
    assert_eq!((status, &off["enabled"], &off["listen"]), (201, &json!(false), &json!("127.0.0.1:0")));
}

#[tokio::test]
async fn toxics_come_change_and_go() {
    let api = api();
    json(&api, "POST", "/proxies", DB).await;
    let toxics = "/proxies/db/toxics";
    let latency = json!({ "name": "latency_downstream", "type": "latency", "stream": "downstream", "toxicity": 1,
                          "attributes": { "latency": 100, "jitter": 0 } });
    let add = async |body: &str| json(&api, "POST", toxics, body).await;
    assert_eq!(add(r#"{"type": "latency", "attributes": {"latency": 100}}"#).await, (200, latency.clone()));
    assert_eq!(add(r#"{"type": "latency"}"#).await, refused(409, "toxic already exists"));
    assert_eq!(add(r#"{"type": "nothing"}"#).await, refused(400, "invalid toxic type"));
    let stream = "stream was invalid, can be either upstream or downstream";
    assert_eq!(add(r#"{"type": "latency", "stream": "sideways"}"#).await, refused(400, stream));
    for wrong in [r#"{"latency": -1}"#, r#"{"latency": "1"}"#, "[]"] {
        assert_eq!(add(&format!(r#"{{"name": "x", "type": "latency", "attributes": {wrong}}}"#)).await.0, 400);
    }
    assert_eq!(add(r#"{"type": "slicer", "attributes": {"average_size": 5, "size_variation": 5}}"#).await.0, 400);
    let up =
        r#"{"name": "slow", "type": "bandwidth", "stream": "upstream", "toxicity": 0.5, "attributes": {"rate": 256}}"#;
    let (_, slow) = add(up).await;
    assert_eq!((&slow["toxicity"], &slow["attributes"]), (&json!(0.5), &json!({ "rate": 256 })));

    let one = "/proxies/db/toxics/latency_downstream";
    assert_eq!(json(&api, "GET", one, "").await, (200, latency.clone()));
    assert_eq!(json(&api, "GET", toxics, "").await, (200, json!([slow, latency])), "upstream ones first");
    for (method, n) in [("PATCH", 5), ("POST", 6)] {
        let body = json!({ "name": "other", "stream": "upstream", "toxicity": 0.25, "attributes": { "jitter": n } });
        let (status, changed) = json(&api, method, one, &body.to_string()).await;
        assert_eq!((status, &changed["attributes"]), (200, &json!({ "latency": 100, "jitter": n })));
        assert_eq!((&changed["name"], &changed["stream"]), (&latency["name"], &latency["stream"]), "they stay");
        assert_eq!(changed["toxicity"], json!(0.25));
    }
    for method in ["GET", "DELETE", "PATCH"] {
        assert_eq!(json(&api, method, "/proxies/db/toxics/none", "{}").await, refused(404, "toxic not found"));
    }
    assert_eq!(json(&api, "PATCH", one, "what").await.0, 400);
    assert_eq!(ask(&api, "DELETE", one, "").await, (204, String::new()));
    assert_eq!(json(&api, "GET", toxics, "").await, (200, json!([slow])));
}

#[tokio::test]
async fn every_kind_says_back_what_it_was_told() {
    let api = api();
    json(&api, "POST", "/proxies", DB).await;
    let kinds = [
        ("noop", json!({})),
        ("latency", json!({ "latency": 10, "jitter": 3 })),
        ("bandwidth", json!({ "rate": 0 })),
        ("slow_close", json!({ "delay": 7 })),
        ("timeout", json!({ "timeout": 0 })),
        ("reset_peer", json!({ "timeout": 2000 })),
        ("slicer", json!({ "average_size": 64, "size_variation": 32, "delay": 10 })),
        ("limit_data", json!({ "bytes": 1000 })),
        ("corrupt", json!({ "bits": 2, "every": 4096 })),
        ("drop_half", json!({})),
    ];
    assert_eq!(kinds.len(), super::super::toxic::WORDS.len());
    for (word, attributes) in kinds {
        let body = json!({ "type": word, "attributes": attributes });
        let (status, shown) = json(&api, "POST", "/proxies/db/toxics", &body.to_string()).await;
        assert_eq!((status, &shown["attributes"]), (200, &attributes), "{word}");
        assert_eq!(shown["name"], json!(format!("{word}_downstream")));
    }
}

#[tokio::test]
async fn a_reset_enables_all_and_removes_what_no_run_owns() {
    struct Nobody;
    impl super::super::toxic::Watch for Nobody {
        fn met(&self, _: u64, _: bool) {}
        fn struck(&self, _: u64) {}
    }
    let api = api();
    json(&api, "POST", "/proxies", DB).await;
    json(&api, "POST", "/proxies/db/toxics", r#"{"type": "noop"}"#).await;
    let link = api.links.get("db").expect("made");
    let toxic = wire::toxic(&wire::object(br#"{"type": "noop", "name": "proofload-f"}"#).expect("JSON")).expect("one");
    api.links.add(&link, Toxic { watcher: Some(Arc::new(Nobody)), ..toxic }).expect("added");
    json(&api, "PATCH", "/proxies/db", r#"{"enabled": false}"#).await;
    assert_eq!(ask(&api, "POST", "/reset", "").await, (204, String::new()));
    let (_, db) = json(&api, "GET", "/proxies/db", "").await;
    assert_eq!((&db["enabled"], db["toxics"].as_array().map(Vec::len)), (&json!(true), Some(1)));
    for (method, path) in [("DELETE", "/proxies/db"), ("DELETE", "/proxies/db/toxics/proofload-f")] {
        let (status, said) = json(&api, method, path, "").await;
        assert!(status == 409 && said["error"].as_str().is_some_and(|e| e.contains("a fault of a run")), "{said}");
    }
}

#[tokio::test]
async fn populate_makes_replaces_and_leaves_alone() {
    let api = api();
    let (status, made) = json(&api, "POST", "/populate", &format!("[{DB}]")).await;
    assert_eq!((status, made["proxies"].as_array().map(Vec::len)), (201, Some(1)));
    let listen = made["proxies"][0]["listen"].as_str().expect("an address").to_owned();
    json(&api, "POST", "/proxies/db/toxics", r#"{"type": "noop"}"#).await;
    let same = json!([
        { "name": "db", "listen": listen.replace("127.0.0.1", "localhost"), "upstream": "localhost:5432" },
        { "name": "cache", "listen": "127.0.0.1:0", "upstream": "localhost:6379", "enabled": false },
    ]);
    let (status, again) = json(&api, "POST", "/populate", &same.to_string()).await;
    assert_eq!((status, again["proxies"][0]["toxics"].as_array().map(Vec::len)), (201, Some(1)), "left alone");
    assert_eq!(again["proxies"][1]["enabled"], json!(false));
    let other = json!([{ "name": "db", "listen": listen, "upstream": "localhost:5433" }]);
    let (_, other) = json(&api, "POST", "/populate", &other.to_string()).await;
    assert_eq!(other["proxies"][0]["toxics"], json!([]), "replaced");

    let wrong = r#"[{"name": "new", "upstream": "localhost:1"}, {"name": "bad"}]"#;
    let (status, said) = json(&api, "POST", "/populate", wrong).await;
    assert_eq!(status, 400);
    assert_eq!(said, json!({ "error": "missing required field: upstream at proxy 2", "status": 400, "proxies": [] }));
    assert_eq!(json(&api, "GET", "/proxies/new", "").await.0, 404, "nothing at all was made");
    let twice = r#"[{"name": "new", "upstream": "localhost:1"}, {"name": "new", "upstream": "localhost:1"}]"#;
    assert_eq!(json(&api, "POST", "/populate", twice).await.0, 500);
    assert_eq!(json(&api, "POST", "/populate", "{}").await.0, 400);
    let far = r#"[{"name": "near", "upstream": "localhost:1"}, {"name": "far", "upstream": "10.0.0.1:1"}]"#;
    let (status, said) = json(&api, "POST", "/populate", far).await;
    assert_eq!((status, said["proxies"].as_array().map(Vec::len)), (403, Some(1)), "what came before it stays");
}

#[tokio::test]
async fn the_rest_of_the_api() {
    let api = api();
    assert_eq!(json(&api, "GET", "/version", "").await, (200, json!({ "version": "2.12.0" })));
    assert_eq!(ask(&api, "GET", "/nothing", "").await.0, 404);
    assert_eq!(ask(&api, "PUT", "/proxies", "").await.0, 405);
    let headers = vec![("User-Agent".to_owned(), "Mozilla/5.0 (X11)".to_owned())];
    let browser = Request { method: "GET".into(), path: "/version".into(), headers, ..Request::default() };
    let Answer::Reply(reply) = api.handle(browser).await else { unreachable!("always a reply") };
    assert_eq!((reply.status, reply.body.as_ref()), (403, b"User agent not allowed\n".as_slice()));
    json(&api, "POST", "/proxies", &DB.replace("db", "a b")).await;
    assert_eq!(json(&api, "GET", "/proxies/a%20b", "").await.0, 200);
    let (status, page) = ask(&api, "GET", "/metrics", "").await;
    let sample = r#"toxiproxy_proxy_received_bytes_total{direction="upstream",listener="127.0.0.1:"#;
    assert!(status == 200 && page.contains(sample), "{page}");
    assert!(page.contains("# TYPE toxiproxy_proxy_sent_bytes_total counter"), "{page}");
}
