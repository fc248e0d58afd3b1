//! The shape of a scenario file, key by key. What is written here is read, refused and put into the JSON Schema;
//! whether it makes sense is decided in [`check`](super::check).

use std::time::Duration;

use serde_json::{Value, json};

use super::mistake::Place;
use super::shape::{At, Names, Reader, Shape};
use super::yaml::{Kind, Node};
use crate::base::units::{Rate, Share, Size};

record! {
    /// A Proofload scenario: traffic, faults, and the promises they must not break.
    pub struct Root {
        /// Version of the language; 1.
        proofload: At<u64>,
        /// What the run is called in reports; the file's name when left out.
        name: Option<At<String>>,
        /// Chooses the plan and every fault decision; 1 when left out.
        seed: Option<At<u64>>,
        /// What is under test: `sim:quote-service`, an address, or a mapping.
        target: Target,
        /// Stub quoters: the outside world that the service under test calls.
        upstreams: Option<Names<Upstream>>,
        /// TCP proxies between the service under test and what it depends on.
        links: Option<Names<Link>>,
        /// What is sent.
        traffic: At<Names<Traffic>>,
        /// What is watched.
        observe: Option<Observe>,
        /// What breaks, and when.
        faults: Option<Names<Fault>>,
        /// The promises.
        slo: Option<Vec<Promise>>,
        /// What the generator itself must keep for its word to count.
        fitness: Option<Fitness>,
        /// Caps on what the scenario may do.
        limits: Option<Limits>,
    }
    planned { "kafka", "processes", "hooks", "abort_when", "alerts", "reconcile", "contract" }
}

record! {
    /// What is under test.
    pub struct TargetMap {
        /// A practice target that the run starts and stops: `quote-service`.
        sim: Option<At<String>>,
        /// Settings of the practice target; `proofload sim SYSTEM --help` lists them.
        with: Option<Names<String>>,
        /// The address of the one service: http://HOST:PORT, https://HOST:PORT or unix:/path/of/socket; or a list of them.
        url: Option<Addresses>,
        /// Several services by name, each an address or a list of them.
        services: Option<Names<Addresses>>,
        /// What must answer 200 before anything is sent.
        ready: Option<Ready>,
        /// How many connections at the most; by default the peak rate times the timeout, within 64 and 1024.
        connections: Option<At<u64>>,
        /// How long a reply may take from the first byte sent; 2s when left out.
        timeout: Option<At<Duration>>,
        /// What https:// addresses ask for beyond the defaults.
        tls: Option<Tls>,
        /// Which HTTP: 1.1 (default), 2, or auto: what the other side chooses by ALPN.
        http: Option<At<Version>>,
        /// The most requests at once on one HTTP/2 connection; as the other side allows when left out.
        streams: Option<At<u64>>,
        /// When a connection is given up for a new one: per_request, or limits; kept alive when left out.
        reuse: Option<Reuse>,
        /// Where names lead, instead of what the resolver says: HOST:PORT to an IP address.
        resolve: Option<Names<At<String>>>,
        /// Sent with every request.
        headers: Option<Names<Header>>,
        /// Requests sent once before the load, not measured; each must succeed.
        before: Option<Vec<Step>>,
        /// Requests sent once after the drain, not measured.
        after: Option<Vec<Step>>,
    }
}

/// One address, or several over which connections are spread evenly.
#[derive(Debug, Clone, PartialEq)]
pub struct Addresses {
    /// Where the one or the list stands.
    pub place: Place,
    /// Those that could be read.
    pub all: Vec<At<String>>,
}

impl Shape for Addresses {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let all = match node.kind {
            Kind::List(_) => Vec::read(node, reader)?,
            _ => vec![At::read(node, reader)?],
        };
        Some(Addresses { place: node.at, all })
    }
    fn schema() -> Value {
        json!({ "anyOf": [String::schema(), <Vec<String>>::schema()] })
    }
}

