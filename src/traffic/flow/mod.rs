//! Requests, one after the other; the first that fails ends the flow.

mod bag;
mod fill;
mod part;
mod sign;
mod wanted;

use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

pub use wanted::Wanted;

pub use bag::Bag;
pub use fill::{Says, filled};
pub use sign::Signer;

use bag::Bags;

use super::http::codec::Answer;
use super::http::service::Service;
use super::request::{Request, Written};
use crate::base::trace::TraceId;
use crate::evidence::reply::Outcome;
use crate::plan::Values;
use crate::scenario::{self, Branch, HeaderValue, Portion, Sign, Step};

/// The steps of one traffic.
pub struct Flow {
    flow: scenario::Flow,
    steps: Vec<Ready>,
    bags: Bags,
    branches: Vec<(Range<usize>, Option<u16>)>, // and the part that each is measured as
}

/// One step with everything filled in that is the same for every shot.
struct Ready {
    what: String, // for people
    think: Duration,
    until: Option<(Duration, Duration)>, // how often it is asked for again, and for how long
    is_first: bool,
    is_last: bool,
    part: Option<u16>, // that it is measured as
    service: Rc<Service>,
    request: Made,
    wanted: Wanted,
}

/// A request.
enum Made {
    /// The same for every shot.
    Plain(Request),
    /// Written anew for each.
    Written(Written),
}

