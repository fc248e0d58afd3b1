//! How fast something grows, from values that hang together: what a second says is much of what the one before said, and a
//! least-squares line through them believes itself far too much.
//!
//! The slope is the median of those between all pairs of values (Theil, Indagationes Mathematicae 12, 1950; Sen, JASA 63,
//! 1968): a peak or a sweep of a garbage collector moves it little. Values of several lives of one process are paired only
//! within a life. Its interval is that of a bootstrap of what is left beside the line, in blocks that are long against how
//! long the values remember (Künsch, Annals of Statistics 17, 1989), widened by Student's law for as few blocks as there are.

use super::stat;
use crate::base::seed::Stream;

/// So many values are enough; more are put together, each the median of its stretch.
const MOST: usize = 80;
/// Fewer values have no trend.
const LEAST: usize = 20;
/// So many times blocks are drawn: enough for a standard error to five per cent.
const DRAWS: usize = 200;
/// Blocks are so many times longer than the values remember.
const LONGER: f64 = 4.0;
/// The longest that a block may be: a part of all.
const PART: usize = 6;

/// A value at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When, in seconds.
    pub at: f64,
    /// How much.
    pub value: f64,
    /// Which life of what is watched it belongs to.
    pub life: u32,
}

/// How fast something grows, a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// The slope.
    pub slope: f64,
    /// It is not less than this.
    pub low: f64,
    /// It is not more than this.
    pub high: f64,
    /// How long the values remember, in seconds.
    pub memory: f64,
}

/// The trend of values in order of time; each bound holds by itself with the confidence that is asked for. Nothing where there
/// are too few.
pub fn trend(points: &[Point], confidence: f64, chance: &mut Stream) -> Option<Trend> {
    let points = thin(points);
    let n = points.len();
    if n < LEAST {
        return None;
    }
    let pairs = pairs(&points);
    let slope = median(&mut slopes(&points, &pairs, |i| points[i].value))?;
    let level = |life: u32| {
        let of = points.iter().filter(|p| p.life == life);
        median(&mut of.map(|p| p.value - slope * p.at).collect::<Vec<f64>>()).unwrap_or(0.0)
    };
    let levels: Vec<f64> = points.iter().map(|p| level(p.life)).collect();
    let line: Vec<f64> = points.iter().zip(&levels).map(|(p, level)| level + slope * p.at).collect();
    let off: Vec<f64> = points.iter().zip(&line).map(|(p, line)| p.value - line).collect();
    let memory = memory(&off);
    let block = ((memory * LONGER).ceil() as usize).clamp(1, (n / PART).max(1));
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut drawn = vec![0.0; n];
    for _ in 0..DRAWS {
        let mut filled = 0;
        while filled < n {
            // Blocks go round: each value is drawn as often as any other.
            let start = ((chance.unit() * n as f64) as usize).min(n - 1);
            for i in 0..block.min(n - filled) {
                drawn[filled] = line[filled] + off[(start + i) % n];
                filled += 1;
            }
        }
        let slope = median(&mut slopes(&points, &pairs, |i| drawn[i])).unwrap_or(slope);
        sum += slope;
        squares += slope * slope;
    }
    let draws = DRAWS as f64;
    let deviation = ((squares / draws - (sum / draws).powi(2)).max(0.0) * draws / (draws - 1.0)).sqrt();
    // Two of the degrees of freedom went into the line.
    let blocks = (n as f64 / block as f64).floor().max(4.0);
    let wider = (blocks / (blocks - 2.0)).sqrt();
    let reach = stat::errors_of_mean(blocks as u64 - 1, confidence) * deviation * wider;
    let step = (points[n - 1].at - points[0].at) / (n - 1) as f64;
    Some(Trend { slope, low: slope - reach, high: slope + reach, memory: memory * step })
}

/// Not more values than are enough: each the median of a stretch, at its middle. A stretch does not span two lives.
fn thin(points: &[Point]) -> Vec<Point> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    if points.len() <= MOST {
        return points.to_vec();
    }
    let width = (last.at - first.at) / MOST as f64;
    let stretch = |p: &Point| (((p.at - first.at) / width) as usize).min(MOST - 1);
    let groups = points.chunk_by(|a, b| a.life == b.life && stretch(a) == stretch(b));
    let middle = |group: &[Point]| Point {
        at: group.iter().map(|p| p.at).sum::<f64>() / group.len() as f64,
        value: median(&mut group.iter().map(|p| p.value).collect::<Vec<f64>>()).unwrap_or(group[0].value),
        life: group[0].life,
    };
    groups.map(middle).collect()
}

