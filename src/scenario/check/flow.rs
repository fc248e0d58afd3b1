//! Flows: their steps, what is expected of replies, and what is captured on the way.

use std::sync::Arc;
use std::time::Duration;

use super::super::flow::{Branch, Capture, Flow, Method, ReplyPlace, Step, Test, Until};
use super::super::mistake::Place;
use super::super::raw;
use super::super::recording::Recording;
use super::super::shape::{At, Names};
use super::super::sign::Sign;
use super::super::target::{HeaderValue, Target};
use super::super::template::Template;
use super::super::value::{Feed, Value};
use super::Check;
use super::template::{BUILT_IN, Scope, Stands};

/// How long after a reply a step that is repeated asks again, and how long after it was due it is given up.
const EVERY: Duration = Duration::from_millis(100);
const WITHIN: Duration = Duration::from_secs(10);

/// Headers that are the same for every shot.
type SameHeaders = Vec<(String, HeaderValue)>;

impl Check<'_, '_> {
    pub(super) fn flow(&mut self, raw: &raw::Flow, target: Option<&Target>, recording: Option<&Recording>) -> Flow {
        let (values, mut feeds) = self.named(raw.values.as_ref(), raw.data.as_ref());
        feeds.extend(recording.and_then(|r| r.rows.clone()));
        let mut flow = Flow { values: values.clone(), feeds: feeds.clone(), ..Flow::default() };
        flow.login = raw.login.as_ref().and_then(|login| self.within("login", |c| c.login(login, target)));
        let scope = || Scope { values: &values, feeds: &feeds, flow: true, ..Scope::default() };
        let common = raw.sign.as_ref().and_then(|sign| self.within("sign", |c| c.sign(sign, &mut scope())));
        let common = common.as_ref();
        match (&raw.steps, &raw.mix) {
            (Some(raw), None) => (flow.steps, flow.captures) = self.steps(raw, common, target, scope()),
            (None, Some(mix)) => self.within("mix", |c| {
                let billionths: u64 = mix.value.0.iter().map(|(_, branch)| u64::from(branch.share.value.0)).sum();
                if billionths != 1_000_000_000 {
                    let what = format!("the shares come to {}%", billionths as f64 / 1e7);
                    c.reader.wrong(mix.at, what, "let them come to 100%");
                }
                for (name, branch) in &mix.value.0 {
                    c.name(name);
                    let (steps, captures) = c.within(&name.value, |c| c.steps(&branch.steps, common, target, scope()));
                    let first = flow.steps.len();
                    flow.steps.extend(steps);
                    // A shot takes one branch: what others capture has the same places.
                    if captures.len() > flow.captures.len() {
                        flow.captures = captures;
                    }
                    let (name, steps) = (name.value.clone(), first..flow.steps.len());
                    flow.branches.push(Branch { name, share: branch.share.value, steps });
                }
            }),
            (None, None) if self.reader.is_broken_here() => {}
            (given, _) => {
                let what = if given.is_some() { "both `steps` and `mix`" } else { "a flow without steps" };
                self.reader.wrong(raw.place, what, "write `steps:`, or a `mix:` of branches with steps of their own");
            }
        }
        flow
    }

    /// Steps that are taken one after the other, and the names of what they capture.
    fn steps(
        &mut self,
        raw: &At<Vec<raw::Step>>,
        sign: Option<&Sign>,
        target: Option<&Target>,
        mut scope: Scope<'_>,
    ) -> (Vec<Step>, Vec<String>) {
        if raw.value.is_empty() {
            self.reader.wrong(raw.at, "a flow without steps", "write at least one: `- get: /path`");
        }
        let mut step = |(i, raw): (usize, &raw::Step)| {
            self.within(&format!("steps.{i}"), |c| c.signed_step(raw, sign, target, &mut scope))
        };
        let mut steps: Vec<Step> = raw.value.iter().enumerate().map(&mut step).collect();
        for capture in steps.iter_mut().flat_map(|step| &mut step.captures) {
            capture.printable = scope.printable.contains(&capture.name);
        }
        let mut names: Vec<&str> = Vec::new();
        for name in raw.value.iter().filter_map(|step| step.name.as_ref()) {
            self.name(name);
            if names.contains(&name.value.as_str()) {
                self.reader.wrong(name.at, format!("`{}` is there already", name.value), "call one of them otherwise");
            }
            names.push(&name.value);
        }
        (steps, scope.captures)
    }

    /// A step that is signed as it says itself, or else as all are.
    pub(super) fn signed_step(
        &mut self,
        raw: &raw::Step,
        common: Option<&Sign>,
        target: Option<&Target>,
        scope: &mut Scope<'_>,
    ) -> Step {
        let step = self.step_in(raw, target, scope);
        let sign = match &raw.sign {
            Some(own) => self.within("sign", |c| c.sign(own, scope)),
            None => common.cloned(),
        };
        Step { sign, ..step }
    }

