//! `sim:quantum-trader`, a trading system of five services: signals from an AI engine, execution, risk, portfolio, and
//! training. Each has `/metrics`, `/health/live` and `/health/ready`, every metric carries `service`, `environment` and
//! `version`, and what happens is logged as lines of JSON with the correlation id of its request (`X-Correlation-ID`).
//!
//! An order passes the risk gate, is executed at the first exchange that answers (the upstreams `binance` and `bybit`
//! where there are some) and moves the portfolio. `/simulate-error` is answered with 500; any path that is unknown is 404,
//! as the drill of its notes has it (`/nonexistent`).

mod desk;
mod execution;
mod log;
mod options;
mod world;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

pub use log::Target as LogTarget;
pub use options::Options;

use super::Running;
use super::fleet::{Fleet, Requests};
use super::metrics::Registry;
use desk::Desk;
use log::Log;
use world::{Gate, World};

/// Its services, in the order of their ports.
pub const SERVICES: [&str; 5] = ["ai-engine", "execution", "risk", "portfolio", "rl-training"];
/// How often what happens by itself happens.
const PULSE: Duration = Duration::from_millis(50);

/// Starts it and comes back when all of it answers. What it logs to standard output goes to `stdout`, from when it is told that
/// the line which says that it is ready is out.
pub async fn start(options: Options, stdout: Box<dyn Write + Send>) -> io::Result<Running> {
    let fleet_options = options.fleet.clone();
    let log = Log::open(&options.log, stdout, &fleet_options.environment, &fleet_options.version)?;
    let world = Arc::new(World::new(options, log));
    let parts = |name| {
        let mut registry = Registry::default();
        let requests = Requests::new(&mut registry, name, &fleet_options);
        for (method, path, status) in desk::expected(name) {
            if fleet_options.born_at_zero || status < 400 {
                requests.expect(method, path, status);
            }
        }
        (registry, requests)
    };
    // Orders are held against the risk gate before its page is there.
    let (mut registry, requests) = parts("risk");
    let gate = Arc::new(Gate::new(world.options.seed, &mut registry, &requests));
    let mut risk = Some((registry, requests));
    let mut fleet = Fleet::default();
    for name in SERVICES {
        let own = if name == "risk" { risk.take() } else { None };
        let (mut registry, requests) = own.unwrap_or_else(|| parts(name));
        let desk = Arc::new(Desk::new(name, &world, &gate, &mut registry, &requests, PULSE)?);
        let pulse = desk.clone();
        fleet.add(desk, requests, registry, &fleet_options).await?;
        fleet.beside(async move {
            let mut ticks = tokio::time::interval(PULSE);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                pulse.beat();
            }
        });
    }
    let mut running = fleet.running();
    let begun = world.clone();
    running.announced = Some(Box::new(move || begun.log.begin()));
    running.closing = Some(Box::new(move || world.log.flush()));
    Ok(running)
}

#[cfg(test)]
mod tests;
