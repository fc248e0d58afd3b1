//! What faults do, and which kinds and keys fit what they act on.

use std::time::Duration;

use super::super::inject::{
    Corruption, DockerAction, HttpFault, Inject, Keep, Per, ProcessFault, ResetAt, RetryAfter, Stream, Toxic,
};
use super::super::raw;
use super::super::shape::{At, Names};
use super::super::{Place, RateLimit};
use super::Check;
use super::fault::Family;
use crate::base::law::Law;
use crate::base::text;
use crate::base::units::{ByteRate, Rate, Share, Size};

const UPSTREAM: [&str; 10] =
    ["latency", "timeout", "status", "rate_limit", "reset", "truncate", "corrupt", "stale", "slow_body", "refuse"];
const LINK: [&str; 10] = [
    "latency",
    "bandwidth",
    "slow_close",
    "timeout",
    "reset_peer",
    "slicer",
    "limit_data",
    "down",
    "corrupt",
    "drop_half",
];
const KAFKA: [&str; 14] = [
    "broker_down",
    "request_errors",
    "round_trip",
    "topic_unavailable",
    "latency",
    "bandwidth",
    "slow_close",
    "timeout",
    "reset_peer",
    "slicer",
    "limit_data",
    "down",
    "corrupt",
    "drop_half",
];
const PROCESS: [&str; 4] = ["pause", "kill", "cpu", "memory"];
const DOCKER: [&str; 1] = ["docker"];
const HOOK: [&str; 1] = ["hook"];
const SIGNALS: [&str; 6] = ["KILL", "TERM", "INT", "QUIT", "ABRT", "HUP"];
/// Of how many bytes a link's `corrupt` flips a bit, unless the scenario says otherwise.
const EVERY: Size = Size(64 << 10);

impl Family {
    /// The word before the `/`, and the kinds that fit.
    fn kinds(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Family::Upstream => ("upstream", &UPSTREAM),
            Family::Link => ("link", &LINK),
            Family::Kafka => ("kafka", &KAFKA),
            Family::Process => ("process", &PROCESS),
            Family::Docker => ("docker", &DOCKER),
            Family::Hook => ("hook", &HOOK),
        }
    }
}

impl raw::Inject {
    /// As it is written.
    pub fn word(&self) -> &'static str {
        match self {
            raw::Inject::Latency(_) => "latency",
            raw::Inject::Timeout(_) => "timeout",
            raw::Inject::Status(_) => "status",
            raw::Inject::RateLimit(_) => "rate_limit",
            raw::Inject::Reset(_) => "reset",
            raw::Inject::Truncate(_) => "truncate",
            raw::Inject::Corrupt(_) => "corrupt",
            raw::Inject::Stale(_) => "stale",
            raw::Inject::SlowBody(_) => "slow_body",
            raw::Inject::Refuse(_) => "refuse",
            raw::Inject::Bandwidth(_) => "bandwidth",
            raw::Inject::SlowClose(_) => "slow_close",
            raw::Inject::ResetPeer(_) => "reset_peer",
            raw::Inject::Slicer(_) => "slicer",
            raw::Inject::LimitData(_) => "limit_data",
            raw::Inject::Down(_) => "down",
            raw::Inject::DropHalf(_) => "drop_half",
            raw::Inject::Pause(_) => "pause",
            raw::Inject::Kill(_) => "kill",
            raw::Inject::Cpu(_) => "cpu",
            raw::Inject::Memory(_) => "memory",
            raw::Inject::Docker(_) => "docker",
            raw::Inject::BrokerDown(_) => "broker_down",
            raw::Inject::RequestErrors(_) => "request_errors",
            raw::Inject::RoundTrip(_) => "round_trip",
            raw::Inject::TopicUnavailable(_) => "topic_unavailable",
            raw::Inject::Hook(_) => "hook",
        }
    }
}

impl Check<'_, '_> {
    /// What a fault does to something of this family; the path is at `inject`.
    pub(super) fn inject(&mut self, raw: &At<raw::Inject>, family: Family) -> Option<Inject> {
        let (on, kinds) = family.kinds();
        let word = raw.value.word();
        if !kinds.contains(&word) {
            let remedy = format!("on {on}/NAME: {}", text::list(kinds.iter().copied()));
            self.reader.wrong(raw.at, format!("`{word}` is nothing that happens to {}", article(on)), remedy);
            return None;
        }
        self.within(word, |c| match family {
            Family::Upstream => c.http(&raw.value, raw.at).map(Inject::Http),
            Family::Link => c.toxic(&raw.value, raw.at),
            Family::Kafka => c.kafka_fault(&raw.value, raw.at),
            Family::Process | Family::Docker => c.process(&raw.value).map(Inject::Process),
            Family::Hook => Some(Inject::Hook),
        })
    }

