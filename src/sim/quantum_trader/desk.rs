//! One of the services, at its port.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::fleet::{Requests, Service};
use super::super::metrics::{Counter, Family, Gauge, Registry};
use super::super::trading::account::Account;
use super::super::trading::chance::{Chance, lock};
use super::super::trading::exchange::Exchange;
use super::super::trading::prices::{SYMBOLS, symbol};
use super::execution::Execution;
use super::log::Level;
use super::world::{Gate, World};
use crate::base::httpd::{Request, Response};
use crate::base::law::Law;

const COMMON: [&str; 3] = ["service", "environment", "version"];
/// By this header a request says what it belongs to, and a reply says it again.
const CORRELATION: &str = "X-Correlation-ID";

/// What each service does.
enum Work {
    Engine(Engine),
    Execution(Box<Execution>),
    Risk(Risk),
    Portfolio(Portfolio),
    Training(Training),
}

struct Engine {
    signals: Family<Counter, 5>,
    rest: Exchange, // for the time that a prediction takes
}

struct Risk {
    gate: Arc<Gate>,
    stops: Counter,
    triggers: Family<Counter, 4>,
}

struct Portfolio {
    open: Gauge,
    realized: Gauge,
    unrealized: Gauge,
    value: Gauge,
    drawdown: Gauge,
    size: Family<Gauge, 4>,
}

struct Training {
    episodes: Counter,
    reward: Gauge,
    loss: Gauge,
    runs: Family<Counter, 5>,
    owed: Mutex<f64>,
    per_beat: f64,
}

/// One of the services.
pub struct Desk {
    name: &'static str,
    work: Work,
    world: Arc<World>,
    errors: Family<Counter, 4>,
    labels: [String; 3],
    chance: Chance,
}

/// The paths of a service's own, and what they may come to, known before the first request.
pub fn expected(name: &str) -> Vec<(&'static str, &'static str, u16)> {
    let own: &[(&str, &str)] = match name {
        "ai-engine" => &[("POST", "/predict")],
        "execution" => &[("POST", "/orders")],
        "risk" => &[("POST", "/check"), ("POST", "/emergency-stop"), ("DELETE", "/emergency-stop")],
        "portfolio" => &[("GET", "/positions"), ("GET", "/pnl")],
        _ => &[("GET", "/status"), ("POST", "/stress")],
    };
    let own =
        own.iter().flat_map(|(method, path)| [200, 422, 500, 502, 503, 504].map(|status| (*method, *path, status)));
    let probes = ["/health/live", "/health/ready"].map(|path| ("GET", path, 200));
    own.chain(probes)
        .chain([("GET", "/health/ready", 503), ("GET", "/simulate-error", 500), ("GET", "other", 404)])
        .collect()
}

