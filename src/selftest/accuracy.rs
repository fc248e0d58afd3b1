//! Whether the stage does as it is told: a fault's share, and a stub's latency.

use std::net::TcpListener;
use std::time::Duration;

use super::trial::Bench;
use crate::base::timing::Timing;
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::reply::Outcome;

/// One request in so many is struck.
const ONE_IN: u64 = 5;
/// How long it is sent; the fault is effective for all but the first half second and the last.
pub const LENGTH: Duration = Duration::from_secs(4);
const HALF: Duration = Duration::from_millis(500);
/// What the stub declares.
const LATENCY: Duration = Duration::from_millis(5);
/// 99.9 % of a normal law lie within so many standard deviations.
const SIGMAS: f64 = 3.291;

/// How the stage did.
#[derive(Debug, Clone, Copy)]
pub struct Accuracy {
    /// Requests that could be struck, and that were.
    pub struck: (u64, u64),
    /// Shots that were seen to hang.
    pub hung: u64,
    /// The latency that the stub declares, and the median that was seen.
    pub latency: (Duration, Option<Duration>),
}

/// Sends to a stub while a fifth of its requests hang.
pub async fn measure(bench: &Bench) -> Result<Accuracy, String> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).map_err(|e| e.to_string())?.port();
    let yaml = format!(
        "proofload: 1\ntarget: {{ url: 'http://127.0.0.1:{port}', timeout: 500ms, connections: 512 }}\nupstreams:\n  \
         stub: {{ like: jupiter, listen: '127.0.0.1:{port}', latency: {}ms, success: 100% }}\ntraffic:\n  x:\n    \
         flow: {{ steps: [ {{ get: '/v6/quote?inputMint=A&outputMint=B&amount=1000000' }} ] }}\n    arrivals: even\n    \
         load: [ {{ hold: {{ at: 500/s, for: {}ms }} }} ]\nfaults:\n  \
         hang: {{ on: upstream/stub, inject: {{ timeout: {{}} }}, share: {}%, at: {}ms, for: {}ms }}\n",
        LATENCY.as_millis(),
        LENGTH.as_millis(),
        100 / ONE_IN,
        HALF.as_millis(),
        (LENGTH - HALF * 2).as_millis()
    );
    let trial = bench.trial("accuracy", &yaml).await?;
    let cleared = trial.evidence.events.iter().find_map(|event| match event {
        Event::Fault { step: FaultStep::Cleared { eligible, injected }, .. } => Some((*eligible, *injected)),
        _ => None,
    });
    let of = |timing, wanted: &dyn Fn(Outcome) -> bool| {
        trial.evidence.latency.tally(trial.measured(), |tag| tag.timing == timing && wanted(tag.outcome))
    };
    let hung = of(Timing::Response, &|outcome| outcome != Outcome::Ok).count();
    let latency = of(Timing::FirstByte, &|outcome| outcome == Outcome::Ok).quantile(0.5);
    Ok(Accuracy { struck: cleared.unwrap_or_default(), hung, latency: (LATENCY, latency) })
}

impl Accuracy {
    /// Whether as many were struck as chance allows in 999 of 1 000 cases, and whoever was struck was seen to hang.
    pub fn holds(&self) -> bool {
        let (eligible, injected) = (self.struck.0 as f64, self.struck.1 as f64);
        let share = 1.0 / ONE_IN as f64;
        let deviation = (eligible * share * (1.0 - share)).sqrt();
        eligible > 0.0 && (injected - eligible * share).abs() <= SIGMAS * deviation && self.struck.1 == self.hung
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_may_differ_by_chance_and_no_more() {
        let of = |injected, hung| Accuracy { struck: (1_500, injected), hung, latency: (LATENCY, None) };
        assert!(of(300, 300).holds() && of(350, 350).holds() && of(250, 250).holds());
        assert!(!of(352, 352).holds() && !of(248, 248).holds(), "beyond 3.291 standard deviations of 15.5");
        assert!(!of(300, 299).holds() && !of(0, 0).holds());
        assert!(!Accuracy { struck: (0, 0), hung: 0, latency: (LATENCY, None) }.holds());
    }
}
