//! What the system's own counters rose by over the run: from the quiet scrape before it to the one after it.

use serde::Serialize;

use super::super::server::Server;
use crate::evidence::event::{Event, Scrape};
use crate::promql::{self, Options, Value};

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

/// What the elements of an expression rose by together.
pub fn increase(server: &Server<'_>, text: &str) -> Known {
    let expr = promql::parse(text).map_err(|why| why.to_string())?;
    let jobs = server.jobs([&expr]);
    let quiet = |job: &str, after: bool| {
        let events = server.trial.evidence.events.iter();
        let of_job = events.filter_map(|event| match event {
            Event::Scrape(scrape) if scrape.quiet && scrape.job == job => Some(scrape),
            _ => None,
        });
        let mut fit = of_job.filter(|scrape| (scrape.a >= server.trial.timeline.end) == after);
        if after { fit.last() } else { fit.next_back() }
    };
    let good = |scrape: Option<&Scrape>, when: &str, job: &str| match scrape {
        None => Err(format!("`{job}` was not scraped {when} the run")),
        Some(scrape) if scrape.missed => Err(format!("we missed the scrape of `{job}` {when} the run")),
        Some(Scrape { failed: Some(why), .. }) => Err(format!("the scrape of `{job}` {when} the run failed: {why}")),
        Some(scrape) => Ok(scrape.a),
    };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for job in &jobs {
        before.push(good(quiet(job, false), "before", job)?);
        after.push(good(quiet(job, true), "after", job)?);
    }
    let (Some(before), Some(after)) = (before.into_iter().max(), after.into_iter().max()) else {
        return Err("nothing that was scraped has it".into());
    };
    let sum = |at| match promql::evaluate(&expr, &server.storage, server.unix_ms(at), &Options::default()) {
        Ok(Value::Vector(elements)) if elements.is_empty() => Ok(None),
        Ok(Value::Vector(elements)) => Ok(Some(elements.iter().map(|e| e.value).sum::<f64>())),
        Ok(Value::Scalar(value)) => Ok(Some(value)),
        Ok(Value::Matrix(_) | Value::Text(_)) => Err("not a number at an instant".to_owned()),
        Err(why) => Err(why.to_string()),
    };
    // A counter may be born with its first count; at the end it must be there.
    let (from, to) = (sum(before)?.unwrap_or(0.0), sum(after)?.ok_or("nothing that was scraped has it")?);
    match to - from {
        rise if rise.is_nan() => Err("it is not a number".into()),
        rise if rise < 0.0 => Err(format!("it fell from {from} to {to}: whoever counts was restarted")),
        rise => Ok(rise.round() as u64),
    }
}
