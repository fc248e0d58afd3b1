//! That a notification of an alert came, by those that the run received.

use super::{Decision, Watched, is_meant, same_labels};
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::servers::{Alertmanager as Told, Notice, Pairs};
use crate::judge::verdict::{Verdict, instant, stretch};
use crate::scenario::Notified;

/// A notification that holds the alert which is promised.
struct Sent<'e> {
    at: Offset,
    receiver: &'e str,
    group: &'e Pairs,
}

/// What a promise to be notified as `word` comes to, from `start` on.
pub fn decide(watched: &Watched<'_>, claim: &Notified, start: Offset, word: &str) -> Decision {
    let undecided = |why: String| (Verdict::Inconclusive, None, why);
    if !watched.told().any(|(_, told)| matches!(told, Told::Itself { listen: Some(_), .. })) {
        return undecided("the run received no notifications: nothing listened for them".into());
    }
    let sent: Vec<Sent<'_>> = watched
        .told()
        .filter_map(|(at, told)| match told {
            Told::Notified { receiver, group, alerts, .. } => {
                let holds = |alert: &Notice| alert.status == word && is_meant(claim, &alert.labels);
                alerts.iter().any(holds).then_some(Sent { at, receiver, group })
            }
            _ => None,
        })
        .collect();
    let routed = |sent: &&Sent<'_>| claim.receiver.as_ref().is_none_or(|wanted| wanted == sent.receiver);
    // What is told of an alert that fired before says nothing of what this is about.
    let early = sent.iter().filter(routed).rfind(|sent| sent.at < start);
    if let Some(early) = early.filter(|_| word == "firing") {
        let at = instant(early.at);
        return undecided(format!("it was notified at {at} already, before {}", instant(start)));
    }
    let mut later = sent.iter().filter(|sent| sent.at >= start);
    if let Some(first) = later.clone().find(|sent| routed(sent)) {
        let after = first.at.since(start);
        let told = format!("{word} to `{}` {} after {}", first.receiver, units::measured(after), instant(start));
        let seconds = Some(after.as_secs_f64());
        if let Some(why) = claim.grouped_by.as_ref().and_then(|wanted| same_labels(wanted, first.group).err()) {
            return (Verdict::Fail, seconds, format!("{told}, {why}"));
        }
        return match after <= claim.within {
            true => (Verdict::Pass, seconds, told),
            false => (Verdict::Fail, seconds, format!("{told}: too late")),
        };
    }
    let others: Vec<&str> = later.by_ref().map(|sent| sent.receiver).collect();
    if let (Some(other), Some(wanted)) = (others.first(), &claim.receiver) {
        return (Verdict::Fail, None, format!("it was notified to `{other}`, and never to `{wanted}`"));
    }
    let (listened, end) = (watched.until(), start + claim.within);
    if listened < end {
        let span = stretch(Span { start, end });
        return undecided(format!("no notification, and the run listened until {} of {span}", instant(listened)));
    }
    (Verdict::Fail, None, format!("never notified as {word}{}", watched.standing(claim)))
}