    fn http(&mut self, raw: &raw::Inject, at: Place) -> Option<HttpFault> {
        Some(match raw {
            raw::Inject::Latency(raw::Latency::Law(law)) => HttpFault::Latency { law: self.law(law), replace: false },
            raw::Inject::Latency(raw::Latency::Full(full)) => {
                self.of_links("latency", full.latency.map(|l| l.at));
                self.of_links("jitter", full.jitter.map(|l| l.at));
                self.of_links("stream", full.stream.as_ref().map(|s| s.at));
                let Some(law) = &full.law else {
                    if full.latency.is_none() && !self.reader.is_broken_here() {
                        self.reader.wrong(
                            at,
                            "how much later?",
                            "write `latency: 80ms` or `latency: { law: …, replace: true }`",
                        );
                    }
                    return None;
                };
                HttpFault::Latency { law: self.law(law), replace: full.replace.is_some_and(|r| r.value) }
            }
            raw::Inject::Timeout(raw) => {
                self.of_links("timeout", raw.timeout.map(|t| t.at));
                self.of_links("stream", raw.stream.as_ref().map(|s| s.at));
                HttpFault::Timeout
            }
            raw::Inject::Status(raw) => HttpFault::Status {
                code: self.status(&raw.code)?,
                headers: self.reply_headers(raw.headers.as_ref()),
                body: raw.body.as_ref().map(|b| b.value.clone()),
            },
            raw::Inject::RateLimit(raw) => self.throttle(raw),
            raw::Inject::Reset(raw) => HttpFault::Reset(match raw.at.as_ref().map(|a| &a.value) {
                None | Some(raw::ResetAt::Before) => ResetAt::Before,
                Some(raw::ResetAt::AfterHeaders) => ResetAt::AfterHeaders,
                Some(raw::ResetAt::MidBody) => ResetAt::MidBody,
            }),
            raw::Inject::Truncate(raw) => HttpFault::Truncate(self.keep(raw)),
            raw::Inject::Corrupt(raw) => HttpFault::Corrupt(self.corruption(raw)),
            raw::Inject::Stale(raw) => {
                if raw.by.value.is_zero() {
                    self.reader.wrong(raw.by.at, "as old as now", "write a length above 0");
                }
                let only = raw.only.as_ref().map(|o| &o.value);
                HttpFault::Stale {
                    by: raw.by.value,
                    prices: !matches!(only, Some(raw::Aged::Timestamps)),
                    timestamps: !matches!(only, Some(raw::Aged::Prices)),
                }
            }
            raw::Inject::SlowBody(raw) => HttpFault::SlowBody { rate: self.byte_rate(&raw.rate) },
            raw::Inject::Refuse(_) => HttpFault::Refuse,
            _ => return None,
        })
    }

    fn throttle(&mut self, raw: &raw::Throttle) -> HttpFault {
        let per = match raw.per.as_ref().map(|p| &p.value) {
            None | Some(raw::Per::One) => Per::One,
            Some(raw::Per::Client) => Per::Client,
            Some(raw::Per::Header(name)) => Per::Header(name.value.clone()),
            Some(raw::Per::Query(name)) => Per::Query(name.value.clone()),
        };
        let retry_after = match raw.retry_after.as_ref().map(|r| &r.value) {
            None | Some(raw::RetryAfter::Seconds) => RetryAfter::Seconds,
            Some(raw::RetryAfter::HttpDate) => RetryAfter::HttpDate,
            Some(raw::RetryAfter::None) => RetryAfter::None,
        };
        HttpFault::RateLimit { limit: self.limit(raw.rate, raw.burst), per, retry_after }
    }

    pub(super) fn limit(&mut self, rate: At<Rate>, burst: At<u64>) -> RateLimit {
        let fits = u32::try_from(burst.value).ok().filter(|b| *b >= 1);
        if fits.is_none() {
            self.reader.wrong(burst.at, "a burst is at least 1", "write `burst: 1` or more");
        }
        RateLimit { rate: rate.value, burst: fits.unwrap_or(1) }
    }

    fn reply_headers(&mut self, raw: Option<&Names<At<String>>>) -> Vec<(String, String)> {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let own = ["content-length", "connection", "transfer-encoding"];
        for (name, value) in raw.iter().flat_map(|h| &h.0) {
            if name.value.is_empty() || !name.value.chars().all(token) {
                self.reader.wrong(name.at, format!("`{}` is no header name", name.value), "letters, digits and -");
            } else if own.contains(&name.value.to_ascii_lowercase().as_str()) {
                self.reader.wrong(name.at, format!("`{}` is set by the stub itself", name.value), "leave it out");
            }
            if !value.value.chars().all(|c| (' '..='~').contains(&c)) {
                self.reader.wrong(value.at, "a header value is plain ASCII", "remove line breaks and other characters");
            }
        }
        raw.iter().flat_map(|h| &h.0).map(|(name, value)| (name.value.clone(), value.value.clone())).collect()
    }

