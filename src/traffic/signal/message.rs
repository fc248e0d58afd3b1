//! Writes messages.

use crate::base::trace::TraceId;
use crate::plan::Values;
use crate::scenario::{Signal, Way};
use crate::traffic::flow::{Bag, Says};

/// A message that is ready to go.
#[derive(Debug, Default)]
pub struct Message {
    /// What it says.
    pub body: Vec<u8>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The subject to which it goes, where it goes to one.
    pub to: String,
}

/// Writes the messages of one traffic.
pub struct Writer<'s> {
    signal: &'s Signal,
    values: Values,
    headers: Vec<(String, String)>, // the same for all
}

impl<'s> Writer<'s> {
    /// One that draws what templates name from `values`.
    pub fn new(signal: &'s Signal, values: Values, headers: Vec<(String, String)>) -> Writer<'s> {
        Writer { signal, values, headers }
    }

    /// The message of a shot. `now_ms` is the wall clock in Unix milliseconds.
    pub fn write(&mut self, seq: u64, trace: TraceId, now_ms: i64) -> Message {
        let bag = Bag { drawn: self.values.of(seq), ..Bag::default() };
        let says = Says { flow: &self.signal.flow, bag: Some(&bag), seq, trace, now_ms, signed: None };
        let filled = |template| {
            let mut out = Vec::new();
            says.fill(template, &mut out);
            out
        };
        let how = &self.signal.how;
        let parent = trace.traceparent();
        let mut headers = Vec::with_capacity(2 + self.headers.len() + how.written.len());
        headers.push(("traceparent".to_owned(), parent.to_vec()));
        headers.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone().into_bytes())));
        headers.extend(how.written.iter().map(|(name, template)| (name.clone(), filled(template))));
        let to = match &how.way {
            Way::Kafka { .. } => String::new(),
            Way::Nats { subject, .. } => {
                // By it a stream knows what is published again.
                headers.push(("Nats-Msg-Id".to_owned(), parent.to_vec()));
                String::from_utf8_lossy(&filled(subject)).into_owned()
            }
        };
        Message { body: filled(&self.signal.message), key: how.key.as_ref().map(filled), headers, to }
    }
}
