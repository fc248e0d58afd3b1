//! Plain requests, one after the other; the first that fails ends the flow.

use std::io;
use std::rc::Rc;

use super::http::codec::Answer;
use super::http::pool::Pool;
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
    pool: Rc<Pool>,
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
    /// With the headers that come of a step's own, and the pool that its service has.
    pub fn new(
        flow: &scenario::Flow,
        headers: impl Fn(&[(String, HeaderValue)]) -> Vec<(String, String)>,
        pool: impl Fn(&Step) -> io::Result<Rc<Pool>>,
    ) -> io::Result<Flow> {
        let ready = |step: &Step| {
            let mut headers = headers(&step.headers);
            if let Some((_, media)) = &step.body
                && !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
            {
                headers.push(("Content-Type".into(), media.clone()));
            }
            let pool = pool(step)?;
            let target = format!("{}{}", pool.address().base, step.path);
            let body = step.body.as_ref().map_or("", |(body, _)| body.as_str());
            let request = Request::new(step.method.word(), &target, pool.address(), &headers, body.as_bytes());
            let what = format!("{} {}", step.method.word(), step.path);
            Ok(Ready { what, pool, request, wanted: Wanted::new(step) })
        };
        Ok(Flow { steps: flow.steps.iter().map(ready).collect::<io::Result<_>>()? })
    }

    /// How many steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Where a step's request goes.
    pub fn pool(&self, step: usize) -> &Rc<Pool> {
        &self.steps[step].pool
    }

    /// Writes a step's request.
    pub fn write(&self, step: usize, trace: TraceId, out: &mut Vec<u8>) {
        self.steps[step].request.write(None, trace, out);
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
