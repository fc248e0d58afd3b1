//! How the program ends, and the one place that turns that into an exit code.

use crate::judge;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// As a run was judged, or would be.
    Judged(judge::Exit),
    /// The scenario or the command line is wrong; nothing was sent.
    Usage,
}

impl Exit {
    /// What was asked for was done, and every critical promise was kept.
    pub const PASS: Exit = Exit::Judged(judge::Exit::Pass);
    /// There is no answer.
    pub const INCONCLUSIVE: Exit = Exit::Judged(judge::Exit::Inconclusive);
    /// A fault could not be undone.
    pub const STUCK: Exit = Exit::Judged(judge::Exit::Stuck);
    /// Could not start.
    pub const NOT_STARTED: Exit = Exit::Judged(judge::Exit::NotStarted);

    /// The code that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Judged(exit) => exit.code(),
            Exit::Usage => 2,
        }
    }

    /// The exit of several runs: the gravest that occurred.
    pub fn of_suite(exits: impl IntoIterator<Item = Exit>) -> Exit {
        const GRAVEST_FIRST: [Exit; 9] = [
            Exit::STUCK,
            Exit::Usage,
            Exit::NOT_STARTED,
            Exit::Judged(judge::Exit::Fail),
            Exit::Judged(judge::Exit::Terminated),
            Exit::Judged(judge::Exit::Interrupted),
            Exit::Judged(judge::Exit::Invalid),
            Exit::INCONCLUSIVE,
            Exit::PASS,
        ];
        let exits: Vec<Exit> = exits.into_iter().collect();
        GRAVEST_FIRST.into_iter().find(|e| exits.contains(e)).unwrap_or(Exit::INCONCLUSIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_ends_as_its_gravest_run() {
        let [fail, invalid] = [judge::Exit::Fail, judge::Exit::Invalid].map(Exit::Judged);
        assert_eq!(Exit::of_suite([Exit::PASS, invalid, fail]), fail);
        assert_eq!(Exit::of_suite([fail, Exit::Usage]), Exit::Usage);
        assert_eq!(Exit::of_suite([Exit::PASS, Exit::PASS]), Exit::PASS);
        assert_eq!(Exit::of_suite([]), Exit::INCONCLUSIVE, "nothing was shown");
    }

    #[test]
    fn codes_are_those_of_the_contract() {
        use judge::Exit as J;
        let judged =
            [J::Pass, J::Fail, J::Inconclusive, J::Invalid, J::NotStarted, J::Stuck, J::Interrupted, J::Terminated];
        assert_eq!(judged.map(|j| Exit::Judged(j).code()), [0, 1, 3, 4, 5, 6, 130, 143]);
        assert_eq!(Exit::Usage.code(), 2);
    }
}
