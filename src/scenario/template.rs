//! Text with `{{names}}` in it, which are filled in for each shot.

/// Text with names in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template {
    /// In order.
    pub pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// A value, and how it is written.
    Value(Slot, Form),
    /// What an environment variable holds, and how it is written. Only in requests that are not measured.
    Secret(String, Form),
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The value at this position of the flow's.
    Drawn(usize),
    /// The column of the feed, both by position.
    Row(usize, usize),
    /// What was captured at this position of the flow's captures.
    Captured(usize),
    /// The number of the shot within its traffic, from 0.
    Seq,
    /// The id of the shot's trace, in hexadecimal.
    Trace,
    /// The same in the shape of a UUID.
    Uuid,
    /// The wall clock, in Unix milliseconds.
    NowMs,
    /// The wall clock, in Unix seconds.
    NowS,
    /// The wall clock, as RFC 3339 writes it, in UTC, with milliseconds.
    Now,
    /// The method of the request that is signed.
    Method,
    /// Its path with its query, as it is sent.
    Path,
    /// Its query, without the question mark.
    Query,
    /// Its body.
    Body,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Raw,
    /// Percent-encoded, all but letters, digits and `-._~` (RFC 3986).
    Percent,
    /// A whole JSON value: texts with quotes, numbers as they are.
    Json,
    /// Within the quotes of a JSON string.
    JsonText,
}

/// A name between braces, as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'t> {
    /// Text between names.
    Text(&'t str),
    /// A name, and what follows its bar.
    Name {
        /// The name.
        name: &'t str,
        /// `text` or `raw`, if anything.
        filter: Option<&'t str>,
    },
}

impl Template {
    /// One that is the same for every shot.
    pub fn plain(text: &str) -> Template {
        Template { pieces: if text.is_empty() { Vec::new() } else { vec![Piece::Text(text.to_owned())] } }
    }

    /// Its text, when it is the same for every shot.
    pub fn as_plain(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Adds a piece; texts that meet become one.
    pub fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (_, Piece::Text(text)) if text.is_empty() => {}
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, piece) => self.pieces.push(piece),
        }
    }

    /// Takes the values of one place from another.
    pub fn replace(&mut self, old: Slot, new: Slot) {
        for piece in &mut self.pieces {
            match piece {
                Piece::Value(slot, _) if *slot == old => *slot = new,
                _ => {}
            }
        }
    }

    /// Where its values come from.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(_) | Piece::Secret(..) => None,
            Piece::Value(source, _) => Some(*source),
        })
    }
}

/// Takes `a {{name}} b {{other | raw}}` apart. The error says what is wrong, then what to write.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        if !before.is_empty() {
            all.push(Token::Text(before));
        }
        let (inner, tail) =
            after.split_once("}}").ok_or_else(|| "`{{` without `}}`: close it, as in {{name}}".to_owned())?;
        let (name, filter) = inner.split_once('|').map_or((inner, None), |(name, filter)| (name, Some(filter.trim())));
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) || name.contains(['{', '}']) {
            return Err(format!("`{{{{{inner}}}}}` names nothing: write one name, as in {{{{order_id}}}}"));
        }
        all.push(Token::Name { name, filter });
        rest = tail;
    }
    if !rest.is_empty() {
        all.push(Token::Text(rest));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_between_braces() {
        let name = |name, filter| Token::Name { name, filter };
        for (text, wanted) in [
            ("", vec![]),
            ("/orders", vec![Token::Text("/orders")]),
            ("{{id}}", vec![name("id", None)]),
            (
                "/o/{{ users.id }}?x={{n|raw}}!",
                vec![
                    Token::Text("/o/"),
                    name("users.id", None),
                    Token::Text("?x="),
                    name("n", Some("raw")),
                    Token::Text("!"),
                ],
            ),
            ("{a} }} {", vec![Token::Text("{a} }} {")]),
        ] {
            assert_eq!(tokens(text).expect(text), wanted, "{text}");
        }
        for wrong in ["{{", "{{id}", "{{}}", "{{ }}", "{{a b}}", "{{a{{b}}"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn texts_that_meet_become_one() {
        let mut template = Template::default();
        for text in ["a", "", "b"] {
            template.push(Piece::Text(text.into()));
        }
        assert_eq!(template.as_plain(), Some("ab"));
        template.push(Piece::Value(Slot::Seq, Form::Raw));
        assert_eq!(template.as_plain(), None);
        assert_eq!(template.slots().collect::<Vec<_>>(), [Slot::Seq]);
    }
}
