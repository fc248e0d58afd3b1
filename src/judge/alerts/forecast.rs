//! Before the run: which alerts can fire in the time given at all.

use std::time::Duration;

use super::basis;
use super::book::{Alert, Book};
use crate::base::time::Offset;
use crate::plan::Plan;
use crate::scenario::Scenario;

/// Whether an alert can fire in the time given, and how long it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The alert.
    pub alert: String,
    /// Its rule file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// From when its condition is true at the target until it fires, at the longest, whatever its range holds: scrape +
    /// interval + `for` in whole intervals.
    pub least: Duration,
    /// The same, and its range, where that must be full of what is wrong first.
    pub needed: Duration,
    /// How long the load lasts.
    pub available: Duration,
    /// The least factor for `alerts.time_scale` at which it can fire for sure; `None` when it can as it is, or at no factor,
    /// because a scrape alone takes that long.
    pub time_scale: Option<u32>,
}

impl Forecast {
    /// Whether it cannot fire, whatever happens.
    pub fn is_hopeless(&self) -> bool {
        self.least > self.available
    }

    /// Whether it fires for sure when what it waits for happens at once and lasts.
    pub fn is_sure(&self) -> bool {
        self.needed <= self.available
    }
}

/// Every alert of a scenario's rules, in the order of the files; none while only a server knows them.
pub fn forecast(scenario: &Scenario, plan: &Plan) -> Vec<Forecast> {
    let Some(alerts) = scenario.alerts.as_ref().filter(|alerts| alerts.are_known()) else { return Vec::new() };
    let (scrape, available) = (basis::scrape(scenario), plan.timeline.end.since(Offset::ZERO));
    let of = |alert: &Alert| {
        let (least, needed) = (alert.least(scrape), alert.needed(scrape));
        Forecast {
            alert: alert.name.clone(),
            file: alert.file.clone(),
            line: alert.line,
            least,
            needed,
            available,
            time_scale: time_scale(needed, scrape, available)
                .map(|by| by.saturating_mul(alerts.scale / scenario.time_scale.max(1))),
        }
    };
    Book::read(alerts).alerts.iter().map(of).collect()
}

/// The least factor that makes room; scrapes are not made faster.
fn time_scale(needed: Duration, scrape: Duration, available: Duration) -> Option<u32> {
    let room = available.checked_sub(scrape).filter(|room| !room.is_zero())?;
    let by = (needed - scrape).as_nanos().div_ceil(room.as_nanos());
    (by > 1).then(|| u32::try_from(by).unwrap_or(u32::MAX))
}
