//! Templates: what they can name, and how what they name is written where they stand.

use std::sync::Arc;

use serde_json::Value as Json;

use super::super::mistake::Place;
use super::super::shape::At;
use super::super::template::{Form, Piece, Slot, Template, Token, tokens};
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

impl Check<'_, '_> {
    pub(super) fn path_template(&mut self, path: &At<String>, scope: &mut Scope<'_>) -> Template {
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
