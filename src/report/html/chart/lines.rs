//! Values over time, as lines or as a stack of areas.

use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::super::axis::clock;
use super::scale::{Even, Magnitudes, Steps};
use super::{BOUND, Band, Failed, GREY, INK, PALETTE, PHASE, RED, WIDTH, axes, drawn, finish};
use crate::base::text;
use crate::base::units;

/// How high a chart is, in pixels of its own.
const HEIGHT: u32 = 230;
/// Room for the words of the axis of values.
const LEFT: u32 = 78;
const RIGHT: u32 = 24;
/// The font of names within a chart, in pixels, and how wide a letter of it is.
const SMALL: (&str, u32) = ("sans-serif", 12);
const LETTER: f64 = 7.0;
/// On a logarithmic axis nothing is lower than a microsecond.
const FLOOR: f64 = 1e-6;

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A second.
    Rate,
    /// Seconds.
    Time,
    /// Of something.
    Count,
    /// Of 1.
    Share,
}

impl Unit {
    /// A value in words.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Time => units::measured(Duration::from_secs_f64(value.clamp(0.0, 1e9))),
            Unit::Share => units::percent(value),
            Unit::Rate => format!("{}/s", number(value)),
            Unit::Count => number(value),
        }
    }
}

/// To a tenth; below one to two digits that count, so that no two marks of an axis read alike.
fn number(value: f64) -> String {
    if value >= 100.0 || value.fract().abs() < 1e-9 {
        return text::thousands(value.round() as u64);
    }
    let digits = if value >= 1.0 { 1 } else { (1.0 - value.abs().log10().floor()).clamp(1.0, 9.0) as i32 };
    let scale = 10f64.powi(digits);
    format!("{}", (value * scale).round() / scale)
}

/// One value over time.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it is.
    pub name: String,
    /// Its colour by position in the palette; nothing for what was planned.
    pub colour: Option<usize>,
    /// The value at each point; nothing where there is none, and then no line.
    pub values: Vec<Option<f64>>,
}

impl Line {
    pub(super) fn rgb(&self) -> RGBColor {
        self.colour.map_or(GREY, |colour| PALETTE[colour % PALETTE.len()])
    }
}

/// What stands along the lower axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Across {
    /// Seconds since the load began.
    Time,
    /// Something else.
    Of(Unit),
}

/// Values over time, or over something else.
#[derive(Debug, Clone)]
pub struct Plot<'a> {
    /// What it shows, in a few words.
    pub title: &'a str,
    /// The same in a sentence, with figures, for those who do not see it.
    pub text: &'a str,
    /// What the values are.
    pub unit: Unit,
    /// What stands along the lower axis.
    pub across: Across,
    /// Where the points are on it, in order.
    pub at: &'a [f64],
    /// From where to where it goes.
    pub range: [f64; 2],
    /// The lines.
    pub lines: &'a [Line],
    /// Whether they stand on each other's shoulders.
    pub stacked: bool,
    /// Whether the axis of values is logarithmic.
    pub log: bool,
    /// Bounds that were promised.
    pub bounds: &'a [f64],
    /// Phases and faults, as shades behind the lines.
    pub bands: &'a [Band],
}

/// Draws a plot.
pub fn lines(plot: &Plot<'_>) -> String {
    let mut svg = String::new();
    let result = draw(plot, &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area());
    finish(&drawn(svg, result), plot.title, plot.text)
}

