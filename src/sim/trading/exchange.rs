//! The exchange behind a practice target: a stub that the run names, or a law of the target's own that answers in its
//! place and can be made to fail.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;

use super::super::client::{Broken, Client};
use super::super::knobs::{Knobs, Row, knob};
use crate::base::law::Law;
use crate::base::net::Address;
use crate::base::seed::{Seed, Stream};
use crate::base::sleep::Sleeper;
use crate::base::time;
use crate::base::units::Share;

/// How it answers where no stub does.
#[derive(Debug, Clone, PartialEq)]
pub struct Venue {
    /// From an order to its acknowledgement, the median.
    pub ack: Duration,
    /// The share of orders that it fails on, as with a 500.
    pub failures: Share,
    /// From the first order to the time in which it answers nothing.
    pub outage_after: Duration,
    /// How long that is; never when zero.
    pub outage: Duration,
}

impl Venue {
    /// One that acknowledges in about `median` and never fails.
    pub fn prompt(median: Duration) -> Venue {
        Venue { ack: median, failures: Share::NONE, outage_after: Duration::ZERO, outage: Duration::ZERO }
    }

    /// From an order to its acknowledgement.
    fn latency(&self) -> Law {
        Law::Lognormal { median: self.ack, sigma: 0.5 }
    }
}

impl Knobs for Venue {
    const ROWS: &'static [Row<Venue>] = &[
        knob!(length ack, "median time in which an exchange answers, where no upstream stands for it"),
        knob!(
            exchange_failures = share failures,
            "share of orders that an exchange fails on, where no upstream stands for it"
        ),
        knob!(
            length outage_after,
            "from the first order to the time in which an exchange answers nothing, where no upstream stands for it"
        ),
        knob!(length outage, "how long that is; never when 0s"),
    ];
}

/// What it says of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It has the order.
    Acknowledged,
    /// It does not want it: any 4xx but 429.
    Declined,
}

/// Why it is not known what became of an order, or that nothing did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No answer in time.
    Late,
    /// No connection, or one that broke.
    Gone,
    /// 5xx, or 429.
    Status(u16),
}

impl Failure {
    /// For metrics and logs.
    pub fn word(self) -> &'static str {
        match self {
            Failure::Late => "timeout",
            Failure::Gone => "connection",
            Failure::Status(429) => "rate_limited",
            Failure::Status(_) => "error",
        }
    }

    /// What a service answers that needed it.
    pub fn status(self) -> u16 {
        match self {
            Failure::Late => 504,
            Failure::Gone | Failure::Status(_) => 502,
        }
    }
}

enum Way {
    Stub(Client, &'static str),
    Own(Box<(Venue, Mutex<Stream>)>),
}

/// An exchange.
pub struct Exchange {
    way: Way,
    patience: Option<Duration>,
    first: AtomicU64, // when the first order came, on the kernel's monotonic clock; 0 before
    sleeper: Sleeper,
}

impl Exchange {
    /// At a stub, which is sent orders at `path`, or by a law; given up after `patience`, or never.
    pub fn new(
        stub: Option<&Address>,
        path: &'static str,
        venue: &Venue,
        patience: Option<Duration>,
        seed: u64,
    ) -> io::Result<Exchange> {
        let way = match stub {
            Some(address) => Way::Stub(Client::new(address.clone()), path),
            None => Way::Own(Box::new((venue.clone(), Mutex::new(Seed(seed).stream(path))))),
        };
        Ok(Exchange { way, patience, first: AtomicU64::new(0), sleeper: Sleeper::new()? })
    }

    /// Sends an order and waits for what is said of it.
    pub async fn place(&self, order: &Bytes, traceparent: Option<&str>) -> Result<Said, Failure> {
        match self.patience {
            None => self.ask(order, traceparent).await,
            Some(patience) => {
                tokio::time::timeout(patience, self.ask(order, traceparent)).await.unwrap_or(Err(Failure::Late))
            }
        }
    }

