//! The axis of time that all charts of a page share: bins of one width, few enough to draw.

use std::time::Duration;

use crate::base::time::{Offset, Span};

/// So many bins are the most: as many as a chart has room for.
const MOST: u64 = 240;

/// Widths that people can name, in milliseconds. The instrument tells of itself once a second: none is narrower.
const WIDTHS: [u64; 15] = [
    1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
    7_200_000, 14_400_000,
];

/// Bins of one width from the plan's zero to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axis {
    /// How wide a bin is.
    pub width: Duration,
    /// How many bins there are; at least one.
    pub bins: usize,
    /// Where the load ends.
    pub end: Offset,
}

impl Axis {
    /// The axis of a run whose load ends at `end`.
    pub fn new(end: Offset) -> Axis {
        let millis = (end.nanos().max(0) as u64).div_ceil(1_000_000).max(1);
        let fits = |width: &&u64| millis.div_ceil(**width) <= MOST;
        let width = WIDTHS.iter().find(fits).copied().unwrap_or_else(|| millis.div_ceil(MOST));
        Axis { width: Duration::from_millis(width), bins: millis.div_ceil(width) as usize, end }
    }

    /// The bin of an instant; nothing outside.
    pub fn bin(&self, at: Offset) -> Option<usize> {
        let bin = usize::try_from(at.nanos().div_euclid(self.width.as_nanos() as i64)).ok()?;
        (bin < self.bins).then_some(bin)
    }

    /// The time of a bin; the last ends with the load.
    pub fn span(&self, bin: usize) -> Span {
        let start = Offset::after_zero(self.width * bin as u32);
        Span { start, end: (start + self.width).min(self.end.max(start)) }
    }

    /// The middle of a bin, in seconds.
    pub fn middle(&self, bin: usize) -> f64 {
        let span = self.span(bin);
        (span.start.secs() + span.end.secs()) / 2.0
    }

    /// From the start to the end, in seconds.
    pub fn range(&self) -> [f64; 2] {
        [0.0, self.end.secs().max(0.001)]
    }
}

/// An instant on the axis as people read it: `40 s`, `12:30`, `3:05:00`.
pub fn clock(seconds: f64, whole: f64) -> String {
    let rounded = seconds.round() as i64;
    let (h, m, s) = (rounded / 3600, rounded / 60 % 60, rounded % 60);
    match whole {
        ..10.0 => format!("{} s", (seconds * 10.0).round() / 10.0),
        10.0..180.0 => format!("{rounded} s"),
        180.0..7_200.0 => format!("{}:{s:02}", rounded / 60),
        _ if s == 0 => format!("{h}:{m:02} h"),
        _ => format!("{h}:{m:02}:{s:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_run_has_more_bins_than_a_chart_has_room_for() {
        for (seconds, width, bins) in
            [(1, 1_000, 1), (60, 1_000, 60), (241, 2_000, 121), (3_600, 15_000, 240), (86_400, 600_000, 144)]
        {
            let axis = Axis::new(Offset::from_millis(seconds * 1_000));
            assert_eq!((axis.width.as_millis(), axis.bins), (width, bins), "{seconds} s");
        }
        assert!(Axis::new(Offset::from_millis(90 * 86_400_000)).bins <= MOST as usize);
        assert_eq!(Axis::new(Offset::ZERO).bins, 1);
    }

    #[test]
    fn the_last_bin_ends_with_the_load() {
        let axis = Axis::new(Offset::from_millis(1_300));
        assert_eq!(axis.span(1).end, axis.end);
        assert_eq!((axis.bin(Offset::from_millis(1_999)), axis.bin(Offset::from_millis(2_000))), (Some(1), None));
        assert_eq!(axis.bin(Offset::from_millis(-1)), None);
    }

    #[test]
    fn instants_read_like_a_clock() {
        assert_eq!(clock(2.54, 5.0), "2.5 s");
        assert_eq!(clock(40.0, 60.0), "40 s");
        assert_eq!(clock(750.0, 1_800.0), "12:30");
        assert_eq!(clock(11_100.0, 86_400.0), "3:05 h");
    }
}