impl Desk {
    /// Declares the metrics of a service and makes it ready. The gate is the risk service's.
    pub fn new(
        name: &'static str,
        world: &Arc<World>,
        gate: &Arc<Gate>,
        registry: &mut Registry,
        requests: &Requests,
        pulse: Duration,
    ) -> io::Result<Desk> {
        let labels = requests.labels();
        let [service, environment, version] = labels;
        let by = |label| ["service", "environment", "version", label];
        let errors = registry.counters("errors_total", "What went wrong, by kind", by("error_type"));
        for kind in ["simulated", "timeout", "connection", "error", "rate_limited"] {
            errors.with([service, environment, version, kind]);
        }
        let counter = |r: &mut Registry, name, help| r.counters(name, help, COMMON).with(labels);
        let gauge = |r: &mut Registry, name, help| r.gauges(name, help, COMMON).with(labels);
        let options = &world.options;
        let r = registry;
        let work = match name {
            "ai-engine" => {
                let names = ["service", "environment", "version", "symbol", "signal_type"];
                let signals = r.counters("signals_generated_total", "Signals that the engine gave", names);
                for symbol in SYMBOLS {
                    for kind in ["LONG", "SHORT", "HOLD"] {
                        signals.with([service, environment, version, symbol, kind]);
                    }
                }
                Work::Engine(Engine { signals, rest: Exchange::new(None, "/rest", &options.venue, None, 0)? })
            }
            "execution" => {
                Work::Execution(Box::new(Execution::new(world.clone(), gate.clone(), errors.clone(), r, requests)?))
            }
            "risk" => {
                let triggers = r.counters("ess_triggers_total", "Calls of the emergency stop, by source", by("source"));
                triggers.with([service, environment, version, "manual"]);
                let stops = counter(r, "emergency_stop_triggered_total", "Times that trading was stopped");
                Work::Risk(Risk { gate: gate.clone(), stops, triggers })
            }
            "portfolio" => Work::Portfolio(Portfolio {
                open: gauge(r, "positions_open", "Positions that are open"),
                realized: gauge(r, "portfolio_realized_pnl_usd", "Profits and losses of what was closed"),
                unrealized: gauge(r, "portfolio_unrealized_pnl_usd", "What positions would bring"),
                value: gauge(r, "portfolio_value_usd", "What all is worth"),
                drawdown: gauge(r, "portfolio_max_drawdown_ratio", "The deepest fall of the value, as a share of it"),
                size: r.gauges("portfolio_position_size", "In units of the symbol", by("symbol")),
            }),
            _ => {
                let names = ["service", "environment", "version", "scenario", "success"];
                let runs = r.counters("stress_scenario_runs_total", "Stress scenarios that were run", names);
                for scenario in SCENARIOS {
                    for success in ["true", "false"] {
                        runs.with([service, environment, version, scenario, success]);
                    }
                }
                Work::Training(Training {
                    episodes: counter(r, "training_episodes_total", "Episodes that the model was trained on"),
                    reward: gauge(r, "training_reward", "Mean reward of the last episodes"),
                    loss: gauge(r, "training_loss", "Loss of the last step"),
                    runs,
                    owed: Mutex::new(0.0),
                    per_beat: options.episodes.hertz() * pulse.as_secs_f64(),
                })
            }
        };
        let chance = Chance::new(options.seed, name);
        Ok(Desk { name, work, world: world.clone(), errors, labels: labels.map(str::to_owned), chance })
    }

    /// What happens without a request, many times a second.
    pub fn beat(&self) {
        match &self.work {
            Work::Portfolio(portfolio) => {
                let (prices, account) = self.world.market.beat();
                self.show(portfolio, &prices, &account);
            }
            Work::Training(training) => training.beat(&self.chance),
            Work::Engine(_) | Work::Execution(_) | Work::Risk(_) => {}
        }
    }

    fn show(&self, portfolio: &Portfolio, prices: &[f64; SYMBOLS.len()], account: &Account) {
        let [service, environment, version] = self.labels();
        let unrealized: f64 = prices.iter().enumerate().map(|(i, price)| account.unrealized(i, *price)).sum();
        portfolio.open.set(account.positions.iter().filter(|p| p.size != 0.0).count() as f64);
        portfolio.realized.set(account.realized);
        portfolio.unrealized.set(unrealized);
        portfolio.value.set(account.balance() + unrealized);
        portfolio.drawdown.set(account.drawdown / 100.0);
        for (name, position) in SYMBOLS.iter().zip(account.positions) {
            portfolio.size.with([service, environment, version, name]).set(position.size);
        }
    }

    fn labels(&self) -> [&str; 3] {
        [&self.labels[0], &self.labels[1], &self.labels[2]]
    }

    /// By what a request is found again in the log.
    fn correlation(&self, request: &Request) -> String {
        let given = request.header(CORRELATION).filter(|id| !id.is_empty() && id.len() <= 128);
        let fresh = || {
            let bits = || (self.chance.draw() * f64::from(u32::MAX)) as u32;
            format!(
                "{:08x}-{:04x}-4{:03x}-a{:03x}-{:08x}{:04x}",
                bits(),
                bits() >> 16,
                bits() >> 20,
                bits() >> 20,
                bits(),
                bits() >> 16
            )
        };
        given.map_or_else(fresh, str::to_owned)
    }

