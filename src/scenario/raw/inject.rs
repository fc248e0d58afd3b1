//! What faults do, kind by kind. A kind that upstreams and links both have is one kind here; the check knows which of its
//! keys belong to which.

use std::time::Duration;

use serde_json::{Value, json};

use super::outside::{Law, LawKind};
use crate::base::units::{ByteRate, Rate, Share, Size};
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

choice! {
    /// What a fault does.
    pub enum Inject {
        /// Upstreams, links: replies or data come later.
        Latency(Latency) = "latency",
        /// Upstreams: accepts the request and never answers. Links: lets no data through, then closes.
        Timeout(Timeout) = "timeout",
        /// Upstreams: answers with this status.
        Status(Status) = "status",
        /// Upstreams: answers 429 beyond a tighter limit.
        RateLimit(Throttle) = "rate_limit",
        /// Upstreams: breaks the connection off (RST).
        Reset(Reset) = "reset",
        /// Upstreams: promises the whole body, sends a part of it and closes.
        Truncate(Truncate) = "truncate",
        /// Upstreams: spoils the reply. Links: flips bits of what passes.
        Corrupt(Corrupt) = "corrupt",
        /// Upstreams: answers with old prices and old timestamps.
        Stale(Stale) = "stale",
        /// Upstreams: the body comes slowly.
        SlowBody(SlowBody) = "slow_body",
        /// Upstreams: takes no connection and ends those that are open.
        Refuse(Nothing) = "refuse",
        /// Links: no more than so many bytes a second.
        Bandwidth(Bandwidth) = "bandwidth",
        /// Links: the close comes later.
        SlowClose(SlowClose) = "slow_close",
        /// Links: breaks the connection off (RST).
        ResetPeer(Timeout) = "reset_peer",
        /// Links: data comes in small pieces.
        Slicer(Slicer) = "slicer",
        /// Links: closes after so many bytes.
        LimitData(LimitData) = "limit_data",
        /// Links: takes no connection and ends those that are open.
        Down(Nothing) = "down",
        /// Links: data of one direction vanishes, the other goes on.
        DropHalf(Half) = "drop_half",
        /// Processes: stopped (SIGSTOP), and let go on in the end.
        Pause(Nothing) = "pause",
        /// Processes: sent a signal, and started again in the end.
        Kill(Kill) = "kill",
        /// Processes: no more than so much processor time.
        Cpu(Cpu) = "cpu",
        /// Processes: no more than so much memory.
        Memory(Memory) = "memory",
        /// Containers: paused, killed or restarted.
        Docker(Docker) = "docker",
        /// Kafka clusters: a broker takes no connection, and those that are open end.
        BrokerDown(BrokerDown) = "broker_down",
        /// Embedded Kafka clusters: requests are answered with an error.
        RequestErrors(RequestErrors) = "request_errors",
        /// Embedded Kafka clusters: replies come later.
        RoundTrip(RoundTrip) = "round_trip",
        /// Embedded Kafka clusters: a topic has no leaders.
        TopicUnavailable(TopicUnavailable) = "topic_unavailable",
        /// Hooks: what `hooks` says.
        Hook(Nothing) = "hook",
    }
}

record! {
    /// No settings: `{}`.
    pub struct Nothing {
    }
}

/// How much later: a law alone, or with what else there is to say.
#[derive(Debug, Clone, PartialEq)]
pub enum Latency {
    /// Added.
    Law(At<Law>),
    /// Spelled out.
    Full(LatencyMap),
}

impl Shape for Latency {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const LAWS: [&str; 6] = ["fixed", "uniform", "normal", "lognormal", "pareto", "quantiles"];
        match &node.kind {
            Kind::Map(entries) if !entries.iter().any(|(key, _)| LAWS.contains(&key.text.as_str())) => {
                LatencyMap::read(node, reader).map(Latency::Full)
            }
            _ => At::read(node, reader).map(Latency::Law),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [Duration::schema(), LawKind::schema(), LatencyMap::schema()] })
    }
}

