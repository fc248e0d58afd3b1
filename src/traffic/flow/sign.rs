//! Signs requests. A key is in memory and nowhere else: it is neither told nor shown.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::fill::{Says, Signed, percent};
use crate::base::hmac::{HmacSha256, hex};
use crate::scenario::{Coding, Sign, SignPlace};

/// Signs the requests of a step.
#[derive(Clone)]
pub struct Signer {
    sign: Sign,
    key: HmacSha256,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("secret", &self.sign.secret).finish_non_exhaustive()
    }
}

impl Signer {
    /// With the value of its secret. The error says what is wrong with that.
    pub fn new(sign: &Sign, value: &str) -> Result<Signer, String> {
        Ok(Signer { key: HmacSha256::new(&sign.key_of(value)?), sign: sign.clone() })
    }

    /// Signs a request, and puts the signature where it goes: at the end of `target`, or as a line for the head.
    pub fn sign(&self, says: &Says<'_>, method: &str, target: &mut Vec<u8>, body: &[u8]) -> Option<String> {
        let signed = Signed { method, target: &target[..], body };
        let mut over = Vec::new();
        Says { signed: Some(signed), ..*says }.fill(&self.sign.over, &mut over);
        let signature = self.key.sign(&over);
        let text = match self.sign.coding {
            Coding::Base64 => BASE64.encode(signature),
            Coding::Hex | Coding::Text => hex(&signature),
        };
        let text = format!("{}{text}", self.sign.prefix);
        match &self.sign.place {
            SignPlace::Header(name) => Some(format!("{name}: {text}\r\n")),
            SignPlace::Query(name) => {
                target.push(if target.contains(&b'?') { b'&' } else { b'?' });
                target.extend_from_slice(name.as_bytes());
                target.push(b'=');
                percent(&text, target);
                None
            }
        }
    }
}
