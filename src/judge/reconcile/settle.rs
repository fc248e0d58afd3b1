//! Closed books: nothing is under way any more, and what a counter has grown by is what was sent, up to what can be named.

use super::cause::{self, Signs};
use super::counts::{Counted, Reading, range, whole};
use super::foreign::Foreign;
use super::page::Own;
use super::summary::{Accord, Record, Residue};
use crate::base::text;
use crate::scenario::Timeouts;

/// By how much a counter is outside its bracket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Excess {
    /// Below it.
    Fewer {
        /// What was counted.
        value: f64,
        /// How many are missing.
        missing: u64,
    },
    /// Above it.
    More {
        /// What was counted.
        value: f64,
        /// The least that there were.
        least: f64,
        /// The most.
        most: f64,
    },
}

/// What is known once nothing is under way any more.
pub struct Settled {
    /// Requests that were answered.
    pub least: u64,
    /// Requests that were sent.
    pub most: u64,
    /// Whether our own scrapes and probes may have been counted with them.
    pub takes_scrapes: bool,
    /// How many nobody waited for any more.
    pub timed_out: u64,
    /// How many broke off.
    pub broken: u64,
}

/// What a comparison comes to once the books are closed.
pub fn settle(mut record: Record, signs: &Signs, counted: Counted<'_>, last: &Reading<'_>, at: &Settled) -> Record {
    let (least, most, value) = (at.least as f64, at.most as f64, last.grown);
    let said = format!("{} counted, {}", whole(value), range(at.least, at.most));
    if value < least {
        let missing = (least - value).round() as u64;
        return lies(record, signs, Excess::Fewer { value, missing }, &said);
    }
    // Our own scrapes first: how many there were is known.
    let Own { scrapes, probes } = last.own;
    let own = scrapes[1] as f64;
    let both = [scrapes[0] + probes[0], scrapes[1] + probes[1]];
    let fits = |own: &[u64; 2]| value > most && least + own[0] as f64 <= value && value <= most + own[1] as f64;
    let ours = [(scrapes, "our own scrapes"), (both, "our own scrapes and probes")];
    let fitting = ours.into_iter().find(|(own, _)| at.takes_scrapes && fits(own));
    let (mut value, mut said) = (value, said);
    if let Some((own, what)) = fitting {
        record.residue.push(Residue::new(what, own[1]));
        said.push_str(&format!(" and {what}"));
        value = (value - own[1] as f64).max(least);
    }
    if value > most {
        let (over, slack, seconds) = (value - most, most - least, record.window.length().as_secs_f64());
        let allows = |foreign: &Foreign| {
            let plain = foreign.allows(over, slack, seconds);
            let without = || foreign.without_scrapes().allows((over - own).max(0.0), slack, seconds);
            if at.takes_scrapes { plain.or_else(|_| without()) } else { plain }
        };
        match counted.foreign.map(allows) {
            Some(Ok(cause)) => {
                record.residue.push(Residue::new(cause, over.round() as u64));
                value = most;
            }
            Some(Err(why)) => {
                let record = lies(record, signs, Excess::More { value, least, most }, &said);
                return Record { why: format!("{}; {why}", record.why), ..record };
            }
            None => return lies(record, signs, Excess::More { value, least, most }, &said),
        }
    }
    if at.timed_out > 0 {
        // What broke off, and our own scrapes, may be among those that were counted: they are given the benefit where there
        // is enough of them.
        let others = at.broken + if at.takes_scrapes && fitting.is_none() { scrapes[1] + probes[1] } else { 0 };
        let counted_of_them = match at.timed_out > others {
            true => (value - least - others as f64).max(0.0).min(at.timed_out as f64) as u64,
            false => (value - least).min(at.timed_out as f64) as u64,
        };
        let lacking = at.timed_out - ((value - least).min(at.timed_out as f64) as u64);
        let cause = format!("timed out, of which {} counted", text::thousands(counted_of_them));
        record.residue.push(Residue::new(cause, at.timed_out));
        let of = text::thousands(at.timed_out);
        match counted.timeouts {
            Timeouts::Counted if lacking > 0 => {
                record.verdict = Accord::Mismatch;
                record.why = format!("timeouts not counted: {} of {of} are missing ({said})", text::thousands(lacking));
                return record;
            }
            Timeouts::Unsaid if counted_of_them == 0 && lacking > 0 => {
                record.verdict = Accord::Undecided;
                record.why = format!(
                    "timeouts not counted: none of {of} for sure; either they never arrived, or the counter leaves out what went worst ({said}): say `timeouts: counted` or `timeouts: uncounted`"
                );
                return record;
            }
            Timeouts::Counted | Timeouts::Uncounted | Timeouts::Unsaid => {}
        }
    }
    record.why = said;
    record
}

/// A proven mismatch.
pub fn lies(mut record: Record, signs: &Signs, excess: Excess, said: &str) -> Record {
    let cause = cause::of_counts(signs, excess);
    let count = match excess {
        Excess::Fewer { missing, .. } => missing,
        Excess::More { value, most, .. } => (value - most).ceil() as u64,
    };
    record.verdict = Accord::Mismatch;
    record.why = format!("{cause} ({said})");
    record.residue.push(Residue::new(cause, count));
    record
}
