//! Requests for quotes, put together once per pair.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

use super::http::pool::Body;
use crate::base::httpd::encode;
use crate::base::net::Address;
use crate::plan::QuoteRequest;
use crate::scenario::Quote;

/// Writes the requests of one quote traffic.
pub struct Writer {
    authority: String,
    plain: Vec<String>, // per pair, up to the amount
    hybrid: Vec<String>,
    headers: Vec<(String, String)>,
}

impl Writer {
    /// For a service, with all headers of the traffic.
    pub fn new(quote: &Quote, address: &Address, headers: Vec<(String, String)>) -> Writer {
        let targets = |path: &str| {
            let [input, output, amount] = &quote.query;
            let glue = if path.contains('?') { '&' } else { '?' };
            let target = |pair: &crate::scenario::Pair| {
                format!(
                    "{}{path}{glue}{}={}&{}={}&{}=",
                    address.base,
                    encode(input),
                    encode(&pair.input),
                    encode(output),
                    encode(&pair.output),
                    encode(amount)
                )
            };
            quote.pairs.iter().map(target).collect()
        };
        let hybrid = quote.hybrid.as_ref().map(|(_, path)| targets(path)).unwrap_or_default();
        Writer { authority: address.authority(), plain: targets(&quote.path), hybrid, headers }
    }

    /// The request of a shot.
    pub fn request(&self, quote: QuoteRequest, traceparent: String) -> Result<Request<Body>, String> {
        let paths = if quote.hybrid { &self.hybrid } else { &self.plain };
        let uri = format!("{}{}", paths[quote.pair as usize], quote.amount);
        build("GET", uri, &self.authority, &self.headers, traceparent, Bytes::new())
    }
}

/// A request with what every one of ours carries.
pub fn build(
    method: &str,
    uri: String,
    authority: &str,
    headers: &[(String, String)],
    traceparent: String,
    body: Bytes,
) -> Result<Request<Body>, String> {
    let mut request = Request::builder()
        .method(method)
        .uri(uri)
        .header("Host", authority)
        .header("User-Agent", concat!("proofload/", env!("CARGO_PKG_VERSION")))
        .header("traceparent", traceparent);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(body)).map_err(|e| e.to_string())
}
