//! Claims about memory that grows.
//!
//! ```text
//! claim   := "leak" "(" subject ")" comparator size "/" time       promised by < and <=, too much by > and >=
//! subject := "target" | one of `processes` | a job of `observe`
//! ```

use super::claim::{Compare, Purpose};
use super::promise::{Refusal, ends_for_good, split_compare};
use crate::base::text;
use crate::base::units;

/// What is under test, as a promise calls it.
pub const TARGET: &str = "target";

/// A claim about how fast memory grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeakClaim {
    /// Whose memory.
    pub of: Grower,
    /// `<` or `<=` in a promise; `>` or `>=` in what ends an experiment.
    pub compare: Compare,
    /// What its growth is held against, in bytes an hour.
    pub bound: u64,
}

/// Whose memory a promise is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grower {
    /// The target: its own process where that is known, else whatever its pages say of theirs.
    Target,
    /// A process that the run started, by its name.
    Process(String),
    /// The processes that a page of metrics tells of, by the name of its job.
    Job(String),
}

impl Grower {
    /// As it is written.
    pub fn word(&self) -> &str {
        match self {
            Grower::Target => TARGET,
            Grower::Process(name) | Grower::Job(name) => name,
        }
    }
}

/// What the grammar needs to know of a scenario.
#[derive(Debug, Clone, Copy)]
pub struct Growers<'a> {
    /// The names of the processes that the run starts.
    pub processes: &'a [&'a str],
    /// The names of the jobs.
    pub jobs: &'a [&'a str],
    /// Whether the target's own process is known.
    pub target: bool,
}

/// Reads a claim about memory; `None` when it is about something else.
pub(super) fn parse(promise: &str, known: Growers<'_>, purpose: Purpose) -> Option<Result<LeakClaim, Refusal>> {
    let (measure, _) = promise.split_once('(')?;
    (measure.trim() == "leak").then(|| read(promise, known, purpose))
}

fn read(promise: &str, known: Growers<'_>, purpose: Purpose) -> Result<LeakClaim, Refusal> {
    let example = || match purpose {
        Purpose::Promise => "write it like `leak(target) < 1MB/h`".to_owned(),
        Purpose::Stop => "write it like `leak(target) > 100MB/h`".to_owned(),
    };
    let (call, compare, bound) = split_compare(promise)?;
    let subject = call.trim().strip_suffix(')').and_then(|call| call.split_once('(')).map(|(_, rest)| rest.trim());
    let subject = subject.ok_or_else(|| (format!("`{promise}` lacks its `)`"), example()))?;
    if subject.contains(',') {
        return Err(("`leak` takes no clock, outcome or class".into(), example()));
    }
    let of = match subject {
        TARGET if known.target || !known.jobs.is_empty() => Grower::Target,
        TARGET => {
            let what = "nothing tells of the target's memory";
            let remedy =
                "name its process (`target: { pid: … }`), or observe a page that has process_resident_memory_bytes";
            return Err((what.into(), remedy.into()));
        }
        name if known.processes.contains(&name) => Grower::Process(name.into()),
        name if known.jobs.contains(&name) => Grower::Job(name.into()),
        name => {
            let names = [TARGET].into_iter().chain(known.processes.iter().copied()).chain(known.jobs.iter().copied());
            let what = format!("`{name}` is neither the target, nor a process, nor a job of this scenario");
            return Err((what, text::suggest(name, names)));
        }
    };
    if !compare.suits(purpose) {
        return Err(match purpose {
            Purpose::Promise => (format!("`{promise}`: growth is promised from above"), "use < or <=".into()),
            Purpose::Stop => ends_for_good(promise),
        });
    }
    let bound = units::parse_growth(bound).map_err(|why| match why.split_once(": ") {
        Some((what, remedy)) => (what.to_owned(), remedy.to_owned()),
        None => (why, example()),
    })?;
    if compare == Compare::Less && bound == 0 {
        return Err((format!("`{promise}`: that memory shrinks cannot be promised"), "use <= 0B/h, or more".into()));
    }
    Ok(LeakClaim { of, compare, bound })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Growers<'_> = Growers { processes: &["db"], jobs: &["quotes"], target: true };

    #[test]
    fn memory_is_promised_of_whoever_is_known() {
        let parse = |text| parse(text, KNOWN, Purpose::Promise).map(|read| read.map(|claim| (claim.of, claim.bound)));
        assert_eq!(parse("leak(target) < 1 MB/h"), Some(Ok((Grower::Target, 1_000_000))));
        assert_eq!(parse("leak( db )<=2KiB/min"), Some(Ok((Grower::Process("db".into()), 2048 * 60))));
        assert_eq!(parse("leak(quotes) < 24MB/d"), Some(Ok((Grower::Job("quotes".into()), 1_000_000))));
        assert_eq!(parse("leak(target) <= 0B/h"), Some(Ok((Grower::Target, 0))));
        assert_eq!(parse("p95(target) < 1s"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_remedy() {
        let nobody = Growers { processes: &[], jobs: &[], target: false };
        for (bad, known, part) in [
            ("leak(target) < 1MB/h", nobody, "nothing tells"),
            ("leak(qoutes) < 1MB/h", KNOWN, "neither the target"),
            ("leak(target < 1MB/h", KNOWN, "lacks its"),
            ("leak(target, ok) < 1MB/h", KNOWN, "takes no clock"),
            ("leak(target) > 1MB/h", KNOWN, "from above"),
            ("leak(target) < 1MB", KNOWN, "not a growth"),
            ("leak(target) < 1/h", KNOWN, "not a growth"),
            ("leak(target) < 0B/h", KNOWN, "shrinks"),
            ("leak(target)", KNOWN, "compares nothing"),
        ] {
            let (what, remedy) = parse(bad, known, Purpose::Promise).expect("about memory").expect_err(bad);
            assert!(what.contains(part), "{bad}: {what}");
            assert!(!remedy.is_empty(), "{bad}");
        }
        let too_much = |text| parse(text, KNOWN, Purpose::Stop).expect("about memory");
        assert!(too_much("leak(target) > 100MB/h").is_ok());
        assert!(too_much("leak(target) < 100MB/h").is_err_and(|(what, _)| what.contains("goes well")));
    }
}
