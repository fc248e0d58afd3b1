//! Publishes to NATS: a thread that writes, and one that hears what a stream of JetStream has. What is not acknowledged when
//! a connection breaks is published again on the next one, with the id that it had: a stream that has it already says so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use super::Note;
use super::message::Message;
use super::producer::{Carried, silence};
use crate::base::kafka::{Quiet, Trouble};
use crate::base::nats::{Line, Server, Speaker, publish};
use crate::base::time::{Clock, Offset, monotonic};
use crate::evidence::reply::Outcome;
use crate::scenario::Acks;

/// So many messages wait to be written, or for their acknowledgement.
const QUEUE: usize = 100_000;
/// Deadlines are looked at, and the word to stop is heeded, within this time.
const LOOK: Duration = Duration::from_millis(20);
/// A server that is away is tried again this often.
const AGAIN: Duration = Duration::from_millis(200);
/// A stream that there should be is asked for this long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Publishes signals.
pub struct Publisher {
    shared: Arc<Shared>,
    out: mpsc::Sender<(u64, Vec<u8>, Offset)>,
    waiting: Mutex<Option<Writing>>, // until the clock is known
    threads: Mutex<Vec<JoinHandle<()>>>,
    max_payload: usize,
    timeout: Duration,
    acks: Acks,
}

/// What the two threads have in common.
struct Shared {
    server: Server,
    inbox: String,
    pending: Mutex<BTreeMap<u64, (Vec<u8>, Offset)>>, // what is not over: as written, and until when
    in_flight: AtomicUsize,
    broken: AtomicBool,
    stop: AtomicBool,
    quiet: Arc<Quiet>,
    clerk: mpsc::Sender<Note>,
}

/// What the thread that writes begins with.
struct Writing {
    line: Line,
    out: mpsc::Receiver<(u64, Vec<u8>, Offset)>,
}

impl Publisher {
    /// Connects, and asks for the stream of a subject that is the same for all. The error says what is missing.
    pub fn open(
        server: Server,
        subject: Option<&str>,
        acks: Acks,
        timeout: Duration,
        clerk: mpsc::Sender<Note>,
    ) -> Result<Publisher, String> {
        let mut line = Line::open(&server)?;
        let inbox = format!("_INBOX.proofload-{}-{}", std::process::id(), monotonic());
        line.subscribe(&format!("{inbox}.*"))?;
        if acks != Acks::None {
            if !line.jetstream {
                return Err(format!("{}: it has no JetStream, and nothing else acknowledges: `acks: 0`", server.place));
            }
            if let Some(subject) = subject {
                has_stream(&mut line, &inbox, subject)?;
            }
        }
        let (out, written) = mpsc::channel();
        let shared = Shared {
            server,
            inbox,
            pending: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            quiet: Arc::default(),
            clerk,
        };
        Ok(Publisher {
            shared: Arc::new(shared),
            out,
            max_payload: line.max_payload,
            waiting: Mutex::new(Some(Writing { line, out: written })),
            threads: Mutex::default(),
            timeout,
            acks,
        })
    }

    /// From now on what is carried goes out, and acknowledgements are timed.
    pub fn tell_time(&self, clock: Clock) {
        let Some(writing) = lock(&self.waiting).take() else { return };
        let (shared, acks, timeout) = (self.shared.clone(), self.acks, self.timeout);
        let (lines, heard) = mpsc::channel();
        let hearing = shared.clone();
        let threads = [
            thread::Builder::new()
                .name("nats-out".into())
                .spawn(move || shared.write(writing, &lines, acks, timeout, clock)),
            thread::Builder::new().name("nats-in".into()).spawn(move || hearing.hear(&heard, clock)),
        ];
        lock(&self.threads).extend(threads.into_iter().flatten());
    }

    /// Who knows what troubles it.
    pub fn trouble(&self) -> Arc<Quiet> {
        self.shared.quiet.clone()
    }

    /// Whether there is no room for another message.
    pub fn is_full(&self) -> bool {
        self.shared.in_flight.load(Ordering::Relaxed) >= QUEUE
    }

