//! Takes signals up when they are due, and hands them over to the producer as soon as it has room.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use super::Note;
use super::message::{Message, Writer};
use super::producer::Carried;
use super::way::Carrier;
use crate::base::time::Offset;
use crate::base::trace::Shot as ShotId;
use crate::base::units;
use crate::evidence::health::WorkerHealth;
use crate::evidence::recorder::{Batch, second_of};
use crate::evidence::reply::{Outcome, Why};
use crate::plan::Shot;
use crate::scenario::Signal;
use crate::traffic::drive::Setup;
use crate::traffic::effects::ledger::{Sent, hash};
use crate::traffic::health::HealthMeter;
use crate::traffic::pacer::{Pace, Pacer};
use crate::traffic::resolve;

/// How often a batch is reported.
const REPORT: Duration = Duration::from_millis(100);
/// The word to stop is heeded within this time.
const HEED: Duration = Duration::from_millis(50);
/// A full producer is asked for room this often.
const AGAIN: Duration = Duration::from_millis(1);

/// Sends the signals of one traffic.
pub struct Sender<'s> {
    setup: &'s Setup,
    traffic: usize,
    index: u16,
    signal: &'s Signal,
    carrier: &'s Carrier,
    clerk: mpsc::Sender<Note>,
    writer: Writer<'s>,
    pacer: Pacer,
    meter: HealthMeter,
    batch: Batch,
    through: Offset,
    reported: Offset,
    waiting: VecDeque<Shot>,
}

impl<'s> Sender<'s> {
    /// One on the thread that makes it; needs a runtime.
    pub fn new(
        setup: &'s Arc<Setup>,
        traffic: usize,
        index: usize,
        signal: &'s Signal,
        carrier: &'s Carrier,
        clerk: mpsc::Sender<Note>,
    ) -> io::Result<Sender<'s>> {
        let values = setup.plan.traffic[traffic].values().ok_or_else(|| io::Error::other("signals without a plan"))?;
        let secret = |name: &str| setup.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let now = setup.clock.now();
        Ok(Sender {
            setup,
            traffic,
            index: index as u16,
            signal,
            carrier,
            clerk,
            writer: Writer::new(signal, values, resolve(&signal.how.headers, &secret)),
            pacer: Pacer::new(setup.clock, Pace::of(setup))?,
            meter: HealthMeter::new(index as u16, now),
            batch: Batch::default(),
            through: Offset::ZERO,
            reported: now,
            waiting: VecDeque::new(),
        })
    }

    /// Sends until every signal was taken up and handed over, or somebody stops it.
    pub async fn send(mut self) -> io::Result<()> {
        let mut stopped = false;
        'shots: for shot in self.setup.plan.traffic[self.traffic].shots() {
            self.through = shot.due;
            while self.setup.clock.now() < shot.due {
                stopped = self.rest(shot.due).await?;
                if stopped {
                    break 'shots;
                }
            }
            let now = self.setup.clock.now();
            self.meter.woke(shot.due, now);
            self.take(shot, now);
            if now.since(self.reported) >= REPORT {
                self.hand_over(now);
                self.report(now);
                stopped = *self.setup.stop.borrow();
                if stopped {
                    break;
                }
            }
        }
        self.through = if stopped { self.setup.clock.now() } else { Offset::MAX };
        while !self.waiting.is_empty() && !stopped {
            stopped = self.rest(Offset::MAX).await?;
        }
        let now = self.setup.clock.now();
        for shot in std::mem::take(&mut self.waiting) {
            self.refuse(shot.seq, now, Outcome::Unfinished, "waiting for the producer when the run ended".into());
        }
        self.tell(Note::Over { stopped });
        let health = self.meter.last(now);
        self.send_batch(now, health);
        Ok(())
    }

    /// Waits for an instant, a little at a time, and does what is to be done meanwhile; whether to stop.
    async fn rest(&mut self, until: Offset) -> io::Result<bool> {
        let now = self.setup.clock.now();
        let until = until.min(now + if self.waiting.is_empty() { HEED } else { AGAIN });
        let spun = self.pacer.wait(until).await?;
        self.meter.spun(spun);
        let now = self.setup.clock.now();
        self.hand_over(now);
        if now.since(self.reported) >= REPORT {
            self.report(now);
        }
        Ok(*self.setup.stop.borrow())
    }

    fn take(&mut self, shot: Shot, now: Offset) {
        let second = second_of(shot.due);
        match self.batch.taken.iter_mut().find(|(_, s, _)| *s == second) {
            Some((_, _, count)) => *count += 1,
            None => self.batch.taken.push((self.traffic as u16, second, 1)),
        }
        let message = self.write(&shot, now);
        let key = message.key.as_ref().map_or(0, |key| hash(key));
        let behind = !self.waiting.is_empty() || self.carrier.is_full();
        let handed = if behind { Offset::MAX } else { now };
        // Told before it goes out: no effect can come first.
        self.tell(Note::Taken(Sent { due: shot.due, ready: now, handed, key }));
        if behind || !self.carry(&shot, &message, now) {
            self.waiting.push_back(shot);
        }
    }

    /// Hands over what waits, as far as there is room, and gives up what has waited too long.
    fn hand_over(&mut self, now: Offset) {
        while let Some(shot) = self.waiting.front().copied() {
            if shot.due + self.signal.how.timeout <= now {
                let why = format!("the producer had no room for {}", units::duration(self.signal.how.timeout));
                self.refuse(shot.seq, now, Outcome::NotSent(Why::Backlog), why);
            } else {
                if self.carrier.is_full() {
                    break;
                }
                let message = self.write(&shot, now);
                self.tell(Note::Handed { seq: shot.seq, at: now });
                if !self.carry(&shot, &message, now) {
                    break;
                }
            }
            self.waiting.pop_front();
        }
    }

    /// Whether it need not be tried again.
    fn carry(&mut self, shot: &Shot, message: &Message, now: Offset) -> bool {
        match self.carrier.carry(shot.seq, message, now) {
            Carried::Handed => self.setup.counters.sent(self.traffic),
            Carried::Full => {
                self.tell(Note::Held { seq: shot.seq });
                return false;
            }
            Carried::Refused(outcome, why) => self.refuse(shot.seq, now, outcome, why),
        }
        true
    }

    fn write(&mut self, shot: &Shot, now: Offset) -> Message {
        let trace = self.setup.tracer.id(ShotId { traffic: self.traffic as u16, seq: shot.seq });
        self.writer.write(shot.seq, trace, self.setup.clock.wall_nanos(now) / 1_000_000)
    }

    fn refuse(&self, seq: u64, at: Offset, outcome: Outcome, why: String) {
        self.tell(Note::Refused { seq, at, outcome, why });
    }

    fn tell(&self, note: Note) {
        let _ = self.clerk.send(note); // a clerk who panicked is noticed when the threads are joined
    }

    fn report(&mut self, now: Offset) {
        self.reported = now;
        self.meter.depth(self.waiting.len() as u64, 0, 0);
        let health = self.meter.sample(now);
        self.send_batch(now, health);
    }

    fn send_batch(&mut self, now: Offset, health: Option<WorkerHealth>) {
        let mut batch = std::mem::take(&mut self.batch);
        let through = if self.through == Offset::MAX { Offset::MAX } else { self.through.min(now) };
        (batch.worker, batch.at, batch.through) = (self.index, now, through);
        batch.health.extend(health);
        let _ = self.setup.reports.send(batch); // nobody records any more when the run is over
    }
}
