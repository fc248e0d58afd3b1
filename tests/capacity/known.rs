//! The laws whose knees are known, and how close a search comes.

use proofload::judge::capacity::Search;

use crate::laws::{Bucket, Law, Pauses, Servers};
use crate::model::{Case, Day};
use crate::oracle;

/// A law with its knee.
pub struct Known {
    /// What it is.
    pub name: &'static str,
    /// How it is searched.
    pub case: Case,
    /// Its knee, per second.
    pub knee: f64,
    /// What is bad, from which length on in seconds, and the share of it that the promise allows.
    pub allows: (f64, f64),
    make: fn() -> Box<dyn Law>,
}

impl Known {
    /// Searches it with a seed.
    pub fn search(&self, seed: u64) -> Search {
        let mut law = (self.make)();
        Case { seed, ..self.case.clone() }.search(law.as_mut(), &Day::default())
    }

    /// The same, no closer than a tenth.
    pub fn coarsely(&self, seed: u64) -> Search {
        self.search_with(seed, ", resolution: 10%")
    }

    /// The same, with more said of the search.
    pub fn search_with(&self, seed: u64, more: &'static str) -> Search {
        let mut law = (self.make)();
        Case { seed, more, ..self.case.clone() }.search(law.as_mut(), &Day::default())
    }

    /// The target.
    pub fn law(&self) -> Box<dyn Law> {
        (self.make)()
    }

    /// By what part what was found is off; nothing where nothing was.
    pub fn error(&self, found: &Search) -> Option<f64> {
        found.knee.rate.map(|rate| rate / self.knee - 1.0)
    }
}

/// All of them.
pub fn all() -> Vec<Known> {
    let case = |slo| Case { slo, probe: 20, warm_up: 3, ..Case::default() };
    vec![
        Known {
            name: "M/M/4",
            case: case("p95(x) < 250ms; errors(x) < 1%"),
            knee: oracle::mmc(4, 0.04, 0.25),
            allows: (0.25, 0.05),
            make: || Box::new(Servers::new(4, 0.04, true)),
        },
        Known {
            name: "M/M/1",
            case: case("p95(x) < 150ms"),
            knee: oracle::mmc(1, 0.01, 0.15),
            allows: (0.15, 0.05),
            make: || Box::new(Servers::new(1, 0.01, true)),
        },
        Known {
            name: "M/D/1",
            case: case("p95(x) < 40ms"),
            knee: oracle::md1(0.008, 0.04),
            allows: (0.04, 0.05),
            make: || Box::new(Servers::new(1, 0.008, false)),
        },
        Known {
            name: "concurrency limit",
            case: case("errors(x) < 1%"),
            knee: oracle::limit(20, 0.1, 0.01),
            allows: (f64::INFINITY, 0.01),
            make: || Box::new(Servers::new(20, 0.1, true).limited()),
        },
        Known {
            name: "token bucket",
            case: case("errors(x) < 1%"),
            knee: oracle::bucket(100.0, 20, 0.01),
            allows: (f64::INFINITY, 0.01),
            make: || Box::new(Bucket::new(100.0, 20.0)),
        },
        Known {
            name: "GC pauses",
            // Long against what comes and goes: twenty pauses.
            case: Case { probe: 40, ..case("p95(x) < 150ms") },
            knee: oracle::pauses(0.002, 0.2, 2.0, 0.15),
            allows: (0.15, 0.05),
            make: || Box::new(Pauses { service: 0.002, pause: 0.2, every: 2.0, free: 0.0 }),
        },
    ]
}
