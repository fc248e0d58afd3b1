//! What faults do to a reply. A request passes the faults of its upstream in the order of the scenario, as if each were a
//! proxy in front of the next; the reply comes back through them the other way.

use std::time::Duration;

use tokio::sync::watch;

use super::decide::spread;
use super::quote::Age;
use crate::base::httpd::{Answer, Cut, Delivery, Pace, Response, Stream};
use crate::base::seed::Seed;
use crate::scenario::{Corruption, Keep};

/// How late the runtime's timer is on average: it rounds up to a millisecond, and so does the wait beneath it.
/// Without this every law would be a millisecond slower than stated.
pub const ROUNDING: Duration = Duration::from_millis(1);

/// The header by which a reply says which fault struck it, where a scenario asks for that.
pub const MARK: &str = "Proofload-Fault";

/// A delay that ends early when its fault does.
#[derive(Debug, Clone)]
pub struct Held {
    /// How long.
    pub length: Duration,
    /// Turns true when the fault is over.
    pub over: watch::Receiver<bool>,
}

impl Held {
    /// Passes this time from an instant on, or what there is of it before the fault is over. Returns when it ends, which
    /// may be a little later than now.
    async fn pass(mut self, from: tokio::time::Instant) -> tokio::time::Instant {
        tokio::select! {
            biased;
            _ = self.over.wait_for(|over| *over) => from.max(crate::base::time::timer().min(from + self.length)),
            () = sleep_until(from + self.length) => from + self.length,
        }
    }
}

/// Sleeps until an instant, as closely as on average a timer can.
async fn sleep_until(instant: tokio::time::Instant) {
    if let Some(early) = instant.checked_sub(ROUNDING).filter(|early| *early > crate::base::time::timer()) {
        tokio::time::sleep_until(early).await;
    }
}

/// What ends a request at a fault: nobody behind it hears of it.
#[derive(Debug)]
pub enum End {
    /// No answer until the fault is over.
    Hang(watch::Receiver<bool>),
    /// This answer.
    Reply(Response),
    /// A broken connection.
    Reset,
}

/// Everything that the faults which a request met do to its reply.
#[derive(Debug, Default)]
pub struct Effects {
    /// Delays on top of the upstream's own.
    pub added: Vec<Held>,
    /// A delay instead of the upstream's own, of the first fault that has one.
    pub replaced: Option<Held>,
    /// How old the reply is: as old as the oldest makes it.
    pub age: Age,
    /// What ends the request, if something does.
    pub end: Option<End>,
    /// How long a refusal tells to wait; zero when none does.
    pub wait: Duration,
    changes: Vec<(usize, Change)>, // with their faults, in order
    marks: Vec<(usize, String)>,
}

/// What a fault does to a reply.
#[derive(Debug)]
pub enum Change {
    /// Spoils it; the seed says where.
    Corrupt(Corruption, Seed),
    /// Lets a part of the body out, and closes.
    Truncate(Keep),
    /// Resets, after the head or half of the body.
    Reset {
        /// Half of the body goes out before.
        half: bool,
    },
    /// Lets the body out slowly.
    Slow(Pace),
}

impl Change {
    /// Whether a reply with a body of this length is another one afterwards.
    pub fn is_felt(&self, length: usize) -> bool {
        match self {
            Change::Corrupt(Corruption::ContentType(_), _) | Change::Reset { .. } => true,
            Change::Corrupt(..) | Change::Slow(_) => length > 0,
            Change::Truncate(keep) => kept(*keep, length) < length,
        }
    }
}

impl Effects {
    /// Adds what the next fault does to the reply.
    pub fn change(&mut self, fault: usize, change: Change) {
        self.changes.push((fault, change));
    }

    /// Lets the reply say that a fault struck it.
    pub fn mark(&mut self, fault: usize, name: &str) {
        self.marks.push((fault, name.to_owned()));
    }

    /// Whether no fault does anything.
    pub fn is_none(&self) -> bool {
        let stays = self.age == Age::default() && self.changes.is_empty();
        stays && self.added.is_empty() && self.replaced.is_none() && self.end.is_none()
    }

    /// Faults that change nothing of a reply with a body of this length.
    pub fn unfelt(&self, length: usize) -> Vec<usize> {
        self.changes.iter().filter(|(_, change)| !change.is_felt(length)).map(|(fault, _)| *fault).collect()
    }

    /// Waits as long as the request does: the upstream's own time since it came, or what replaces it, and then what is
    /// added. What took longer has taken it already.
    pub async fn wait(&mut self, came: tokio::time::Instant, own: Duration) {
        let mut due = match self.replaced.take() {
            Some(held) => held.pass(came).await,
            None => came + own,
        };
        due = due.max(crate::base::time::timer());
        for held in self.added.drain(..) {
            due = held.pass(due).await;
        }
        sleep_until(due).await;
    }

