//! A high-frequency trading system of seven services: market data, order execution, strategy, account, risk, configuration
//! and dashboard. Each has `/metrics` and `/health`; `/simulate-error` is answered with 500, as its alert drill wants.
//!
//! What is here is what that drill needs, and of its catalogue what moves by itself or by an order: market data that
//! comes in, orders that are filled, and the account that they change.

mod desk;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::fleet::{Fleet, Options, Requests};
use super::metrics::Registry;
use super::{Knob, Running};
use desk::Desk;

/// Its services, in the order of their ports.
pub const SERVICES: [&str; 7] = [
    "market-data",
    "order-execution",
    "strategy-engine",
    "account-monitor",
    "risk-manager",
    "config-service",
    "dashboard-server",
];
/// How often market data comes.
const PULSE: Duration = Duration::from_millis(50);

/// Its settings.
pub fn keys() -> Vec<Knob> {
    Options::keys()
}

/// Starts it and comes back when all of it answers.
pub async fn start(options: Options) -> io::Result<Running> {
    let mut fleet = Fleet::default();
    let account = Arc::new(desk::Account::default());
    for name in SERVICES {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry, name, &options);
        for (method, path, status) in desk::expected(name) {
            if options.born_at_zero || status < 400 {
                requests.expect(method, path, status);
            }
        }
        let desk = Arc::new(Desk::new(name, &mut registry, &requests, account.clone()));
        let pulse = desk.clone();
        fleet.add(desk, requests, registry, &options).await?;
        fleet.beside(async move {
            let mut ticks = tokio::time::interval(PULSE);
            loop {
                ticks.tick().await;
                pulse.beat();
            }
        });
    }
    Ok(fleet.running())
}

#[cfg(test)]
mod tests;