record! {
    /// How much later. One of `law` and `latency`.
    pub struct LatencyMap {
        /// A latency law.
        law: Option<At<Law>>,
        /// Links, as toxiproxy has it: the mean.
        latency: Option<At<Duration>>,
        /// Links, beside `latency`: as much more or less, equally likely.
        jitter: Option<At<Duration>>,
        /// Upstreams: true takes the place of the upstream's own latency instead of adding to it.
        replace: Option<At<bool>>,
        /// Links: which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

choice! {
    /// A direction of a link.
    pub enum Stream {
        /// From the client to the server.
        Upstream = "upstream",
        /// From the server to the client.
        Downstream = "downstream",
    }
}

record! {
    /// An end of connections.
    pub struct Timeout {
        /// Links: after this long. Left out or 0, `timeout` holds until the fault ends and `reset_peer` acts at once.
        timeout: Option<At<Duration>>,
        /// Links: which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

record! {
    /// A reply of its own.
    pub struct Status {
        /// The status, 100 to 599.
        code: At<u64>,
        /// The body; a short JSON error when left out.
        body: Option<At<String>>,
        /// Sent with it; Content-Type is application/json when left out.
        headers: Option<Names<At<String>>>,
    }
}

record! {
    /// A token bucket, or one for each client.
    pub struct Throttle {
        /// How many requests are allowed over time.
        rate: At<Rate>,
        /// How many may come at once.
        burst: At<u64>,
        /// Whose requests share a bucket; those of all when left out.
        per: Option<At<Per>>,
        /// How Retry-After is written: seconds (default), http_date or none.
        retry_after: Option<At<RetryAfter>>,
    }
}

choice! {
    /// Whose requests share a bucket.
    pub enum Per {
        /// All.
        One = "one",
        /// Those from one address.
        Client = "client",
        /// Those with the same value of this header.
        Header(At<String>) = "header",
        /// Those with the same value of this query parameter.
        Query(At<String>) = "query",
    }
}

choice! {
    /// How Retry-After is written.
    pub enum RetryAfter {
        /// As a number of seconds.
        Seconds = "seconds",
        /// As a date.
        HttpDate = "http_date",
        /// Not at all.
        None = "none",
    }
}

record! {
    /// A connection that is broken off.
    pub struct Reset {
        /// When: before (default), after_headers or mid_body.
        at: Option<At<ResetAt>>,
    }
}

choice! {
    /// When a connection is broken off.
    pub enum ResetAt {
        /// Before any of the reply.
        Before = "before",
        /// After its head.
        AfterHeaders = "after_headers",
        /// After half of its body.
        MidBody = "mid_body",
    }
}

record! {
    /// How much of the body comes. One of the two; half when both are left out.
    pub struct Truncate {
        /// This share of it.
        keep: Option<At<Share>>,
        /// So many bytes.
        bytes: Option<At<Size>>,
    }
}

record! {
    /// What is spoilt. Upstreams: one of `bits`, `json` and `content_type`; 1 bit when all are left out.
    pub struct Corrupt {
        /// How many bits are flipped: of a body, or of every `every` of a link.
        bits: Option<At<u64>>,
        /// Upstreams: `broken` cuts the document and closes none of its brackets, with a length that fits.
        json: Option<At<Broken>>,
        /// Upstreams: what the reply says it is.
        content_type: Option<At<String>>,
        /// Links: of how many bytes; 64KiB when left out.
        every: Option<At<Size>>,
        /// Links: which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

choice! {
    /// What becomes of a JSON document.
    pub enum Broken {
        /// It is none any more.
        Broken = "broken",
    }
}

record! {
    /// A reply from the past.
    pub struct Stale {
        /// How old it is.
        by: At<Duration>,
        /// What is old: prices, timestamps, or both when left out.
        only: Option<At<Aged>>,
    }
}

choice! {
    /// What is old in a reply.
    pub enum Aged {
        /// What it asks for; the timestamps are of now.
        Prices = "prices",
        /// When it says it was made; the prices are of now.
        Timestamps = "timestamps",
    }
}

record! {
    /// A body that comes slowly.
    pub struct SlowBody {
        /// How fast.
        rate: At<ByteRate>,
    }
}

record! {
    /// A bound on bytes over time.
    pub struct Bandwidth {
        /// How fast.
        rate: At<ByteRate>,
        /// Which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

record! {
    /// A close that comes later.
    pub struct SlowClose {
        /// How much later.
        delay: At<Duration>,
        /// Which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

record! {
    /// Data in small pieces.
    pub struct Slicer {
        /// Their size on average.
        average_size: At<Size>,
        /// As much larger or smaller, equally likely; none when left out. Less than `average_size`.
        size_variation: Option<At<Size>>,
        /// From one piece to the next; none when left out.
        delay: Option<At<Duration>>,
        /// Which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

record! {
    /// An end after so many bytes.
    pub struct LimitData {
        /// How many, of each connection.
        bytes: At<Size>,
        /// Which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

record! {
    /// One direction.
    pub struct Half {
        /// Which direction; downstream when left out.
        stream: Option<At<Stream>>,
    }
}

record! {
    /// A signal that ends.
    pub struct Kill {
        /// Which: KILL (default), TERM, INT, QUIT, ABRT or HUP.
        signal: Option<At<String>>,
        /// The command that starts it again; that of `processes` when left out.
        restart: Option<Vec<At<String>>>,
    }
}

record! {
    /// A bound on processor time.
    pub struct Cpu {
        /// How many cores' worth, above 0: 0.5 is half a core.
        cores: At<f64>,
    }
}

record! {
    /// A bound on memory.
    pub struct Memory {
        /// How much; what is above is reclaimed, which is slow.
        limit: At<Size>,
    }
}

record! {
    /// What is done to a container.
    pub struct Docker {
        /// pause (let go on in the end), kill (started in the end) or restart.
        action: At<DockerAction>,
    }
}

choice! {
    /// What is done to a container.
    pub enum DockerAction {
        /// All its processes are frozen.
        Pause = "pause",
        /// Killed.
        Kill = "kill",
        /// Stopped and started at once.
        Restart = "restart",
    }
}

record! {
    /// A broker that is gone.
    pub struct BrokerDown {
        /// Which; all when left out.
        broker: Option<At<u64>>,
        /// Embedded clusters: true lets the other brokers lead its partitions, and gives them back in the end; false when left out.
        move_leaders: Option<At<bool>>,
    }
}

record! {
    /// An error instead of an answer.
    pub struct RequestErrors {
        /// Of which requests: produce, fetch, list_offsets, find_coordinator, join_group, sync_group, heartbeat, …
        api: At<String>,
        /// Which error, by librdkafka's name: NOT_LEADER_FOR_PARTITION, REQUEST_TIMED_OUT, …; _TRANSPORT breaks the connection off.
        error: At<String>,
        /// How many requests; all while it lasts when left out.
        count: Option<At<u64>>,
    }
}

record! {
    /// Replies that come later.
    pub struct RoundTrip {
        /// By how much.
        add: At<Duration>,
        /// Of which broker; of all when left out.
        broker: Option<At<u64>>,
    }
}

record! {
    /// A topic without leaders.
    pub struct TopicUnavailable {
        /// Which.
        topic: At<String>,
    }
}
