//! Claims about what became of signals.
//!
//! ```text
//! claim := ( "lost" | "duplicated" | "reordered" ) "(" traffic ")" comparator share
//!        | "drain" "(" traffic ")" comparator duration                 in a promise beside `after: FAULT`
//!        | "consumer_lag" "(" traffic ")" comparator messages
//! ```

use std::fmt;

use super::claim::{Compare, Purpose, least_good, least_kept};
use super::promise::{NO_TRAFFIC, Refusal, ends_for_good, split_compare};
use crate::base::text;
use crate::base::units;

/// A claim about what became of the signals of a traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EffectClaim {
    /// What is counted or timed.
    pub measure: EffectMeasure,
    /// The traffic at this position of the scenario.
    pub traffic: usize,
    /// How it is compared.
    pub compare: Compare,
    /// With what: billionths of a share, nanoseconds, or messages.
    pub bound: u64,
}

/// What is counted or timed of signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectMeasure {
    /// The share that was acknowledged and had no effect by its deadline, without what rightly came to nothing.
    Lost,
    /// The share of which some pipeline took effect more than once.
    Duplicated,
    /// The share of which an effect came after that of a later signal with the same key.
    Reordered,
    /// From a fault's end until no more is outstanding than before it.
    Drain,
    /// How many messages the group that reads them is behind.
    ConsumerLag,
}

impl EffectMeasure {
    /// All of them.
    pub const ALL: [EffectMeasure; 5] = [
        EffectMeasure::Lost,
        EffectMeasure::Duplicated,
        EffectMeasure::Reordered,
        EffectMeasure::Drain,
        EffectMeasure::ConsumerLag,
    ];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            EffectMeasure::Lost => "lost",
            EffectMeasure::Duplicated => "duplicated",
            EffectMeasure::Reordered => "reordered",
            EffectMeasure::Drain => "drain",
            EffectMeasure::ConsumerLag => "consumer_lag",
        }
    }

    /// Whether it is a share of the signals that were due.
    pub fn is_share(self) -> bool {
        matches!(self, EffectMeasure::Lost | EffectMeasure::Duplicated | EffectMeasure::Reordered)
    }
}

impl fmt::Display for EffectMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl EffectClaim {
    /// How many signals a window must hold before the point estimate decides, as for any share; else how many looks.
    pub fn minimum(&self) -> u64 {
        match (self.measure.is_share(), self.compare.is_ceiling() || self.compare == Compare::Equal) {
            (true, true) => least_good(self.bound as f64 / 1e9),
            (true, false) => least_kept(self.bound as f64 / 1e9),
            (false, _) => 1,
        }
    }
}

/// Reads a claim about signals; `None` when it is about something else. `known` are all traffics by name, and whether
/// they are signals.
pub(super) fn parse(promise: &str, known: &[(&str, bool)], purpose: Purpose) -> Option<Result<EffectClaim, Refusal>> {
    let (measure, _) = promise.split_once('(')?;
    let measure = EffectMeasure::ALL.into_iter().find(|m| m.word() == measure.trim())?;
    Some(read(promise, measure, known, purpose))
}

