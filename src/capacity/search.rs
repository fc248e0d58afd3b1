//! What a search asks next. It is a pure function of what it was told to find and of the probes so far, so that any search can
//! be played again from its record.
//!
//! 1. *Warm*: the first rate, again and again until the target gets no faster.
//! 2. *Bracket*: twice the rate, until a promise breaks; half of it where it is broken from the beginning.
//! 3. *Come back*: after the first overload, the rate that held before it.
//! 4. *Close in*: rates at which the estimate is most in doubt, by turns below and above, until its range is as narrow as was
//!    asked for.
//! 5. *Return*: an overload and, without a break, a rate that had held. Lower ones, until the target comes back.
//!
//! What is INVALID or INCONCLUSIVE is asked again, and then ends the search or bounds it: nothing is guessed.

use crate::judge::Verdict;
use crate::judge::capacity::{Approach, Borne, Ended, Estimate, Knee, Probe, Role, generator_limit, is_same};

/// What is to be found, and what it may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Aim {
    /// The first rate, per second.
    pub from: f64,
    /// Below this no rate is tried.
    pub least: f64,
    /// Above this none is; infinite where nothing is said.
    pub most: f64,
    /// How far the range of the knee may reach to either side, as a share of it.
    pub resolution: f64,
    /// How long it may take, in seconds.
    pub max_time: Option<f64>,
    /// How long an overload lasts before the target is watched coming back, in seconds.
    pub overload: f64,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Another probe.
    Probe(Order),
    /// Nothing.
    End(Ended),
}

/// A probe that is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// The rate, per second.
    pub rate: f64,
    /// What it is for.
    pub role: Role,
    /// What the target has borne before.
    pub from: Approach,
    /// What it bears first, in the same run.
    pub borne: Option<Borne>,
    /// How long the target is left alone before, in seconds.
    pub rest: f64,
    /// It is measured so many times as long as usual.
    pub stretch: f64,
}

/// More probes say no more.
const MOST_PROBES: usize = 100;
/// A probe that says nothing is made so often at the most.
const MOST_UNDECIDED: usize = 3;
/// The same for one in which it was always us who were disturbed.
const MOST_DISTURBED: usize = 6;
/// The first rate is tried so often at the most.
const MOST_WARM: usize = 5;
/// A median below this part of the one before: the target still gets faster.
const FASTER: f64 = 0.9;
/// The rate grows by this factor until something breaks.
const GROWTH: f64 = 2.0;
/// How closely the range is enclosed below what the generator cannot do.
const CLOSE: f64 = 1.1;
/// At these parts of the knee it is looked whether the target comes back.
const RETURNS: [f64; 5] = [0.8, 0.6, 0.4, 0.25, 0.125];
/// A backlog is given this many times the time that it takes to drain; at the second try as many times as that again.
const PATIENCE: f64 = 1.5;
/// The same for the second try.
const MORE_PATIENCE: f64 = 6.0;
/// An overload is at most so many times the knee.
const OVERLOAD: f64 = 2.0;
/// One less than this many times the knee is none.
const LEAST_OVERLOAD: f64 = 1.1;
/// The longest rest between two probes, in seconds.
const LONGEST_REST: f64 = 60.0;
/// What a probe takes beside its load, in seconds, as far as budgets go.
const ASIDE: f64 = 3.0;

/// What comes next after some probes, which have been weighed; `elapsed` is how long the search has taken, in seconds.
pub fn next(aim: &Aim, probes: &[Probe], elapsed: f64) -> Next {
    let next = wanted(aim, probes);
    let Next::Probe(order) = &next else { return next };
    if probes.len() >= MOST_PROBES {
        return Next::End(Ended::Stuck(format!("{MOST_PROBES} probes did not settle it")));
    }
    let cost = probes.last().map_or(0.0, |last| (last.length + last.warm_up) * order.stretch + ASIDE) + order.rest;
    if aim.max_time.is_some_and(|most| elapsed + cost > most) {
        return Next::End(Ended::OutOfTime);
    }
    next
}

fn wanted(aim: &Aim, probes: &[Probe]) -> Next {
    if let Some(next) = again(probes) {
        return next;
    }
    if let Some(order) = warm(aim, probes) {
        return Next::Probe(order);
    }
    let knee = Knee::of(probes);
    // What the generator cannot do bounds what can be asked.
    let (most, by_us) = match knee.generator_limit {
        Some(limit) if limit <= aim.most => (limit, true),
        _ => (aim.most, false),
    };
    match (knee.held, knee.broke) {
        (None, None) => Next::End(if by_us { Ended::Generator } else { stuck(probes) }),
        (None, Some(broke)) => lower(aim, probes, broke),
        (Some(held), None) => higher(probes, held, most, by_us),
        (Some(held), Some(_)) => match back(probes, held) {
            Some(next) => next,
            None => close_in(aim, probes, &knee, (most, by_us)),
        },
    }
}

