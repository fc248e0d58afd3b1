//! A figure over many runs: a point each, and a step at every change.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Failed, GREY, PALETTE, RED, Unit, WIDTH, axes, drawn, finish};

/// How high a chart is, in pixels of its own.
const HEIGHT: u32 = 200;
/// Room for the words of the axis of values.
const LEFT: u32 = 78;

/// A figure over many runs.
#[derive(Debug, Clone, Copy)]
pub struct Course<'a> {
    /// What it shows, in a few words.
    pub title: &'a str,
    /// The same in a sentence, with figures, for those who do not see it.
    pub text: &'a str,
    /// What the values are.
    pub unit: Unit,
    /// What each run is called.
    pub names: &'a [String],
    /// The value of each run.
    pub values: &'a [Option<f64>],
    /// Levels: from which run, up to before which, and how high.
    pub levels: &'a [(usize, usize, f64)],
}

/// Draws a figure over many runs.
pub fn runs(course: &Course<'_>) -> String {
    let mut svg = String::new();
    let result = draw(course, &SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area());
    finish(&drawn(svg, result), course.title, course.text)
}

fn draw(course: &Course<'_>, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Failed> {
    let highest = course.values.iter().flatten().copied().fold(0.0, f64::max);
    let high = if highest > 0.0 && highest.is_finite() { highest * 1.12 } else { 1.0 };
    let last = course.values.len().max(1) as f64 - 0.5;
    let mut builder = ChartBuilder::on(area);
    builder.margin_top(8).margin_right(24).y_label_area_size(LEFT).x_label_area_size(24);
    let mut chart = builder.build_cartesian_2d(-0.5..last, 0.0..high)?;
    let name = |x: f64| {
        let near = x.round();
        let named = ((x - near).abs() < 1e-6 && near >= 0.0).then(|| course.names.get(near as usize)).flatten();
        named.map(|name| name.chars().take(13).collect()).unwrap_or_default()
    };
    axes(&mut chart, &name, &|y| course.unit.show(y))?;
    for (from, to, level) in course.levels {
        let ends = [(*from as f64 - 0.5, *level), (*to as f64 - 0.5, *level)];
        chart.draw_series(LineSeries::new(ends, GREY.stroke_width(2)))?;
        if *from > 0 {
            let edge = *from as f64 - 0.5;
            chart.draw_series(DashedLineSeries::new([(edge, 0.0), (edge, high)], 6, 4, RED.stroke_width(1)))?;
        }
    }
    let known = course.values.iter().enumerate().filter_map(|(i, value)| value.map(|value| (i as f64, value)));
    chart.draw_series(known.map(|at| Circle::new(at, 3, PALETTE[0].filled())))?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_runs_make_a_drawing_too() {
        let none = Course { title: "<t>", text: "", unit: Unit::Time, names: &[], values: &[], levels: &[] };
        let names = ["a".to_owned(), "b".to_owned()];
        let some = Course { names: &names, values: &[Some(0.1), None], levels: &[(0, 1, 0.1), (1, 2, 0.2)], ..none };
        for svg in [runs(&none), runs(&some)] {
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>") && svg.contains("<title>&lt;t&gt;"), "{svg}");
        }
        assert!(runs(&some).contains("<circle"));
    }
}
