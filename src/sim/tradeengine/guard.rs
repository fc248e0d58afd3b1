//! Who may trade. Where a key is set, a request carries a signature of what it says and of when it says so, as exchanges want
//! it: `X-SIGN` is the HMAC with SHA-256, in hexadecimal, of what `X-TS` says (Unix milliseconds), the method, the path with
//! its query, and the body.

use std::io;
use std::time::Duration;

use serde_json::json;

use crate::base::hmac::{HmacSha256, unhex};
use crate::base::httpd::{Request, Response};

/// A request that is older, or that much ahead of our clock, is refused: it may have been recorded.
const WINDOW: Duration = Duration::from_secs(5);

/// Asks for signatures, or for none.
pub struct Guard(Option<HmacSha256>);

impl Guard {
    /// With the key that an environment variable holds. The error says that there is none.
    pub fn new(variable: Option<&str>) -> io::Result<Guard> {
        let Some(variable) = variable else { return Ok(Guard(None)) };
        match std::env::var(variable).ok().filter(|key| !key.is_empty()) {
            Some(key) => Ok(Guard(Some(HmacSha256::new(key.as_bytes())))),
            None => Err(io::Error::other(format!("sign_key: {variable} is not in the environment, or is empty"))),
        }
    }

    /// Whether a request may pass at an instant in Unix milliseconds; else the 401 that it is answered.
    pub fn admit(&self, request: &Request, now: u64) -> Result<(), Response> {
        let Some(key) = &self.0 else { return Ok(()) };
        let refuse = |why: &str| Err(Response::json(401, &json!({ "detail": why })));
        let (Some(stamp), Some(signature)) = (request.header("X-TS"), request.header("X-SIGN")) else {
            return refuse("X-TS and X-SIGN are needed");
        };
        let said = stamp.parse::<u64>().ok();
        if said.is_none_or(|said| u128::from(said.abs_diff(now)) > WINDOW.as_millis()) {
            return refuse("X-TS is not the time");
        }
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        let head = format!("{stamp}{}{}{query}", request.method, request.path);
        match unhex(signature) == Some(key.sign(&[head.as_bytes(), &request.body].concat()).to_vec()) {
            true => Ok(()),
            false => refuse("the signature does not fit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hmac::hex;

    const NOW: u64 = 1_750_000_000_000;

    fn status(headers: &[(&str, &str)], body: &'static [u8]) -> u16 {
        let guard = Guard(Some(HmacSha256::new(b"a key")));
        let request = Request {
            method: "POST".into(),
            path: "/order".into(),
            query: "a=1".into(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.into(),
            peer: None,
            takes_chunks: true,
        };
        guard.admit(&request, NOW).err().map_or(200, |refused| refused.status)
    }

    #[test]
    fn only_what_is_signed_as_it_stands_and_now_may_pass() {
        let signed = |stamp: u64| hex(&HmacSha256::new(b"a key").sign(format!("{stamp}POST/order?a=1{{}}").as_bytes()));
        let at = |stamp: u64| (stamp.to_string(), signed(stamp));
        let (now, sign) = at(NOW);
        assert_eq!(status(&[("x-ts", &now), ("x-sign", &sign)], b"{}"), 200);
        assert_eq!(status(&[("x-ts", &now), ("x-sign", &sign.to_uppercase())], b"{}"), 200);
        assert_eq!(status(&[("x-ts", &now), ("x-sign", &sign)], b"{\"quantity\":9}"), 401, "it says something else");
        assert_eq!(status(&[("x-ts", &(NOW + 1).to_string()), ("x-sign", &sign)], b"{}"), 401, "at another time");
        assert_eq!(status(&[("x-ts", &now), ("x-sign", &sign[1..])], b"{}"), 401);
        assert_eq!(status(&[("x-ts", &now)], b"{}"), 401);
        assert_eq!(status(&[("x-sign", &sign)], b"{}"), 401);
        for (away, wanted) in [(4_999, 200), (5_001, 401)] {
            let (then, sign) = at(NOW - away);
            assert_eq!(status(&[("x-ts", &then), ("x-sign", &sign)], b"{}"), wanted, "{away} ms ago");
        }
    }

    #[test]
    fn without_a_key_everybody_passes_and_one_that_is_not_there_is_named() {
        assert!(Guard::new(None).is_ok_and(|guard| guard.0.is_none()));
        let nowhere = Guard::new(Some("PROOFLOAD_NO_SUCH_KEY")).err().map(|why| why.to_string());
        assert!(nowhere.is_some_and(|why| why.contains("PROOFLOAD_NO_SUCH_KEY is not in the environment")));
    }
}