record! {
    /// What TLS asks for.
    pub struct Tls {
        /// A PEM file of the certificates that are trusted, instead of those of the system.
        ca: Option<At<String>>,
        /// A PEM file of our own certificate and those that lead to its root.
        cert: Option<At<String>>,
        /// A PEM file of its private key, and of nothing else; read, and never kept.
        key: Option<At<String>>,
        /// true: any certificate is taken, from anybody.
        insecure: Option<At<bool>>,
        /// The name that must stand in the certificate; the address's host when left out.
        name: Option<At<String>>,
    }
}

/// Which HTTP is spoken. Both numbers are also plain YAML numbers, which `choice!` has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    One,
    /// HTTP/2.
    Two,
    /// What the other side chooses.
    Auto,
}

impl Shape for Version {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.parsed(node, "a version of HTTP", |text| match text {
            "1.1" => Ok(Version::One),
            "2" => Ok(Version::Two),
            "auto" => Ok(Version::Auto),
            "3" => Err("HTTP/3 is planned, not built: write 1.1, 2 or auto".into()),
            _ => Err(format!("`{text}` is no version of HTTP: write 1.1, 2 or auto")),
        })
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "const": 1.1 }, { "const": 2 }, { "const": "auto" }, { "const": "1.1" }, { "const": "2" }] })
    }
}

record! {
    /// When a connection is given up for a new one.
    pub struct ReuseLimits {
        /// After this many requests.
        requests: Option<At<u64>>,
        /// When it is older than this.
        age: Option<At<Duration>>,
    }
}

/// When a connection is given up: after each request, or by limits.
#[derive(Debug, Clone, PartialEq)]
pub enum Reuse {
    /// A new connection for each request.
    PerRequest,
    /// By limits.
    Limits(ReuseLimits),
}

impl Shape for Reuse {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => ReuseLimits::read(node, reader).map(Reuse::Limits),
            _ => reader.parsed(node, "a policy for connections", |text| match text {
                "per_request" => Ok(Reuse::PerRequest),
                _ => Err(format!(
                    "`{text}` is no policy for connections: write per_request, or {{ requests: 100, age: 30s }}"
                )),
            }),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "const": "per_request" }, ReuseLimits::schema()] })
    }
}

record! {
    /// When the target is ready.
    pub struct Ready {
        /// The path that must answer 2xx.
        get: At<String>,
        /// How long to wait for it; 60s when left out.
        within: Option<At<Duration>>,
        /// Which service, where there are several.
        to: Option<At<String>>,
    }
}

record! {
    /// A value that comes from the environment and is never stored or shown.
    pub struct Secret {
        /// The name of the environment variable.
        secret: At<String>,
    }
}

/// The value of a header: text, or `{ secret: NAME }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Header {
    /// Sent as it is.
    Text(At<String>),
    /// Read from the environment.
    Secret(Secret),
}

impl Shape for Header {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Secret::read(node, reader).map(Header::Secret),
            _ => At::read(node, reader).map(Header::Text),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [String::schema(), Secret::schema()] })
    }
}

/// The target as one word or as a mapping.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `sim:NAME` or an address.
    Word(At<String>),
    /// Spelled out.
    Map(Box<TargetMap>),
}

impl Shape for Target {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => TargetMap::read(node, reader).map(|map| Target::Map(Box::new(map))),
            _ => At::read(node, reader).map(Target::Word),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [{ "type": "string", "pattern": "^(sim:|https?://|unix:/)" }, TargetMap::schema()] })
    }
}

