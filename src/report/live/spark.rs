//! Values over time in a line of text, a character each.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `width` values, between zero and the highest of them; a blank where there is none.
pub(super) fn spark(values: impl DoubleEndedIterator<Item = Option<f64>>, width: usize) -> String {
    let mut last: Vec<Option<f64>> = values.rev().take(width).collect();
    last.reverse();
    let highest = last.iter().flatten().copied().fold(0.0, f64::max);
    let level = |value: f64| match highest > 0.0 {
        true => ((value / highest * 7.0).round() as usize).min(7),
        false => 0,
    };
    last.into_iter().map(|value| value.map_or(' ', |value| LEVELS[level(value)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[Option<f64>], width: usize) -> String {
        spark(values.iter().copied(), width)
    }

    #[test]
    fn the_last_values_are_drawn_against_the_highest_of_them() {
        assert_eq!(of(&[Some(900.0), Some(0.0), Some(35.0), None, Some(70.0)], 4), "▁▅ █");
        assert_eq!(of(&[Some(0.0), Some(0.0)], 9), "▁▁", "nothing is drawn at the bottom");
        assert_eq!(of(&[], 9), "");
    }
}
