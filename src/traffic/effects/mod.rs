//! Effects: what the system under test does because of something that we sent, seen from outside. Each source watches on
//! a thread of its own and delivers what it sees, timed on our clock; a [`Ledger`](ledger::Ledger) holds it against what was sent.

pub mod kafka;
pub mod ledger;
pub mod nats;
pub mod poll;
pub mod reading;
pub mod webhook;

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::watch;

pub use reading::Reader;

use crate::base::kafka::Cluster;
use crate::base::net::Address;
use crate::base::time::{Clock, Offset};
use crate::scenario::{Seen, Target};

/// Something that the system did because of something that we sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// When we saw it, on our clock.
    pub at: Offset,
    /// The id of what we sent, as the effect gives it.
    pub id: Box<str>,
    /// Which pipeline took effect, if it says so.
    pub pipeline: Option<Box<str>>,
    /// The state that it came to, if it says so.
    pub state: Option<Box<str>>,
    /// Its number in the order of its key, if it says so.
    pub sequence: Option<i64>,
    /// For what stands in a list that is read again and again: the how many-th of its id and pipeline in it, from 1.
    /// Nothing for what comes once, such as a message.
    pub listed: Option<u32>,
}

/// What a source tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An effect.
    Effect(Effect),
    /// Something came that says of no id; what it looks like.
    Unreadable(String),
    /// Somebody who came to tell was turned away: too many came at once.
    Refused,
    /// The source has trouble, such as brokers that do not answer: effects may be seen late.
    Trouble(String),
    /// Effects may have been missed for good.
    Missed(String),
}

/// Takes what sources tell; called on their threads, in order. It must not block for long.
pub type Deliver = Arc<dyn Fn(Told) + Send + Sync>;

/// What sources need of a run.
pub struct World<'a> {
    /// Kafka clusters.
    pub clusters: &'a [Cluster],
    /// The services of the target by name, each with its addresses.
    pub services: &'a [(String, Vec<Address>)],
    /// The target.
    pub target: &'a Target,
    /// The value of a secret.
    pub secrets: &'a dyn Fn(&str) -> Option<String>,
}

/// A source that is open: from now on nothing is missed, and nothing is delivered yet.
pub enum Opened {
    /// A topic.
    Kafka(Box<kafka::Watched>),
    /// A subject.
    Nats(Box<nats::Watched>),
    /// A place to which effects are posted.
    Webhook(webhook::Bound),
    /// A reply.
    Poll(Box<poll::Watched>),
    /// A counter, which is read from the evidence when all is over.
    Metric,
}

impl Opened {
    /// Opens it; may block for seconds. Where effects must name states, what names none is unreadable. The error says what
    /// stands in the way.
    pub fn open(seen: &Seen, must_name_state: bool, world: &World<'_>) -> Result<Opened, String> {
        let reader = |reading| match Reader::new(reading) {
            reader if must_name_state => reader.with_state(),
            reader => reader,
        };
        match seen {
            Seen::Kafka { on, topic, reading } => {
                let found = world.clusters.iter().find(|cluster| cluster.name == *on);
                let cluster = found.ok_or_else(|| format!("there is no Kafka cluster `{on}`"))?;
                Ok(Opened::Kafka(Box::new(kafka::Watched::open(cluster, topic, reader(reading))?)))
            }
            Seen::Nats { server, subject, reading } => {
                let watched = nats::Watched::open(server.server(world.secrets), subject, reader(reading))?;
                Ok(Opened::Nats(Box::new(watched)))
            }
            Seen::Webhook(webhook) => Ok(Opened::Webhook(webhook::Bound::open(webhook, reader(&webhook.reading))?)),
            Seen::Poll(poll) => Ok(Opened::Poll(Box::new(poll::Watched::open(poll, world)?))),
            Seen::Metric(_) => Ok(Opened::Metric),
        }
    }

    /// Begins to deliver, what came since it was opened first.
    pub fn watch(self, clock: Clock, deliver: Deliver) -> io::Result<Source> {
        match self {
            Opened::Kafka(watched) => Source::spawn(move |stop| watched.watch(clock, &deliver, &stop)),
            Opened::Nats(watched) => Source::spawn(move |stop| watched.watch(clock, &deliver, &stop)),
            Opened::Webhook(bound) => Source::spawn(move |stop| bound.watch(clock, &deliver, &stop)),
            Opened::Poll(watched) => Source::spawn(move |stop| watched.watch(clock, &deliver, &stop)),
            Opened::Metric => Ok(Source { stop: watch::channel(false).0, thread: None }),
        }
    }
}

/// A source that delivers until it is dropped.
pub struct Source {
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Source {
    /// On a thread of its own, which ends soon after `stop` turns true.
    fn spawn(watch: impl FnOnce(watch::Receiver<bool>) + Send + 'static) -> io::Result<Source> {
        let (stop, stopping) = watch::channel(false);
        let thread = thread::Builder::new().name("effects".into()).spawn(move || watch(stopping))?;
        Ok(Source { stop, thread: Some(thread) })
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
