//! What is promised: a claim, where it must hold, and what it means when it is broken.

use std::fmt;
use std::time::Duration;

use super::absorbed::Absorbed;
use super::alerts::AlertClaim;
use super::capacity::CapacityClaim;
use super::effect_claim::EffectClaim;
use super::leak::LeakClaim;
use super::mistake::Place;
use super::notified::Notified;
use super::part::Whose;
use super::relative::Relative;
use super::servers::Source;
use crate::base::timing::Timing;
use crate::base::units::{self, Share};

/// A promise: a measure, a bound, a window, a severity.
#[derive(Debug, Clone, PartialEq)]
pub struct Promise {
    /// As typed.
    pub text: String,
    /// What is claimed.
    pub claim: Claim,
    /// Where it must hold.
    pub window: Window,
    /// Every slice of this length must hold.
    pub each: Option<Duration>,
    /// Must hold before the first fault, and again for recovery.
    pub steady: bool,
    /// For recovery: how long it must have held again.
    pub stable: Duration,
    /// What it means when it is broken.
    pub severity: Severity,
    /// The whole interval at this confidence decides, not the point.
    pub confidence: Option<Share>,
    /// A PromQL range may reach outside the window.
    pub look_back: bool,
    /// Where it is written.
    pub place: Place,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// About what the client saw.
    Client(Expectation),
    /// About what the client saw, beside what it saw in another run.
    Relative(Relative),
    /// About what became of the requests that faults struck.
    Absorbed(Absorbed),
    /// About what became of signals.
    Effects(EffectClaim),
    /// About how fast memory grows.
    Leak(LeakClaim),
    /// About what the target says of itself.
    Server {
        /// A PromQL expression.
        expr: String,
        /// How its value is compared.
        compare: Compare,
        /// With what; a share as a fraction of 1, a length of time in seconds.
        bound: f64,
        /// Over whose samples.
        source: Source,
        /// Where the expression is written.
        place: Place,
    },
    /// About an alert of the target's own rules.
    Alert(AlertClaim),
    /// About the notifications of an Alertmanager.
    Notified(Notified),
    /// About how much the target takes: known only when it was searched.
    Capacity(CapacityClaim),
}

/// A claim about what the client saw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    /// What is measured.
    pub measure: Measure,
    /// The traffic at this position of the scenario.
    pub traffic: usize,
    /// The part at this position of the traffic's parts; `None` for shots as a whole.
    pub part: Option<usize>,
    /// Which clock; `None` where the measure has none.
    pub clock: Timing,
    /// Which outcomes.
    pub filter: Filter,
    /// The class at this position of the traffic's classes.
    pub class: Option<usize>,
    /// How it is compared.
    pub compare: Compare,
    /// The bound, in the unit of the measure: nanoseconds, billionths of a share, millionths per second.
    pub bound: u64,
}

impl Expectation {
    /// Whose shots it is about.
    pub fn whose(&self) -> Whose {
        Whose { traffic: self.traffic, part: self.part }
    }

    /// How many shots a window must hold before the point estimate decides: enough that, if the promise were broken,
    /// at least one bad shot would have been seen with 95 % probability (1 − qⁿ ≥ 0.95).
    pub fn minimum(&self) -> u64 {
        let share = self.bound as f64 / 1e9;
        match self.measure {
            Measure::Quantile(q) => least_kept(q.fraction()),
            Measure::Errors | Measure::Timeouts | Measure::Rejected if self.bound == 0 => least_good(0.0),
            Measure::Errors | Measure::Timeouts | Measure::Rejected if self.compare.is_ceiling() => least_good(share),
            Measure::Errors | Measure::Timeouts | Measure::Rejected => least_kept(share),
            Measure::Mean => 30,
            Measure::Max | Measure::Rate | Measure::Recovery | Measure::Detection => 1,
        }
    }
}

impl Expectation {
    /// The share of bad shots that it allows where it is steady.
    pub fn allowance(&self) -> f64 {
        match self.measure {
            Measure::Quantile(q) => 1.0 - q.fraction(),
            Measure::Errors | Measure::Timeouts | Measure::Rejected => self.bound as f64 / 1e9,
            Measure::Max | Measure::Mean | Measure::Rate | Measure::Recovery | Measure::Detection => 0.0,
        }
    }

    /// How many shots a slice of time needs, all of them bad, for chance to explain fewer than one such slice in a thousand.
    /// With fewer nothing shows, whatever happens.
    pub fn least_bad(&self) -> u64 {
        match self.allowance() {
            none if none <= 0.0 => 1,
            share => (0.001f64.ln() / share.ln()).ceil().clamp(1.0, 1e9) as u64,
        }
    }
}

/// The least n for which 1 − keptⁿ ≥ 95 %: were more than the share `kept` bad, that many would have shown it.
pub(super) fn least_kept(kept: f64) -> u64 {
    let n = (0.05f64.ln() / kept.ln()).ceil();
    if n.is_finite() && n >= 1.0 { n as u64 } else { 1 }
}

