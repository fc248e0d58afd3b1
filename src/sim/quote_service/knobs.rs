//! The settings of the quote service as a command line knows them: one table gives each its name, its help, its
//! reading and its printing.

use crate::base::net::Address;
use crate::base::units;
use crate::sim::Knob;
use crate::sim::knobs::{self, Knobs, Row, at_least_one, factor, knob, or, put, whole};

use super::lies::Lie;
use super::options::{External, Options};
use super::truth::Truth;
use super::twist::{Readiness, Twist};

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(length ttl, "longest life of a cached price"),
        knob!(share ttl_spread, "by how much of the ttl a price may be dropped earlier, so that not all expire together"),
        knob!(whole(10) bands, "bands of amounts per factor of ten that have prices of their own (0 to 10; 0: one price for all amounts)"),
        knob!(whole(u64::MAX) capacity, "prices kept"),
        knob!(length_or("off") refresh, "age at which prices that are asked for are calculated again in the background, or off"),
        knob!(length fresh, "age up to which /quote/hybrid serves from the cache"),
        (
            "external",
            "who asks external quoters: miss (both paths), hybrid (/quote/hybrid only) or never",
            |o, v| put(&mut o.external, external(v)),
            |o| match o.external {
                External::Miss => "miss".into(),
                External::Hybrid => "hybrid".into(),
                External::Never => "never".into(),
            },
        ),
        knob!(length_or("none") timeout, "for one request to one quoter, or none: a real weakness"),
        knob!(length_or("none") deadline, "for all quoters together, or none"),
        (
            "quorum",
            "quoters' answers that are enough, or all",
            |o, v| put(&mut o.quorum, or("all", v, |v| whole(v, u64::MAX).and_then(at_least_one))),
            |o| o.quorum.map_or("all".into(), |n| n.to_string()),
        ),
        knob!(whole(1000) retries, "how often a failed request to a quoter is sent again"),
        knob!(length_or("off") backoff, "longest pause before the first retry, doubled with each and jittered, or off: at once and past the rate \
         limiter, a real weakness"),
        (
            "retry_budget",
            "share of calls to a quoter that may be retries, or off for any number: a real weakness",
            |o, v| put(&mut o.retry_budget, or("off", v, units::parse_share)),
            |o| o.retry_budget.map_or("off".into(), |share| share.to_string()),
        ),
        knob!(switch retry_after, "whether a quoter that says Retry-After is left alone for so long; off is a real weakness"),
        knob!(switch validate, "whether replies are checked before they are believed; off is a real weakness"),
        knob!(length_or("off") max_quote_age, "age from which a quoter's price is refused, or off: a real weakness"),
        knob!(switch fail_fast, "whether one quoter's failure fails the request; on is a real weakness"),
        knob!(switch fallback, "whether the local calculation stands in for quoters"),
        knob!(length_or("off") stale_if_error, "how long after its life a cached price still serves when nothing new can be made, or off"),
        (
            "rate.NAME",
            "calls per second to the quoter NAME, or none for no limit (jupiter 20/s, dflow 10/s, quicknode 15/s, blxr 10/s)",
            |_, _| Err("write the quoter's name for NAME, such as rate.jupiter=20/s".into()),
            |_| "as noted".into(),
        ),
        knob!(length_or("default") max_wait, "longest wait for a quoter's rate limiter, or default (jupiter 50ms, dflow 120ms, quicknode 80ms, blxr 110ms)"),
        knob!(some(1 << 20) workers, "requests worked on at a time"),
        knob!(whole(u64::MAX) queue, "requests that may wait for a worker; beyond them the answer is 503"),
        (
            "delays",
            "stretches every simulated delay: 0.5 halves them, 2 doubles them",
            |o, v| put(&mut o.delays, factor(v)),
            |o| o.delays.to_string(),
        ),
        knob!(switch no_delay, "no simulated delay at all: as fast as it can be"),
        knob!(share pool_failures, "share of pool queries that fail"),
        knob!(length warm_up, "how long /ready says 503 after the start"),
        (
            "ready",
            "what /ready says: start (503 until warmed up), quoters (also 503 while a quoter failed three times in a row) or \
         always (200 whatever is the case: a lie)",
            |o, v| put(&mut o.ready, Readiness::from_word(v).ok_or(format!("`{v}` is none of start, quoters, always"))),
            |o| o.ready.word().into(),
        ),
        (
            "page",
            "how the page of metrics breaks its contract: order_ids, untyped, crooked, falling, repeated, slow, or honest",
            |o, v| {
                let known = |v: &str| Twist::from_word(v).ok_or(format!("`{v}` is none of its ways to lie"));
                put(&mut o.page, or("honest", v, known))
            },
            |o| o.page.map_or("honest".into(), |twist| twist.word().into()),
        ),
        knob!(whole(u64::MAX) seed, "where delays, prices and failures are drawn from"),
        knob!(whole(u16::MAX.into()) port, "port of 127.0.0.1 to answer on; 0 takes a free one"),
        (
            "lie",
            "what the metrics lie about: none, dropped-label, ms-as-seconds, low-ceiling, timeouts-uncounted, hits-twice, \
         reset or clock-skew",
            |o, v| put(&mut o.lie, Lie::parse(v)),
            |o| o.lie.word().into(),
        ),
        knob!(some(16) processes, "processes that answer in turn behind the one port, each with counters of its own; more than 1 is a real weakness"),
        knob!(switch count_all, "whether http_requests_total counts scrapes and health checks as well"),
        knob!(some(16) replicas, "replicas, each with an address, a cache and workers of its own; shots are spread over them"),
        knob!(length_or("none") database, "how long each quote has the one database that all replicas share for itself, or none"),
        (
            "leak",
            "bytes that each quote leaves behind for ever, such as 4KiB, or off",
            |o, v| put(&mut o.leak, or("off", v, leak).map(Option::unwrap_or_default)),
            |o| if o.leak == 0 { "off".into() } else { format!("{}B", o.leak) },
        ),
        (
            "truth",
            "file for a line of JSON per request, or off",
            |o, v| {
                o.truth = if v == "off" { Truth::Off } else { Truth::File(v.into()) };
                Ok(())
            },
            |_| "off".into(),
        ),
    ];
}

