//! The lines that are redrawn at the bottom of a terminal.

use console::{measure_text_width, truncate_str};

use super::{NAMED, Style, View, bar, instant, length, promise, spark};
use crate::base::text;
use crate::base::time::Offset;
use crate::judge::{Severity, State};

/// Colours, as a terminal is told of them.
const DIM: &str = "2";
const BOLD: &str = "1";
const CYAN: &str = "36";
const RED: &str = "1;31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// The widest frame, in columns.
const WIDEST: usize = 100;

/// What a line is for; where there is no room for all, what comes last here goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Head,
    Promise,
    Figure,
    Bar,
    Faults,
    Phases,
}

/// Draws a view.
pub(super) fn frame(view: &View, style: Style) -> Vec<String> {
    let width = style.width.clamp(20, WIDEST);
    let pen = Pen(style.colour);
    let mut lines = vec![(Weight::Head, head(view, width, pen))];
    let (done, left) = bar::bar(view.board.at, view.end, width);
    lines.push((Weight::Bar, format!("{}{}", pen.draw(CYAN, &done), pen.draw(DIM, &left))));
    if let Some(faults) = bar::faults(&view.faults, view.end, width) {
        lines.push((Weight::Faults, pen.draw(YELLOW, &faults)));
    }
    lines.push((Weight::Phases, pen.draw(DIM, &bar::phases(&view.phases, view.end, width))));
    lines.extend(figures(view, width, pen).map(|line| (Weight::Figure, line)));
    if !view.board.faults.is_empty() {
        let faults = format!("fault  {}", text::shorten(&view.board.faults.join(", "), width));
        lines.push((Weight::Figure, pen.draw(YELLOW, &faults)));
    }
    lines.extend(promises(view, pen).into_iter().map(|line| (Weight::Promise, line)));
    while lines.len() > style.height.max(1)
        && let Some(lightest) = (0..lines.len()).max_by_key(|n| (lines[*n].0, *n))
    {
        lines.remove(lightest);
    }
    lines.into_iter().map(|(_, line)| truncate_str(&line, width, "…").into_owned()).collect()
}

/// Which run, and how far it has come.
fn head(view: &View, width: usize, pen: Pen) -> String {
    let at = view.board.at;
    let when = match at {
        at if at < Offset::ZERO => format!("begins in {}", instant(Offset::after_zero(Offset::ZERO.since(at)))),
        at if at >= view.end => format!("{}, {} in flight", view.phase(), text::thousands(view.board.in_flight())),
        at => {
            let left = instant(Offset::after_zero(view.end.since(at)));
            format!("{}  {} of {}, {left} left", view.phase(), instant(at), instant(view.end))
        }
    };
    let room = width.saturating_sub(measure_text_width(&when) + 2);
    let name = truncate_str(&view.name, room, "…").into_owned();
    let gap = width.saturating_sub(measure_text_width(&name) + measure_text_width(&when));
    format!("{}{}{when}", pen.draw(BOLD, &name), " ".repeat(gap))
}

/// Rate and latency, with their last minute as a little curve.
fn figures(view: &View, width: usize, pen: Pen) -> [String; 2] {
    let recent = view.board.recent;
    let rate = format!("{}/s", text::thousands(recent.finished));
    let mut beside = format!("{} in flight  errors {}", text::thousands(view.board.in_flight()), view.errors());
    if view.board.late() > 0 {
        beside.push_str(&format!("  {} late", text::thousands(view.board.late())));
    }
    let room = width.saturating_sub(17 + 44).clamp(4, 60);
    let curve = |values: String| format!("{}{}", pen.draw(CYAN, &values), " ".repeat(room - values.chars().count()));
    let rates = curve(spark::spark(view.rates.iter().copied(), room));
    let p99s = curve(spark::spark(view.p99s.iter().copied(), room));
    [
        format!("rate {rate:>10}  {rates}  {beside}"),
        format!("p99  {:>10}  {p99s}  p50 {}", length(recent.p99), length(recent.p50)),
    ]
}

/// Broken promises by name, and how the others stand.
fn promises(view: &View, pen: Pen) -> Vec<String> {
    let count = |state| view.standings.iter().filter(|standing| standing.state == state).count();
    let mut broken: Vec<_> = view.broken().collect();
    broken.sort_by_key(|standing| standing.severity);
    let mut lines: Vec<String> = broken
        .iter()
        .take(NAMED)
        .map(|standing| {
            let colour = if standing.severity == Severity::Critical { RED } else { YELLOW };
            pen.draw(colour, &format!("broken {}", promise(standing)))
        })
        .collect();
    if broken.len() > NAMED {
        lines.push(pen.draw(RED, &format!("       and {} more", broken.len() - NAMED)));
    }
    if !view.standings.is_empty() {
        let states = [(State::Kept, GREEN), (State::Broken, RED), (State::Open, DIM)];
        let states = states.map(|(state, colour)| {
            let said = format!("{} {}", count(state), state.word());
            if count(state) > 0 { pen.draw(colour, &said) } else { said }
        });
        lines.push(format!("so far {}  {}", states.join(", "), pen.draw(DIM, "the verdict comes of all evidence")));
    }
    lines
}

/// Colours what is drawn, or leaves it as it is.
#[derive(Clone, Copy)]
struct Pen(bool);

impl Pen {
    fn draw(self, colour: &str, text: &str) -> String {
        match self.0 && !text.is_empty() {
            true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
            false => text.into(),
        }
    }
}
