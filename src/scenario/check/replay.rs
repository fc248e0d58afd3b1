//! Arrivals that were recorded elsewhere.

use std::sync::Arc;
use std::time::Duration;

use super::super::load::Segment;
use super::super::raw;
use super::super::recording::Recording;
use super::super::value::{Datum, Feed, Pick};
use super::Check;
use crate::base::text;
use crate::base::time::Offset;
use crate::base::units::Rate;

/// The column that says when an arrival was.
const AT: &str = "at";
/// What templates call the other columns.
const NAME: &str = "arrivals";
/// Of so many bad rows each is told.
const SHOWN: usize = 5;
/// The grid on which windows are cut.
const GRID: Duration = Duration::from_millis(100);

impl Check<'_, '_> {
    /// What was recorded, and the load that it is.
    pub(super) fn replay(&mut self, raw: &raw::Replay) -> Option<(Arc<Recording>, Vec<Segment>)> {
        let (mut columns, mut rows) = self.rows(&raw.file)?;
        let Some(at) = columns.iter().position(|column| column == AT) else {
            let names = columns.iter().map(String::as_str);
            let what = format!("{}: no column `{AT}` says when each arrival was", raw.file.value);
            self.reader.wrong(
                raw.file.at,
                what,
                format!("name it so in the first line, which has {}", text::list(names)),
            );
            return None;
        };
        columns.remove(at);
        let instants: Vec<Datum> = rows.iter_mut().map(|row| row.remove(at)).collect();
        let speed = raw.speed.map_or(1.0, |speed| speed.value.0);
        let mut times = self.instants(raw, &instants, speed)?;
        // One more step than there are, so that the last does not stand at the very end.
        let last = times.last()?.since(Offset::ZERO);
        let step = last / u32::try_from(times.len().max(2) - 1).unwrap_or(u32::MAX);
        let whole = (last + step.max(Duration::from_millis(1))).as_nanos().div_ceil(GRID.as_nanos()) * GRID.as_nanos();
        let length = self.scaled(Duration::from_nanos(u64::try_from(whole).unwrap_or(u64::MAX)));
        times.retain(|time| time.since(Offset::ZERO) < length);
        rows.truncate(times.len());
        let warm_up = raw.warm_up.map_or(Duration::ZERO, |warm_up| self.on_axis(&warm_up));
        if let Some(at) = raw.warm_up.filter(|_| warm_up >= length).map(|w| w.at) {
            self.reader.wrong(at, "the recording is over by then", "write a shorter one");
            return None;
        }
        let count = |from: Duration, to: Duration| {
            let before = |end: Duration| times.partition_point(|time| time.since(Offset::ZERO) < end);
            (before(to) - before(from)) as f64
        };
        let segment = |word, from: Duration, to: Duration, measured| {
            let rate = Rate((count(from, to) / (to - from).as_secs_f64() * 1e6) as u64);
            Segment { word, from: rate, to: rate, length: to - from, measured, saturate: None }
        };
        let warm = (!warm_up.is_zero()).then(|| segment("warm_up", Duration::ZERO, warm_up, false));
        let load = warm.into_iter().chain([segment("replay", warm_up, length, true)]).collect();
        let (file, place) = (raw.file.value.clone(), raw.file.at);
        let feed = match columns.is_empty() {
            true => None,
            false => {
                let (name, file, pick) = (NAME.into(), file.clone(), Pick::Sequential);
                Some(Arc::new(Feed { name, file, place, pick, columns, rows }))
            }
        };
        Some((Arc::new(Recording { file, place, times: times.into(), rows: feed }), load))
    }

    /// When each is due: counted from the first, and so many times faster.
    fn instants(&mut self, raw: &raw::Replay, written: &[Datum], speed: f64) -> Option<Vec<Offset>> {
        let (mut times, mut bad, mut first, mut last) = (Vec::new(), Vec::new(), None, i128::MIN);
        for (i, datum) in written.iter().enumerate() {
            match instant(datum.text()) {
                Some(at) if at >= last => {
                    last = at;
                    let since = at - *first.get_or_insert(at);
                    times.push(Offset::from_nanos((since as f64 / speed) as i64));
                }
                Some(_) => bad.push((i + 1, "is earlier than the one before it")),
                None => bad.push((i + 1, "is no time")),
            }
        }
        for (row, why) in bad.iter().take(SHOWN) {
            let what = format!("{}, row {row}: `{}` {why}", raw.file.value, written[row - 1].text());
            let remedy = "write seconds or RFC 3339, in the order in which they were";
            self.reader.wrong(raw.file.at, what, remedy);
        }
        if bad.len() > SHOWN {
            let what = format!("{}: {} more rows without a time in order", raw.file.value, bad.len() - SHOWN);
            self.reader.wrong(raw.file.at, what, "mend them too");
        }
        bad.is_empty().then_some(times)
    }
}

/// An instant in nanoseconds, of seconds or of RFC 3339.
fn instant(text: &str) -> Option<i128> {
    match text.parse::<f64>() {
        // Beyond this not every microsecond has a float of its own.
        Ok(seconds) if seconds.is_finite() && seconds.abs() < 9.0e9 => Some((seconds * 1e9).round() as i128),
        Ok(_) => None,
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(|at| at.as_nanosecond()),
    }
}