    fn keep(&mut self, raw: &raw::Truncate) -> Keep {
        match (raw.keep, raw.bytes) {
            (Some(_), Some(bytes)) => {
                self.reader.wrong(bytes.at, "`bytes` beside `keep`", "keep one of the two");
                Keep::Bytes(bytes.value)
            }
            (Some(keep), None) => {
                if keep.value == Share::ALL {
                    self.reader.wrong(keep.at, "all of the body is not cut", "write less than 100%");
                }
                Keep::Share(keep.value)
            }
            (None, Some(bytes)) => Keep::Bytes(bytes.value),
            (None, None) => Keep::Share(Share(Share::ALL.0 / 2)),
        }
    }

    fn corruption(&mut self, raw: &raw::Corrupt) -> Corruption {
        self.of_links("every", raw.every.map(|e| e.at));
        self.of_links("stream", raw.stream.as_ref().map(|s| s.at));
        let given = [raw.bits.map(|b| b.at), raw.json.as_ref().map(|j| j.at), raw.content_type.as_ref().map(|c| c.at)];
        if let Some(second) = given.into_iter().flatten().nth(1) {
            self.reader.wrong(second, "corrupt in a second way", "write one of `bits`, `json` and `content_type`");
        }
        match (raw.bits, &raw.json, &raw.content_type) {
            (_, Some(_), _) => Corruption::Json,
            (_, _, Some(media)) => {
                if media.value.is_empty() || !media.value.chars().all(|c| (' '..='~').contains(&c)) {
                    self.reader.wrong(media.at, "no media type", "write one, such as text/html");
                }
                Corruption::ContentType(media.value.clone())
            }
            (bits, None, None) => Corruption::Bits(bits.map_or(1, |bits| self.bits(bits))),
        }
    }

    fn bits(&mut self, bits: At<u64>) -> u32 {
        self.number(bits, "bits", 1 << 20).unwrap_or(1)
    }

    fn byte_rate(&mut self, rate: &At<ByteRate>) -> ByteRate {
        if rate.value.0 == 0 {
            self.reader.wrong(rate.at, "nothing would ever pass", "write a rate above 0");
        }
        rate.value
    }

    pub(super) fn toxic(&mut self, raw: &raw::Inject, at: Place) -> Option<Inject> {
        let (toxic, stream) = match raw {
            raw::Inject::Latency(raw::Latency::Law(law)) => (Toxic::Latency { law: self.law(law) }, None),
            raw::Inject::Latency(raw::Latency::Full(full)) => (self.late(full, at)?, full.stream.as_ref()),
            raw::Inject::Timeout(raw) => {
                (Toxic::Timeout { timeout: raw.timeout.map_or(Duration::ZERO, |t| t.value) }, raw.stream.as_ref())
            }
            raw::Inject::ResetPeer(raw) => {
                (Toxic::ResetPeer { timeout: raw.timeout.map_or(Duration::ZERO, |t| t.value) }, raw.stream.as_ref())
            }
            raw::Inject::Bandwidth(raw) => (Toxic::Bandwidth { rate: self.byte_rate(&raw.rate) }, raw.stream.as_ref()),
            raw::Inject::SlowClose(raw) => (Toxic::SlowClose { delay: raw.delay.value }, raw.stream.as_ref()),
            raw::Inject::Slicer(raw) => (self.slicer(raw), raw.stream.as_ref()),
            raw::Inject::LimitData(raw) => (Toxic::LimitData { bytes: raw.bytes.value }, raw.stream.as_ref()),
            raw::Inject::Down(_) => (Toxic::Down, None),
            raw::Inject::Corrupt(raw) => {
                let of_upstreams = [
                    raw.json.as_ref().map(|j| ("json", j.at)),
                    raw.content_type.as_ref().map(|c| ("content_type", c.at)),
                ];
                for (key, at) in of_upstreams.into_iter().flatten() {
                    self.reader.wrong(
                        at,
                        format!("`{key}` belongs to replies of an upstream"),
                        "flip `bits` of a link",
                    );
                }
                if let Some(every) = raw.every.filter(|e| e.value.0 == 0) {
                    self.reader.wrong(every.at, "bits of no bytes", "write a size above 0");
                }
                let bits = raw.bits.map_or(1, |bits| self.bits(bits));
                (Toxic::Corrupt { bits, every: raw.every.map_or(EVERY, |e| e.value) }, raw.stream.as_ref())
            }
            raw::Inject::DropHalf(raw) => (Toxic::DropHalf, raw.stream.as_ref()),
            _ => return None,
        };
        let stream = match stream.map(|s| &s.value) {
            Some(raw::Stream::Upstream) => Stream::Upstream,
            Some(raw::Stream::Downstream) | None => Stream::Downstream,
        };
        Some(Inject::Link(toxic, stream))
    }

