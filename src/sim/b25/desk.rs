//! One of the services, at its port.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::fleet::{Requests, Service};
use super::super::metrics::{Counter, Registry};
use super::feed::Feeds;
use super::monitor::Monitor;
use super::orders::Orders;
use super::risk::Limits;
use super::strategy::{STRATEGIES, Strategies};
use super::world::World;
use crate::base::httpd::{Request, Response};

/// What each service does.
enum Work {
    Feeds(Feeds),
    Orders(Orders),
    Strategies(Strategies),
    Monitor(Monitor),
    Limits(Arc<Limits>),
    Config(Counter),
    Dashboard,
}

/// One of the services.
pub struct Desk {
    name: &'static str,
    work: Work,
    world: Arc<World>,
}

/// What its requests may come to, known before the first of them.
pub fn expected(name: &str) -> Vec<(&'static str, &'static str, u16)> {
    let mut all = vec![("GET", "/simulate-error", 500), ("GET", "/health", 200), ("GET", "other", 404)];
    if name == "order-execution" {
        all.extend([200, 422, 429, 500, 502, 503, 504].map(|status| ("POST", "/orders", status)));
        all.extend([200, 404].map(|status| ("GET", "/orders/{id}", status)));
    }
    all
}

impl Desk {
    /// Declares the metrics of a service and makes it ready. The limits are the risk manager's, whose page shows them.
    pub fn new(
        name: &'static str,
        world: &Arc<World>,
        limits: &Arc<Limits>,
        registry: &mut Registry,
        requests: &Requests,
        pulse: Duration,
    ) -> io::Result<Desk> {
        let work = match name {
            "market-data" => Work::Feeds(Feeds::new(world.clone(), registry, requests, pulse)),
            "order-execution" => Work::Orders(Orders::new(world.clone(), limits.clone(), registry, requests)?),
            "strategy-engine" => Work::Strategies(Strategies::new(world.clone(), registry, requests, pulse)),
            "account-monitor" => Work::Monitor(Monitor::new(world.clone(), registry, requests)),
            "risk-manager" => Work::Limits(limits.clone()),
            "config-service" => {
                let common = ["service", "environment", "version"];
                let up = registry.gauges("config_service_database_up", "Whether the database answers", common);
                up.with(requests.labels()).set(1.0);
                let changes = registry.counters("config_service_changes_total", "Configurations that came in", common);
                Work::Config(changes.with(requests.labels()))
            }
            _ => Work::Dashboard,
        };
        Ok(Desk { name, work, world: world.clone() })
    }

    /// What happens without a request, many times a second.
    pub fn beat(&self) {
        match &self.work {
            Work::Feeds(feeds) => feeds.beat(),
            Work::Strategies(strategies) => strategies.beat(),
            Work::Monitor(monitor) => {
                let (prices, account) = self.world.market.beat();
                monitor.beat(&prices, &account);
            }
            Work::Limits(limits) => limits.beat(&self.world.market.account()),
            Work::Orders(_) | Work::Config(_) | Work::Dashboard => {}
        }
    }

    /// Takes a configuration: how many strategies run.
    fn configure(&self, body: &[u8], changes: &Counter) -> Response {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let wanted = said.get("strategies").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        match wanted.filter(|n| *n <= STRATEGIES.len()) {
            Some(strategies) => {
                self.world.strategies.store(strategies, Relaxed);
                changes.inc();
                Response::json(200, &self.configuration())
            }
            None => {
                Response::json(422, &json!({ "error": format!("`strategies` is a number to {}", STRATEGIES.len()) }))
            }
        }
    }

    fn configuration(&self) -> Value {
        let options = &self.world.options;
        json!({
            "strategies": self.world.strategies.load(Relaxed),
            "position_limit": options.position_limit,
            "circuit_breaker": { "enabled": options.breaker, "failures": options.breaker_failures },
        })
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
        let told = |path, document: Value| Some((path, Response::json(200, &document)));
        match (request.method.as_str(), request.path.as_str(), &self.work) {
            ("GET", "/simulate-error", _) => {
                Some(("/simulate-error", Response::json(500, &json!({ "error": "simulated" }))))
            }
            (_, _, Work::Orders(orders)) => orders.answer(request).await,
            ("GET", "/account", Work::Monitor(monitor)) => told("/account", monitor.document()),
            ("GET", "/strategies", Work::Strategies(strategies)) => told("/strategies", strategies.document()),
            ("GET", "/limits", Work::Limits(limits)) => told("/limits", limits.document()),
            ("GET", "/config", Work::Config(_)) => told("/config", self.configuration()),
            ("PUT", "/config", Work::Config(changes)) => Some(("/config", self.configure(&request.body, changes))),
            ("GET", "/", Work::Dashboard) => told("/", json!({ "services": super::SERVICES })),
            _ => None,
        }
    }
}
