//! Requests for quotes, put together once per pair, and what their replies must be.

use std::time::Duration;

use super::http::codec::Answer;
use super::pick::{Paths, Picks};
use super::reply::{excerpt, status_is};
use super::request::Request;
use crate::base::httpd::encode;
use crate::base::trace::TraceId;
use crate::base::units;
use crate::evidence::reply::Outcome;
use crate::plan::QuoteRequest;
use crate::scenario::{Pair, Quote};

/// The quotes of one traffic.
pub struct Quotes {
    plain: Vec<Request>, // per pair
    hybrid: Vec<Request>,
    pairs: Vec<Pair>,
    out_amount: Wanted,
    echo: [Wanted; 2],
    timestamp: Wanted,
    max_age: Option<Duration>,
    max_body: usize,
}

/// A value that may or must stand in a reply.
struct Wanted {
    slot: usize,
    path: String,
    required: bool,
}

impl Quotes {
    /// For a service whose paths begin with `base`, with all headers of the traffic; tells `paths` what it will ask for.
    pub fn new(quote: &Quote, base: &str, headers: &[(String, String)], paths: &mut Paths) -> Quotes {
        let requests = |path: &str| {
            let [input, output, amount] = &quote.query;
            let glue = if path.contains('?') { '&' } else { '?' };
            let request = |pair: &Pair| {
                let target = format!(
                    "{base}{path}{glue}{}={}&{}={}&{}=",
                    encode(input),
                    encode(&pair.input),
                    encode(output),
                    encode(&pair.output),
                    encode(amount)
                );
                Request::new("GET", &target, headers, b"")
            };
            quote.pairs.iter().map(request).collect()
        };
        let mut wanted = |path: &serde_json_path::JsonPath, required| Wanted {
            slot: paths.slot(path),
            path: path.to_string(),
            required,
        };
        Quotes {
            plain: requests(&quote.path),
            hybrid: quote.hybrid.as_ref().map(|(_, path)| requests(path)).unwrap_or_default(),
            pairs: quote.pairs.clone(),
            out_amount: wanted(&quote.out_amount, true),
            echo: [wanted(&quote.echo[0].0, quote.echo[0].1), wanted(&quote.echo[1].0, quote.echo[1].1)],
            timestamp: wanted(&quote.timestamp.0, quote.timestamp.1),
            max_age: quote.max_age,
            max_body: quote.max_body.0 as usize,
        }
    }

    /// How much of a body is read, in bytes.
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Writes the request of a shot.
    pub fn write(&self, quote: QuoteRequest, host: &[u8], trace: TraceId, out: &mut Vec<u8>) {
        let requests = if quote.hybrid { &self.hybrid } else { &self.plain };
        requests[quote.pair as usize].write(Some(quote.amount), host, Some(trace), out);
    }

    /// What a reply is worth, and why. `picks` is what was picked of its body, if it is JSON; `now_ms` the wall clock in
    /// Unix milliseconds.
    pub fn worth(
        &self,
        asked: QuoteRequest,
        answer: &Answer<'_>,
        picks: Option<&Picks<'_>>,
        now_ms: impl FnOnce() -> i64,
    ) -> (Outcome, Option<String>) {
        if !status_is(answer.status, &[]) {
            return (Outcome::Rejected, Some(format!("status {}", answer.status)));
        }
        match self.invalid(&self.pairs[asked.pair as usize], answer, picks, now_ms) {
            Some(why) => (Outcome::Invalid, Some(why)),
            None => (Outcome::Ok, None),
        }
    }

    fn invalid(
        &self,
        pair: &Pair,
        answer: &Answer<'_>,
        picks: Option<&Picks<'_>>,
        now_ms: impl FnOnce() -> i64,
    ) -> Option<String> {
        if answer.too_long {
            return Some(format!("the body is longer than {}", units::Size(self.max_body as u64)));
        }
        let Some(picks) = picks else {
            return Some(format!("the body is no JSON: {}", excerpt(answer.body)));
        };
        match picks.get(self.out_amount.slot).map(|v| v.amount()) {
            None => return Some(format!("no amount at {}", self.out_amount.path)),
            Some(None) => return Some(format!("what stands at {} is no amount", self.out_amount.path)),
            Some(Some(n)) if n <= 0.0 => return Some("an amount of 0".into()),
            Some(Some(_)) => {}
        }
        for (wanted, asked) in self.echo.iter().zip([&pair.input, &pair.output]) {
            match picks.get(wanted.slot) {
                Some(mint) if !mint.is(asked) => {
                    return Some(format!("asked for {asked}, answered {} at {}", mint.text(), wanted.path));
                }
                None if wanted.required => return Some(format!("no mint at {}", wanted.path)),
                _ => {}
            }
        }
        let path = &self.timestamp.path;
        let made = picks.get(self.timestamp.slot).and_then(|v| v.whole());
        match (made, self.max_age) {
            (None, _) if self.timestamp.required => Some(format!("no time at {path}")),
            (None, Some(_)) => Some(format!("no time at {path}, and `max_age` needs one")),
            (Some(made), Some(allowed)) => {
                let age = now_ms() - made;
                (age > allowed.as_millis() as i64)
                    .then(|| format!("{age} ms old, {} is allowed", units::duration(allowed)))
            }
            _ => None,
        }
    }
}
