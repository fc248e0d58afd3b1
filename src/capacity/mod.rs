//! A search over runs: how much load a target takes. What comes next is decided by [`search`], purely; how a probe is a scenario,
//! by [`Probing`]; whoever calls makes the probes.

mod probing;
mod search;

pub use probing::Probing;
pub use search::{Aim, Next, Order, next, trimmed};

use crate::judge::capacity::{Ended, Knee, Probe, Search, weigh};

/// What came of trying to make a probe.
pub enum Tried {
    /// It ran and was judged.
    Probe(Box<Probe>),
    /// It ran, and somebody ended it.
    Cut(Box<Probe>, Ended),
    /// It did not run, or could not be judged, and no other will.
    Over(Ended),
}

/// Searches a knee. `make` makes a probe with its number; `elapsed` says how long all has taken so far, in seconds, and
/// whether somebody wants it to end; `seen` is shown the search after every probe.
pub fn search(
    fault: Option<&str>,
    aim: &Aim,
    mut make: impl FnMut(&Order, u32) -> Tried,
    mut elapsed: impl FnMut() -> (f64, Option<Ended>),
    mut seen: impl FnMut(&Search),
) -> Search {
    let mut search = Search { fault: fault.map(str::to_owned), probes: Vec::new(), knee: Knee::default(), ended: None };
    while search.ended.is_none() {
        let (so_far, ended) = elapsed();
        search.ended = match (ended, next(aim, &search.probes, so_far)) {
            (Some(ended), _) | (None, Next::End(ended)) => Some(ended),
            (None, Next::Probe(order)) => {
                let (probe, ended) = match make(&order, search.probes.len() as u32 + 1) {
                    Tried::Probe(probe) => (Some(*probe), None),
                    Tried::Cut(probe, ended) => (Some(*probe), Some(ended)),
                    Tried::Over(ended) => (None, Some(ended)),
                };
                search.probes.extend(probe);
                ended
            }
        };
        settle(&mut search);
        seen(&search);
    }
    search
}

/// Weighs the probes of a search anew, and reads the knee from them.
pub fn settle(search: &mut Search) {
    weigh(&mut search.probes);
    search.knee = Knee::of(&search.probes);
}
