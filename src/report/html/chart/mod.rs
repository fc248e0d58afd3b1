//! Charts as inline SVG: one look everywhere. Colours are those of a palette that the colour-blind can tell apart; the
//! page's style gives each another tone in the dark.
//!
//! | to draw | call | with |
//! |---|---|---|
//! | values over time, or over anything else that is a number | [`lines`] | [`Plot`] of [`Line`]s: bounds dashed, [`Band`]s shaded, linear or logarithmic, beside or upon each other |
//! | what was when | [`bands`] | [`Band`]s, a row for each [`Band::row`] |
//! | lengths by rank | [`ranks`] | [`Curve`]s of tallies |
//! | how many took how long, when | [`heat`] | [`Heat`] |
//! | by how much figures changed | [`shifts`] | [`Shift`]s |
//!
//! Each is text that begins with `<svg`, [`WIDTH`] wide in pixels of its own and as wide as there is room on a page, with a
//! title and a sentence for those who do not see it. A value that is not there leaves a gap; a chart without any is a chart
//! still. A new kind draws on a plotters area, calls `axes` for its axes and [`finish`] on what came out.

mod band;
mod curve;
mod heat;
mod lines;
mod ranks;
mod runs;
mod scale;
mod shift;

pub use band::{Band, bands};
pub use curve::{Dot, Graph, Strand, graph};
pub use heat::{Heat, heat};
pub use lines::{Across, Line, Plot, Unit, lines};
pub use ranks::{Curve, ranks};
pub use runs::{Course, runs};
pub use shift::{Shift, shifts};

use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::prelude::*;

/// How wide a chart is, in pixels of its own; it grows and shrinks with the page.
pub const WIDTH: u32 = 960;

/// Okabe and Ito's palette for the colour-blind, the readable ones, in an order in which neighbours differ most.
pub const PALETTE: [RGBColor; 7] = [
    RGBColor(0, 114, 178),   // blue
    RGBColor(230, 159, 0),   // orange
    RGBColor(0, 158, 115),   // green
    RGBColor(213, 94, 0),    // vermilion
    RGBColor(204, 121, 167), // purple
    RGBColor(86, 180, 233),  // sky
    RGBColor(120, 94, 240),  // violet
];
/// What was planned, or is only there to compare with.
pub const GREY: RGBColor = RGBColor(136, 136, 136);
/// What is broken.
pub const RED: RGBColor = RGBColor(213, 94, 0);
/// What was promised; the page's style makes such lines dashed.
pub const BOUND: RGBColor = RGBColor(213, 94, 1);
/// Words and axes.
pub const INK: RGBColor = RGBColor(34, 34, 34);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(221, 221, 221);
/// Every other phase.
pub const PHASE: RGBColor = RGBColor(0, 0, 1);
/// The font of axes, in pixels.
pub const FONT: (&str, u32) = ("sans-serif", 15);

/// Why something could not be drawn.
type Failed = Box<dyn std::error::Error>;

/// Draws the axes; what stands at a mark is what `x` and `y` say of it.
fn axes<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    x: &dyn Fn(f64) -> String,
    y: &dyn Fn(f64) -> String,
) -> Result<(), Failed>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(10)
        .y_labels(5)
        .x_label_formatter(&|at| x(*at))
        .y_label_formatter(&|value| y(*value))
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GREY)
        .label_style(FONT.into_font().color(&INK))
        .draw()?;
    Ok(())
}

/// Makes a drawing one of the page: named for those who do not see it, as wide as there is room, and with edges that meet.
pub fn finish(svg: &str, title: &str, text: &str) -> String {
    let Some(start) = svg.find("<svg").and_then(|at| svg[at..].find('>').map(|end| at + end)) else {
        return String::new();
    };
    let (head, body) = svg.split_at(start);
    let mut head = head.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "");
    // The page decides how large it is; its box keeps the shape.
    for word in [" width=\"", " height=\""] {
        if let Some(at) = head.find(word)
            && let Some(end) = head[at + word.len()..].find('"')
        {
            head.replace_range(at..at + word.len() + end + 1, "");
        }
    }
    let escape = |text: &str| maud::html! { (text) }.into_string();
    format!(
        "{head} role=\"img\" aria-label=\"{}\"><title>{}</title><desc>{}</desc>{}",
        escape(title),
        escape(title),
        escape(text),
        body.trim_start_matches('>').trim_end()
    )
}

/// A drawing area that could not be drawn on is an empty drawing: it is memory, and cannot fail for another reason than a
/// degenerate axis, which the callers rule out.
pub fn drawn(svg: String, result: Result<(), impl std::fmt::Display>) -> String {
    match result {
        Ok(()) => svg,
        Err(why) => format!(
            "<svg viewBox=\"0 0 {WIDTH} 20\"><text y=\"15\">{}</text></svg>",
            maud::html! { (why.to_string()) }.into_string()
        ),
    }
}
