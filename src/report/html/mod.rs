//! `report.html`: one file that opens from disk, needs nothing from anywhere, and answers in the order in which a tired
//! engineer asks: did it pass and why, is the instrument to be trusted, what happened when, how long did it take, what does
//! the other side say, what was broken, and what exactly was run.
//!
//! Everything is put into the page by a macro that escapes it: what came from a server is text, never markup.

mod axis;
mod capacity;
pub mod chart;
mod compare;
mod course;
mod distribution;
mod effects;
mod faults;
mod instrument;
mod record;
mod resources;
pub(in crate::report) mod shell;
mod shots;
mod sides;
mod track;
mod upstreams;
mod verdict;

use maud::{Markup, PreEscaped, html};

use crate::evidence::reader::Evidence;
use crate::judge::{Judgement, Verdict};
use crate::plan::Plan;
use axis::Axis;
pub use capacity::{plan, study};
use chart::{Band, Line};
pub use compare::comparison;
use shell::shell;
use track::Track;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What a page is made of.
pub struct Run<'r> {
    /// What was to happen.
    pub plan: &'r Plan,
    /// What happened.
    pub evidence: &'r Evidence,
    /// What was made of it.
    pub judgement: &'r Judgement,
    /// The upstreams that the service called, in the order of the scenario.
    pub upstreams: &'r [String],
    /// Where a trace is to be looked at, `{trace}` standing for its id; an http or https address.
    pub traces: Option<&'r str>,
    /// The scenario as it was run; nothing where that is not there any more.
    pub scenario: Option<&'r str>,
}

/// A run laid out for drawing.
struct Page<'r> {
    run: &'r Run<'r>,
    axis: Axis,
    tracks: Vec<Track>,
    bands: Vec<Band>,
}

/// Renders a run.
pub fn html(run: &Run<'_>) -> String {
    let page = Page::new(run);
    let judgement = run.judgement;
    let title = format!("{}: {}", judgement.verdict.word(), judgement.scenario);
    let sections = vec![
        ("promises", "Promises", Some(verdict::promises(&page))),
        ("instrument", "The instrument", Some(instrument::section(&page))),
        ("course", "Over time", Some(course::section(&page))),
        ("latency", "How long it took", distribution::section(&page)),
        ("sides", "Both sides", sides::section(&page)),
        ("faults", "Faults", faults::section(&page)),
        ("upstreams", "Upstreams", upstreams::section(&page)),
        ("resources", "What the target took", resources::section(&page)),
        ("shots", "Slowest and failed", shots::section(&page)),
        ("record", "What was run", Some(record::section(&page))),
    ];
    let foot = format!("proofload {}, evidence {}", run.evidence.manifest.proofload, judgement.run);
    shell(&title, class(judgement.verdict), verdict::banner(&page), sections, &foot)
}

impl<'r> Page<'r> {
    fn new(run: &'r Run<'r>) -> Page<'r> {
        let axis = Axis::new(run.plan.timeline.end);
        let names = run.judgement.traffic.iter().map(|(name, _)| name.as_str());
        let tracks = names.enumerate().map(|(i, name)| Track::read(name, run.plan.traffic.get(i), run.evidence, &axis));
        Page { run, axis, tracks: tracks.collect(), bands: course::bands(run) }
    }

    /// The middles of the bins, in seconds.
    fn middles(&self) -> Vec<f64> {
        (0..self.axis.bins).map(|bin| self.axis.middle(bin)).collect()
    }
}

/// The class of a verdict in the page's style.
pub(in crate::report) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Invalid => "invalid",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// A sentence in which names stand between backticks, as the terminal has it; here they are set as code.
fn coded(text: &str) -> Markup {
    let parts: Vec<&str> = text.split('`').collect();
    // One without its partner is one that somebody wrote.
    if parts.len().is_multiple_of(2) {
        return html! { (text) };
    }
    html! { @for (n, part) in parts.iter().enumerate() { @if n % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// A drawing with its caption and what its colours mean. `values` lets the page say what is under the pointer.
fn figure(
    id: &str,
    caption: &str,
    svg: String,
    keys: &[(String, Option<usize>)],
    values: Option<&Hover<'_>>,
) -> Markup {
    html! {
        figure id=(id) {
            figcaption {
                strong { (caption) }
                @for (n, (name, colour)) in keys.iter().enumerate() {
                    " " span class="key" data-line=(n) { span class=(key(*colour)) {} (name) }
                }
            }
            div class="drawing" data-values=[values.map(Hover::json)] { (PreEscaped(svg)) }
        }
    }
}

fn key(colour: Option<usize>) -> String {
    colour.map_or_else(|| "swatch grey".into(), |colour| format!("swatch c{}", colour % chart::PALETTE.len()))
}

/// The keys of lines.
fn keys(lines: &[Line]) -> Vec<(String, Option<usize>)> {
    lines.iter().map(|line| (line.name.clone(), line.colour)).collect()
}

/// What a page says of a chart where the pointer is. With it the chart takes part when somebody looks closer at a stretch of
/// time; one without lines says the time alone.
struct Hover<'h> {
    axis: &'h Axis,
    unit: chart::Unit,
    lines: &'h [Line],
}

impl Hover<'_> {
    /// When each point is and what each line says there, in words; and how long all of it is, in seconds.
    fn json(&self) -> String {
        let whole = self.axis.range()[1];
        let at: Vec<String> =
            (0..self.axis.bins).map(|bin| axis::clock(self.axis.span(bin).start.secs(), whole)).collect();
        let line = |line: &Line| {
            let said = |value: &Option<f64>| value.map_or_else(|| "–".into(), |value| self.unit.show(value));
            serde_json::json!([line.name, line.values.iter().map(said).collect::<Vec<String>>()])
        };
        let lines: Vec<_> = self.lines.iter().map(line).collect();
        serde_json::json!({ "at": at, "length": whole, "lines": lines }).to_string()
    }
}
