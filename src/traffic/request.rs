//! Requests, put together beforehand as far as they can be.

use super::flow::{Says, Signer, media};
use crate::base::trace::TraceId;
use crate::scenario::{Form, Piece, Step, Template};

/// A request whose target may end in something that differs from shot to shot.
pub struct Request {
    before: Vec<u8>, // up to where the target may go on
    after: Vec<u8>,  // what follows the value of Host
    body: Vec<u8>,
}

impl Request {
    /// A request with what every one of ours carries.
    pub fn new(method: &str, target: &str, headers: &[(String, String)], body: &[u8]) -> Request {
        let mut after = format!("\r\nUser-Agent: {}\r\n", concat!("proofload/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            after.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || !matches!(method, "GET" | "DELETE") {
            after.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        Request { before: format!("{method} {target}").into(), after: after.into(), body: body.into() }
    }

    /// Writes it out for a host; `more` goes on with its target, and what is measured has a trace.
    pub fn write(&self, more: Option<u64>, host: &[u8], trace: Option<TraceId>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.before);
        if let Some(number) = more {
            decimal(number, out);
        }
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(host);
        out.extend_from_slice(&self.after);
        if let Some(trace) = trace {
            out.extend_from_slice(b"traceparent: ");
            out.extend_from_slice(&trace.traceparent());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }
}

/// A request that is written anew for each shot.
pub struct Written {
    method: &'static str,
    base: String, // what the service's paths begin with; nothing where the target is a path that a reply named
    target: Template,
    headers: Vec<(String, Template)>,
    same: Vec<u8>, // headers that are the same for every shot
    body: Template,
    has_body: bool,
    signer: Option<Signer>,
}

impl Written {
    /// The request of a step whose service's paths begin with `base`.
    pub fn new(step: &Step, base: &str, mut headers: Vec<(String, String)>, signer: Option<Signer>) -> Written {
        headers.extend(media(step, &headers));
        headers.retain(|(name, _)| !step.written.iter().any(|(n, _)| n.eq_ignore_ascii_case(name)));
        let whole = matches!(step.path.pieces.first(), Some(Piece::Value(_, Form::Raw)));
        let mut same = format!("User-Agent: {}\r\n", concat!("proofload/", env!("CARGO_PKG_VERSION")));
        headers.iter().for_each(|(name, value)| same.push_str(&format!("{name}: {value}\r\n")));
        Written {
            method: step.method.word(),
            base: if whole { String::new() } else { base.to_owned() },
            target: step.path.clone(),
            headers: step.written.clone(),
            same: same.into(),
            body: step.body.as_ref().map(|(body, _)| body.clone()).unwrap_or_default(),
            signer,
            has_body: step.body.is_some() || !matches!(step.method.word(), "GET" | "DELETE"),
        }
    }

    /// Writes it out for a host; `token` is the header that carries one, with its end.
    pub fn write(&self, host: &[u8], token: Option<&[u8]>, says: &Says<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        let mut target = self.base.as_bytes().to_vec();
        says.fill(&self.target, &mut target);
        if self.base.is_empty() {
            // A reply may name the next request by a whole address; only its path goes into the request.
            target.drain(..path_of(&target));
        }
        let mut body = Vec::new();
        says.fill(&self.body, &mut body);
        let signature = self.signer.as_ref().and_then(|signer| signer.sign(says, self.method, &mut target, &body));
        out.extend_from_slice(&target);
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(host);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.same);
        out.extend_from_slice(token.unwrap_or_default());
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            says.fill(value, out);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(signature.as_deref().unwrap_or_default().as_bytes());
        out.extend_from_slice(b"traceparent: ");
        out.extend_from_slice(&says.trace.traceparent());
        if self.has_body {
            out.extend_from_slice(b"\r\nContent-Length: ");
            decimal(body.len() as u64, out);
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&body);
    }
}

/// Where the path of an address begins.
fn path_of(target: &[u8]) -> usize {
    let after = [b"http://".as_slice(), b"https://"]
        .iter()
        .find_map(|scheme| target.strip_prefix(*scheme).map(|rest| (scheme.len(), rest)));
    after.map_or(0, |(scheme, rest)| scheme + rest.iter().position(|b| *b == b'/').unwrap_or(rest.len()))
}

fn decimal(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::trace::{Shot, Tracer};

    #[test]
    fn a_request_is_what_a_server_expects() {
        let headers = [("X-A".to_owned(), "1".to_owned())];
        let request = Request::new("POST", "/base/x?n=", &headers, b"{}");
        let trace = Tracer::new(Seed(1), "r").id(Shot { traffic: 0, seq: 1 });
        let mut out = Vec::new();
        request.write(Some(u64::MAX), b"[::1]:80", Some(trace), &mut out);
        let text = String::from_utf8(out).expect("ASCII");
        let traceparent = String::from_utf8(trace.traceparent().to_vec()).expect("ASCII");
        let agent = concat!("proofload/", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            text,
            format!(
                "POST /base/x?n=18446744073709551615 HTTP/1.1\r\nHost: [::1]:80\r\nUser-Agent: {agent}\r\nX-A: 1\r\n\
                 Content-Length: 2\r\ntraceparent: {traceparent}\r\n\r\n{{}}"
            )
        );
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 9, 10, 1_000_000_007, u64::MAX] {
            let mut out = Vec::new();
            decimal(number, &mut out);
            assert_eq!(out, number.to_string().into_bytes());
        }
    }
}
