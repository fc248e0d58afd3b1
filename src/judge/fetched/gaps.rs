//! Where series ended. Prometheus marks that a series is stale, but its API does not show the marks, so that they are
//! inferred from what it does show, and the verdict says how many were.
//!
//! A series that a target exposes is stale at a scrape of that target, known by its `up`, that brought no sample of it. A
//! series whose samples carry timestamps of their own is never marked, as Prometheus does. Any other (recorded series,
//! `ALERTS`, `up` itself) is stale one step after its last sample where the next is more than two and a half steps away.

use std::collections::BTreeMap;

use super::{Target, target};
use crate::base::series::{Sample, Series, is_stale, stale};

/// How many steps may lie between two samples of a series that goes on, in halves.
const HALF_STEPS: i64 = 5;

/// How many marks were inferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marked {
    /// From scrapes that brought no sample.
    pub by_scrapes: u64,
    /// From gaps between samples.
    pub by_gaps: u64,
}

/// When each target was scraped.
pub fn up(series: &[Series]) -> BTreeMap<Target, Vec<i64>> {
    let mut all: BTreeMap<Target, Vec<i64>> = BTreeMap::new();
    for series in series.iter().filter(|series| series.labels.name() == "up") {
        all.entry(target(series)).or_default().extend(series.samples.iter().map(|sample| sample.at));
    }
    for times in all.values_mut() {
        times.sort_unstable();
        times.dedup();
    }
    all
}

/// The median of the steps between instants; `None` of fewer than two.
pub fn pace(times: &[i64]) -> Option<i64> {
    let mut steps: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    steps.get(steps.len().checked_sub(1)? / 2).copied()
}

/// Marks where series ended. `end` is until when the server was asked.
pub fn mark(series: &mut [Series], up: &BTreeMap<Target, Vec<i64>>, end: Option<i64>) -> Marked {
    let mut marked = Marked::default();
    for series in series {
        let scrapes = up.get(&target(series)).filter(|_| series.labels.name() != "up");
        let marks = match scrapes {
            Some(scrapes) => {
                let scraped = series.samples.iter().any(|sample| scrapes.binary_search(&sample.at).is_ok());
                let marks = if scraped { missing(&series.samples, scrapes) } else { Vec::new() };
                marked.by_scrapes += marks.len() as u64;
                marks
            }
            None => {
                let marks = breaks(&series.samples, end);
                marked.by_gaps += marks.len() as u64;
                marks
            }
        };
        series.samples.extend(marks.into_iter().map(|at| Sample { at, value: stale() }));
        series.samples.sort_by_key(|sample| sample.at);
    }
    marked
}

/// The first scrape of each row of them that brought no sample.
fn missing(samples: &[Sample], scrapes: &[i64]) -> Vec<i64> {
    let Some(first) = samples.first() else { return Vec::new() };
    let (mut marks, mut live, mut next, mut before) = (Vec::new(), true, 0, first.at);
    for at in scrapes.iter().copied().filter(|at| *at > first.at) {
        while next < samples.len() && samples[next].at <= before {
            next += 1;
        }
        let brought = samples.get(next).is_some_and(|sample| sample.at <= at);
        if !brought && live {
            marks.push(at);
        }
        (live, before) = (brought, at);
    }
    marks
}

/// One step after each sample behind which there is a gap.
fn breaks(samples: &[Sample], end: Option<i64>) -> Vec<i64> {
    let times: Vec<i64> = samples.iter().filter(|sample| !is_stale(sample.value)).map(|sample| sample.at).collect();
    // Of two samples nobody can say how far apart they should be.
    let Some(step) = pace(&times).filter(|step| *step > 0 && times.len() > 2) else { return Vec::new() };
    let after = times.iter().skip(1).copied().chain(end);
    let gap = |(at, next): (&i64, i64)| ((next - at) * 2 > step * HALF_STEPS).then_some(at + step);
    times.iter().zip(after).filter_map(gap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::Labels;

    fn series(name: &str, instance: &str, times: &[i64]) -> Series {
        Series {
            labels: Labels::new([("__name__", name), ("instance", instance)]),
            samples: times.iter().map(|at| Sample { at: *at, value: 1.0 }).collect(),
        }
    }

    fn marks(all: &[Series], nth: usize) -> Vec<i64> {
        all[nth].samples.iter().filter(|s| is_stale(s.value)).map(|s| s.at).collect()
    }

    #[test]
    fn a_series_ends_where_a_scrape_did_not_bring_it() {
        let mut all = [
            series("up", "a", &[0, 10, 20, 30, 40, 50]),
            series("m", "a", &[10, 20, 50]),
            series("whole", "a", &[0, 10, 20, 30, 40, 50]),
            series("own_time", "a", &[3, 13]),
            series("m", "b", &[0, 10, 50]), // of a target whose scrapes are not known
        ];
        let up = up(&all);
        let marked = mark(&mut all, &up, Some(55));
        assert_eq!(marks(&all, 1), [30], "one mark for two scrapes in a row");
        assert_eq!((marks(&all, 2), marks(&all, 3)), (vec![], vec![]));
        assert_eq!(marks(&all, 4), [20]);
        assert_eq!(marked, Marked { by_scrapes: 1, by_gaps: 1 });
    }

    #[test]
    fn what_no_target_exposes_ends_at_a_gap() {
        let mut all = [series("ALERTS", "", &[0, 10, 20, 60, 70, 80]), series("two", "", &[0, 10])];
        mark(&mut all, &BTreeMap::new(), Some(200));
        assert_eq!(marks(&all, 0), [30, 90]);
        assert_eq!(marks(&all, 1), Vec::<i64>::new(), "nobody knows how far apart they should be");
        let mut whole = [series("ALERTS", "", &[0, 10, 20, 30])];
        mark(&mut whole, &BTreeMap::new(), Some(45));
        assert_eq!(marks(&whole, 0), Vec::<i64>::new(), "the next may be on its way");
    }

    #[test]
    fn the_pace_is_what_most_steps_are() {
        assert_eq!(pace(&[0, 10, 20, 90, 100]), Some(10));
        assert_eq!((pace(&[]), pace(&[5])), (None, None));
    }
}
