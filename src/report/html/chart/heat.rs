//! How many took how long, when: a map, darker where more did.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use plotters::prelude::*;

use super::super::axis::clock;
use super::super::track;
use super::scale::{Even, Magnitudes};
use super::{Failed, WIDTH, axes, drawn, finish};
use crate::base::units;

const HEIGHT: u32 = 260;
/// Columns are joined until there are so many at the most.
const COLUMNS: usize = 120;
/// Shades, by the logarithm of how many.
const SHADES: usize = 6;

/// How many took how long, when.
pub struct Heat<'a> {
    /// By bin and row of lengths.
    pub cells: &'a BTreeMap<(usize, i32), u64>,
    /// How many bins.
    pub bins: usize,
    /// How wide a bin is, in seconds.
    pub width: f64,
    /// From where to where, in seconds.
    pub range: [f64; 2],
}

/// Draws a heat map. The cells of a shade are one path: a drawing of an hour is no larger than one of a minute.
pub fn heat(of: &Heat<'_>, title: &str, text: &str) -> String {
    let mut svg = String::new();
    let mut cells = String::new();
    let result = draw(of, &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area(), &mut cells);
    let svg = drawn(svg, result);
    let whole = match svg.rfind("</svg>") {
        Some(end) => format!("{}{cells}</svg>", &svg[..end]),
        None => svg,
    };
    finish(&whole, title, text)
}

fn draw(
    of: &Heat<'_>,
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    cells: &mut String,
) -> Result<(), Failed> {
    let join = of.bins.div_ceil(COLUMNS).max(1);
    let mut columns: BTreeMap<(usize, i32), u64> = BTreeMap::new();
    for ((bin, row), count) in of.cells {
        *columns.entry((bin / join, *row)).or_default() += count;
    }
    let rows = columns.keys().map(|(_, row)| *row);
    let (low, high) = (rows.clone().min().unwrap_or(0), rows.max().unwrap_or(0) + 1);
    let (low, high) = (track::from(low), track::from(high));
    let [from, to] = of.range;
    let mut chart = ChartBuilder::on(area)
        .margin_top(8)
        .margin_right(24)
        .y_label_area_size(78)
        .x_label_area_size(24)
        .build_cartesian_2d(Even::time(from, to), Magnitudes { low, high: high.max(low * 1.5) })?;
    let length = |seconds: f64| units::measured(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    axes(&mut chart, &|x| clock(x, to), &length)?;
    let most = columns.values().copied().max().unwrap_or(1) as f64;
    let mut paths = vec![String::new(); SHADES];
    for ((column, row), count) in &columns {
        let shade = match most {
            ..=1.0 => SHADES - 1,
            _ => ((*count as f64).ln() / most.ln() * (SHADES - 1) as f64).round() as usize,
        };
        let left = from + (column * join) as f64 * of.width;
        let right = (left + join as f64 * of.width).min(to);
        let (x, bottom) = chart.backend_coord(&(left, track::from(*row)));
        let (end, top) = chart.backend_coord(&(right, track::from(row + 1)));
        let (w, h) = ((end - x).max(1), (bottom - top).max(1));
        let _ = write!(paths[shade.min(SHADES - 1)], "M{x} {top}h{w}v{h}h-{w}z");
    }
    area.present()?;
    for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let _ = write!(cells, "<path class=\"heat{shade}\" d=\"{path}\"/>");
    }
    Ok(())
}
