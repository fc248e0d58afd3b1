//! Finds in a message what it says of an effect.

use super::Effect;
use crate::base::time::Offset;
use crate::scenario::Reading;
use crate::traffic::pick::{Paths, Picker};

/// Reads effects out of JSON.
pub struct Reader {
    picker: Picker,
    id: usize,
    pipeline: Option<usize>,
    state: Option<usize>,
    sequence: Option<usize>,
    is_stated: bool,
}

impl Reader {
    /// One that looks where the scenario says.
    pub fn new(reading: &Reading) -> Reader {
        let mut paths = Paths::default();
        let id = paths.slot(&reading.id);
        let mut slot = |path: &Option<_>| path.as_ref().map(|path| paths.slot(path));
        let (pipeline, state, sequence) = (slot(&reading.pipeline), slot(&reading.state), slot(&reading.sequence));
        Reader { picker: paths.picker(), id, pipeline, state, sequence, is_stated: false }
    }

    /// One to which a message says nothing that names no state.
    pub fn with_state(self) -> Reader {
        Reader { is_stated: true, ..self }
    }

    /// The effect of a message that was seen at an instant; nothing where it is no JSON or names no id.
    pub fn read(&self, body: &[u8], at: Offset) -> Option<Effect> {
        let picks = self.picker.read(body)?;
        // What is `null` is not called so.
        let named = |slot: usize| picks.get(slot).filter(|picked| !picked.is_null());
        let text = |slot: usize| named(slot).map(|picked| picked.text().into_owned().into_boxed_str());
        let state = self.state.and_then(text);
        if self.is_stated && state.is_none() {
            return None;
        }
        Some(Effect {
            at,
            id: text(self.id)?,
            pipeline: self.pipeline.and_then(text),
            state,
            sequence: self.sequence.and_then(|slot| picks.get(slot)?.whole()),
            listed: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json_path::JsonPath;

    #[test]
    fn an_effect_is_read_out_of_json() {
        let path = |text: &str| JsonPath::parse(text).expect("a path");
        let reading = Reading {
            id: path("$.signal.id"),
            pipeline: Some(path("$.pipeline_id")),
            state: Some(path("$.status")),
            sequence: Some(path("$.seq")),
        };
        let (reader, at) = (Reader::new(&reading), Offset::from_millis(3));
        let body = br#"{"signal":{"id":"s-1"},"pipeline_id":7,"status":"DONE","seq":"12"}"#;
        let effect = Effect {
            at,
            id: "s-1".into(),
            pipeline: Some("7".into()),
            state: Some("DONE".into()),
            sequence: Some(12),
            listed: None,
        };
        assert_eq!(reader.read(body, at), Some(effect));
        let bare = reader.read(br#"{"signal":{"id":9}}"#, at).expect("an id is enough");
        assert_eq!((&*bare.id, bare.pipeline, bare.state, bare.sequence), ("9", None, None, None));
        let stated = Reader::new(&reading).with_state();
        assert!(stated.read(body, at).is_some() && stated.read(br#"{"signal":{"id":9}}"#, at).is_none());
        for wrong in [&b"{}"[..], b"no JSON", br#"{"signal":{"id":"x"}"#, br#"{"signal":{"id":null}}"#, b""] {
            assert_eq!(reader.read(wrong, at), None);
        }
    }
}
