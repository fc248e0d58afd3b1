//! One traffic, made ready to be sent: its requests, where they go, and what their replies are worth.

use std::io;
use std::rc::Rc;

use super::drive::Setup;
use super::errand::Errand;
use super::flow::Flow;
use super::http::codec::Answer;
use super::http::pool::Pool;
use super::pick::{Paths, Picker};
use super::quote::Quotes;
use super::reply::Classes;
use super::resolve;
use crate::base::trace::TraceId;
use crate::evidence::reply::Outcome;
use crate::scenario::{self, HeaderValue};

/// A body of a plain step is read up to this size, in bytes.
const STEP_BODY: usize = 1_000_000;

/// One traffic, made ready.
pub struct Kind {
    classes: Classes,
    picker: Option<Picker>, // of whole shots' replies
    how: How,
}

enum How {
    Quote(Box<Quotes>, Rc<Pool>),
    Flow(Flow),
}

/// What a reply is worth.
pub struct Judged {
    /// In a word.
    pub outcome: Outcome,
    /// In words, where it is not ok.
    pub why: Option<String>,
    /// The class of the reply.
    pub class: Option<u16>,
    /// Whether another step follows.
    pub more: bool,
}

impl Kind {
    /// Every traffic of a scenario, with its pools among those of the services.
    pub fn all(setup: &Setup, pools: &[(String, Rc<Pool>)]) -> io::Result<Vec<Kind>> {
        let scenario = &setup.scenario;
        let pool = |name: Option<&str>| {
            let found = name.map_or(pools.first(), |name| pools.iter().find(|(n, _)| n == name));
            let none = || io::Error::other(format!("the target has no service {}", name.unwrap_or("at all")));
            found.map(|(_, pool)| pool.clone()).ok_or_else(none)
        };
        let secret = |name: &str| setup.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let common = resolve(&scenario.target.headers, &secret);
        let headers = |own: &[(String, HeaderValue)]| {
            let own = resolve(own, &secret);
            let overridden = |name: &str| own.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
            let mut all: Vec<(String, String)> = common.iter().filter(|(n, _)| !overridden(n)).cloned().collect();
            all.extend(own);
            all
        };
        let ready = |traffic: &scenario::Traffic| {
            let mut paths = Paths::default();
            let how = match &traffic.kind {
                scenario::Kind::Quote(quote) => {
                    let pool = pool(traffic.service.as_deref())?;
                    let headers = headers(&quote.headers);
                    How::Quote(Box::new(Quotes::new(quote, pool.address(), &headers, &mut paths)), pool)
                }
                scenario::Kind::Flow(flow) => How::Flow(Flow::new(flow, headers, |step| {
                    pool(step.service.as_deref().or(traffic.service.as_deref()))
                })?),
            };
            let classes = Classes::new(&traffic.classes, &mut paths);
            Ok(Kind { classes, picker: (!paths.is_empty()).then(|| paths.picker()), how })
        };
        scenario.traffic.iter().map(ready).collect()
    }

    /// Where the requests of a step go.
    pub fn pool(&self, step: usize) -> &Rc<Pool> {
        match &self.how {
            How::Quote(_, pool) => pool,
            How::Flow(flow) => flow.pool(step),
        }
    }

    /// How much of a body is read, in bytes.
    pub fn max_body(&self) -> usize {
        match &self.how {
            How::Quote(quotes, _) => quotes.max_body(),
            How::Flow(_) => STEP_BODY,
        }
    }

    /// Puts the request of an errand's step together.
    pub fn write(&self, errand: &Errand, trace: TraceId, request: &mut Vec<u8>) {
        match &self.how {
            How::Quote(quotes, _) => quotes.write(errand.shot.quote.unwrap_or_default(), trace, request),
            How::Flow(flow) => flow.write(errand.step, trace, request),
        }
    }

    /// What a reply is worth, and why. `now_ms` is the wall clock in Unix milliseconds.
    pub fn judge(&self, errand: &Errand, answer: &Answer<'_>, now_ms: impl FnOnce() -> i64) -> Judged {
        let read = || self.picker.as_ref().and_then(|picker| picker.read(answer.body));
        match &self.how {
            How::Quote(quotes, _) => {
                let picks = read();
                let asked = errand.shot.quote.unwrap_or_default();
                let (outcome, why) = quotes.worth(asked, answer, picks.as_ref(), now_ms);
                Judged { outcome, why, class: self.classes.of(answer, picks.as_ref()), more: false }
            }
            How::Flow(flow) => {
                let (outcome, why) = flow.worth(errand.step, answer);
                let more = outcome == Outcome::Ok && errand.step + 1 < flow.len();
                let class = if more { None } else { self.classes.of(answer, read().as_ref()) };
                Judged { outcome, why, class, more }
            }
        }
    }

    /// Says of which step something is said.
    pub fn at(&self, errand: &Errand, why: String) -> String {
        match &self.how {
            How::Quote(..) => why,
            How::Flow(flow) => flow.at(errand.step, &why),
        }
    }
}
