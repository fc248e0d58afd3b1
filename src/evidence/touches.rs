//! `touches.log`, `touches.parts.log` and `touches.stage.log`: while a fault is effective, one fixed-width record of each
//! decision that the stage took, of each shot that was under way, and of each of its parts. Two writers, with files of
//! their own; the judge joins them on the trace id.

mod join;
mod log;

use std::io;
use std::path::Path;

pub use join::{Joined, join};
pub use log::{Log, Tail};

use super::append::Appender;
use super::reply::{Outcome, PartReply, Reply};
use crate::base::time::Offset;
use crate::base::trace::TraceId;

/// A shot whose [due, done] met a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShotTouch {
    /// Who it was.
    pub trace: TraceId,
    /// When it was due.
    pub due: Offset,
    /// done − due, in nanoseconds.
    pub response: u64,
    /// done − sent, in nanoseconds; `None` when nothing was sent.
    pub service: Option<u64>,
    /// The position of the traffic in the scenario.
    pub traffic: u16,
    /// The position of the class, if any.
    pub class: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The name of the file in which shots are.
pub const SHOTS: &str = "touches.log";
/// The name of the file in which decisions of the stage are.
pub const DECISIONS: &str = "touches.stage.log";
/// The name of the file in which parts of shots are.
pub const PARTS: &str = "touches.parts.log";

/// A part of a shot that met a fault between when the shot was due and when the part was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartTouch {
    /// Whose part it was.
    pub trace: TraceId,
    /// When its shot was due.
    pub shot: Offset,
    /// When it was over.
    pub done: Offset,
    /// From when it was due itself until it was over, in nanoseconds.
    pub response: u64,
    /// done − sent, in nanoseconds; `None` when nothing was sent.
    pub service: Option<u64>,
    /// The position of the traffic in the scenario.
    pub traffic: u16,
    /// The position of the part among those of the traffic.
    pub part: u16,
    /// What became of it.
    pub outcome: Outcome,
}

/// What the stage decided about a request while a fault was effective.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The trace it belongs to; all zeros when it carried none.
    pub trace: TraceId,
    /// When.
    pub at: Offset,
    /// The position of the fault in the scenario.
    pub fault: u16,
    /// How many calls of this trace this upstream had seen before; without a trace, the arrival ordinal.
    pub attempt: u32,
    /// Whether the hash chose it, and whether it felt the fault.
    pub effect: Effect,
    /// The `Retry-After` that it was answered with, from then on, in tenths of a second; 0 when it had none.
    pub retry_after: u16,
}

/// What a fault did to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Not chosen by its share.
    Spared,
    /// Chosen, but nothing changed: a rate limit that still had tokens.
    Allowed,
    /// Changed.
    Injected,
}

/// A record that can stand in the file.
pub trait Record: Sized {
    /// Bytes of one record.
    const WIDTH: usize;
    /// Puts it into bytes of that width.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads it back; `None` when it is none.
    fn decode(bytes: &[u8]) -> Option<Self>;
    /// The same, so many nanoseconds later on the axis.
    fn moved(self, by: i64) -> Self;
}

const NONE_16: u16 = u16::MAX;
const NONE_64: u64 = u64::MAX;

impl Record for ShotTouch {
    const WIDTH: usize = 48;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.trace.0);
        out.extend(self.due.nanos().to_le_bytes());
        out.extend(self.response.to_le_bytes());
        out.extend(self.service.unwrap_or(NONE_64).to_le_bytes());
        out.extend(self.traffic.to_le_bytes());
        out.extend(self.class.unwrap_or(NONE_16).to_le_bytes());
        out.extend([self.outcome.code(), 0, 0, 0]);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let class = u16::from_le_bytes(array(bytes, 42)?);
        let service = u64::from_le_bytes(array(bytes, 32)?);
        Some(ShotTouch {
            trace: TraceId(array(bytes, 0)?),
            due: Offset::from_nanos(i64::from_le_bytes(array(bytes, 16)?)),
            response: u64::from_le_bytes(array(bytes, 24)?),
            service: (service != NONE_64).then_some(service),
            traffic: u16::from_le_bytes(array(bytes, 40)?),
            class: (class != NONE_16).then_some(class),
            outcome: *Outcome::ALL.get(usize::from(*bytes.get(44)?))?,
        })
    }

    fn moved(self, by: i64) -> Self {
        ShotTouch { due: Offset::from_nanos(self.due.nanos() + by), ..self }
    }
}

