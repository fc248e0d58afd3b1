//! Signals: messages that are due, sent to a topic or a subject, and followed to their effects. Each traffic has a thread that
//! sends, threads of the library that carry, a source that watches, and a clerk who keeps the ledger.

mod clerk;
mod message;
mod nats;
mod producer;
mod sender;
mod way;

use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};

use super::drive::{PRECEDENCE, Setup};
use super::effects;
use super::effects::ledger::Sent;
use crate::base::time::Offset;
use crate::evidence::reply::Outcome;
use crate::scenario::{Scenario, Seen};
use clerk::Clerk;
use sender::Sender;
use way::Carrier;

/// What a clerk is told, in the order in which it happens.
enum Note {
    /// The next signal was taken up.
    Taken(Sent),
    /// One was handed over to the producer after all.
    Handed { seq: u64, at: Offset },
    /// One was not: its queue is full.
    Held { seq: u64 },
    /// A broker has it.
    Acked { seq: u64, at: Offset },
    /// None has it, or none says so.
    Refused { seq: u64, at: Offset, outcome: Outcome, why: String },
    /// What a source of effects tells.
    Told(effects::Told),
    /// Nothing more is taken up; whether that is sooner than planned.
    Over { stopped: bool },
}

/// The signals of one traffic, ready to go: its topic is there, and its effects are watched from now on.
pub struct Opened {
    traffic: usize,
    carrier: Carrier,
    effects: effects::Opened,
    notes: mpsc::Receiver<Note>,
    clerk: mpsc::Sender<Note>,
}

/// Opens all signals of a scenario; may block for seconds. The error says what stands in the way.
pub fn open(scenario: &Scenario, world: &effects::World<'_>) -> Result<Vec<Opened>, String> {
    let one = |(traffic, name, signal): (usize, &str, &crate::scenario::Signal)| {
        let (clerk, notes) = mpsc::channel();
        let told = |why: String| format!("`{name}`: {why}");
        let carrier = Carrier::open(&signal.how, world, clerk.clone()).map_err(told)?;
        let effects =
            effects::Opened::open(&signal.effects.seen, false, world).map_err(|why| told(format!("effects: {why}")))?;
        Ok(Opened { traffic, carrier, effects, notes, clerk })
    };
    let signals = scenario.traffic.iter().enumerate();
    signals.filter_map(|(i, traffic)| traffic.kind.signal().map(|s| (i, traffic.name.as_str(), s))).map(one).collect()
}

impl Opened {
    /// Starts to send, as worker `index`. The thread ends when every signal is over, and stopped ones a while after.
    pub fn spawn(self, setup: &Arc<Setup>, index: usize) -> io::Result<JoinHandle<io::Result<()>>> {
        let (setup, traffic) = (setup.clone(), self.traffic);
        let name = format!("signals-{}", setup.scenario.traffic[traffic].name);
        thread::Builder::new().name(name).spawn(move || {
            let _ = rustix::process::setpriority_process(None, PRECEDENCE);
            self.run(&setup, index)
        })
    }

    fn run(self, setup: &Arc<Setup>, index: usize) -> io::Result<()> {
        let Opened { traffic, carrier, effects, notes, clerk } = self;
        carrier.tell_time(setup.clock);
        let named = setup.scenario.traffic[traffic].kind.signal();
        let signal = named.ok_or_else(|| io::Error::other("no signals"))?;
        let by_id = !matches!(signal.effects.seen, Seen::Metric(_));
        let keeper = Clerk::new(setup, traffic, index, signal, by_id, carrier.trouble());
        let keeping = thread::Builder::new().name("ledger".into()).spawn(move || keeper.keep(&notes))?;
        let to_clerk = clerk.clone();
        let source = effects.watch(setup.clock, Arc::new(move |told| _ = to_clerk.send(Note::Told(told))))?;
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        let to_clerk = clerk.clone();
        let sent = runtime.block_on(async {
            let sender = Sender::new(setup, traffic, index, signal, &carrier, clerk)?;
            sender.send().await
        });
        if sent.is_err() {
            // Whoever keeps the ledger must not wait for what will never be sent.
            let _ = to_clerk.send(Note::Over { stopped: true });
        }
        let kept = keeping.join().map_err(|_| io::Error::other("the clerk of a ledger panicked"));
        drop((source, carrier));
        sent.and(kept)
    }
}
