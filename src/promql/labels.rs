//! Functions that rewrite labels or sort by them.

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::Chars;

use super::ast::LabelReplace;
use super::eval::Point;
use super::tags::Tags;
use crate::base::series::Labels;

/// `label_replace`: where the pattern matches the whole value of a label, another one becomes the replacement.
pub(super) fn replace<'a>(points: Vec<Point<'a>>, call: &LabelReplace) -> Vec<Point<'a>> {
    let rewrite = |point: Point<'a>| {
        let Some(found) = call.regex.captures(point.tags.get(&call.from)) else { return point };
        let mut value = String::new();
        found.expand(&call.replacement, &mut value);
        drop(found);
        with_label(point, &call.to, value)
    };
    points.into_iter().map(rewrite).collect()
}

/// `label_join`: one label becomes the values of others with a separator between them.
pub(super) fn join<'a>(points: Vec<Point<'a>>, to: &str, separator: &str, from: &[String]) -> Vec<Point<'a>> {
    let rewrite = |point: Point<'a>| {
        let values: Vec<&str> = from.iter().map(|label| point.tags.get(label)).collect();
        let value = values.join(separator);
        with_label(point, to, value)
    };
    points.into_iter().map(rewrite).collect()
}

fn with_label<'a>(point: Point<'a>, label: &str, value: String) -> Point<'a> {
    if point.tags.get(label) == value {
        return point;
    }
    let mut labels = point.tags.into_labels();
    labels.set(label, value);
    Point { tags: Tags::owned(labels), ..point }
}

/// `sort_by_label`: by the values of these labels, numbers within them as numbers, then by all labels.
pub(super) fn sort(points: &mut [Point<'_>], by: &[String], descending: bool) {
    let ascending = |a: &Point<'_>, b: &Point<'_>| {
        by.iter()
            .map(|label| natural(a.tags.get(label), b.tags.get(label)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| a.tags.iter().cmp(b.tags.iter()))
    };
    points.sort_by(|a, b| if descending { ascending(b, a) } else { ascending(a, b) });
}

/// Compares as people do: `pod-9` before `pod-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.chars().peekable(), b.chars().peekable());
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return Ordering::Equal,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (x, y) = (digits(&mut a), digits(&mut b));
                x.len().cmp(&y.len()).then(x.cmp(&y))
            }
            _ => a.next().cmp(&b.next()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Takes a run of digits, without its leading zeros.
fn digits(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut run = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        if !(run.is_empty() && digit == '0') {
            run.push(digit);
        }
    }
    run
}

/// The labels that an answer of `absent` has: those that the matchers pin to one value.
pub(super) fn of_absent<'m>(matchers: impl Iterator<Item = (&'m str, Option<&'m str>)>) -> Labels {
    let mut labels = Labels::default();
    let mut seen: Vec<&str> = Vec::new();
    for (label, value) in matchers.filter(|(label, _)| *label != "__name__") {
        match value {
            Some(value) if !seen.contains(&label) => {
                labels.set(label, value);
                seen.push(label);
            }
            _ => labels.remove(label),
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_within_names_are_compared_as_numbers() {
        let mut names = ["4m1000", "4m600", "4m5", "a10", "a9", "10", "9", "100", "a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["4m5", "4m600", "4m1000", "9", "10", "100", "a", "a9", "a10"]);
    }

    #[test]
    fn a_label_that_two_matchers_speak_of_is_not_known() {
        let labels =
            of_absent([("job", Some("a")), ("job", None), ("x", Some("1")), ("__name__", Some("up"))].into_iter());
        assert_eq!(labels, Labels::new([("x", "1")]));
    }
}
