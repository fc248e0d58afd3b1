//! `sim:tradeengine`, an engine that trades on signals. `POST /trade/signal` takes one and answers what came of it;
//! `POST /order` takes an order, and `GET /order/{symbol}/{id}` tells how it stands until it is filled or rejected;
//! `/account`, `/health`, `/ready`, `/live`, `/metrics`. Where a key is set, what trades must be signed with it.
//!
//! A signal that is certain enough passes the risk checks, is written down in a database, sent to the exchange (the upstream
//! `binance` where there is one), and filled. Its telemetry leaves the real one by OTLP; this one has a page of metrics.

mod engine;
mod guard;
mod instruments;
mod options;
mod signal;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

pub use options::Options;

use super::fleet::{Fleet, Requests, Service};
use super::metrics::Registry;
use super::{Running, System};
use crate::base::httpd::{Request, Response};
use crate::base::time;
use engine::Engine;
use guard::Guard;

/// How often what happens by itself happens.
const PULSE: Duration = Duration::from_millis(50);

/// Starts it and comes back when it answers.
pub async fn start(options: Options) -> io::Result<Running> {
    let fleet_options = options.fleet.clone();
    let mut registry = Registry::default();
    let requests = Requests::new(&mut registry, System::TradeEngine.name(), &fleet_options);
    let guard = Guard::new(options.sign_key.as_deref())?;
    let unsigned = options.sign_key.as_ref().map(|_| 401);
    for path in ["/trade/signal", "/order"] {
        for status in [200, 422, 502, 503, 504].into_iter().chain(unsigned) {
            if fleet_options.born_at_zero || status < 400 {
                requests.expect("POST", path, status);
            }
        }
    }
    let desk = Arc::new(Desk { guard, engine: Engine::new(options, &mut registry, &requests)? });
    let mut fleet = Fleet::default();
    let pulse = desk.clone();
    fleet.add(desk, requests, registry, &fleet_options).await?;
    fleet.beside(async move {
        let mut ticks = tokio::time::interval(PULSE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            pulse.engine.beat();
        }
    });
    Ok(fleet.running())
}

/// The service at its port.
struct Desk {
    guard: Guard,
    engine: Engine,
}

impl Desk {
    async fn signal(&self, request: &Request) -> Response {
        let signal = match signal::signal(&request.body) {
            Ok(signal) => signal,
            Err(wrong) => return Response::json(422, &wrong),
        };
        let (status, result) = self.engine.signal(&signal, request.header("traceparent")).await;
        let word = if status == 200 { "success" } else { "error" };
        let sent: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
        Response::json(status, &json!({ "status": word, "signal": sent, "result": result }))
    }

    async fn order(&self, request: &Request) -> Response {
        let ask = match signal::order(&request.body) {
            Ok(ask) => ask,
            Err(wrong) => return Response::json(422, &wrong),
        };
        let (id, placed) = self.engine.order(&ask, request.header("traceparent")).await;
        let name = super::trading::book::name(id);
        let symbol = super::trading::prices::SYMBOLS[ask.symbol];
        let told = self.engine.tell(symbol, &name).unwrap_or_default();
        Response::json(placed.err().map_or(200, |refusal| refusal.status), &told)
    }
}

impl Service for Desk {
    fn name(&self) -> &'static str {
        System::TradeEngine.name()
    }

    fn probes(&self) -> &'static [&'static str] {
        &["/health", "/ready", "/live"]
    }

    fn probe(&self, path: &str) -> Response {
        let ready = path == "/live" || self.engine.is_ready();
        let mongo = if self.engine.is_ready() { "connected" } else { "disconnected" };
        let word = if ready { "healthy" } else { "unhealthy" };
        let document = json!({ "status": word, "components": { "mongodb": mongo } });
        // Health is told, readiness decides whether anybody is sent here.
        Response::json(if ready || path == "/health" { 200 } else { 503 }, &document)
    }

    async fn answer(&self, request: &Request) -> Option<(&'static str, Response)> {
        let missing = || Response::json(404, &json!({ "detail": "Order not found" }));
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", path @ ("/trade/signal" | "/order")) => {
                let (named, orders) = if path == "/order" { ("/order", true) } else { ("/trade/signal", false) };
                Some((
                    named,
                    match self.guard.admit(request, time::wall().unsigned_abs() / 1_000_000) {
                        Err(refused) => refused,
                        Ok(()) if orders => self.order(request).await,
                        Ok(()) => self.signal(request).await,
                    },
                ))
            }
            ("GET", "/account") => Some(("/account", Response::json(200, &self.engine.account()))),
            ("GET", path) => {
                let (symbol, name) = path.strip_prefix("/order/")?.split_once('/')?;
                let told = self.engine.tell(symbol, name);
                Some(("/order/{symbol}/{order_id}", told.map_or_else(missing, |told| Response::json(200, &told))))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
