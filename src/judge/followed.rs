//! How the shots of a pipeline were followed, and the tokens that were asked for: what the events of a run add up to.

use serde::Serialize;

use super::verdict::by_name;
use crate::evidence::event::Event;
use crate::evidence::followed::Followed;
use crate::evidence::reader::Evidence;

/// How the shots of a traffic were followed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FollowedSummary {
    /// Polls that were sent.
    pub polls: u64,
    /// Of them, polls that were held so that the target's budget was kept.
    pub held: u64,
    /// For how long on average, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_for: Option<f64>,
    /// Polls by which nothing was learnt, by what became of them.
    #[serde(serialize_with = "by_name")]
    pub vain: Vec<(String, u64)>,
    /// Shots by the state that was told of them last, those before the measured phase included.
    #[serde(serialize_with = "by_name")]
    pub states: Vec<(String, u64)>,
    /// Completions that came before we knew what was started.
    pub early: u64,
    /// Completions of what was over already.
    pub again: u64,
    /// Completions of what we never started.
    pub strange: u64,
    /// Completions that could not be read.
    pub unreadable: u64,
    /// Completions that came faster than they could be taken, and were refused.
    pub refused: u64,
}

/// Tokens that were asked for while the load went on; the first one is fetched before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoginSummary {
    /// Logins that brought one.
    pub made: u64,
    /// Logins that did not.
    pub failed: u64,
    /// Why the last of those did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How the shots of a traffic were followed; nothing where nobody did.
pub fn followed(evidence: &Evidence, traffic: &str) -> Option<FollowedSummary> {
    let mut all: Option<Followed> = None;
    for event in &evidence.events {
        if let Event::Followed(new) = event
            && new.traffic == traffic
        {
            all.get_or_insert_with(|| Followed::of(traffic)).add(new);
        }
    }
    let all = all?;
    Some(FollowedSummary {
        polls: all.polls,
        held: all.held,
        held_for: (all.held > 0).then(|| all.held_for as f64 / 1e9 / all.held as f64),
        vain: all.vain,
        states: all.states,
        early: all.early,
        again: all.again,
        strange: all.strange,
        unreadable: all.unreadable,
        refused: all.refused,
    })
}

/// The tokens that were asked for a traffic; nothing where none was.
pub fn logins(evidence: &Evidence, traffic: &str) -> Option<LoginSummary> {
    let mut summary = LoginSummary { made: 0, failed: 0, why: None };
    for event in &evidence.events {
        match event {
            Event::Login { traffic: of, why, .. } if of == traffic => match why {
                None => summary.made += 1,
                Some(why) => {
                    summary.failed += 1;
                    summary.why = Some(why.clone());
                }
            },
            _ => {}
        }
    }
    (summary.made + summary.failed > 0).then_some(summary)
}
