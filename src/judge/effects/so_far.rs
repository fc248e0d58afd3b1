//! What is known of signals that rightly start nothing while a run goes on, or was known by some instant of it.
//!
//! The system's own counters say of how many it is so, and not of which. But whatever they counted by a scrape was due by then and
//! has no effect. So of all that was due by then and has none, or none yet, no more can have failed than was not counted. That
//! bound only falls while the run goes on: what was decided by it once, the evidence says for ever.
//!
//! What the counters rose by since some instant is in turn the most that can rightly have started nothing of the signals that
//! were due since.

use std::collections::{BTreeMap, BTreeSet};

use super::super::missing::Missing;
use super::super::server::Server;
use super::super::trial::Trial;
use super::super::window;
use super::Account;
use super::books;
use super::unmatched::{self, Course};
use crate::base::text;
use crate::base::time::Offset;
use crate::base::timing::Timing;
use crate::evidence::event::Event;
use crate::evidence::reply::Outcome;
use crate::scenario::{Seen, Signal};

/// What is to be made of the signals of a traffic that were due before an instant and have no effect.
pub fn by(trial: &Trial<'_>, server: &Server<'_>, traffic: usize, until: Offset) -> Missing {
    let Some(signal) = counted(trial, traffic) else { return Missing::Failed };
    match most(trial, server, signal, traffic, until) {
        Ok(most) => {
            let why = format!(
                "counters tell of those that rightly started nothing, which leaves up to {} that may have failed",
                text::thousands(most)
            );
            Missing::SoFar { most, why }
        }
        Err(why) => {
            let why = format!("what rightly had no effect is not known so far: {why}");
            Missing::SoFar { most: u64::MAX, why }
        }
    }
}

/// The signals of a traffic, if counters tell of those that rightly start nothing, and single effects of the others.
fn counted<'s>(trial: &Trial<'s>, traffic: usize) -> Option<&'s Signal> {
    let signal = trial.scenario.traffic[traffic].kind.signal()?;
    (!signal.unmatched.is_empty() && !matches!(signal.effects.seen, Seen::Metric(_))).then_some(signal)
}

fn courses(server: &Server<'_>, signal: &Signal) -> Result<Vec<Course>, String> {
    let of = |expr: &str| unmatched::so_far(server, expr).map_err(|why| format!("`{expr}`: {why}"));
    signal.unmatched.iter().map(|unmatched| of(&unmatched.expr)).collect()
}

/// How many signals due before an instant may have failed at most, by the scrape that leaves fewest.
fn most(trial: &Trial<'_>, server: &Server<'_>, signal: &Signal, traffic: usize, until: Offset) -> Result<u64, String> {
    let account = Account::told(trial.evidence, &trial.scenario.traffic[traffic].name);
    if let Some(why) = account.missed {
        return Err(format!("we may have missed effects: {why}"));
    }
    let courses = courses(server, signal)?;
    let waiting = Without::read(trial, traffic);
    let mut least: Option<u64> = None;
    for (at, answered) in scrapes(trial, &courses) {
        let Some(counted) = courses.iter().map(|course| course.by(at)).sum::<Option<f64>>() else { continue };
        let (without, counted) = (waiting.due_before(until.max(answered)), counted.round() as u64);
        let Some(most) = without.checked_sub(counted) else {
            let (without, counted) = (text::count(without, "signal"), text::thousands(counted));
            return Err(format!(
                "`unmatched` counters rose by {counted}, and only {without} had no effect: they count more than signals that start nothing"
            ));
        };
        least = Some(least.map_or(most, |least| least.min(most)));
    }
    least.ok_or_else(|| "they were not scraped yet".to_owned())
}

/// When counters were looked at, and when that was answered, as far as it is known what was due by then.
fn scrapes(trial: &Trial<'_>, courses: &[Course]) -> BTreeMap<Offset, Offset> {
    let looks: BTreeSet<Offset> = courses.iter().flat_map(Course::looks).collect();
    let mut all = BTreeMap::new();
    for event in &trial.evidence.events {
        if let Event::Scrape(scrape) = event
            && looks.contains(&scrape.a)
            && (scrape.b <= trial.windows.seen || window::is_complete(trial.evidence))
        {
            let answered = all.entry(scrape.a).or_insert(scrape.b);
            *answered = scrape.b.max(*answered);
        }
    }
    all
}

/// Signals that have no effect, or none yet: when they were due at the earliest, and how many had been by then.
struct Without(Vec<(Offset, u64)>);

impl Without {
    fn read(trial: &Trial<'_>, traffic: usize) -> Without {
        let without = |outcome: Outcome| outcome.is_failure() && outcome != Outcome::Failed;
        let over = trial.shots.on(Timing::Response);
        let over = over.filter(|(who, _)| who.traffic == traffic && without(who.told));
        let mut all: Vec<(Offset, u64)> = over.map(|(_, i)| (i.span.start, books::shots(i))).collect();
        // Of a second it is not known when in it they were due: rather one too many by an instant than one too few.
        let open = trial.fitness.seconds[traffic].iter().filter(|(_, row)| row.lost > 0);
        all.extend(open.map(|(second, row)| (Offset::from_millis(second * 1_000), row.lost)));
        all.sort_unstable();
        let mut sum = 0;
        for (_, count) in &mut all {
            sum += *count;
            *count = sum;
        }
        Without(all)
    }

    /// How many that were due before an instant.
    fn due_before(&self, at: Offset) -> u64 {
        self.0.partition_point(|(due, _)| *due < at).checked_sub(1).map_or(0, |last| self.0[last].1)
    }
}

/// What counters tell of the signals of a traffic while a run goes on.
pub struct Counts(Option<Vec<Course>>);

impl Counts {
    /// Of a traffic; nothing where nobody counts what rightly starts nothing.
    pub fn read(trial: &Trial<'_>, server: &Server<'_>, traffic: usize) -> Option<Counts> {
        Some(Counts(courses(server, counted(trial, traffic)?).ok()))
    }

    /// Up to when they have told; nothing where they do not.
    pub fn until(&self) -> Option<Offset> {
        self.0.iter().flatten().map(|course| course.looks().last()).min().flatten()
    }

    /// How many of the signals due since an instant rightly came to nothing at the most; nothing where that is not known.
    pub fn since(&self, start: Offset) -> Option<u64> {
        let rise = |course: &Course| Some(course.rise() as f64 - course.by(start)?);
        Some(self.0.as_ref()?.iter().map(rise).sum::<Option<f64>>()?.ceil() as u64)
    }
}