fn read(
    promise: &str,
    measure: EffectMeasure,
    known: &[(&str, bool)],
    purpose: Purpose,
) -> Result<EffectClaim, Refusal> {
    let example = || {
        let bound = match (measure, purpose) {
            (EffectMeasure::Drain, Purpose::Promise) => "< 60s",
            (EffectMeasure::Drain, Purpose::Stop) => "> 60s",
            (EffectMeasure::ConsumerLag, Purpose::Promise) => "< 1000",
            (EffectMeasure::ConsumerLag, Purpose::Stop) => "> 100000",
            (EffectMeasure::Duplicated, Purpose::Promise) => "< 0.01%",
            (_, Purpose::Stop) => "> 1%",
            (_, Purpose::Promise) => "== 0",
        };
        format!("write it like `{measure}(signals) {bound}`")
    };
    let (call, compare, bound) = split_compare(promise)?;
    let subject = call.trim().strip_suffix(')').and_then(|call| call.split_once('(')).map(|(_, rest)| rest.trim());
    let subject = subject.ok_or_else(|| (format!("`{promise}` lacks its `)`"), example()))?;
    if subject.contains(',') {
        return Err((format!("`{measure}` takes no clock, outcome or class"), example()));
    }
    let traffic = known.iter().position(|(name, _)| *name == subject);
    let Some(traffic) = traffic else {
        let names: Vec<&str> = known.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        return Err((format!("`{subject}`{NO_TRAFFIC}"), text::suggest(subject, names)));
    };
    if !known[traffic].1 {
        let what = format!("`{subject}` is no traffic of signals, and only those have a `{measure}`");
        return Err((what, "name one that has `signal:`".into()));
    }
    let split = |why: String| match why.split_once(": ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (why, String::new()),
    };
    let bound = match measure {
        EffectMeasure::Drain => units::parse_duration(bound).map(|d| d.as_nanos() as u64).map_err(split)?,
        EffectMeasure::ConsumerLag => {
            bound.replace('_', "").parse().map_err(|_| (format!("`{bound}` is not a number of messages"), example()))?
        }
        _ if bound == "0" => 0,
        _ => units::parse_share(bound).map(|s| u64::from(s.0)).map_err(split)?,
    };
    let zero = compare == Compare::Equal && bound == 0 && measure.is_share();
    match (purpose, compare) {
        (Purpose::Promise, Compare::Less) if bound == 0 => {
            return Err((format!("`{promise}` can never hold"), "use <=, or == 0".into()));
        }
        (Purpose::Promise, _) if !compare.suits(purpose) && !zero => {
            return Err((format!("`{promise}`: this is promised from above"), "use <, <= or, of a share, == 0".into()));
        }
        (Purpose::Stop, Compare::AtLeast) if bound == 0 => {
            return Err((format!("`{promise}` always holds"), "use >".into()));
        }
        (Purpose::Stop, _) if !compare.suits(purpose) => return Err(ends_for_good(promise)),
        _ => {}
    }
    Ok(EffectClaim { measure, traffic, compare, bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(promise: &str) -> Result<EffectClaim, Refusal> {
        read(promise, Purpose::Promise)
    }

    fn read(claim: &str, purpose: Purpose) -> Result<EffectClaim, Refusal> {
        super::parse(claim, &[("quotes", false), ("signals", true)], purpose).expect("about signals")
    }

    #[test]
    fn each_measure_has_its_unit() {
        for (promise, measure, bound, minimum) in [
            ("lost(signals) == 0", EffectMeasure::Lost, 0, 299),
            ("lost( signals ) < 5%", EffectMeasure::Lost, 50_000_000, 59),
            ("duplicated(signals) < 0.01%", EffectMeasure::Duplicated, 100_000, 29_956),
            ("reordered(signals)<=1%", EffectMeasure::Reordered, 10_000_000, 299),
            ("drain(signals) < 60s", EffectMeasure::Drain, 60_000_000_000, 1),
            ("consumer_lag(signals) < 1_000", EffectMeasure::ConsumerLag, 1_000, 1),
        ] {
            let claim = parse(promise).expect(promise);
            assert_eq!((claim.measure, claim.traffic, claim.bound, claim.minimum()), (measure, 1, bound, minimum));
        }
        assert!(super::parse("errors(signals) < 1%", &[], Purpose::Promise).is_none());
        assert!(super::parse("lost", &[], Purpose::Promise).is_none());
    }

    #[test]
    fn what_ends_an_experiment_is_too_much() {
        for good in
            ["lost(signals) > 0", "duplicated(signals) >= 1%", "consumer_lag(signals) > 5000", "drain(signals) > 60s"]
        {
            assert!(read(good, Purpose::Stop).is_ok(), "{good}");
            assert!(read(good, Purpose::Promise).is_err(), "{good}");
        }
        for (bad, part) in [
            ("lost(signals) < 5%", "goes well"),
            ("lost(signals) == 0", "goes well"),
            ("consumer_lag(signals) <= 5", "goes well"),
            ("reordered(signals) >= 0", "always holds"),
            ("drain(signals) > 60", "not a length of time"),
        ] {
            let (what, remedy) = read(bad, Purpose::Stop).expect_err(bad);
            assert!(what.contains(part) && !remedy.is_empty(), "{bad}: {what}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        for (bad, part) in [
            ("lost(signals == 0", "lacks its"),
            ("lost(signals, ok) == 0", "takes no clock"),
            ("lost(signal) == 0", "no traffic"),
            ("lost(quotes) == 0", "no traffic of signals"),
            ("lost(signals) < 5s", "not a share"),
            ("lost(signals) > 5%", "from above"),
            ("lost(signals) < 0", "never hold"),
            ("drain(signals) == 60s", "from above"),
            ("drain(signals) < 60", "not a length of time"),
            ("consumer_lag(signals) < 5s", "not a number of messages"),
            ("duplicated(signals)", "compares nothing"),
        ] {
            let (what, remedy) = parse(bad).expect_err(bad);
            assert!(what.contains(part), "{bad}: {what}");
            assert!(!remedy.is_empty(), "{bad}");
        }
    }
}
