//! How long by rank: the percentile plot of HdrHistogram, with as much room for the last thousandth as for the first half.

use std::time::Duration;

use plotters::prelude::*;

use super::scale::{Even, Magnitudes, Steps};
use super::{Failed, PALETTE, WIDTH, axes, drawn, finish};
use crate::base::units;
use crate::evidence::tally::Tally;

const HEIGHT: u32 = 260;

/// One distribution.
pub struct Curve<'a> {
    /// Whose.
    pub name: String,
    /// Its colour by position in the palette.
    pub colour: usize,
    /// Whether it is drawn wide, so that one that lies on it leaves it seen.
    pub wide: bool,
    /// Its lengths.
    pub lengths: &'a Tally,
}

/// Draws distributions over rank. A rank that so few lengths cannot tell from the longest is left out.
pub fn ranks(curves: &[Curve<'_>], title: &str, text: &str) -> String {
    let mut svg = String::new();
    let result = draw(curves, &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area());
    finish(&drawn(svg, result), title, text)
}

/// The place of a rank on the axis: one step for each nine.
fn place(q: f64) -> f64 {
    -(1.0 - q).log10()
}

/// The points of a curve: twenty for each nine, up to the rank of the last length.
fn points(lengths: &Tally) -> Vec<(f64, f64)> {
    let total = lengths.count();
    if total == 0 {
        return Vec::new();
    }
    let last = place(1.0 - 1.0 / (total as f64).max(2.0));
    let steps = (last * 20.0).ceil() as u32;
    let point = |n: u32| {
        let at = (f64::from(n) / 20.0).min(last);
        let q = 1.0 - 10f64.powf(-at);
        lengths.quantile(q).map(|length| (at, length.as_secs_f64().max(1e-6)))
    };
    (0..=steps).filter_map(point).collect()
}

fn draw(curves: &[Curve<'_>], area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<(), Failed> {
    let curves: Vec<_> = curves.iter().map(|c| (c.colour, c.wide, points(c.lengths))).collect();
    let all = curves.iter().flat_map(|(.., points)| points);
    let right = all.clone().map(|p| p.0).fold(1.0, f64::max);
    let low = all.clone().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let axis = Magnitudes::around(low, all.map(|p| p.1).fold(0.0, f64::max) * 1.05);
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_right(36)
        .y_label_area_size(78)
        .x_label_area_size(24)
        .build_cartesian_2d(Even { from: 0.0, to: right, steps: Steps::One }, axis)?;
    let length = |seconds: f64| units::measured(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    axes(&mut chart, &rank, &length)?;
    for (colour, wide, points) in curves {
        let style = PALETTE[colour % PALETTE.len()].stroke_width(if wide { 6 } else { 2 });
        chart.draw_series(LineSeries::new(points, style))?;
    }
    area.present()?;
    Ok(())
}

/// A rank as people read it: `90 %`, `99.9 %`.
fn rank(place: f64) -> String {
    let q = 1.0 - 10f64.powf(-place);
    let digits = (place.ceil() as usize).saturating_sub(2);
    format!("{:.digits$} %", q * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_has_as_many_nines_as_steps() {
        assert_eq!([0.0, 1.0, 2.0, 3.0, 4.0].map(rank), ["0 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
    }

    #[test]
    fn no_rank_is_beyond_the_last_length() {
        let tally: Tally = (1..=100u64).map(|n| (n * 1_000_000, 1)).collect();
        let points = points(&tally);
        assert_eq!(points.first().map(|p| p.1), Some(0.001));
        let last = points.last().copied().unwrap_or_default();
        assert!((last.0 - 2.0).abs() < 1e-9 && (last.1 - 0.099).abs() < 1e-9, "{last:?}");
        assert!(super::points(&Tally::default()).is_empty());
    }
}
