//! The exit codes, and nothing else decides one.

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Every critical promise was measured and kept; or the command did what was asked.
    Pass,
    /// A critical promise was broken, and that is not the harness's doing.
    Fail,
    /// The scenario or the command line is wrong; nothing was sent.
    Usage,
    /// No critical promise was broken but one could not be decided, or there is none.
    Inconclusive,
    /// The experiment was not what the scenario describes.
    Invalid,
    /// Could not start.
    NotStarted,
    /// A fault could not be undone.
    Stuck,
    /// By SIGINT.
    Interrupted,
    /// By SIGTERM.
    Terminated,
}

impl Exit {
    /// The code that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Exit::Pass => 0,
            Exit::Fail => 1,
            Exit::Usage => 2,
            Exit::Inconclusive => 3,
            Exit::Invalid => 4,
            Exit::NotStarted => 5,
            Exit::Stuck => 6,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
        }
    }

    /// The exit of several runs: the gravest that occurred.
    pub fn of_suite(exits: impl IntoIterator<Item = Exit>) -> Exit {
        const GRAVEST_FIRST: [Exit; 9] = [
            Exit::Stuck,
            Exit::Usage,
            Exit::NotStarted,
            Exit::Fail,
            Exit::Terminated,
            Exit::Interrupted,
            Exit::Invalid,
            Exit::Inconclusive,
            Exit::Pass,
        ];
        let exits: Vec<Exit> = exits.into_iter().collect();
        GRAVEST_FIRST.into_iter().find(|e| exits.contains(e)).unwrap_or(Exit::Inconclusive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_ends_as_its_gravest_run() {
        assert_eq!(Exit::of_suite([Exit::Pass, Exit::Invalid, Exit::Fail]), Exit::Fail);
        assert_eq!(Exit::of_suite([Exit::Fail, Exit::Usage]), Exit::Usage);
        assert_eq!(Exit::of_suite([Exit::Pass, Exit::Pass]), Exit::Pass);
        assert_eq!(Exit::of_suite([]), Exit::Inconclusive, "nothing was shown");
    }
}