    async fn work(&self, request: &Request, correlation: &str) -> Option<(&'static str, Response)> {
        let [service, environment, version] = self.labels();
        let log = &self.world.log;
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let traded = |name: Option<&str>| match name {
            None => Ok((self.chance.draw() * SYMBOLS.len() as f64) as usize % SYMBOLS.len()),
            Some(name) => symbol(name).ok_or_else(|| format!("`{name}` is not traded")),
        };
        let refused = |why: String| Response::json(422, &json!({ "detail": why }));
        Some(match (request.method.as_str(), request.path.as_str(), &self.work) {
            ("GET", "/simulate-error", _) => {
                self.errors.with([service, environment, version, "simulated"]).inc();
                log.line(self.name, Level::Error, correlation, "Simulated error", Value::Null);
                ("/simulate-error", Response::json(500, &json!({ "detail": "simulated error" })))
            }
            ("POST", "/predict", Work::Engine(engine)) => {
                let symbol = match traded(text("symbol")) {
                    Ok(symbol) => symbol,
                    Err(why) => return Some(("/predict", refused(why))),
                };
                let law = Law::Lognormal { median: self.world.options.inference, sigma: 0.4 };
                engine.rest.rest(law.at(self.chance.draw())).await;
                let hold = self.world.options.hold.fraction();
                let kind = match self.chance.draw() {
                    u if u < hold => "HOLD",
                    u if u < hold + (1.0 - hold) / 2.0 => "LONG",
                    _ => "SHORT",
                };
                let confidence = (0.5 + 0.5 * self.chance.draw() * 1e3).round() / 1e3;
                let confidence = confidence.clamp(0.5, 1.0);
                engine.signals.with([service, environment, version, SYMBOLS[symbol], kind]).inc();
                let more = json!({ "signal_type": kind, "symbol": SYMBOLS[symbol], "confidence": confidence });
                log.line(self.name, Level::Info, correlation, "Signal generated", more);
                let action = match kind {
                    "LONG" => "buy",
                    "SHORT" => "sell",
                    _ => "hold",
                };
                let document = json!({
                    "symbol": SYMBOLS[symbol], "action": action, "signal_type": kind, "confidence": confidence,
                    "correlation_id": correlation,
                });
                ("/predict", Response::json(200, &document))
            }
            ("POST", "/orders", Work::Execution(execution)) => ("/orders", execution.order(request, correlation).await),
            ("POST", "/check", Work::Risk(risk)) => {
                let symbol = match traded(text("symbol")) {
                    Ok(symbol) => symbol,
                    Err(why) => return Some(("/check", refused(why))),
                };
                let size = body.get("quantity").and_then(Value::as_f64).unwrap_or(0.01);
                let size = if text("side") == Some("sell") { -size } else { size };
                let document = match risk.gate.decide(&self.world, symbol, size, correlation) {
                    Ok(()) => json!({ "decision": "allow", "reason": "ok" }),
                    Err(reason) => json!({ "decision": "deny", "reason": reason }),
                };
                ("/check", Response::json(200, &document))
            }
            (method @ ("POST" | "DELETE"), "/emergency-stop", Work::Risk(risk)) => {
                let stop = method == "POST";
                if stop {
                    risk.triggers.with([service, environment, version, "manual"]).inc();
                }
                if self.world.stop(stop) && stop {
                    risk.stops.inc();
                    log.line(self.name, Level::Error, correlation, "Emergency stop", json!({ "source": "manual" }));
                }
                ("/emergency-stop", Response::json(200, &json!({ "stopped": stop })))
            }
            ("GET", "/positions", Work::Portfolio(_)) => {
                let account = self.world.market.account();
                let held: Map<_, _> =
                    SYMBOLS.iter().zip(account.positions).map(|(s, p)| ((*s).to_owned(), p.size.into())).collect();
                let open = account.positions.iter().filter(|p| p.size != 0.0).count();
                ("/positions", Response::json(200, &json!({ "open": open, "positions": held })))
            }
            ("GET", "/pnl", Work::Portfolio(_)) => {
                let account = self.world.market.account();
                let document = json!({ "realized": account.realized, "balance": account.balance() });
                ("/pnl", Response::json(200, &document))
            }
            ("GET", "/status", Work::Training(training)) => {
                let document = json!({ "episodes": training.episodes.get(), "reward": training.reward.get() });
                ("/status", Response::json(200, &document))
            }
            ("POST", "/stress", Work::Training(training)) => {
                let Some(scenario) = SCENARIOS.into_iter().find(|s| text("scenario").is_none_or(|wanted| wanted == *s))
                else {
                    return Some(("/stress", refused(format!("`scenario` is one of {}", SCENARIOS.join(", ")))));
                };
                let success = self.chance.draw() < 0.9;
                let told = if success { "true" } else { "false" };
                training.runs.with([service, environment, version, scenario, told]).inc();
                let more = json!({ "scenario": scenario, "success": success });
                log.line(self.name, Level::Info, correlation, "Stress scenario run", more.clone());
                ("/stress", Response::json(200, &more))
            }
            _ => return None,
        })
    }
}

