//! Tokens that requests carry, and how they are got.

use std::time::Duration;

use serde_json_path::JsonPath;

use super::flow::{ReplyPlace, Step};
use super::target::HeaderValue;
use super::template::Piece;

/// How a token is got that requests carry. The token itself is nowhere but in memory and in requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Bearer {
    /// The request that brings it; its body may name secrets.
    pub step: Step,
    /// Where the reply says what it is.
    pub token: ReplyPlace,
    /// A regular expression over what stands there: its first group, or all that it finds.
    pub matches: Option<String>,
    /// Where the reply says in how many seconds it runs out.
    pub expires: Option<JsonPath>,
    /// How long it lasts where the reply does not say; `None` for as long as the target takes it.
    pub lifetime: Option<Duration>,
    /// The header that carries it.
    pub header: String,
    /// The word before it; empty for none.
    pub scheme: String,
}

impl Bearer {
    /// The environment variables that its request names.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let pieces = self.step.body.iter().flat_map(|(body, _)| &body.pieces);
        let in_body = pieces.filter_map(|piece| match piece {
            Piece::Secret(name, _) => Some(name.as_str()),
            Piece::Text(_) | Piece::Value(..) => None,
        });
        let in_headers = self.step.headers.iter().filter_map(|(_, value)| match value {
            HeaderValue::Secret(name) => Some(name.as_str()),
            HeaderValue::Text(_) => None,
        });
        in_body.chain(in_headers)
    }
}
