//! What a step's reply must be, and what is captured from it.

use regex::bytes::Regex;

use super::fill::Says;
use crate::evidence::reply::Outcome;
use crate::scenario::{Capture, Datum, ReplyPlace, Step, Template, Test};
use crate::traffic::http::codec::Answer;
use crate::traffic::pick::{Paths, Picked, Picker, Picks};
use crate::traffic::reply::{excerpt, status_is};

/// What a step's reply must be.
pub struct Wanted {
    statuses: Vec<u16>,
    picker: Option<Picker>,
    tests: Vec<(Part, Vec<Template>)>,
    captures: Vec<(Part, usize, bool)>,
    until: Option<(Part, Vec<Template>)>,
}

/// A part of a reply.
struct Part {
    place: Place,
    matches: Option<Regex>,
    what: String, // for people
}

enum Place {
    Json(usize),
    Header(String),
    Body,
}

impl Wanted {
    /// What a step says of it.
    pub fn new(step: &Step) -> Wanted {
        let mut paths = Paths::default();
        let tests = step
            .tests
            .iter()
            .map(|test: &Test| (Part::new(&test.place, test.matches.as_deref(), &mut paths), test.is.clone()));
        let tests = tests.collect();
        let captures = step.captures.iter().map(|capture: &Capture| {
            (Part::new(&capture.place, capture.matches.as_deref(), &mut paths), capture.name, capture.printable)
        });
        let captures = captures.collect();
        let until = step.until.as_ref().map(|until| &until.test);
        let until = until.map(|test| (Part::new(&test.place, test.matches.as_deref(), &mut paths), test.is.clone()));
        let picker = (!paths.is_empty()).then(|| paths.picker());
        Wanted { until, statuses: step.statuses.clone(), picker, tests, captures }
    }

    /// What keeps a step that is repeated from being over, where its reply is as it should be: what stands there now.
    pub fn pending(&self, answer: &Answer<'_>, says: Says<'_>) -> Option<String> {
        let (part, is) = self.until.as_ref()?;
        if !status_is(answer.status, &self.statuses) || answer.too_long {
            return None;
        }
        let picks = match &self.picker {
            // What is no JSON will not become any.
            Some(picker) => Some(picker.read(answer.body)?),
            None => None,
        };
        let Some(found) = part.find(answer, picks.as_ref()) else {
            return Some(part.missing(answer, picks.as_ref()));
        };
        let same = |is: &Template| is.as_plain().map_or_else(|| found.text() == says.text(is), |is| found.text() == is);
        let over = is.is_empty() || is.iter().any(same);
        (!over).then(|| format!("`{}` {}", excerpt(found.text().as_bytes()), part.what))
    }

    /// What a reply is worth, and why; `keep` is given what is captured, by position among the flow's captures.
    pub fn worth(
        &self,
        answer: &Answer<'_>,
        says: Option<Says<'_>>,
        mut keep: impl FnMut(usize, Datum),
    ) -> (Outcome, Option<String>) {
        if !status_is(answer.status, &self.statuses) {
            return (Outcome::Rejected, Some(format!("status {}", answer.status)));
        }
        let invalid = |why: String| (Outcome::Invalid, Some(why));
        if answer.too_long {
            return invalid("the body is too long".into());
        }
        let mut picks = None;
        if let Some(picker) = &self.picker {
            picks = picker.read(answer.body);
            if picks.is_none() {
                return invalid(format!("the body is no JSON: {}", excerpt(answer.body)));
            }
        }
        for (part, is) in &self.tests {
            let Some(found) = part.find(answer, picks.as_ref()) else {
                return invalid(part.missing(answer, picks.as_ref()));
            };
            let text =
                |is: &Template| is.as_plain().map_or_else(|| says.map_or(String::new(), |s| s.text(is)), str::to_owned);
            let same = |is: &Template| match is.as_plain() {
                Some(plain) => found.text() == plain,
                None => found.text() == text(is),
            };
            if !is.is_empty() && !is.iter().any(same) {
                let wanted: Vec<String> = is.iter().map(|is| format!("`{}`", text(is))).collect();
                let found = excerpt(found.text().as_bytes());
                return invalid(format!("`{found}` {}, not {}", part.what, wanted.join(" or ")));
            }
        }
        for (part, name, printable) in &self.captures {
            let Some(found) = part.find(answer, picks.as_ref()) else {
                return invalid(part.missing(answer, picks.as_ref()));
            };
            if *printable && found.text().contains(|c: char| c.is_control()) {
                return invalid(format!("a control character {}, and it goes into a request's head", part.what));
            }
            keep(*name, found);
        }
        (Outcome::Ok, None)
    }
}

impl Part {
    fn new(place: &ReplyPlace, matches: Option<&str>, paths: &mut Paths) -> Part {
        let (place, what) = match place {
            ReplyPlace::Json(path) => (Place::Json(paths.slot(path)), format!("at {path}")),
            ReplyPlace::Header(name) => (Place::Header(name.clone()), format!("in the header {name}")),
            ReplyPlace::Body => (Place::Body, "in the body".to_owned()),
        };
        // `check` has seen to it that it is a regular expression.
        Part { place, matches: matches.and_then(|m| Regex::new(m).ok()), what }
    }

    /// What stands there: of what a regular expression finds, its first group or all.
    fn find(&self, answer: &Answer<'_>, picks: Option<&Picks<'_>>) -> Option<Datum> {
        let whole = self.whole(answer, picks);
        let Some(regex) = &self.matches else { return whole };
        let captures = match (&self.place, &whole) {
            (Place::Body, _) => regex.captures(answer.body),
            (_, whole) => regex.captures(whole.as_ref()?.text().as_bytes()),
        }?;
        let found = captures.get(1).or_else(|| captures.get(0))?;
        Some(Datum::Text(String::from_utf8_lossy(found.as_bytes()).into()))
    }

    fn whole(&self, answer: &Answer<'_>, picks: Option<&Picks<'_>>) -> Option<Datum> {
        match &self.place {
            Place::Json(slot) => picks?.get(*slot).map(datum),
            Place::Header(name) => answer.header(name).map(|v| Datum::Text(String::from_utf8_lossy(v).into())),
            // A body is looked through where it lies; nobody wants all of it.
            Place::Body => None,
        }
    }

    fn missing(&self, answer: &Answer<'_>, picks: Option<&Picks<'_>>) -> String {
        match (&self.matches, self.whole(answer, picks)) {
            (Some(regex), Some(found)) => {
                format!("`{}` {} does not match `{regex}`", excerpt(found.text().as_bytes()), self.what)
            }
            (Some(regex), None) if matches!(self.place, Place::Body) => {
                format!("nothing {} matches `{regex}`: {}", self.what, excerpt(answer.body))
            }
            _ => format!("nothing {}", self.what),
        }
    }
}

fn datum(picked: &Picked<'_>) -> Datum {
    match picked {
        Picked::Text(text) => Datum::Text(text.as_ref().into()),
        other => Datum::Json(other.text().into()),
    }
}
