//! A percentile distribution for people: how long, how many, and the curve on its side.

use std::fmt::Write as _;

use crate::base::text;
use crate::base::units;
use crate::evidence::tally::Tally;

/// Percentiles that people speak of, in hundred-thousandths.
const RANKS: [u32; 17] = [
    0, 10_000, 25_000, 50_000, 75_000, 90_000, 95_000, 97_500, 99_000, 99_500, 99_750, 99_900, 99_950, 99_990, 99_995,
    99_999, WHOLE,
];
const WHOLE: u32 = 100_000;

/// The longest bar, in characters.
const BAR: usize = 40;

/// Renders lengths under a title. A percentile that so few lengths cannot tell from the longest is left out. Nothing
/// but the title for an empty tally.
pub fn percentiles(title: &str, lengths: &Tally) -> String {
    let mut out = format!("{title}\n\n");
    let Some(max) = lengths.max() else { return out };
    let total = lengths.count();
    let _ = writeln!(out, "{:>10}  {:>9}  {:>13}  {:>13}", "percentile", "value", "count", "total");
    let mut before = 0;
    for rank in RANKS {
        let q = f64::from(rank) / f64::from(WHOLE);
        let beyond = u128::from(total) * u128::from(WHOLE - rank) / u128::from(WHOLE); // lengths past it
        let Some(value) = lengths.quantile(q).filter(|_| beyond > 0 || rank == WHOLE) else { continue };
        let seen = total - lengths.above(value);
        let _ = writeln!(
            out,
            "{:>10}  {:>9}  {:>13}  {:>13}  {}",
            percent(rank),
            units::measured(value),
            text::thousands(seen - before),
            text::thousands(seen),
            bar(value.as_secs_f64() / max.as_secs_f64())
        );
        before = seen;
    }
    out
}

/// `99.99 %`
fn percent(rank: u32) -> String {
    let (whole, part) = (rank / 1_000, format!("{:03}", rank % 1_000));
    match part.trim_end_matches('0') {
        "" => format!("{whole} %"),
        part => format!("{whole}.{part} %"),
    }
}

/// A bar of a part, 0 to 1, of the longest, to the eighth of a character.
fn bar(part: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * (BAR * 8) as f64).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::tally::cell;

    fn tally(millis: impl Iterator<Item = u64>) -> Tally {
        millis.map(|ms| (cell(ms * 1_000_000), 1)).collect()
    }

    #[test]
    fn rows_say_how_many_are_in_them_and_up_to_them() {
        let want = "\
q, response

percentile      value          count          total
       0 %    1.00 ms              1              1  ▍
      10 %    10.0 ms              9             10  ████
      25 %    25.0 ms             15             25  ██████████
      50 %    50.0 ms             25             50  ████████████████████
      75 %    75.0 ms             25             75  ██████████████████████████████
      90 %    90.0 ms             15             90  ████████████████████████████████████
      95 %    95.0 ms              5             95  ██████████████████████████████████████
    97.5 %    98.0 ms              3             98  ███████████████████████████████████████▎
      99 %    99.0 ms              1             99  ███████████████████████████████████████▋
     100 %     100 ms              1            100  ████████████████████████████████████████
";
        assert_eq!(percentiles("q, response", &tally(1..=100)), want);
    }

    #[test]
    fn one_length_has_no_percentile_but_the_first_and_the_last() {
        let text = percentiles("q", &tally(5..=5));
        let rows: Vec<&str> =
            text.lines().skip(3).map(|row| row.split("  ").find(|w| w.contains('%')).unwrap().trim()).collect();
        assert_eq!(rows, ["0 %", "100 %"]);
        assert_eq!(percentiles("q", &Tally::default()), "q\n\n");
    }

    #[test]
    fn lengths_of_zero_have_no_bar_and_are_no_error() {
        assert!(percentiles("lag", &[(0, 3)].into_iter().collect()).contains("0 %"));
    }
}
