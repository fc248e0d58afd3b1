//! Whether two runs can be compared at all.

use crate::evidence::manifest::{How, Manifest};

/// Why a pair of runs is no fair pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfair {
    /// What differs, in words.
    pub what: String,
}

/// Everything that sets two runs apart beside the target.
pub fn unfair(base: &Manifest, candidate: &Manifest) -> Vec<Unfair> {
    let mut all = Vec::new();
    let mut differ = |name: &str, a: String, b: String| {
        if a != b {
            all.push(Unfair { what: format!("{name}: {a} and {b}") });
        }
    };
    differ("plans", base.plan_digest.clone(), candidate.plan_digest.clone());
    differ("seeds", base.seed.to_string(), candidate.seed.to_string());
    differ("time scales", format!("1:{}", base.time_scale), format!("1:{}", candidate.time_scale));
    differ("hosts", host(base), host(candidate));
    differ("versions", base.proofload.clone(), candidate.proofload.clone());
    differ("timeouts", format!("{} ns", base.timeout), format!("{} ns", candidate.timeout));
    for (name, manifest) in [("base", base), ("candidate", candidate)] {
        if manifest.end.as_ref().is_none_or(|end| end.how != How::Complete) {
            all.push(Unfair { what: format!("the {name} did not run to its end") });
        }
    }
    all
}

fn host(of: &Manifest) -> String {
    format!("{}, {} cores", of.host.system, of.host.cores)
}
