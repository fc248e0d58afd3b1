//! How far the group that reads a topic is behind: the offsets that it has committed against the ends of the partitions,
//! as the brokers say, once a second. Every look must keep to the promise.

use super::super::evaluate::{blank, sliced, why_empty};
use super::super::measure::{Ruling, side};
use super::super::server::Server;
use super::super::trial::Trial;
use super::super::verdict::{Finding, Kind, Quantity, Verdict, instant};
use super::{Account, bound, undecided};
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::evidence::effects::Lag;
use crate::promql::{self, Options, Value};
use crate::scenario::{EffectClaim, Promise};

/// Fewer of the looks of a window, and there is too little to tell.
const LEAST_GOOD: f64 = 0.9;
/// The target's own word and the broker's agree when they are no farther apart, in seconds, or than half of the larger.
const APART: f64 = 2.0;

/// What there is to say of looks that tell nothing, although brokers answered.
const NOTHING: &str = "the group has committed nothing";

/// What a look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Offset,
    /// How many messages the group is behind.
    pub behind: u64,
    /// How many messages the topic has ever had.
    end: i64,
}

/// What a promise on lag comes to.
pub fn finding(
    trial: &Trial<'_>,
    server: &Server<'_>,
    account: &Account,
    promise: &Promise,
    claim: &EffectClaim,
) -> Finding {
    let parts = trial.windows.cut(promise.window, Some(claim.traffic)).parts;
    let mut finding = blank(trial, promise, parts.clone(), bound(claim), claim.compare.word());
    finding.needed = claim.minimum();
    if parts.is_empty() {
        finding.why = why_empty(trial, promise.window);
        return finding;
    }
    let looks = looks(account);
    match promise.each {
        None => {
            let ruling = rule(trial, account, &looks, claim, &parts);
            (finding.verdict, finding.observed) = (ruling.verdict, ruling.observed);
            (finding.samples, finding.why) = (ruling.samples, ruling.why);
            finding.why.push_str(&beside(trial, server, claim.traffic, &looks, &parts).unwrap_or_default());
        }
        Some(each) => {
            let slices = parts.iter().flat_map(|part| part.slices(each));
            let rulings: Vec<(Span, Ruling)> =
                slices.map(|slice| (slice, rule(trial, account, &looks, claim, &[slice]))).collect();
            sliced(&mut finding, claim.measure.word(), true, &rulings);
        }
    }
    finding
}

fn rule(trial: &Trial<'_>, account: &Account, looks: &[Look], claim: &EffectClaim, parts: &[Span]) -> Ruling {
    let within = |at: Offset| parts.iter().any(|part| part.contains(at));
    let of_window: Vec<&Look> = looks.iter().filter(|look| within(look.at)).collect();
    let planned = account.lags.iter().filter(|lag| within(lag.at)).count();
    let why = account.lags.iter().filter(|lag| within(lag.at)).find_map(|lag| lag.why.clone());
    let Some(worst) = of_window.iter().max_by_key(|look| look.behind) else {
        return undecided(match why {
            Some(why) => format!("nobody could be asked: {why}"),
            None if planned > 0 => NOTHING.into(),
            None => "nobody was asked in this window".into(),
        });
    };
    let (bound, observed) = (bound(claim), worst.behind as f64);
    let kept = claim.compare.holds(observed, bound.value);
    let good = of_window.len() as f64 / planned.max(1) as f64;
    let said = format!(
        "at most {} behind, at {}: {}",
        text::count(worst.behind, "message"),
        instant(worst.at),
        side(claim.compare, observed, &bound)
    );
    let end = parts.iter().map(|part| part.end).max().unwrap_or_default();
    let (verdict, why) = match kept {
        false => (Verdict::Fail, said),
        true if good < LEAST_GOOD => {
            let asked = text::count(planned as u64, "look");
            let why = why.unwrap_or_else(|| NOTHING.to_owned());
            (Verdict::Inconclusive, format!("{said}, but only {} of {asked} could tell: {why}", of_window.len()))
        }
        true if end > trial.windows.seen => {
            (Verdict::Inconclusive, format!("{said} so far, but the run ended at {}", instant(trial.windows.seen)))
        }
        true => (Verdict::Pass, said),
    };
    let observed = Some(Quantity { value: observed, kind: Kind::Plain });
    Ruling { verdict, observed, samples: of_window.len() as u64, why }
}

