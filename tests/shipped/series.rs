//! What a run that is wholly made up would have scraped: the series that the shipped alert rules read, from the same
//! arithmetic that made the replies. A page each second, from the plan's zero until all is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use proofload::base::series::{Labels, Sample, Series};
use proofload::base::time::Offset;
use proofload::evidence::event::{Event, Scrape};
use proofload::evidence::reply::{Outcome, Reply};
use proofload::plan::Plan;
use proofload::scenario::Scenario;

use super::model::Played;

/// As the practice target has them.
const REQUEST: &[f64] =
    &[0.001, 0.0025, 0.005, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1, 0.145, 0.2, 0.32, 0.5, 0.58, 0.8, 0.9, 1.0, 2.5, 5.0];
const QUOTER: &[f64] = &[0.01, 0.05, 0.1, 0.15, 0.22, 0.28, 0.31, 0.35, 0.5, 0.8, 1.0, 2.5, 5.0];

/// One request to a quoter.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its position in the scenario.
    pub quoter: usize,
    /// When it was sent, in seconds.
    pub sent: f64,
    /// When it ended.
    pub done: f64,
    /// Whether it brought an offer.
    pub offer: bool,
}

/// What happened, counter by counter: at which instants, in seconds, it went up by one.
#[derive(Default)]
struct Counters(BTreeMap<Labels, Vec<f64>>);

impl Counters {
    /// A counter that is there from the start.
    fn add(&mut self, name: &str, labels: &[(&str, &str)], ups: Vec<f64>) {
        let pairs = labels.iter().copied().chain([("__name__", name), ("job", JOB), ("instance", "127.0.0.1:1")]);
        self.0.insert(Labels::new(pairs), ups);
    }

    /// The buckets of a histogram; of each length, when it was observed.
    fn observed(&mut self, name: &str, labels: &[(&str, &str)], bounds: &[f64], lengths: &[(f64, f64)]) {
        for bound in bounds.iter().copied().chain([f64::INFINITY]) {
            let le = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            let within = lengths.iter().filter(|(_, length)| *length <= bound).map(|(at, _)| *at);
            self.add(name, &[labels, &[("le", le.as_str())]].concat(), within.collect());
        }
    }
}

const JOB: &str = "quote-service";

/// The scrapes of a run, as events and as series in Unix milliseconds; the plan's zero is the epoch.
pub fn scraped(scenario: &Scenario, plan: &Plan, played: &Played) -> (Vec<Event>, Vec<Series>) {
    let Some(job) = scenario.jobs.first() else { return (Vec::new(), Vec::new()) };
    let counters = counters(scenario, played);
    let last = plan.timeline.end + Duration::from_secs(2);
    let times: Vec<Offset> =
        std::iter::successors(Some(Offset::ZERO), |at| Some(*at + job.every)).take_while(|at| *at <= last).collect();
    let series = counters.0.into_iter().map(|(labels, mut ups)| {
        ups.sort_by(f64::total_cmp);
        let count = |at: Offset| ups.partition_point(|up| *up <= at.secs()) as f64;
        Series { labels, samples: times.iter().map(|at| Sample { at: unix(*at), value: count(*at) }).collect() }
    });
    let up = Series {
        labels: Labels::new([("__name__", "up"), ("job", JOB), ("instance", "127.0.0.1:1")]),
        samples: times.iter().map(|at| Sample { at: unix(*at), value: 1.0 }).collect(),
    };
    let events = times.iter().map(|at| {
        Event::Scrape(Scrape {
            job: job.name.clone(),
            planned: *at,
            a: *at,
            b: *at + Duration::from_millis(3),
            failed: None,
            missed: false,
            samples: 0,
            at_a: Vec::new(),
            at_b: Vec::new(),
            quiet: false,
        })
    });
    (events.collect(), series.chain([up]).collect())
}

fn unix(at: Offset) -> i64 {
    at.nanos() / 1_000_000
}

fn counters(scenario: &Scenario, played: &Played) -> Counters {
    let mut all = Counters::default();
    let classes = &scenario.traffic[0].classes;
    let is_hit = |reply: &Reply| reply.class.is_some_and(|class| classes[usize::from(class)].name == "hit");
    let due = |reply: &Reply| reply.due.secs();
    let of = |keep: &dyn Fn(&Reply) -> bool, at: &dyn Fn(&Reply) -> f64| -> Vec<f64> {
        played.replies.iter().filter(|reply| keep(reply)).map(at).collect()
    };
    all.add("quote_requests_total", &[], of(&|_| true, &due));
    all.add("quote_cache_hits_total", &[], of(&is_hit, &due));
    all.add("quote_cache_misses_total", &[], of(&|reply| !is_hit(reply), &due));
    // Whom the client gave up on is being answered still.
    let is_over = |reply: &Reply| !matches!(reply.outcome, Outcome::TimedOut(_));
    let is_error = |reply: &Reply| reply.outcome == Outcome::Rejected;
    let done = |reply: &Reply| reply.done.secs();
    all.add("quote_errors_total", &[("error_type", "quoters")], of(&is_error, &done));
    all.add("quotes_served_total", &[], of(&|reply| is_over(reply) && !is_error(reply), &done));
    let over = played.replies.iter().filter(|reply| is_over(reply));
    let lengths: Vec<(f64, f64)> = over.map(|reply| (done(reply), done(reply) - due(reply))).collect();
    all.observed("quote_request_total_duration_seconds_bucket", &[], REQUEST, &lengths);
    for (i, upstream) in scenario.upstreams.iter().enumerate() {
        let quoter = [("quoter", label(&upstream.name))];
        let calls = || played.calls.iter().filter(|call| call.quoter == i);
        all.add("external_api_requests_total", &quoter, calls().map(|call| call.sent).collect());
        let offers = calls().filter(|call| call.offer).map(|call| call.done);
        all.add("external_api_success_total", &quoter, offers.collect());
        let lengths: Vec<(f64, f64)> = calls().map(|call| (call.done, call.done - call.sent)).collect();
        all.observed("external_api_duration_seconds_bucket", &quoter, QUOTER, &lengths);
    }
    all
}

/// What the practice target calls a quoter.
fn label(upstream: &str) -> &str {
    match upstream {
        "jupiter" => "Jupiter",
        "dflow" => "DFlow",
        "quicknode" => "QuickNode",
        "blxr" => "BLXR",
        other => other,
    }
}