fn draw(plot: &Plot<'_>, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Failed> {
    let sums: Vec<f64> = (0..plot.at.len())
        .map(|i| plot.lines.iter().filter_map(|line| line.values.get(i).copied().flatten()).sum())
        .collect();
    let values = plot.lines.iter().flat_map(|line| line.values.iter().flatten().copied());
    let highest = match plot.stacked {
        true => sums.iter().copied().fold(0.0, f64::max),
        false => values.clone().fold(0.0, f64::max),
    };
    let promised = plot.bounds.iter().copied();
    let highest = promised.clone().fold(highest, f64::max);
    let [from, to] = plot.range;
    let steps = if plot.across == Across::Time { Steps::Clock } else { Steps::Round };
    let across = Even { from, to, steps };
    let mark = |x: f64| match plot.across {
        Across::Time => clock(x, to),
        Across::Of(unit) => unit.show(x),
    };
    if plot.log {
        let lowest = values.chain(promised).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
        let axis = Magnitudes::around(lowest.max(FLOOR), highest * 1.05);
        let (low, top) = (axis.low, axis.high);
        let mut chart = builder(area).build_cartesian_2d(across, axis)?;
        chart.draw_series(shades(plot, low, axis.high))?;
        axes(&mut chart, &mark, &|y| plot.unit.show(y))?;
        for line in plot.lines {
            for piece in pieces(plot.at, line) {
                let piece = piece.into_iter().map(|(x, y)| (x, y.max(low)));
                chart.draw_series(LineSeries::new(piece, line.rgb().stroke_width(2)))?;
            }
        }
        chart.draw_series(bounds(plot))?;
        chart.draw_series(
            names(plot).map(|(at, name)| EmptyElement::at((at, top)) + Text::new(name, (4, 3), small())),
        )?;
    } else {
        let high = if highest > 0.0 { highest * 1.08 } else { 1.0 };
        let mut chart = builder(area).build_cartesian_2d(across, 0.0..high)?;
        chart.draw_series(shades(plot, 0.0, high))?;
        axes(&mut chart, &mark, &|y| plot.unit.show(y))?;
        if plot.stacked {
            for (line, points) in plot.lines.iter().zip(stack(plot)).rev() {
                chart.draw_series(AreaSeries::new(points, 0.0, line.rgb().filled()))?;
            }
        } else {
            for line in plot.lines {
                for piece in pieces(plot.at, line) {
                    chart.draw_series(LineSeries::new(piece, line.rgb().stroke_width(2)))?;
                }
            }
        }
        chart.draw_series(bounds(plot))?;
        chart.draw_series(
            names(plot).map(|(at, name)| EmptyElement::at((at, high)) + Text::new(name, (4, 3), small())),
        )?;
    }
    area.present()?;
    Ok(())
}

fn builder<'a, 'b>(area: &'a DrawingArea<SVGBackend<'b>, Shift>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin_top(8).margin_right(RIGHT).y_label_area_size(LEFT).x_label_area_size(24);
    builder
}

/// Bounds, from the first to the last; the page's style makes them dashed.
fn bounds(plot: &Plot<'_>) -> impl Iterator<Item = PathElement<(f64, f64)>> {
    let [from, to] = plot.range;
    plot.bounds.iter().map(move |bound| PathElement::new(vec![(from, *bound), (to, *bound)], BOUND.stroke_width(1)))
}

/// The shades behind the lines.
fn shades<'p>(plot: &'p Plot<'_>, low: f64, high: f64) -> impl Iterator<Item = Rectangle<(f64, f64)>> + use<'p> {
    let [from, to] = plot.range;
    plot.bands.iter().filter_map(move |band| {
        let (a, b) = (band.from.max(from), band.to.min(to));
        let style = if band.fault { RED.mix(0.16).filled() } else { PHASE.mix(0.05).filled() };
        (a < b && (band.fault || band.odd)).then(|| Rectangle::new([(a, low), (b, high)], style))
    })
}

/// What was broken, and where its name begins: at the head of its shade, where no other name stands.
fn names<'p>(plot: &'p Plot<'_>) -> impl Iterator<Item = (f64, String)> + use<'p> {
    let [from, to] = plot.range;
    let room = f64::from(WIDTH - LEFT - RIGHT);
    let mut free = from;
    plot.bands.iter().filter(|band| band.fault).filter_map(move |band| {
        let at = band.from.max(from);
        let width = (band.name.chars().count() as f64 * LETTER + 8.0) / room * (to - from);
        let fits = at >= free && at + width <= to;
        fits.then(|| {
            free = at + width;
            (at, band.name.clone())
        })
    })
}

