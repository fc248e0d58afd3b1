//! Our own book: how many requests of a kind had left, and how many had been answered, by a given scrape.

use crate::base::timing::Timing;
use crate::evidence::counters::Count;
use crate::evidence::event::Scrape;
use crate::evidence::reader::Evidence;
use crate::evidence::reply::{Outcome, Reach, Stage, Why};
use crate::scenario::{Class, Scenario, Subset};

/// Requests that were answered alike.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The path.
    pub path: &'a str,
    /// The class of the reply.
    pub class: Option<&'a Class>,
    /// Its status.
    pub status: u16,
}

/// What a book says of some requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entry {
    /// Requests written, to the routes in question.
    pub sent: u64,
    /// Of those, requests that were written once more.
    pub again: u64,
    /// Complete replies of the group.
    pub received: u64,
    /// Complete replies of others on the same routes.
    pub others: u64,
}

impl Entry {
    /// Requests that may have been counted in the group, or not.
    pub fn unknown(self) -> u64 {
        self.sent.saturating_sub(self.received + self.others)
    }

    /// The most that an honest server can have counted in the group.
    pub fn most(self) -> u64 {
        (self.sent + self.again).saturating_sub(self.others)
    }
}

/// Which requests of which traffics.
#[derive(Debug, Clone, Copy)]
pub struct Kin<'a> {
    /// What was wanted.
    pub scenario: &'a Scenario,
    /// The positions of the traffics.
    pub of: &'a [usize],
    /// Which of their requests.
    pub subset: &'a Subset,
}

impl<'a> Kin<'a> {
    /// What the counts of an instant say of those cells for which `wanted` holds, on the paths for which `on` does.
    pub fn entry(&self, counts: &[Count], on: &dyn Fn(&str) -> bool, wanted: &dyn Fn(&Cell<'_>) -> bool) -> Entry {
        let mut entry = Entry::default();
        for of in self.of {
            let (traffic, Some(count)) = (&self.scenario.traffic[*of], counts.get(*of)) else { continue };
            for (path, route) in traffic.routes().into_iter().zip(&count.routes) {
                if self.subset.route.as_deref().is_some_and(|only| only != path) || !on(path) {
                    continue;
                }
                (entry.sent, entry.again) = (entry.sent + route.sent, entry.again + route.again);
                for (class, status, n) in &route.replies {
                    let class = class.and_then(|c| traffic.classes.get(usize::from(c)));
                    let cell = Cell { path, class, status: *status };
                    let place =
                        if self.holds(&cell) && wanted(&cell) { &mut entry.received } else { &mut entry.others };
                    *place += n;
                }
            }
        }
        entry
    }

    /// Every cell that has something in it.
    pub fn cells(&self, counts: &'a [Count]) -> Vec<Cell<'a>> {
        let mut cells = Vec::new();
        for of in self.of {
            let (traffic, Some(count)) = (&self.scenario.traffic[*of], counts.get(*of)) else { continue };
            for (path, route) in traffic.routes().into_iter().zip(&count.routes) {
                if self.subset.route.as_deref().is_none_or(|only| only == path) {
                    let class = |c: &Option<u16>| c.and_then(|c| traffic.classes.get(usize::from(c)));
                    let cell =
                        |(c, status, _): &(Option<u16>, u16, u64)| Cell { path, class: class(c), status: *status };
                    cells.extend(route.replies.iter().map(cell).filter(|cell| self.holds(cell)));
                }
            }
        }
        cells
    }

    fn holds(&self, cell: &Cell<'_>) -> bool {
        let class = self.subset.class.as_deref();
        class.is_none_or(|name| cell.class.is_some_and(|c| c.name == name))
            && self.subset.status.is_none_or(|statuses| statuses.contains(cell.status))
    }

    /// How many shots of the traffics came to an outcome, over the whole run.
    pub fn outcomes(&self, evidence: &Evidence, wanted: impl Fn(Outcome) -> bool) -> u64 {
        let names: Vec<&str> = self.of.iter().map(|t| self.scenario.traffic[*t].name.as_str()).collect();
        let tags: Vec<bool> = evidence
            .latency
            .tags
            .iter()
            .map(|tag| tag.timing == Timing::Response && wanted(tag.outcome) && names.contains(&tag.traffic.as_str()))
            .collect();
        let ours = evidence.latency.intervals.iter().filter(|i| tags[i.tag]);
        ours.flat_map(|i| i.cells.iter()).map(|(_, count)| count).sum()
    }
}

/// Whether nothing had been sent when a scrape was over.
pub fn before_the_load(scrape: &Scrape) -> bool {
    scrape.quiet && scrape.at_b.iter().all(|count| count.sent == 0)
}

/// Never left: there was no connection, or none in time.
pub fn never_left(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Unreachable(Reach::Dns | Reach::Connect | Reach::Tls)
            | Outcome::NotSent(Why::Backlog | Why::Resources)
    )
}

/// Left, and nobody waited for the reply any more.
pub fn timed_out(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::TimedOut(Stage::Head | Stage::Body) | Outcome::Unfinished)
}

/// Broke before the reply was complete.
pub fn broke(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Broken(Stage::Head | Stage::Body))
}
