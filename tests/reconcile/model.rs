//! A service and its books as arithmetic: requests with the instants at which each side sees them, counters that are read
//! at any moment of a scrape, and the lies that they can tell. Nothing sleeps.

use std::collections::BTreeMap;
use std::time::Duration;

use proofload::base::seed::{Seed, Stream};
use proofload::base::series::{Labels, Sample, Series, stale};
use proofload::base::time::{Offset, Span};
use proofload::base::timing::Timing;
use proofload::evidence::counters::{Count, RouteCount};
use proofload::evidence::event::{Event, Scrape};
use proofload::evidence::latency::{Interval, LatencyLog, Tag};
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::reply::{Outcome, Stage};
use proofload::evidence::tally::Tally;
use proofload::judge::{Judgement, judge};
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings};

/// The plan's zero, in Unix milliseconds.
const WALL_MS: i64 = 1_800_000_000_000;
/// Nobody waits for longer, in seconds.
const TIMEOUT: f64 = 1.0;

/// What a service's metrics may say that is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lie {
    /// Nothing.
    None,
    /// No label for the status.
    LabelDropped,
    /// Milliseconds in a histogram of seconds.
    UnitWrong,
    /// The last bucket is far below what requests take.
    LowCeiling,
    /// What nobody waited for is not counted.
    TimeoutsUncounted,
    /// Every hit counts two.
    HitsTwice,
    /// A replica whose page nobody reads.
    ReplicaUnscraped,
    /// Counters begin anew, the process does not.
    Reset,
    /// A process is replaced, and its counters with it.
    Restarted,
    /// Two processes behind one port, each with counters of its own.
    Processes,
    /// Arrivals are stamped by a clock that is behind.
    ClockSkew,
    /// Failures are counted as successes.
    FailuresAsSuccesses,
    /// One answered request of all is not counted.
    OneLost,
    /// Somebody else sends as well.
    Foreign,
}

/// A service as a seed makes it, honest or not.
pub struct World {
    /// What is run.
    pub scenario: Scenario,
    plan: Plan,
    lie: Lie,
    stream: Stream,
    replicas: usize,
    rate: f64,
    seconds: f64,
    shape: Shape,
}

/// In which of the ways of honest services it counts.
#[derive(Debug, Clone, Copy)]
struct Shape {
    at_start: bool,     // counts a request when it comes, not when it goes
    after_reply: f64,   // counts it so many seconds after the reply has gone
    counts_pages: bool, // counts scrapes with the rest
    classes: bool,      // 2xx instead of 200
    template: bool,     // /quote/{pair} instead of the path
    millis: bool,       // a histogram of milliseconds, which says so
    timeouts: f64,      // share of requests that nobody waits for to their end
    failures: f64,      // share that is answered 503
    broken: f64,        // share whose connection breaks
    refused: f64,       // share that finds no connection
    scrape: f64,        // the longest that a page takes, in seconds
    median: f64,        // of what a miss takes, in seconds
}

/// A request, with its instants in seconds.
struct Request {
    due: f64,
    sent: Option<f64>,
    counted: Option<f64>, // when the server counts it, if it does
    done: f64,
    took: f64, // as the server times it
    status: u16,
    class: Option<u16>,
    outcome: Outcome,
    replica: usize,
}

fn yaml(seconds: f64, rate: f64, replicas: usize, shape: &Shape, lie: Lie, said: bool) -> String {
    let addresses: Vec<String> = (0..replicas).map(|i| format!("http://127.0.0.1:{}", 9001 + i)).collect();
    let scraped = if lie == Lie::ReplicaUnscraped { replicas - 1 } else { replicas };
    let jobs: Vec<String> = (0..scraped)
        .map(|i| format!("r{i}: {{ metrics: http://127.0.0.1:{}/metrics, every: 1s }}", 9001 + i))
        .collect();
    let timeouts = if said { ", timeouts: counted" } else { "" };
    let unit = if shape.millis { "milliseconds" } else { "seconds" };
    let foreign = if lie == Lie::Foreign && said { ", foreign: { baseline: 5s }" } else { "" };
    format!(
        "proofload: 1
target: {{ services: {{ api: [{}] }}, timeout: 1s }}
traffic:
  quotes:
    flow: {{ steps: [ {{ get: /quote/sol-usdc?x=1 }} ] }}
    classes: {{ hit: {{ header: x-source, is: cache }}, miss: {{ header: x-source, is: calculated }} }}
    load: [ {{ hold: {{ at: {rate}/s, for: {seconds}s }} }} ]
observe: {{ jobs: {{ {} }} }}
slo:
  - expect: p95(quotes) < 900ms
  - expect: errors(quotes) < 50%
reconcile:
  counts:
    - {{ of: quotes, counter: requests_total{timeouts}{foreign} }}
    - {{ of: quotes, counter: http_requests_total, by: {{ status: code, route: handler }} }}
    - {{ of: quotes, class: hit, counter: cache_hits_total }}
  ratios:
    - {{ of: quotes, class: hit, counter: cache_hits_total, over: requests_total }}
  latency:
    - {{ of: quotes, histogram: duration_{unit}, by: {{ class: source }} }}
",
        addresses.join(", "),
        jobs.join(", ")
    )
}

