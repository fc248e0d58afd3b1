//! Walks the planned times of the faults. Two kinds of actors let them begin and end: the stage strikes requests and
//! links as they come, and the run itself acts on processes and calls hooks, see [`local`](super::local).
//!
//! Every way out ends every fault: by order when [`conduct`] returns, by the broken lease when it is dropped or its
//! process dies, by the fault's own time to live when both fail.

use std::collections::HashMap;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::gate::Gate;
use super::guard::Guard;
use super::local::{Fate, Locals, Standing};
use crate::base::time::{Clock, Offset, Span};
use crate::evidence::event::{Event, FaultStep};
use crate::scenario::Fault;
use crate::stage::client::{Report, Stage, StageError};

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    // In this order at one instant, so that one fault can follow the other.
    End,
    Begin,
}

/// Who lets faults begin and end.
pub struct Actors<'a> {
    /// Strikes requests and links, and undoes what is left when the run is gone.
    pub stage: &'a mut Stage,
    /// The faults that the run applies itself.
    pub locals: &'a Locals,
}

/// Lets each fault begin and end at its planned times, and says in `events` what became of it. Before the gate opens none
/// begins; if it stays shut, none is applied.
///
/// Returns when `stop` turns true (or its sender is gone) with every fault over; until then it listens, so that a stage
/// that dies is known. `Err` says that it died: then the experiment is not what the scenario describes.
pub async fn conduct(
    actors: Actors<'_>,
    faults: &[Fault],
    planned: &[Vec<Span>],
    clock: Clock,
    events: &mpsc::UnboundedSender<Event>,
    gate: Gate,
    stop: watch::Receiver<bool>,
) -> Result<(), StageError> {
    let Actors { stage, locals } = actors;
    let (effective, standing) = (vec![false; faults.len()], locals.begin(clock, events));
    let guards = HashMap::new();
    let mut conductor = Conductor { stage, locals, standing, faults, clock, events, effective, guards };
    let walked = conductor.walk(planned, gate, stop).await;
    for fault in 0..faults.len() {
        conductor.end(fault).await;
    }
    conductor.standing.clear_all().await;
    walked
}

struct Conductor<'a> {
    stage: &'a mut Stage,
    locals: &'a Locals,
    standing: Standing<'a>,
    faults: &'a [Fault],
    clock: Clock,
    events: &'a mpsc::UnboundedSender<Event>,
    /// Which faults of the stage may be effective: also those whose beginning was ordered but never confirmed.
    effective: Vec<bool>,
    /// Of those that would outlive the stage.
    guards: HashMap<usize, Guard>,
}

