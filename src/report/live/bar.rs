//! How far a run has come: a bar, the faults that are planned below it, and the names of its phases.

use crate::base::time::{Offset, Span};

const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The column of an instant on a bar of `width` columns.
fn column(at: Offset, end: Offset, width: usize) -> usize {
    let share = at.nanos().max(0) as f64 / end.nanos().max(1) as f64;
    ((share * width as f64) as usize).min(width)
}

/// What is done, and what is left.
pub(super) fn bar(at: Offset, end: Offset, width: usize) -> (String, String) {
    let eighths =
        (at.nanos().clamp(0, end.nanos().max(0)) as f64 / end.nanos().max(1) as f64 * width as f64 * 8.0) as usize;
    let (whole, part) = (eighths / 8, eighths % 8);
    let mut done = "█".repeat(whole);
    let mut left = width - whole;
    if part > 0 && left > 0 {
        done.push(PARTS[part]);
        left -= 1;
    }
    (done, "·".repeat(left))
}

/// Where faults are planned; nothing where none is.
pub(super) fn faults(faults: &[Span], end: Offset, width: usize) -> Option<String> {
    let mut row = vec![' '; width];
    for span in faults {
        let from = column(span.start, end, width).min(width.saturating_sub(1));
        let to = column(span.end, end, width).max(from + 1).min(width);
        row[from..to].fill('▒');
    }
    let row: String = row.into_iter().collect();
    let row = row.trim_end();
    (!row.is_empty()).then(|| row.to_owned())
}

/// The names of phases where they begin; one for which there is no room is cut, or left out.
pub(super) fn phases(phases: &[(&'static str, Span)], end: Offset, width: usize) -> String {
    let mut row = String::new();
    for (n, (word, span)) in phases.iter().enumerate() {
        let from = column(span.start, end, width);
        let next = phases.get(n + 1).map_or(width, |(_, next)| column(next.start, end, width));
        let used = row.chars().count();
        // A blank between two names.
        let from = if used > 0 { from.max(used + 1) } else { from };
        let room = next.saturating_sub(from + usize::from(next < width));
        if room < 3 && room < word.len() {
            continue;
        }
        row.push_str(&" ".repeat(from - used));
        row.extend(word.chars().take(room));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Offset {
        Offset::from_millis(seconds * 1000)
    }

    fn span(start: i64, end: i64) -> Span {
        Span { start: at(start), end: at(end) }
    }

    #[test]
    fn a_bar_is_as_wide_as_it_may_be_whatever_the_time() {
        for (now, done, left) in
            [(-3, "", 10), (0, "", 10), (25, "██▌", 7), (99, "█████████▉", 0), (140, "██████████", 0)]
        {
            let (full, rest) = bar(at(now), at(100), 10);
            assert_eq!((full.as_str(), rest.chars().count()), (done, left), "{now} s");
        }
        assert_eq!(bar(at(1), at(0), 5).0, "", "a run without length");
    }

    #[test]
    fn faults_stand_below_where_they_are_planned_however_short() {
        assert_eq!(faults(&[span(20, 40), span(90, 91)], at(100), 10), Some("  ▒▒     ▒".into()));
        assert_eq!(faults(&[], at(100), 10), None);
        assert_eq!(faults(&[span(100, 120)], at(100), 10), Some("         ▒".into()), "one that begins with the end");
    }

    #[test]
    fn phases_stand_where_they_begin_and_one_without_room_is_left_out() {
        let all = [("warm_up", span(0, 10)), ("ramp", span(10, 50)), ("hold", span(50, 98)), ("spike", span(98, 100))];
        assert_eq!(phases(&all, at(100), 40), "war ramp            hold");
        assert_eq!(phases(&all[1..3], at(100), 40), "    ramp            hold");
        assert_eq!(phases(&[], at(100), 40), "");
    }
}