impl Options {
    /// Sets one knob by its name. The error names the knob and says what to write.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        if let Some(quoter) = key.strip_prefix("rate.").filter(|name| *name != "NAME") {
            let rate = or("none", value.trim(), units::parse_rate).map_err(|why| format!("{key}: {why}"))?;
            self.rates.retain(|(name, _)| !name.eq_ignore_ascii_case(quoter));
            self.rates.push((quoter.to_owned(), rate.unwrap_or_default()));
            return Ok(());
        }
        let is = self.turn(key, value)?;
        knobs::known(is, "quote-service", key, &Options::keys())
    }

    /// Sets one knob from `KEY=VALUE`.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), String> {
        let (key, value) = pair.split_once('=').ok_or_else(|| format!("`{pair}`: write KEY=VALUE"))?;
        self.set(key.trim(), value)
    }

    /// Adds an external quoter from `NAME=URL`.
    pub fn add_upstream(&mut self, pair: &str) -> Result<(), String> {
        let (name, url) = pair.split_once('=').ok_or_else(|| format!("`{pair}`: write NAME=http://HOST:PORT"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("`{name}` is no name for a quoter: use letters, digits, `-` and `_`"));
        }
        if self.upstreams.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return Err(format!("the quoter `{name}` was given twice"));
        }
        let address = Address::parse(url).map_err(|why| format!("{name}: {why}"))?;
        if address.is_tls() || address.socket().is_some() {
            return Err(format!("{name}: `{url}`: the practice target calls plain HTTP: write http://HOST:PORT"));
        }
        self.upstreams.push((name.to_owned(), address));
        Ok(())
    }

    /// All knobs with their defaults and a line of help each.
    pub fn keys() -> Vec<Knob> {
        Options::default().knobs()
    }
}

/// At most what would fill a machine in minutes.
fn leak(text: &str) -> Result<u64, String> {
    match units::parse_size(text)?.0 {
        size @ 1..=1_048_576 => Ok(size),
        _ => Err(format!("`{text}` is not from 1B to 1MiB")),
    }
}

