//! What was when: phases, faults, alerts, a row each.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::super::axis::clock;
use super::scale::Even;
use super::{FONT, Failed, GREY, INK, PALETTE, RED, WIDTH, drawn, finish};
use crate::base::text;

/// How high a row is, in pixels of its own.
const ROW: i32 = 22;
/// Room for names; that of the values' axis of the charts above.
const LEFT: i32 = 78;
const RIGHT: i32 = 24;
/// So many letters of a name are shown.
const NAME: usize = 26;

/// A stretch of time with a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// What it is called.
    pub name: String,
    /// The row that it stands in.
    pub row: String,
    /// What its row is called where all of it is about one thing: it is named once then, and no stretch by itself.
    pub title: Option<String>,
    /// What stands before the first of the rows that are called so.
    pub label: String,
    /// From here, in seconds.
    pub from: f64,
    /// To here, in seconds.
    pub to: f64,
    /// Whether something was broken then.
    pub fault: bool,
    /// Whether it is a phase with an odd number: every other one is shaded.
    pub odd: bool,
    /// Its colour by position in the palette.
    pub colour: usize,
}

/// Draws rows of bands below the charts, with the same axis of time.
pub fn bands(all: &[Band], range: [f64; 2], title: &str) -> String {
    let mut rows: Vec<&str> = Vec::new();
    for band in all {
        if !rows.contains(&band.row.as_str()) {
            rows.push(&band.row);
        }
    }
    let height = ROW * rows.len() as i32 + 24;
    let mut svg = String::new();
    let result =
        draw(all, &rows, range, &SVGBackend::with_string(&mut svg, (WIDTH, height as u32)).into_drawing_area());
    let sentence = |band: &Band| {
        format!("{}: {} from {} to {}", band.label, band.name, clock(band.from, range[1]), clock(band.to, range[1]))
    };
    finish(&drawn(svg, result), title, &all.iter().map(sentence).collect::<Vec<_>>().join("; "))
}

fn draw(
    all: &[Band],
    rows: &[&str],
    [from, to]: [f64; 2],
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
) -> Result<(), Failed> {
    let room = f64::from(WIDTH as i32 - LEFT - RIGHT);
    let place = |at: f64| LEFT + ((at - from) / (to - from) * room).clamp(0.0, room).round() as i32;
    let words = FONT.into_font().color(&INK);
    let middle = words.pos(Pos::new(HPos::Left, VPos::Center));
    for (n, row) in rows.iter().enumerate() {
        let top = n as i32 * ROW + 2;
        let label = words.pos(Pos::new(HPos::Right, VPos::Center));
        let called = |row: &str| all.iter().find(|band| band.row == row).map_or("", |band| band.label.as_str());
        if !rows[..n].iter().any(|before| called(before) == called(row)) {
            area.draw(&Text::new(text::shorten(called(row), 12), (LEFT - 8, top + ROW / 2 - 1), label))?;
        }
        if let Some(title) = all.iter().find(|band| band.row == *row).and_then(|band| band.title.as_deref()) {
            let title = text::shorten(title, NAME);
            let stretches = all.iter().filter(|band| band.row == *row);
            let ends = stretches.map(|band| [place(band.from), place(band.to).max(place(band.from) + 2)]);
            let at = beside(ends, width(&title));
            area.draw(&Text::new(title, (at, top + ROW / 2 - 1), middle.clone()))?;
        }
        let mut free = LEFT; // where the next name may begin
        for band in all.iter().filter(|band| band.row == *row) {
            let (a, b) = (place(band.from), place(band.to).max(place(band.from) + 2));
            let colour = if band.fault { RED } else { PALETTE[band.colour % PALETTE.len()] };
            let strength = if band.odd || band.fault { 0.42 } else { 0.22 };
            area.draw(&Rectangle::new([(a, top), (b, top + ROW - 4)], colour.mix(strength).filled()))?;
            if band.title.is_some() {
                continue;
            }
            let name = text::shorten(&band.name, NAME);
            let width = width(&name);
            // A name that has no room over its band stands behind it, where nothing else begins.
            let next = all.iter().filter(|o| o.row == *row && o.from > band.from).map(|o| place(o.from)).min();
            let end = next.unwrap_or(WIDTH as i32 - RIGHT);
            if a + width <= end && a >= free {
                area.draw(&Text::new(name, (a + 4, top + ROW / 2 - 1), middle.clone()))?;
                free = a + width;
            }
        }
    }
    let bottom = rows.len() as i32 * ROW + 2;
    let centre = words.pos(Pos::new(HPos::Center, VPos::Top));
    area.draw(&PathElement::new(vec![(LEFT, bottom), (WIDTH as i32 - RIGHT, bottom)], GREY))?;
    for at in Even::time(from, to).marks() {
        area.draw(&Text::new(clock(at, to), (place(at), bottom + 5), centre.clone()))?;
    }
    area.present()?;
    Ok(())
}

/// How much room a name takes.
fn width(name: &str) -> i32 {
    name.chars().count() as i32 * 8 + 6
}

/// Where the name of a row begins so that it lies over none of its stretches, if that can be: behind them all, or else in the
/// widest gap.
fn beside(stretches: impl Iterator<Item = [i32; 2]>, width: i32) -> i32 {
    let mut stretches: Vec<[i32; 2]> = stretches.collect();
    stretches.sort_unstable();
    let mut gaps = Vec::new();
    let mut from = LEFT;
    for [a, b] in stretches {
        gaps.push((a - from, from));
        from = from.max(b);
    }
    let behind = (WIDTH as i32 - RIGHT - from, from);
    let widest = gaps.into_iter().max().unwrap_or(behind);
    match [behind, widest].into_iter().find(|(room, _)| *room >= width) {
        // Where the chart begins it stands close to what comes.
        Some((room, LEFT)) => LEFT + room - width,
        Some((_, from)) => from + 4,
        None => LEFT + 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_row_stands_where_nothing_else_does() {
        let right = WIDTH as i32 - RIGHT;
        assert_eq!(beside([[100, 200], [300, 400]].into_iter(), 80), 404, "behind the last");
        assert_eq!(beside([[300, right]].into_iter(), 80), 220, "before the first");
        assert_eq!(beside([[LEFT, 200], [400, right]].into_iter(), 80), 204, "between them");
        assert_eq!(beside([[LEFT, right]].into_iter(), 80), LEFT + 4, "over it, where there is no room");
    }
}
