use serde_json::{Value, json};

use super::*;
use crate::base::ask::{Ask, Told};

async fn send(running: &Running, service: &str, method: &str, path: &str, body: Value) -> Told {
    let (_, url) = running.services().iter().find(|(name, _)| name == service).expect("a service");
    let mut ask = Ask::new(method, &format!("{url}{path}")).expect("an address");
    if !body.is_null() {
        ask.body = body.to_string();
    }
    ask.send(Duration::from_secs(10)).await.expect("answered")
}

async fn page(running: &Running, service: &str) -> String {
    String::from_utf8(send(running, service, "GET", "/metrics", Value::Null).await.body.to_vec()).expect("text")
}

/// The value of the first series of this metric that carries these labels.
fn value(page: &str, metric: &str, labels: &str) -> f64 {
    let line = page.lines().find(|l| l.starts_with(&format!("{metric}{{")) && l.contains(labels));
    let value = line.and_then(|l| l.rsplit(' ').next()).unwrap_or_else(|| panic!("no {metric} {labels} in {page}"));
    value.parse().expect("a number")
}

fn with(knobs: &[(&str, &str)]) -> Options {
    let mut options = Options::default();
    for (key, value) in [("declined", "0%"), ("canceled", "0%"), ("fill", "1ms")].iter().chain(knobs) {
        options.set(key, value).expect(key);
    }
    options
}

fn document(told: &Told) -> Value {
    serde_json::from_slice(&told.body).expect("JSON")
}

async fn order(running: &Running, body: Value) -> (u16, Value) {
    let told = send(running, "order-execution", "POST", "/orders", body).await;
    (told.status, document(&told))
}

/// How an order ends.
async fn end(running: &Running, order: &Value) -> Value {
    let path = format!("/orders/{}", order["order_id"].as_str().expect("a name"));
    for _ in 0..500 {
        let told = document(&send(running, "order-execution", "GET", &path, Value::Null).await);
        if !["NEW", "PARTIALLY_FILLED"].contains(&told["status"].as_str().expect("a status")) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{order} is still open");
}

#[tokio::test]
async fn an_order_is_filled_and_moves_the_account() {
    let running = start(with(&[("partial", "100%")])).await.expect("ports");
    let (status, new) = order(&running, json!({ "symbol": "BTCUSDT", "side": "BUY", "quantity": 0.5 })).await;
    assert_eq!((status, &new["status"]), (200, &json!("NEW")));
    let filled = end(&running, &new).await;
    assert_eq!((&filled["status"], &filled["filled_quantity"]), (&json!("FILLED"), &json!(0.5)));
    let (_, new) = order(&running, json!({ "symbol": "BTCUSDT", "side": "sell", "quantity": "0.2" })).await;
    end(&running, &new).await;
    tokio::time::sleep(PULSE * 3).await;
    let account = page(&running, "account-monitor").await;
    assert!((value(&account, "account_monitor_position_size", "BTCUSDT") - 0.3).abs() < 1e-9);
    assert_eq!(value(&account, "account_monitor_total_trades_total", ""), 2.0, "closed in two parts");
    assert!(value(&account, "account_monitor_position_entry_price", "BTCUSDT") > 60_000.0);
    assert_ne!(value(&account, "account_monitor_realized_pnl_usd", ""), 0.0);
    let orders = page(&running, "order-execution").await;
    assert_eq!(value(&orders, "order_execution_submitted_orders_total", ""), 2.0);
    assert_eq!(value(&orders, "order_execution_filled_orders_total", ""), 2.0);
    assert!(value(&orders, "order_execution_volume_usd_total", "") > 0.7 * 60_000.0);
    assert_eq!(value(&orders, "order_execution_latency_ms_count", "symbol=\"BTCUSDT\""), 2.0);
    assert!(value(&orders, "order_execution_latency_ms", "quantile=\"0.95\"") > 0.0);
}

#[tokio::test]
async fn what_is_sent_twice_is_one_and_what_may_not_be_is_rejected() {
    let running = start(with(&[("fill", "1h"), ("position_limit", "1")])).await.expect("ports");
    let body = json!({ "symbol": "ETHUSDT", "side": "BUY", "client_order_id": "mine" });
    let (_, first) = order(&running, body.clone()).await;
    let (_, second) = order(&running, body).await;
    assert_eq!(first["order_id"], second["order_id"]);
    let path = format!("/orders/{}", first["order_id"].as_str().expect("a name"));
    let told = send(&running, "order-execution", "DELETE", &path, Value::Null).await;
    assert_eq!((told.status, &document(&told)["status"]), (200, &json!("CANCELED")));
    assert_eq!(send(&running, "order-execution", "DELETE", &path, Value::Null).await.status, 409);
    let (status, large) = order(&running, json!({ "symbol": "BTCUSDT", "side": "BUY", "quantity": 2 })).await;
    assert_eq!((status, &large["status"], &large["reason"]), (200, &json!("REJECTED"), &json!("position limit")));
    assert!(page(&running, "risk-manager").await.contains("limit=\"position_size\"} 1\n"));
    for wrong in [json!({ "symbol": "XRP" }), json!({ "side": "up" }), json!({ "quantity": -1 }), json!([])] {
        assert_eq!(order(&running, wrong).await.0, 422);
    }
    assert_eq!(send(&running, "order-execution", "GET", "/orders/ord-99", Value::Null).await.status, 404);
}

#[tokio::test]
async fn the_rate_limiter_and_the_breaker_stand_before_the_exchange() {
    let running = start(with(&[("rate", "1/min"), ("burst", "2")])).await.expect("ports");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(order(&running, Value::Null).await.0);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(value(&page(&running, "order-execution").await, "order_execution_rate_limited_total", ""), 1.0);

    let knobs = [("exchange_failures", "100%"), ("breaker_failures", "2"), ("breaker_open", "1h")];
    let running = start(with(&knobs)).await.expect("ports");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(order(&running, Value::Null).await.0);
    }
    assert_eq!(statuses, [502, 502, 503]);
    let orders = page(&running, "order-execution").await;
    assert_eq!(value(&orders, "order_execution_circuit_breaker_state", ""), 2.0);
    let told = send(&running, "order-execution", "GET", "/status", Value::Null).await;
    assert_eq!(document(&told)["circuit_breaker"], "Open");
}

