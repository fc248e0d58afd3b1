//! `risk-manager`: limits that an order must keep, how much of them is used, and how often they were not kept.

use std::sync::Arc;

use super::super::fleet::Requests;
use super::super::metrics::{Counter, Gauge, Registry};
use super::super::trading::account::Account;
use super::super::trading::prices::SYMBOLS;
use super::world::World;

/// A drawdown that uses all of its limit, in percent.
const DRAWDOWN: f64 = 5.0;

/// The limits.
pub struct Limits {
    world: Arc<World>,
    violations: Counter,
    position: Gauge,
    drawdown: Gauge,
}

impl Limits {
    /// Declares its metrics.
    pub fn new(world: Arc<World>, registry: &mut Registry, requests: &Requests) -> Limits {
        let [service, environment, version] = requests.labels();
        let names = ["service", "environment", "version", "limit"];
        let violations =
            registry.counters("risk_manager_limit_violations_total", "Orders that would have broken a limit", names);
        let used = registry.gauges("risk_manager_limit_utilization_ratio", "How much of a limit is used", names);
        let of = |limit| [service, environment, version, limit];
        Limits {
            world,
            violations: violations.with(of("position_size")),
            position: used.with(of("position_size")),
            drawdown: used.with(of("drawdown")),
        }
    }

    /// Whether an order of this size keeps the limits; the error says which it does not.
    pub fn check(&self, symbol: usize, size: f64) -> Result<(), &'static str> {
        let held = self.world.market.account().positions[symbol].size;
        let after = (held + size).abs();
        // What makes a position smaller is always allowed.
        if after > self.world.options.position_limit && after > held.abs() {
            self.violations.inc();
            return Err("position limit");
        }
        Ok(())
    }

    /// Shows how much is used.
    pub fn beat(&self, account: &Account) {
        let largest = account.positions.iter().map(|p| p.size.abs()).fold(0.0, f64::max);
        self.position.set(largest / self.world.options.position_limit);
        self.drawdown.set(account.drawdown / DRAWDOWN);
    }

    /// As it is told.
    pub fn document(&self) -> serde_json::Value {
        let account = self.world.market.account();
        let held: serde_json::Map<_, _> =
            SYMBOLS.iter().zip(account.positions).map(|(s, p)| ((*s).to_owned(), p.size.into())).collect();
        serde_json::json!({
            "position_limit": self.world.options.position_limit,
            "positions": held,
            "violations": self.violations.get(),
        })
    }
}