impl World {
    /// A service of a seed. `said`: the scenario says that timeouts are counted, or that there is foreign traffic.
    pub fn new(seed: u64, lie: Lie, said: bool) -> World {
        let mut stream = Seed(seed).stream("books");
        let mut maybe = |share: f64| stream.unit() < share;
        let (at_start, late, counts_pages) = (maybe(0.5), maybe(0.3), maybe(0.3));
        let (classes, template, millis, many) = (maybe(0.4), maybe(0.5), maybe(0.5), maybe(0.4));
        let mut pick = |low: f64, high: f64| low + stream.unit() * (high - low);
        let mut shape = Shape {
            at_start: at_start && lie != Lie::TimeoutsUncounted,
            after_reply: if late { pick(0.0, 0.02) } else { 0.0 },
            counts_pages: counts_pages && lie != Lie::Foreign,
            classes,
            template,
            millis: millis && lie != Lie::UnitWrong,
            timeouts: pick(-0.02, 0.02).max(0.0),
            failures: pick(-0.05, 0.05).max(0.0),
            broken: pick(-0.01, 0.01).max(0.0),
            refused: pick(-0.01, 0.01).max(0.0),
            scrape: pick(0.002, 0.3),
            median: pick(0.05, 0.2),
        };
        match lie {
            Lie::TimeoutsUncounted => shape.timeouts = 0.05,
            Lie::FailuresAsSuccesses => shape.failures = 0.05,
            Lie::OneLost | Lie::Foreign => (shape.timeouts, shape.broken) = (0.0, 0.0),
            Lie::LowCeiling | Lie::UnitWrong | Lie::ClockSkew => shape.timeouts = 0.0,
            _ => {}
        }
        let (rate, seconds) = (pick(20.0, 120.0).round(), pick(6.0, 14.0).round());
        let replicas = match lie {
            Lie::ReplicaUnscraped => 2,
            Lie::Processes | Lie::Reset | Lie::Restarted => 1,
            _ if many => 2 + (pick(0.0, 1.99) as usize),
            _ => 1,
        };
        let text = yaml(seconds, rate, replicas, &shape, lie, said);
        let scenario = scenario::read("books", &text, &Settings::alone("books"));
        let scenario = scenario.unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        let plan = Plan::new(&Scenario { seed: Seed(seed), ..scenario.clone() });
        World { scenario, plan, lie, stream, replicas, rate, seconds, shape }
    }

    /// Runs it and judges what that left.
    pub fn judge(mut self) -> Judgement {
        let requests: Vec<Request> = (0..(self.rate * self.seconds) as usize).map(|n| self.request(n)).collect();
        let events = self.scrapes(&requests);
        let series = self.series(&requests, &events);
        let evidence = Evidence {
            manifest: self.manifest(),
            events: events.into_iter().map(Event::Scrape).collect(),
            latency: self.latency(&requests),
            shots: Vec::new().into(),
            parts: Default::default(),
            decisions: Vec::new().into(),
            fetched: Vec::new(),
            baseline: None,
            gaps: Vec::new(),
        };
        judge(&self.scenario, &self.plan, &evidence, &series)
    }

    fn pick(&mut self, low: f64, high: f64) -> f64 {
        low + self.stream.unit() * (high - low)
    }

