//! Flows: steps, what their templates name, and what is captured on the way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::super::mistake::Place;
use super::super::raw;
use super::super::recording::Recording;
use super::super::shape::{At, Names};
use super::super::sign::Sign;
use super::super::target::{HeaderValue, Target};
use super::super::template::{Form, Piece, Slot, Template, Token, tokens};
use super::super::traffic::{Branch, Capture, Flow, Method, ReplyPlace, Step, Test, Until};
use super::super::value::{Feed, Value};
use super::Check;
use super::sign::SIGNED;
use crate::base::text;

/// What templates can always name.
pub(super) const BUILT_IN: [(&str, Slot); 7] = [
    ("seq", Slot::Seq),
    ("trace", Slot::Trace),
    ("uuid", Slot::Uuid),
    ("now_ms", Slot::NowMs),
    ("ts", Slot::NowMs),
    ("now_s", Slot::NowS),
    ("now", Slot::Now),
];
/// How long after a reply a step that is repeated asks again, and how long after it was due it is given up.
const EVERY: Duration = Duration::from_millis(100);
const WITHIN: Duration = Duration::from_secs(10);

/// What templates can name at a step.
#[derive(Default)]
pub(super) struct Scope<'f> {
    pub(super) values: &'f [Value],
    pub(super) feeds: &'f [Arc<Feed>],
    pub(super) captures: Vec<String>,
    /// Captures that go where control characters must not.
    pub(super) printable: Vec<usize>,
    /// Whether the step stands in a flow.
    pub(super) flow: bool,
    /// Whether the template says what is signed.
    pub(super) signs: bool,
    /// Whether a body may name secrets.
    pub(super) secrets: bool,
}

