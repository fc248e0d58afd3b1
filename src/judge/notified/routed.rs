//! That an alert is in a group for a receiver, by the word of the Alertmanager itself: it would be sent on, though nobody here
//! need receive it.

use std::time::Duration;

use super::{Decision, Watched, is_meant, same_labels};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::evidence::servers::{Alertmanager as Told, Pairs};
use crate::judge::verdict::{Verdict, instant, stretch};
use crate::scenario::Notified;

/// More of its answers missing, and it may have been where nobody looked.
const MOST_MISSED: f64 = 0.1;

/// A look at a group that holds the alert which is promised.
struct Seen<'e> {
    at: Offset,
    receiver: &'e str,
    labels: &'e Pairs,
    is_active: bool,
}

/// What a promise to be routed comes to, of an alert from `start` on.
pub fn decide(watched: &Watched<'_>, claim: &Notified, start: Offset, every: Duration) -> Decision {
    let undecided = |why: String| (Verdict::Inconclusive, None, why);
    let api = watched.told().find_map(|(_, told)| match told {
        Told::Itself { api, .. } => Some(api.as_str()),
        _ => None,
    });
    match api {
        None => return undecided("the Alertmanager was never asked".into()),
        Some("v2") => {}
        Some(old) => return undecided(format!("it has no groups to ask for: its API is {old}")),
    }
    let looks = watched.told().filter_map(|(at, told)| match told {
        Told::Group { receiver, labels, alerts, .. } => {
            let member =
                alerts.iter().filter(|member| is_meant(claim, &member.labels)).max_by_key(|m| m.state == "active")?;
            Some(Seen { at, receiver, labels, is_active: member.state == "active" })
        }
        _ => None,
    });
    let (active, held): (Vec<Seen<'_>>, Vec<Seen<'_>>) = looks.partition(|seen| seen.is_active);
    let is_wanted = |seen: &&Seen<'_>| claim.receiver.as_ref().is_none_or(|wanted| wanted == seen.receiver);
    if let Some(early) =
        active.iter().filter(is_wanted).rfind(|seen| seen.at < start && watched.stood(early_key(seen), start))
    {
        let at = instant(early.at);
        return undecided(format!(
            "it was in a group for `{}` at {at} already, before {}",
            early.receiver,
            instant(start)
        ));
    }
    let mut later = active.iter().filter(|seen| seen.at >= start);
    if let Some(first) = later.clone().find(is_wanted) {
        let after = first.at.since(start);
        let told = format!("in a group for `{}` {} after {}", first.receiver, units::measured(after), instant(start));
        let seconds = Some(after.as_secs_f64());
        if let Some(why) = claim.grouped_by.as_ref().and_then(|wanted| same_labels(wanted, first.labels).err()) {
            return (Verdict::Fail, seconds, format!("{told}, {why}"));
        }
        // It came at some time since the look before.
        return match after {
            after if after <= claim.within => (Verdict::Pass, seconds, told),
            after if after.saturating_sub(every) <= claim.within => {
                let why =
                    format!("{told}, and it was asked only every {}: no one knows if in time", units::duration(every));
                (Verdict::Inconclusive, seconds, why)
            }
            _ => (Verdict::Fail, seconds, format!("{told}: too late")),
        };
    }
    if let (Some(other), Some(wanted)) = (later.next(), &claim.receiver) {
        let why = format!("it was in a group for `{}`, and never in one for `{wanted}`", other.receiver);
        return (Verdict::Fail, None, why);
    }
    let end = start + claim.within;
    if watched.until() < end {
        let span = stretch(Span { start, end });
        return undecided(format!(
            "in no group, and the Alertmanager was watched until {} of {span}",
            instant(watched.until())
        ));
    }
    let (good, failed) = watched.polls();
    if failed as f64 > MOST_MISSED * (good + failed) as f64 {
        let asked = text::count(good + failed, "time");
        return undecided(format!("in no group, but it did not answer {failed} of {asked}"));
    }
    let held = held
        .iter()
        .find(|seen| seen.at >= start)
        .map(|seen| format!("; it was in one for `{}` and held back", seen.receiver));
    (Verdict::Fail, None, format!("never in a group{}{}", held.unwrap_or_default(), watched.standing(claim)))
}

fn early_key<'e>(seen: &Seen<'e>) -> (&'e str, &'e Pairs) {
    (seen.receiver, seen.labels)
}