    fn request(&mut self, nth: usize) -> Request {
        let due = (nth as f64 + self.stream.unit()) / self.rate;
        let replica = (self.stream.unit() * self.replicas as f64) as usize;
        let fate = self.stream.unit();
        let shape = self.shape;
        let mut edge = 0.0;
        let mut falls = |share: f64| {
            edge += share;
            fate < edge
        };
        let (refused, broken, slow) = (falls(shape.refused), falls(shape.broken), falls(shape.timeouts));
        let failed = falls(shape.failures);
        let hit = !failed && !slow && self.stream.unit() < 0.7;
        let spread = (self.stream.unit() + self.stream.unit() + self.stream.unit()) / 1.5; // 0 to 2, about 1
        let work = match (slow, hit) {
            (true, _) => TIMEOUT + self.pick(0.05, 0.4),
            (false, true) => 0.004 * spread + 0.0005,
            (false, false) => (shape.median * spread * spread).min(TIMEOUT - 0.1) + 0.002,
        };
        let network = self.pick(0.0001, 0.003);
        if refused {
            let outcome = Outcome::Unreachable(proofload::evidence::reply::Reach::Connect);
            return Request {
                due,
                sent: None,
                counted: None,
                done: due + 0.001,
                took: 0.0,
                status: 0,
                class: None,
                outcome,
                replica,
            };
        }
        let sent = due + self.pick(0.0, 0.001);
        let arrived = sent + network;
        let gone = arrived + work;
        let counted = if shape.at_start { arrived } else { gone + shape.after_reply };
        let reached = !broken || self.stream.unit() < 0.5;
        let (done, outcome) = match () {
            () if broken => (arrived + network, Outcome::Broken(Stage::Head)),
            () if slow => (sent + TIMEOUT, Outcome::TimedOut(Stage::Head)),
            () if failed => (gone + network, Outcome::Rejected),
            () => (gone + network, Outcome::Ok),
        };
        let class = (outcome == Outcome::Ok).then_some(u16::from(!hit));
        let uncounted = self.lie == Lie::TimeoutsUncounted && slow;
        let status = if failed { 503 } else { 200 };
        let counted = (reached && !uncounted).then_some(counted);
        Request { due, sent: Some(sent), counted, done, took: work, status, class, outcome, replica }
    }

    fn jobs(&self) -> usize {
        self.scenario.jobs.len()
    }

    /// Scrapes of every page: one in silence, one a second with now and then one that fails, one in silence.
    fn scrapes(&mut self, requests: &[Request]) -> Vec<Scrape> {
        let mut all = Vec::new();
        let quiet = self.seconds + TIMEOUT + 1.0;
        for job in 0..self.jobs() {
            let phase = self.pick(0.0, 0.9);
            let mut times: Vec<(f64, bool)> = vec![(-1.0, true)];
            if self.scenario.reconcile.baseline.is_some() {
                times.insert(0, (-6.0, true));
            }
            times.extend((0..self.seconds as usize).map(|n| (n as f64 + phase, false)));
            times.push((quiet, true));
            if self.scenario.reconcile.baseline.is_some() {
                times.push((quiet + 5.0, true));
            }
            for (a, quiet) in times {
                let longest = if quiet { 0.2 } else { self.shape.scrape };
                let b = a + self.pick(0.001, longest.max(0.002));
                let failed = !quiet && self.stream.unit() < 0.02;
                all.push(Scrape {
                    job: format!("r{job}"),
                    planned: at(a),
                    a: at(a),
                    b: at(b),
                    failed: failed.then(|| "reset".to_owned()),
                    missed: false,
                    samples: 1,
                    at_a: counts(requests, a),
                    at_b: counts(requests, b),
                    quiet,
                });
            }
        }
        all.sort_by_key(|s| s.a);
        all
    }

