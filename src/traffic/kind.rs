//! One traffic, made ready to be sent: its requests, where they go, and what their replies are worth.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::drive::Setup;
use super::errand::Errand;
use super::flow::{Flow, Shown};
use super::http::codec::Answer;
use super::http::service::Service;
use super::pick::{Paths, Picker};
use super::quote::Quotes;
use super::reply::Classes;
use super::{own_over, resolve};
use crate::base::time::Offset;
use crate::base::trace::TraceId;
use crate::evidence::reply::{Outcome, PartReply};
use crate::plan::TrafficPlan;
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
    Quote(Box<Quotes>, Rc<Service>),
    Flow(Box<Flow>),
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
    /// Every traffic of a scenario, with its services among those of the target.
    pub fn all(setup: &Setup, services: &[(String, Rc<Service>)]) -> io::Result<Vec<Kind>> {
        let scenario = &setup.scenario;
        let service = |name: Option<&str>| {
            let found = services.iter().find(|(n, _)| name.is_none_or(|name| name == n));
            let none = || io::Error::other(format!("the target has no service {}", name.unwrap_or("at all")));
            found.map(|(_, service)| service.clone()).ok_or_else(none)
        };
        let secret = |name: &str| setup.secrets.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let mut common = resolve(&scenario.target.headers, &secret);
        if scenario.target.wire.reuse.requests == Some(1) {
            // So that the other side closes first, and none of our ports has to rest.
            common.push(("Connection".into(), "close".into()));
        }
        let headers = |own: &[(String, HeaderValue)]| own_over(&common, resolve(own, &secret));
        let ready = |(traffic, plan): (&scenario::Traffic, &TrafficPlan)| {
            let mut paths = Paths::default();
            let how = match &traffic.kind {
                scenario::Kind::Quote(quote) => {
                    let service = service(traffic.service.as_deref())?;
                    let headers = headers(&quote.headers);
                    How::Quote(Box::new(Quotes::new(quote, service.base(), &headers, &mut paths)), service)
                }
                scenario::Kind::Flow(flow) => {
                    let values = plan.values().ok_or_else(|| io::Error::other("a flow without a plan"))?;
                    let service =
                        |step: &scenario::Step| service(step.service.as_deref().or(traffic.service.as_deref()));
                    How::Flow(Box::new(Flow::new(flow, values, headers, service)?))
                }
            };
            let classes = Classes::new(&traffic.classes, &mut paths);
            Ok(Kind { classes, picker: (!paths.is_empty()).then(|| paths.picker()), how })
        };
        scenario.traffic.iter().zip(&setup.plan.traffic).map(ready).collect()
    }

    /// Where the requests of a step go.
    pub fn service(&self, step: usize) -> &Service {
        match &self.how {
            How::Quote(_, service) => service,
            How::Flow(flow) => flow.service(step),
        }
    }

    /// The position of a request's route among those of its traffic.
    pub fn route(&self, errand: &Errand) -> usize {
        match &self.how {
            How::Quote(..) => usize::from(errand.shot.quote.is_some_and(|quote| quote.hybrid)),
            How::Flow(_) => errand.step as usize,
        }
    }

    /// How much of a body is read, in bytes.
    pub fn max_body(&self) -> usize {
        match &self.how {
            How::Quote(quotes, _) => quotes.max_body(),
            How::Flow(_) => STEP_BODY,
        }
    }

    /// A shot begins.
    pub fn begin(&self, errand: &mut Errand) {
        if let How::Flow(flow) = &self.how {
            errand.bag = flow.begin(errand.shot.seq);
        }
    }

    /// An errand comes to its next step, the one before being over `now`.
    pub fn next(&self, errand: &mut Errand, now: Offset) {
        match &self.how {
            How::Quote(..) => errand.step += 1,
            How::Flow(flow) => flow.next(errand, now),
        }
    }

    /// What became of an errand's present step, which is over, where it is measured by itself; `due` is when its shot was.
    pub fn part(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) -> Option<PartReply> {
        match &self.how {
            How::Quote(..) => None,
            How::Flow(flow) => flow.part(errand, due, outcome, now),
        }
    }

    /// An errand that is over, as its whole has it.
    pub fn whole(&self, errand: &Errand) -> Errand {
        match &self.how {
            How::Quote(..) => *errand,
            How::Flow(flow) => flow.whole(errand),
        }
    }

    /// A shot is over.
    pub fn end(&self, errand: &Errand) {
        if let How::Flow(flow) = &self.how {
            flow.end(errand.bag);
        }
    }

    /// Whether its shots ever rest.
    pub fn rests(&self) -> bool {
        match &self.how {
            How::Quote(..) => false,
            How::Flow(flow) => flow.rests(),
        }
    }

    /// How long a shot rests before an errand's step.
    pub fn think(&self, errand: &Errand) -> Duration {
        match &self.how {
            How::Quote(..) => Duration::ZERO,
            How::Flow(flow) => flow.think(errand.step as usize),
        }
    }

    /// Puts the request of an errand's step to a host together. `now_ms` is the wall clock in Unix milliseconds.
    pub fn write(&self, errand: &Errand, host: &[u8], trace: TraceId, now_ms: i64, request: &mut Vec<u8>) {
        match &self.how {
            How::Quote(quotes, _) => quotes.write(errand.shot.quote.unwrap_or_default(), host, trace, request),
            How::Flow(flow) => flow.write(errand.step as usize, host, shown(errand, trace, now_ms), request),
        }
    }

    /// What a reply is worth, and why. `now_ms` is the wall clock in Unix milliseconds.
    pub fn judge(&self, errand: &Errand, answer: &Answer<'_>, trace: TraceId, now_ms: impl FnOnce() -> i64) -> Judged {
        let read = || self.picker.as_ref().and_then(|picker| picker.read(answer.body));
        match &self.how {
            How::Quote(quotes, _) => {
                let picks = read();
                let asked = errand.shot.quote.unwrap_or_default();
                let (outcome, why) = quotes.worth(asked, answer, picks.as_ref(), now_ms);
                Judged { outcome, why, class: self.classes.of(answer, picks.as_ref()), more: false }
            }
            How::Flow(flow) => {
                let (outcome, why) = flow.worth(errand.step as usize, answer, shown(errand, trace, now_ms()));
                let more = outcome == Outcome::Ok && (errand.step as usize) + 1 < flow.len();
                let class = if more { None } else { self.classes.of(answer, read().as_ref()) };
                Judged { outcome, why, class, more }
            }
        }
    }

    /// Says of which step something is said.
    pub fn at(&self, errand: &Errand, why: String) -> String {
        match &self.how {
            How::Quote(..) => why,
            How::Flow(flow) => flow.at(errand.step as usize, &why),
        }
    }
}

fn shown(errand: &Errand, trace: TraceId, now_ms: i64) -> Shown {
    Shown { bag: errand.bag, seq: errand.shot.seq, trace, now_ms }
}