record! {
    /// A stub quoter.
    pub struct Upstream {
        /// Whose replies it gives: jupiter, dflow, quicknode or blxr.
        like: Option<At<String>>,
        /// Where it listens: HOST:PORT. Needed unless the target is a practice target.
        listen: Option<At<String>>,
        /// How long a reply takes.
        latency: Option<At<Law>>,
        /// The share of requests that succeed; the rest answer 500. 100% when left out.
        success: Option<At<Share>>,
        /// How many requests it allows before it answers 429.
        rate_limit: Option<RateLimit>,
        /// Replies of your own, tried in order before those of `like`.
        replies: Option<Vec<StubReply>>,
        /// How many times a shot calls it, on average; lets `plan` foresee what a fault will touch.
        calls: Option<At<f64>>,
    }
    planned { "forward" }
}

record! {
    /// A token bucket.
    pub struct RateLimit {
        /// How many requests are allowed over time.
        rate: At<Rate>,
        /// How many may come at once.
        burst: At<u64>,
    }
}

record! {
    /// What a stub answers to a path.
    pub struct StubReply {
        /// The path.
        path: At<String>,
        /// 200 when left out.
        status: Option<At<u64>>,
        /// The media type; application/json when left out.
        media: Option<At<String>>,
        /// The body; `{{query.NAME}}`, `{{in_amount}}`, `{{out_amount}}`, `{{now_ms}}` and `{{slot}}` are filled in.
        body: At<String>,
    }
}

record! {
    /// A TCP proxy.
    pub struct Link {
        /// Where it listens: HOST:PORT.
        listen: Option<At<String>>,
        /// What it forwards to: HOST:PORT.
        to: At<String>,
    }
}

record! {
    /// One kind of traffic.
    pub struct Traffic {
        /// Asks for quotes.
        quote: Option<Quote>,
        /// Plain HTTP requests, one after the other.
        flow: Option<Flow>,
        /// Which service, where there are several.
        to: Option<At<String>>,
        /// Names for replies that a promise can be about.
        classes: Option<Names<Class>>,
        /// How shots are spread: poisson (default) or even.
        arrivals: Option<At<Arrivals>>,
        /// The rate over time, segment by segment, from 0/s.
        load: At<Vec<Segment>>,
    }
    planned { "pipeline", "signal" }
}

choice! {
    /// How shots are spread over time.
    pub enum Arrivals {
        /// Independent of each other, as from many users.
        Poisson = "poisson",
        /// At equal distances.
        Even = "even",
    }
    planned { "hawkes", "replay" }
}

record! {
    /// Requests for quotes.
    pub struct Quote {
        /// Which pairs are asked for.
        pairs: Pairs,
        /// How much is asked for, in base units.
        amount: At<Amount>,
        /// The path; /quote when left out.
        path: Option<At<String>>,
        /// Names of the query parameters.
        query: Option<QuoteQuery>,
        /// Where the reply says what; JSONPath.
        reply: Option<QuoteReply>,
        /// A share of requests goes to another path.
        hybrid: Option<Hybrid>,
        /// A quote older than this is invalid.
        max_age: Option<At<Duration>>,
        /// A larger body is invalid; 1MB when left out.
        max_body: Option<At<Size>>,
        /// Sent with every request of this traffic.
        headers: Option<Names<Header>>,
    }
}

record! {
    /// Which pairs, and how often each.
    pub struct Pairs {
        /// A CSV file with the columns `input` and `output`, and `weight` for weighted popularity.
        file: At<String>,
        /// How often each is asked for; uniform when left out.
        popularity: Option<At<Popularity>>,
    }
}

choice! {
    /// How often each pair is asked for.
    pub enum Popularity {
        /// Each as often as any other.
        Uniform = "uniform",
        /// By the column `weight`.
        Weighted = "weighted",
        /// The n-th pair of the file in proportion to 1 / n^s; the value is s.
        Zipf(At<f64>) = "zipf",
    }
}

choice! {
    /// How much is asked for, in base units.
    pub enum Amount {
        /// Always the same.
        Fixed(At<u64>) = "fixed",
        /// Anything from the first to the second, equally likely.
        Uniform(Vec<At<u64>>) = "uniform",
        /// As uniform, on a logarithmic scale.
        LogUniform(Vec<At<u64>>) = "log_uniform",
    }
}