    /// Every series of every page, as it was read at some moment of each scrape.
    fn series(&mut self, requests: &[Request], scrapes: &[Scrape]) -> Vec<Series> {
        let mut read: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
        let moments: Vec<f64> = scrapes.iter().map(|s| self.pick(s.a.secs(), s.b.secs())).collect();
        let middle = self.seconds / 2.0;
        let lost = self.pick(0.0, requests.len() as f64 / 2.0) as usize;
        for job in 0..self.jobs() {
            // By process: when each of its series counted.
            let processes = if self.lie == Lie::Processes { 2 } else { 1 };
            let mut books: Vec<BTreeMap<Labels, Vec<(f64, f64)>>> = vec![BTreeMap::new(); processes];
            for (n, request) in requests.iter().enumerate().filter(|(_, r)| r.replica == job) {
                let one_lost = self.lie == Lie::OneLost && job == 0 && n >= lost && request.class == Some(0);
                if one_lost && !books.iter().any(|b| b.contains_key(&Labels::new([("lost", "1")]))) {
                    books[0].insert(Labels::new([("lost", "1")]), Vec::new());
                    continue;
                }
                let Some(counted) = request.counted else { continue };
                let process = (self.stream.unit() * processes as f64) as usize;
                self.count(&mut books[process], request, counted);
            }
            let own: Vec<(usize, &Scrape)> =
                scrapes.iter().enumerate().filter(|(_, s)| s.job == format!("r{job}")).collect();
            if self.shape.counts_pages {
                for (n, _) in &own {
                    // A page is counted once it has been written.
                    book(&mut books[0], &[("__name__", "requests_total")], moments[*n] + 1e-6, 1.0);
                }
            }
            if self.lie == Lie::Foreign && job == 0 {
                let mut t = -10.0;
                while t < self.seconds + 10.0 {
                    t += -self.pick(1e-9, 1.0).ln() / 5.0;
                    book(&mut books[0], &[("__name__", "requests_total")], t, 1.0);
                }
            }
            for (n, scrape) in own {
                let moment = moments[n];
                let process = (self.stream.unit() * processes as f64) as usize;
                let stamp = WALL_MS + scrape.a.nanos().div_euclid(1_000_000);
                let anew = matches!(self.lie, Lie::Reset | Lie::Restarted) && moment > middle;
                let from = if anew { middle } else { f64::NEG_INFINITY };
                let mut say = |labels: Labels, value: f64| {
                    let mut labels = labels;
                    labels.set("job", format!("r{job}"));
                    labels.set("instance", format!("127.0.0.1:{}", 9001 + job));
                    read.entry(labels).or_default().push(Sample { at: stamp, value });
                };
                let up = if scrape.failed.is_some() { 0.0 } else { 1.0 };
                say(Labels::new([("__name__", "up")]), up);
                let born = match (self.lie, process) {
                    (Lie::Restarted, _) if anew => WALL_MS as f64 / 1e3 + middle,
                    (Lie::ClockSkew, _) => WALL_MS as f64 / 1e3 + 3600.0,
                    (_, process) => WALL_MS as f64 / 1e3 - 60.0 + process as f64 * 0.01,
                };
                if scrape.failed.is_none() {
                    say(Labels::new([("__name__", "process_start_time_seconds")]), born);
                }
                for (labels, times) in books[process].iter().filter(|(labels, _)| labels.get("lost").is_empty()) {
                    let mut seen = times.iter().filter(|(t, _)| *t <= moment && *t > from).peekable();
                    // Born with its first event.
                    if seen.peek().is_none() {
                        continue;
                    }
                    let value: f64 = seen.map(|(_, by)| by).sum();
                    say(labels.clone(), if scrape.failed.is_some() { stale() } else { value });
                }
            }
        }
        read.into_iter().map(|(labels, samples)| Series { labels, samples }).collect()
    }

