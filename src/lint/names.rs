//! What a metric's name tells, where its type is not known. Conventions are kept by some and broken by many: a name
//! that says nothing is `Unknown`, never a guess.

use super::exposed::Exposed;
use crate::evidence::samples::Kind;

/// How a metric's value moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// It only rises, except at a restart.
    Counter,
    /// It rises and falls.
    Gauge,
    /// It is a quantile that the target worked out.
    Quantile,
    /// Neither name nor type tells.
    Unknown,
}

/// A metric's nature, and whether its declared type told it.
pub fn nature(metric: &str, exposed: Option<&Exposed>) -> (Nature, bool) {
    let part = ["_count", "_sum", "_bucket"].iter().any(|suffix| metric.ends_with(suffix));
    match exposed.and_then(|exposed| exposed.kind(metric)) {
        Some(Kind::Counter) => (Nature::Counter, true),
        Some(Kind::Histogram | Kind::Summary) if part => (Nature::Counter, true),
        Some(Kind::Summary) => (Nature::Quantile, true),
        Some(Kind::Gauge | Kind::GaugeHistogram | Kind::Info | Kind::StateSet) => (Nature::Gauge, true),
        Some(Kind::Unknown | Kind::Histogram) | None => (by_name(metric), false),
    }
}

/// Ends of names that only gauges have.
const GAUGE_ENDS: &[&str] = &[
    "_ratio",
    "_percent",
    "_pct",
    "_celsius",
    "_usd",
    "_eur",
    "_depth",
    "_state",
    "_connected",
    "_info",
    "_available_bytes",
    "_avail_bytes",
    "_free_bytes",
    "_resident_memory_bytes",
    "_open_fds",
    "_goroutines",
    "_in_flight",
    "_in_progress",
    "_replicas",
    "_temperature",
    "_usage_bytes",
    "_working_set_bytes",
    "_size_bytes",
    "_queue_length",
    "_queue_size",
    "_pnl",
    "_balance",
];

fn by_name(metric: &str) -> Nature {
    // A recorded series is what its rule made of it.
    if metric.contains(':') {
        return Nature::Unknown;
    }
    if metric.ends_with("_total") || metric.ends_with("_bucket") {
        Nature::Counter
    } else if metric == "up"
        // The offset that a partition is at now is a place in a log, and only rises.
        || (metric.contains("_current_") && !metric.ends_with("_offset"))
        || is_timestamp(metric)
        || GAUGE_ENDS.iter().any(|end| metric.ends_with(end))
    {
        Nature::Gauge
    } else {
        Nature::Unknown
    }
}

/// Whether the name is that of a counter in the stricter sense: of its own, no part of a histogram or a summary.
pub fn may_count(metric: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| metric.ends_with(suffix)) || metric.contains(':')
}

/// Whether the value is a point in time.
pub fn is_timestamp(metric: &str) -> bool {
    let ends = ["_timestamp", "_timestamp_seconds", "_timestamp_ms", "_timestamp_milliseconds", "_last_seen"];
    ends.iter().any(|end| metric.ends_with(end))
        || ["_start_time_seconds", "_boot_time_seconds", "_time_created", "_unixtime"]
            .iter()
            .any(|e| metric.ends_with(e))
}

/// Whether the value is a point in time in milliseconds.
pub fn is_millisecond_time(metric: &str) -> bool {
    ["_timestamp_ms", "_timestamp_milliseconds", "_timestamp_millis", "_time_ms", "_last_seen_ms", "_time_millis"]
        .iter()
        .any(|end| metric.ends_with(end))
}

/// Whether it is the highest value so far.
pub fn is_high_water_mark(metric: &str) -> bool {
    let words: Vec<&str> = metric.split('_').collect();
    words.contains(&"peak") || words.contains(&"watermark") || words.windows(2).any(|w| w == ["max", "drawdown"])
}

/// The unit that a name ends in, before `_total`, `_bucket` and the like.
pub fn unit(metric: &str) -> Option<Unit> {
    let stem = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|s| metric.strip_suffix(s)).unwrap_or(metric);
    let ends = |ends: &[&str]| ends.iter().any(|end| stem.ends_with(end));
    if ends(&["_milliseconds", "_ms", "_millis"]) {
        Some(Unit::Milliseconds)
    } else if ends(&["_seconds"]) {
        Some(Unit::Seconds)
    } else if ends(&["_ratio"]) {
        Some(Unit::Share)
    } else if ends(&["_percent", "_pct"]) {
        Some(Unit::Percent)
    } else {
        None
    }
}

/// A unit that is often mistaken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 1 s is 1.
    Seconds,
    /// 1 s is 1000.
    Milliseconds,
    /// All is 1.
    Share,
    /// All is 100.
    Percent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_they_tell() {
        let told = |name| nature(name, None).0;
        assert_eq!(told("orders_total"), Nature::Counter);
        assert_eq!(told("x_seconds_bucket"), Nature::Counter);
        assert_eq!(told("container_last_seen"), Nature::Gauge);
        assert_eq!(told("account_pnl_usd"), Nature::Gauge);
        assert_eq!(told("quotes_by_pool"), Nature::Unknown);
        assert_eq!(told("job:orders:rate5m_total"), Nature::Unknown);
    }

    #[test]
    fn units_are_read_from_names() {
        assert_eq!(unit("x_seconds_bucket"), Some(Unit::Seconds));
        assert_eq!(unit("latency_ms"), Some(Unit::Milliseconds));
        assert_eq!(unit("window_items"), None);
    }
}
