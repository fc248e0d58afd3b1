//! Plain requests, one after the other; the first that fails ends the flow.

use std::rc::Rc;

use bytes::Bytes;

use super::http::exchange::{Answer, Exchange};
use super::http::pool::Pool;
use super::quote::build;
use super::reply;
use crate::evidence::reply::Outcome;
use crate::scenario::Step;

/// One step with everything filled in.
pub struct Ready {
    /// What it is.
    pub step: Step,
    /// Where it goes.
    pub pool: Rc<Pool>,
    /// All its headers.
    pub headers: Vec<(String, String)>,
}

/// Runs the steps; the outcome, why, and the last answer.
pub async fn run(
    steps: &[Ready],
    traceparent: &str,
    exchange: &Exchange<'_>,
) -> (Outcome, Option<String>, Option<Answer>) {
    let mut last = None;
    for (n, Ready { step, pool, headers }) in steps.iter().enumerate() {
        let at = |why: String| format!("step {}, {} {}: {why}", n + 1, step.method.word(), step.path);
        let uri = format!("{}{}", pool.address().base, step.path);
        let body = step.body.as_ref().map_or_else(Bytes::new, |(body, _)| Bytes::from(body.clone()));
        let request =
            match build(step.method.word(), uri, &pool.address().authority(), headers, traceparent.into(), body) {
                Ok(request) => request,
                Err(why) => return (Outcome::Invalid, Some(at(why)), None),
            };
        match exchange.send(pool, request).await {
            Err(failure) => return (failure.outcome, Some(at(failure.why)), None),
            Ok(answer) => {
                let (outcome, why) = reply::step(step, answer.status, &answer.body, answer.too_long);
                if outcome != Outcome::Ok {
                    return (outcome, why.map(at), Some(answer));
                }
                last = Some(answer);
            }
        }
    }
    (Outcome::Ok, None, last)
}
