//! Fills templates in.

use super::bag::Bag;
use crate::base::trace::TraceId;
use crate::scenario::{Datum, Flow, Form, Piece, Slot, Template};

/// What the templates of a shot's present step say.
#[derive(Clone, Copy)]
pub struct Says<'s> {
    /// The flow that the step belongs to.
    pub flow: &'s Flow,
    /// What is kept for the shot; nothing for a step that stands alone.
    pub bag: Option<&'s Bag>,
    /// The number of the shot.
    pub seq: u64,
    /// The id of its trace.
    pub trace: TraceId,
    /// The wall clock, in Unix milliseconds.
    pub now_ms: i64,
    /// The request that is signed, while it is.
    pub signed: Option<Signed<'s>>,
}

/// A request that is signed.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'s> {
    /// Its method.
    pub method: &'s str,
    /// Its path with its query, as it is sent.
    pub target: &'s [u8],
    /// Its body.
    pub body: &'s [u8],
}

impl Says<'_> {
    /// Writes a template out.
    pub fn fill(&self, template: &Template, out: &mut Vec<u8>) {
        for piece in &template.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(source, form) => match self.datum(*source) {
                    Some(datum) => write(&datum, *form, out),
                    // `check` has seen to it that what is named is there when its turn comes.
                    None => debug_assert!(false, "{source:?} has no value"),
                },
                // They stand in requests that are not measured alone, which are filled in beforehand.
                Piece::Secret(name, _) => debug_assert!(false, "the secret {name} in a shot"),
            }
        }
    }

    /// A template as text.
    pub fn text(&self, template: &Template) -> String {
        let mut out = Vec::new();
        self.fill(template, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    fn datum(&self, source: Slot) -> Option<Datum> {
        let number = |number: i128| Some(Datum::Json(number.to_string().into()));
        match source {
            Slot::Drawn(position) => self.bag?.drawn.values.get(position).cloned(),
            Slot::Row(feed, column) => {
                let row = *self.bag?.drawn.rows.get(feed)?;
                self.flow.feeds.get(feed)?.rows.get(row)?.get(column).cloned()
            }
            Slot::Captured(position) => self.bag?.captured.get(position).cloned().flatten(),
            Slot::Seq => number(self.seq.into()),
            Slot::NowMs => number(self.now_ms.into()),
            Slot::NowS => number(self.now_ms.div_euclid(1000).into()),
            Slot::Method => Some(Datum::Text(self.signed?.method.into())),
            Slot::Path => Some(Datum::Text(String::from_utf8_lossy(self.signed?.target).into())),
            Slot::Query => {
                let target = self.signed?.target;
                let query = target.iter().position(|b| *b == b'?').map_or(&[][..], |at| &target[at + 1..]);
                Some(Datum::Text(String::from_utf8_lossy(query).into()))
            }
            Slot::Body => Some(Datum::Text(String::from_utf8_lossy(self.signed?.body).into())),
            Slot::Now => Some(Datum::Text(rfc3339(self.now_ms).into())),
            Slot::Trace => Some(Datum::Text(self.trace.to_string().into())),
            Slot::Uuid => Some(Datum::Text(self.trace.uuid().into())),
        }
    }
}

/// A template whose values are secrets alone; `secret` gives the value of a name.
pub fn filled(template: &Template, secret: &dyn Fn(&str) -> Option<String>) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            // A missing one is left out, which the start of a run has ruled out before.
            Piece::Secret(name, form) => {
                write(&Datum::Text(secret(name).unwrap_or_default().into()), *form, &mut out);
            }
            Piece::Value(source, _) => debug_assert!(false, "{source:?} has no value here"),
        }
    }
    out
}

fn write(datum: &Datum, form: Form, out: &mut Vec<u8>) {
    match (form, datum) {
        (Form::Json, Datum::Text(text)) => {
            out.push(b'"');
            json_text(text, out);
            out.push(b'"');
        }
        (Form::Json | Form::Raw, _) => out.extend_from_slice(datum.text().as_bytes()),
        (Form::JsonText, _) => json_text(datum.text(), out),
        (Form::Percent, _) => percent(datum.text(), out),
    }
}

/// What stands between the quotes of a JSON string (RFC 8259).
fn json_text(text: &str, out: &mut Vec<u8>) {
    let quoted = serde_json::Value::from(text).to_string();
    out.extend_from_slice(&quoted.as_bytes()[1..quoted.len() - 1]);
}

/// As RFC 3339 writes it, in UTC, with milliseconds.
fn rfc3339(now_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// Percent-encoded, all but letters, digits and `-._~`.
pub fn percent(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::trace::{Shot, Tracer};
    use crate::plan::Drawn;

    #[test]
    fn a_value_is_written_as_its_place_wants_it() {
        let (text, number) = (Datum::Text("a \"b\"/é".into()), Datum::Json("1.50".into()));
        for (form, of_text, of_number) in [
            (Form::Raw, "a \"b\"/é", "1.50"),
            (Form::Percent, "a%20%22b%22%2F%C3%A9", "1.50"),
            (Form::Json, "\"a \\\"b\\\"/é\"", "1.50"),
            (Form::JsonText, "a \\\"b\\\"/é", "1.50"),
        ] {
            for (datum, wanted) in [(&text, of_text), (&number, of_number)] {
                let mut out = Vec::new();
                write(datum, form, &mut out);
                assert_eq!(String::from_utf8(out).expect("UTF-8"), wanted, "{form:?}");
            }
        }
    }

    #[test]
    fn every_source_is_found() {
        let feed = crate::scenario::Feed {
            name: "users".into(),
            file: "users.csv".into(),
            place: Default::default(),
            pick: crate::scenario::Pick::Sequential,
            columns: vec!["id".into(), "name".into()],
            rows: vec![vec![Datum::Text("1".into()), Datum::Text("ada".into())]],
        };
        let flow = Flow { feeds: vec![std::sync::Arc::new(feed)], ..Flow::default() };
        let drawn = Drawn { values: vec![Datum::Json("7".into())], rows: vec![0], branch: None };
        let bag = Bag { drawn, captured: vec![Some(Datum::Text("o-1".into()))], ..Bag::default() };
        let trace = Tracer::new(Seed(1), "r").id(Shot { traffic: 0, seq: 5 });
        let signed = Signed { method: "POST", target: b"/a?b=1&c", body: b"{}" };
        let says =
            Says { flow: &flow, bag: Some(&bag), seq: 5, trace, now_ms: 1_700_000_000_123, signed: Some(signed) };
        for (source, wanted) in [
            (Slot::Drawn(0), "7"),
            (Slot::Row(0, 1), "ada"),
            (Slot::Captured(0), "o-1"),
            (Slot::Seq, "5"),
            (Slot::Trace, &trace.to_string()),
            (Slot::Uuid, &trace.uuid()),
            (Slot::NowMs, "1700000000123"),
            (Slot::NowS, "1700000000"),
            (Slot::Method, "POST"),
            (Slot::Path, "/a?b=1&c"),
            (Slot::Query, "b=1&c"),
            (Slot::Body, "{}"),
            (Slot::Now, "2023-11-14T22:13:20.123Z"),
        ] {
            assert_eq!(says.text(&Template { pieces: vec![Piece::Value(source, Form::Raw)] }), wanted);
        }
    }
}
