//! `execution`: an order passes the risk gate and is executed at the first exchange that answers.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::fleet::Requests;
use super::super::metrics::{Counter, Family, Registry};
use super::super::trading::account::Fill;
use super::super::trading::chance::Chance;
use super::super::trading::exchange::{Exchange, Said};
use super::super::trading::prices::{SYMBOLS, symbol};
use super::log::Level;
use super::options::EXCHANGES;
use super::world::{Gate, World};
use crate::base::httpd::{Request, Response};

/// What a fill is better than the mid price, as a share of it.
const EDGE: f64 = 2e-4;

/// The service.
pub struct Execution {
    world: Arc<World>,
    gate: Arc<Gate>,
    exchanges: Vec<Exchange>,
    trades: Family<Counter, 6>,
    failovers: Counter,
    errors: Family<Counter, 4>,
    labels: [String; 3],
    chance: Chance,
}

impl Execution {
    /// Declares its metrics and takes orders.
    pub fn new(
        world: Arc<World>,
        gate: Arc<Gate>,
        errors: Family<Counter, 4>,
        registry: &mut Registry,
        requests: &Requests,
    ) -> io::Result<Execution> {
        let [service, environment, version] = requests.labels();
        let trades = registry.counters(
            "trades_executed_total",
            "Orders that were executed, or were not",
            ["service", "environment", "version", "symbol", "side", "status"],
        );
        for symbol in SYMBOLS {
            for side in ["buy", "sell"] {
                for status in ["filled", "rejected", "failed"] {
                    trades.with([service, environment, version, symbol, side, status]);
                }
            }
        }
        let failovers = registry.counters(
            "exchange_failover_events_total",
            "Orders that went to another exchange than the first",
            ["service", "environment", "version", "primary", "selected"],
        );
        let options = &world.options;
        let asked = if options.failover { EXCHANGES.len() } else { 1 };
        let exchanges =
            options.exchanges.iter().take(asked).zip(["/binance/order", "/bybit/order"]).map(|(stub, path)| {
                Exchange::new(stub.as_ref(), path, &options.venue, options.exchange_timeout, options.seed)
            });
        Ok(Execution {
            exchanges: exchanges.collect::<io::Result<_>>()?,
            failovers: failovers.with([service, environment, version, EXCHANGES[0], EXCHANGES[1]]),
            labels: requests.labels().map(str::to_owned),
            chance: Chance::new(options.seed, "execution"),
            trades,
            errors,
            gate,
            world,
        })
    }

    /// Executes an order: `{symbol, side, quantity}`, of which what is left out is drawn.
    pub async fn order(&self, request: &Request, correlation: &str) -> Response {
        let (symbol, buy, quantity) = match self.read(&request.body) {
            Ok(read) => read,
            Err(why) => return Response::json(422, &json!({ "detail": why })),
        };
        let side = if buy { "buy" } else { "sell" };
        let size = if buy { quantity } else { -quantity };
        let told = |status: u16, more: Value| {
            let mut document = json!({
                "symbol": SYMBOLS[symbol], "side": side, "quantity": quantity, "correlation_id": correlation,
            });
            if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
                document.extend(more);
            }
            Response::json(status, &document)
        };
        if let Err(reason) = self.gate.decide(&self.world, symbol, size, correlation) {
            self.count(symbol, side, "rejected");
            let status = if reason == "emergency_stop" { 503 } else { 200 };
            return told(status, json!({ "status": "rejected", "reason": reason }));
        }
        let order = json!({ "symbol": SYMBOLS[symbol], "side": side, "quantity": quantity }).to_string();
        let (selected, said) = self.place(&Bytes::from(order), request.header("traceparent"), correlation).await;
        let exchange = EXCHANGES[selected];
        let log = &self.world.log;
        match said {
            Ok(Said::Acknowledged) => {
                let price = self.world.market.price(symbol) * if buy { 1.0 - EDGE } else { 1.0 + EDGE };
                self.world.market.fill(Fill { symbol, size, price, maker: true });
                self.count(symbol, side, "filled");
                let more = json!({ "symbol": SYMBOLS[symbol], "side": side, "price": price, "exchange": exchange });
                log.line("execution", Level::Info, correlation, "Trade executed", more);
                told(200, json!({ "status": "filled", "price": price, "exchange": exchange }))
            }
            Ok(Said::Declined) => {
                self.count(symbol, side, "rejected");
                told(200, json!({ "status": "rejected", "reason": "declined", "exchange": exchange }))
            }
            Err(status) => {
                self.count(symbol, side, "failed");
                let more = json!({ "symbol": SYMBOLS[symbol], "exchange": exchange });
                log.line("execution", Level::Error, correlation, "No exchange executed the order", more);
                told(status, json!({ "status": "failed", "reason": "no exchange" }))
            }
        }
    }

    /// Asks the exchanges in turn; which one answered in the end, and what. The error is the status to answer with.
    async fn place(&self, order: &Bytes, traceparent: Option<&str>, correlation: &str) -> (usize, Result<Said, u16>) {
        let mut last = (0, Err(502));
        for (i, exchange) in self.exchanges.iter().enumerate() {
            if i > 0 {
                self.failovers.inc();
                let more = json!({ "primary": EXCHANGES[0], "selected": EXCHANGES[i] });
                self.world.log.line("execution", Level::Warning, correlation, "Exchange failover", more);
            }
            match exchange.place(order, traceparent).await {
                Ok(said) => {
                    self.world.heard(true);
                    return (i, Ok(said));
                }
                Err(failure) => {
                    let [service, environment, version] = &self.labels;
                    self.errors.with([service, environment, version, failure.word()]).inc();
                    last = (i, Err(failure.status()));
                }
            }
        }
        self.world.heard(false);
        last
    }

    fn count(&self, symbol: usize, side: &str, status: &str) {
        let [service, environment, version] = &self.labels;
        self.trades.with([service, environment, version, SYMBOLS[symbol], side, status]).inc();
    }

    fn read(&self, body: &[u8]) -> Result<(usize, bool, f64), String> {
        let said: Value = match body {
            [] => json!({}),
            body => serde_json::from_slice(body).map_err(|_| "the body is no JSON".to_owned())?,
        };
        let text = |key: &str| said.get(key).and_then(Value::as_str);
        let symbol = match text("symbol") {
            None => (self.chance.draw() * SYMBOLS.len() as f64) as usize % SYMBOLS.len(),
            Some(name) => symbol(name).ok_or_else(|| format!("`{name}` is not traded"))?,
        };
        let buy = match text("side").map(str::to_ascii_lowercase).as_deref() {
            None => self.chance.draw() < 0.5,
            Some("buy") => true,
            Some("sell") => false,
            Some(_) => return Err("`side` is buy or sell".into()),
        };
        let quantity = match said.get("quantity") {
            None => 0.01,
            Some(value) => value.as_f64().filter(|n| *n > 0.0).ok_or("`quantity` is no number above 0")?,
        };
        Ok((symbol, buy, quantity))
    }
}
