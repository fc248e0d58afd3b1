//! One of the services, with the metrics that its catalogue names.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use super::super::fleet::{Requests, Service};
use super::super::metrics::{Counter, Family, Gauge, Histogram, Registry};
use crate::base::httpd::{Request, Response};
use crate::base::seed::{Seed, Stream};

/// Latencies of high-frequency trading, in milliseconds.
const HFT_MS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0];
/// Where it trades.
const EXCHANGE: &str = "binance";
/// What it trades.
const SYMBOLS: [&str; 3] = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];
/// Messages of market data in one beat.
const MESSAGES: u64 = 25;
/// What an account begins with, in dollars.
const BALANCE: f64 = 100_000.0;

/// What orders change, shared by those who fill them and those who watch.
#[derive(Default)]
pub struct Account {
    realized: AtomicI64, // cents
    position: AtomicI64, // lots
    trades: AtomicU64,
    won: AtomicU64,
}

/// What each service has of its own.
enum Metrics {
    MarketData {
        messages: Counter,
        latency: Histogram,
    },
    Orders {
        orders: Family<Counter, 5>,
        latency: Histogram,
        submitted: Counter,
        filled: Counter,
        volume: Gauge,
    },
    Strategy {
        signals: Counter,
    },
    Account {
        realized: Gauge,
        unrealized: Gauge,
        balance: Gauge,
        position: Gauge,
        trades: Gauge,
        won: Gauge,
        drawdown: Gauge,
    },
    None,
}

/// One of the services.
pub struct Desk {
    name: &'static str,
    labels: [String; 3],
    metrics: Metrics,
    account: Arc<Account>,
    chance: Mutex<Stream>,
}

/// What its requests may come to, known before the first of them.
pub fn expected(name: &str) -> Vec<(&'static str, &'static str, u16)> {
    let mut all = vec![("GET", "/simulate-error", 500), ("GET", "/health", 200), ("GET", "other", 404)];
    if name == "order-execution" {
        all.extend([("POST", "/orders", 200), ("POST", "/orders", 500)]);
    }
    all
}

impl Desk {
    /// Declares its metrics.
    pub fn new(name: &'static str, registry: &mut Registry, requests: &Requests, account: Arc<Account>) -> Desk {
        const COMMON: [&str; 3] = ["service", "environment", "version"];
        let labels = requests.labels();
        let counter = |registry: &mut Registry, name, help| registry.counters(name, help, COMMON).with(labels);
        let gauge = |registry: &mut Registry, name, help| registry.gauges(name, help, COMMON).with(labels);
        let metrics = match name {
            "market-data" => {
                let connected = registry.gauges(
                    "market_data_websocket_connected",
                    "Whether the feed of an exchange is connected",
                    ["service", "environment", "version", "exchange", "status"],
                );
                connected.with([labels[0], labels[1], labels[2], EXCHANGE, "connected"]).set(1.0);
                counter(registry, "market_data_reconnections_total", "Times that a feed was connected again");
                counter(registry, "market_data_gaps_detected_total", "Gaps in the sequence numbers of a feed");
                let latency = registry.histograms(
                    "market_data_message_latency_ms",
                    "From the exchange to here, in milliseconds",
                    COMMON,
                    HFT_MS,
                );
                Metrics::MarketData {
                    messages: counter(registry, "market_data_messages_processed_total", "Messages of market data"),
                    latency: latency.with(labels),
                }
            }
            "order-execution" => {
                gauge(registry, "order_execution_circuit_breaker_state", "0 closed, 1 half open, 2 open");
                gauge(registry, "order_execution_queue_depth", "Orders that wait");
                counter(registry, "order_execution_rate_limited_total", "Orders that the rate limiter held back");
                let latency = registry.histograms(
                    "order_execution_latency_ms",
                    "From an order to its fill, in milliseconds",
                    COMMON,
                    HFT_MS,
                );
                Metrics::Orders {
                    orders: registry.counters(
                        "order_execution_orders_total",
                        "Orders, by what became of them",
                        ["service", "environment", "version", "status", "type"],
                    ),
                    latency: latency.with(labels),
                    submitted: counter(registry, "order_execution_submitted_orders_total", "Orders that were sent on"),
                    filled: counter(registry, "order_execution_filled_orders_total", "Orders that were filled"),
                    volume: gauge(registry, "order_execution_volume_usd_total", "What was traded, in dollars"),
                }
            }
            "strategy-engine" => {
                gauge(registry, "strategy_engine_active_strategies", "Strategies at work").set(3.0);
                Metrics::Strategy {
                    signals: counter(registry, "strategy_engine_signals_generated_total", "Signals that were given"),
                }
            }
            "account-monitor" => {
                gauge(registry, "account_monitor_position_limit", "The largest position, in lots").set(10_000.0);
                Metrics::Account {
                    realized: gauge(registry, "account_monitor_realized_pnl_usd", "What was won, in dollars"),
                    unrealized: gauge(
                        registry,
                        "account_monitor_unrealized_pnl_usd",
                        "What open positions would bring",
                    ),
                    balance: gauge(registry, "account_monitor_balance_usd", "What is there, in dollars"),
                    position: gauge(registry, "account_monitor_position_size", "What is held, in lots"),
                    trades: gauge(registry, "account_monitor_total_trades_total", "Trades"),
                    won: gauge(registry, "account_monitor_winning_trades_total", "Trades that won"),
                    drawdown: gauge(registry, "account_monitor_max_drawdown_pct", "The deepest fall, in percent"),
                }
            }
            "risk-manager" => {
                counter(registry, "risk_manager_limit_violations_total", "Limits that were broken");
                gauge(registry, "risk_manager_limit_utilization_ratio", "How much of the limits is used");
                Metrics::None
            }
            _ => Metrics::None,
        };
        let (labels, chance) = (labels.map(str::to_owned), Mutex::new(Seed(1).stream(name)));
        Desk { name, labels, metrics, account, chance }
    }

