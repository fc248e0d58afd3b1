//! The page about many runs.

use maud::{Markup, PreEscaped, html};

use super::{change, changes, name, value};
use crate::base::text;
use crate::judge::{History, Trend, Verdict};
use crate::report::html::chart::{self, Course, Unit};
use crate::report::html::class;
use crate::report::html::shell::shell;

/// Renders the histories of a folder.
pub fn history_html(histories: &[History], folder: &str) -> String {
    let worse = histories.iter().flat_map(History::changes).filter(|(_, shift, _)| shift.worse).count() as u64;
    let tone = if worse > 0 { class(Verdict::Inconclusive) } else { class(Verdict::Pass) };
    let banner = html! {
        p class="verdict" { "HISTORY" }
        h1 { (folder) }
        p class="headline" {
            @if worse == 0 { "nothing changed surely for the worse" }
            @else { (text::count(worse, "change")) " for the worse" }
        }
    };
    let section = |(n, history): (usize, &History)| {
        let runs = text::count(history.runs.len() as u64, "run");
        (format!("history-{n}"), format!("{}, {runs}", history.scenario), Some(one(history)))
    };
    let sections = histories.iter().enumerate().map(section).collect();
    shell(&format!("History: {folder}"), tone, banner, sections, &format!("proofload {}", env!("CARGO_PKG_VERSION")))
}

fn one(history: &History) -> Markup {
    let names: Vec<String> = history.runs.iter().map(|(run, _)| run.clone()).collect();
    html! {
        ul { @for line in changes(history) { li { (line) } } }
        @for trend in &history.series { (figure(trend, &names)) }
        (table(history))
        @if !history.left_out.is_empty() {
            details {
                summary { "Left out" }
                ul { @for (run, why) in &history.left_out { li { (run) ": " (why) } } }
            }
        }
    }
}

fn figure(trend: &Trend, names: &[String]) -> Markup {
    let unit = match trend.measure.as_str() {
        "errors" => Unit::Share,
        "rate" => Unit::Rate,
        _ => Unit::Time,
    };
    let said: Vec<String> = trend.changes.iter().map(|shift| change(trend, shift, &names[shift.at])).collect();
    let text = if said.is_empty() { "It did not change.".to_owned() } else { said.join(". ") };
    let mut levels: Vec<(usize, usize, f64)> = Vec::new();
    for shift in &trend.changes {
        let from = levels.last_mut().map_or(0, |last| {
            last.1 = shift.at;
            last.0
        });
        if levels.is_empty() {
            levels.push((from, shift.at, shift.before));
        }
        levels.push((shift.at, names.len(), shift.after));
    }
    let drawn =
        chart::runs(&Course { title: &name(trend), text: &text, unit, names, values: &trend.values, levels: &levels });
    html! {
        figure {
            figcaption { strong { (name(trend)) } @for line in &said { " " (line) } }
            div class="drawing" { (PreEscaped(drawn)) }
        }
    }
}

fn table(history: &History) -> Markup {
    html! {
        div class="wide" {
            table class="sortable" {
                thead { tr { th {} th { "run" } @for trend in &history.series { th class="n" { (name(trend)) } } } }
                tbody { @for (n, (run, verdict)) in history.runs.iter().enumerate() { tr {
                    td { span class={ "mark " (class(*verdict)) } { (verdict.word()) } }
                    td { (run) }
                    @for trend in &history.series {
                        td class="n" data-sort=[trend.values[n]] {
                            @match trend.values[n] {
                                Some(v) => { (value(&trend.measure, v)) },
                                None => { "–" },
                            }
                            @if trend.changes.iter().any(|shift| shift.at == n) { " *" }
                        }
                    }
                } } }
            }
        }
    }
}
