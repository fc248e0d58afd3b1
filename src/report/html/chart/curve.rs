//! Points with their ranges, and curves through them, over a number that is no time: a load, or a number of replicas.

use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::{FONT, Failed, GREY, GRID, INK, PALETTE, RED, Unit, WIDTH, drawn, finish};

/// How high a chart is, in pixels of its own.
const HEIGHT: u32 = 280;

/// One thing over the number.
#[derive(Debug, Clone, Default)]
pub struct Strand {
    /// What it is.
    pub name: String,
    /// Its colour by position in the palette; nothing for what is only there to compare with.
    pub colour: Option<usize>,
    /// Measured: drawn as dots, each with its range where it has one.
    pub points: Vec<Dot>,
    /// A curve.
    pub curve: Vec<(f64, f64)>,
    /// Between what the curve lies: at each place, the lower and the upper end.
    pub between: Vec<(f64, f64, f64)>,
}

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dot {
    /// Where.
    pub x: f64,
    /// How much.
    pub y: f64,
    /// Between what it lies, where that is known.
    pub range: Option<(f64, f64)>,
    /// Whether it counts: one that does not is hollow.
    pub solid: bool,
}

/// A chart over a number.
#[derive(Debug, Clone)]
pub struct Graph<'a> {
    /// What it shows, in a few words.
    pub title: &'a str,
    /// The same in a sentence, with figures, for those who do not see it.
    pub text: &'a str,
    /// What the number is.
    pub x: Unit,
    /// What the values are.
    pub y: Unit,
    /// Whether the axis of values is logarithmic.
    pub log: bool,
    /// What is shown.
    pub strands: &'a [Strand],
    /// Bounds of values: dashed.
    pub bounds: &'a [f64],
    /// A stretch of the number that is shaded: where the knee is.
    pub shade: Option<(f64, f64)>,
    /// A place of the number that is marked.
    pub mark: Option<f64>,
}

/// Draws a graph.
pub fn graph(graph: &Graph<'_>) -> String {
    let mut svg = String::new();
    let result = draw(graph, &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area());
    finish(&drawn(svg, result), graph.title, graph.text)
}

fn draw(graph: &Graph<'_>, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Failed> {
    let finite = |v: &f64| v.is_finite();
    let dots = graph.strands.iter().flat_map(|s| &s.points);
    let curves = graph.strands.iter().flat_map(|s| &s.curve);
    let xs = dots.clone().map(|d| d.x).chain(curves.clone().map(|p| p.0)).chain(graph.mark).filter(finite);
    let right = xs.fold(0.0, f64::max);
    let right = if right > 0.0 { right * 1.04 } else { 1.0 };
    let ranges = dots.clone().filter_map(|d| d.range).flat_map(|(low, high)| [low, high]);
    let ys = dots.map(|d| d.y).chain(ranges).chain(curves.map(|p| p.1)).chain(graph.bounds.iter().copied());
    let ys: Vec<f64> = ys.filter(finite).collect();
    let high = ys.iter().copied().fold(0.0, f64::max);
    let mut builder = ChartBuilder::on(area);
    builder.margin_top(8).margin_right(24).y_label_area_size(78).x_label_area_size(24);
    if graph.log {
        let low = ys.iter().copied().filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
        let low = if low.is_finite() { 10f64.powf(low.max(1e-6).log10().floor()) } else { 1e-3 };
        let high = 10f64.powf((high.max(low * 9.0) * 1.05).log10().ceil());
        let mut chart = builder.build_cartesian_2d(0.0..right, (low..high).log_scale())?;
        fill(graph, &mut chart, (low, high), right)?;
    } else {
        let high = if high > 0.0 { high * 1.08 } else { 1.0 };
        let mut chart = builder.build_cartesian_2d(0.0..right, 0.0..high)?;
        fill(graph, &mut chart, (0.0, high), right)?;
    }
    area.present()?;
    Ok(())
}

fn fill<Y>(
    graph: &Graph<'_>,
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<RangedCoordf64, Y>>,
    (low, high): (f64, f64),
    right: f64,
) -> Result<(), Failed>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    if let Some((from, to)) = graph.shade {
        let (from, to) = (from.clamp(0.0, right), to.clamp(0.0, right));
        chart.draw_series([Rectangle::new([(from, low), (to, high)], RED.mix(0.16).filled())])?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(9)
        .y_labels(5)
        .x_label_formatter(&|x| graph.x.show(*x))
        .y_label_formatter(&|y| graph.y.show(*y))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GREY)
        .label_style(FONT.into_font().color(&INK))
        .draw()?;
    let within = |y: f64| y.clamp(low, high);
    for strand in graph.strands {
        let colour = strand.colour.map_or(GREY, |colour| PALETTE[colour % PALETTE.len()]);
        if !strand.between.is_empty() {
            let lower = strand.between.iter().map(|(x, low, _)| (*x, within(*low)));
            let upper = strand.between.iter().rev().map(|(x, _, high)| (*x, within(*high)));
            let edge: Vec<(f64, f64)> = lower.chain(upper).filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
            chart.draw_series([Polygon::new(edge, colour.mix(0.2).filled())])?;
        }
        let curve = strand.curve.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        chart.draw_series(LineSeries::new(curve.map(|(x, y)| (*x, within(*y))), colour.stroke_width(2)))?;
        for dot in strand.points.iter().filter(|d| d.x.is_finite() && d.y.is_finite()) {
            if let Some((from, to)) = dot.range.filter(|(a, b)| a.is_finite() && b.is_finite()) {
                let whisker = [(dot.x, within(from)), (dot.x, within(to))];
                chart.draw_series(LineSeries::new(whisker, colour.stroke_width(1)))?;
            }
            let style = if dot.solid { colour.filled() } else { colour.stroke_width(1) };
            chart.draw_series([Circle::new((dot.x, within(dot.y)), 4, style)])?;
        }
    }
    for bound in graph.bounds {
        chart.draw_series(DashedLineSeries::new([(0.0, *bound), (right, *bound)], 6, 4, RED.stroke_width(1)))?;
    }
    if let Some(at) = graph.mark {
        chart.draw_series(DashedLineSeries::new([(at, low), (at, high)], 2, 4, GREY.stroke_width(1)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_of_nothing_is_a_graph() {
        for log in [false, true] {
            let nothing = Graph {
                title: "<t>",
                text: "\"none\"",
                x: Unit::Rate,
                y: Unit::Time,
                log,
                strands: &[],
                bounds: &[],
                shade: None,
                mark: None,
            };
            let svg = graph(&nothing);
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && svg.contains("<title>&lt;t&gt;"), "{svg}");
        }
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let dot = |x, y| Dot { x, y, range: Some((y, f64::INFINITY)), solid: true };
        let strand = Strand {
            points: vec![dot(1.0, 2.0), dot(2.0, f64::NAN), dot(f64::INFINITY, 1.0)],
            curve: vec![(1.0, 1.0), (2.0, f64::INFINITY)],
            ..Strand::default()
        };
        let strands = [strand];
        let of = Graph {
            title: "t",
            text: "",
            x: Unit::Count,
            y: Unit::Rate,
            log: false,
            strands: &strands,
            bounds: &[3.0],
            shade: Some((0.5, 9.0)),
            mark: Some(1.5),
        };
        let svg = graph(&of);
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
