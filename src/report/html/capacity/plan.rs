//! The page of a plan: how many replicas, by which curve, and what it takes for granted.

use maud::{Markup, html};

use crate::judge::capacity::plan::Answer;
use crate::report::capacity::words::rate;
use crate::report::html::chart::{Dot, Graph, Strand, Unit, graph};
use crate::report::html::shell::shell;
use crate::report::html::{class, figure};

/// Renders a plan.
pub fn plan(answer: &Answer) -> String {
    let banner = html! {
        p class="verdict" { (answer.verdict.word()) }
        h1 { "How many replicas" }
        p class="headline" { (answer.headline) }
    };
    let list = |lines: &[String]| html! { ul { @for line in lines { li { (line) } } } };
    let sections = vec![
        ("curve", "Capacity by replicas", curve(answer)),
        ("data", "What was measured", (!answer.measured.is_empty()).then(|| data(answer))),
        ("law", "The law", law(answer)),
        (
            "assumptions",
            "What this takes for granted",
            (!answer.assumptions.is_empty()).then(|| list(&answer.assumptions)),
        ),
        ("doubts", "What speaks against it", (!answer.doubts.is_empty()).then(|| list(&answer.doubts))),
    ];
    let foot = format!("proofload {}", env!("CARGO_PKG_VERSION"));
    shell(&format!("{}: {}", answer.verdict.word(), answer.headline), class(answer.verdict), banner, sections, &foot)
}

fn curve(answer: &Answer) -> Option<Markup> {
    if answer.curve.is_empty() {
        return None;
    }
    let dot = |m: &crate::judge::capacity::plan::Measured| Dot {
        x: f64::from(m.replicas),
        y: m.rate,
        range: Some((m.low, m.high)),
        solid: true,
    };
    let strands = [
        Strand {
            name: "by the law, and between what".into(),
            colour: Some(0),
            curve: answer.curve.iter().map(|f| (f.n, f.rate)).collect(),
            between: answer.curve.iter().map(|f| (f.n, f.low, f.high)).collect(),
            points: Vec::new(),
        },
        Strand {
            name: "measured".into(),
            colour: Some(3),
            points: answer.measured.iter().map(dot).collect(),
            ..Strand::default()
        },
    ];
    let most = answer.measured.last().map_or(1, |m| m.replicas);
    let end = answer.curve.last().map_or(1.0, |f| f.n);
    let beyond = (f64::from(most) < end).then_some((f64::from(most), end * 1.04));
    let of = Graph {
        title: "Capacity by number of replicas",
        text: &answer.headline,
        x: Unit::Count,
        y: Unit::Rate,
        log: false,
        strands: &strands,
        bounds: &[answer.need],
        shade: beyond,
        mark: answer.carrying.map(f64::from),
    };
    let keys: Vec<(String, Option<usize>)> = strands.iter().map(|s| (s.name.clone(), s.colour)).collect();
    Some(html! {
        (figure("replicas", "Shots a second that replicas take", graph(&of), &keys, None))
        p { small { "Dashed across: what is needed. Shaded: beyond what was measured." } }
    })
}

fn data(answer: &Answer) -> Markup {
    html! {
        div class="wide" { table {
            thead { tr { th class="n" { "replicas" } th class="n" { "take" } th class="n" { "between" } th class="n" { "by the law" } th { "from" } } }
            tbody { @for m in &answer.measured {
                @let foretold = answer.curve.iter().find(|f| (f.n - f64::from(m.replicas)).abs() < 0.5);
                tr {
                    td class="n" { (m.replicas) }
                    td class="n" { (rate(m.rate)) }
                    td class="n" { (rate(m.low)) " – " (rate(m.high)) }
                    td class="n" { (foretold.map_or("–".into(), |f| rate(f.rate))) }
                    td { (m.from) }
                }
            } }
        } }
    }
}

fn law(answer: &Answer) -> Option<Markup> {
    let (at, between) = (answer.parameters?, answer.between?);
    let small = |n: f64| if n.abs() < 1e-9 { "0".to_owned() } else { format!("{n:.4}") };
    Some(html! {
        p { "X(n) = λ n / (1 + σ (n − 1) + κ n (n − 1))" }
        div class="wide" { table {
            thead { tr { th { "parameter" } th class="n" { "value" } th class="n" { "between" } } }
            tbody {
                tr { td { "λ: what one replica takes" } td class="n" { (rate(at.lambda)) } td class="n" { (rate(between[0].0)) " – " (rate(between[0].1)) } }
                tr { td { "σ: contention" } td class="n" { (small(at.sigma)) } td class="n" { (small(between[1].0)) " – " (small(between[1].1)) } }
                tr { td { "κ: coherency" } td class="n" { (small(at.kappa)) } td class="n" { (small(between[2].0)) " – " (small(between[2].1)) } }
            }
        } }
    })
}
