//! `suite.html`: one page for the question whether to launch. Every scenario with its verdict, the promise that is nearest to
//! its bound, and the way to its own page; how each fault was stood.

use maud::{Markup, html};

use super::{Launchpad, ended, headline, recovery, tightest};
use crate::base::text;
use crate::judge::{Ended, Stood, Turn, Verdict};
use crate::report::html::class;
use crate::report::html::shell::shell;

/// Renders the page.
pub fn page(pad: &Launchpad<'_>) -> String {
    let (word, why) = headline(pad.code);
    let tone = match word {
        "READY" => "pass",
        "NOT READY" => "fail",
        _ => "inconclusive",
    };
    let faults: Vec<(&Turn, &Stood)> = pad.turns.iter().flat_map(faults).collect();
    let banner = html! {
        p class="verdict" { (word) }
        h1 { (pad.name) }
        p class="headline" { (why) " (exit " (pad.code) ")" }
    };
    let sections = vec![
        ("scenarios", "Scenarios", Some(scenarios(pad))),
        ("faults", "Faults", (!faults.is_empty()).then(|| stood(&faults))),
    ];
    let foot = format!("proofload {}, suite {}", env!("CARGO_PKG_VERSION"), pad.run);
    shell(&format!("{word}: {}", pad.name), tone, banner, sections, &foot)
}

fn scenarios(pad: &Launchpad<'_>) -> Markup {
    html! {
        div class="wide" {
            table class="sortable cards" {
                thead { tr {
                    th {} th { "scenario" } th { "what it came to" } th { "nearest to its bound" } th class="n" { "room" } th { "evidence" }
                } }
                tbody { @for (turn, href) in pad.turns.iter().zip(pad.hrefs) { (row(turn, href.as_deref())) } }
            }
        }
    }
}

fn row(turn: &Turn, href: Option<&str>) -> Markup {
    let (word, why, place) = ended(&turn.ended);
    let tone = match &turn.ended {
        Ended::Judged { judgement, .. } => class(judgement.verdict),
        Ended::Unjudged { .. } => class(Verdict::Inconclusive),
        Ended::Searched { verdict, .. } => class(*verdict),
        Ended::NotStarted(_) => class(Verdict::Fail),
        Ended::NotRun => "aside",
    };
    let near = match &turn.ended {
        Ended::Judged { judgement, .. } => tightest(judgement),
        _ => None,
    };
    html! {
        tr class=(tone) {
            td { span class={ "mark " (tone) } { (word) } }
            td {
                @match href {
                    Some(href) => { a href={ (href) "/report.html" } { (turn.scenario) } },
                    None => { (turn.scenario) },
                }
                br; small { (turn.file) }
            }
            td { (why) }
            @match near {
                Some(near) => {
                    td { (near.promise()) }
                    td class="n" data-label="room" data-sort=(near.room) { (near.distance()) }
                },
                None => { td { "–" } td class="n" {} },
            }
            td { small { (place) } }
        }
    }
}

fn faults(turn: &Turn) -> impl Iterator<Item = (&Turn, &Stood)> {
    let faults: &[Stood] = match &turn.ended {
        Ended::Judged { faults, .. } => faults,
        _ => &[],
    };
    faults.iter().map(move |stood| (turn, stood))
}

fn stood(faults: &[(&Turn, &Stood)]) -> Markup {
    let number = |n: Option<u64>| n.map_or_else(|| "–".to_owned(), text::thousands);
    html! {
        div class="wide" {
            table class="sortable cards" {
                thead { tr {
                    th {} th { "fault" } th { "kind" } th class="n" { "injected" } th class="n" { "absorbed" } th class="n" { "surfaced" } th { "recovery" } th { "scenario" }
                } }
                tbody { @for (turn, stood) in faults {
                    tr {
                        td { @match stood.verdict {
                            Some(verdict) => { span class={ "mark " (class(verdict)) } { (verdict.word()) } },
                            None => { "–" },
                        } }
                        td { (stood.fault) }
                        td { (stood.kind) }
                        td class="n" data-label="injected" data-sort=(stood.injected) { (text::thousands(stood.injected)) }
                        td class="n" data-label="absorbed" { (number(stood.absorbed)) }
                        td class="n" data-label="surfaced" { (number(stood.surfaced)) }
                        td data-label="recovered" { (recovery(stood.recovery)) }
                        td { (turn.scenario) }
                    }
                } }
            }
        }
    }
}
