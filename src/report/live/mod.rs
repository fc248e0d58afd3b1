//! A run as it goes on: a few lines that are drawn again and again on a terminal, or a plain line now and then. Pure: what
//! the recorder counted goes in, text comes out.

mod bar;
mod frame;
mod spark;

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::board::Board;
use crate::judge::{Severity, Standing, State};
use crate::plan::Plan;

/// So many seconds are remembered for the little curves.
const REMEMBERED: usize = 60;
/// So many broken promises are named.
const NAMED: usize = 4;
/// How much of a name is shown, in characters.
const NAME: usize = 40;

/// How it may be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// How wide, in columns.
    pub width: usize,
    /// How many lines there is room for.
    pub height: usize,
    /// Whether in colour.
    pub colour: bool,
}

/// What is shown of a run.
#[derive(Debug, Clone)]
pub struct View {
    name: String,
    phases: Vec<(&'static str, Span)>, // of the traffic whose load ends last
    faults: Vec<Span>,                 // as planned
    end: Offset,
    board: Board,
    standings: Vec<Standing>,
    rates: VecDeque<Option<f64>>,  // per second
    p99s: VecDeque<Option<f64>>,   // in seconds
    remarked: u64,                 // remarks told so far
    broken: Vec<(String, String)>, // promises that have been told to be broken
}

impl View {
    /// Of a run that has not begun.
    pub fn new(name: &str, plan: &Plan) -> View {
        let timeline = &plan.timeline;
        let longest = timeline.phases.iter().max_by_key(|phase| phase.span.end).map(|phase| phase.traffic);
        let phases = timeline.phases.iter().filter(|phase| Some(phase.traffic) == longest);
        View {
            name: text::shorten(name, NAME),
            phases: phases.map(|phase| (phase.word, phase.span)).collect(),
            faults: timeline.faults.iter().flatten().copied().collect(),
            end: timeline.end,
            board: Board::default(),
            standings: Vec::new(),
            rates: VecDeque::new(),
            p99s: VecDeque::new(),
            remarked: 0,
            broken: Vec::new(),
        }
    }

    /// Takes what is known now, once a second, and says what is to stand above for good: what happened, and which promises
    /// have turned.
    pub fn take(&mut self, board: &Board, standings: &[Standing]) -> Vec<String> {
        if board.at > Offset::ZERO {
            push(&mut self.rates, Some(board.recent.finished as f64));
            push(&mut self.p99s, board.recent.p99.map(|p99| p99.as_secs_f64()));
        }
        let new = board.remarks.iter().filter(|(number, _)| *number >= self.remarked);
        let mut said: Vec<String> = new.map(|(_, text)| text::shorten(text, 400)).collect();
        self.remarked = board.remarks.back().map_or(self.remarked, |(number, _)| number + 1);
        self.board = board.clone();
        if self.standings != standings {
            said.extend(self.turned(standings));
            self.standings = standings.to_vec();
        }
        said
    }

    /// The promises that are broken now and were not, and the other way round.
    fn turned(&mut self, standings: &[Standing]) -> Vec<String> {
        let at = instant(self.board.at);
        let mut said = Vec::new();
        for standing in standings {
            let key = (standing.promise.clone(), standing.window.clone());
            let known = self.broken.iter().position(|broken| *broken == key);
            match (standing.state, known) {
                (State::Broken, None) => {
                    said.push(format!("{at}: broken so far: {}", promise(standing)));
                    self.broken.push(key);
                }
                (State::Kept, Some(known)) => {
                    said.push(format!("{at}: kept again: {}", promise(standing)));
                    self.broken.remove(known);
                }
                _ => {}
            }
        }
        said
    }

    /// The run in a few lines, none wider than there is room.
    pub fn frame(&self, style: Style) -> Vec<String> {
        frame::frame(self, style)
    }

    /// The run in one line, without colour.
    pub fn line(&self) -> String {
        let Board { at, recent, .. } = &self.board;
        let mut line = format!(
            "{:>7} of {}  {:<8} {:>6}/s  {:>5} in flight  p50 {:>8}  p99 {:>8}  errors {}",
            instant(*at),
            instant(self.end),
            self.phase(),
            recent.finished,
            self.board.in_flight(),
            length(recent.p50),
            length(recent.p99),
            self.errors(),
        );
        if self.board.late() > 0 {
            line.push_str(&format!("  {} late", text::thousands(self.board.late())));
        }
        if !self.board.faults.is_empty() {
            line.push_str(&format!("  FAULT {}", text::shorten(&self.board.faults.join(", "), 120)));
        }
        let broken = self.broken().count();
        if broken > 0 {
            line.push_str(&format!("  {} broken so far", text::count(broken as u64, "promise")));
        }
        line
    }

    /// How long until the next plain line: runs that take long are told of less often.
    pub fn pace(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_secs(5);
        const LONGEST: Duration = Duration::from_secs(60);
        (self.end.since(Offset::ZERO) / 100).clamp(SHORTEST, LONGEST)
    }

    /// When the board is from.
    pub fn at(&self) -> Offset {
        self.board.at
    }

    fn broken(&self) -> impl Iterator<Item = &Standing> {
        self.standings.iter().filter(|standing| standing.state == State::Broken)
    }

    /// What is going on, of all traffics together.
    fn phase(&self) -> String {
        match self.board.at {
            at if at < Offset::ZERO => "soon".into(),
            at if at >= self.end => "draining".into(),
            _ => {
                let mut phases: Vec<&str> = self.board.traffic.iter().map(|lane| lane.phase.as_str()).collect();
                phases.retain(|phase| !phase.is_empty());
                phases.dedup();
                text::shorten(&phases.join(", "), NAME)
            }
        }
    }

    fn errors(&self) -> String {
        let recent = self.board.recent;
        match recent.finished {
            0 => "–".into(),
            finished => units::percent(recent.failed as f64 / finished as f64),
        }
    }
}

/// A promise, where it must hold, and what was observed.
fn promise(standing: &Standing) -> String {
    let aside = if standing.severity == Severity::Critical {
        String::new()
    } else {
        format!(" ({})", standing.severity.word())
    };
    let observed = standing.observed.map_or_else(|| "–".into(), |observed| observed.to_string());
    format!("{}{aside}: {observed}, {}", text::shorten(&standing.promise, 80), text::shorten(&standing.window, 60))
}

fn push(last: &mut VecDeque<Option<f64>>, value: Option<f64>) {
    if last.len() == REMEMBERED {
        last.pop_front();
    }
    last.push_back(value);
}

fn length(length: Option<Duration>) -> String {
    length.map_or_else(|| "–".into(), units::measured)
}

/// An instant as a clock shows it: `0:42`, `1:02:07`; before the load `-0:02`.
fn instant(at: Offset) -> String {
    let seconds = at.nanos().div_euclid(1_000_000_000);
    let (sign, seconds) = if seconds < 0 { ("-", -seconds) } else { ("", seconds) };
    match seconds / 3600 {
        0 => format!("{sign}{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{sign}{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests;
