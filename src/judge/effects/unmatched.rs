//! What the system's own counters rose by: over the run, from the quiet scrape before it to the one after it, and how far
//! they had come at each scrape in between.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::server::Server;
use super::super::verdict::instant;
use crate::base::time::Offset;
use crate::evidence::event::{Event, Scrape};
use crate::promql::{self, Expr, Options, Value};

/// What a counter rose by, or why that is not known.
pub type Known = Result<u64, String>;

/// What a counter of what rightly came to nothing rose by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnmatchedSummary {
    /// The expression.
    pub expr: String,
    /// By how much it rose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Why that is not known, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The way of a counter: what it had risen by at each good scrape. It never falls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Course(Vec<(Offset, f64)>);

impl Course {
    /// By how much it rose in all.
    pub fn rise(&self) -> u64 {
        self.0.last().map_or(0, |(_, rise)| rise.round() as u64)
    }

    /// When it was looked at.
    pub fn looks(&self) -> impl Iterator<Item = Offset> {
        self.0.iter().map(|(at, _)| *at)
    }

    /// By how much it had risen when it was last looked at by an instant; nothing before the first look.
    pub fn by(&self, at: Offset) -> Option<f64> {
        self.0.partition_point(|(look, _)| *look <= at).checked_sub(1).map(|last| self.0[last].1)
    }

    /// By how much it had risen: at a look what that saw, between two looks as if it rose evenly. Nothing before the
    /// first, after the last, and where two lie farther apart than `blind`.
    pub fn at(&self, at: Offset, blind: std::time::Duration) -> Option<f64> {
        let next = self.0.partition_point(|(look, _)| *look < at);
        let (end, high) = *self.0.get(next)?;
        if end == at {
            return Some(high);
        }
        let (start, low) = *self.0.get(next.checked_sub(1)?)?;
        let share = at.since(start).as_secs_f64() / end.since(start).as_secs_f64();
        (end.since(start) <= blind).then_some(low + (high - low) * share)
    }
}

/// The way of what the elements of an expression count together, from the quiet scrape before the load to the one after the
/// drain.
pub fn course(server: &Server<'_>, text: &str) -> Result<Course, String> {
    let counter = Counter::read(server, text)?;
    let end = server.trial.timeline.end;
    let quiet = |job: &str, after: bool| {
        let mut of_job = counter.scrapes.iter().filter(|scrape| scrape.quiet && scrape.job == job);
        of_job.rfind(|scrape| (scrape.a >= end) == after).copied()
    };
    let good = |scrape: Option<&Scrape>, when: &str, job: &str| match scrape {
        None => Err(format!("`{job}` was not scraped {when} the run")),
        Some(scrape) if scrape.missed => Err(format!("we missed the scrape of `{job}` {when} the run")),
        Some(Scrape { failed: Some(why), .. }) => Err(format!("the scrape of `{job}` {when} the run failed: {why}")),
        Some(scrape) => Ok(scrape.a),
    };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for job in &counter.jobs {
        before.push(good(quiet(job, false), "before", job)?);
        after.push(good(quiet(job, true), "after", job)?);
    }
    let (Some(before), Some(after)) = (before.into_iter().max(), after.into_iter().max()) else {
        return Err("nothing that was scraped has it".into());
    };
    // A counter may be born with its first count; at the end it must be there.
    counter.sum(after)?.ok_or("nothing that was scraped has it")?;
    match counter.course(before, after)? {
        (course, None) => Ok(course),
        (_, Some(why)) => Err(why),
    }
}

/// The same as far as it is known: from the first good scrape that is remembered to the last, or to the last before it fell.
pub fn so_far(server: &Server<'_>, text: &str) -> Result<Course, String> {
    let counter = Counter::read(server, text)?;
    let first = |job: &&str| counter.scrapes.iter().find(|s| s.job == **job && answered(s)).map(|scrape| scrape.a);
    let from: Option<Vec<Offset>> = counter.jobs.iter().map(first).collect();
    match from.and_then(|from| from.into_iter().max()) {
        Some(from) => Ok(counter.course(from, Offset::MAX)?.0),
        None => Err("it was not scraped yet".into()),
    }
}

/// What the elements of an expression count together, and when they were looked at.
struct Counter<'a> {
    server: &'a Server<'a>,
    expr: Expr,
    jobs: BTreeSet<&'a str>,
    scrapes: Vec<&'a Scrape>,
}

impl<'a> Counter<'a> {
    fn read(server: &'a Server<'a>, text: &str) -> Result<Counter<'a>, String> {
        let expr = promql::parse(text).map_err(|why| why.to_string())?;
        let jobs = server.jobs([&expr]);
        let scrapes = server.trial.evidence.events.iter().filter_map(|event| match event {
            Event::Scrape(scrape) if jobs.contains(scrape.job.as_str()) => Some(scrape),
            _ => None,
        });
        Ok(Counter { server, expr, scrapes: scrapes.collect(), jobs })
    }

    /// Its way between two scrapes, and why that ends before the latter, if it does.
    fn course(&self, from: Offset, to: Offset) -> Result<(Course, Option<String>), String> {
        let base = self.sum(from)?.unwrap_or(0.0);
        let (mut course, mut last) = (Course(vec![(from, 0.0)]), base);
        let mut is_good: BTreeMap<&str, bool> = self.jobs.iter().map(|job| (*job, true)).collect();
        for scrape in self.scrapes.iter().filter(|scrape| scrape.a > from && scrape.a <= to) {
            is_good.insert(scrape.job.as_str(), answered(scrape));
            // A sum over several jobs is a sum only where each of them has told its part.
            if is_good.values().any(|good| !good) {
                continue;
            }
            let now = self.sum(scrape.a)?.unwrap_or(0.0);
            if now.is_nan() {
                return Ok((course, Some("it is not a number".into())));
            }
            if now < last {
                let when = instant(scrape.a);
                let why = format!("it fell from {last} to {now} by {when}: whoever counts was restarted");
                return Ok((course, Some(why)));
            }
            course.0.push((scrape.a, now - base));
            last = now;
        }
        Ok((course, None))
    }

    /// All its elements together; nothing where there is none.
    fn sum(&self, at: Offset) -> Result<Option<f64>, String> {
        match promql::evaluate(&self.expr, &self.server.storage, self.server.unix_ms(at), &Options::default()) {
            Ok(Value::Vector(elements)) if elements.is_empty() => Ok(None),
            Ok(Value::Vector(elements)) => Ok(Some(elements.iter().map(|e| e.value).sum::<f64>())),
            Ok(Value::Scalar(value)) => Ok(Some(value)),
            Ok(Value::Matrix(_) | Value::Text(_)) => Err("not a number at an instant".to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }
}

fn answered(scrape: &Scrape) -> bool {
    !scrape.missed && scrape.failed.is_none()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn between_two_looks_it_rises_evenly_and_where_nobody_looked_nothing_is_known() {
        let at = Offset::from_millis;
        let course = Course(vec![(at(-500), 0.0), (at(500), 4.0), (at(1_500), 4.0), (at(5_000), 9.0)]);
        let of = |ms| course.at(at(ms), Duration::from_secs(2));
        assert_eq!((of(-500), of(0), of(500), of(1_200)), (Some(0.0), Some(2.0), Some(4.0), Some(4.0)));
        assert_eq!((of(-501), of(2_000), of(5_000), of(5_001)), (None, None, Some(9.0), None));
        assert_eq!((course.rise(), course.looks().count(), Course::default().rise()), (9, 4, 0));
    }
}
