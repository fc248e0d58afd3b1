//! Stop conditions on signals: whether too many are lost, come twice or out of order, or whoever reads them is too far behind.

use std::time::Duration;

use super::super::measure;
use super::super::seconds::Seconds;
use super::super::server::Server;
use super::super::shots::second;
use super::super::trial::Trial;
use super::super::verdict::Verdict;
use super::resent::Resent;
use super::so_far::Counts;
use super::{Account, books, bound, lag, share};
use crate::base::text;
use crate::base::time::Offset;
use crate::base::timing::Timing;
use crate::base::units;
use crate::evidence::effects::Row;
use crate::evidence::reply::Outcome;
use crate::scenario::{EffectClaim, EffectMeasure};

/// Why a condition is met that must hold for so long, if it is.
pub fn too_much(trial: &Trial<'_>, server: &Server<'_>, claim: &EffectClaim, hold: Duration) -> Option<String> {
    let account = Account::told(trial.evidence, &trial.scenario.traffic[claim.traffic].name);
    match claim.measure {
        EffectMeasure::ConsumerLag => too_far_behind(&account, claim, hold),
        _ => too_many(trial, server, &account, claim, hold),
    }
}

/// Every look, from the last one back, must have seen it.
fn too_far_behind(account: &Account, claim: &EffectClaim, hold: Duration) -> Option<String> {
    let bound = bound(claim).value;
    let looks = lag::looks(account);
    let meets = |at: Offset| looks.iter().find(|look| look.at == at && claim.compare.holds(look.behind as f64, bound));
    let last = meets(account.lags.last()?.at)?;
    let since = account.lags.iter().rev().take_while(|asked| meets(asked.at).is_some()).last()?.at;
    let behind = text::count(last.behind, "message");
    (last.at.since(since) >= hold).then(|| format!("{behind} behind, and too far for {}", units::duration(hold)))
}

/// The signals of some stretch that is remembered, second by second, by what is known of them so far: of what went wrong with
/// them there will only be more.
fn too_many(
    trial: &Trial<'_>,
    server: &Server<'_>,
    account: &Account,
    claim: &EffectClaim,
    hold: Duration,
) -> Option<String> {
    let (traffic, is_lost) = (claim.traffic, claim.measure == EffectMeasure::Lost);
    // What we did not see is not lost.
    if is_lost && account.missed.is_some() {
        return None;
    }
    let counts = Counts::read(trial, server, traffic).filter(|_| is_lost);
    let known = match &counts {
        // What was due after the last scrape, counters cannot have told of.
        Some(counts) => trial.windows.seen.min(counts.until()?),
        None => trial.windows.seen,
    };
    let seconds = seconds(trial, account, claim);
    let bound = bound(claim).value;
    let terms = share::terms(claim, None);
    let length = second(Offset::ZERO + hold);
    let ends = (seconds.first()? + length..=second(known)).rev();
    let met = ends.into_iter().find_map(|end| {
        let [wrong, due] = seconds.over(end, hold, |share| claim.compare.holds(share, bound))?;
        let start = Offset::from_millis((end - length) * 1_000);
        // Counters say how many rightly had no effect, and not which.
        let excused =
            counts.as_ref().map_or(0, |counts| counts.since(start).map_or(wrong, |nothing| nothing.min(wrong)));
        let ruling = measure::rule_part(&terms, wrong - excused, due);
        ruling.observed.filter(|_| ruling.verdict == Verdict::Pass)
    })?;
    Some(format!("{} {met} for {}", claim.measure, units::duration(hold)))
}

/// How many signals were due in each second, and with how many something went wrong. Seconds that we spoilt are left out.
fn seconds(trial: &Trial<'_>, account: &Account, claim: &EffectClaim) -> Seconds {
    let traffic = claim.traffic;
    let counts = |at: i64| !trial.fitness.is_spoilt(traffic, at);
    let mut seconds = Seconds::default();
    for (at, row) in trial.fitness.seconds[traffic].iter().filter(|(at, _)| counts(**at)) {
        seconds.add(*at, 0, row.due);
    }
    let resent = Resent::of(trial, traffic);
    let wrong = |row: &Row| match claim.measure {
        // An embedded cluster may have had those twice itself.
        EffectMeasure::Duplicated if resent.by(row).is_some() => 0,
        EffectMeasure::Duplicated => row.duplicated,
        _ => row.reordered,
    };
    if claim.measure == EffectMeasure::Lost {
        let over = trial.shots.on(Timing::Response);
        let lost = over.filter(|(who, _)| who.traffic == traffic && who.told == Outcome::Unfinished);
        let lost = lost.map(|(_, interval)| (second(interval.span.start), books::shots(interval)));
        lost.filter(|(at, _)| counts(*at)).for_each(|(at, lost)| seconds.add(at, lost, 0));
    } else {
        let rows = account.rows.values().map(|row| (second(row.due), wrong(row)));
        rows.filter(|(at, _)| counts(*at)).for_each(|(at, wrong)| seconds.add(at, wrong, 0));
    }
    seconds
}
