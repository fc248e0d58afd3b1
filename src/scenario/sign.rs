//! Requests that carry a signature of what they say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::template::Template;
use crate::base::hmac::unhex;

/// How a request is signed, by HMAC with SHA-256.
#[derive(Debug, Clone, PartialEq)]
pub struct Sign {
    /// The environment variable that holds the key.
    pub secret: String,
    /// How the key is written there.
    pub key: Coding,
    /// What is signed.
    pub over: Template,
    /// Where the signature goes.
    pub place: SignPlace,
    /// How it is written.
    pub coding: Coding,
    /// What stands before it.
    pub prefix: String,
}

/// Where a signature goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignPlace {
    /// Into a header.
    Header(String),
    /// Into the query, as the last parameter.
    Query(String),
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As text.
    Text,
    /// In hexadecimal.
    Hex,
    /// In base64, with its padding.
    Base64,
}

impl Sign {
    /// The bytes of a key. The error says what is wrong with it, and never what it is.
    pub fn key_of(&self, value: &str) -> Result<Vec<u8>, String> {
        let wrong = |what: &str| format!("the secret {} is not {what}: mend it, or say how it is written", self.secret);
        let key = match self.key {
            Coding::Text => Ok(value.as_bytes().to_vec()),
            Coding::Hex => unhex(value.trim()).ok_or_else(|| wrong("hexadecimal")),
            Coding::Base64 => BASE64.decode(value.trim()).map_err(|_| wrong("base64")),
        };
        key.and_then(|key| if key.is_empty() { Err(wrong("a key: it is empty")) } else { Ok(key) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_as_it_is_said_to_be_written_and_is_never_told() {
        let sign = |key| Sign {
            secret: "KEY".into(),
            key,
            over: Template::default(),
            place: SignPlace::Header("X-SIGN".into()),
            coding: Coding::Hex,
            prefix: String::new(),
        };
        for (coding, value, key) in [
            (Coding::Text, "aGk=", Some(b"aGk=".to_vec())),
            (Coding::Base64, "aGk=\n", Some(b"hi".to_vec())),
            (Coding::Hex, "6869", Some(b"hi".to_vec())),
            (Coding::Hex, "hush", None),
            (Coding::Base64, "hush!", None),
            (Coding::Text, "", None),
        ] {
            let read = sign(coding).key_of(value);
            assert_eq!(read.as_ref().ok(), key.as_ref(), "{coding:?} {value}");
            assert!(read.err().is_none_or(|why| why.contains("KEY") && !why.contains("hush")));
        }
    }
}