/// The same for a share that must stay below a bound; one of 0 is asked for as 1 % is.
pub(super) fn least_good(bound: f64) -> u64 {
    if bound > 0.0 { least_kept(1.0 - bound) } else { 299 }
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A quantile of a clock.
    Quantile(Quantile),
    /// The longest.
    Max,
    /// The mean.
    Mean,
    /// The share that was neither ok nor skipped.
    Errors,
    /// The share that timed out.
    Timeouts,
    /// The share that was answered with a wrong status.
    Rejected,
    /// Ok per second.
    Rate,
    /// From a fault's end until the steady promises hold again.
    Recovery,
    /// From a fault's first touch until a steady promise is first broken.
    Detection,
}

/// What kind of number a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Time,
    /// Billionths of a whole.
    Share,
    /// Millionths per second.
    Rate,
}

/// A quantile, in millionths: 950 000 is p95. Above 0 and below 1 000 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantile(pub u32);

impl Quantile {
    /// Between 0 and 1.
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// Reads `p95`, `p99.9`.
    pub fn parse(text: &str) -> Option<Quantile> {
        let share = units::parse_share(&format!("{}%", text.strip_prefix('p')?)).ok()?;
        (share.0 % 1000 == 0 && share.0 > 0 && share.0 < 1_000_000_000).then_some(Quantile(share.0 / 1000))
    }
}

impl fmt::Display for Quantile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", Share(self.0 * 1000).to_string().trim_end_matches('%'))
    }
}

impl Measure {
    /// The unit of its bound.
    pub fn unit(self) -> Unit {
        match self {
            Measure::Quantile(_) | Measure::Max | Measure::Mean | Measure::Recovery | Measure::Detection => Unit::Time,
            Measure::Errors | Measure::Timeouts | Measure::Rejected => Unit::Share,
            Measure::Rate => Unit::Rate,
        }
    }

    /// Whether it is about how long shots take.
    pub fn is_timed(self) -> bool {
        matches!(self, Measure::Quantile(_) | Measure::Max | Measure::Mean)
    }

    /// Whether it is about a fault, which it happens to once, and not about the shots of a window.
    pub fn is_of_fault(self) -> bool {
        matches!(self, Measure::Recovery | Measure::Detection)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Measure::Quantile(q) => write!(f, "{q}"),
            Measure::Max => f.write_str("max"),
            Measure::Mean => f.write_str("mean"),
            Measure::Errors => f.write_str("errors"),
            Measure::Timeouts => f.write_str("timeouts"),
            Measure::Rejected => f.write_str("rejected"),
            Measure::Rate => f.write_str("rate"),
            Measure::Recovery => f.write_str("recovery"),
            Measure::Detection => f.write_str("detection"),
        }
    }
}

/// Which outcomes a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Every shot due.
    All,
    /// Only those that were ok.
    Ok,
    /// Only those that were not.
    Failed,
}

/// What a claim is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It must hold.
    Promise,
    /// Where it holds, the experiment ends.
    Stop,
}

/// How an observed number is compared with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// Below.
    Less,
    /// At most.
    AtMost,
    /// Above.
    Greater,
    /// At least.
    AtLeast,
    /// Equal.
    Equal,
}

impl Compare {
    /// Whether `observed` keeps to `bound`. NaN keeps to nothing.
    pub fn holds(self, observed: f64, bound: f64) -> bool {
        match self {
            Compare::Less => observed < bound,
            Compare::AtMost => observed <= bound,
            Compare::Greater => observed > bound,
            Compare::AtLeast => observed >= bound,
            Compare::Equal => observed == bound,
        }
    }

    /// What holds where this does not. Unequal is not among them: nothing is the opposite of equal.
    pub fn opposite(self) -> Compare {
        match self {
            Compare::Less => Compare::AtLeast,
            Compare::AtMost => Compare::Greater,
            Compare::Greater => Compare::AtMost,
            Compare::AtLeast => Compare::Less,
            Compare::Equal => Compare::Equal,
        }
    }

    /// Whether something that does harm may be bounded by it: from above in a promise, from below in what ends an experiment.
    pub(super) fn suits(self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Promise => self.is_ceiling(),
            Purpose::Stop => matches!(self, Compare::Greater | Compare::AtLeast),
        }
    }

    /// Whether more is worse.
    pub fn is_ceiling(self) -> bool {
        matches!(self, Compare::Less | Compare::AtMost)
    }

    /// As written.
    pub fn word(self) -> &'static str {
        match self {
            Compare::Less => "<",
            Compare::AtMost => "<=",
            Compare::Greater => ">",
            Compare::AtLeast => ">=",
            Compare::Equal => "==",
        }
    }
}

/// Where a promise must hold. Faults are positions in the scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// The whole measured phase, faults included.
    Measured,
    /// Everywhere but during and in recovery from faults.
    Outside,
    /// Up to a fault's first touch.
    Before(usize),
    /// From a fault's first touch to its end.
    During(usize),
    /// From a fault's end to the recovery instant.
    Recovery(usize),
    /// From the recovery instant after a fault to the next fault or the end.
    After(usize),
}

impl Window {
    /// The fault it is cut by.
    pub fn fault(self) -> Option<usize> {
        match self {
            Window::Measured | Window::Outside => None,
            Window::Before(f) | Window::During(f) | Window::Recovery(f) | Window::After(f) => Some(f),
        }
    }
}

/// What a broken promise means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Changes the verdict.
    Critical,
    /// Shown.
    Warning,
    /// Shown.
    Info,
}

impl Severity {
    /// As written.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
}