/// Done when `stop` turns true or its sender is gone; what it borrowed is not kept.
async fn told(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Conductor<'_> {
    /// Takes turn after turn, until told to stop.
    async fn walk(
        &mut self,
        planned: &[Vec<Span>],
        mut gate: Gate,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), StageError> {
        let mut turns: Vec<(Offset, Turn, usize)> = planned
            .iter()
            .enumerate()
            .flat_map(|(fault, spans)| spans.iter().map(move |span| (fault, span)))
            .flat_map(|(fault, span)| [(span.start, Turn::Begin, fault), (span.end, Turn::End, fault)])
            .collect();
        turns.sort_unstable();
        let mut turns = turns.into_iter().peekable();
        let mut open = false;
        loop {
            let next = turns.peek().map_or(Offset::MAX, |turn| turn.0);
            tokio::select! {
                biased;
                () = told(&mut stop) => return Ok(()),
                report = self.stage.report() => match report {
                    Some(report) => self.hear(report),
                    None => return Err(self.stage.died().await),
                },
                passed = gate.passes(), if !open => match passed {
                    Ok(()) => open = true,
                    Err(why) => {
                        self.withhold(&why);
                        (turns, open) = (Vec::new().into_iter().peekable(), true);
                    }
                },
                fate = self.standing.next() => if fate == Fate::Lost {
                    return Err(self.stage.died().await);
                },
                () = sleep(self.clock.until(next)), if open => if let Some((planned, turn, fault)) = turns.next() {
                    self.order(fault, turn == Turn::End, planned);
                    match turn {
                        Turn::Begin => self.begin(fault).await,
                        Turn::End => self.end(fault).await,
                    }
                },
            }
        }
    }

    /// Says of every fault that it is not applied.
    fn withhold(&self, why: &str) {
        for fault in 0..self.faults.len() {
            self.say(fault, self.clock.now(), FaultStep::Withheld { why: why.to_owned() });
        }
    }

    /// Says when a fault is told to begin or to end.
    fn order(&self, fault: usize, end: bool, planned: Offset) {
        if let Some(fault) = self.faults.get(fault) {
            self.tell(Event::Order { at: self.clock.now(), fault: fault.name.clone(), end, planned });
        }
    }

    async fn begin(&mut self, fault: usize) {
        if self.locals.has(fault) {
            return self.standing.apply(fault);
        }
        match self.locals.guard(fault).await {
            Ok(guard) => _ = guard.map(|guard| self.guards.insert(fault, guard)),
            Err(why) => return self.say(fault, self.clock.now(), FaultStep::Failed { why }),
        }
        self.effective[fault] = true;
        match self.stage.apply(fault).await {
            Ok(at) => self.say(fault, at, FaultStep::Applied),
            Err(e) => {
                self.effective[fault] = !matches!(e, StageError::Refused(_));
                self.say(fault, self.clock.now(), FaultStep::Failed { why: e.to_string() });
            }
        }
    }

    async fn end(&mut self, fault: usize) {
        if self.locals.has(fault) {
            return self.standing.clear(fault);
        }
        if !std::mem::take(&mut self.effective[fault]) {
            return;
        }
        let cleared = self.stage.clear(fault).await;
        // What the stage did not do to somebody else's server, or cannot say that it did, is done from its recipe.
        let mut mended = false;
        if let Some(guard) = self.guards.remove(&fault) {
            let remedy = guard.remedy();
            match &cleared {
                Ok(_) => guard.settle("the stage took it away").await,
                Err(_) => match guard.undo().await {
                    Ok(()) => mended = true,
                    Err(why) => return self.say(fault, self.clock.now(), FaultStep::Stuck { why, remedy }),
                },
            }
        }
        // What was heard meanwhile happened before.
        while let Some(report) = self.stage.heard() {
            self.hear(report);
        }
        match cleared {
            Ok(end) => {
                self.say(fault, end.at, FaultStep::Cleared { eligible: end.eligible, injected: end.injected });
            }
            // It died with its faults: nothing is left to undo, but nothing was proved either.
            Err(e) if mended || matches!(e, StageError::Died(_)) => {
                self.say(fault, self.clock.now(), FaultStep::Failed { why: e.to_string() });
            }
            Err(e) => {
                let remedy = format!("kill -9 {}", self.stage.pid());
                self.say(fault, self.clock.now(), FaultStep::Stuck { why: e.to_string(), remedy });
            }
        }
    }

    /// What the stage said unasked.
    fn hear(&mut self, report: Report) {
        match report {
            Report::Touched { fault, at } => self.say(fault, at, FaultStep::Touched),
            // A time to live that runs out as we clear is reported twice; one end is enough.
            Report::Cleared { fault, at, eligible, injected }
                if self.effective.get_mut(fault).is_some_and(std::mem::take) =>
            {
                self.say(fault, at, FaultStep::Cleared { eligible, injected });
            }
            Report::Health(health) => self.tell(Event::Stage(health)),
            Report::Calls { at, upstreams } => self.tell(Event::Calls { at, upstreams }),
            Report::Failed { fault: Some(fault), why } => self.say(fault, self.clock.now(), FaultStep::Failed { why }),
            Report::Failed { fault: None, why } => self.tell(Event::Note { at: self.clock.now(), text: why }),
            _ => {} // answers to what is no longer waited for
        }
    }

    fn say(&self, fault: usize, at: Offset, step: FaultStep) {
        if let Some(fault) = self.faults.get(fault) {
            self.tell(Event::Fault { at, fault: fault.name.clone(), step });
        }
    }

    /// Whoever records may be gone; the faults must end all the same.
    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
