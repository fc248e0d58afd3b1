//! Traffic that is not ours: how much there was while we were silent, and how much that explains.

use crate::base::text;

/// Standard deviations of a Poisson count that are still no surprise.
const SIGMAS: f64 = 4.0;

/// What was counted while we were silent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Foreign {
    /// Requests that were not ours.
    pub count: f64,
    /// Over how many seconds.
    pub seconds: f64,
    /// How many scrapes of our own fell into them.
    pub scrapes: f64,
}

impl Foreign {
    /// The same where our own scrapes are counted with the rest.
    pub fn without_scrapes(self) -> Foreign {
        Foreign { count: (self.count - self.scrapes).max(0.0), ..self }
    }

    /// Requests a second.
    fn rate(self) -> f64 {
        if self.seconds > 0.0 { self.count / self.seconds } else { 0.0 }
    }

    /// Expected in so many seconds, and by how much chance may be off. The rate itself is known from a count only.
    fn expected(self, seconds: f64) -> (f64, f64) {
        let mean = self.rate() * seconds;
        let share = if self.seconds > 0.0 { seconds / self.seconds } else { 0.0 };
        (mean, SIGMAS * (mean + self.count * share * share).sqrt())
    }

    /// The most that may have come in so many seconds.
    pub fn most(self, seconds: f64) -> f64 {
        let (mean, slack) = self.expected(seconds);
        mean + slack
    }

    /// Whether what was counted over what we sent is what was to be expected of others; `slack` of our own requests may
    /// have been counted or not. The cause, or why not.
    pub fn allows(self, over: f64, slack: f64, seconds: f64) -> Result<String, String> {
        let (mean, chance) = self.expected(seconds);
        let measured =
            format!("{} in {:.0} s of silence", text::count(self.count.round() as u64, "request"), self.seconds);
        if self.seconds <= 0.0 {
            return Err("no baseline was measured".into());
        }
        match over <= mean + chance && over + slack >= mean - chance {
            true => Ok(format!("foreign traffic, {mean:.0} ± {chance:.0} expected from {measured}")),
            false => Err(format!("foreign traffic explains {mean:.0} ± {chance:.0}, from {measured}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_allowed_and_no_more() {
        let foreign = Foreign { count: 20.0, seconds: 20.0, scrapes: 2.0 };
        assert!(foreign.allows(100.0, 0.0, 100.0).is_ok());
        assert!(foreign.allows(150.0, 0.0, 100.0).is_ok(), "chance");
        assert!(foreign.allows(300.0, 0.0, 100.0).is_err());
        assert!(foreign.allows(1.0, 0.0, 100.0).is_err(), "it cannot have stopped");
        let none = Foreign { count: 0.0, seconds: 20.0, scrapes: 2.0 };
        assert!(none.allows(1.0, 0.0, 100.0).is_err());
        assert!(Foreign::default().allows(1.0, 0.0, 100.0).is_err(), "nothing was measured");
    }
}