    /// What is done to a reply, in a shape that can be compared.
    #[cfg(test)]
    pub fn shown(&self) -> String {
        let end = match &self.end {
            None => "none",
            Some(End::Hang(_)) => "hang",
            Some(End::Reply(_)) => "reply",
            Some(End::Reset) => "reset",
        };
        let change = |(_, change): &(usize, Change)| match change {
            Change::Corrupt(how, seed) => format!("{how:?} by {seed:?}"),
            Change::Truncate(keep) => format!("{keep:?}"),
            Change::Reset { half } => format!("reset {half}"),
            Change::Slow(pace) => format!("slow {}", pace.rate),
        };
        let added: Vec<Duration> = self.added.iter().map(|held| held.length).collect();
        let changes: Vec<String> = self.changes.iter().map(change).collect();
        let replaced = self.replaced.as_ref().map(|held| held.length);
        format!("{added:?} {replaced:?} {:?} {end} {changes:?}", self.age)
    }

    /// Whether what becomes of a reply depends on all of its body, of which only the length is known, if that.
    pub fn need_all(&self, length: Option<u64>) -> bool {
        self.changes.iter().any(|(_, change)| match change {
            Change::Corrupt(Corruption::Bits(_) | Corruption::Json, _) => true,
            Change::Truncate(Keep::Share(_)) | Change::Reset { half: true } => length.is_none(),
            Change::Corrupt(Corruption::ContentType(_), _)
            | Change::Truncate(Keep::Bytes(_))
            | Change::Reset { half: false }
            | Change::Slow(_) => false,
        })
    }

