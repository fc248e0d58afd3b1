//! What a traffic's promises allow one shot to take.
//!
//! A promise about a quantile is about many shots; the ledger asks of one whether the client would call it slow. It holds
//! it against every critical ceiling on `max`, or on a quantile from p90 up, that is promised for times when nothing is
//! wrong: over the whole run, outside faults, before or after one. Below p90 a good part of all shots is over the bound
//! by right. Promises for the time during a fault, or of recovery, say what is borne then and not what is slow.

use crate::base::timing::Timing;
use crate::evidence::touches::ShotTouch;
use crate::scenario::{Claim, Expectation, Filter, Measure, Promise, Severity, Window};

/// Quantiles below this say nothing of a single shot.
const LEAST: f64 = 0.9;

/// The promises that a shot of one traffic is held against.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bounds {
    all: Vec<(Expectation, String)>,
}

impl Bounds {
    /// Those of a traffic.
    pub fn read(promises: &[Promise], traffic: usize) -> Bounds {
        let is_one = |promise: &&Promise| match &promise.claim {
            Claim::Client(e) => {
                promise.severity == Severity::Critical
                    && e.traffic == traffic
                    && is_of_one_shot(e)
                    && matches!(
                        promise.window,
                        Window::Measured | Window::Outside | Window::Before(_) | Window::After(_)
                    )
            }
            _ => false,
        };
        let bound = |promise: &Promise| match &promise.claim {
            Claim::Client(e) => Some((*e, promise.text.clone())),
            _ => None,
        };
        Bounds { all: promises.iter().filter(is_one).filter_map(bound).collect() }
    }

    /// Whether a shot that was ok took longer than one of them allows.
    pub fn is_broken_by(&self, shot: &ShotTouch) -> bool {
        self.all.iter().any(|(e, _)| {
            let is_of_class = e.class.is_none() || e.class == shot.class.map(usize::from);
            let took = if e.clock == Timing::Response { Some(shot.response) } else { shot.service };
            is_of_class && took.is_some_and(|nanos| !e.compare.holds(nanos as f64, e.bound as f64))
        })
    }

    /// The tightest of those that hold for every class, as typed.
    pub fn tightest(&self) -> Option<&str> {
        let of_all = self.all.iter().filter(|(e, _)| e.class.is_none());
        of_all.min_by_key(|(e, _)| e.bound).map(|(_, text)| text.as_str())
    }
}

fn is_of_one_shot(e: &Expectation) -> bool {
    let measure = match e.measure {
        Measure::Quantile(q) => q.fraction() >= LEAST,
        Measure::Max => true,
        _ => false,
    };
    measure
        && e.compare.is_ceiling()
        && e.filter != Filter::Failed
        && matches!(e.clock, Timing::Response | Timing::Service)
}