impl Record for PartTouch {
    const WIDTH: usize = 56;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.trace.0);
        out.extend(self.shot.nanos().to_le_bytes());
        out.extend(self.done.nanos().to_le_bytes());
        out.extend(self.response.to_le_bytes());
        out.extend(self.service.unwrap_or(NONE_64).to_le_bytes());
        out.extend(self.traffic.to_le_bytes());
        out.extend(self.part.to_le_bytes());
        out.extend([self.outcome.code(), 0, 0, 0]);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let instant = |at| Some(Offset::from_nanos(i64::from_le_bytes(array(bytes, at)?)));
        let service = u64::from_le_bytes(array(bytes, 40)?);
        Some(PartTouch {
            trace: TraceId(array(bytes, 0)?),
            shot: instant(16)?,
            done: instant(24)?,
            response: u64::from_le_bytes(array(bytes, 32)?),
            service: (service != NONE_64).then_some(service),
            traffic: u16::from_le_bytes(array(bytes, 48)?),
            part: u16::from_le_bytes(array(bytes, 50)?),
            outcome: *Outcome::ALL.get(usize::from(*bytes.get(52)?))?,
        })
    }

    fn moved(self, by: i64) -> Self {
        let moved = |at: Offset| Offset::from_nanos(at.nanos() + by);
        PartTouch { shot: moved(self.shot), done: moved(self.done), ..self }
    }
}

