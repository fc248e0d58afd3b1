//! `strategy-engine`: signals of the strategies that run, and how soon each becomes an order.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::super::fleet::Requests;
use super::super::metrics::{Counter, Gauge, Registry, Summary};
use super::super::trading::chance::{Chance, lock};
use super::world::World;
use crate::base::law::Law;

/// What strategies are called; as many run as the settings say.
pub const STRATEGIES: [&str; 8] = [
    "scalper_v1",
    "arbitrage_v2",
    "momentum_v1",
    "mean_reversion_v1",
    "market_maker_v3",
    "pairs_v1",
    "breakout_v2",
    "grid_v1",
];

/// The service.
pub struct Strategies {
    world: Arc<World>,
    signals: Vec<Counter>,
    latency: Vec<Summary>,
    active: Gauge,
    per_beat: f64,
    owed: Mutex<f64>,
    chance: Chance,
}

impl Strategies {
    /// Declares its metrics; `pulse` is from one beat to the next.
    pub fn new(world: Arc<World>, registry: &mut Registry, requests: &Requests, pulse: Duration) -> Strategies {
        const BY: [&str; 4] = ["service", "environment", "version", "strategy_id"];
        let [service, environment, version] = requests.labels();
        let signals = registry.counters("strategy_engine_signals_generated_total", "Signals, by strategy", BY);
        let latency = registry.family(
            "strategy_engine_signal_to_order_latency_ms",
            "From a signal to its order, in milliseconds",
            BY,
            &[],
        );
        let active = registry.gauges(
            "strategy_engine_active_strategies",
            "Strategies that run",
            ["service", "environment", "version"],
        );
        let named = || STRATEGIES.into_iter().take(world.options.strategies.max(1));
        Strategies {
            signals: named().map(|id| signals.with([service, environment, version, id])).collect(),
            latency: named().map(|id| latency.with([service, environment, version, id])).collect(),
            active: active.with(requests.labels()),
            per_beat: world.options.signals.hertz() * pulse.as_secs_f64(),
            owed: Mutex::new(0.0),
            chance: world.stream("signals"),
            world,
        }
    }

    /// Gives the signals of a beat.
    pub fn beat(&self) {
        let running = self.world.strategies.load(Relaxed);
        self.active.set(running as f64);
        let known = running.min(self.signals.len());
        if known == 0 {
            return;
        }
        let due = {
            let mut owed = lock(&self.owed);
            *owed += self.per_beat;
            let due = owed.floor();
            *owed -= due;
            due as u64
        };
        let law = Law::Lognormal { median: Duration::from_micros(700), sigma: 0.6 };
        for _ in 0..due {
            let which = (self.chance.draw() * known as f64) as usize % known;
            self.signals[which].inc();
            self.latency[which].observe(law.at(self.chance.draw()).as_secs_f64() * 1e3);
        }
    }

    /// As it is told.
    pub fn document(&self) -> serde_json::Value {
        let running = self.world.strategies.load(Relaxed);
        serde_json::json!({ "active": STRATEGIES.iter().take(running).collect::<Vec<_>>() })
    }
}
