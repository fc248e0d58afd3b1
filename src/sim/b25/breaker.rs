//! The circuit breaker before the exchange. It reads no clock: instants are nanoseconds on any that goes forward.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whether orders get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// They do.
    Closed,
    /// Some do, to see whether all may again.
    HalfOpen,
    /// None do.
    Open,
}

impl State {
    /// As the metric has it.
    pub fn code(self) -> f64 {
        match self {
            State::Closed => 0.0,
            State::HalfOpen => 1.0,
            State::Open => 2.0,
        }
    }
}

/// When it opens and when it closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it stays open before it tries.
    pub open: Duration,
    /// So many tries at a time, all of which must succeed to close it.
    pub probes: u32,
}

/// Leave to send one order. What came of it is to be told with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass(u64);

#[derive(Debug)]
struct Inner {
    state: State,
    since: u64,    // it changed
    changes: u64,  // a result from before the last of them says nothing any more
    failures: u32, // in a row, while it is closed
    tried: u32,    // while it is half open
    succeeded: u32,
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    rules: Rules,
    inner: Mutex<Inner>,
}

impl Breaker {
    /// One that is closed.
    pub fn new(rules: Rules) -> Breaker {
        let inner = Inner { state: State::Closed, since: 0, changes: 0, failures: 0, tried: 0, succeeded: 0 };
        Breaker { rules, inner: Mutex::new(inner) }
    }

    /// Whether an order may be sent now.
    pub fn admit(&self, now: u64) -> Option<Pass> {
        let mut inner = self.inner();
        if inner.state == State::Open && now.saturating_sub(inner.since) >= self.rules.open.as_nanos() as u64 {
            inner.turn(State::HalfOpen, now);
        }
        match inner.state {
            State::Closed => {}
            State::HalfOpen if inner.tried < self.rules.probes => inner.tried += 1,
            State::HalfOpen | State::Open => return None,
        }
        Some(Pass(inner.changes))
    }

    /// What came of an order that was let through.
    pub fn ended(&self, pass: Pass, now: u64, well: bool) {
        let mut inner = self.inner();
        if pass.0 != inner.changes {
            return;
        }
        match (inner.state, well) {
            (State::Closed, true) => inner.failures = 0,
            (State::Closed, false) => {
                inner.failures += 1;
                if inner.failures >= self.rules.failures {
                    inner.turn(State::Open, now);
                }
            }
            (State::HalfOpen, true) => {
                inner.succeeded += 1;
                if inner.succeeded >= self.rules.probes {
                    inner.turn(State::Closed, now);
                }
            }
            (State::HalfOpen, false) => inner.turn(State::Open, now),
            (State::Open, _) => {}
        }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        self.inner().state
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn turn(&mut self, state: State, now: u64) {
        *self = Inner { state, since: now, changes: self.changes + 1, failures: 0, tried: 0, succeeded: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { failures: 3, open: Duration::from_nanos(100), probes: 2 };

    fn fail(breaker: &Breaker, now: u64) {
        let pass = breaker.admit(now).expect("it is closed");
        breaker.ended(pass, now, false);
    }

    #[test]
    fn failures_in_a_row_open_it_and_probes_close_it() {
        let breaker = Breaker::new(RULES);
        fail(&breaker, 1);
        fail(&breaker, 2);
        let pass = breaker.admit(3).expect("it is closed");
        breaker.ended(pass, 3, true);
        fail(&breaker, 4);
        fail(&breaker, 5);
        assert_eq!(breaker.state(), State::Closed, "not in a row");
        fail(&breaker, 6);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.admit(105), None, "too early");
        let probes = [breaker.admit(106).expect("a try"), breaker.admit(107).expect("another")];
        assert_eq!(breaker.state(), State::HalfOpen);
        assert_eq!(breaker.admit(108), None, "not all at once");
        for probe in probes {
            breaker.ended(probe, 110, true);
        }
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_probe_that_fails_opens_it_anew() {
        let breaker = Breaker::new(RULES);
        let late = breaker.admit(0).expect("it is closed");
        (1..=3).for_each(|now| fail(&breaker, now));
        let probe = breaker.admit(103).expect("a try");
        breaker.ended(late, 104, false);
        assert_eq!(breaker.state(), State::HalfOpen, "what was sent before it opened says nothing");
        breaker.ended(probe, 105, false);
        assert_eq!(breaker.state(), State::Open);
        assert_eq!(breaker.admit(204), None);
        assert!(breaker.admit(205).is_some());
    }

    #[test]
    fn codes_are_those_of_the_metric() {
        assert_eq!([State::Closed, State::HalfOpen, State::Open].map(State::code), [0.0, 1.0, 2.0]);
    }
}
