//! How tokens are got.

use std::time::Duration;

use serde_json::Value as Json;

use super::super::bearer::Bearer;
use super::super::flow::ReplyPlace;
use super::super::mistake::Place;
use super::super::raw;
use super::super::shape::Names;
use super::super::target::Target;
use super::super::template::{Form, Piece, Template};
use super::Check;
use super::template::Scope;
use crate::base::httpd::encode;
use crate::base::text;

impl Check<'_, '_> {
    pub(super) fn login(&mut self, raw: &raw::Login, target: Option<&Target>) -> Option<Bearer> {
        let mut scope = Scope { secrets: true, ..Scope::default() };
        let mut step = self.step_in(&raw.step(), target, &mut scope);
        if let Some(json) = &raw.json {
            self.no_secrets_in(&json.value.0, json.at);
        }
        match (&raw.form, &raw.json) {
            (Some(_), Some(_)) => self.reader.wrong(raw.place, "both `json` and `form`", "keep one of the two"),
            (Some(form), None) => {
                step.body = Some((self.form(form), "application/x-www-form-urlencoded".to_owned()));
            }
            (None, _) => {}
        }
        if let Some(lifetime) = raw.lifetime.filter(|l| l.value < Duration::from_secs(1)) {
            self.reader.wrong(lifetime.at, "a token that lasts less than a second", "write 1s or more");
        }
        let header = raw.header.as_ref().map_or("Authorization", |h| h.value.as_str()).to_owned();
        if let Some(name) = &raw.header {
            let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.value.is_empty() || !name.value.chars().all(token) {
                self.reader.wrong(name.at, format!("`{}` is no header name", name.value), "letters, digits and -");
            }
        }
        let scheme = raw.scheme.as_ref().map_or("Bearer", |s| s.value.as_str()).to_owned();
        if let Some(word) = raw.scheme.as_ref().filter(|word| !word.value.chars().all(|c| c.is_ascii_graphic())) {
            self.reader.wrong(word.at, format!("`{}` is no word", word.value), "write one, such as Bearer");
        }
        let (token, matches) = self.place_of(&raw.token)?;
        let expires = raw.expires.as_ref().map(|path| self.json_path(path));
        Some(Bearer {
            step,
            token,
            matches,
            expires: expires.flatten(),
            lifetime: raw.lifetime.map(|l| l.value),
            header,
            scheme,
        })
    }

    /// Where something stands in a reply, and what of it is meant.
    pub(super) fn place_of(&mut self, raw: &raw::Capture) -> Option<(ReplyPlace, Option<String>)> {
        match raw {
            raw::Capture::Json(path) => Some((ReplyPlace::Json(self.json_path(path)?), None)),
            raw::Capture::Part(part) => {
                let (place, found) =
                    self.reply_place(part.place, part.json.as_ref(), part.header.as_ref(), part.body.as_ref(), true)?;
                Some((place, part.matches.as_ref().and_then(|pattern| self.pattern(pattern)).or(found)))
            }
        }
    }

    fn form(&mut self, raw: &Names<raw::Header>) -> Template {
        let mut body = Template::default();
        for (i, (name, value)) in raw.0.iter().enumerate() {
            let glue = if i > 0 { "&" } else { "" };
            body.push(Piece::Text(format!("{glue}{}=", encode(&name.value))));
            match value {
                raw::Header::Text(text) => {
                    self.no_secret(&name.value, text.at);
                    body.push(Piece::Text(encode(&text.value)));
                }
                raw::Header::Secret(secret) => {
                    body.pieces.push(Piece::Secret(secret.secret.value.clone(), Form::Percent));
                }
            }
        }
        body
    }

    /// Notes values that look secret and stand in the file.
    fn no_secrets_in(&mut self, json: &Json, at: Place) {
        match json {
            Json::Object(members) => {
                for (name, value) in members {
                    match value {
                        Json::Object(_) | Json::Array(_) => self.no_secrets_in(value, at),
                        _ => self.no_secret(name, at),
                    }
                }
            }
            Json::Array(items) => items.iter().for_each(|item| self.no_secrets_in(item, at)),
            _ => {}
        }
    }

    fn no_secret(&mut self, name: &str, at: Place) {
        if name != "secret" && text::looks_secret(name) {
            let remedy = "use { secret: NAME }: it is read from the environment and never stored";
            self.reader.wrong(at.unquoted(), format!("`{name}` looks like a secret"), remedy);
        }
    }
}
