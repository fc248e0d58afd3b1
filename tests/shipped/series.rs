//! What a run that is wholly made up would have scraped: the series that the shipped alert rules read, from the same
//! arithmetic that made the replies. A page each second, from the plan's zero until all is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use proofload::base::series::{Labels, Sample, Series};
use proofload::base::time::Offset;
use proofload::evidence::event::{Event, Scrape};
use proofload::evidence::reply::Outcome;
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
    fn of(&mut self, name: &str, labels: &[(&str, &str)]) -> &mut Vec<f64> {
        let pairs = labels.iter().copied().chain([("__name__", name), ("job", JOB), ("instance", "127.0.0.1:1")]);
        self.0.entry(Labels::new(pairs)).or_default()
    }

    fn observe(&mut self, name: &str, labels: &[(&str, &str)], bounds: &[f64], (at, length): (f64, f64)) {
        for bound in bounds.iter().filter(|bound| length <= **bound) {
            let le = bound.to_string();
            self.of(name, &[labels, &[("le", le.as_str())]].concat()).push(at);
        }
        self.of(name, &[labels, &[("le", "+Inf")]].concat()).push(at);
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
    for name in ["quotes_served_total", "quote_requests_total", "quote_cache_hits_total", "quote_cache_misses_total"] {
        all.of(name, &[]);
    }
    all.of("quote_errors_total", &[("error_type", "quoters")]);
    for reply in &played.replies {
        let (due, done) = (reply.due.secs(), reply.done.secs());
        all.of("quote_requests_total", &[]).push(due);
        let class = reply.class.map(|class| scenario.traffic[0].classes[usize::from(class)].name.as_str());
        let cache = if class == Some("hit") { "quote_cache_hits_total" } else { "quote_cache_misses_total" };
        all.of(cache, &[]).push(due);
        // Whom the client gave up on is being answered still.
        let ends = match reply.outcome {
            Outcome::TimedOut(_) => continue,
            Outcome::Rejected => all.of("quote_errors_total", &[("error_type", "quoters")]),
            _ => all.of("quotes_served_total", &[]),
        };
        ends.push(done);
        all.observe("quote_request_total_duration_seconds_bucket", &[], REQUEST, (done, done - due));
    }
    for upstream in &scenario.upstreams {
        let quoter = label(&upstream.name);
        for name in ["external_api_requests_total", "external_api_success_total"] {
            all.of(name, &[("quoter", quoter)]);
        }
    }
    for call in &played.calls {
        let quoter = [("quoter", label(&scenario.upstreams[call.quoter].name))];
        all.of("external_api_requests_total", &quoter).push(call.sent);
        if call.offer {
            all.of("external_api_success_total", &quoter).push(call.done);
        }
        all.observe("external_api_duration_seconds_bucket", &quoter, QUOTER, (call.done, call.done - call.sent));
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