    /// What happens without a request, many times a second.
    pub fn beat(&self) {
        match &self.metrics {
            Metrics::MarketData { messages, latency } => {
                messages.add(MESSAGES);
                (0..MESSAGES).for_each(|_| latency.observe(0.1 + 2.0 * self.draw() * self.draw()));
            }
            Metrics::Strategy { signals } => signals.add(u64::from(self.draw() < 0.5)),
            Metrics::Account { realized, unrealized, balance, position, trades, won, drawdown } => {
                let account = &self.account;
                let (cents, lots) = (account.realized.load(Relaxed), account.position.load(Relaxed));
                realized.set(cents as f64 / 100.0);
                balance.set(BALANCE + cents as f64 / 100.0);
                position.set(lots as f64);
                unrealized.set(lots as f64 * (self.draw() - 0.5));
                trades.set(account.trades.load(Relaxed) as f64);
                won.set(account.won.load(Relaxed) as f64);
                drawdown.set(drawdown.get().max(-cents as f64 / 100.0 / BALANCE * 100.0));
            }
            Metrics::Orders { .. } | Metrics::None => {}
        }
    }

    fn order(&self) -> Option<Response> {
        let Metrics::Orders { orders, latency, submitted, filled, volume } = &self.metrics else { return None };
        let [service, environment, version] = [&self.labels[0], &self.labels[1], &self.labels[2]].map(String::as_str);
        let symbol = SYMBOLS[(self.draw() * SYMBOLS.len() as f64) as usize % SYMBOLS.len()];
        let kind = if self.draw() < 0.7 { "maker" } else { "taker" };
        let won = self.draw() < 0.55;
        submitted.inc();
        filled.inc();
        orders.with([service, environment, version, "filled", kind]).inc();
        latency.observe(0.2 + 3.0 * self.draw() * self.draw());
        volume.add(100.0 + 900.0 * self.draw());
        let cents = (1000.0 * self.draw()) as i64;
        self.account.realized.fetch_add(if won { cents } else { -cents }, Relaxed);
        self.account.position.fetch_add(if self.draw() < 0.5 { 1 } else { -1 }, Relaxed);
        self.account.trades.fetch_add(1, Relaxed);
        self.account.won.fetch_add(u64::from(won), Relaxed);
        Some(Response::json(200, &json!({ "symbol": symbol, "type": kind, "status": "FILLED" })))
    }

    fn draw(&self) -> f64 {
        self.chance.lock().unwrap_or_else(PoisonError::into_inner).unit()
    }
}

impl Service for Desk {
    fn name(&self) -> &'static str {
        self.name
    }

    fn probes(&self) -> &'static [&'static str] {
        &["/health"]
    }

    async fn answer(&self, request: &Request) -> Option<(&'static str, Response)> {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/simulate-error") => {
                Some(("/simulate-error", Response::json(500, &json!({ "error": "simulated" }))))
            }
            ("POST", "/orders") => self.order().map(|order| ("/orders", order)),
            _ => None,
        }
    }
}
