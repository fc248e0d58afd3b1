use std::sync::Arc;

use super::*;
use crate::base::ask::{Ask, Told};
use crate::base::httpd::{self, Answer};
use tokio::net::TcpListener;

async fn send(running: &Running, method: &str, path: &str, body: serde_json::Value) -> Told {
    let mut ask = Ask::new(method, &format!("{}{path}", running.services()[0].1)).expect("an address");
    if !body.is_null() {
        ask.body = body.to_string();
    }
    ask.send(Duration::from_secs(10)).await.expect("answered")
}

fn document(told: &Told) -> serde_json::Value {
    serde_json::from_slice(&told.body).expect("JSON")
}

fn signal(action: &str, confidence: f64) -> serde_json::Value {
    json!({
        "strategy_id": "s1", "symbol": "BTCUSDT", "action": action, "confidence": confidence,
        "current_price": 64000, "quantity": 0.01,
    })
}

fn certain() -> Options {
    let mut options = Options::default();
    for (key, value) in [("declined", "0%"), ("fill", "1ms"), ("ack", "1ms"), ("mongo_write", "0")] {
        options.set(key, value).expect(key);
    }
    options
}

/// How an order ends.
async fn end(running: &Running, id: &str) -> String {
    for _ in 0..500 {
        let told = send(running, "GET", &format!("/order/BTCUSDT/{id}"), serde_json::Value::Null).await;
        let status = document(&told)["status"].as_str().unwrap_or_default().to_owned();
        if !["NEW", "PARTIALLY_FILLED"].contains(&status.as_str()) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    "still open".into()
}

#[tokio::test]
async fn a_signal_becomes_an_order_that_is_filled_and_moves_the_account() {
    let running = start(certain()).await.expect("a port");
    let told = document(&send(&running, "POST", "/trade/signal", signal("buy", 0.9)).await);
    assert_eq!((&told["status"], &told["result"]["status"]), (&json!("success"), &json!("executed")));
    let id = told["result"]["order_id"].as_str().expect("a name").to_owned();
    assert_eq!(end(&running, &id).await, "FILLED");
    for (action, confidence, word) in [("hold", 0.9, "held"), ("buy", 0.3, "held"), ("close", 0.9, "executed")] {
        let told = document(&send(&running, "POST", "/trade/signal", signal(action, confidence)).await);
        assert_eq!(told["result"]["status"], word, "{told}");
    }
    tokio::time::sleep(PULSE * 3).await;
    let account = document(&send(&running, "GET", "/account", serde_json::Value::Null).await);
    assert_eq!(account["positions"]["BTCUSDT"], 0.0, "{account}");
    let told = send(&running, "GET", "/metrics", serde_json::Value::Null).await;
    let page = String::from_utf8(told.body.to_vec()).expect("text");
    let labels = "service=\"tradeengine\",environment=\"practice\",version=\"1.0.0\"";
    for line in [
        format!("tradeengine_signals_received_total{{{labels},strategy=\"s1\",action=\"buy\"}} 2\n"),
        format!("tradeengine_signals_processed_total{{{labels},status=\"held\"}} 2\n"),
        format!("tradeengine_orders_total{{{labels},symbol=\"BTCUSDT\",side=\"buy\",status=\"filled\"}} 1\n"),
        format!("tradeengine_risk_checks_total{{{labels},check=\"position\",result=\"passed\"}} 2\n"),
    ] {
        assert!(page.contains(&line), "{line} in {page}");
    }
}

#[tokio::test]
async fn what_may_not_be_is_rejected_and_what_cannot_be_fails() {
    let mut options = certain();
    options.set("max_position", "0.005").expect("a knob");
    let running = start(options).await.expect("a port");
    let told = send(&running, "POST", "/trade/signal", signal("buy", 0.9)).await;
    assert_eq!((told.status, &document(&told)["result"]["reason"]), (200, &json!("position")));
    assert_eq!(send(&running, "POST", "/trade/signal", json!({ "symbol": "BTCUSDT" })).await.status, 422);
    assert_eq!(send(&running, "GET", "/order/BTCUSDT/ord-9", serde_json::Value::Null).await.status, 404);
    assert_eq!(send(&running, "GET", "/ready", serde_json::Value::Null).await.status, 200);

    let mut options = certain();
    options.set("mongo", "off").expect("a knob");
    let running = start(options).await.expect("a port");
    let order = json!({ "symbol": "BTCUSDT", "side": "buy", "amount": 0.01 });
    assert_eq!(send(&running, "POST", "/order", order).await.status, 503);
    for (path, status) in [("/ready", 503), ("/live", 200), ("/health", 200)] {
        assert_eq!(send(&running, "GET", path, serde_json::Value::Null).await.status, status, "{path}");
    }
}

/// An exchange that fails on the first of every two.
struct Every2nd(std::sync::Mutex<Vec<String>>);
impl httpd::Handler for Every2nd {
    async fn handle(&self, request: Request) -> Answer {
        let mut seen = self.0.lock().expect("nobody panics");
        let order: serde_json::Value = serde_json::from_slice(&request.body).expect("an order");
        seen.push(order["order_id"].as_str().expect("a name").to_owned());
        Response::json(if seen.len() % 2 == 1 { 500 } else { 200 }, &json!({})).into()
    }
}

#[tokio::test]
async fn an_order_sent_again_keeps_its_name_or_does_not() {
    for (idempotent, names) in [("on", ["ord-1", "ord-1"]), ("off", ["ord-1", "ord-1-1"])] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let exchange = Arc::new(Every2nd(std::sync::Mutex::default()));
        let serving = tokio::spawn(httpd::serve(listener, exchange.clone()));
        let mut options = certain();
        options.set("idempotent", idempotent).expect("a knob");
        options.set_upstreams(&[("binance".into(), url)]).expect("known");
        let running = start(options).await.expect("a port");
        let order = json!({ "symbol": "BTCUSDT", "side": "buy", "amount": 0.01 });
        assert_eq!(send(&running, "POST", "/order", order).await.status, 200);
        assert_eq!(*exchange.0.lock().expect("nobody panics"), names);
        serving.abort();
    }
}
