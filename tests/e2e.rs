//! The program as its user has it: the real binary against small servers that misbehave on purpose. What is asserted
//! are exit codes, outcomes and findings; never how long anything took.

#![allow(clippy::panic, reason = "a test fails by panicking")]

#[path = "verdicts/schema.rs"]
mod schema;

#[path = "e2e/server.rs"]
mod server;

#[path = "e2e/port.rs"]
mod port;

#[path = "e2e/scene.rs"]
mod scene;

#[path = "e2e/sender.rs"]
mod sender;

#[path = "e2e/spine.rs"]
mod spine;

#[path = "e2e/flows.rs"]
mod flows;

#[path = "e2e/signals.rs"]
mod signals;

#[path = "e2e/secured.rs"]
mod secured;

#[path = "e2e/worker.rs"]
mod worker;

#[path = "e2e/effects.rs"]
mod effects;

#[path = "e2e/nats.rs"]
mod nats;

#[path = "e2e/completions.rs"]
mod completions;

#[path = "e2e/targets.rs"]
mod targets;

#[path = "e2e/endings.rs"]
mod endings;

#[path = "e2e/screen.rs"]
mod screen;

#[path = "e2e/terminal.rs"]
mod terminal;

#[path = "e2e/refusals.rs"]
mod refusals;

#[path = "e2e/promises.rs"]
mod promises;

#[path = "e2e/baselines.rs"]
mod baselines;

#[path = "e2e/fitness.rs"]
mod fitness;

#[path = "e2e/faults.rs"]
mod faults;

#[path = "e2e/ledger.rs"]
mod ledger;

#[allow(dead_code, reason = "tests/links.rs uses all of it")]
#[path = "links/stand.rs"]
mod stand;

#[path = "e2e/links.rs"]
mod links;

#[path = "e2e/things.rs"]
mod things;

#[path = "e2e/pipelines.rs"]
mod pipelines;

#[path = "e2e/planning.rs"]
mod planning;

#[path = "e2e/resources.rs"]
mod resources;

#[path = "e2e/processes.rs"]
mod processes;

#[path = "e2e/capacity.rs"]
mod capacity;

#[path = "e2e/undo.rs"]
mod undo;

#[path = "e2e/docker.rs"]
mod docker;

#[path = "e2e/limits.rs"]
mod limits;

#[path = "e2e/gates.rs"]
mod gates;

#[path = "e2e/histogram.rs"]
mod histogram;

#[path = "e2e/certificates.rs"]
mod certificates;

#[path = "e2e/wire.rs"]
mod wire;

#[path = "e2e/server2.rs"]
mod server2;

#[path = "e2e/multiplexed.rs"]
mod multiplexed;

#[path = "e2e/suites.rs"]
mod suites;

#[path = "e2e/shrink.rs"]
mod shrink;

#[path = "e2e/forward.rs"]
mod forward;

#[path = "e2e/injected.rs"]
mod injected;

#[path = "e2e/alerts.rs"]
mod alerts;
#[path = "e2e/linting.rs"]
mod linting;
#[path = "e2e/reconcile.rs"]
mod reconcile;

#[path = "e2e/decisions.rs"]
mod decisions;

#[path = "e2e/injector.rs"]
mod injector;

#[path = "e2e/contract.rs"]
mod contract;
#[path = "e2e/watched.rs"]
mod watched;

#[path = "e2e/verified.rs"]
mod verified;

#[path = "e2e/platform.rs"]
mod platform;

#[path = "e2e/published.rs"]
mod published;
