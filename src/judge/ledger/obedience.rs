//! How the service under test took a fault: how often it called for one shot, whether it waited as long as it was told,
//! and whether all that waited came back at once.

use std::collections::VecDeque;
use std::time::Duration;

use super::herd::{Arrivals, Herd};
use crate::base::time::{Offset, Span};
use crate::evidence::touches::Decision;

/// A request that leaves so soon after a refusal may have been on its way when the refusal came.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// How the service under test took a fault.
#[derive(Debug, Clone, Default)]
pub struct Obedience {
    /// Calls for shots of ours that met the fault, retries included.
    pub calls: u64,
    /// The shots that they were for.
    pub shots: u64,
    /// The most calls for one shot.
    pub most: u64,
    /// Refusals that said how long to wait.
    pub told: u64,
    /// Requests that came when the service knew of a refusal, from whomever.
    pub knowing: u64,
    /// Of those, requests that came although it had been told to wait still.
    pub early: u64,
    /// Calls for a shot that had been refused before and told to wait.
    pub again: u64,
    /// Of those, calls that did not wait so long.
    pub again_early: u64,
    /// Whether what waited came back at once; nothing where nothing was told to wait.
    pub herd: Option<Herd>,
    arrivals: Arrivals,
    news: VecDeque<(Offset, Offset)>, // refusals that may not be known yet: when, and until when to wait
    until: Option<Offset>,            // to wait still, by what is known
}

/// Until when a refusal tells to wait.
fn end_of_wait(refusal: &Decision) -> Offset {
    refusal.at + Duration::from_secs(refusal.retry_after.into())
}

impl Obedience {
    /// Takes a request in the order in which they came, whatever was decided about it.
    pub fn arrival(&mut self, request: &Decision) {
        while let Some((at, until)) = self.news.front().filter(|(at, _)| *at + ON_ITS_WAY < request.at).copied() {
            debug_assert!(at < until);
            self.until = self.until.max(Some(until));
            self.news.pop_front();
        }
        if let Some(until) = self.until {
            self.knowing += 1;
            self.early += u64::from(request.at < until);
        }
        let wait = (request.retry_after > 0).then(|| end_of_wait(request));
        if let Some(until) = wait {
            self.told += 1;
            self.news.push_back((request.at, until));
        }
        self.arrivals.count(request.at, wait);
    }

    /// Takes the calls for one shot, in the order in which they came.
    pub fn shot<'d>(&mut self, calls: impl Iterator<Item = &'d Decision>) {
        let (mut made, mut until) = (0, None);
        for call in calls {
            made += 1;
            if let Some(until) = until {
                self.again += 1;
                self.again_early += u64::from(call.at < until);
            }
            if call.retry_after > 0 {
                until = until.max(Some(end_of_wait(call)));
            }
        }
        self.calls += made;
        self.shots += 1;
        self.most = self.most.max(made);
    }

    /// Everything has been taken; the fault was effective then.
    pub fn close(&mut self, effective: &[Span]) {
        self.herd = (self.told > 0).then(|| self.arrivals.herd(effective));
        self.arrivals = Arrivals::default();
        self.news.clear();
    }

    /// Calls for each shot, on average; nothing without a shot.
    pub fn calls_per_shot(&self) -> Option<f64> {
        (self.shots > 0).then(|| self.calls as f64 / self.shots as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::trace::TraceId;
    use crate::evidence::touches::Effect;

    fn request(ms: i64, retry_after: u16) -> Decision {
        let effect = if retry_after > 0 { Effect::Injected } else { Effect::Allowed };
        Decision { trace: TraceId([1; 16]), at: Offset::from_millis(ms), fault: 0, attempt: 0, effect, retry_after }
    }

    fn taken(requests: &[Decision]) -> Obedience {
        let mut all = Obedience::default();
        requests.iter().for_each(|request| all.arrival(request));
        all
    }

    #[test]
    fn who_waits_as_told_is_never_early() {
        // Ten at once, of which the last five are refused; then silence for the second they were told.
        let burst = |at: i64| (0..10).map(move |n| request(at + n, if n < 5 { 0 } else { 1 })).collect::<Vec<_>>();
        let all = taken(&[burst(0), burst(1_010), burst(2_020)].concat());
        assert_eq!((all.told, all.knowing, all.early), (15, 20, 0));
    }

    #[test]
    fn who_does_not_wait_is_early_as_often_as_it_comes() {
        let all: Vec<Decision> = (0..100).map(|n| request(n * 20, 1)).collect();
        let all = taken(&all);
        // The first six may have been on their way; from then on every one had been told.
        assert_eq!((all.told, all.knowing, all.early), (100, 94, 94));
        let once = taken(&[request(0, 2), request(500, 0), request(1_999, 0), request(2_000, 0)]);
        assert_eq!((once.told, once.knowing, once.early), (1, 3, 2));
    }

    #[test]
    fn a_shot_that_is_called_for_again_too_soon_is_told_apart() {
        let mut all = Obedience::default();
        all.shot([request(0, 1), request(50, 1), request(1_060, 0)].iter());
        all.shot([request(0, 0)].iter());
        all.shot([request(0, 0), request(5, 0)].iter());
        assert_eq!((all.calls, all.shots, all.most), (6, 3, 3));
        assert_eq!((all.again, all.again_early), (2, 1));
        assert_eq!(all.calls_per_shot(), Some(2.0));
    }
}