    /// What templates can name that no reply says.
    pub(super) fn named(
        &mut self,
        values: Option<&Names<raw::Value>>,
        data: Option<&Names<raw::Feed>>,
    ) -> (Vec<Value>, Vec<Arc<Feed>>) {
        let values = self.within("values", |c| c.values(values));
        let feeds = self.within("data", |c| c.feeds(data));
        for (feed, (name, _)) in feeds.iter().zip(data.iter().flat_map(|names| &names.0)) {
            if values.iter().any(|value| value.name == feed.name) {
                self.reader.wrong(name.at, format!("`{}` is also a value", name.value), "call one otherwise");
            }
        }
        (values, feeds)
    }

    /// A step that stands alone: a request before or after the load.
    pub(super) fn step(&mut self, raw: &raw::Step, target: Option<&Target>) -> Step {
        if let Some(name) = &raw.name {
            self.reader.wrong(name.at, "`name` outside a flow: no promise could be about it", "leave it out");
        }
        if let Some(think) = raw.think {
            self.reader.wrong(think.at, "`think` outside a flow", "leave it out");
        }
        if let Some(until) = &raw.until {
            self.reader.wrong(until.place, "`until` outside a flow", "leave it out, or make it a step of a flow");
        }
        if let Some(sign) = &raw.sign {
            self.reader.wrong(sign.place, "`sign` outside a flow", "leave it out, or make it a step of a flow");
        }
        if let Some((name, _)) = raw.capture.iter().flat_map(|c| &c.0).next() {
            self.reader.wrong(name.at, "`capture` outside a flow: nothing could use it", "leave it out");
        }
        self.step_in(raw, target, &mut Scope::default())
    }

    pub(super) fn step_in(&mut self, raw: &raw::Step, target: Option<&Target>, scope: &mut Scope<'_>) -> Step {
        let methods = [
            (&raw.get, Method::Get),
            (&raw.post, Method::Post),
            (&raw.put, Method::Put),
            (&raw.delete, Method::Delete),
        ];
        let given: Vec<_> = methods.iter().filter_map(|(path, method)| path.as_ref().map(|p| (p, *method))).collect();
        if given.len() != 1 {
            self.reader.wrong(
                raw.place,
                "a step is one of get, post, put and delete",
                "write exactly one of them with its path",
            );
        }
        if raw.json.is_some() && raw.body.is_some() {
            self.reader.wrong(raw.place, "both `json` and `body`", "keep one of the two");
        }
        let path = given.first().map_or_else(Template::default, |(path, _)| self.path_template(path, scope));
        let body = match (&raw.json, &raw.body) {
            (Some(json), _) => {
                let mut body = Template::default();
                self.json_template(&json.value.0, json.at, scope, &mut body);
                Some((body, "application/json".to_owned()))
            }
            (None, Some(body)) => {
                Some((self.filled(body, Stands::Body, scope), "text/plain; charset=utf-8".to_owned()))
            }
            (None, None) => None,
        };
        let (written, headers) = self.split_headers(raw.headers.as_ref(), scope);
        let (statuses, tests) = self.expected(raw.expect.as_ref(), scope);
        let captures =
            raw.capture.iter().flat_map(|c| &c.0).filter_map(|(name, raw)| self.capture(name, raw, scope)).collect();
        Step {
            name: raw.name.as_ref().map(|name| name.value.clone()),
            think: raw.think.map_or(Duration::ZERO, |think| think.value),
            method: given.first().map_or(Method::Get, |(_, m)| *m),
            path,
            shown: given.first().map_or_else(String::new, |(path, _)| path.value.clone()),
            body,
            headers,
            written,
            statuses,
            tests,
            captures,
            until: raw.until.as_ref().and_then(|until| self.within("until", |c| c.until(until, scope))),
            sign: None,
            service: raw.to.as_ref().and_then(|to| self.service(Some(to), target, to.at)),
        }
    }

    fn until(&mut self, raw: &raw::Until, scope: &mut Scope<'_>) -> Option<Until> {
        let every = raw.every.map_or(EVERY, |every| every.value);
        let within = raw.within.map_or(WITHIN, |within| within.value);
        if let Some(at) = raw.every.filter(|every| every.value.is_zero()).map(|every| every.at) {
            self.reader.wrong(at, "asks again at once, for ever", "write a length above 0: 100ms");
        }
        if every >= within {
            let at = raw.within.or(raw.every).map_or(raw.place, |length| length.at);
            self.reader.wrong(at, "is given up before it is asked for again", "let `within` be longer than `every`");
        }
        let found = self.reply_place(raw.place, raw.json.as_ref(), raw.header.as_ref(), raw.body.as_ref(), true);
        let (place, found) = found?;
        let is: Vec<Template> =
            raw.is.iter().flat_map(|is| &is.0).map(|text| self.filled(text, Stands::Compared, scope)).collect();
        let matches = raw.matches.as_ref().and_then(|pattern| self.pattern(pattern)).or(found);
        Some(Until { test: Test { place, is, matches }, every, within })
    }

