//! The only place that reads a clock.
//!
//! Everything that is measured is an [`Offset`]: nanoseconds since the plan's zero, the start of the first load
//! segment. The clock behind it is the kernel's monotonic clock, which all processes of one host share, so that the
//! run and its stage write instants that can be compared.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant on the run's own axis, in nanoseconds since the plan's zero; negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(i64);

impl Offset {
    /// The plan's zero.
    pub const ZERO: Offset = Offset(0);
    /// Later than anything that happens.
    pub const MAX: Offset = Offset(i64::MAX);

    /// The instant `ns` nanoseconds after the plan's zero.
    pub const fn from_nanos(ns: i64) -> Self {
        Offset(ns)
    }

    /// The instant `ms` milliseconds after the plan's zero.
    pub const fn from_millis(ms: i64) -> Self {
        Offset(ms * 1_000_000)
    }

    /// The instant `length` after the plan's zero.
    pub fn after_zero(length: Duration) -> Self {
        Offset::ZERO + length
    }

    /// Nanoseconds since the plan's zero.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Seconds since the plan's zero, for people and for charts.
    pub fn secs(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Offset) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// How many nanoseconds after `earlier` this is; zero when it is not later.
    pub fn nanos_since(self, earlier: Offset) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// The last multiple of `step` at or before this instant. `step` must not be zero.
    pub fn floor_to(self, step: Duration) -> Offset {
        let step = step.as_nanos() as i64;
        Offset(self.0.div_euclid(step) * step)
    }

    /// The first multiple of `step` at or after this instant. `step` must not be zero.
    pub fn ceil_to(self, step: Duration) -> Offset {
        let floor = self.floor_to(step);
        if floor == self { self } else { floor + step }
    }
}

impl Add<Duration> for Offset {
    type Output = Offset;
    fn add(self, length: Duration) -> Offset {
        Offset(self.0.saturating_add(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Offset {
    type Output = Offset;
    fn sub(self, length: Duration) -> Offset {
        Offset(self.0.saturating_sub(i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3} s", self.secs())
    }
}

impl serde::Serialize for Offset {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_i64(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Offset {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        i64::deserialize(d).map(Offset)
    }
}

/// A stretch of time: from `start`, up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first instant.
    pub start: Offset,
    /// The first instant after it.
    pub end: Offset,
}

impl Span {
    /// How long it is.
    pub fn length(self) -> Duration {
        self.end.since(self.start)
    }

    /// Whether an instant lies in it.
    pub fn contains(self, at: Offset) -> bool {
        self.start <= at && at < self.end
    }

    /// The common part; `None` when there is none.
    pub fn overlap(self, other: Span) -> Option<Span> {
        let span = Span { start: self.start.max(other.start), end: self.end.min(other.end) };
        (span.start < span.end).then_some(span)
    }

    /// What is left without a part: nothing, one span or two.
    pub fn without(self, part: Span) -> Vec<Span> {
        match self.overlap(part) {
            None => vec![self],
            Some(cut) => [Span { start: self.start, end: cut.start }, Span { start: cut.end, end: self.end }]
                .into_iter()
                .filter(|s| s.start < s.end)
                .collect(),
        }
    }

    /// Slices of a length, from the start; a last one shorter than half joins the one before.
    pub fn slices(self, each: Duration) -> Vec<Span> {
        let mut slices = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let rest = self.end.since(start);
            let end = if rest < each + each / 2 { self.end } else { start + each };
            slices.push(Span { start, end });
            start = end;
        }
        slices
    }
}

/// Reads the host's monotonic clock as offsets from a fixed zero. Copies agree with each other, in any process of the
/// same host.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    zero: u64, // nanoseconds on the kernel's monotonic clock
    wall: i64, // nanoseconds since the Unix epoch at that zero
}

impl Clock {
    /// A clock whose zero lies `lead` in the future.
    pub fn starting_in(lead: Duration) -> Self {
        let lead = lead.as_nanos() as u64;
        Clock { zero: monotonic() + lead, wall: wall() + lead as i64 }
    }

    /// A clock whose zero is `zero` nanoseconds on the kernel's monotonic clock.
    pub fn with_zero(zero: u64) -> Self {
        Clock { zero, wall: wall() - (monotonic() as i64 - zero as i64) }
    }

    /// The zero, in nanoseconds on the kernel's monotonic clock; what another process needs to share this axis.
    pub fn zero(&self) -> u64 {
        self.zero
    }

    /// Now, on the run's axis.
    pub fn now(&self) -> Offset {
        Offset(monotonic() as i64 - self.zero as i64)
    }

    /// The wall-clock time of an offset, in nanoseconds since the Unix epoch.
    pub fn wall_nanos(&self, at: Offset) -> i64 {
        self.wall + at.0
    }

    /// How long until `at`; zero when it has passed.
    pub fn until(&self, at: Offset) -> Duration {
        at.since(self.now())
    }

    /// An absolute deadline on the kernel's monotonic clock, for timers that take one.
    pub fn monotonic_at(&self, at: Offset) -> u64 {
        u64::try_from(self.zero as i64 + at.0).unwrap_or(0)
    }
}

/// Nanoseconds on the kernel's monotonic clock.
pub fn monotonic() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Nanoseconds since the Unix epoch.
pub fn wall() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

/// Processor time that the calling thread has used, in nanoseconds.
pub fn thread_cpu() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Processor time that this process has used, all its threads together, in nanoseconds.
pub fn process_cpu() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Now, on the runtime's timers: for deadlines, never for what is measured.
pub fn timer() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_goes_down_and_up_on_both_sides_of_zero() {
        let step = Duration::from_millis(100);
        assert_eq!(Offset::from_millis(149).floor_to(step), Offset::from_millis(100));
        assert_eq!(Offset::from_millis(149).ceil_to(step), Offset::from_millis(200));
        assert_eq!(Offset::from_millis(200).ceil_to(step), Offset::from_millis(200));
        assert_eq!(Offset::from_millis(-149).floor_to(step), Offset::from_millis(-200));
        assert_eq!(Offset::from_millis(-149).ceil_to(step), Offset::from_millis(-100));
    }

    #[test]
    fn two_clocks_with_one_zero_agree() {
        let a = Clock::starting_in(Duration::from_secs(1));
        let b = Clock::with_zero(a.zero());
        assert!(a.now() < Offset::ZERO);
        assert!(b.now().since(a.now()) < Duration::from_secs(1));
        assert!((a.wall_nanos(Offset::ZERO) - b.wall_nanos(Offset::ZERO)).abs() < 100_000_000);
    }

    fn span(start: i64, end: i64) -> Span {
        Span { start: Offset::from_millis(start), end: Offset::from_millis(end) }
    }

    #[test]
    fn a_short_last_slice_joins_the_one_before() {
        let each = Duration::from_secs(1);
        assert_eq!(span(0, 10_400).slices(each).len(), 10);
        assert_eq!(span(0, 10_500).slices(each).len(), 11);
        assert_eq!(span(0, 400).slices(each), [span(0, 400)]);
        assert_eq!(span(5, 5).slices(each), []);
    }

    #[test]
    fn a_part_taken_out_leaves_what_is_around_it() {
        assert_eq!(span(0, 10).without(span(3, 5)), [span(0, 3), span(5, 10)]);
        assert_eq!(span(0, 10).without(span(-5, 5)), [span(5, 10)]);
        assert_eq!(span(0, 10).without(span(0, 10)), []);
        assert_eq!(span(0, 10).without(span(20, 30)), [span(0, 10)]);
    }
}
