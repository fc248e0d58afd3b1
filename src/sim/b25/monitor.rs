//! `account-monitor`: profits, losses, balances and positions, as they are after each fill.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};

use super::super::fleet::Requests;
use super::super::metrics::{Counter, Family, Gauge, Registry};
use super::super::trading::account::Account;
use super::super::trading::prices::SYMBOLS;
use super::world::World;

/// The service.
pub struct Monitor {
    world: Arc<World>,
    labels: [String; 3],
    realized: Gauge,
    balance: Gauge,
    limit: Gauge,
    sharpe: Gauge,
    drawdown: Gauge,
    unrealized: Family<Gauge, 4>,
    size: Family<Gauge, 4>,
    entry: Family<Gauge, 4>,
    at_exchange: Family<Gauge, 4>,
    fees: Family<Gauge, 4>,
    won: Counter,
    trades: Counter,
    made: Counter,
    orders: Counter,
}

impl Monitor {
    /// Declares its metrics.
    pub fn new(world: Arc<World>, registry: &mut Registry, requests: &Requests) -> Monitor {
        const COMMON: [&str; 3] = ["service", "environment", "version"];
        let labels = requests.labels();
        let by = |label| ["service", "environment", "version", label];
        let counter = |r: &mut Registry, name, help| r.counters(name, help, COMMON).with(labels);
        let gauge = |r: &mut Registry, name, help| r.gauges(name, help, COMMON).with(labels);
        let r = registry;
        Monitor {
            realized: gauge(r, "account_monitor_realized_pnl_usd", "Profits and losses of what was closed"),
            balance: gauge(r, "account_monitor_balance_usd", "Dollars that are there"),
            limit: gauge(r, "account_monitor_position_limit", "The largest position in one symbol, in units of it"),
            sharpe: gauge(r, "account_monitor_sharpe_ratio", "Mean profit of a trade over its standard deviation"),
            drawdown: gauge(r, "account_monitor_max_drawdown_pct", "The deepest fall of the equity, in percent"),
            unrealized: r.gauges("account_monitor_unrealized_pnl_usd", "What positions would bring", by("symbol")),
            size: r.gauges("account_monitor_position_size", "In units of the symbol", by("symbol")),
            entry: r.gauges("account_monitor_position_entry_price", "What a position cost on average", by("symbol")),
            at_exchange: r.gauges(
                "account_monitor_exchange_position_size",
                "What the exchange says that the position is",
                by("symbol"),
            ),
            fees: r.gauges("account_monitor_fees_paid_usd", "What was paid as maker and as taker", by("type")),
            won: counter(r, "account_monitor_winning_trades_total", "Trades that were closed with a profit"),
            trades: counter(r, "account_monitor_total_trades_total", "Trades that were closed"),
            made: counter(r, "account_monitor_maker_orders_total", "Orders that made"),
            orders: counter(r, "account_monitor_total_orders_total", "Orders whose end is known"),
            labels: labels.map(str::to_owned),
            world,
        }
    }

    /// Shows how the account stands.
    pub fn beat(&self, prices: &[f64; SYMBOLS.len()], account: &Account) {
        let options = &self.world.options;
        let [service, environment, version] = [&self.labels[0], &self.labels[1], &self.labels[2]].map(String::as_str);
        self.realized.set(account.realized);
        self.balance.set(account.balance());
        self.limit.set(options.position_limit);
        self.sharpe.set(account.sharpe());
        self.drawdown.set(account.drawdown);
        for (symbol, name) in SYMBOLS.iter().enumerate() {
            let labels = [service, environment, version, name];
            let position = account.positions[symbol];
            self.size.with(labels).set(position.size);
            self.entry.with(labels).set(position.entry);
            self.at_exchange.with(labels).set(position.size + if options.mismatch { 1.0 } else { 0.0 });
            self.unrealized.with(labels).set(account.unrealized(symbol, prices[symbol]));
        }
        for (kind, paid) in ["maker", "taker"].into_iter().zip(account.fees) {
            self.fees.with([service, environment, version, kind]).set(paid);
        }
        for (counter, now) in [
            (&self.won, account.won),
            (&self.trades, account.trades),
            (&self.made, self.world.made.load(Relaxed)),
            (&self.orders, self.world.ended.load(Relaxed)),
        ] {
            counter.add(now.saturating_sub(counter.get()));
        }
    }

    /// As it is told.
    pub fn document(&self) -> Value {
        let account = self.world.market.account();
        let positions: Map<_, _> = SYMBOLS
            .iter()
            .zip(account.positions)
            .map(|(symbol, p)| ((*symbol).to_owned(), json!({ "size": p.size, "entry_price": p.entry })))
            .collect();
        json!({ "balance": account.balance(), "realized_pnl": account.realized, "positions": positions })
    }
}
