//! `sim:b25`, a high-frequency trading system of seven services: market data, order execution, strategies, account, risk,
//! configuration and dashboard. Each has `/metrics` and `/health`; `/simulate-error` is answered with 500, as its alert
//! drill wants.
//!
//! `POST /orders` of order-execution passes risk limits, a rate limiter and a circuit breaker, is acknowledged by the
//! exchange (the upstream `exchange` where there is one), and is then filled: `GET /orders/{id}` tells how it stands,
//! `DELETE` takes it back. What is filled moves positions, balance, profits and losses of the account. Nothing of this is
//! diced for the page: prices wander, and what was bought must be sold.

mod breaker;
mod bucket;
mod desk;
mod feed;
mod market;
mod monitor;
mod options;
mod orders;
mod risk;
mod strategy;
mod world;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use options::Options;

use super::Running;
use super::fleet::{Fleet, Requests};
use super::metrics::Registry;
use desk::Desk;
use risk::Limits;
use world::World;

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
/// How often what happens by itself happens.
const PULSE: Duration = Duration::from_millis(50);

/// Starts it and comes back when all of it answers.
pub async fn start(options: Options) -> io::Result<Running> {
    let world = Arc::new(World::new(options));
    let fleet_options = &world.options.fleet;
    let parts = |name| {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry, name, fleet_options);
        for (method, path, status) in desk::expected(name) {
            if fleet_options.born_at_zero || status < 400 {
                requests.expect(method, path, status);
            }
        }
        (registry, requests)
    };
    // Orders are held against the risk manager's limits before its page is there.
    let (mut registry, requests) = parts("risk-manager");
    let limits = Arc::new(Limits::new(world.clone(), &mut registry, &requests));
    let mut risk = Some((registry, requests));
    let mut fleet = Fleet::default();
    for name in SERVICES {
        let own = if name == "risk-manager" { risk.take() } else { None };
        let (mut registry, requests) = own.unwrap_or_else(|| parts(name));
        let desk = Arc::new(Desk::new(name, &world, &limits, &mut registry, &requests, PULSE)?);
        let pulse = desk.clone();
        fleet.add(desk, requests, registry, fleet_options).await?;
        fleet.beside(async move {
            let mut ticks = tokio::time::interval(PULSE);
            // After a pause the world goes on from where it is.
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
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