    /// What a server writes into its books of a request.
    fn count(&self, books: &mut BTreeMap<Labels, Vec<(f64, f64)>>, request: &Request, at: f64) {
        let shape = self.shape;
        book(books, &[("__name__", "requests_total")], at, 1.0);
        let status = if self.lie == Lie::FailuresAsSuccesses { 200 } else { request.status };
        let code = match (self.lie, shape.classes) {
            (Lie::LabelDropped, _) => String::new(),
            (_, true) => format!("{}xx", status / 100),
            (_, false) => status.to_string(),
        };
        let handler = if shape.template { "/quote/{pair}" } else { "/quote/sol-usdc" };
        book(books, &[("__name__", "http_requests_total"), ("code", &code), ("handler", handler)], at, 1.0);
        let hit = request.class == Some(0);
        if hit {
            book(books, &[("__name__", "cache_hits_total")], at, if self.lie == Lie::HitsTwice { 2.0 } else { 1.0 });
        }
        // A length is known at the end only.
        let end = if shape.at_start { at + request.took } else { at };
        let source = if hit { "cache" } else { "calculated" };
        let seconds = request.took + if self.lie == Lie::ClockSkew { 0.25 } else { 0.0 };
        let value = if shape.millis || self.lie == Lie::UnitWrong { seconds * 1e3 } else { seconds };
        let name = if shape.millis { "duration_milliseconds" } else { "duration_seconds" };
        let scale = if shape.millis { 1e3 } else { 1.0 };
        let bounds: &[f64] = match self.lie {
            Lie::LowCeiling => &[0.0005, 0.001, 0.002, 0.003],
            _ => &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5],
        };
        let series = |suffix: &str| format!("{name}{suffix}");
        // Every bucket is on the page from the first request on.
        for bound in bounds.iter().map(|b| b * scale).chain([f64::INFINITY]) {
            let le = if bound.is_infinite() { "+Inf".into() } else { bound.to_string() };
            let within = f64::from(u8::from(value <= bound));
            book(books, &[("__name__", &series("_bucket")), ("source", source), ("le", &le)], end, within);
        }
        book(books, &[("__name__", &series("_count")), ("source", source)], end, 1.0);
        book(books, &[("__name__", &series("_sum")), ("source", source)], end, value);
    }

    fn latency(&self, requests: &[Request]) -> LatencyLog {
        let mut tallies: BTreeMap<(Option<u16>, u8, Timing), Tally> = BTreeMap::new();
        for request in requests {
            let mut add = |timing, from: f64| {
                let key = (request.class, request.outcome.code(), timing);
                tallies.entry(key).or_default().record(Duration::from_secs_f64((request.done - from).max(0.0)));
            };
            add(Timing::Response, request.due);
            if let Some(sent) = request.sent {
                add(Timing::Service, sent);
            }
        }
        let mut log = LatencyLog::default();
        for ((class, outcome, timing), tally) in tallies {
            let class = class.map(|c| ["hit", "miss"][usize::from(c)].to_owned());
            let tag = Tag { traffic: "quotes".into(), class, outcome: Outcome::ALL[usize::from(outcome)], timing };
            log.tags.push(tag);
            let span = Span { start: Offset::ZERO, end: Offset::from_millis(1000) };
            log.intervals.push(Interval { span, tag: log.tags.len() - 1, cells: tally.cells().collect() });
        }
        log
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            format: FORMAT,
            proofload: "0".into(),
            run: "synthetic".into(),
            scenario: "books".into(),
            file: "books".into(),
            scenario_digest: String::new(),
            plan_digest: String::new(),
            seed: 1,
            time_scale: 1,
            inputs: Vec::new(),
            wall_zero: WALL_MS * 1_000_000,
            monotonic_zero: 0,
            stage_zero: 0,
            host: Host::default(),
            kafka: Vec::new(),
            services: (0..self.replicas)
                .map(|i| ("api".to_owned(), format!("http://127.0.0.1:{}", 9001 + i)))
                .collect(),
            connections: 64,
            timeout: 1_000_000_000,
            lag_limit: 10_000_000,
            end: Some(End { how: How::Complete, at: at(self.seconds + 3.0) }),
        }
    }
}

/// Writes an event into a book.
fn book(books: &mut BTreeMap<Labels, Vec<(f64, f64)>>, labels: &[(&str, &str)], at: f64, by: f64) {
    books.entry(Labels::new(labels.iter().copied())).or_default().push((at, by));
}

fn at(seconds: f64) -> Offset {
    Offset::from_nanos((seconds * 1e9).round() as i64)
}

/// Our own counts at an instant.
fn counts(requests: &[Request], at: f64) -> Vec<Count> {
    let sent = requests.iter().filter(|r| r.sent.is_some_and(|sent| sent <= at)).count() as u64;
    let finished = requests.iter().filter(|r| r.done <= at).count() as u64;
    let mut replies: BTreeMap<(Option<u16>, u16), u64> = BTreeMap::new();
    for r in requests.iter().filter(|r| r.done <= at && matches!(r.outcome, Outcome::Ok | Outcome::Rejected)) {
        *replies.entry((r.class, r.status)).or_default() += 1;
    }
    let replies = replies.into_iter().map(|((class, status), n)| (class, status, n)).collect();
    vec![Count { sent, finished, statuses: Vec::new(), routes: vec![RouteCount { sent, again: 0, replies }] }]
}