/// What said nothing is asked again, and ends the search where it still says nothing. Where we could not keep up it bounds
/// the search instead.
fn again(probes: &[Probe]) -> Option<Next> {
    let last = probes.last().filter(|last| last.decided().is_none())?;
    let same =
        |probe: &&Probe| probe.decided().is_none() && probe.role == last.role && is_same(probe.offered, last.offered);
    let tries = probes.iter().rev().take_while(same).count();
    let unfit =
        probes.iter().rev().take(tries).filter(|p| p.verdict == Verdict::Invalid && p.unfit_seconds > 0).count();
    if unfit >= 2 && last.role != Role::Return && generator_limit(probes).is_some_and(|it| is_same(it, last.offered)) {
        return None;
    }
    let most = if unfit == tries { MOST_DISTURBED } else { MOST_UNDECIDED };
    if tries >= most {
        return Some(Next::End(stuck(probes)));
    }
    // More shots where they were too few; where we were disturbed, the same again, and each time later.
    let doubled = 2.0f64.powi(tries as i32);
    let (rest, stretch) = if last.verdict == Verdict::Inconclusive { (1.0, doubled) } else { (doubled, 1.0) };
    let order = Order { rate: last.offered, role: last.role, from: last.from, borne: last.borne, rest, stretch };
    Some(Next::Probe(order))
}

fn stuck(probes: &[Probe]) -> Ended {
    let last = probes.last();
    let why = last.and_then(|last| last.why.first()).map_or("nothing was decided", String::as_str);
    let at = last.map_or(String::new(), |last| format!("at {}/s: ", trimmed(last.offered)));
    Ended::Stuck(format!("{at}{why}"))
}

