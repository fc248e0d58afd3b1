//! Signals that have an effect twice because an embedded cluster may have had them twice itself: those that were under way
//! when a fault broke connections to it. What their target makes of them is not to be told from a defect of its own.

use std::time::Duration;

use super::super::trial::Trial;
use super::Account;
use crate::base::text;
use crate::base::time::Span;
use crate::evidence::effects::Row;

/// An effect may be seen so long before the connection broke on which the signal was to be acknowledged; rows have places
/// of 100 ms.
const BEFORE: Duration = Duration::from_millis(1_100);

/// When and by what signals of a traffic may have been doubled.
pub struct Resent<'t> {
    strikes: Vec<(Span, &'t str)>,
}

impl<'t> Resent<'t> {
    /// Of a traffic's signals.
    pub fn of(trial: &'t Trial<'_>, traffic: usize) -> Resent<'t> {
        let strikes = trial.scenario.resending(traffic).flat_map(|fault| {
            let name = trial.scenario.faults[fault].name.as_str();
            trial.windows.faults[fault].strikes().map(move |strike| (strike, name))
        });
        Resent { strikes: strikes.collect() }
    }

    /// The fault that may have doubled signals.
    pub fn by(&self, row: &Row) -> Option<&'t str> {
        let under_way = |strike: Span| row.due <= strike.end && row.done + BEFORE >= strike.start;
        self.strikes.iter().find(|(strike, _)| under_way(*strike)).map(|(_, name)| *name)
    }

    /// How many signals of an account have an effect twice, and may have been doubled.
    pub fn count(&self, account: &Account) -> u64 {
        account.rows.values().filter(|row| self.by(row).is_some()).map(|row| row.duplicated).sum()
    }

    /// What there is to say of so many.
    pub fn doubt(&self, many: u64, of: u64) -> String {
        let mut names: Vec<&str> = self.strikes.iter().map(|(_, name)| *name).collect();
        names.dedup();
        format!(
            "{} of {} came twice under {}, which broke connections to an embedded cluster: it does not know again what a producer sends again, and may have had them twice itself; promise this `outside: faults`, or on a real cluster",
            text::thousands(many),
            text::count(of, "signal"),
            text::list(names),
        )
    }
}
