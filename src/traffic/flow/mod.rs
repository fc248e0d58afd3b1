//! Requests, one after the other; the first that fails ends the flow.

mod bag;
mod fill;
mod part;
mod wanted;

use std::io;
use std::rc::Rc;
use std::time::Duration;

pub use wanted::Wanted;

pub use fill::{Says, filled};

use bag::Bags;

use super::http::codec::Answer;
use super::http::service::Service;
use super::request::{Request, Written};
use crate::base::trace::TraceId;
use crate::evidence::reply::Outcome;
use crate::plan::Values;
use crate::scenario::{self, HeaderValue, Step};

/// The steps of one traffic.
pub struct Flow {
    flow: scenario::Flow,
    steps: Vec<Ready>,
    bags: Bags,
    has_parts: bool, // whether its steps are measured by themselves
}

/// One step with everything filled in that is the same for every shot.
struct Ready {
    what: String, // for people
    think: Duration,
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
    ) -> io::Result<Flow> {
        let ready = |step: &Step| {
            let service = service(step)?;
            let mut headers = headers(&step.headers);
            if let Some(login) = &flow.login {
                headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&login.header));
            }
            // What carries a token is not the same for long.
            let plain = || request(step, service.base(), headers.clone());
            let request = match plain().filter(|_| flow.login.is_none()) {
                Some(plain) => Made::Plain(plain),
                None => Made::Written(Written::new(step, service.base(), headers)),
            };
            Ok(Ready { what: step.what(), think: step.think, service, request, wanted: Wanted::new(step) })
        };
        Ok(Flow {
            steps: flow.steps.iter().map(ready).collect::<io::Result<_>>()?,
            bags: Bags::new(values, flow.captures.len()),
            has_parts: !flow.parts().is_empty(),
            flow: flow.clone(),
        })
    }

    /// How many steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Where a step's request goes.
    pub fn service(&self, step: usize) -> &Service {
        &self.steps[step].service
    }

    /// Whether a shot rests before any step.
    pub fn rests(&self) -> bool {
        self.steps.iter().any(|step| !step.think.is_zero())
    }

    /// How long a shot rests before a step.
    pub fn think(&self, step: usize) -> Duration {
        self.steps[step].think
    }

    /// A shot begins: where what is kept for it is found.
    pub fn begin(&self, seq: u64) -> u32 {
        self.bags.take(seq)
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
        self.bags.with(bag, |bag| then(Says { flow: &self.flow, bag: Some(bag), seq, trace, now_ms }))
    }

    /// Says of which step something is said.
    pub fn at(&self, step: usize, why: &str) -> String {
        format!("step {}, {}: {why}", step + 1, self.steps[step].what)
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
    if !step.written.is_empty() {
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