/// The looks that tell something. Of a partition on which the group has committed nothing, what came since the first look
/// is what it is behind.
pub fn looks(account: &Account) -> Vec<Look> {
    let first = account.lags.iter().find(|lag| lag.why.is_none());
    let begin = |partition: i32| {
        let known = first.into_iter().flat_map(|lag| &lag.partitions);
        known.clone().find(|(p, ..)| *p == partition).map_or(0, |(_, _, end)| *end)
    };
    let look = |lag: &Lag| {
        // Who has committed nothing anywhere may be anywhere, unless there was nothing to read since.
        let known = lag.partitions.iter().any(|(_, committed, _)| committed.is_some())
            || lag.partitions.iter().all(|(partition, _, end)| *end == begin(*partition));
        let of = |(partition, committed, end): &(i32, Option<i64>, i64)| {
            (end - committed.unwrap_or_else(|| begin(*partition))).max(0) as u64
        };
        let (behind, end) = (lag.partitions.iter().map(of).sum(), lag.partitions.iter().map(|(_, _, end)| end).sum());
        (lag.why.is_none() && known).then_some(Look { at: lag.at, behind, end })
    };
    account.lags.iter().filter_map(look).collect()
}

/// How old the oldest message was that the group had not committed, at most, in seconds: for how long the topic had had
/// more messages than were committed. Looks are a second apart, and so is the answer.
pub fn seconds(looks: &[Look], parts: &[Span]) -> Option<f64> {
    let age = |look: &Look| {
        let committed = look.end - look.behind as i64;
        let since = looks.iter().find(|earlier| earlier.end > committed).filter(|_| look.behind > 0);
        since.map_or(0.0, |since| look.at.since(since.at).as_secs_f64())
    };
    let of_window = looks.iter().filter(|look| parts.iter().any(|part| part.contains(look.at)));
    of_window.map(age).max_by(f64::total_cmp)
}

/// What the target itself says of its lag, at most, in seconds; the error says why it says nothing.
pub fn told(trial: &Trial<'_>, server: &Server<'_>, expr: &str, parts: &[Span]) -> Result<f64, String> {
    let expr = promql::parse(expr).map_err(|why| why.to_string())?;
    let mut most: Option<f64> = None;
    let first = trial.evidence.events.iter().filter_map(|event| match event {
        crate::evidence::event::Event::Scrape(scrape) => Some(scrape.a),
        _ => None,
    });
    for at in first.filter(|at| parts.iter().any(|part| part.contains(*at))) {
        let value = match promql::evaluate(&expr, &server.storage, server.unix_ms(at), &Options::default()) {
            Ok(Value::Vector(elements)) => {
                elements.iter().map(|e| e.value).filter(|v| !v.is_nan()).max_by(f64::total_cmp)
            }
            Ok(Value::Scalar(value)) => Some(value),
            Ok(_) | Err(_) => None,
        };
        most = most.into_iter().chain(value).max_by(f64::total_cmp);
    }
    most.ok_or_else(|| "nothing that was scraped has it".to_owned())
}

/// Whether two lags in seconds say the same.
pub fn agree(broker: f64, told: f64) -> bool {
    (broker - told).abs() <= APART.max(broker.max(told) / 2.0)
}

/// What the target says beside what the broker says.
fn beside(trial: &Trial<'_>, server: &Server<'_>, traffic: usize, looks: &[Look], parts: &[Span]) -> Option<String> {
    let expr = trial.scenario.traffic[traffic].kind.signal()?.consumer.as_ref()?.lag.as_ref()?;
    let broker = seconds(looks, parts)?;
    let expr = &expr.expr;
    Some(match told(trial, server, expr, parts) {
        Ok(told) if agree(broker, told) => format!("; `{expr}` says {told:.1} s, the brokers about {broker:.1} s"),
        Ok(told) => {
            format!("; `{expr}` says {told:.1} s where the brokers say about {broker:.1} s: do not alert on it")
        }
        Err(why) => format!("; `{expr}`: {why}"),
    })
}
