//! Plain requests, one after the other; the first that fails ends the flow.

use std::io;
use std::rc::Rc;

use super::http::codec::Answer;
use super::http::service::Service;
use super::pick::{Paths, Picker};
use super::reply::{excerpt, status_is};
use super::request::Request;
use crate::base::trace::TraceId;
use crate::evidence::reply::Outcome;
use crate::scenario::{self, HeaderValue, Step};

/// The steps of one traffic.
pub struct Flow {
    steps: Vec<Ready>,
}

/// One step with everything filled in.
struct Ready {
    what: String, // for people
    service: Rc<Service>,
    request: Request,
    wanted: Wanted,
}

/// What a step's reply must be.
pub struct Wanted {
    status: Option<u16>,
    json: Option<Place>,
}

/// A place in a body, and what must stand there.
struct Place {
    picker: Picker,
    slot: usize,
    path: String,
    is: Option<String>,
}

impl Flow {
    /// With the headers that come of a step's own, and the service that it goes to.
    pub fn new(
        flow: &scenario::Flow,
        headers: impl Fn(&[(String, HeaderValue)]) -> Vec<(String, String)>,
        service: impl Fn(&Step) -> io::Result<Rc<Service>>,
    ) -> io::Result<Flow> {
        let ready = |step: &Step| {
            let service = service(step)?;
            let request = request(step, service.base(), headers(&step.headers));
            let what = format!("{} {}", step.method.word(), step.path);
            Ok(Ready { what, service, request, wanted: Wanted::new(step) })
        };
        Ok(Flow { steps: flow.steps.iter().map(ready).collect::<io::Result<_>>()? })
    }

    /// How many steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Where a step's request goes.
    pub fn service(&self, step: usize) -> &Service {
        &self.steps[step].service
    }

    /// Writes a step's request.
    pub fn write(&self, step: usize, host: &[u8], trace: TraceId, out: &mut Vec<u8>) {
        self.steps[step].request.write(None, host, Some(trace), out);
    }

    /// What a step's reply is worth, and why.
    pub fn worth(&self, step: usize, answer: &Answer<'_>) -> (Outcome, Option<String>) {
        let (outcome, why) = self.steps[step].wanted.worth(answer.status, answer.body, answer.too_long);
        (outcome, why.map(|why| self.at(step, &why)))
    }

    /// Says of which step something is said.
    pub fn at(&self, step: usize, why: &str) -> String {
        format!("step {}, {}: {why}", step + 1, self.steps[step].what)
    }
}

/// The request of a step whose service's paths begin with `base`, with all of its headers.
pub fn request(step: &Step, base: &str, mut headers: Vec<(String, String)>) -> Request {
    if let Some((_, media)) = &step.body
        && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("Content-Type".into(), media.clone()));
    }
    let body = step.body.as_ref().map_or("", |(body, _)| body.as_str());
    Request::new(step.method.word(), &format!("{base}{}", step.path), &headers, body.as_bytes())
}

impl Wanted {
    /// What a step says of it.
    pub fn new(step: &Step) -> Wanted {
        let place = |(path, is): &(serde_json_path::JsonPath, Option<String>)| {
            let mut paths = Paths::default();
            let slot = paths.slot(path);
            Place { picker: paths.picker(), slot, path: path.to_string(), is: is.clone() }
        };
        Wanted { status: step.status, json: step.json.as_ref().map(place) }
    }

    /// What a reply is worth, and why.
    pub fn worth(&self, status: u16, body: &[u8], too_long: bool) -> (Outcome, Option<String>) {
        if !status_is(status, self.status) {
            return (Outcome::Rejected, Some(format!("status {status}")));
        }
        if too_long {
            return (Outcome::Invalid, Some("the body is too long".into()));
        }
        let Some(Place { picker, slot, path, is }) = &self.json else { return (Outcome::Ok, None) };
        let Some(picks) = picker.read(body) else {
            return (Outcome::Invalid, Some(format!("the body is no JSON: {}", excerpt(body))));
        };
        match (picks.get(*slot), is) {
            (None, _) => (Outcome::Invalid, Some(format!("nothing at {path}"))),
            (Some(found), Some(is)) if !found.is(is) => {
                (Outcome::Invalid, Some(format!("`{}` at {path}, not `{is}`", found.text())))
            }
            _ => (Outcome::Ok, None),
        }
    }
}