/// A rate as the scenario of its probe has it: to three decimals.
pub fn trimmed(rate: f64) -> String {
    let text = format!("{rate:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn search(rate: f64, probes: &[Probe]) -> Order {
    let before = probes.last();
    let from = match before {
        Some(before) if before.offered > rate || before.borne.is_some() => Approach::Above,
        _ => Approach::Below,
    };
    Order { rate, role: Role::Search, from, borne: None, rest: rest(probes), stretch: 1.0 }
}

/// A backlog that a broken probe may have left takes as long to be worked off as it was beyond what is known to hold.
fn rest(probes: &[Probe]) -> f64 {
    let Some(last) = probes.last().filter(|last| last.decided() == Some(false)) else { return 0.0 };
    let held = probes.iter().filter(|p| p.decided() == Some(true)).map(|p| p.offered).fold(0.0, f64::max);
    let beyond = if held > 0.0 { (last.offered / held - 1.0).max(0.0) } else { 1.0 };
    ((last.length + last.warm_up) * beyond).clamp(1.0, LONGEST_REST)
}

fn warm(aim: &Aim, probes: &[Probe]) -> Option<Order> {
    let warm: Vec<&Probe> = probes.iter().filter(|p| p.role == Role::Warm && p.decided().is_some()).collect();
    // As soon as it is broken twice, or anything else was asked, warm is what it is.
    if probes.iter().any(|p| p.role != Role::Warm) || warm.len() >= MOST_WARM {
        return None;
    }
    let order = Order { role: Role::Warm, from: Approach::Below, ..search(aim.from, probes) };
    let [.., before, last] = warm.as_slice() else {
        let unfit = probes.iter().filter(|p| p.decided().is_none()).count() >= 2;
        return (!unfit).then_some(order);
    };
    let medians = last.response.p50.zip(before.response.p50);
    let faster = medians.is_some_and(|(last, before)| last < before * FASTER);
    let better = before.decided() == Some(false) && last.decided() == Some(true);
    (faster || better).then_some(order)
}

/// Everything is broken so far.
fn lower(aim: &Aim, probes: &[Probe], broke: f64) -> Next {
    let lowest = broke <= aim.least * (CLOSE / 1.05);
    if lowest && probes.iter().filter(|p| is_same(p.offered, broke) && p.decided() == Some(false)).count() >= 2 {
        return Next::End(Ended::BrokenAtLowest);
    }
    let rate = if lowest { broke } else { (broke / GROWTH).max(aim.least) };
    Next::Probe(search(rate, probes))
}

/// Everything holds so far.
fn higher(probes: &[Probe], held: f64, most: f64, by_us: bool) -> Next {
    if by_us {
        // Between what holds and what we cannot do.
        return match most > held * CLOSE {
            true => Next::Probe(search((held * most).sqrt(), probes)),
            false => Next::End(Ended::Generator),
        };
    }
    if held >= most || is_same(held, most) {
        return Next::End(Ended::HoldsAtMost);
    }
    Next::Probe(search((held * GROWTH).min(most), probes))
}

/// After the first overload: whether the target holds again what it held before. One that does not, twice, well below what
/// it held, has not come back, though nothing was asked of it in between.
fn back(probes: &[Probe], held: f64) -> Option<Next> {
    let told: Vec<&Probe> = probes.iter().filter(|p| p.held().is_some()).collect();
    let first = told.iter().position(|p| p.held() == Some(false) && p.offered > held)?;
    let after = &told[first + 1..];
    if after.iter().any(|p| p.held() == Some(true)) {
        return None;
    }
    let before = &told[..first];
    let lower = before.iter().filter(|p| p.held() == Some(true) && p.offered < held / 1.5).map(|p| p.offered);
    let lower = lower.reduce(f64::max).unwrap_or(held);
    match after.len() {
        0 => Some(Next::Probe(search(held, probes))),
        // Perhaps it only just held.
        1 | 2 => {
            let rest = if after.len() == 2 { LONGEST_REST / 2.0 } else { rest(probes) };
            Some(Next::Probe(Order { rest, ..search(lower, probes) }))
        }
        _ => Some(Next::End(Ended::NotBack)),
    }
}

fn close_in(aim: &Aim, probes: &[Probe], knee: &Knee, (most, by_us): (f64, bool)) -> Next {
    let told: Vec<(f64, bool)> = probes.iter().filter_map(|p| Some((p.offered, p.held()?))).collect();
    let Some(estimate) = Estimate::of(&told) else { return Next::End(stuck(probes)) };
    let close = estimate.reach() <= aim.resolution;
    let returning = probes.iter().any(|probe| probe.role == Role::Return);
    // Nothing is left that broke at first: what was last seen near the knee held.
    let back = told.iter().rev().find(|(rate, _)| *rate <= estimate.rate()).is_some_and(|(_, held)| *held);
    if returning || (close && back) {
        return come_back(probes, knee, estimate.rate(), (most, by_us, aim));
    }
    // By turns below and above, and where it is known well enough, below, to see it hold.
    let chance = match told.len() % 2 {
        _ if close => 0.2,
        0 => 0.35,
        _ => 0.65,
    };
    let rate = estimate.quantile(chance);
    if by_us && rate >= most {
        return match knee.held.filter(|held| most > held * CLOSE) {
            Some(held) => Next::Probe(search((held * most).sqrt(), probes)),
            None => Next::End(Ended::Generator),
        };
    }
    Next::Probe(search(rate.clamp(aim.least, most), probes))
}

/// The knee is known: does the target come back from beyond it, without a break?
fn come_back(probes: &[Probe], knee: &Knee, rate: f64, (most, by_us, aim): (f64, bool, &Aim)) -> Next {
    let returns: Vec<&Probe> = probes.iter().filter(|p| p.role == Role::Return && p.decided().is_some()).collect();
    // Where the generator, or the user, sets the bounds, no farther.
    let highest = if by_us { most * 0.95 } else { most };
    let overload = (rate * OVERLOAD).min(highest);
    if overload < rate * LEAST_OVERLOAD {
        return Next::End(Ended::Found);
    }
    let base = knee.low.min(rate);
    let order = |part: f64, patience: f64| {
        let drain = aim.overload * (overload / rate - 1.0) / (1.0 - part);
        let borne = Borne { rate: overload, length: aim.overload, settle: drain * patience };
        Order { borne: Some(borne), role: Role::Return, from: Approach::Above, ..search(base * part, probes) }
    };
    let Some(last) = returns.last() else { return Next::Probe(order(RETURNS[0], PATIENCE)) };
    if last.decided() == Some(true) {
        return Next::End(Ended::Found);
    }
    let tries = returns.iter().filter(|p| is_same(p.offered, last.offered)).count();
    let nth = RETURNS.iter().position(|part| is_same(base * part, last.offered)).unwrap_or(RETURNS.len());
    match RETURNS.get(nth) {
        // Slow to drain, or not at all?
        Some(part) if tries < 2 && returns.len() < 2 => Next::Probe(order(*part, MORE_PATIENCE)),
        _ => match RETURNS.get(nth + 1) {
            Some(part) if base * part >= aim.least / GROWTH => Next::Probe(order(*part, MORE_PATIENCE)),
            _ => Next::End(Ended::NotBack),
        },
    }
}