    /// The same reply as it comes out at the front while its body is still to come; nothing may need all of that.
    pub fn dress_stream(self, mut response: Response, body: Stream) -> Answer {
        let mut delivery = Delivery::default();
        let length = body.length.map_or(usize::MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let unfelt = self.unfelt(length);
        for (_, name) in self.marks.into_iter().filter(|(fault, _)| !unfelt.contains(fault)) {
            response.headers.push((MARK.into(), name));
        }
        for (_, change) in self.changes.into_iter().rev().filter(|(fault, _)| !unfelt.contains(fault)) {
            match change {
                Change::Corrupt(corruption, seed) => corrupt(&mut response, &corruption, seed),
                Change::Truncate(keep) => cut(&mut delivery, Cut { after: kept(keep, length), reset: false }),
                Change::Reset { half } => {
                    cut(&mut delivery, Cut { after: if half { length / 2 } else { 0 }, reset: true });
                }
                Change::Slow(pace) => delivery.paces.push(pace),
            }
        }
        Answer::Stream(response, body, delivery)
    }

    /// The reply as it comes out at the front.
    pub fn dress(self, mut response: Response) -> Answer {
        let mut delivery = Delivery::default();
        // Who did nothing to it has not struck it.
        let unfelt = self.unfelt(response.body.len());
        for (_, name) in self.marks.into_iter().filter(|(fault, _)| !unfelt.contains(fault)) {
            response.headers.push((MARK.into(), name));
        }
        for (_, change) in self.changes.into_iter().rev() {
            let length = response.body.len();
            if !change.is_felt(length) {
                continue;
            }
            match change {
                Change::Corrupt(corruption, seed) => corrupt(&mut response, &corruption, seed),
                Change::Truncate(keep) => cut(&mut delivery, Cut { after: kept(keep, length), reset: false }),
                Change::Reset { half } => {
                    cut(&mut delivery, Cut { after: if half { length / 2 } else { 0 }, reset: true });
                }
                Change::Slow(pace) => delivery.paces.push(pace),
            }
        }
        if delivery.cut.is_none() && delivery.paces.is_empty() {
            return Answer::Reply(response);
        }
        Answer::Amiss(response, delivery)
    }
}

/// The earliest end wins; of two at one place that of the fault in front, which is asked later.
fn cut(delivery: &mut Delivery, cut: Cut) {
    if delivery.cut.is_none_or(|other| cut.after <= other.after) {
        delivery.cut = Some(cut);
    }
}

/// How much of a body is kept, in bytes.
fn kept(keep: Keep, length: usize) -> usize {
    match keep {
        Keep::Share(share) => (length as u128 * u128::from(share.0) / 1_000_000_000) as usize,
        Keep::Bytes(bytes) => usize::try_from(bytes.0).unwrap_or(usize::MAX).min(length),
    }
}

fn corrupt(response: &mut Response, corruption: &Corruption, seed: Seed) {
    match corruption {
        Corruption::Bits(bits) => {
            let mut body = response.body.to_vec();
            for place in spread(seed, (*bits).into(), body.len() as u64 * 8) {
                body[(place / 8) as usize] ^= 1 << (place % 8);
            }
            response.body = body.into();
        }
        // No true beginning of an object, a list or a text is a document; of a number it may be.
        Corruption::Json => {
            let mut body = response.body[..response.body.len() / 2].to_vec();
            if serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_ok() {
                body.push(b'{');
            }
            response.body = body.into();
        }
        Corruption::ContentType(media) => {
            response.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            response.headers.push(("Content-Type".into(), media.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::{Share, Size};

    fn reply() -> Response {
        Response::json(200, &serde_json::json!({ "outAmount": "123456", "routes": [1, 2, 3] }))
    }

    fn effects(changes: Vec<Change>) -> Effects {
        Effects { changes: changes.into_iter().enumerate().collect(), ..Effects::default() }
    }

    fn dressed(changes: Vec<Change>) -> Answer {
        effects(changes).dress(reply())
    }

    fn whole(changes: Vec<Change>) -> Response {
        match dressed(changes) {
            Answer::Reply(response) => response,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn so_many_bits_flip_and_the_seed_says_which() {
        let flipped = |seed, bits| {
            let body = whole(vec![Change::Corrupt(Corruption::Bits(bits), Seed(seed))]).body;
            let differ = body.iter().zip(reply().body.iter()).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>();
            (body, differ)
        };
        assert_eq!(whole(vec![]).body, reply().body);
        for bits in [1, 7, 40] {
            assert_eq!(flipped(3, bits).1, bits);
        }
        assert_eq!(flipped(3, 7), flipped(3, 7));
        assert_ne!(flipped(3, 7), flipped(4, 7));
        assert_eq!(flipped(3, 1 << 20).1, reply().body.len() as u32 * 8, "no bit flips twice");
    }

    #[test]
    fn broken_json_is_none_and_its_length_fits() {
        for body in [r#"{"a":1}"#, "[1,2]", "12345678", "true", "\"text\"", "1"] {
            let effects = effects(vec![Change::Corrupt(Corruption::Json, Seed(1))]);
            let Answer::Reply(reply) = effects.dress(Response::new(200, "application/json", body)) else {
                unreachable!("sent as usual")
            };
            assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_err(), "{body}: {:?}", reply.body);
        }
    }

    #[test]
    fn another_media_type_takes_the_place_of_the_first() {
        let reply = whole(vec![Change::Corrupt(Corruption::ContentType("text/html".into()), Seed(1))]);
        assert_eq!(reply.headers, [("Content-Type".to_owned(), "text/html".to_owned())]);
    }

    #[test]
    fn the_earliest_end_wins_and_of_two_at_one_place_the_first_fault() {
        let length = reply().body.len();
        let truncate = |bytes| Change::Truncate(Keep::Bytes(Size(bytes)));
        let ends = |changes| match dressed(changes) {
            Answer::Amiss(_, delivery) => delivery.cut.map(|cut| (cut.after, cut.reset)),
            _ => None,
        };
        assert_eq!(ends(vec![truncate(10), truncate(5)]), Some((5, false)));
        assert_eq!(ends(vec![truncate(5), Change::Reset { half: true }]), Some((5, false)));
        assert_eq!(ends(vec![truncate(length as u64 - 1), Change::Reset { half: true }]), Some((length / 2, true)));
        assert_eq!(ends(vec![truncate(0), Change::Reset { half: false }]), Some((0, false)));
        assert_eq!(ends(vec![Change::Reset { half: false }, truncate(0)]), Some((0, true)));
        assert_eq!(ends(vec![truncate(length as u64)]), None, "nothing is cut off");
        let half = Change::Truncate(Keep::Share(Share(500_000_000)));
        assert_eq!(ends(vec![half]), Some((length / 2, false)));
    }

    #[test]
    fn what_is_not_there_cannot_be_spoilt() {
        let bits = Change::Corrupt(Corruption::Bits(1), Seed(1));
        let half = Change::Truncate(Keep::Share(Share(500_000_000)));
        let nine = Change::Truncate(Keep::Bytes(Size(9)));
        let effects = effects(vec![bits, half, nine, Change::Reset { half: true }]);
        assert_eq!([effects.unfelt(0), effects.unfelt(9), effects.unfelt(10)], [vec![0, 1, 2], vec![2], vec![]]);
    }
}
