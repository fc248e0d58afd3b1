//! The steps of a flow as they are measured: each by itself, beside the whole.
//!
//! While a shot whose steps are measured is under way its errand tells of the present step; what the whole has to tell
//! is kept aside, and put back when the shot is over.

use super::super::errand::Errand;
use super::Flow;
use super::bag::First;
use crate::base::time::Offset;
use crate::evidence::reply::{Maybe, Outcome, PartReply, Reply};

impl Flow {
    /// What became of an errand's present step, which is over; `due` is when its shot was. Nothing where steps are not
    /// measured by themselves, or where it had not become due.
    pub fn part(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) -> Option<PartReply> {
        if !self.has_parts {
            return None;
        }
        // A step is due when the one before it is over and what it rests has passed; the first when its shot is, and has.
        let began = self.bags.steps(errand.bag).due.unwrap_or_else(|| due + self.think(0));
        let reply = Reply {
            traffic: errand.traffic as u16,
            seq: errand.shot.seq,
            class: None,
            outcome,
            status: errand.status,
            due: began,
            ready: errand.since.max(began).min(now),
            sent: errand.sent.into(),
            first_byte: errand.first_byte.into(),
            done: now,
            opening: errand.opening,
            not_before: Maybe::NONE,
            why: None,
        };
        (began <= now).then_some(PartReply { part: errand.step as u16, shot: due, reply })
    }

    /// An errand comes to its next step, the one before being over `now`.
    pub fn next(&self, errand: &mut Errand, now: Offset) {
        errand.step += 1;
        if self.has_parts {
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