record! {
    /// Names of the query parameters.
    pub struct QuoteQuery {
        /// The input mint; `input` when left out.
        input: Option<At<String>>,
        /// The output mint; `output` when left out.
        output: Option<At<String>>,
        /// The amount; `amount` when left out.
        amount: Option<At<String>>,
    }
}

record! {
    /// Where a quote's reply says what; JSONPath.
    pub struct QuoteReply {
        /// The amount that comes out; $.outAmount when left out.
        amount: Option<At<String>>,
        /// The input mint; $.inputMint, where present, when left out.
        input: Option<At<String>>,
        /// The output mint; $.outputMint, where present, when left out.
        output: Option<At<String>>,
        /// When the quote was made, in Unix milliseconds; $.timestampMs, where present, when left out.
        timestamp_ms: Option<At<String>>,
    }
}

record! {
    /// A share of requests that goes to another path.
    pub struct Hybrid {
        /// How many of them.
        share: At<Share>,
        /// Where to.
        path: At<String>,
    }
}

record! {
    /// Plain HTTP requests, one after the other; the shot is the whole.
    pub struct Flow {
        /// At least one.
        steps: At<Vec<Step>>,
    }
}

record! {
    /// One request. Exactly one of get, post, put and delete.
    pub struct Step {
        /// The path to get.
        get: Option<At<String>>,
        /// The path to post to.
        post: Option<At<String>>,
        /// The path to put to.
        put: Option<At<String>>,
        /// The path to delete.
        delete: Option<At<String>>,
        /// A JSON body.
        json: Option<Json>,
        /// A body of any kind.
        body: Option<At<String>>,
        /// Sent with this request.
        headers: Option<Names<Header>>,
        /// What the reply must be; any 2xx when left out.
        expect: Option<Expect>,
        /// Which service, where there are several; as the traffic says when left out.
        to: Option<At<String>>,
    }
    planned { "capture", "think", "sign" }
}

record! {
    /// What a reply must be.
    pub struct Expect {
        /// The status.
        status: Option<At<u64>>,
        /// A place in the JSON body that must exist; JSONPath.
        json: Option<At<String>>,
        /// What must stand there, as text.
        is: Option<At<String>>,
    }
}

/// Any JSON value, written as YAML.
#[derive(Debug, Clone, PartialEq)]
pub struct Json(pub Value);

impl Shape for Json {
    fn read(node: &Node, _: &mut Reader) -> Option<Self> {
        Some(Json(json_value(node)))
    }
    fn schema() -> Value {
        json!(true)
    }
}

/// Plain scalars that read as JSON numbers, booleans or null are those; everything else is text.
fn json_value(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar { .. } if node.is_null() => Value::Null,
        Kind::Scalar { text, plain: true } => match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Number(_) | Value::Bool(_))) => value,
            _ => text.clone().into(),
        },
        Kind::Scalar { text, .. } => text.clone().into(),
        Kind::List(items) => items.iter().map(json_value).collect(),
        Kind::Map(entries) => entries.iter().map(|(k, v)| (k.text.clone(), json_value(v))).collect(),
    }
}

record! {
    /// Which replies belong to a class: a place in the JSON body or a header, and what must stand there.
    pub struct Class {
        /// JSONPath.
        json: Option<At<String>>,
        /// The name of a header.
        header: Option<At<String>>,
        /// What must stand there, as text.
        is: At<String>,
    }
}

choice! {
    /// A stretch of load.
    pub enum Segment {
        /// Sent and recorded, not judged; only at the beginning.
        WarmUp(Hold) = "warm_up",
        /// At one rate.
        Hold(Hold) = "hold",
        /// From the rate so far to another, in a straight line.
        Ramp(Ramp) = "ramp",
        /// Up (or down) in levels.
        Step(StepUp) = "step",
        /// At another rate for a while; afterwards the rate is what it was before.
        Spike(Spike) = "spike",
        /// As fast as the target answers: a closed loop. The segment after it says at which rate.
        Saturate(Saturate) = "saturate",
    }
}