#[tokio::test]
async fn market_data_goes_on_and_has_gaps_and_losses() {
    let running = start(with(&[("gaps", "5%"), ("disconnects", "1s"), ("strategies", "1")])).await.expect("ports");
    tokio::time::sleep(Duration::from_millis(2200)).await;
    let market = page(&running, "market-data").await;
    for metric in ["messages_processed_total", "gaps_detected_total", "reconnections_total"] {
        assert!(value(&market, &format!("market_data_{metric}"), "") > 0.0, "{metric}");
    }
    assert!(value(&market, "market_data_orderbook_depth_levels", "side=\"ask\"") > 10.0);
    let strategies = page(&running, "strategy-engine").await;
    assert!(value(&strategies, "strategy_engine_signals_generated_total", "scalper_v1") > 10.0);
    assert!(value(&strategies, "strategy_engine_signal_to_order_latency_ms", "quantile=\"0.99\"") > 0.0);
    let none = json!({ "strategies": 0 });
    assert_eq!(send(&running, "config-service", "PUT", "/config", none).await.status, 200);
    assert_eq!(send(&running, "config-service", "PUT", "/config", json!({ "strategies": 99 })).await.status, 422);
    tokio::time::sleep(PULSE * 3).await;
    assert_eq!(value(&page(&running, "strategy-engine").await, "strategy_engine_active_strategies", ""), 0.0);
    let running = start(with(&[("disconnected", "bybit")])).await.expect("ports");
    tokio::time::sleep(PULSE * 3).await;
    let market = page(&running, "market-data").await;
    assert_eq!(value(&market, "market_data_websocket_connected", "bybit"), 0.0);
    assert_eq!(value(&market, "market_data_websocket_connected", "binance"), 1.0);
}

#[tokio::test]
async fn a_counter_may_be_born_with_its_first_error() {
    let running = start(with(&[("born_at_zero", "false")])).await.expect("ports");
    assert_eq!(send(&running, "market-data", "GET", "/health", Value::Null).await.status, 200);
    assert!(!page(&running, "market-data").await.contains("status=\"500\""));
    let running = start(Options::default()).await.expect("ports");
    assert!(page(&running, "market-data").await.contains("path=\"/simulate-error\",status=\"500\"} 0\n"));
    assert_eq!(send(&running, "market-data", "GET", "/simulate-error", Value::Null).await.status, 500);
    assert!(page(&running, "market-data").await.contains("path=\"/simulate-error\",status=\"500\"} 1\n"));
}