    /// Headers that differ from shot to shot, and those that do not.
    pub(super) fn split_headers(
        &mut self,
        raw: Option<&Names<raw::Header>>,
        scope: &mut Scope<'_>,
    ) -> (Vec<(String, Template)>, SameHeaders) {
        let headers = self.any_headers(raw);
        let place = |name: &str| {
            raw.iter().flat_map(|h| &h.0).find_map(|(n, value)| match value {
                raw::Header::Text(text) if n.value == name => Some(text.at),
                _ => None,
            })
        };
        let (mut written, mut same) = (Vec::new(), Vec::new());
        for (name, value) in headers {
            match value {
                HeaderValue::Text(value) if value.contains("{{") => {
                    let at = place(&name).unwrap_or_default();
                    written.push((name, self.filled(&At { at, value }, Stands::Header, scope)));
                }
                value => same.push((name, value)),
            }
        }
        (written, same)
    }

    fn expected(&mut self, raw: Option<&raw::Expects>, scope: &mut Scope<'_>) -> (Vec<u16>, Vec<Test>) {
        let (mut statuses, mut tests) = (Vec::new(), Vec::new());
        for expect in raw.iter().flat_map(|e| &e.0) {
            for status in expect.status.iter().flat_map(|s| &s.0) {
                statuses.extend(self.status(status));
            }
            let place = self.reply_place(
                expect.place,
                expect.json.as_ref(),
                expect.header.as_ref(),
                expect.body.as_ref(),
                expect.status.is_none(),
            );
            let compared = expect.is.iter().flat_map(|is| &is.0).chain(&expect.matches).map(|text| text.at).next();
            let Some((place, found)) = place else {
                let nowhere = [&expect.json, &expect.header, &expect.body].iter().all(|place| place.is_none());
                if let Some(at) = compared.filter(|_| nowhere && expect.status.is_some()) {
                    let remedy = "say where: `json: $.status`";
                    self.reader.wrong(at, "nothing is said of where this must stand", remedy);
                }
                continue;
            };
            let is = expect.is.iter().flat_map(|is| &is.0);
            let is = is.map(|text| self.filled(text, Stands::Compared, scope)).collect();
            let matches = expect.matches.as_ref().and_then(|pattern| self.pattern(pattern)).or(found);
            tests.push(Test { place, is, matches });
        }
        (statuses, tests)
    }

    /// Where something stands in a reply, and the pattern that `body` names.
    pub(super) fn reply_place(
        &mut self,
        at: Place,
        json: Option<&At<String>>,
        header: Option<&At<String>>,
        body: Option<&At<String>>,
        needed: bool,
    ) -> Option<(ReplyPlace, Option<String>)> {
        match (json, header, body) {
            (Some(path), None, None) => Some((ReplyPlace::Json(self.json_path(path)?), None)),
            (None, Some(name), None) => Some((ReplyPlace::Header(name.value.clone()), None)),
            (None, None, Some(pattern)) => Some((ReplyPlace::Body, Some(self.pattern(pattern)?))),
            (None, None, None) if !needed => None,
            _ => {
                let what = "a part of a reply is one of `json`, `header` and `body`";
                self.reader.wrong(at, what, "write exactly one of the three");
                None
            }
        }
    }

    pub(super) fn pattern(&mut self, pattern: &At<String>) -> Option<String> {
        match regex::bytes::Regex::new(&pattern.value) {
            Ok(_) => Some(pattern.value.clone()),
            Err(why) => {
                let why = why.to_string();
                let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let what = format!("`{}` is no regular expression: {last}", pattern.value);
                self.reader.wrong(pattern.at, what, "escape what is meant literally with \\");
                None
            }
        }
    }

    fn capture(&mut self, name: &At<String>, raw: &raw::Capture, scope: &mut Scope<'_>) -> Option<Capture> {
        let taken = BUILT_IN.iter().any(|(n, _)| *n == name.value)
            || scope.values.iter().any(|v| v.name == name.value)
            || scope.feeds.iter().any(|f| f.name == name.value)
            || scope.captures.contains(&name.value);
        if taken {
            self.reader.wrong(name.at, format!("`{}` is there already", name.value), "call it otherwise");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.value.chars().all(plain) || name.value.is_empty() {
            let what = format!("`{}` is no name for templates", name.value);
            self.reader.wrong(name.at, what, "letters, digits and _, beginning with a letter");
        }
        // Known from here on, whether or not it can be found: what uses it is not to blame.
        scope.captures.push(name.value.clone());
        let position = scope.captures.len() - 1;
        let (place, matches) = self.place_of(raw)?;
        Some(Capture { name: position, place, matches, printable: false })
    }
}
