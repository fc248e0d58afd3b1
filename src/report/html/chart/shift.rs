//! By how much figures changed, each as a dot in the stretch in which it surely lies: to the right of the middle for the worse,
//! and beyond the dashed line by more than matters.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{BOUND, FONT, Failed, GREY, INK, PALETTE, WIDTH, drawn, finish};

/// How high a row is, in pixels of its own.
const ROW: i32 = 30;
/// Room for names, as in the other charts.
const LEFT: i32 = 78;
const RIGHT: i32 = 24;
/// Room for what the sides mean.
const HEAD: i32 = 24;
/// The axis reaches at least so far to both sides, and at most so far, in what matters.
const NEAR: f64 = 2.0;
const FAR: f64 = 10.0;

/// A figure that may have changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Shift {
    /// What it is called.
    pub name: String,
    /// By how much it changed, in what matters: 1 is just as much, for the worse.
    pub by: f64,
    /// Where that surely lies; nothing where nothing is sure.
    pub between: Option<[f64; 2]>,
    /// Its colour by position in the palette.
    pub colour: usize,
}

/// Draws figures below each other.
pub fn shifts(all: &[Shift], title: &str, text: &str) -> String {
    let height = HEAD + ROW * all.len() as i32 + 24;
    let mut svg = String::new();
    let result = draw(all, height, &SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area());
    finish(&drawn(svg, result), title, text)
}

/// How far the axis reaches to both sides.
fn reach(all: &[Shift]) -> f64 {
    let ends = all.iter().flat_map(|shift| shift.between.into_iter().flatten().chain([shift.by]));
    ends.filter(|end| end.is_finite()).map(f64::abs).fold(NEAR, f64::max).ceil().min(FAR)
}

fn draw(all: &[Shift], height: i32, area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result<(), Failed> {
    let reach = reach(all);
    let right = WIDTH as i32 - RIGHT;
    let place = |by: f64| {
        let share = (by / reach).clamp(-1.0, 1.0) / 2.0 + 0.5;
        LEFT + (share * f64::from(right - LEFT)).round() as i32
    };
    let words = FONT.into_font().color(&INK);
    let bottom = HEAD + ROW * all.len() as i32;
    let upright = |at: i32| vec![(at, HEAD - 4), (at, bottom)];
    area.draw(&PathElement::new(upright(place(0.0)), GREY))?;
    for side in [-1.0, 1.0] {
        area.draw(&PathElement::new(upright(place(side)), BOUND))?;
    }
    let at_the_right = words.pos(Pos::new(HPos::Right, VPos::Center));
    area.draw(&Text::new("better", (LEFT, HEAD / 2 - 2), words.pos(Pos::new(HPos::Left, VPos::Center))))?;
    area.draw(&Text::new("worse", (right, HEAD / 2 - 2), at_the_right.clone()))?;
    for (n, shift) in all.iter().enumerate() {
        let middle = HEAD + n as i32 * ROW + ROW / 2;
        let colour = PALETTE[shift.colour % PALETTE.len()];
        area.draw(&Text::new(shift.name.clone(), (LEFT - 8, middle), at_the_right.clone()))?;
        if let Some([a, b]) = shift.between {
            let (a, b) = (place(a.min(b)), place(a.max(b)));
            area.draw(&Rectangle::new([(a, middle - 6), (b.max(a + 2), middle + 6)], colour.mix(0.42).filled()))?;
        }
        area.draw(&Circle::new((place(shift.by), middle), 5, colour.filled()))?;
    }
    let centre = words.pos(Pos::new(HPos::Center, VPos::Top));
    for mark in [-reach, -1.0, 0.0, 1.0, reach] {
        let said = if mark == 0.0 { "0".to_owned() } else { format!("{mark:+} ×") };
        area.draw(&Text::new(said, (place(mark).clamp(LEFT + 12, right - 12), height - 18), centre.clone()))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(by: f64, between: Option<[f64; 2]>) -> Shift {
        Shift { name: "p99".into(), by, between, colour: 0 }
    }

    #[test]
    fn the_axis_holds_what_is_drawn_and_is_never_so_long_that_nothing_is_seen() {
        assert_eq!(reach(&[]), 2.0);
        assert_eq!(reach(&[shift(0.1, Some([-0.5, 3.2]))]), 4.0);
        assert_eq!(reach(&[shift(7_000.0, None), shift(f64::NAN, Some([f64::INFINITY, 0.0]))]), 10.0);
        let svg = shifts(&[shift(f64::NAN, None), shift(7_000.0, Some([-1.0, 9_000.0]))], "figures", "in words");
        assert!(svg.starts_with("<svg") && !svg.contains("NaN") && svg.contains("+10 ×"), "{svg}");
    }
}
