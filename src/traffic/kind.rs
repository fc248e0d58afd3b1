//! One traffic, made ready to be sent: its requests, where they go, and what their replies are worth.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::bearer::Keeper;
use super::drive::Setup;
use super::errand::Errand;
use super::flow::{Flow, Shown};
use super::http::codec::Answer;
use super::http::service::Service;
use super::pick::{Paths, Picker};
use super::pipeline::{Heard, Pipeline};
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
    name: String,
    keeper: Option<Arc<Keeper>>,
    classes: Classes,
    picker: Option<Picker>, // of whole shots' replies
    how: How,
}

enum How {
    Quote(Box<Quotes>, Rc<Service>),
    Flow(Box<Flow>),
    Pipeline(Box<Pipeline>),
}

/// What a reply is worth.
pub struct Judged {
    /// In a word.
    pub outcome: Outcome,
    /// In words, where it is not ok.
    pub why: Option<String>,
    /// The class of the reply.
    pub class: Option<u16>,
    /// What follows.
    pub then: Then,
}

/// What follows a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the shot is over.
    Over,
    /// Another step.
    Next,
    /// The same step again, at this instant.
    Again(Offset),
    /// A rest, until it is asked for again.
    Rest,
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
                // Of signals there is nothing to ask a service for.
                scenario::Kind::Signal(signal) => {
                    let values = plan.values().ok_or_else(|| io::Error::other("signals without a plan"))?;
                    How::Flow(Box::new(Flow::new(&signal.flow, values, headers, |_| service(None))?))
                }
                scenario::Kind::Flow(flow) => {
                    let values = plan.values().ok_or_else(|| io::Error::other("a flow without a plan"))?;
                    let service =
                        |step: &scenario::Step| service(step.service.as_deref().or(traffic.service.as_deref()));
                    How::Flow(Box::new(Flow::new(flow, values, headers, service, &secret)?))
                }
                scenario::Kind::Pipeline(pipeline) => {
                    let values = plan.values().ok_or_else(|| io::Error::other("a pipeline without a plan"))?;
                    let service =
                        |step: &scenario::Step| service(step.service.as_deref().or(traffic.service.as_deref()));
                    let flow = Flow::new(&pipeline.flow, values, headers, service, &secret)?;
                    let found = setup.meetings.iter().find(|(name, _)| *name == traffic.name);
                    let meeting = found.map(|(_, meeting)| meeting.clone()).unwrap_or_default();
                    How::Pipeline(Box::new(Pipeline::new(flow, &traffic.name, pipeline, meeting, setup.workers)))
                }
            };
            let keeper = setup.keepers.iter().find(|(name, _)| *name == traffic.name).map(|(_, keeper)| keeper.clone());
            let classes = Classes::new(&traffic.classes, &mut paths);
            let name = traffic.name.clone();
            Ok(Kind { name, keeper, classes, picker: (!paths.is_empty()).then(|| paths.picker()), how })
        };
        scenario.traffic.iter().zip(&setup.plan.traffic).map(ready).collect()
    }

    /// What promises call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who keeps the token that its requests carry, if they carry one.
    pub fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.keeper.as_ref()
    }

    /// Its shots, where they are followed after they were started.
    pub fn pipeline(&self) -> Option<&Pipeline> {
        match &self.how {
            How::Quote(..) | How::Flow(_) => None,
            How::Pipeline(pipeline) => Some(pipeline),
        }
    }

    /// Its steps; `None` for quotes.
    fn flow(&self) -> Option<&Flow> {
        match &self.how {
            How::Quote(..) => None,
            How::Flow(flow) => Some(flow),
            How::Pipeline(pipeline) => Some(pipeline.flow()),
        }
    }

    /// Where the requests of a step go.
    pub fn service(&self, step: usize) -> &Service {
        match &self.how {
            How::Quote(_, service) => service,
            How::Flow(flow) => flow.service(step),
            How::Pipeline(pipeline) => pipeline.flow().service(step),
        }
    }

    /// The position of a request's route among those of its traffic.
    pub fn route(&self, errand: &Errand) -> usize {
        match &self.how {
            How::Quote(..) => usize::from(errand.shot.quote.is_some_and(|quote| quote.hybrid)),
            How::Flow(_) | How::Pipeline(_) => errand.step as usize,
        }
    }

    /// How much of a body is read, in bytes.
    pub fn max_body(&self) -> usize {
        match &self.how {
            How::Quote(quotes, _) => quotes.max_body(),
            How::Flow(_) | How::Pipeline(_) => STEP_BODY,
        }
    }

    /// A shot begins.
    pub fn begin(&self, errand: &mut Errand) {
        if let Some(flow) = self.flow() {
            (errand.bag, errand.step) = flow.begin(errand.shot.seq);
        }
    }

    /// An errand comes to its next step, the one before being over `now`.
    pub fn next(&self, errand: &mut Errand, now: Offset) {
        match &self.how {
            How::Quote(..) | How::Pipeline(_) => errand.step += 1,
            How::Flow(flow) => flow.next(errand, now),
        }
    }

    /// Whether an errand has come to the first of its steps.
    pub fn is_first(&self, errand: &Errand) -> bool {
        match &self.how {
            How::Quote(..) => true,
            How::Flow(flow) => flow.is_first(errand.step as usize),
            How::Pipeline(_) => errand.step == 0,
        }
    }

    /// How long after the last reply its shots may go on.
    pub fn patience(&self) -> Duration {
        match &self.how {
            How::Quote(..) | How::Pipeline(_) => Duration::ZERO,
            How::Flow(flow) => flow.patience(),
        }
    }

    /// What became of the branch that an errand took, which is over, where there are branches; `due` is when its shot was.
    pub fn branch(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset) -> Option<PartReply> {
        match &self.how {
            How::Quote(..) | How::Pipeline(_) => None,
            How::Flow(flow) => flow.branch(errand, due, outcome, now),
        }
    }

    /// What became of an errand's present step, which is over, where it is measured by itself; `due` is when its shot was.
    pub fn parts(&self, errand: &Errand, due: Offset, outcome: Outcome, now: Offset, parts: &mut Vec<PartReply>) {
        match &self.how {
            How::Quote(..) => {}
            How::Flow(flow) => parts.extend(flow.part(errand, due, outcome, now)),
            How::Pipeline(pipeline) => pipeline.parts(errand, due, outcome, now, parts),
        }
    }

    /// An errand that is over, as its whole has it.
    pub fn whole(&self, errand: &Errand) -> Errand {
        match &self.how {
            How::Quote(..) => *errand,
            How::Flow(flow) => flow.whole(errand),
            How::Pipeline(pipeline) => pipeline.whole(errand),
        }
    }

    /// A shot is over.
    pub fn end(&self, errand: &Errand, now: Offset) {
        match &self.how {
            How::Quote(..) => {}
            How::Flow(flow) => flow.end(errand.bag),
            How::Pipeline(pipeline) => pipeline.end(errand, now),
        }
    }

    /// Whether its shots ever rest.
    pub fn rests(&self) -> bool {
        match &self.how {
            How::Quote(..) | How::Pipeline(_) => false,
            How::Flow(flow) => flow.rests(),
        }
    }

    /// How long a shot rests before an errand's step.
    pub fn think(&self, errand: &Errand) -> Duration {
        match &self.how {
            How::Quote(..) | How::Pipeline(_) => Duration::ZERO,
            How::Flow(flow) => flow.think(errand.step as usize),
        }
    }

    /// Puts the request of an errand's step to a host together. `now_ms` is the wall clock in Unix milliseconds.
    pub fn write(&self, errand: &Errand, host: &[u8], trace: TraceId, now_ms: i64, request: &mut Vec<u8>) {
        let token = self.keeper.as_ref().map(|keeper| keeper.line().0);
        let shown = shown(errand, trace, now_ms);
        match &self.how {
            How::Quote(quotes, _) => quotes.write(errand.shot.quote.unwrap_or_default(), host, trace, request),
            How::Flow(flow) => flow.write(errand.step as usize, host, token.as_deref(), shown, request),
            How::Pipeline(pipeline) => {
                pipeline.flow().write(errand.step as usize, host, token.as_deref(), shown, request);
            }
        }
    }

    /// An errand's request is about to be written.
    pub fn leaves(&self, errand: &mut Errand, now: Offset) {
        if let Some(keeper) = &self.keeper {
            errand.token = keeper.line().1;
        }
        if let How::Pipeline(pipeline) = &self.how {
            pipeline.leaves(errand, now);
        }
    }

    /// What a reply is worth that has come `now`, and why. `now_ms` is the wall clock in Unix milliseconds.
    pub fn judge(&self, errand: &Errand, answer: &Answer<'_>, trace: TraceId, now: Offset, now_ms: i64) -> Judged {
        let read = || self.picker.as_ref().and_then(|picker| picker.read(answer.body));
        let shown = shown(errand, trace, now_ms);
        match &self.how {
            How::Quote(quotes, _) => {
                let picks = read();
                let asked = errand.shot.quote.unwrap_or_default();
                let (outcome, why) = quotes.worth(asked, answer, picks.as_ref(), || now_ms);
                let class = self.classes.of(answer, picks.as_ref());
                Judged { outcome, why, class, then: Then::Over }
            }
            How::Flow(flow) => {
                let step = errand.step as usize;
                let over = |outcome, why| {
                    let class = self.classes.of(answer, read().as_ref());
                    Judged { outcome, why, class, then: Then::Over }
                };
                if let Some(why) = flow.pending(step, answer, shown) {
                    return match flow.again(errand, &why, now) {
                        Ok(at) => Judged { outcome: Outcome::Ok, why: None, class: None, then: Then::Again(at) },
                        Err(why) => over(Outcome::Unfinished, Some(flow.at(step, &why))),
                    };
                }
                match flow.worth(step, answer, shown) {
                    (Outcome::Ok, _) if !flow.is_last(step) => {
                        Judged { outcome: Outcome::Ok, why: None, class: None, then: Then::Next }
                    }
                    (outcome, why) => over(outcome, why),
                }
            }
            How::Pipeline(pipeline) => match pipeline.hear(errand, answer, shown, now) {
                Heard::GoesOn => Judged { outcome: Outcome::Ok, why: None, class: None, then: Then::Rest },
                Heard::Over(outcome, why) => {
                    let class = self.classes.of(answer, read().as_ref());
                    Judged { outcome, why, class, then: Then::Over }
                }
            },
        }
    }

    /// What follows when an errand came to nothing.
    pub fn lost(&self, errand: &Errand, outcome: Outcome, why: String, now: Offset) -> Heard {
        match &self.how {
            How::Pipeline(pipeline) => pipeline.lose(errand, outcome, why, now),
            How::Quote(..) | How::Flow(_) => Heard::Over(outcome, Some(why)),
        }
    }

    /// When a shot was over of which that is found `now`.
    pub fn done(&self, errand: &Errand, now: Offset) -> Offset {
        self.pipeline().map_or(now, |pipeline| pipeline.done(errand, now))
    }

    /// Before when a shot surely was not over that is over `now`; nothing where that is known to the instant.
    pub fn not_before(&self, errand: &Errand, now: Offset) -> Option<Offset> {
        self.pipeline()?.not_before(errand, now)
    }

    /// Says of which step something is said.
    pub fn at(&self, errand: &Errand, why: String) -> String {
        self.flow().map_or_else(|| why.clone(), |flow| flow.at(errand.step as usize, &why))
    }
}

fn shown(errand: &Errand, trace: TraceId, now_ms: i64) -> Shown {
    Shown { bag: errand.bag, seq: errand.shot.seq, trace, now_ms }
}
