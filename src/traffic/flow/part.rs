//! The steps of a flow as they are measured: each by itself, beside the whole and the branch that it took.
//!
//! While a shot whose steps are measured is under way its errand tells of the present step; what the whole has to tell
//! is kept aside, and put back when the shot is over.

use std::time::Duration;

use super::super::errand::Errand;
use super::Flow;
use super::bag::First;
use crate::base::time::Offset;
use crate::base::units;
use crate::evidence::reply::{Maybe, Outcome, PartReply, Reply};

impl Flow {
    /// When an errand's present step was due: when the one before it was over and what it rests had passed; the first when
    /// its shot was, and had.
    fn began(&self, errand: &Errand, due: Offset) -> Offset {
        self.bags.steps(errand.bag).due.unwrap_or_else(|| due + self.think(errand.step as usize))
    }

    /// What became of an errand's present step, which is over; `due` is when its shot was. Nothing where steps are not
    /// measured by themselves, or where it had not become due.
    pub fn part(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) -> Option<PartReply> {
        let part = self.steps[errand.step as usize].part?;
        let began = self.began(errand, due);
        let reply = reply(errand, (began, errand.since.max(began)), outcome, now);
        (began <= now).then_some(PartReply { part, shot: due, reply })
    }

    /// What became of the branch that an errand took, which is over.
    pub fn branch(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) -> Option<PartReply> {
        let step = errand.step as usize;
        let part = self.branches.iter().find(|(steps, _)| steps.contains(&step)).and_then(|(_, part)| *part)?;
        let reply = reply(&self.whole(errand), (due, errand.ready), outcome, now);
        Some(PartReply { part, shot: due, reply })
    }

    /// An errand comes to its next step, the one before being over `now`.
    pub fn next(&self, errand: &mut Errand, now: Offset) {
        let is_measured = self.steps[errand.step as usize].part.is_some();
        errand.step += 1;
        if is_measured {
            let mut steps = self.bags.steps(errand.bag);
            let Errand { sent, first_byte, opening, .. } = *errand;
            steps.first.get_or_insert(First { sent, first_byte, opening });
            steps.due = Some(now + self.think(errand.step as usize));
            steps.status = errand.status.or(steps.status);
            self.bags.set_steps(errand.bag, steps);
            (errand.sent, errand.first_byte, errand.status) = (None, None, None);
            errand.opening = Default::default();
        }
    }

    /// When an errand's present step, which is repeated and not over, is asked for again. The error says why it is not: `why`
    /// it is not over, and that it was given up.
    pub fn again(&self, errand: &Errand, why: &str, now: Offset) -> Result<Offset, String> {
        let (every, within) = self.steps[errand.step as usize].until.unwrap_or((Duration::ZERO, Duration::ZERO));
        match now + every <= self.began(errand, errand.shot.due) + within {
            true => Ok(now + every),
            false => Err(format!("not over within {}: {why}", units::duration(within))),
        }
    }

    /// An errand that is over, as its whole has it.
    pub fn whole(&self, errand: &Errand) -> Errand {
        let steps = self.bags.steps(errand.bag);
        match steps.first {
            Some(First { sent, first_byte, opening }) => {
                Errand { sent, first_byte, opening, status: errand.status.or(steps.status), ..*errand }
            }
            None => *errand,
        }
    }
}

fn reply(errand: &Errand, (due, ready): (Offset, Offset), outcome: Outcome, now: Offset) -> Reply {
    Reply {
        traffic: errand.traffic as u16,
        seq: errand.shot.seq,
        class: None,
        outcome,
        status: errand.status,
        due,
        ready: ready.min(now),
        sent: errand.sent.into(),
        first_byte: errand.first_byte.into(),
        done: now,
        opening: errand.opening,
        not_before: Maybe::NONE,
        why: None,
    }
}
