//! Promises about what became of the requests that faults struck.
//!
//! ```text
//! promise := "absorbed" "(" traffic | fault ")" comparator share
//! ```

use super::claim::{Compare, least_good, least_kept};
use super::promise::{Known, Refusal, parse_bound, split_compare};
use super::{Measure, Window};
use crate::base::text;
use crate::base::units::Share;

/// How the refusal of an unknown subject ends.
pub(super) const NO_SUBJECT: &str = " is no traffic and no fault of this scenario";

/// A claim about the share of struck requests whose shot was served all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absorbed {
    /// The fault at this position of the scenario; every fault on an upstream without.
    pub fault: Option<usize>,
    /// The traffic at this position of the scenario; every traffic without.
    pub traffic: Option<usize>,
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub bound: Share,
}

impl Absorbed {
    /// How many struck requests there must be before the point estimate decides, as for any share.
    pub fn minimum(&self) -> u64 {
        match (self.compare.is_ceiling() || self.compare == Compare::Equal, self.bound) {
            (true, bound) => least_good(bound.fraction()),
            (false, Share::ALL) => least_good(0.0),
            (false, bound) => least_kept(bound.fraction()),
        }
    }

    /// Narrows it to what the window of its promise says; `Err` when the two do not go together.
    pub(super) fn within(self, window: Window) -> Result<Absorbed, Refusal> {
        match (window, self.fault) {
            (Window::Measured, _) => Ok(self),
            (Window::During(fault), named) if named.is_none_or(|named| named == fault) => {
                Ok(Absorbed { fault: Some(fault), ..self })
            }
            (Window::During(_), Some(_)) => Err((
                "one fault is named in `absorbed`, another in `during`".into(),
                "leave out `during`: what a fault struck, it struck during itself".into(),
            )),
            _ => Err((
                "nothing is injected there, so there is nothing to absorb".into(),
                "write `during: FAULT`, or leave the window out".into(),
            )),
        }
    }
}

/// Reads a promise about `absorbed`; `None` when it is about something else.
pub(super) fn parse(promise: &str, known: &[Known<'_>], faults: &[&str]) -> Option<Result<Absorbed, Refusal>> {
    let (measure, _) = promise.split_once('(')?;
    (measure.trim() == "absorbed").then(|| read(promise, known, faults))
}

fn read(promise: &str, known: &[Known<'_>], faults: &[&str]) -> Result<Absorbed, Refusal> {
    let example = || "write it like `absorbed(quotes) > 90%`".to_owned();
    let (call, compare, bound) = split_compare(promise)?;
    let subject = call.trim().strip_suffix(')').and_then(|call| call.split_once('(')).map(|(_, rest)| rest.trim());
    let subject = subject.ok_or_else(|| (format!("`{promise}` lacks its `)`"), example()))?;
    if subject.contains(',') {
        let what = "`absorbed` takes no clock, outcome or class: a shot that failed has no class".to_owned();
        return Err((what, example()));
    }
    // A traffic before a fault of the same name: promises are about traffic first.
    let traffic = known.iter().position(|k| k.name == subject);
    let fault = faults.iter().position(|name| *name == subject).filter(|_| traffic.is_none());
    if traffic.is_none() && fault.is_none() {
        let names: Vec<&str> = known.iter().map(|k| k.name).chain(faults.iter().copied()).collect();
        return Err((format!("`{subject}`{NO_SUBJECT}"), text::suggest(subject, names)));
    }
    let bound = parse_bound(Measure::Errors, bound)?;
    let bound = Share(u32::try_from(bound).unwrap_or(Share::ALL.0));
    if compare == Compare::Equal && bound != Share::NONE {
        return Err((format!("`{promise}`: `==` fits only a share of 0"), "use > or >=".into()));
    }
    let never = match compare {
        Compare::Greater => bound == Share::ALL,
        Compare::Less => bound == Share::NONE,
        _ => false,
    };
    if never {
        return Err((format!("`{promise}` can never hold"), "use >= or <=".into()));
    }
    Ok(Absorbed { fault, traffic, compare, bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(promise: &str) -> Result<Absorbed, Refusal> {
        let known = |name, classes| Known { name, classes, parts: Vec::new() };
        let known = [known("quotes", vec!["hit"]), known("both", vec![])];
        super::parse(promise, &known, &["hangs", "both"]).expect("about absorbed")
    }

    #[test]
    fn it_is_about_a_traffic_or_a_fault() {
        let of = |promise| parse(promise).map(|a| (a.traffic, a.fault, a.bound.0));
        assert_eq!(of("absorbed(quotes) > 90%"), Ok((Some(0), None, 900_000_000)));
        assert_eq!(of("absorbed( hangs )>=99.5%"), Ok((None, Some(0), 995_000_000)));
        assert_eq!(of("absorbed(both) == 0"), Ok((Some(1), None, 0)));
        assert!(super::parse("errors(quotes) < 1%", &[], &[]).is_none());
    }

    #[test]
    fn minimums_are_those_of_shares() {
        for (promise, minimum) in [
            ("absorbed(quotes) > 90%", 29),
            ("absorbed(quotes) >= 95%", 59),
            ("absorbed(quotes) >= 99%", 299),
            ("absorbed(quotes) >= 100%", 299),
            ("absorbed(quotes) > 0%", 1),
            ("absorbed(quotes) < 5%", 59),
            ("absorbed(quotes) == 0", 299),
        ] {
            assert_eq!(parse(promise).map(|a| a.minimum()), Ok(minimum), "{promise}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        for (bad, part) in [
            ("absorbed(qoutes) > 90%", "no traffic and no fault"),
            ("absorbed(quotes, hit) > 90%", "takes no clock"),
            ("absorbed(quotes > 90%", "lacks its"),
            ("absorbed(quotes) > 100%", "never hold"),
            ("absorbed(quotes) < 0%", "never hold"),
            ("absorbed(quotes) == 5%", "only a share of 0"),
            ("absorbed(quotes) > 90ms", "not a share"),
            ("absorbed(quotes)", "compares nothing"),
        ] {
            let (what, remedy) = parse(bad).expect_err(bad);
            assert!(what.contains(part), "{bad}: {what}");
            assert!(!remedy.is_empty(), "{bad}");
        }
    }

    #[test]
    fn a_window_narrows_it_or_is_refused() {
        let of = |promise, window| parse(promise).and_then(|a| a.within(window)).map(|a| a.fault);
        assert_eq!(of("absorbed(quotes) > 90%", Window::Measured), Ok(None));
        assert_eq!(of("absorbed(quotes) > 90%", Window::During(1)), Ok(Some(1)));
        assert_eq!(of("absorbed(hangs) > 90%", Window::During(0)), Ok(Some(0)));
        assert!(of("absorbed(hangs) > 90%", Window::During(1)).is_err());
        for window in [Window::Outside, Window::Before(0), Window::Recovery(0), Window::After(0)] {
            assert!(of("absorbed(quotes) > 90%", window).is_err(), "{window:?}");
        }
    }
}
