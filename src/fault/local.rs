//! Faults that the run applies itself, on processes and by hooks: each stands by itself from its beginning to its end, so
//! that one that takes its time holds up no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::deed::Deed;
use super::guard::{Guard, Guards, Over};
use super::victim::Victim;
use crate::base::time::{Clock, Offset};
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::undo::Undo;
use crate::scenario::{Fault, Inject, Lead, On, Process, Scenario, Toxic, Toxiproxy};
use crate::stage::protocol::toxic_of;

/// The faults of a scenario that the run applies itself.
#[derive(Default)]
pub struct Locals {
    faults: Vec<Option<Arc<Local>>>, // by position in the scenario
    afar: HashMap<usize, Afar>,
}

/// A fault that the stage applies to what somebody else's server holds: it outlives the stage, and so must how to undo it.
struct Afar {
    name: String,
    ttl: Duration,
    undo: Undo,
    guards: Arc<Guards>,
}

/// One of them.
struct Local {
    name: String,
    ttl: Duration,
    deed: Deed,
    guards: Arc<Guards>,
    turn: Mutex<u32>, // one time after the other; how many there were
}

impl Locals {
    /// Finds what they act on. `ours` finds a process that the run started. The error says what is not there.
    pub fn new(
        scenario: &Scenario,
        guards: &Arc<Guards>,
        ours: impl Fn(&Process) -> Option<Victim>,
    ) -> Result<Locals, String> {
        let local = |fault: &Fault| -> Result<Option<Arc<Local>>, String> {
            let Fault { name, ttl, .. } = fault;
            let deed = Deed::of(fault, scenario, &ours).map_err(|why| format!("fault `{name}`: {why}"))?;
            let (name, ttl, guards) = (name.clone(), *ttl, guards.clone());
            Ok(deed.map(|deed| Arc::new(Local { name, ttl, deed, guards, turn: Mutex::new(0) })))
        };
        let afar = |(position, fault): (usize, &Fault)| {
            let On::Link(link) = fault.on else { return None };
            let Lead::Toxiproxy(toxiproxy) = &scenario.links[link].to else { return None };
            let Toxiproxy { server, proxy } = toxiproxy.clone();
            let is_down = matches!(fault.inject, Inject::Link(Toxic::Down, _));
            let undo = Undo::Toxiproxy { server, proxy, toxic: (!is_down).then(|| toxic_of(&fault.name)) };
            Some((position, Afar { name: fault.name.clone(), ttl: fault.ttl, undo, guards: guards.clone() }))
        };
        Ok(Locals {
            faults: scenario.faults.iter().map(local).collect::<Result<_, _>>()?,
            afar: scenario.faults.iter().enumerate().filter_map(afar).collect(),
        })
    }

    /// Makes sure that a fault which the stage is about to apply on somebody else's server will be undone; nothing where
    /// it dies with the stage. The error says why it must not be applied.
    pub async fn guard(&self, fault: usize) -> Result<Option<Guard>, String> {
        match self.afar.get(&fault) {
            Some(Afar { name, ttl, undo, guards }) => guards.raise(name, undo.clone(), Some(*ttl)).await.map(Some),
            None => Ok(None),
        }
    }

    /// A single fault.
    #[cfg(test)]
    pub(super) fn of_one(name: &str, ttl: Duration, deed: Deed, guards: &Arc<Guards>) -> Locals {
        let local = Local { name: name.into(), ttl, deed, guards: guards.clone(), turn: Mutex::new(0) };
        Locals { faults: vec![Some(Arc::new(local))], afar: HashMap::new() }
    }

    /// A single fault that the stage applies on somebody else's server.
    #[cfg(test)]
    pub(super) fn afar(name: &str, ttl: Duration, undo: Undo, guards: &Arc<Guards>) -> Locals {
        let afar = Afar { name: name.into(), ttl, undo, guards: guards.clone() };
        Locals { faults: Vec::new(), afar: HashMap::from([(0, afar)]) }
    }

    /// Sees, before the load, that each could be applied. The error says what is missing, of all of them.
    pub async fn ready(&self) -> Result<(), String> {
        let mut missing = Vec::new();
        for local in self.faults.iter().flatten() {
            if let Err(why) = local.deed.undo(local.guards.mark(&local.name)).await {
                missing.push(format!("fault `{}` cannot be applied: {why}", local.name));
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
    }

    /// Lets them begin and end from now on.
    pub fn begin(&self, clock: Clock, events: &mpsc::UnboundedSender<Event>) -> Standing<'_> {
        Standing { locals: self, clock, events: events.clone(), tasks: JoinSet::new(), ends: HashMap::new() }
    }

    /// Whether a fault is one of them.
    pub fn has(&self, fault: usize) -> bool {
        self.faults.get(fault).is_some_and(Option::is_some)
    }
}

/// Those that are on their way. Dropping it leaves what is applied to the stage, which undoes it when the lease breaks.
pub struct Standing<'l> {
    locals: &'l Locals,
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    tasks: JoinSet<Fate>,
    ends: HashMap<usize, watch::Sender<bool>>,
}