/// The words of a name within a chart.
fn small() -> TextStyle<'static> {
    SMALL.into_font().color(&INK)
}

/// Stretches of a line without a gap; a point between two gaps becomes a short stretch.
fn pieces(at: &[f64], line: &Line) -> Vec<Vec<(f64, f64)>> {
    let step = at.get(1).zip(at.first()).map_or(1.0, |(b, a)| b - a);
    let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (x, value) in at.iter().zip(&line.values) {
        match (value, pieces.last_mut()) {
            (Some(value), Some(piece)) => piece.push((*x, *value)),
            (None, Some(piece)) if !piece.is_empty() => pieces.push(Vec::new()),
            _ => {}
        }
    }
    for piece in &mut pieces {
        if let [(x, y)] = piece[..] {
            *piece = vec![(x - step * 0.3, y), (x + step * 0.3, y)];
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// The upper edge of each area, the first at the bottom.
fn stack(plot: &Plot<'_>) -> Vec<Vec<(f64, f64)>> {
    let mut sums = vec![0.0; plot.at.len()];
    let edge = |line: &Line| {
        sums.iter_mut().zip(&line.values).for_each(|(sum, value)| *sum += value.unwrap_or(0.0));
        plot.at.iter().copied().zip(sums.iter().copied()).collect()
    };
    plot.lines.iter().map(edge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(values: &[Option<f64>]) -> Line {
        Line { name: "a".into(), colour: Some(0), values: values.into() }
    }

    #[test]
    fn no_two_marks_read_alike() {
        assert_eq!(
            [0.0, 0.02, 0.04, 0.125, 0.5, 1.5, 12.34, 1_234.4].map(number)[..7],
            ["0", "0.02", "0.04", "0.13", "0.5", "1.5", "12.3"]
        );
        assert_eq!([-0.001, -0.25].map(number), ["-0.001", "-0.25"]);
    }

    #[test]
    fn where_there_is_no_value_there_is_no_line() {
        let got = pieces(&[0.0, 1.0, 2.0, 3.0, 4.0], &line(&[Some(1.0), Some(2.0), None, Some(4.0), None]));
        assert_eq!(got, [vec![(0.0, 1.0), (1.0, 2.0)], vec![(2.7, 4.0), (3.3, 4.0)]]);
        assert!(pieces(&[0.0], &line(&[None])).is_empty());
    }

    #[test]
    fn a_plot_without_a_value_is_a_plot() {
        let plot = |log| Plot {
            title: "<t>",
            text: "\"none\"",
            unit: Unit::Time,
            across: Across::Time,
            at: &[],
            range: [0.0, 1.0],
            lines: &[],
            stacked: false,
            log,
            bounds: &[],
            bands: &[],
        };
        for svg in [lines(&plot(true)), lines(&plot(false))] {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>"), "{svg}");
            assert!(svg.contains("<title>&lt;t&gt;</title>") && svg.contains("viewBox"), "{svg}");
            assert!(!svg.contains("width=\"960\"") || svg.contains("<rect"), "{svg}");
        }
    }

    #[test]
    fn areas_stand_on_each_other() {
        let lines = [line(&[Some(1.0), None]), line(&[Some(2.0), Some(3.0)])];
        let plot = Plot {
            title: "",
            text: "",
            unit: Unit::Rate,
            across: Across::Time,
            at: &[0.0, 1.0],
            range: [0.0, 1.0],
            lines: &lines,
            stacked: true,
            log: false,
            bounds: &[],
            bands: &[],
        };
        assert_eq!(stack(&plot), [vec![(0.0, 1.0), (1.0, 0.0)], vec![(0.0, 3.0), (1.0, 3.0)]]);
    }
}
