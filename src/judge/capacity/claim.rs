//! A promise about capacity where nothing was searched.

use crate::judge::verdict::{Finding, Kind, Place, Quantity, Verdict};
use crate::scenario::{CapacityClaim, Promise};

/// What a promise about capacity comes to in a single run: nothing.
pub fn finding(promise: &Promise, claim: &CapacityClaim) -> Finding {
    Finding {
        promise: promise.text.clone(),
        promql: None,
        severity: promise.severity,
        window: Place { name: "search".into(), parts: Vec::new() },
        observed: None,
        compare: claim.compare.word(),
        bound: Quantity { value: claim.bound.hertz(), kind: Kind::Rate },
        samples: 0,
        needed: 1,
        verdict: Verdict::Inconclusive,
        why: "one run says nothing of it: `proofload capacity` searches it".into(),
        slices: None,
        anatomy: None,
        course: None,
    }
}
