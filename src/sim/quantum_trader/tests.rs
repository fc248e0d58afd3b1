use std::sync::Mutex;

use serde_json::{Value, json};

use super::super::trading::chance::lock;
use super::*;
use crate::base::ask::{Ask, Told};

async fn send(running: &Running, service: &str, method: &str, path: &str, body: Value) -> Told {
    let (_, url) = running.services().iter().find(|(name, _)| name == service).expect("a service");
    let mut ask = Ask::new(method, &format!("{url}{path}")).expect("an address");
    if !body.is_null() {
        ask.body = body.to_string();
    }
    ask.headers.push(("X-Correlation-ID".into(), "abc-123".into()));
    ask.send(Duration::from_secs(10)).await.expect("answered")
}

fn document(told: &Told) -> Value {
    serde_json::from_slice(&told.body).expect("JSON")
}

fn with(knobs: &[(&str, &str)]) -> Options {
    let mut options = Options::default();
    for (key, value) in [("log", "off"), ("denied", "0%")].iter().chain(knobs) {
        options.set(key, value).expect(key);
    }
    options
}

async fn begin(knobs: &[(&str, &str)]) -> Running {
    start(with(knobs), Box::new(io::sink())).await.expect("ports")
}

async fn page(running: &Running, service: &str) -> String {
    String::from_utf8(send(running, service, "GET", "/metrics", Value::Null).await.body.to_vec()).expect("text")
}

#[tokio::test]
async fn five_services_answer_as_their_contract_says() {
    let running = begin(&[("version", "2.1")]).await;
    let names: Vec<&str> = running.services().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, SERVICES);
    for service in SERVICES {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(send(&running, service, "GET", path, Value::Null).await.status, 200);
        }
        let page = page(&running, service).await;
        let labels = format!("service=\"{service}\",environment=\"practice\",version=\"2.1\"");
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains(&labels), "{line}");
        }
    }
    for (path, status) in [("/nonexistent", 404), ("/simulate-error", 500)] {
        assert_eq!(send(&running, "ai-engine", "GET", path, Value::Null).await.status, status);
    }
    let told = send(&running, "ai-engine", "POST", "/predict", json!({ "symbol": "ETHUSDT" })).await;
    assert_eq!(
        (&document(&told)["symbol"], &document(&told)["correlation_id"]),
        (&json!("ETHUSDT"), &json!("abc-123"))
    );
    assert!(told.headers.iter().any(|(name, value)| name == "x-correlation-id" && value == "abc-123"));
    let page = page(&running, "ai-engine").await;
    let labels = r#"service="ai-engine",environment="practice",version="2.1""#;
    for line in [
        format!("http_requests_total{{{labels},method=\"GET\",path=\"other\",status=\"404\"}} 1\n"),
        format!("http_requests_total{{{labels},method=\"GET\",path=\"/simulate-error\",status=\"500\"}} 1\n"),
        format!("http_requests_total{{{labels},method=\"POST\",path=\"/predict\",status=\"500\"}} 0\n"),
        format!("errors_total{{{labels},error_type=\"simulated\"}} 1\n"),
    ] {
        assert!(page.contains(&line), "{line} in {page}");
    }
}

#[tokio::test]
async fn an_order_passes_the_gate_and_moves_the_portfolio_and_a_stop_stops_it() {
    let running = begin(&[]).await;
    let buy = json!({ "symbol": "SOLUSDT", "side": "buy", "quantity": 2 });
    let told = send(&running, "execution", "POST", "/orders", buy.clone()).await;
    assert_eq!((&document(&told)["status"], &document(&told)["exchange"]), (&json!("filled"), &json!("binance")));
    let held = document(&send(&running, "portfolio", "GET", "/positions", Value::Null).await);
    assert_eq!((&held["open"], &held["positions"]["SOLUSDT"]), (&json!(1), &json!(2.0)));
    assert_eq!(send(&running, "risk", "POST", "/emergency-stop", Value::Null).await.status, 200);
    assert_eq!(send(&running, "execution", "POST", "/orders", buy.clone()).await.status, 503);
    assert_eq!(send(&running, "risk", "DELETE", "/emergency-stop", Value::Null).await.status, 200);
    assert_eq!(send(&running, "execution", "POST", "/orders", buy).await.status, 200);
    let risk = page(&running, "risk").await;
    assert!(risk.contains("decision=\"deny\",reason=\"emergency_stop\",account=\"main\",exchange=\"binance\",strategy=\"ensemble\"} 1\n"), "{risk}");
    assert!(risk.lines().any(|l| l.starts_with("emergency_stop_triggered_total{") && l.ends_with(" 1")), "{risk}");
    let execution = page(&running, "execution").await;
    assert!(execution.contains("symbol=\"SOLUSDT\",side=\"buy\",status=\"filled\"} 2\n"), "{execution}");
    tokio::time::sleep(PULSE * 6).await;
    let training = page(&running, "rl-training").await;
    assert!(training.lines().any(|l| l.starts_with("training_episodes_total{") && !l.ends_with(" 0")), "{training}");
}

#[tokio::test]
async fn the_second_exchange_steps_in_and_without_any_nobody_is_ready() {
    // Nobody listens at port 1: the first exchange is gone, the second is a law.
    let mut options = with(&[]);
    options.set_upstreams(&[("binance".into(), "http://127.0.0.1:1".into())]).expect("known");
    let running = start(options.clone(), Box::new(io::sink())).await.expect("ports");
    let told = send(&running, "execution", "POST", "/orders", Value::Null).await;
    assert_eq!((told.status, &document(&told)["exchange"]), (200, &json!("bybit")));
    assert!(page(&running, "execution").await.contains("primary=\"binance\",selected=\"bybit\"} 1\n"));

    for (ready, status) in [("exchanges", 503), ("always", 200)] {
        options.set("failover", "off").expect("a knob");
        options.set("ready", ready).expect("a knob");
        let running = start(options.clone(), Box::new(io::sink())).await.expect("ports");
        for _ in 0..3 {
            assert_eq!(send(&running, "execution", "POST", "/orders", Value::Null).await.status, 502);
        }
        assert_eq!(send(&running, "execution", "GET", "/health/ready", Value::Null).await.status, status);
        assert_eq!(send(&running, "execution", "GET", "/health/live", Value::Null).await.status, 200);
        assert_eq!(send(&running, "risk", "GET", "/health/ready", Value::Null).await.status, 200);
    }
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);
impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_happens_for_a_request_is_logged_with_its_id() {
    let out = Shared::default();
    let mut running = start(with(&[("log", "stdout")]), Box::new(out.clone())).await.expect("ports");
    send(&running, "execution", "POST", "/orders", json!({ "symbol": "BTCUSDT", "side": "buy" })).await;
    assert!(lock(&out.0).is_empty(), "the line that says that it is ready comes first");
    running.announced();
    send(&running, "ai-engine", "GET", "/nonexistent", Value::Null).await;
    let text = String::from_utf8(lock(&out.0).clone()).expect("text");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(lines.iter().all(|line| line["correlation_id"] == "abc-123"), "{text}");
    let said: Vec<(&str, &str)> = lines
        .iter()
        .map(|line| (line["service_name"].as_str().unwrap_or_default(), line["message"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        said,
        [
            ("risk", "Risk gate decided"),
            ("execution", "Trade executed"),
            ("execution", "Request answered"),
            ("ai-engine", "Request answered"),
        ]
    );
    assert_eq!((&lines[3]["levelname"], &lines[3]["status"]), (&json!("WARNING"), &json!(404)));
}