/// Where a template stands, which says how its values are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stands {
    Path,
    Header,
    Body,
    Compared,
}

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

    fn path_template(&mut self, path: &At<String>, scope: &mut Scope<'_>) -> Template {
        let template = self.filled(path, Stands::Path, scope);
        let text = template.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Value(..) | Piece::Secret(..) => None,
        });
        // What is captured may be a path, such as that of a header `Location`.
        let whole = matches!(template.pieces.first(), Some(Piece::Value(_, Form::Raw)));
        let begins = whole || matches!(template.pieces.first(), Some(Piece::Text(text)) if text.starts_with('/'));
        if !begins || !text.flat_map(str::chars).all(|c| c.is_ascii_graphic()) {
            let what = format!("`{}` is no path", path.value);
            self.reader.wrong(path.at, what, "begin with / and percent-encode what is not plain ASCII");
        }
        template
    }

    /// A JSON body: a text that is nothing but one name is written as what it names, a number without quotes.
    pub(super) fn json_template(&mut self, json: &Json, at: Place, scope: &mut Scope<'_>, out: &mut Template) {
        let quoted = |text: &str| Json::from(text).to_string();
        match json {
            Json::String(text) if text.contains("{{") => {
                let Some(tokens) = self.tokens(text, at) else { return };
                let whole = matches!(tokens.as_slice(), [Token::Name { filter: None, .. }]);
                let form = if whole { Form::Json } else { Form::JsonText };
                if !whole {
                    out.push(Piece::Text("\"".into()));
                }
                for token in tokens {
                    match token {
                        Token::Text(text) => {
                            let quoted = quoted(text);
                            out.push(Piece::Text(quoted[1..quoted.len() - 1].to_owned()));
                        }
                        Token::Name { name, filter } => {
                            if let Some(filter) = filter.filter(|f| *f != "text") {
                                let what = format!("`{filter}` is nothing that can be done here");
                                self.reader.wrong(
                                    at,
                                    what,
                                    "write {{name}}, or {{name | text}} for a number in quotes",
                                );
                            }
                            out.pieces.extend(self.source(name, at, scope).map(|source| Piece::Value(source, form)));
                        }
                    }
                }
                if !whole {
                    out.push(Piece::Text("\"".into()));
                }
            }
            Json::Array(items) => {
                out.push(Piece::Text("[".into()));
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(Piece::Text(",".into()));
                    }
                    self.json_template(item, at, scope, out);
                }
                out.push(Piece::Text("]".into()));
            }
            Json::Object(members) if scope.secrets && is_secret(members) => {
                let name = members["secret"].as_str().unwrap_or_default();
                out.pieces.push(Piece::Secret(name.to_owned(), Form::Json));
            }
            Json::Object(members) => {
                out.push(Piece::Text("{".into()));
                for (i, (name, member)) in members.iter().enumerate() {
                    let comma = if i > 0 { "," } else { "" };
                    out.push(Piece::Text(format!("{comma}{}:", quoted(name))));
                    self.json_template(member, at, scope, out);
                }
                out.push(Piece::Text("}".into()));
            }
            plain => out.push(Piece::Text(plain.to_string())),
        }
    }

    pub(super) fn filled(&mut self, text: &At<String>, stands: Stands, scope: &mut Scope<'_>) -> Template {
        let mut template = Template::default();
        for token in self.tokens(&text.value, text.at).unwrap_or_default() {
            match token {
                Token::Text(text) => template.push(Piece::Text(text.to_owned())),
                Token::Name { name, filter } => {
                    let form = match (stands, filter) {
                        (Stands::Path, None) => Form::Percent,
                        (Stands::Path, Some("raw")) | (_, None) => Form::Raw,
                        (_, Some(filter)) => {
                            let remedy = match stands {
                                Stands::Path => "write {{name}}, or {{name | raw}} for what is a path already",
                                _ => "write {{name}}",
                            };
                            self.reader.wrong(text.at, format!("`{filter}` is nothing that can be done here"), remedy);
                            Form::Raw
                        }
                    };
                    let Some(source) = self.source(name, text.at, scope) else { continue };
                    if let (Slot::Captured(position), Stands::Path | Stands::Header, Form::Raw) = (source, stands, form)
                    {
                        scope.printable.push(position);
                    }
                    if let (Slot::Row(feed, column), Form::Raw) = (source, form) {
                        self.can_stand(&scope.feeds[feed], column, stands, text.at);
                    }
                    template.push(Piece::Value(source, form));
                }
            }
        }
        template
    }

    /// Refuses rows that would break the head of a request.
    fn can_stand(&mut self, feed: &Feed, column: usize, stands: Stands, at: Place) {
        let breaks = |c: char| match stands {
            Stands::Path => !c.is_ascii_graphic(),
            Stands::Header => c.is_control(),
            Stands::Body | Stands::Compared => false,
        };
        if let Some(row) = feed.rows.iter().position(|row| row[column].text().contains(breaks)) {
            let what = format!("row {} of `{}` has a character that cannot stand here", row + 1, feed.name);
            self.reader.wrong(at, what, "mend the row; in a path, write {{name}} without `raw`");
        }
    }

    fn tokens<'t>(&mut self, text: &'t str, at: Place) -> Option<Vec<Token<'t>>> {
        match tokens(text) {
            Ok(tokens) => Some(tokens),
            Err(why) => {
                let (what, remedy) = why.split_once(": ").unwrap_or((&why, ""));
                self.reader.wrong(at, what, remedy);
                None
            }
        }
    }

    /// Where the value of a name comes from.
    fn source(&mut self, name: &str, at: Place, scope: &Scope<'_>) -> Option<Slot> {
        if !scope.flow {
            let what = format!("`{{{{{name}}}}}` outside a flow: nothing fills it in");
            self.reader.wrong(at, what, "write plain text, or make it a step of a flow");
            return None;
        }
        let signed = || SIGNED.iter().filter(|_| scope.signs).find(|(n, _)| *n == name);
        let built_in = BUILT_IN.iter().find(|(n, _)| *n == name).or_else(signed).map(|(_, source)| *source);
        let drawn = || scope.values.iter().position(|v| v.name == name).map(Slot::Drawn);
        let captured = || scope.captures.iter().position(|c| c == name).map(Slot::Captured);
        let row = || {
            let (feed, column) = name.split_once('.')?;
            let position = scope.feeds.iter().position(|f| f.name == feed)?;
            let column = scope.feeds[position].columns.iter().position(|c| c == column)?;
            Some(Slot::Row(position, column))
        };
        let found = built_in.or_else(drawn).or_else(captured).or_else(row);
        if found.is_none() {
            let columns = scope.feeds.iter().flat_map(|f| f.columns.iter().map(|c| format!("{}.{c}", f.name)));
            let mut known: Vec<String> = BUILT_IN.iter().map(|(n, _)| (*n).to_owned()).collect();
            known.extend(SIGNED.iter().filter(|_| scope.signs).map(|(n, _)| (*n).to_owned()));
            known.extend(scope.values.iter().map(|v| v.name.clone()));
            known.extend(columns);
            known.extend(scope.captures.iter().cloned());
            let remedy = text::suggest(name, known.iter().map(String::as_str));
            self.reader.wrong(at, format!("nothing is called `{name}` here"), remedy);
        }
        found
    }
}

/// Whether a mapping stands for what an environment variable holds.
fn is_secret(members: &serde_json::Map<String, Json>) -> bool {
    members.len() == 1 && members.get("secret").is_some_and(Json::is_string)
}