    async fn ask(&self, order: &Bytes, traceparent: Option<&str>) -> Result<Said, Failure> {
        let (venue, stream) = match &self.way {
            Way::Stub(client, path) => {
                return match client.post(path, order, traceparent).await {
                    Ok(reply) => said(reply.status),
                    Err(Broken::Connect | Broken::Exchange) => Err(Failure::Gone),
                };
            }
            Way::Own(own) => (&own.0, &own.1),
        };
        let now = time::monotonic();
        let first = self.first.compare_exchange(0, now, Relaxed, Relaxed).map_or_else(|first| first, |_| now);
        let down = nanos(venue.outage_after)..nanos(venue.outage_after + venue.outage);
        if down.contains(&(now - first.min(now))) {
            // Nothing is answered until it is over, and then that it was.
            self.sleeper.sleep(Duration::from_nanos(first + down.end - now)).await;
            return Err(Failure::Status(503));
        }
        let (length, fails) = {
            let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            (venue.latency().at(stream.unit()), stream.unit() < venue.failures.fraction())
        };
        self.sleeper.sleep(length).await;
        if fails { Err(Failure::Status(500)) } else { Ok(Said::Acknowledged) }
    }

    /// Rests for as long as something takes there that nobody asks for, such as a fill.
    pub async fn rest(&self, length: Duration) {
        self.sleeper.sleep(length).await;
    }
}

fn said(status: u16) -> Result<Said, Failure> {
    match status {
        200..=299 => Ok(Said::Acknowledged),
        429 | 500.. => Err(Failure::Status(status)),
        _ => Ok(Said::Declined),
    }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// The stubs that a target calls, by the names that it knows. The error says which those are.
pub fn stub(upstreams: &[(String, String)], known: &[&str], system: &str) -> Result<Vec<(String, Address)>, String> {
    let mut found: Vec<(String, Address)> = Vec::new();
    for (name, url) in upstreams {
        if !known.contains(&name.as_str()) {
            let whom = if known.is_empty() { "nothing outside".to_owned() } else { known.join(" and ") };
            return Err(format!("{system} calls {whom}, so that --upstream {name} does nothing"));
        }
        let address = Address::parse(url).map_err(|why| format!("{name}: {why}"))?;
        if address.is_tls() || address.socket().is_some() {
            return Err(format!("{name}: `{url}`: the practice target calls plain HTTP: write http://HOST:PORT"));
        }
        if found.iter().any(|(given, _)| given == name) {
            return Err(format!("the upstream `{name}` was given twice"));
        }
        found.push((name.clone(), address));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Bytes {
        Bytes::from_static(b"{}")
    }

    #[tokio::test]
    async fn a_law_answers_fails_and_goes_away() {
        let prompt = Venue::prompt(Duration::from_micros(100));
        let at = |venue: &Venue, patience| Exchange::new(None, "/order", venue, patience, 1).expect("a thread");
        assert_eq!(at(&prompt, None).place(&order(), None).await, Ok(Said::Acknowledged));
        let failing = Venue { failures: Share::ALL, ..prompt.clone() };
        assert_eq!(at(&failing, None).place(&order(), None).await, Err(Failure::Status(500)));
        let gone = Venue { outage: Duration::from_millis(300), ..prompt };
        let impatient = at(&gone, Some(Duration::from_millis(5)));
        assert_eq!(impatient.place(&order(), None).await, Err(Failure::Late));
        let patient = at(&gone, None);
        assert_eq!(patient.place(&order(), None).await, Err(Failure::Status(503)), "told when it is over");
        assert_eq!(patient.place(&order(), None).await, Ok(Said::Acknowledged), "and over it is");
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let nobody = Address::http("127.0.0.1", 1);
        let venue = Venue::prompt(Duration::ZERO);
        let exchange = Exchange::new(Some(&nobody), "/order", &venue, None, 1).expect("a thread");
        assert_eq!(exchange.place(&order(), None).await, Err(Failure::Gone));
    }

    #[test]
    fn answers_have_their_meaning() {
        assert_eq!(said(201), Ok(Said::Acknowledged));
        assert_eq!(said(400), Ok(Said::Declined));
        assert_eq!(said(429), Err(Failure::Status(429)));
        assert_eq!((Failure::Late.status(), Failure::Status(503).status()), (504, 502));
        let of = |name: &str, url: &str| stub(&[(name.into(), url.into())], &["exchange"], "b25");
        assert_eq!(of("exchange", "http://127.0.0.1:9").map(|all| all.len()), Ok(1));
        assert!(of("jupiter", "http://127.0.0.1:9").expect_err("unknown").contains("b25 calls exchange"));
        assert!(of("exchange", "https://127.0.0.1:9").is_err());
    }
}