record! {
    /// At one rate.
    pub struct Hold {
        /// The rate; what it was at the end of the last segment when left out.
        at: Option<At<Rate>>,
        /// How long.
        r#for: At<Duration>,
    }
}

record! {
    /// From the rate so far to another, in a straight line.
    pub struct Ramp {
        /// The rate at its end.
        to: At<Rate>,
        /// How long it takes.
        over: At<Duration>,
    }
}

record! {
    /// Up in levels, the first at the rate so far plus `by`.
    pub struct StepUp {
        /// How much each level adds.
        by: At<Rate>,
        /// How long each level holds.
        every: At<Duration>,
        /// How many levels.
        times: At<u64>,
    }
}

record! {
    /// At another rate for a while.
    pub struct Spike {
        /// The rate.
        to: At<Rate>,
        /// How long.
        r#for: At<Duration>,
    }
}

record! {
    /// As fast as the target answers, each connection sending as soon as it has its reply.
    pub struct Saturate {
        /// How many connections.
        connections: At<u64>,
        /// How long.
        r#for: At<Duration>,
    }
}

record! {
    /// What is watched.
    pub struct Observe {
        /// Pages of metrics, by job name.
        jobs: Option<Names<Job>>,
    }
    planned { "prometheus" }
}

record! {
    /// A page of metrics.
    pub struct Job {
        /// A path on the target, or an address.
        metrics: At<String>,
        /// How often; 1s when left out, not below 200ms.
        every: Option<At<Duration>>,
        /// How long a scrape may take; `every` when left out.
        timeout: Option<At<Duration>>,
        /// Which service, where there are several.
        to: Option<At<String>>,
        /// Labels that every series of the job gets.
        labels: Option<Names<At<String>>>,
    }
}

record! {
    /// Something that breaks.
    pub struct Fault {
        /// What it acts on: upstream/NAME.
        on: At<String>,
        /// What it does.
        inject: At<Inject>,
        /// The share of requests that it strikes; 100% when left out.
        share: Option<At<Share>>,
        /// When it begins, from the start of the load.
        at: At<Duration>,
        /// How long it lasts.
        r#for: At<Duration>,
        /// It is undone after this long, whatever happens; `for` and 10s when left out.
        ttl: Option<At<Duration>>,
    }
    planned { "match", "when", "ramp", "repeat" }
}

choice! {
    /// What a fault does.
    pub enum Inject {
        /// Accepts the request and never answers.
        Timeout(Nothing) = "timeout",
        /// Answers 429 beyond a tighter limit.
        RateLimit(RateLimit) = "rate_limit",
    }
    planned {
        "latency", "status", "reset", "truncate", "corrupt", "stale", "slow_body", "refuse", "bandwidth", "slow_close",
        "reset_peer", "slicer", "limit_data", "down", "drop_half", "pause", "kill", "cpu", "memory", "docker", "http", "exec",
    }
}

record! {
    /// No settings: `{}`.
    pub struct Nothing {
    }
}

/// A latency law; a bare length of time is a fixed one.
#[derive(Debug, Clone, PartialEq)]
pub enum Law {
    /// Always the same.
    Fixed(Duration),
    /// Spelled out.
    Kind(LawKind),
}

impl Shape for Law {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => LawKind::read(node, reader).map(Law::Kind),
            _ => Duration::read(node, reader).map(Law::Fixed),
        }
    }
    fn schema() -> Value {
        json!({ "anyOf": [Duration::schema(), LawKind::schema()] })
    }
}

