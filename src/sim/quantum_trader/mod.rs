//! A trading system of five services: signals from an AI engine, execution, risk, portfolio, and training. Each has
//! `/metrics`, `/health/live` and `/health/ready`, and every metric carries `service`, `environment` and `version`.
//!
//! What is here is what its alert drill needs: the services with their pages and the metrics of their requests, and the
//! few of their own that requests move. Any other path is 404, as its notes rely on (`/nonexistent`).

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::fleet::{Fleet, Options, Requests, Service};
use super::metrics::{Counter, Family, Gauge, Registry};
use super::{Knob, Running};
use crate::base::httpd::{Request, Response};
use crate::base::seed::{Seed, Stream};

/// Its services, in the order of their ports.
pub const SERVICES: [&str; 5] = ["ai-engine", "execution", "risk", "portfolio", "rl-training"];
/// What is traded.
const SYMBOLS: [&str; 3] = ["BTCUSDT", "ETHUSDT", "SOLUSDT"];

/// Its settings.
pub fn keys() -> Vec<Knob> {
    Options::keys()
}

/// Starts it and comes back when all of it answers.
pub async fn start(options: Options) -> io::Result<Running> {
    let mut fleet = Fleet::default();
    for name in SERVICES {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry, name, &options);
        let desk = Desk::new(name, &mut registry, &requests);
        for (method, path) in desk.paths() {
            requests.expect(method, path, 200);
            if options.born_at_zero {
                requests.expect(method, path, 500);
            }
        }
        if options.born_at_zero {
            requests.expect("GET", "other", 404);
        }
        fleet.add(Arc::new(desk), requests, registry, &options).await?;
    }
    Ok(fleet.running())
}

/// One of the services.
struct Desk {
    name: &'static str,
    signals: Family<Counter, 3>,
    trades: Family<Counter, 6>,
    decisions: Family<Counter, 4>,
    positions: Gauge,
    labels: [String; 3],
    chance: Mutex<Stream>,
}

impl Desk {
    fn new(name: &'static str, registry: &mut Registry, requests: &Requests) -> Desk {
        const COMMON: [&str; 3] = ["service", "environment", "version"];
        let signals = registry.counters("signals_generated_total", "Signals that the engine gave", COMMON);
        let trades = registry.counters(
            "trades_executed_total",
            "Orders that were executed",
            ["service", "environment", "version", "symbol", "side", "status"],
        );
        let decisions = registry.counters(
            "risk_gate_decisions_total",
            "What the risk gate decided",
            ["service", "environment", "version", "decision"],
        );
        let positions = registry.gauges("positions_open", "Positions that are open", COMMON).with(requests.labels());
        let labels = requests.labels().map(str::to_owned);
        let chance = Mutex::new(Seed(1).stream(name));
        Desk { name, signals, trades, decisions, positions, labels, chance }
    }

    /// The paths of its own.
    fn paths(&self) -> Vec<(&'static str, &'static str)> {
        match self.name {
            "ai-engine" => vec![("POST", "/predict"), ("GET", "/simulate-error")],
            "execution" => vec![("POST", "/orders"), ("GET", "/simulate-error")],
            "risk" => vec![("POST", "/check"), ("GET", "/simulate-error")],
            "portfolio" => vec![("GET", "/positions"), ("GET", "/simulate-error")],
            _ => vec![("GET", "/simulate-error")],
        }
    }

    fn labels(&self) -> [&str; 3] {
        [&self.labels[0], &self.labels[1], &self.labels[2]]
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
        &["/health/live", "/health/ready"]
    }

    async fn answer(&self, request: &Request) -> Option<(&'static str, Response)> {
        let (_, path) =
            self.paths().into_iter().find(|known| *known == (request.method.as_str(), request.path.as_str()))?;
        let [service, environment, version] = self.labels();
        let symbol = SYMBOLS[(self.draw() * SYMBOLS.len() as f64) as usize % SYMBOLS.len()];
        let body = match path {
            "/predict" => {
                self.signals.with([service, environment, version]).inc();
                serde_json::json!({ "symbol": symbol, "action": "buy", "confidence": self.draw() })
            }
            "/orders" => {
                let side = if self.draw() < 0.5 { "buy" } else { "sell" };
                self.trades.with([service, environment, version, symbol, side, "filled"]).inc();
                self.positions.add(if side == "buy" { 1.0 } else { -1.0 });
                serde_json::json!({ "symbol": symbol, "side": side, "status": "filled" })
            }
            "/check" => {
                let decision = if self.draw() < 0.95 { "allow" } else { "deny" };
                self.decisions.with([service, environment, version, decision]).inc();
                serde_json::json!({ "decision": decision })
            }
            "/positions" => serde_json::json!({ "open": self.positions.get() }),
            _ => return Some((path, Response::json(500, &serde_json::json!({ "detail": "simulated error" })))),
        };
        Some((path, Response::json(200, &body)))
    }
}

#[cfg(test)]
mod tests;
