//! Writes messages.

use rdkafka::message::{Header, OwnedHeaders};

use crate::base::trace::TraceId;
use crate::plan::Values;
use crate::scenario::Signal;
use crate::traffic::flow::{Bag, Says};

/// A message that is ready to go.
#[derive(Debug, Default)]
pub struct Message {
    /// What it says.
    pub body: Vec<u8>,
    /// Its key, if it has one.
    pub key: Option<Vec<u8>>,
    /// Its headers.
    pub headers: OwnedHeaders,
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
        let says = Says { flow: &self.signal.flow, bag: Some(&bag), seq, trace, now_ms };
        let filled = |template| {
            let mut out = Vec::new();
            says.fill(template, &mut out);
            out
        };
        let kafka = &self.signal.kafka;
        let parent = trace.traceparent();
        let mut headers = OwnedHeaders::new_with_capacity(1 + self.headers.len() + kafka.written.len());
        headers = headers.insert(Header { key: "traceparent", value: Some(&parent) });
        for (name, value) in &self.headers {
            headers = headers.insert(Header { key: name, value: Some(value) });
        }
        for (name, template) in &kafka.written {
            headers = headers.insert(Header { key: name, value: Some(&filled(template)) });
        }
        Message { body: filled(&self.signal.message), key: kafka.key.as_ref().map(filled), headers }
    }
}
