//! What an execution may be.

/// A state of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Taken on, not yet taken up; also between two attempts.
    Pending,
    /// Worked on.
    Running,
    /// Done, and looked after for a while.
    Monitoring,
    /// Looked after by nobody for a while.
    Paused,
    /// Waits for somebody to say yes.
    AwaitingApproval,
    /// Over, as wanted.
    Completed,
    /// Over: every attempt failed.
    Failed,
    /// Over: called off.
    Cancelled,
    /// Over: not run, for its pipeline was running.
    Skipped,
    /// Over: the broker who trades could not be reached.
    CommunicationError,
    /// Over: the books do not agree.
    NeedsReconciliation,
}

impl State {
    /// Those that nothing follows.
    pub const OVER: [State; 6] = [
        State::Completed,
        State::Failed,
        State::Cancelled,
        State::Skipped,
        State::CommunicationError,
        State::NeedsReconciliation,
    ];

    /// As replies and effects say it.
    pub fn name(self) -> &'static str {
        match self {
            State::Pending => "PENDING",
            State::Running => "RUNNING",
            State::Monitoring => "MONITORING",
            State::Paused => "PAUSED",
            State::AwaitingApproval => "AWAITING_APPROVAL",
            State::Completed => "COMPLETED",
            State::Failed => "FAILED",
            State::Cancelled => "CANCELLED",
            State::Skipped => "SKIPPED",
            State::CommunicationError => "COMMUNICATION_ERROR",
            State::NeedsReconciliation => "NEEDS_RECONCILIATION",
        }
    }

    /// The label `status` of an execution that is over; `None` before.
    pub fn label(self) -> Option<&'static str> {
        match self {
            State::Completed => Some("success"),
            State::Failed => Some("failed"),
            State::Cancelled => Some("cancelled"),
            State::Skipped => Some("skipped"),
            State::CommunicationError => Some("communication_error"),
            State::NeedsReconciliation => Some("needs_reconciliation"),
            State::Pending | State::Running | State::Monitoring | State::Paused | State::AwaitingApproval => None,
        }
    }

    /// Whether nothing follows.
    pub fn is_terminal(self) -> bool {
        self.label().is_some()
    }
}

/// What started an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Somebody asked for it over HTTP.
    Manual,
    /// A signal.
    Signal,
    /// The clock.
    Periodic,
}

impl Trigger {
    /// The label `trigger_mode`.
    pub fn label(self) -> &'static str {
        match self {
            Trigger::Manual => "manual",
            Trigger::Signal => "signal",
            Trigger::Periodic => "periodic",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_written_as_it_is_called() {
        for state in [State::AwaitingApproval, State::CommunicationError, State::Completed] {
            assert_eq!(serde_json::to_value(state).expect("text"), state.name());
        }
        assert!(State::Skipped.is_terminal() && !State::Monitoring.is_terminal());
    }
}
