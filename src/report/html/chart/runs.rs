//! A figure over many runs: a point each, and a step at every change.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Failed, GREY, PALETTE, RED, Unit, WIDTH, axes, drawn, finish};
use crate::base::text;

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

/// So many runs are named at most.
const NAMED: usize = 6;

/// The name of a run's folder, which is when it began, as people read it: `11-27 20:53`; others in short.
fn when(name: &str) -> String {
    let digits = |from: usize, to: usize| name.get(from..to).filter(|part| part.bytes().all(|b| b.is_ascii_digit()));
    match (digits(4, 6), digits(6, 8), digits(9, 11), digits(11, 13)) {
        (Some(month), Some(day), Some(hour), Some(minute)) => format!("{month}-{day} {hour}:{minute}"),
        _ => text::shorten(name, 12),
    }
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
    // No more names than there is room for.
    let every = course.names.len().div_ceil(NAMED).max(1);
    let name = |x: f64| {
        let near = x.round();
        let run = ((x - near).abs() < 1e-6 && near >= 0.0).then_some(near as usize).filter(|run| run % every == 0);
        run.and_then(|run| course.names.get(run)).map(|name| when(name)).unwrap_or_default()
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
    fn a_run_is_named_by_when_it_began() {
        assert_eq!(when("20261127T205336.842Z"), "11-27 20:53");
        assert_eq!(when("a run of ours with a long name"), "a run of our…");
        assert_eq!(when("né"), "né");
    }

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