impl Flow {
    /// With the headers that come of a step's own, and the service that it goes to.
    pub fn new(
        flow: &scenario::Flow,
        values: Values,
        headers: impl Fn(&[(String, HeaderValue)]) -> Vec<(String, String)>,
        service: impl Fn(&Step) -> io::Result<Rc<Service>>,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> io::Result<Flow> {
        let part = |portion| flow.part_of(portion).map(|part| part as u16);
        let branch = |(i, branch): (usize, &Branch)| (branch.steps.clone(), part(Portion::Branch(i)));
        let mut branches: Vec<_> = flow.branches.iter().enumerate().map(branch).collect();
        if branches.is_empty() {
            branches.push((0..flow.steps.len(), None));
        }
        let signer = |sign: &Sign| {
            let value = secret(&sign.secret).unwrap_or_default(); // a missing one has kept the run from starting
            Signer::new(sign, &value).map_err(io::Error::other)
        };
        let ready = |(i, step): (usize, &Step)| {
            let service = service(step)?;
            let mut headers = headers(&step.headers);
            if let Some(login) = &flow.login {
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&login.header));
            }
            // What carries a token is not the same for long.
            let plain = || request(step, service.base(), headers.clone());
            let request = match plain().filter(|_| flow.login.is_none()) {
                Some(plain) => Made::Plain(plain),
                None => {
                    let signer = step.sign.as_ref().map(signer).transpose()?;
                    Made::Written(Written::new(step, service.base(), headers, signer))
                }
            };
            Ok(Ready {
                what: step.what(),
                think: step.think,
                until: step.until.as_ref().map(|until| (until.every, until.within)),
                is_first: branches.iter().any(|(steps, _)| steps.start == i),
                is_last: branches.iter().any(|(steps, _)| steps.end == i + 1),
                part: part(Portion::Step(i)),
                service,
                request,
                wanted: Wanted::new(step),
            })
        };
        Ok(Flow {
            steps: flow.steps.iter().enumerate().map(ready).collect::<io::Result<_>>()?,
            bags: Bags::new(values, flow.captures.len()),
            branches,
            flow: flow.clone(),
        })
    }

    /// Whether a step is the first of its branch.
    pub fn is_first(&self, step: usize) -> bool {
        self.steps[step].is_first
    }

    /// Whether a step is the last of its branch.
    pub fn is_last(&self, step: usize) -> bool {
        self.steps[step].is_last
    }

    /// Where a step's request goes.
    pub fn service(&self, step: usize) -> &Service {
        &self.steps[step].service
    }

    /// Whether a shot rests before any step.
    pub fn rests(&self) -> bool {
        self.steps.iter().any(|step| !step.think.is_zero() || step.until.is_some())
    }

    /// How long a shot rests before a step.
    pub fn think(&self, step: usize) -> Duration {
        self.steps[step].think
    }

    /// How long a shot may go on after its last reply could have come: what it rests, and what it waits for.
    pub fn patience(&self) -> Duration {
        let of = |(steps, _): &(Range<usize>, _)| {
            let rests = self.steps[steps.clone()].iter().map(|s| s.think + s.until.map_or(Duration::ZERO, |u| u.1));
            rests.sum::<Duration>()
        };
        self.branches.iter().map(of).max().unwrap_or_default()
    }

    /// A shot begins: where what is kept for it is found, and the first of its steps.
    pub fn begin(&self, seq: u64) -> (u32, u32) {
        let bag = self.bags.take(seq);
        let branch = self.bags.with(bag, |bag| bag.drawn.branch.unwrap_or(0));
        (bag, self.branches[branch].0.start as u32)
    }

    /// A shot is over.
    pub fn end(&self, bag: u32) {
        self.bags.give_back(bag);
    }

    /// Writes a step's request; `token` is the header that carries one, with its end.
    pub fn write(&self, step: usize, host: &[u8], token: Option<&[u8]>, shot: Shown, out: &mut Vec<u8>) {
        match &self.steps[step].request {
            Made::Plain(request) => request.write(None, host, Some(shot.trace), out),
            Made::Written(written) => self.says(shot, |says| written.write(host, token, &says, out)),
        }
    }

    /// What keeps a step that is repeated from being over.
    pub fn pending(&self, step: usize, answer: &Answer<'_>, shot: Shown) -> Option<String> {
        self.steps[step].until?;
        self.says(shot, |says| self.steps[step].wanted.pending(answer, says))
    }

    /// What a step's reply is worth, and why. What is to be captured is kept.
    pub fn worth(&self, step: usize, answer: &Answer<'_>, shot: Shown) -> (Outcome, Option<String>) {
        let mut captured = Vec::new();
        let wanted = &self.steps[step].wanted;
        let (outcome, why) =
            self.says(shot, |says| wanted.worth(answer, Some(says), |name, datum| captured.push((name, datum))));
        captured.into_iter().for_each(|(name, datum)| self.bags.capture(shot.bag, name, datum));
        (outcome, why.map(|why| self.at(step, &why)))
    }

    /// What was captured of a shot, as text.
    pub fn captured(&self, bag: u32, capture: usize) -> Option<String> {
        self.bags.with(bag, |bag| bag.captured.get(capture)?.as_ref().map(|datum| datum.text().to_owned()))
    }

    fn says<T>(&self, shot: Shown, then: impl FnOnce(Says<'_>) -> T) -> T {
        let Shown { bag, seq, trace, now_ms } = shot;
        self.bags.with(bag, |bag| then(Says { flow: &self.flow, bag: Some(bag), seq, trace, now_ms, signed: None }))
    }

    /// Says of which step something is said.
    pub fn at(&self, step: usize, why: &str) -> String {
        match self.steps.get(step) {
            Some(ready) => format!("step {}, {}: {why}", step + 1, ready.what),
            None => why.to_owned(), // it waits for what comes by itself
        }
    }
}

/// What a step shows of its shot.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Where what is kept for it is found.
    pub bag: u32,
    /// Its number.
    pub seq: u64,
    /// The id of its trace.
    pub trace: TraceId,
    /// The wall clock, in Unix milliseconds.
    pub now_ms: i64,
}

/// The request of a step whose service's paths begin with `base`, with all of its headers; nothing where it is not the
/// same for every shot.
pub fn request(step: &Step, base: &str, mut headers: Vec<(String, String)>) -> Option<Request> {
    let (path, body) = (step.path.as_plain()?, step.body.as_ref());
    let text = body.map_or(Some(""), |(body, _)| body.as_plain())?;
    if !step.written.is_empty() || step.sign.is_some() {
        return None;
    }
    headers.extend(media(step, &headers));
    Some(Request::new(step.method.word(), &format!("{base}{path}"), &headers, text.as_bytes()))
}

/// The header that says what a step's body is, where the scenario does not.
pub fn media(step: &Step, headers: &[(String, String)]) -> Option<(String, String)> {
    let said = |name: &str| name.eq_ignore_ascii_case("content-type");
    let already = headers.iter().any(|(n, _)| said(n)) || step.written.iter().any(|(n, _)| said(n));
    step.body.as_ref().filter(|_| !already).map(|(_, media)| ("Content-Type".into(), media.clone()))
}