    /// Takes a message to be published.
    pub fn carry(&self, seq: u64, message: &Message, now: Offset) -> Carried {
        if self.is_full() {
            return Carried::Full;
        }
        let reply = format!("{}.{seq}", self.shared.inbox);
        let reply = (self.acks != Acks::None).then_some(reply.as_str());
        let written = publish(&message.to, reply, &message.headers, &message.body);
        match written {
            Err(why) => Carried::Refused(Outcome::Rejected, why),
            Ok(bytes) if bytes.len() > self.max_payload => {
                let why =
                    format!("message too large: about {} bytes, the server takes {}", bytes.len(), self.max_payload);
                Carried::Refused(Outcome::Rejected, why)
            }
            Ok(bytes) => {
                self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
                match self.out.send((seq, bytes, now + self.timeout)) {
                    Ok(()) => Carried::Handed,
                    Err(_) => Carried::Refused(Outcome::Unfinished, "nobody publishes any more".into()),
                }
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Writes what is to be published, connects again where the connection broke, and gives up what takes too long.
    fn write(&self, writing: Writing, lines: &mpsc::Sender<Line>, acks: Acks, timeout: Duration, clock: Clock) {
        let Writing { line, out } = writing;
        let mut speaker = Some(line.speaker());
        let _ = lines.send(line);
        let mut tried = clock.now();
        while !self.stop.load(Ordering::Relaxed) {
            let first = out.recv_timeout(LOOK);
            let new: Vec<_> = first.into_iter().chain(out.try_iter().take(500)).collect();
            let mut bytes = Vec::new();
            {
                let mut pending = lock(&self.pending);
                for (seq, message, until) in &new {
                    bytes.extend_from_slice(message);
                    pending.insert(*seq, (message.clone(), *until));
                }
            }
            if self.broken.swap(false, Ordering::Relaxed)
                && let Some(open) = speaker.take()
            {
                open.hang_up();
            }
            let now = clock.now();
            speaker = match speaker {
                Some(open) => self.say(open, &bytes, new.iter().map(|(seq, ..)| *seq), acks, clock),
                None if now.since(tried) < AGAIN => None,
                None => {
                    tried = now;
                    self.connect(lines).and_then(|open| {
                        let pending = lock(&self.pending);
                        let (seqs, bytes): (Vec<u64>, Vec<&[u8]>) =
                            pending.iter().map(|(seq, (bytes, _))| (*seq, bytes.as_slice())).unzip();
                        let bytes = bytes.concat();
                        drop(pending);
                        self.say(open, &bytes, seqs.into_iter(), acks, clock)
                    })
                }
            };
            self.expire(timeout, clock.now());
        }
        if let Some(open) = speaker {
            open.hang_up();
        }
    }

    /// Says something: whoever can go on saying.
    fn say(
        &self,
        open: Speaker,
        bytes: &[u8],
        seqs: impl Iterator<Item = u64>,
        acks: Acks,
        clock: Clock,
    ) -> Option<Speaker> {
        if let Err(why) = open.say(bytes) {
            self.lost(&why.to_string());
            open.hang_up();
            return None;
        }
        if acks == Acks::None {
            let at = clock.now();
            seqs.for_each(|seq| self.over(seq, |seq| Note::Acked { seq, at }));
        }
        Some(open)
    }

    fn connect(&self, lines: &mpsc::Sender<Line>) -> Option<Speaker> {
        let opened = Line::open(&self.server).and_then(|mut line| {
            line.subscribe(&format!("{}.*", self.inbox))?;
            Ok(line)
        });
        match opened {
            Ok(line) => {
                self.quiet.is_well();
                self.broken.store(false, Ordering::Relaxed);
                let speaker = line.speaker();
                let _ = lines.send(line);
                Some(speaker)
            }
            Err(why) => {
                self.lost(&why);
                None
            }
        }
    }

    fn lost(&self, why: &str) {
        self.quiet.troubled(Trouble { unreachable: true, why: why.to_owned() });
    }

    /// Hears acknowledgements on one connection after the other.
    fn hear(&self, lines: &mpsc::Receiver<Line>, clock: Clock) {
        while let Ok(mut line) = lines.recv() {
            loop {
                match line.next(LOOK) {
                    Ok(None) if self.stop.load(Ordering::Relaxed) => return,
                    Ok(None) => {}
                    Ok(Some(message)) => {
                        let seq = message.subject.rsplit('.').next().and_then(|seq| seq.parse().ok());
                        let Some(seq) = seq else { continue };
                        let at = clock.now();
                        match acknowledged(message.status, &message.body) {
                            Ok(()) => self.over(seq, |seq| Note::Acked { seq, at }),
                            Err(why) => {
                                self.over(seq, |seq| Note::Refused { seq, at, outcome: Outcome::Rejected, why });
                            }
                        }
                    }
                    Err(why) => {
                        self.lost(&format!("{}: {why}", self.server.place));
                        self.broken.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
    }

    /// A message is over, unless it was before.
    fn over(&self, seq: u64, note: impl FnOnce(u64) -> Note) {
        if lock(&self.pending).remove(&seq).is_some() {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            let _ = self.clerk.send(note(seq)); // nobody keeps a ledger any more when the run is over
        }
    }

    /// Gives up what was not acknowledged in time. All have the same time, so the first is the oldest.
    fn expire(&self, timeout: Duration, now: Offset) {
        loop {
            let first = lock(&self.pending).first_key_value().map(|(seq, (_, until))| (*seq, *until));
            let Some((seq, _)) = first.filter(|(_, until)| *until <= now) else { break };
            let (outcome, why) = silence(self.quiet.trouble().as_ref(), timeout);
            self.over(seq, |seq| Note::Refused { seq, at: now, outcome, why });
        }
    }
}

/// Whether a stream has a message, by what it answers; else why not.
fn acknowledged(status: Option<u16>, body: &[u8]) -> Result<(), String> {
    if let Some(status) = status {
        return Err(if status == 503 { "no stream takes its subject".into() } else { format!("status {status}") });
    }
    let said: Value = serde_json::from_slice(body).map_err(|_| "an answer that is no acknowledgement".to_owned())?;
    match said["error"]["description"].as_str() {
        Some(why) => Err(why.to_owned()),
        None if said["seq"].is_u64() => Ok(()),
        None => Err("an answer that is no acknowledgement".into()),
    }
}

/// Whether there is a stream that takes a subject.
fn has_stream(line: &mut Line, inbox: &str, subject: &str) -> Result<(), String> {
    let body = json!({ "subject": subject }).to_string();
    let asked = publish("$JS.API.STREAM.NAMES", Some(&format!("{inbox}.streams")), &[], body.as_bytes())?;
    line.speaker().say(&asked).map_err(|why| why.to_string())?;
    let from = monotonic();
    while Duration::from_nanos(monotonic() - from) < PATIENCE {
        if let Some(message) = line.next(PATIENCE)? {
            let said: Value = serde_json::from_slice(&message.body).unwrap_or_default();
            return match said["streams"].as_array() {
                Some(streams) if !streams.is_empty() => Ok(()),
                _ if message.status == Some(503) => {
                    Err("JetStream does not answer: is it enabled for this account?".into())
                }
                _ => Err(format!("there is no stream that takes `{subject}`")),
            };
        }
    }
    Err("JetStream does not answer".into())
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_answers_is_an_acknowledgement_or_says_why_not() {
        assert_eq!(acknowledged(None, br#"{"stream":"S","seq":7}"#), Ok(()));
        assert_eq!(acknowledged(None, br#"{"stream":"S","seq":7,"duplicate":true}"#), Ok(()), "it is there once");
        let full = br#"{"error":{"code":503,"description":"maximum messages exceeded"},"stream":"S","seq":0}"#;
        assert_eq!(acknowledged(None, full), Err("maximum messages exceeded".into()));
        assert!(acknowledged(Some(503), b"").is_err_and(|why| why.contains("no stream")));
        assert!(acknowledged(None, b"what?").is_err());
    }
}