impl Record for Decision {
    const WIDTH: usize = 32;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.trace.0);
        out.extend(self.at.nanos().to_le_bytes());
        out.extend(self.fault.to_le_bytes());
        // 24 bits are more calls than any trace makes; ordinals wrap.
        out.extend(&self.attempt.to_le_bytes()[..3]);
        out.extend([match self.effect {
            Effect::Spared => 0,
            Effect::Allowed => 1,
            Effect::Injected => 2,
        }]);
        out.extend(self.retry_after.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let attempt: [u8; 3] = array(bytes, 26)?;
        Some(Decision {
            trace: TraceId(array(bytes, 0)?),
            at: Offset::from_nanos(i64::from_le_bytes(array(bytes, 16)?)),
            fault: u16::from_le_bytes(array(bytes, 24)?),
            attempt: u32::from_le_bytes([attempt[0], attempt[1], attempt[2], 0]),
            effect: match *bytes.get(29)? {
                0 => Effect::Spared,
                1 => Effect::Allowed,
                2 => Effect::Injected,
                _ => return None,
            },
            retry_after: u16::from_le_bytes(array(bytes, 30)?),
        })
    }

    fn moved(self, by: i64) -> Self {
        Decision { at: Offset::from_nanos(self.at.nanos() + by), ..self }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

impl ShotTouch {
    /// The record of a shot.
    pub fn new(reply: &Reply, trace: TraceId) -> ShotTouch {
        ShotTouch {
            trace,
            due: reply.due,
            response: reply.response().as_nanos() as u64,
            service: reply.service().map(|s| s.as_nanos() as u64),
            traffic: reply.traffic,
            class: reply.class,
            outcome: reply.outcome,
        }
    }

    /// When it was over.
    pub fn done(&self) -> Offset {
        self.due + std::time::Duration::from_nanos(self.response)
    }
}

impl PartTouch {
    /// The record of a part.
    pub fn new(part: &PartReply, trace: TraceId) -> PartTouch {
        PartTouch {
            trace,
            shot: part.shot,
            done: part.reply.done,
            response: part.reply.response().as_nanos() as u64,
            service: part.reply.service().map(|s| s.as_nanos() as u64),
            traffic: part.reply.traffic,
            part: part.part,
            outcome: part.reply.outcome,
        }
    }
}

/// Appends records to a file.
pub struct Writer {
    out: Appender,
}

impl Writer {
    /// Creates the file.
    pub fn create(path: &Path) -> io::Result<Writer> {
        Ok(Writer { out: Appender::create(path)? })
    }

    /// Appends a record.
    pub fn write(&mut self, record: &impl Record) -> io::Result<()> {
        record.encode(self.out.waiting());
        self.out.relieve()
    }

    /// Hands what was written to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a file of records at once; a missing file holds none. The second value says what was torn, if anything.
pub fn read<R: Record + Clone>(path: &Path) -> io::Result<(Vec<R>, Option<String>)> {
    let (log, torn) = Log::open(path, 0)?;
    let mut records = Vec::new();
    log.each(|record| records.push(record))?;
    Ok((records, torn))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn shot(class: Option<u16>, service: Option<u64>) -> ShotTouch {
        ShotTouch {
            trace: TraceId([7; 16]),
            due: Offset::from_millis(-3),
            response: 9,
            service,
            traffic: 2,
            class,
            outcome: Outcome::Unfinished,
        }
    }

    #[test]
    fn records_have_their_width_and_read_back() {
        let decision = Decision {
            trace: TraceId([9; 16]),
            at: Offset::from_millis(5),
            fault: 3,
            attempt: 0x01_02_03,
            effect: Effect::Injected,
            retry_after: 0x0102,
        };
        let mut bytes = Vec::new();
        decision.encode(&mut bytes);
        assert_eq!((bytes.len(), Decision::decode(&bytes)), (Decision::WIDTH, Some(decision)));
        for record in [shot(None, None), shot(Some(1), Some(4))] {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!((bytes.len(), ShotTouch::decode(&bytes)), (ShotTouch::WIDTH, Some(record)));
        }
        let part = PartTouch {
            trace: TraceId([5; 16]),
            shot: Offset::from_millis(-3),
            done: Offset::from_millis(4),
            response: 9,
            service: None,
            traffic: 2,
            part: 1,
            outcome: Outcome::Rejected,
        };
        for record in [part, PartTouch { service: Some(3), ..part }] {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!((bytes.len(), PartTouch::decode(&bytes)), (PartTouch::WIDTH, Some(record)));
        }
        const { assert!(ShotTouch::WIDTH <= 64 && PartTouch::WIDTH <= 64 && Decision::WIDTH <= 64) };
    }

    #[test]
    fn a_torn_tail_costs_only_itself() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("touches.log");
        let mut writer = Writer::create(&path).expect("creates");
        writer.write(&shot(None, None)).expect("writes");
        writer.write(&shot(None, Some(1))).expect("writes");
        writer.flush().expect("flushes");
        let bytes = std::fs::read(&path).expect("reads");
        std::fs::write(&path, &bytes[..bytes.len() - 1]).expect("writes");
        let (records, torn) = read::<ShotTouch>(&path).expect("reads");
        assert_eq!(records, [shot(None, None)]);
        assert!(torn.is_some());
        assert_eq!(read::<Decision>(&folder.path().join("none")).expect("reads"), (Vec::new(), None));
    }

    #[test]
    fn a_decision_of_before_there_was_a_wait_to_tell_reads() {
        let mut bytes = vec![9; 16];
        bytes.extend([0; 16]);
        bytes[29] = 2;
        let decision = Decision::decode(&bytes).expect("a decision");
        assert_eq!((decision.effect, decision.retry_after), (Effect::Injected, 0));
    }
}
