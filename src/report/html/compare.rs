//! The page of a comparison: what is surely worse, by how much, and where in the distribution.

use maud::{Markup, html};

use super::chart::{Curve, Shift, ranks, shifts};
use super::shell::shell;
use super::{class, figure};
use crate::base::units;
use crate::judge::{Change, Compared, Comparison, Verdict};
use crate::report::compare::{HEAD, Pair, cells, notes};

/// Renders candidates beside their base.
pub fn comparison(pairs: &[Pair]) -> String {
    let outcome = pairs.iter().filter_map(Pair::outcome).max().unwrap_or(Compared::Undecided);
    let banner = html! {
        p class="verdict" { (outcome.word().to_uppercase()) }
        @for pair in pairs {
            h1 { (pair.candidate) }
            p class="headline" { (pair.headline()) }
        }
        @if let Some(pair) = pairs.first() { p class="when" { "Beside " (pair.base) } }
    };
    let section = |(n, pair): (usize, &Pair)| (format!("pair-{n}"), pair.candidate.clone(), Some(one(n, pair)));
    let sections = pairs.iter().enumerate().map(section).collect();
    let title = format!("{}: beside {}", outcome.word(), pairs.first().map_or("nothing", |pair| pair.base.as_str()));
    shell(&title, tone(outcome), banner, sections, &format!("proofload {}", env!("CARGO_PKG_VERSION")))
}

/// The class of an outcome in the page's style.
fn tone(outcome: Compared) -> &'static str {
    class(match outcome {
        Compared::Better | Compared::Same => Verdict::Pass,
        Compared::Undecided => Verdict::Inconclusive,
        Compared::Worse => Verdict::Fail,
    })
}

fn one(n: usize, pair: &Pair) -> Markup {
    html! {
        @for what in &pair.unfair { p class="stuck" { "Not a fair pair: " (what) } }
        (table(pair))
        @for (m, comparison) in pair.traffic.iter().enumerate() { (traffic(&format!("{n}-{m}"), pair, comparison)) }
        ul { @for note in notes(pair).iter().skip(pair.unfair.len()) { li { (note) } } }
    }
}

fn table(pair: &Pair) -> Markup {
    let is_number = |column: usize| column > 1;
    html! {
        div class="wide" { table class="sortable" {
            thead { tr { @for (n, head) in HEAD.iter().enumerate() { th class=[is_number(n).then_some("n")] { (head) } } } }
            tbody { @for change in pair.changes() { tr {
                @for (n, cell) in cells(change).into_iter().enumerate() {
                    @if n == 0 { td { span class={ "mark " (tone(change.outcome)) } { (cell) } } }
                    @else { td class=[is_number(n).then_some("n")] { (cell) } }
                }
            } } }
        } }
    }
}

fn traffic(id: &str, pair: &Pair, comparison: &Comparison) -> Markup {
    let Some(first) = comparison.changes.first() else { return html! {} };
    let all: Vec<Shift> = comparison.changes.iter().map(|change| shift(change, pair.threshold)).collect();
    let said: Vec<String> = comparison.changes.iter().map(|change| cells(change)[..5].join(" ")).collect();
    let matters = units::percent(pair.threshold);
    let caption = format!(
        "By how much, in what matters: {matters}; of errors {} of all shots",
        units::percent(pair.threshold / 10.0)
    );
    let curves: Vec<Curve<'_>> = ["base", "candidate"]
        .into_iter()
        .zip([5, 3])
        .zip(&comparison.lengths)
        .map(|((name, colour), lengths)| Curve { name: name.into(), colour, wide: name == "base", lengths })
        .filter(|curve| curve.lengths.count() > 0)
        .collect();
    let keys: Vec<(String, Option<usize>)> = curves.iter().map(|c| (c.name.clone(), Some(c.colour))).collect();
    let title = format!("Response time of {} by rank, base and candidate", first.traffic);
    html! {
        h3 { (first.traffic) }
        (figure(&format!("shifts-{id}"), &caption, shifts(&all, &format!("Changes of {}", first.traffic), &said.join("; ")), &[], None))
        @if !curves.is_empty() {
            (figure(&format!("ranks-{id}"), "Response time by rank; a failure counts at the timeout", ranks(&curves, &title, &said.join("; ")), &keys, None))
        }
    }
}

/// A change in what matters, to the right for the worse.
fn shift(change: &Change, threshold: f64) -> Shift {
    let scale = match change.measure {
        "errors" => threshold / 10.0,
        "rate" => -threshold,
        _ => threshold,
    };
    Shift {
        name: change.measure.into(),
        by: change.change / scale,
        between: change.between.map(|ends| ends.map(|end| end / scale)),
        colour: match change.outcome {
            Compared::Better => 2,
            Compared::Same => 0,
            Compared::Undecided => 4,
            Compared::Worse => 3,
        },
    }
}
