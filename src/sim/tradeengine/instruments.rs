//! What the engine exposes. Its notes name no metrics, for they leave by another way; these are named as they would be.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::super::fleet::Requests;
use super::super::metrics::{Counter, Family, Gauge, Histogram, Registry};
use super::super::trading::account::Account;
use super::super::trading::book::Status;
use super::super::trading::chance::lock;
use super::super::trading::prices::SYMBOLS;
use super::signal::Action;

/// So many strategies have a label value of their own; the rest are `other`, for anybody may call himself anything.
const STRATEGIES: usize = 50;
/// Upper bounds of how long an order takes, in seconds.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Its metrics.
pub struct Instruments {
    labels: [String; 3],
    known: Mutex<BTreeSet<String>>,
    received: Family<Counter, 5>,
    processed: Family<Counter, 4>,
    orders: Family<Counter, 6>,
    checks: Family<Counter, 5>,
    errors: Family<Counter, 4>,
    position: Family<Gauge, 4>,
    realized: Gauge,
    unrealized: Gauge,
    balance: Gauge,
    /// From an order to its acknowledgement, in seconds.
    pub placed: Histogram,
    /// From an order to its fill, in seconds.
    pub filled: Histogram,
    /// Orders that were sent again.
    pub retries: Counter,
    /// Whether the database is there.
    pub mongo: Gauge,
    /// Writes to it that failed.
    pub mongo_failures: Counter,
}

impl Instruments {
    /// Declares them; those whose labels are known stand at 0 from the start.
    pub fn new(registry: &mut Registry, requests: &Requests) -> Instruments {
        const COMMON: [&str; 3] = ["service", "environment", "version"];
        let labels = requests.labels();
        let [service, environment, version] = labels;
        let r = registry;
        let counter = |r: &mut Registry, name, help| r.counters(name, help, COMMON).with(labels);
        let gauge = |r: &mut Registry, name, help| r.gauges(name, help, COMMON).with(labels);
        let instruments = Instruments {
            labels: labels.map(str::to_owned),
            known: Mutex::default(),
            received: r.counters(
                "tradeengine_signals_received_total",
                "Signals that came in, by strategy and what they want",
                ["service", "environment", "version", "strategy", "action"],
            ),
            processed: r.counters(
                "tradeengine_signals_processed_total",
                "Signals, by what came of them",
                ["service", "environment", "version", "status"],
            ),
            orders: r.counters(
                "tradeengine_orders_total",
                "Orders whose end is known, by what it was",
                ["service", "environment", "version", "symbol", "side", "status"],
            ),
            checks: r.counters(
                "tradeengine_risk_checks_total",
                "Risk checks, by whether they were passed",
                ["service", "environment", "version", "check", "result"],
            ),
            errors: r.counters(
                "tradeengine_exchange_errors_total",
                "Orders that the exchange did not answer well, by why",
                ["service", "environment", "version", "error_type"],
            ),
            position: r.gauges(
                "tradeengine_position_size",
                "In units of the symbol",
                ["service", "environment", "version", "symbol"],
            ),
            realized: gauge(r, "tradeengine_realized_pnl_usd", "Profits and losses of what was closed"),
            unrealized: gauge(r, "tradeengine_unrealized_pnl_usd", "What positions would bring"),
            balance: gauge(r, "tradeengine_balance_usd", "Dollars that are there"),
            placed: r
                .histograms(
                    "tradeengine_order_submission_duration_seconds",
                    "From an order to its acknowledgement by the exchange",
                    COMMON,
                    BOUNDS,
                )
                .with(labels),
            filled: r
                .histograms("tradeengine_order_fill_duration_seconds", "From an order to its fill", COMMON, BOUNDS)
                .with(labels),
            retries: counter(r, "tradeengine_order_retries_total", "Orders that were sent again"),
            mongo: gauge(r, "tradeengine_mongodb_up", "Whether the database is there"),
            mongo_failures: counter(
                r,
                "tradeengine_mongodb_connection_failures_total",
                "Writes to the database that failed",
            ),
        };
        for status in ["executed", "rejected", "held", "failed"] {
            instruments.processed.with([service, environment, version, status]);
        }
        for symbol in SYMBOLS {
            for side in ["buy", "sell"] {
                for status in [Status::Filled, Status::Rejected] {
                    instruments.orders.with([service, environment, version, symbol, side, status.label()]);
                }
            }
        }
        for check in ["position", "daily_loss"] {
            for result in ["passed", "failed"] {
                instruments.checks.with([service, environment, version, check, result]);
            }
        }
        for kind in ["timeout", "connection", "error", "rate_limited"] {
            instruments.errors.with([service, environment, version, kind]);
        }
        instruments
    }

    fn labels(&self) -> [&str; 3] {
        [&self.labels[0], &self.labels[1], &self.labels[2]]
    }

    /// A signal came in.
    pub fn received(&self, strategy: &str, action: Action) {
        let strategy = {
            let mut known = lock(&self.known);
            let has_room = known.len() < STRATEGIES;
            if known.contains(strategy) || (has_room && known.insert(strategy.to_owned())) { strategy } else { "other" }
        };
        let [service, environment, version] = self.labels();
        self.received.with([service, environment, version, strategy, action.word()]).inc();
    }

    /// Something came of a signal.
    pub fn processed(&self, status: &str) {
        let [service, environment, version] = self.labels();
        self.processed.with([service, environment, version, status]).inc();
    }

    /// The end of an order.
    pub fn order(&self, symbol: usize, buy: bool, status: Status) {
        let [service, environment, version] = self.labels();
        let side = if buy { "buy" } else { "sell" };
        self.orders.with([service, environment, version, SYMBOLS[symbol], side, status.label()]).inc();
    }

    /// A risk check was made.
    pub fn checked(&self, check: &str, kept: bool) {
        let [service, environment, version] = self.labels();
        let result = if kept { "passed" } else { "failed" };
        self.checks.with([service, environment, version, check, result]).inc();
    }

    /// The exchange did not answer well.
    pub fn exchange_error(&self, kind: &str) {
        let [service, environment, version] = self.labels();
        self.errors.with([service, environment, version, kind]).inc();
    }

    /// Shows how the account stands.
    pub fn account(&self, account: &Account, prices: &[f64; SYMBOLS.len()]) {
        let [service, environment, version] = self.labels();
        self.realized.set(account.realized);
        self.balance.set(account.balance());
        self.unrealized.set(prices.iter().enumerate().map(|(i, price)| account.unrealized(i, *price)).sum());
        for (symbol, position) in SYMBOLS.iter().zip(account.positions) {
            self.position.with([service, environment, version, symbol]).set(position.size);
        }
    }
}
