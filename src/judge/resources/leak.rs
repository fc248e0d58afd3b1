//! Whether memory grows: the trend over the window, with an interval that decides. Point estimates of a slope are worth
//! nothing by themselves: an interval that straddles the bound is no answer.

use super::super::evaluate::{blank, why_empty};
use super::super::measure::Ruling;
use super::super::trend::{Point, trend};
use super::super::trial::Trial;
use super::super::verdict::{Finding, Kind, Quantity, Verdict, instant};
use super::{Level, Member, Taker};
use crate::base::text;
use crate::base::time::Span;
use crate::base::units;
use crate::scenario::{LeakClaim, Promise};

/// Memory comes from the system in pieces: what is smaller than one does not show, in bytes. Allocators ask for 128 KiB and
/// more at a time.
pub const PIECE: f64 = 262_144.0;
/// How sure each bound of an interval is unless the promise says otherwise.
pub const CONFIDENCE: f64 = 0.95;
/// Fewer of the seconds of a window, and there is too little to tell.
pub const LEAST_SEEN: f64 = 0.9;
/// The least number of looks.
const LEAST: u64 = 20;

/// How fast the memory of one process grows, in bytes an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grown {
    pub slope: f64,
    pub low: f64,
    pub high: f64,
    /// How much there was at first and in the end, in bytes, and how many looks that is.
    pub first: f64,
    pub last: f64,
    pub looks: u64,
    /// How often the process was started again.
    pub restarts: u32,
    /// The share of the window that was looked at.
    pub seen: f64,
}

/// What a promise about memory comes to: the worst of all processes that it is about.
pub fn finding(trial: &Trial<'_>, takers: &[&Taker], promise: &Promise, claim: &LeakClaim) -> Finding {
    let parts = trial.windows.cut(promise.window, None).parts;
    let bound = Quantity { value: claim.bound as f64, kind: Kind::Growth };
    let mut finding = blank(trial, promise, parts.clone(), bound, claim.compare.word());
    finding.needed = LEAST;
    if parts.is_empty() {
        finding.why = why_empty(trial, promise.window);
        return finding;
    }
    let confidence = promise.confidence.map_or(CONFIDENCE, |c| c.fraction());
    let members = takers.iter().flat_map(|taker| taker.members.iter().map(move |member| (*taker, member)));
    let rulings = members.map(|(taker, member)| rule(trial, (taker, member), claim, &parts, confidence));
    let observed = |ruling: &Ruling| ruling.observed.map_or(f64::NEG_INFINITY, |o| o.value);
    let worst = rulings.max_by(|a, b| a.verdict.cmp(&b.verdict).then(observed(a).total_cmp(&observed(b))));
    match worst {
        None => finding.why = format!("nobody tells of the memory of `{}`", claim.of.word()),
        Some(ruling) => {
            (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
            (finding.samples, finding.why) = (ruling.samples, ruling.why);
        }
    }
    finding
}

fn rule(
    trial: &Trial<'_>,
    (taker, member): (&Taker, &Member),
    claim: &LeakClaim,
    parts: &[Span],
    confidence: f64,
) -> Ruling {
    let looks: Vec<Level> = within(member, parts);
    let who = if taker.members.len() > 1 { format!("{}: ", member.name) } else { String::new() };
    let Some(grown) = grown(trial, &taker.name, &looks, parts, confidence) else {
        let why = match looks.len() {
            0 => format!("{who}nothing was told of its memory here"),
            n => format!("{who}only {} of its memory, {LEAST} are needed", text::count(n as u64, "look")),
        };
        return Ruling { verdict: Verdict::Inconclusive, observed: None, samples: looks.len() as u64, why };
    };
    let bound = claim.bound as f64;
    let (kept, broken) = (claim.compare.holds(grown.high, bound), !claim.compare.holds(grown.low, bound));
    let mut said = format!("{who}{}", say(&grown, confidence));
    let end = parts.iter().map(|part| part.end).max().unwrap_or_default();
    let verdict = match (kept, broken) {
        (_, true) => Verdict::Fail,
        (true, _) if end > trial.windows.seen => {
            said.push_str(&format!("; but the run ended at {} of {}", instant(trial.windows.seen), instant(end)));
            Verdict::Inconclusive
        }
        (true, _) if grown.seen < LEAST_SEEN => {
            said.push_str(&format!("; but it was told only {} of the time", units::percent(grown.seen)));
            Verdict::Inconclusive
        }
        (true, _) => Verdict::Pass,
        (false, false) => {
            let length = parts.iter().map(|part| part.length().as_secs_f64()).sum::<f64>();
            let blind = PIECE / length * 3_600.0;
            let why = match blind > bound {
                true => format!(
                    "; in a window this long growth of {}/h would not show, since memory comes in pieces: run longer",
                    units::bytes(blind)
                ),
                false => "; that straddles the bound: run longer".to_owned(),
            };
            said.push_str(&why);
            Verdict::Inconclusive
        }
    };
    let observed = Some(Quantity { value: grown.slope, kind: Kind::Growth });
    Ruling { verdict, observed, samples: grown.looks, why: said }
}

/// The looks of some stretches.
pub fn within(member: &Member, parts: &[Span]) -> Vec<Level> {
    member.memory.iter().filter(|level| parts.iter().any(|part| part.contains(level.at))).copied().collect()
}

/// How fast memory grows over looks; nothing where there are too few.
pub fn grown(trial: &Trial<'_>, name: &str, looks: &[Level], parts: &[Span], confidence: f64) -> Option<Grown> {
    let (first, last) = (looks.first()?, looks.last()?);
    let points = looks.iter().map(|l| Point { at: l.at.secs(), value: l.bytes, life: l.life }).collect::<Vec<_>>();
    let mut chance = trial.scenario.seed.stream(&format!("leak {name}"));
    let trend = trend(&points, confidence, &mut chance)?;
    let length: f64 = parts.iter().map(|part| part.length().as_secs_f64()).sum();
    let over = last.at.secs() - first.at.secs();
    let apart = over / (looks.len() - 1) as f64;
    // What grew by less than a piece may not have shown, either way; and of each life the pieces are others.
    let lives = last.life - first.life + 1;
    let hidden = if over > 0.0 { PIECE * f64::from(lives) / over } else { f64::INFINITY };
    let seen =
        looks.windows(2).map(|pair| (pair[1].at.secs() - pair[0].at.secs()).min(apart * 2.0)).sum::<f64>() + apart;
    Some(Grown {
        slope: trend.slope * 3_600.0,
        low: (trend.low - hidden) * 3_600.0,
        high: (trend.high + hidden) * 3_600.0,
        first: first.bytes,
        last: last.bytes,
        looks: looks.len() as u64,
        restarts: lives - 1,
        seen: (seen / length.max(1e-9)).min(1.0),
    })
}

/// In words.
pub fn say(grown: &Grown, confidence: f64) -> String {
    let rate = |value: f64| format!("{}/h", units::bytes(value));
    let mut said = format!(
        "grows by {}, between {} and {} (each bound at {}): {} at first, {} in the end",
        rate(grown.slope),
        rate(grown.low),
        rate(grown.high),
        units::percent(confidence),
        units::bytes(grown.first),
        units::bytes(grown.last)
    );
    if grown.restarts > 0 {
        said.push_str(&format!("; started again {}", times(grown.restarts)));
    }
    said
}

fn times(n: u32) -> String {
    if n == 1 { "once".into() } else { format!("{n} times") }
}
