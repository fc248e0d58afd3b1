//! The practice target without queues, processors or sockets: a run of it as arithmetic on the plan.
//!
//! Latencies, cache lives, quoters' rates and patience are those of `sim:quote-service`, restated here from the design
//! note so that a change of the target shows up as a difference. What the shipped scenarios do not use (deadlines,
//! quorums, refresh, failing pools, queues) is not modelled.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use proofload::base::law::Law;
use proofload::base::seed::{Seed, Stream};
use proofload::base::time::{Offset, Span};
use proofload::base::timing::Timing;
use proofload::base::trace::{Shot, TraceId, Tracer};
use proofload::evidence::event::{Event, FaultStep, Tick, TickRow};
use proofload::evidence::latency::{Interval, LatencyLog, Tag, grid};
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::second_of;
use proofload::evidence::reply::{Maybe, Opening, Outcome, Reply, Stage};
use proofload::evidence::tally::cell;
use proofload::evidence::touches::{Decision, Effect, ShotTouch};
use proofload::plan::{Plan, QuoteRequest};
use proofload::scenario::{Corruption, Fault, HttpFault, Inject, Kind, On, RateLimit, Scenario, System, Traffic};
use proofload::sim::quote_service::Options;

use super::series;

/// What a run would have come to.
pub struct Played {
    /// Every shot.
    pub replies: Vec<Reply>,
    /// Each fault, in the order of the scenario.
    pub struck: Vec<Struck>,
    /// What was decided about each call that met a fault, by time.
    pub decisions: Vec<Decision>,
    /// Every request to a quoter.
    pub calls: Vec<series::Call>,
}

/// What a fault did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Struck {
    /// When it first did something.
    pub first: Option<Offset>,
    /// What came its way.
    pub eligible: u64,
    /// What it did something to.
    pub injected: u64,
}

/// A law as a table, for speed.
struct Table(Vec<f64>);

impl Table {
    const STEPS: usize = 1 << 14;

    fn new(law: &Law) -> Table {
        let at = |i: usize| law.at((i as f64 + 0.5) / Table::STEPS as f64).as_secs_f64();
        Table((0..Table::STEPS).map(at).collect())
    }

    fn draw(&self, stream: &mut Stream) -> f64 {
        self.0[(stream.unit() * Table::STEPS as f64) as usize]
    }
}

/// The service and its quoters, before a run. Times are seconds.
pub struct Model<'a> {
    scenario: &'a Scenario,
    options: Options,
    hit: Table,
    congestion: Table,
    latency: Vec<Table>,
    slower: Vec<Table>, // by fault: what it adds, if it adds something
    max_age: f64,
}

/// A new price.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Price {
    /// As good as its maker can tell, and so many seconds old.
    Aged(f64),
    /// Of a quoter that could not be read, and was believed.
    Nothing,
}

/// What changes in a run.
struct State {
    stream: Stream,
    cache: HashMap<(u32, u8), (f64, f64, Price)>, // when filled, when it expires
    free: Vec<f64>,                               // by quoter: when its limiter lets the next call leave
    closed: Vec<f64>,                             // by quoter: until then it wants to be left alone
    own: Vec<Option<Bucket>>,
    faults: Vec<(Option<Bucket>, Struck)>,
    trace: TraceId, // of the shot that is answered
    decisions: Vec<Decision>,
    calls: Vec<series::Call>,
}

/// How one request to a quoter ends.
enum Call {
    Offer(Price),
    Failed,
    /// And when it may be asked again, in seconds from then.
    Limited(f64),
}

struct Bucket {
    rate: f64,
    burst: f64,
    level: f64,
    at: f64,
}

impl Bucket {
    fn full(limit: &RateLimit, at: f64) -> Bucket {
        let burst = f64::from(limit.burst);
        Bucket { rate: limit.rate.hertz(), burst, level: burst, at }
    }

    fn take(&mut self, at: f64) -> bool {
        self.level = self.burst.min(self.level + self.rate * (at - self.at).max(0.0));
        self.at = self.at.max(at);
        let granted = self.level >= 1.0;
        self.level -= if granted { 1.0 } else { 0.0 };
        granted
    }

    /// What `Retry-After` says: whole seconds until there is a token again.
    fn retry_after(&self) -> f64 {
        if self.rate > 0.0 { ((1.0 - self.level) / self.rate).ceil() } else { 3600.0 }
    }
}

