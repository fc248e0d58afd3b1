//! What the system lets us have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::plan::Plan;
use crate::scenario::{Scenario, closed_connections};

/// Descriptors for files, scrapes, children and the runtime.
const OTHERS: u64 = 64;

/// So many shots a second one sending thread takes on before there is another: what it can do in the middle of its day,
/// not at its limit.
const SHOTS_PER_WORKER: f64 = 40_000.0;

/// How many sending threads a run has: what the scenario says, or what the plan wants, as far as a core is left for the
/// rest of the machine.
pub fn workers(scenario: &Scenario, plan: &Plan) -> usize {
    if let Some(stated) = scenario.fitness.workers {
        return stated as usize;
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let by_workers = scenario.traffic.iter().zip(&plan.traffic).filter(|(t, _)| t.kind.signal().is_none());
    let peak: f64 = by_workers.map(|(_, t)| t.profile.peak()).sum();
    let saturated = plan.traffic.iter().any(|t| t.closed_loops().next().is_some());
    let wanted = if saturated { cores } else { (peak / SHOTS_PER_WORKER).ceil() as usize };
    wanted.min(cores.saturating_sub(1)).max(1)
}

/// How many threads send signals: one for each traffic, beside the workers.
pub fn senders_of_signals(scenario: &Scenario) -> usize {
    scenario.traffic.iter().filter(|t| t.kind.signal().is_some()).count()
}

/// How many connections per service a run opens at the most: what the scenario says, or what the plan wants as far as
/// the limit on open files allows. The soft limit is raised to the hard one first.
pub fn connections(scenario: &Scenario, plan: &Plan) -> Result<u32, String> {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let services = match &scenario.target.system {
        crate::scenario::System::Services(services) => services.len() as u64,
        crate::scenario::System::Sim { .. } => 1,
    };
    let left = u32::try_from(files.saturating_sub(OTHERS) / services).unwrap_or(u32::MAX);
    let wanted = plan.connections(scenario);
    match scenario.target.connections {
        _ if left == 0 => {
            Err(format!("`ulimit -n` allows {files} open files, which leaves none for connections; raise it"))
        }
        Some(stated) if stated > left => Err(format!(
            "`connections: {stated}` needs more open files than `ulimit -n` allows ({files}); raise it, or state at most {left}"
        )),
        _ if left < closed_connections(&scenario.traffic) => Err(format!(
            "a closed loop of {} connections needs more open files than `ulimit -n` allows ({files}); raise it, or say at most {left}",
            closed_connections(&scenario.traffic)
        )),
        _ => Ok(wanted.min(left)),
    }
}