/// Stress scenarios that are known.
const SCENARIOS: [&str; 3] = ["flash_crash", "exchange_outage", "liquidity_drought"];

impl Training {
    /// Trains on the episodes of a beat: rewards rise and losses fall, with some noise, towards an end.
    fn beat(&self, chance: &Chance) {
        let due = {
            let mut owed = lock(&self.owed);
            *owed += self.per_beat;
            let due = owed.floor();
            *owed -= due;
            due as u64
        };
        if due == 0 {
            return;
        }
        self.episodes.add(due);
        let learnt = 1.0 - (-(self.episodes.get() as f64) / 500.0).exp();
        self.reward.set(100.0 * learnt + 10.0 * (chance.draw() - 0.5));
        self.loss.set(1.0 - 0.9 * learnt + 0.05 * chance.draw());
    }
}

impl Service for Desk {
    fn name(&self) -> &'static str {
        self.name
    }

    fn probes(&self) -> &'static [&'static str] {
        &["/health/live", "/health/ready"]
    }

    fn probe(&self, path: &str) -> Response {
        let reachable = !matches!(self.work, Work::Execution(_)) || self.world.is_reachable();
        let ready = path == "/health/live" || reachable || !self.world.options.honest;
        let word = if path == "/health/live" {
            "alive"
        } else if ready {
            "ready"
        } else {
            "not ready"
        };
        let exchanges = if reachable { "up" } else { "down" };
        let document = json!({ "status": word, "service": self.name, "dependencies": { "exchanges": exchanges } });
        Response::json(if ready { 200 } else { 503 }, &document)
    }

    async fn answer(&self, request: &Request) -> Option<(&'static str, Response)> {
        let correlation = self.correlation(request);
        let (path, response) = self.work(request, &correlation).await?;
        Some((path, response.with(CORRELATION, correlation)))
    }

    fn answered(&self, request: &Request, path: &'static str, response: &Response, took: Duration) {
        if self.probes().contains(&path) {
            return;
        }
        let given = response.headers.iter().find(|(name, _)| name == CORRELATION).map(|(_, id)| id.as_str());
        let correlation = given.or_else(|| request.header(CORRELATION)).unwrap_or_default();
        let level = match response.status {
            500.. => Level::Error,
            400..500 => Level::Warning,
            _ => Level::Info,
        };
        let more = json!({
            "method": request.method, "path": request.path, "status": response.status,
            "duration_ms": (took.as_secs_f64() * 1e6).round() / 1e3,
        });
        self.world.log.line(self.name, level, correlation, "Request answered", more);
    }
}