/// All pairs within a life, by position.
fn pairs(points: &[Point]) -> Vec<(usize, usize)> {
    let of = |i: usize| (i + 1..points.len()).map(move |j| (i, j));
    let pairs = (0..points.len()).flat_map(of);
    pairs.filter(|(i, j)| points[*i].life == points[*j].life && points[*j].at > points[*i].at).collect()
}

fn slopes(points: &[Point], pairs: &[(usize, usize)], value: impl Fn(usize) -> f64) -> Vec<f64> {
    pairs.iter().map(|(i, j)| (value(*j) - value(*i)) / (points[*j].at - points[*i].at)).collect()
}

fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, middle, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let middle = *middle;
    let other = if n % 2 == 1 { Some(middle) } else { below.iter().copied().max_by(f64::total_cmp) };
    other.map(|other| (middle + other) / 2.0)
}

/// How many values remember one: the integrated autocorrelation time, cut off where it is no longer positive (Geyer,
/// Statistical Science 7, 1992, in its simplest form).
fn memory(off: &[f64]) -> f64 {
    let at = |lag: usize| -> f64 { off.iter().zip(&off[lag..]).map(|(a, b)| a * b).sum() };
    let variance = at(0);
    let mut memory = 1.0;
    for lag in 1..off.len() / 3 {
        let correlation = at(lag) / variance;
        if correlation.is_nan() || correlation <= 0.05 {
            break;
        }
        memory += 2.0 * correlation;
    }
    memory
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    fn points(values: impl IntoIterator<Item = f64>) -> Vec<Point> {
        values.into_iter().enumerate().map(|(i, value)| Point { at: i as f64, value, life: 0 }).collect()
    }

    fn of(points: &[Point]) -> Trend {
        trend(points, 0.95, &mut Seed(1).stream("trend")).expect("enough")
    }

    /// A standard normal number, by twelve uniform ones.
    fn normal(chance: &mut Stream) -> f64 {
        (0..12).map(|_| chance.unit()).sum::<f64>() - 6.0
    }

    /// Expected value: the median of all 325 slopes, computed outside this crate.
    #[test]
    fn the_slope_is_that_of_theil_and_sen() {
        let value = |i: u32| f64::from((i * i * i * 5 + i) % 29).powi(2) * 0.01 + 0.37 * f64::from(i);
        let slope = of(&points((0..26).map(value))).slope;
        assert!((slope - 0.396_666_666_666_666_67).abs() < 1e-12, "{slope}");
    }

    #[test]
    fn a_line_is_known_to_the_last_digit() {
        let trend = of(&points((0..1_800).map(|i| 5.0 + 0.25 * f64::from(i))));
        assert!((trend.slope - 0.25).abs() < 1e-9 && (trend.low - 0.25).abs() < 1e-9, "{trend:?}");
        assert_eq!(super::trend(&points([1.0; 19]), 0.95, &mut Seed(1).stream("a")), None, "too few");
    }

    #[test]
    fn lives_are_not_compared_with_each_other() {
        // Each life grows by 2 a second; the second begins far below where the first ended.
        let mut all = points((0..60).map(|i| 2.0 * f64::from(i)));
        all.iter_mut().skip(30).for_each(|p| (p.value, p.life) = (p.value - 1_000.0, 1));
        assert!((of(&all).slope - 2.0).abs() < 1e-9, "{:?}", of(&all));
        all.iter_mut().for_each(|p| p.life = 0);
        assert!(of(&all).slope < 0.0, "taken for one life it shrinks");
    }

    /// The truth is known: a line, and beside it noise that remembers. How often each bound is on the wrong side must be about
    /// one in twenty, and not much more where the memory is long against the window.
    #[test]
    fn bounds_hold_as_often_as_they_say() {
        for (phi, most) in [(0.0, 8), (0.9, 10)] {
            let (mut below, mut above) = (0, 0);
            for seed in 0..40 {
                let mut chance = Seed(seed).stream("noise");
                let mut state = 0.0;
                let values = (0..60).map(|i| {
                    state = phi * state + normal(&mut chance);
                    0.02 * f64::from(i) + state
                });
                let values = points(values.collect::<Vec<f64>>());
                let trend = trend(&values, 0.95, &mut Seed(seed).stream("draws")).expect("enough");
                below += u32::from(trend.high < 0.02);
                above += u32::from(trend.low > 0.02);
            }
            assert!(below <= most && above <= most, "{phi}: {below} and {above} of 40");
        }
    }
}