fn external(text: &str) -> Result<External, String> {
    match text {
        "miss" => Ok(External::Miss),
        "hybrid" => Ok(External::Hybrid),
        "never" => Ok(External::Never),
        _ => Err(format!("`{text}` is none of miss, hybrid, never")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::base::units::Rate;

    #[test]
    fn every_default_reads_back_as_itself() {
        for knob in Options::keys().into_iter().filter(|k| k.name != "rate.NAME") {
            let mut options = Options::default();
            assert_eq!(options.set(knob.name, &knob.default), Ok(()), "{}", knob.name);
            assert_eq!(format!("{options:?}"), format!("{:?}", Options::default()), "{}", knob.name);
            assert!(!knob.help.is_empty() && !knob.help.contains('\n'));
        }
    }

    #[test]
    fn knobs_turn() {
        let mut options = Options::default();
        for pair in [
            "ttl=5s",
            "refresh=10s",
            "timeout=none",
            "deadline=300ms",
            "quorum=1",
            "external=hybrid",
            "fallback=off",
            "retries=5",
            "backoff=off",
            "retry_budget=off",
            "retry_after=off",
            "validate=off",
            "max_quote_age=off",
            "fail_fast=on",
            "stale_if_error=off",
            "no_delay=on",
            "rate.Jupiter=40/s",
            "rate.jupiter=none",
            "max_wait=1s",
            "lie=hits-twice",
            "processes=2",
            "count_all=on",
            "leak=4KiB",
            "replicas=3",
            "database=2ms",
        ] {
            assert_eq!(options.set_pair(pair), Ok(()), "{pair}");
        }
        assert_eq!(options.add_upstream("jupiter=http://127.0.0.1:9"), Ok(()));
        assert_eq!((options.ttl, options.refresh), (Duration::from_secs(5), Some(Duration::from_secs(10))));
        assert_eq!((options.timeout, options.quorum), (None, Some(1)));
        assert_eq!((options.retries, options.backoff, options.retry_budget), (5, None, None));
        assert!(!options.retry_after && !options.validate && options.fail_fast);
        assert_eq!((options.max_quote_age, options.stale_if_error), (None, None));
        assert_eq!((options.external, options.fallback, options.scale()), (External::Hybrid, false, 0.0));
        assert_eq!((options.lie, options.processes, options.count_all), (Lie::HitsTwice, 2, true));
        assert_eq!((options.leak, options.replicas, options.database), (4096, 3, Some(Duration::from_millis(2))));
        let quoters = options.quoters();
        assert_eq!((quoters[0].rate, quoters[0].patience), (Rate(0), Duration::from_secs(1)));
    }

    #[test]
    fn mistakes_are_explained() {
        let mut options = Options::default();
        let mut error = |pair| options.set_pair(pair).expect_err(pair);
        assert_eq!(error("tll=5s"), "`tll` is no setting of quote-service: did you mean `ttl`?");
        assert!(error("ttl=5").starts_with("ttl: `5` is not a length of time"));
        assert!(error("timeout=soon").ends_with(", or none"));
        assert!(error("quorum=0").contains("at least 1"));
        assert!(error("bands=11").contains("from 0 to 10"));
        assert!(error("delays=NaN").contains("no factor"));
        assert!(error("external=maybe").contains("miss, hybrid, never"));
        assert!(error("lie=hits-twise").ends_with("did you mean `hits-twice`?"));
        assert!(error("leak=2MiB").contains("from 1B to 1MiB") && error("leak=5").contains("not a size"));
        assert!(error("rate.NAME=5/s").contains("such as rate.jupiter"));
        assert!(error("rate.jupiter=fast").contains("not a rate"));
        assert_eq!(error("ttl"), "`ttl`: write KEY=VALUE");
        for bad in ["jupiter", "jupiter=127.0.0.1:80", "a b=http://127.0.0.1:80", "=http://127.0.0.1:80"] {
            assert!(options.add_upstream(bad).is_err(), "{bad}");
        }
        assert_eq!(options.add_upstream("jupiter=http://127.0.0.1:80"), Ok(()));
        assert!(options.add_upstream("Jupiter=http://127.0.0.1:81").expect_err("twice").contains("twice"));
    }
}
