//! What the client's books are held against: counters and histograms of the target, and which requests each is about.

use std::time::Duration;

use super::claim::Severity;
use super::mistake::Place;
use crate::base::units::Share;

/// Everything that is reconciled.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reconcile {
    /// In the order of the file: counters first, then ratios, then latencies.
    pub checks: Vec<Check>,
    /// How long traffic that is not ours is measured before and after the load; nothing where nobody asks.
    pub baseline: Option<Duration>,
}

/// A metric and the requests that it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The positions of the traffics; at least one.
    pub of: Vec<usize>,
    /// Which of their requests.
    pub subset: Subset,
    /// What is compared.
    pub against: Against,
    /// What a mismatch means.
    pub severity: Severity,
    /// Where it is written.
    pub place: Place,
}

/// Some of the requests of a traffic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subset {
    /// Whose reply was of this class.
    pub class: Option<String>,
    /// That were answered with this status.
    pub status: Option<Statuses>,
    /// To this path.
    pub route: Option<String>,
}

/// What is compared with the client's own books. Metrics are PromQL selectors, as written.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// A counter of requests.
    Counter {
        /// The counter.
        metric: String,
        /// By which labels it tells requests apart.
        by: Labels,
        /// Values of the route label: path and value.
        routes: Vec<(String, String)>,
        /// What it does with requests that nobody waited for any more.
        timeouts: Timeouts,
        /// How long traffic that is not ours is measured before and after; nothing where there is none.
        foreign: Option<Duration>,
    },
    /// One counter over another.
    Ratio {
        /// The counter above the line.
        metric: String,
        /// The counter below it.
        over: String,
    },
    /// A histogram of how long requests took.
    Histogram {
        /// The histogram, without `_bucket`.
        metric: String,
        /// The label that tells classes apart.
        class: Option<String>,
        /// Nanoseconds in one of its units.
        unit: TimeUnit,
        /// The most that may be pushed over a bound outside the service.
        gap: Option<Share>,
    },
    /// A summary of how long requests took.
    Summary {
        /// The summary.
        metric: String,
        /// What it counts in.
        unit: TimeUnit,
    },
}

/// The labels by which a counter tells requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels {
    /// The label that holds the status, or its class.
    pub status: Option<String>,
    /// The label that holds the path, a template of it, or a name for it.
    pub route: Option<String>,
    /// The label that holds the class.
    pub class: Option<String>,
}

/// What a counter does with requests that nobody waited for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeouts {
    /// Nobody says.
    Unsaid,
    /// It counts every one.
    Counted,
    /// It need not count them.
    Uncounted,
}

/// One status, or a hundred of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statuses {
    /// This one.
    One(u16),
    /// Those that begin with this digit.
    Class(u16),
}

impl Statuses {
    /// Reads `200`, `2xx` or `2XX`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Statuses> {
        let digit = |text: &str| text.parse::<u16>().ok().filter(|n| (1..=5).contains(n));
        match text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            Some(class) => digit(class).map(Statuses::Class),
            None => text.parse().ok().filter(|n| text.len() == 3 && (100..600).contains(n)).map(Statuses::One),
        }
    }

    /// Whether a status is one of them.
    pub fn contains(self, status: u16) -> bool {
        match self {
            Statuses::One(one) => one == status,
            Statuses::Class(digit) => status / 100 == digit,
        }
    }
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Statuses::One(one) => write!(f, "{one}"),
            Statuses::Class(digit) => write!(f, "{digit}xx"),
        }
    }
}

/// What a metric counts time in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Thousandths.
    Milliseconds,
    /// Millionths.
    Microseconds,
    /// Billionths.
    Nanoseconds,
}

impl TimeUnit {
    /// All of them, the longest first.
    pub const ALL: [TimeUnit; 4] =
        [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    /// By the suffix of a metric's name; `None` where it has none.
    pub fn of_name(metric: &str) -> Option<TimeUnit> {
        let name = metric.split('{').next().unwrap_or_default().trim();
        let suffixes: [(&[&str], TimeUnit); 4] = [
            (&["_milliseconds", "_millis", "_ms"], TimeUnit::Milliseconds),
            (&["_microseconds", "_micros", "_us"], TimeUnit::Microseconds),
            (&["_nanoseconds", "_nanos", "_ns"], TimeUnit::Nanoseconds),
            (&["_seconds", "_secs", "_s"], TimeUnit::Seconds),
        ];
        suffixes.into_iter().find(|(all, _)| all.iter().any(|suffix| name.ends_with(suffix))).map(|(_, unit)| unit)
    }

    /// Nanoseconds in one.
    pub fn nanos(self) -> f64 {
        match self {
            TimeUnit::Seconds => 1e9,
            TimeUnit::Milliseconds => 1e6,
            TimeUnit::Microseconds => 1e3,
            TimeUnit::Nanoseconds => 1.0,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Milliseconds => "milliseconds",
            TimeUnit::Microseconds => "microseconds",
            TimeUnit::Nanoseconds => "nanoseconds",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_one_or_a_hundred() {
        assert_eq!(Statuses::parse("503"), Some(Statuses::One(503)));
        assert_eq!(Statuses::parse("5xx"), Some(Statuses::Class(5)));
        assert_eq!(Statuses::parse("2XX").map(|s| s.to_string()), Some("2xx".into()));
        for no in ["", "5x", "6xx", "99", "600", "0200", "ok", "+20"] {
            assert_eq!(Statuses::parse(no), None, "{no}");
        }
        assert!(Statuses::Class(5).contains(599) && !Statuses::Class(5).contains(499));
    }

    #[test]
    fn units_are_read_from_names() {
        let of = |name| TimeUnit::of_name(name).map(TimeUnit::word);
        assert_eq!(of("quote_duration_seconds"), Some("seconds"));
        assert_eq!(of("quote_duration_ms{path=\"/x\"}"), Some("milliseconds"));
        assert_eq!(of("latency_milliseconds"), Some("milliseconds"));
        assert_eq!(of("latency_us"), Some("microseconds"));
        assert_eq!(of("latency"), None);
        assert_eq!(of("status"), None);
    }
}
