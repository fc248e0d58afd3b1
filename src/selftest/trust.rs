//! What a self-test found this host to be trusted with, kept for the runs that follow.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::text;
use crate::plan::Plan;

/// What this host can be trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Shots a second that left punctually.
    pub rate: u32,
    /// Requests a second of one worker in a closed loop.
    pub capacity: f64,
    /// Processors at that time.
    pub cores: usize,
}

impl Trust {
    /// As found on this host.
    pub fn new(rate: u32, capacity: f64) -> Trust {
        Trust { rate, capacity, cores: cores() }
    }

    /// Keeps it for later; where.
    pub fn keep(&self) -> io::Result<PathBuf> {
        let path = place().ok_or_else(|| io::Error::other("neither XDG_CACHE_HOME nor HOME is set"))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, serde_json::to_vec(self)?)?;
        Ok(path)
    }

    /// What was kept, if this is still the host that it was found on.
    pub fn kept() -> Option<Trust> {
        let trust: Trust = serde_json::from_slice(&std::fs::read(place()?).ok()?).ok()?;
        (trust.cores == cores()).then_some(trust)
    }

    /// Why a plan asks for more than that, in words; `None` when it does not.
    pub fn doubt(&self, plan: &Plan) -> Option<String> {
        let peak: f64 = plan.traffic.iter().map(|t| t.profile.peak()).sum();
        (peak > f64::from(self.rate)).then(|| {
            format!(
                "the plan asks for up to {}/s; `proofload selftest` found this host punctual up to {}/s: expect seconds \
                 that prove nothing, or run it on a larger one",
                text::thousands(peak.ceil() as u64),
                text::thousands(u64::from(self.rate))
            )
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn place() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("proofload").join("selftest.json"))
}