impl<'a> Model<'a> {
    /// The practice target that a scenario describes.
    pub fn new(scenario: &'a Scenario) -> Model<'a> {
        let mut options = Options::default();
        if let System::Sim { with, .. } = &scenario.target.system {
            for (key, value) in with {
                options.set(key, value).expect("a setting of the practice target");
            }
        }
        let ms = |n: f64| Duration::from_secs_f64(n / 1e3);
        let quantiles = |[p50, p95, p99]: [f64; 3]| {
            Law::Quantiles(vec![(0.5, p50), (0.95, p95), (0.99, p99)].into_iter().map(|(q, n)| (q, ms(n))).collect())
        };
        let Kind::Quote(quote) = &scenario.traffic[0].kind else { unreachable!("shipped scenarios ask for quotes") };
        Model {
            scenario,
            hit: Table::new(&quantiles([8.0, 15.0, 25.0])),
            congestion: Table::new(&quantiles([1000.0, 2460.0, 4770.0])),
            latency: scenario.upstreams.iter().map(|u| Table::new(&u.latency)).collect(),
            slower: scenario.faults.iter().map(|fault| Table::new(added(fault))).collect(),
            max_age: quote.max_age.map_or(f64::INFINITY, |age| age.as_secs_f64()),
            options,
        }
    }

    /// A run of a plan; `seed` draws everything that the plan does not.
    pub fn play(&self, plan: &Plan, seed: u64) -> Played {
        let scenario = self.scenario;
        let fault = |f: &Fault| match &f.inject {
            Inject::Http(HttpFault::RateLimit { limit, .. }) => {
                (Some(Bucket::full(limit, f.at.as_secs_f64())), Struck::default())
            }
            _ => (None, Struck::default()),
        };
        let mut state = State {
            stream: Seed(seed).stream("model"),
            cache: HashMap::new(),
            free: vec![f64::NEG_INFINITY; scenario.upstreams.len()],
            closed: vec![f64::NEG_INFINITY; scenario.upstreams.len()],
            own: scenario.upstreams.iter().map(|u| u.rate_limit.as_ref().map(|l| Bucket::full(l, 0.0))).collect(),
            faults: scenario.faults.iter().map(fault).collect(),
            trace: TraceId::NONE,
            decisions: Vec::new(),
            calls: Vec::new(),
        };
        let tracer = Tracer::new(scenario.seed, "synthetic");
        let replies = plan.traffic[0].shots().map(|shot| {
            let ask = shot.quote.expect("a quote");
            state.trace = tracer.id(Shot { traffic: 0, seq: shot.seq });
            let (took, outcome, class) = self.answer(&mut state, ask, shot.due.secs());
            let done = shot.due + Duration::from_secs_f64(took);
            let status = (!matches!(outcome, Outcome::TimedOut(_))).then_some(200);
            Reply {
                traffic: 0,
                seq: shot.seq,
                class: class
                    .and_then(|name| scenario.traffic[0].classes.iter().position(|c| c.name == name))
                    .map(|c| c as u16),
                outcome,
                status,
                due: shot.due,
                ready: shot.due,
                sent: Some(shot.due).into(),
                first_byte: status.map(|_| done).into(),
                done,
                opening: Opening::default(),
                not_before: Maybe::NONE,
                why: None,
            }
        });
        let replies = replies.collect();
        state.decisions.sort_by_key(|d| d.at);
        let struck = state.faults.into_iter().map(|(_, struck)| struck).collect();
        Played { replies, struck, decisions: state.decisions, calls: state.calls }
    }

    /// How long a request takes, what becomes of it, and its class.
    fn answer(&self, state: &mut State, ask: QuoteRequest, due: f64) -> (f64, Outcome, Option<&'static str>) {
        let serve = self.hit.draw(&mut state.stream) * self.options.delays;
        let band = ((ask.amount as f64).log10() * f64::from(self.options.bands)) as u8;
        let oldest = if ask.hybrid { self.options.fresh.as_secs_f64() } else { f64::INFINITY };
        let found = state.cache.get(&(ask.pair, band)).copied();
        let alive = found.filter(|(filled, expires, _)| *filled <= due && due < *expires && due - filled <= oldest);
        let (took, outcome, class) = match alive {
            Some((filled, _, price)) => (serve, self.worth(price, due + serve - filled), Some("hit")),
            None => match self.make(state, ask.hybrid, due) {
                (length, Some(price)) => {
                    let life = self.options.ttl.as_secs_f64()
                        * (1.0 - self.options.ttl_spread.fraction() * state.stream.unit());
                    state.cache.insert((ask.pair, band), (due + length, due + length + life, price));
                    (serve + length, self.worth(price, serve), Some("miss"))
                }
                (length, None) => (length, Outcome::Rejected, None),
            },
        };
        let timeout = self.scenario.target.timeout.as_secs_f64();
        if took > timeout { (timeout, Outcome::TimedOut(Stage::Head), None) } else { (took, outcome, class) }
    }

    /// What a client makes of a price so long after it was made here.
    fn worth(&self, price: Price, since: f64) -> Outcome {
        match price {
            Price::Aged(age) if age + since <= self.max_age => Outcome::Ok,
            _ => Outcome::Invalid,
        }
    }

    /// How long a new price takes, and the price, if there is one.
    fn make(&self, state: &mut State, hybrid: bool, at: f64) -> (f64, Option<Price>) {
        let mut external = 0.0_f64;
        let mut failed: Option<f64> = None; // the first to fail
        let mut offer = None;
        for quoter in 0..self.latency.len() {
            let Some((length, price)) = self.call(state, quoter, at) else { continue };
            external = external.max(length);
            match price {
                None => failed = Some(failed.map_or(length, |first| first.min(length))),
                // Any offer is more than one of nothing.
                Some(Price::Nothing) => offer = offer.or(price),
                Some(Price::Aged(_)) => offer = price,
            }
        }
        if let Some(first) = failed.filter(|_| self.options.fail_fast) {
            return (first, None);
        }
        if !self.options.fallback {
            assert!(self.options.stale_if_error.is_none(), "prices past their life");
            return (external, offer);
        }
        // The note's trace: pools one after the other, choosing the best, and computing the output.
        let local = (0.113 * self.congestion.draw(&mut state.stream) + 0.021) * self.options.delays;
        match (hybrid, offer) {
            (false, _) => {
                assert!(!matches!(offer, Some(Price::Aged(age)) if age > 0.0), "whether an old offer beats a pool's");
                (external.max(local), Some(Price::Aged(0.0)))
            }
            (true, Some(_)) => (external, offer),
            (true, None) => (external + local, Some(Price::Aged(0.0))),
        }
    }

    /// One quoter's part: nothing when its limiter keeps the call back for too long.
    fn call(&self, state: &mut State, quoter: usize, at: f64) -> Option<(f64, Option<Price>)> {
        let upstream = &self.scenario.upstreams[quoter];
        let (noted, patience) = match upstream.name.as_str() {
            "dflow" => (10.0, 0.120),
            "quicknode" => (15.0, 0.080),
            "blxr" => (10.0, 0.110),
            _ => (20.0, 0.050),
        };
        if at < state.closed[quoter] {
            return None;
        }
        let set = self.options.rates.iter().find(|(name, _)| *name == upstream.name);
        let rate = set.map_or(noted, |(_, rate)| rate.hertz());
        let wait = (state.free[quoter] - at).max(0.0);
        if wait > patience {
            return None;
        }
        state.free[quoter] = at + wait + if rate > 0.0 { 1.0 / rate } else { 0.0 };
        let mut now = at + wait;
        // Of retries only the naive ones are modelled.
        assert!(self.options.retries == 0 || self.options.backoff.is_none(), "polite retries");
        for nth in 0..=self.options.retries {
            let (took, end) = self.attempt(state, quoter, now, nth);
            let offer = matches!(end, Call::Offer(_));
            state.calls.push(series::Call { quoter, sent: now, done: now + took, offer });
            now += took;
            match end {
                Call::Offer(price) => return Some((now - at, Some(price))),
                Call::Limited(retry_after) if self.options.retry_after => {
                    state.closed[quoter] = state.closed[quoter].max(now + retry_after);
                    break;
                }
                Call::Limited(_) | Call::Failed => {}
            }
        }
        Some((now - at, None))
    }

    /// One request to a stub, the so-manieth for its shot.
    fn attempt(&self, state: &mut State, quoter: usize, now: f64, nth: u32) -> (f64, Call) {
        const REFUSED: f64 = 0.001;
        let upstream = &self.scenario.upstreams[quoter];
        let patience = self.options.timeout.map_or(f64::INFINITY, |t| t.as_secs_f64());
        let (mut limited, mut more, mut age, mut garbled) = (false, 0.0, 0.0, false);
        for (i, (fault, (bucket, struck))) in self.scenario.faults.iter().zip(&mut state.faults).enumerate() {
            let (start, end) = (fault.at.as_secs_f64(), (fault.at + fault.length).as_secs_f64());
            if fault.on != On::Upstream(quoter) || now < start || now >= end {
                continue;
            }
            struck.eligible += 1;
            limited |= bucket.is_some();
            let granted = bucket.as_mut().is_some_and(|b| b.take(now));
            let share = fault.share_at(Duration::from_secs_f64(now - start)).fraction();
            let effect = match granted {
                true => Effect::Allowed,
                false if state.stream.unit() >= share => Effect::Spared,
                false => Effect::Injected,
            };
            let at = Offset::after_zero(Duration::from_secs_f64(now));
            let trace = state.trace;
            state.decisions.push(Decision { trace, at, fault: i as u16, attempt: nth, effect, retry_after: 0 });
            if effect != Effect::Injected {
                continue;
            }
            struck.injected += 1;
            struck.first = Some(struck.first.map_or(at, |first| first.min(at)));
            let Inject::Http(inject) = &fault.inject else { panic!("only faults on upstreams are modelled") };
            match inject {
                HttpFault::RateLimit { .. } => {
                    return (REFUSED, Call::Limited(bucket.as_ref().map_or(0.0, Bucket::retry_after)));
                }
                HttpFault::Timeout => return (patience.min(end - now), Call::Failed),
                HttpFault::Status { headers, .. } => {
                    let seconds = headers.iter().find(|(name, _)| name == "Retry-After").and_then(|h| h.1.parse().ok());
                    return (REFUSED, seconds.map_or(Call::Failed, Call::Limited));
                }
                HttpFault::Latency { replace: false, .. } => more += self.slower[i].draw(&mut state.stream),
                HttpFault::Stale { by, .. } => age = by.as_secs_f64(),
                HttpFault::Corrupt(Corruption::Json) => garbled = true,
                other => panic!("{other:?} is not modelled"),
            }
        }
        if let Some(bucket) = state.own[quoter].as_mut().filter(|_| !limited)
            && !bucket.take(now)
        {
            return (REFUSED, Call::Limited(bucket.retry_after()));
        }
        let length = self.latency[quoter].draw(&mut state.stream) + more;
        let ok = state.stream.unit() < upstream.success.fraction();
        let oldest = self.options.max_quote_age.map_or(f64::INFINITY, |age| age.as_secs_f64());
        let end = match ok {
            _ if length > patience => return (patience, Call::Failed),
            true if garbled && !self.options.validate => Call::Offer(Price::Nothing),
            true if garbled || age > oldest => Call::Failed,
            true => Call::Offer(Price::Aged(age)),
            false => Call::Failed,
        };
        (length, end)
    }
}

/// What a fault adds to the latency of an upstream.
fn added(fault: &Fault) -> &Law {
    const NOTHING: &Law = &Law::Fixed(Duration::ZERO);
    match &fault.inject {
        Inject::Http(HttpFault::Latency { law, .. }) => law,
        _ => NOTHING,
    }
}

/// The manifest of a run that went as planned.
pub fn manifest(scenario: &Scenario, plan: &Plan) -> Manifest {
    Manifest {
        format: FORMAT,
        proofload: "0".into(),
        run: "synthetic".into(),
        scenario: scenario.name.clone(),
        file: String::new(),
        scenario_digest: String::new(),
        plan_digest: String::new(),
        seed: scenario.seed.0,
        time_scale: scenario.time_scale,
        inputs: Vec::new(),
        wall_zero: 0,
        monotonic_zero: 0,
        stage_zero: 0,
        host: Host::default(),
        services: Vec::new(),
        kafka: Vec::new(),
        connections: plan.connections(scenario),
        timeout: scenario.target.timeout.as_nanos() as u64,
        lag_limit: scenario.fitness.lag.as_nanos() as u64,
        end: Some(End { how: How::Complete, at: plan.timeline.end }),
    }
}

/// What faults did, as events.
pub fn events(scenario: &Scenario, plan: &Plan, played: &Played) -> Vec<Event> {
    let mut events = Vec::new();
    for ((i, fault), struck) in scenario.faults.iter().enumerate().zip(&played.struck) {
        let span = plan.timeline.whole(i);
        let mut step = |at, step| events.push(Event::Fault { at, fault: fault.name.clone(), step });
        step(span.start, FaultStep::Applied);
        if let Some(first) = struck.first {
            step(first, FaultStep::Touched);
        }
        step(span.end, FaultStep::Cleared { eligible: struck.eligible, injected: struck.injected });
    }
    events
}

/// The evidence that a run would have left, without the detour over a disk.
pub fn evidence(scenario: &Scenario, plan: &Plan, played: &Played) -> Evidence {
    let tracer = Tracer::new(scenario.seed, "synthetic");
    let mut events = events(scenario, plan, played);
    let mut rows: Vec<BTreeMap<i64, TickRow>> = vec![BTreeMap::new(); scenario.traffic.len()];
    let mut latency = LatencyLog::default();
    let mut shots = Vec::new();
    // Replies come in the order in which they were due: an interval is over when the next begins.
    let of_interval = |reply: &Reply| interval(plan.timeline.edges(), reply.due);
    for replies in played.replies.chunk_by(|a, b| of_interval(a) == of_interval(b)) {
        let mut lengths: BTreeMap<(u16, Option<u16>, Outcome), Vec<u64>> = BTreeMap::new();
        for reply in replies {
            let second = second_of(reply.due);
            let row = rows[usize::from(reply.traffic)].entry(second);
            let row = row.or_insert(TickRow { second, ..TickRow::default() });
            (row.due, row.sent, row.finished) = (row.due + 1, row.sent + 1, row.finished + 1);
            let of = (reply.traffic, reply.class, reply.outcome);
            lengths.entry(of).or_default().push(cell(reply.response().as_nanos() as u64));
            if plan.timeline.faults.iter().flatten().any(|f| reply.done >= f.start && reply.due <= f.end) {
                shots.push(ShotTouch::new(reply, tracer.id(Shot { traffic: reply.traffic, seq: reply.seq })));
            }
        }
        for ((traffic, class, outcome), mut lengths) in lengths {
            lengths.sort_unstable();
            let cells = lengths.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect();
            let tag = tag(&mut latency.tags, &scenario.traffic[usize::from(traffic)], class, outcome);
            latency.intervals.push(Interval { span: of_interval(&replies[0]), tag, cells });
        }
    }
    let end = plan.timeline.end;
    events.push(Event::Tick(Tick {
        at: end,
        through: end,
        traffic: rows.into_iter().map(|rows| rows.into_values().collect()).collect(),
        ..Tick::default()
    }));
    let (shots, decisions) = (shots.into(), played.decisions.clone().into());
    Evidence {
        manifest: manifest(scenario, plan),
        events,
        latency,
        shots,
        parts: Default::default(),
        decisions,
        fetched: Vec::new(),
        baseline: None,
        gaps: Vec::new(),
    }
}

/// The position of a tag, which is added when it is new.
fn tag(tags: &mut Vec<Tag>, traffic: &Traffic, class: Option<u16>, outcome: Outcome) -> usize {
    let class = class.map(|c| traffic.classes[usize::from(c)].name.as_str());
    let same = |t: &Tag| t.traffic == traffic.name && t.outcome == outcome && t.class.as_deref() == class;
    let known = tags.iter().position(same);
    known.unwrap_or_else(|| {
        let class = class.map(str::to_owned);
        tags.push(Tag { traffic: traffic.name.clone(), class, outcome, timing: Timing::Response });
        tags.len() - 1
    })
}

/// The interval of the response clock in which a shot is due.
fn interval(edges: &[Offset], due: Offset) -> Span {
    let start = due.floor_to(grid(Timing::Response));
    let mut span = Span { start, end: start + grid(Timing::Response) };
    let next = edges.partition_point(|e| *e <= due);
    if let Some(edge) = next.checked_sub(1).map(|i| edges[i]) {
        span.start = span.start.max(edge);
    }
    if let Some(edge) = edges.get(next) {
        span.end = span.end.min(*edge);
    }
    span
}