/// How it went on meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It began and ended.
    Over,
    /// The stage is gone, without which nothing may be broken: it was undone here.
    Lost,
}

impl Standing<'_> {
    /// Lets a fault begin.
    pub fn apply(&mut self, fault: usize) {
        let Some(Some(local)) = self.locals.faults.get(fault) else { return };
        let (end, told) = watch::channel(false);
        self.ends.insert(fault, end);
        self.tasks.spawn(local.clone().stand(self.clock, self.events.clone(), told));
    }

    /// Lets a fault end; it says when it has.
    pub fn clear(&mut self, fault: usize) {
        // A watch that is dropped tells as well as one that turns true.
        self.ends.remove(&fault);
    }

    /// Waits until one of them is over; for ever while there is none.
    pub async fn next(&mut self) -> Fate {
        match self.tasks.join_next().await {
            Some(ended) => fate(ended),
            None => std::future::pending().await,
        }
    }

    /// Lets all end, and waits until they have.
    pub async fn clear_all(&mut self) {
        self.ends.clear();
        while let Some(ended) = self.tasks.join_next().await {
            fate(ended);
        }
    }
}

/// A panic goes on here: it takes the lease with it, and the stage undoes what is applied.
fn fate(ended: Result<Fate, JoinError>) -> Fate {
    ended.unwrap_or_else(|why| match why.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Fate::Over,
    })
}

impl Local {
    /// Once from its beginning to its end, which comes when `end` turns true or its sender is gone.
    async fn stand(
        self: Arc<Self>,
        clock: Clock,
        events: mpsc::UnboundedSender<Event>,
        mut end: watch::Receiver<bool>,
    ) -> Fate {
        let say = |at: Offset, step: FaultStep| {
            // Whoever records may be gone; it must end all the same.
            let _ = events.send(Event::Fault { at, fault: self.name.clone(), step });
        };
        let mut turn = self.turn.lock().await;
        *turn += 1;
        let mut guard = match self.raise(*turn).await {
            Ok(guard) => guard,
            Err(why) => {
                say(clock.now(), FaultStep::Failed { why });
                return Fate::Over;
            }
        };
        // From here on shots may feel it, however long it takes to see that they do.
        let from = clock.now();
        let applied = tokio::select! {
            biased;
            applied = self.deed.apply() => applied,
            () = told(&mut end) => Err("it was to end before it had its effect".to_owned()),
        };
        let mut over = None;
        if applied.is_ok() {
            say(from, FaultStep::Applied);
            tokio::select! {
                () = told(&mut end) => {}
                ended = over_of(&mut guard) => over = Some(ended),
            }
        }
        let remedy = guard.as_ref().map(Guard::remedy);
        let mut undone = match (&over, guard) {
            (Some(Over::Expired(done)), _) => done.clone(),
            (_, Some(guard)) => guard.undo().await,
            (_, None) => Ok(()),
        };
        let mut failed = applied.err();
        if let (Ok(()), Err(why)) = (&undone, self.deed.revive().await) {
            match &remedy {
                Some(_) => undone = Err(why),
                // It was ours alone: nothing is left broken when we are gone.
                None => failed = Some(why),
            }
        }
        match (undone, failed) {
            (Err(why), _) => say(clock.now(), FaultStep::Stuck { why, remedy: remedy.unwrap_or_default() }),
            (Ok(()), Some(why)) => say(clock.now(), FaultStep::Failed { why }),
            // What it touched the judge sees: every shot that was due or under way.
            (Ok(()), None) => say(clock.now(), FaultStep::Cleared { eligible: 0, injected: 0 }),
        }
        if over == Some(Over::Lost) { Fate::Lost } else { Fate::Over }
    }

    /// Makes sure that it will be undone; no guard where it ends with the run.
    async fn raise(&self, turn: u32) -> Result<Option<Guard>, String> {
        let mark = self.guards.mark(&format!("{}.{turn}", self.name));
        match self.deed.undo(mark).await? {
            Some(undo) => self.guards.raise(&self.name, undo, Some(self.ttl)).await.map(Some),
            None => Ok(None),
        }
    }
}

async fn over_of(guard: &mut Option<Guard>) -> Over {
    match guard {
        Some(guard) => guard.over().await,
        None => std::future::pending().await,
    }
}

/// Done when `end` turns true or its sender is gone.
async fn told(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|end| *end).await;
}