choice! {
    /// A latency law.
    pub enum LawKind {
        /// Always the same.
        Fixed(At<Duration>) = "fixed",
        /// Anything from the first to the second, equally likely.
        Uniform(Vec<At<Duration>>) = "uniform",
        /// The bell curve, cut off at zero.
        Normal(NormalLaw) = "normal",
        /// The logarithm is normal.
        Lognormal(LognormalLaw) = "lognormal",
        /// A heavy tail.
        Pareto(ParetoLaw) = "pareto",
        /// Through the stated quantiles: { p50: 120ms, p95: 280ms }.
        Quantiles(Names<At<Duration>>) = "quantiles",
    }
}

record! {
    /// The bell curve, cut off at zero.
    pub struct NormalLaw {
        /// The mean.
        mean: At<Duration>,
        /// The standard deviation.
        sd: At<Duration>,
    }
}

record! {
    /// The logarithm is normal.
    pub struct LognormalLaw {
        /// The median.
        median: At<Duration>,
        /// The standard deviation of the logarithm; no unit.
        sigma: At<f64>,
    }
}

record! {
    /// A heavy tail.
    pub struct ParetoLaw {
        /// Nothing is shorter.
        min: At<Duration>,
        /// The smaller, the heavier; above 0, no unit.
        alpha: At<f64>,
    }
}

record! {
    /// A promise: what was said, and where it must hold.
    pub struct Promise {
        /// `p95(quotes) < 500ms`; with `promql`, `value > 75%`.
        expect: At<String>,
        /// A PromQL expression over the target's own metrics; `$window` is the length of the window.
        promql: Option<At<String>>,
        /// In the measured phase before this fault first touched anything.
        before: Option<At<String>>,
        /// While this fault was effective.
        during: Option<At<String>>,
        /// From this fault's end to the recovery instant.
        recovery: Option<At<String>>,
        /// From the recovery instant after this fault; for recovery, detection and drain it only names the fault.
        after: Option<At<String>>,
        /// `faults`: everywhere but during and in recovery from faults.
        outside: Option<At<String>>,
        /// Every slice of this length must hold.
        each: Option<At<Duration>>,
        /// Must hold before the first fault; recovery means that it holds again.
        steady: Option<At<bool>>,
        /// For recovery: how long it must have held again; 5s when left out.
        stable: Option<At<Duration>>,
        /// critical (default), warning or info.
        severity: Option<At<Severity>>,
        /// 95%: the whole confidence interval decides, not the point.
        confidence: Option<At<Share>>,
        /// `allowed`: the PromQL range may reach outside the window.
        look_back: Option<At<String>>,
    }
    planned { "fires_within", "resolves_within", "stays_silent" }
}

choice! {
    /// What a broken promise means.
    pub enum Severity {
        /// Changes the verdict.
        Critical = "critical",
        /// Shown.
        Warning = "warning",
        /// Shown.
        Info = "info",
    }
}

record! {
    /// What the generator itself must keep for its word to count.
    pub struct Fitness {
        /// Later than this, a shot was late by our fault; by default 1ms or a tenth of the tightest latency promise.
        lag: Option<At<Duration>>,
        /// The most of a core that a sender may use; 90% when left out.
        cpu: Option<At<Share>>,
        /// How closely due times are kept, and at what price: eco, balanced (default) or exact.
        precision: Option<At<Precision>>,
        /// How many threads send, 1 to 64; decided by the plan when left out.
        workers: Option<At<u64>>,
    }
}

choice! {
    /// How closely due times are kept, and at what price.
    pub enum Precision {
        /// Timers only: the least CPU, the most lag.
        Eco = "eco",
        /// Timers with a short spin before a due time.
        Balanced = "balanced",
        /// Spins: the least lag, a whole core for each sender.
        Exact = "exact",
    }
}

record! {
    /// Caps on what the scenario may do.
    pub struct Limits {
        /// How many faults at once; 4 when left out.
        faults: Option<At<u64>>,
        /// The largest share a fault may have; 100% when left out.
        share: Option<At<Share>>,
        /// The longest a fault may last, whatever happens; 10m when left out.
        ttl: Option<At<Duration>>,
    }
}
