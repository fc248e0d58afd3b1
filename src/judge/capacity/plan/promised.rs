//! One promise by itself: at which rate it breaks, whatever else does. What was promised need not have been promised when the
//! probes were made: their latencies are known.

use crate::base::units;
use crate::judge::Verdict;
use crate::judge::capacity::{Estimate, Probe, Study};

/// Why a promise cannot be asked of probes, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct Refused {
    /// What is wrong.
    pub what: String,
    /// What to write.
    pub remedy: String,
}

/// A promise about what probes keep.
#[derive(Debug, Clone, PartialEq)]
pub struct Promised {
    /// As typed.
    pub text: String,
    figure: Figure,
    at_most: bool, // also when it is equal
    bound: f64,    // seconds, or a share
}

/// A figure that probes keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Mean,
    P50,
    P95,
    P99,
    Errors,
}

impl Promised {
    /// Reads `p95(quotes) < 320ms`, of the traffic of a study.
    pub fn parse(text: &str, traffic: &str) -> Result<Promised, Refused> {
        let refuse = |what: String| Refused {
            what,
            remedy: format!("write it like `p95({traffic}) < 320ms`: p50, p95, p99, mean or errors, < or <="),
        };
        let (call, bound) = text.split_once('<').ok_or_else(|| refuse(format!("`{text}` compares nothing")))?;
        let (at_most, bound) = bound.strip_prefix('=').map_or((false, bound), |bound| (true, bound));
        let call = call.trim().strip_suffix(')').and_then(|call| call.split_once('('));
        let (measure, subject) = call.ok_or_else(|| refuse(format!("`{text}` has no subject")))?;
        let figure = match measure.trim() {
            "mean" => Figure::Mean,
            "p50" => Figure::P50,
            "p95" => Figure::P95,
            "p99" => Figure::P99,
            "errors" => Figure::Errors,
            other => return Err(refuse(format!("probes keep no `{other}`"))),
        };
        if subject.trim() != traffic {
            return Err(refuse(format!("`{}` is not what was searched: that was `{traffic}`", subject.trim())));
        }
        let bound = match figure {
            Figure::Errors => units::parse_share(bound.trim()).map(|share| share.fraction()),
            _ => units::parse_duration(bound.trim()).map(|length| length.as_secs_f64()),
        };
        let bound = bound.map_err(refuse)?;
        Ok(Promised { text: text.trim().to_owned(), figure, at_most, bound })
    }

    /// Whether a probe kept it; nothing where the probe says nothing.
    pub fn kept(&self, probe: &Probe) -> Option<bool> {
        // A generator that could not keep up says nothing of the target.
        if probe.verdict == Verdict::Invalid || probe.shots == 0 {
            return None;
        }
        let plain = |text: &str| text.split_whitespace().collect::<String>();
        let same = probe.promises.iter().find(|held| plain(&held.promise) == plain(&self.text));
        match same.map(|held| held.verdict) {
            Some(Verdict::Pass) => return Some(true),
            Some(Verdict::Fail) => return Some(false),
            Some(Verdict::Inconclusive | Verdict::Invalid) => return None,
            None => {}
        }
        let observed = match self.figure {
            Figure::Mean => probe.response.mean,
            Figure::P50 => probe.response.p50,
            Figure::P95 => probe.response.p95,
            Figure::P99 => probe.response.p99,
            Figure::Errors => Some(probe.errors),
        }?;
        Some(if self.at_most { observed <= self.bound } else { observed < self.bound })
    }

    /// The rate at which it breaks in the search without faults: that, and its range; the error says why that is not known.
    pub fn knee(&self, study: &Study) -> Result<(f64, f64, f64), String> {
        let search = study.whole().ok_or("there is no search without faults")?;
        let asks = search.probes.iter().filter(|probe| probe.counts || probe.borne.is_none());
        let told: Vec<(f64, bool)> = asks.filter_map(|probe| Some((probe.offered, self.kept(probe)?))).collect();
        let highest = told.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
        match Estimate::of(&told) {
            Some(estimate) => Ok((estimate.rate(), estimate.range().0, estimate.range().1)),
            None if told.is_empty() => Err("no probe says anything of it".into()),
            None if told.iter().all(|(_, kept)| *kept) => Err(format!(
                "it was kept at every rate that was tried, up to {}/s: search on beyond that",
                highest.round()
            )),
            None => Err("it was broken at every rate that was tried".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_are_read_of_what_was_searched() {
        let of = |text| Promised::parse(text, "quotes").map(|p| (p.figure, p.at_most, p.bound));
        assert_eq!(of("p95(quotes) < 320ms"), Ok((Figure::P95, false, 0.32)));
        assert_eq!(of("errors( quotes )<=1%"), Ok((Figure::Errors, true, 0.01)));
        for (bad, part) in [
            ("p95(quotes) > 1s", "compares nothing"),
            ("p95 < 1s", "no subject"),
            ("p99.9(quotes) < 1s", "keep no `p99.9`"),
            ("p95(orders) < 1s", "not what was searched"),
            ("p95(quotes) < 320", "not a length of time"),
            ("errors(quotes) < 1s", "not a share"),
        ] {
            let refused = Promised::parse(bad, "quotes").expect_err(bad);
            assert!(refused.what.contains(part) && refused.remedy.contains("p95(quotes)"), "{bad}: {refused}");
        }
    }
}