    /// A link's latency: by a law, or by a mean and a jitter as toxiproxy has it.
    fn late(&mut self, full: &raw::LatencyMap, at: Place) -> Option<Toxic> {
        if let Some(replace) = full.replace {
            self.reader.wrong(replace.at, "a link has no latency of its own to replace", "leave `replace` out");
        }
        let law = match (&full.law, full.latency) {
            (Some(law), None) => self.law(law),
            (None, Some(latency)) => {
                let jitter = full.jitter.map_or(Duration::ZERO, |j| j.value);
                if let Some(jitter) = full.jitter.filter(|j| j.value > latency.value) {
                    self.reader.wrong(
                        jitter.at,
                        "a jitter larger than the latency: no data comes before it is sent",
                        "lower it",
                    );
                }
                Law::Uniform(latency.value.saturating_sub(jitter), latency.value + jitter)
            }
            (Some(_), Some(latency)) => {
                self.reader.wrong(latency.at, "`latency` beside `law`", "keep one of the two");
                return None;
            }
            (None, None) if self.reader.is_broken_here() => return None,
            (None, None) => {
                self.reader.wrong(
                    at,
                    "how much later?",
                    "write `latency: 80ms` or `latency: { latency: 80ms, jitter: 20ms }`",
                );
                return None;
            }
        };
        if let Some(jitter) = full.jitter.filter(|_| full.law.is_some()) {
            self.reader.wrong(jitter.at, "`jitter` beside `law`, which has its own", "leave it out");
        }
        Some(Toxic::Latency { law })
    }

    fn slicer(&mut self, raw: &raw::Slicer) -> Toxic {
        if raw.average_size.value.0 == 0 {
            self.reader.wrong(raw.average_size.at, "pieces of nothing", "write a size above 0");
        }
        if let Some(variation) = raw.size_variation.filter(|v| v.value >= raw.average_size.value) {
            self.reader.wrong(variation.at, "not below `average_size`", "write less, so that no piece is empty");
        }
        Toxic::Slicer {
            average_size: raw.average_size.value,
            size_variation: raw.size_variation.map_or(Size(0), |v| v.value),
            delay: raw.delay.map_or(Duration::ZERO, |d| d.value),
        }
    }

    fn process(&mut self, raw: &raw::Inject) -> Option<ProcessFault> {
        Some(match raw {
            raw::Inject::Pause(_) => ProcessFault::Pause,
            raw::Inject::Kill(raw) => self.kill(raw),
            raw::Inject::Cpu(raw) => {
                if !(raw.cores.value > 0.0 && raw.cores.value <= 1024.0) {
                    self.reader.wrong(raw.cores.at, "cores are above 0 and at most 1024", "write some, such as 0.5");
                }
                ProcessFault::Cpu { cores: raw.cores.value }
            }
            raw::Inject::Memory(raw) => {
                if raw.limit.value.0 == 0 {
                    self.reader.wrong(raw.limit.at, "no process runs without memory", "write a size above 0");
                }
                ProcessFault::Memory { limit: raw.limit.value }
            }
            raw::Inject::Docker(raw) => ProcessFault::Docker {
                action: match raw.action.value {
                    raw::DockerAction::Pause => DockerAction::Pause,
                    raw::DockerAction::Kill => DockerAction::Kill,
                    raw::DockerAction::Restart => DockerAction::Restart,
                },
            },
            _ => return None,
        })
    }

    fn kill(&mut self, raw: &raw::Kill) -> ProcessFault {
        if let Some(signal) = raw.signal.as_ref().filter(|s| !SIGNALS.contains(&s.value.as_str())) {
            let what = format!("`{}` is no signal that ends a process", signal.value);
            self.reader.wrong(signal.at, what, text::suggest(&signal.value, SIGNALS));
        }
        let restart = raw.restart.as_ref().map(|command| self.within("restart", |c| c.command(command)));
        let signal = raw.signal.as_ref().map_or_else(|| SIGNALS[0].into(), |s| s.value.clone());
        ProcessFault::Kill { signal, restart: restart.filter(|r| !r.is_empty()) }
    }

    /// Refuses a key that only links have.
    fn of_links(&mut self, key: &str, at: Option<Place>) {
        if let Some(at) = at {
            self.reader.wrong(at, format!("`{key}` belongs to faults on links"), "leave it out");
        }
    }
}

fn article(on: &str) -> String {
    match on {
        "kafka" => "a Kafka cluster".into(),
        _ => format!("{} {on}", if on.starts_with('u') { "an" } else { "a" }),
    }
}
