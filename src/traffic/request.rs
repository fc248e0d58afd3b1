//! Requests, put together beforehand as far as they can be.

use crate::base::trace::TraceId;

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
