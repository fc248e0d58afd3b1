//! What the services have in common: prices, the account, the emergency stop, and the risk gate.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use serde_json::json;

use super::super::fleet::Requests;
use super::super::metrics::{Counter, Family, Registry};
use super::super::trading::chance::Chance;
use super::super::trading::market::Market;
use super::super::trading::prices::SYMBOLS;
use super::log::{Level, Log};
use super::options::Options;

/// So many orders in a row that no exchange answered make the execution unready.
const LOST: u32 = 3;

/// What the services have in common.
pub struct World {
    /// How the system behaves.
    pub options: Options,
    /// The log of all.
    pub log: Log,
    stopped: AtomicBool,
    lost: AtomicU32,
    /// Prices, and the account.
    pub market: Market,
}

impl World {
    /// As it is in the beginning.
    pub fn new(options: Options, log: Log) -> World {
        World {
            market: Market::new(options.seed, 100_000.0),
            stopped: AtomicBool::new(false),
            lost: AtomicU32::new(0),
            options,
            log,
        }
    }

    /// Whether trading is stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// Stops trading, or lets it go on; whether that was news.
    pub fn stop(&self, stop: bool) -> bool {
        self.stopped.swap(stop, Relaxed) != stop
    }

    /// Takes notice of whether an exchange answered.
    pub fn heard(&self, answered: bool) {
        if answered {
            self.lost.store(0, Relaxed);
        } else {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// Whether exchanges answer, as far as is known.
    pub fn is_reachable(&self) -> bool {
        self.lost.load(Relaxed) < LOST
    }
}

/// The risk gate, whose decisions stand on the page of the risk service, whoever asks for them.
pub struct Gate {
    decisions: Family<Counter, 8>,
    labels: [String; 3],
    chance: Chance,
}

impl Gate {
    /// Declares its metric.
    pub fn new(seed: u64, registry: &mut Registry, requests: &Requests) -> Gate {
        let decisions = registry.counters(
            "risk_gate_decisions_total",
            "What the risk gate decided, and why",
            ["service", "environment", "version", "decision", "reason", "account", "exchange", "strategy"],
        );
        let gate = Gate { decisions, labels: requests.labels().map(str::to_owned), chance: Chance::new(seed, "gate") };
        for (decision, reason) in
            [("allow", "ok"), ("deny", "exposure"), ("deny", "position_limit"), ("deny", "emergency_stop")]
        {
            gate.counter(decision, reason);
        }
        gate
    }

    fn counter(&self, decision: &str, reason: &str) -> Counter {
        let [service, environment, version] = &self.labels;
        let strategy = "ensemble";
        self.decisions.with([service, environment, version, decision, reason, "main", "binance", strategy])
    }

    /// Decides on an order; `Err` with the reason when it may not be.
    pub fn decide(&self, world: &World, symbol: usize, size: f64, correlation: &str) -> Result<(), &'static str> {
        let held = world.market.account().positions[symbol].size;
        let after = (held + size).abs();
        let decided = if world.is_stopped() {
            Err("emergency_stop")
        } else if after > world.options.position_limit && after > held.abs() {
            Err("position_limit")
        } else if self.chance.draw() < world.options.denied.fraction() {
            Err("exposure")
        } else {
            Ok(())
        };
        let (level, decision, reason) = match decided {
            Ok(()) => (Level::Info, "allow", "ok"),
            Err(reason) => (Level::Warning, "deny", reason),
        };
        self.counter(decision, reason).inc();
        let more = json!({ "symbol": SYMBOLS[symbol], "decision": decision, "reason": reason });
        world.log.line("risk", level, correlation, "Risk gate decided", more);
        decided
    }
}
