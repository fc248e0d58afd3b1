//! Whether two runs can be compared at all.

use std::time::Duration;

use crate::base::units;
use crate::evidence::manifest::{How, Identity, Manifest};
use crate::judge::{Judgement, Verdict};
use crate::scenario::{Claim, Scenario, Severity};

/// Everything that sets two runs apart beside the target, in words.
pub fn unfair(base: &Manifest, candidate: &Manifest) -> Vec<String> {
    let mut all = apart(&base.identity(), &candidate.identity());
    for (name, manifest) in [("base", base), ("candidate", candidate)] {
        if manifest.end.as_ref().is_none_or(|end| end.how != How::Complete) {
            all.push(format!("the {name} did not run to its end"));
        }
    }
    all
}

/// What sets apart how two runs were run, in words.
pub fn apart(base: &Identity, candidate: &Identity) -> Vec<String> {
    let mut all = Vec::new();
    let mut differ = |name: &str, a: String, b: String| {
        if a != b {
            all.push(format!("{name}: {a} and {b}"));
        }
    };
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let timeout = |nanos| units::duration(Duration::from_nanos(nanos));
    let host = |of: &Identity| format!("{}, {} cores", of.host.system, of.host.cores);
    differ("plans", short(&base.plan), short(&candidate.plan));
    differ("seeds", base.seed.to_string(), candidate.seed.to_string());
    differ("time scales", format!("1:{}", base.time_scale), format!("1:{}", candidate.time_scale));
    differ("hosts", host(base), host(candidate));
    differ("versions", base.proofload.clone(), candidate.proofload.clone());
    differ("timeouts", timeout(base.timeout), timeout(candidate.timeout));
    all
}

/// Why a run is nothing to be measured by, if so: it has to have kept what it promised by itself. What it could not decide for
/// want of a baseline of its own does not count.
pub fn no_base(scenario: &Scenario, judgement: &Judgement) -> Option<String> {
    let waits = |n: usize| {
        let claim = scenario.promises.get(n).map(|promise| &promise.claim);
        matches!(claim, Some(Claim::Relative(_))) && judgement.findings[n].verdict == Verdict::Inconclusive
    };
    let critical = |(n, finding): (usize, &crate::judge::Finding)| {
        (finding.severity == Severity::Critical && !waits(n)).then_some(finding.verdict)
    };
    let of_findings = judgement.findings.iter().enumerate().filter_map(critical);
    let of_checks = judgement.reconciled().map(|check| check.counts_as);
    let of_run = judgement.reasons.iter().map(|reason| reason.verdict);
    match of_findings.chain(of_checks).chain(of_run).max() {
        Some(Verdict::Pass) => None,
        Some(verdict) => Some(format!("it is {}, not PASS", verdict.word())),
        None => Some("it promises nothing by itself: nothing says that it was well".into()),
    }
}
