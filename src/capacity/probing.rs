//! A probe as a scenario: the same text with one steady load, without what belongs to a longer story, and with at most one
//! fault, which then is there from the beginning to the end.

use std::time::Duration;

use super::search::{Aim, Order, trimmed};
use crate::base::time::Offset;
use crate::base::units;
use crate::judge::capacity::needed;
use crate::plan::Plan;
use crate::scenario::{
    Arrivals, Capacity, Changes, Claim, Measure, Mistake, Promise, Scenario, Segment, Service, Severity, System,
    Window, Without, probed,
};

/// The minimum of the most demanding promise, times this, is a good number of shots.
const ENOUGH: f64 = 10.0;
/// A probe may be so many times as long as asked for in order to have them.
const LONGER: f64 = 6.0;
/// No probe is measured for longer.
const LONGEST: Duration = Duration::from_secs(600);
/// Below the first rate divided by this nothing is tried.
const LEAST: f64 = 64.0;
/// At the most so many slices, scrapes and the like have room in a probe as they need.
const ROOM: u32 = 3;
/// What the service of a target without names is called.
const ONLY: &str = "target";

/// Makes scenarios of probes.
pub struct Probing<'s> {
    scenario: &'s Scenario,
    capacity: Capacity,
    without: Option<Without>,
    unpromised: Vec<usize>,
    left_out: Vec<String>,
    background: Vec<(String, f64)>,
    first: f64,
}

impl<'s> Probing<'s> {
    /// Of a scenario, without something or with all. The error says why its rate cannot be searched.
    pub fn new(
        scenario: &'s Scenario,
        plan: &Plan,
        capacity: &Capacity,
        without: Option<Without>,
    ) -> Result<Probing<'s>, String> {
        let traffic = scenario.traffic.get(capacity.traffic).ok_or("there is no traffic")?;
        if matches!(traffic.arrivals, Arrivals::Replay(_)) {
            let name = &traffic.name;
            return Err(format!(
                "`{name}` replays recorded arrivals, which come at their own rate: search with `arrivals: poisson`"
            ));
        }
        let mut background = Vec::new();
        for (i, other) in scenario.traffic.iter().enumerate().filter(|(i, _)| *i != capacity.traffic) {
            background.push((other.name.clone(), usual(plan, i, &other.name)?));
        }
        let first = capacity.from.map(units::Rate::hertz).or_else(|| begins(&traffic.load));
        let first = first.ok_or_else(|| format!("`{}` has no rate to begin with: say `from: 50/s`", traffic.name))?;
        let (unpromised, left_out) = left_out(scenario, capacity.traffic, without.and_then(Without::fault));
        let probing =
            Probing { scenario, capacity: capacity.clone(), without, unpromised, left_out, background, first };
        if probing.critical().next().is_none() {
            return Err("there is no critical promise that a probe could keep or break: add one under `slo:`, such as `errors < 1%`".into());
        }
        Ok(probing)
    }

    /// The critical promises that probes are held to, as typed.
    pub fn promises(&self) -> Vec<String> {
        self.critical().map(|promise| promise.text.clone()).collect()
    }

    /// What probes go without, and why.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// What the search is to find.
    pub fn aim(&self) -> Aim {
        let decidable = needed(self.scenario) as f64 * 1.2 / LONGEST.as_secs_f64();
        let most = self.capacity.up_to.map_or(f64::INFINITY, units::Rate::hertz);
        Aim {
            from: self.first.min(most),
            least: (self.first / LEAST).max(decidable).min(self.first),
            most,
            resolution: self.capacity.resolution.fraction(),
            max_time: self.capacity.max_time.map(|most| most.as_secs_f64()),
            overload: self.capacity.warm_up.as_secs_f64().max(1.0),
        }
    }

    /// How long a probe at a rate is measured: long enough for its promises to be decided, and better.
    pub fn length(&self, rate: f64) -> Duration {
        let needed = needed(self.scenario) as f64;
        let asked = self.capacity.probe.as_secs_f64();
        let good = (needed * ENOUGH / rate).min(asked * LONGER);
        let seconds = asked.max(good).max(needed * 1.2 / rate);
        let each = self.critical().filter_map(|promise| promise.each).max().unwrap_or_default();
        let from_server = self.critical().any(|promise| !matches!(promise.claim, Claim::Client(_)));
        let scrape = self.scenario.jobs.iter().map(|job| job.every).filter(|_| from_server).max().unwrap_or_default();
        let room = (each * ROOM).max(scrape * ROOM * 2).as_secs_f64();
        Duration::from_secs_f64(seconds.max(room)).min(LONGEST)
    }

    /// The text of the scenario of a probe. The error says why it cannot be made.
    pub fn text(&self, order: &Order, number: u32) -> Result<String, String> {
        let scenario = self.scenario;
        let measured = self.length(order.rate).mul_f64(order.stretch).min(LONGEST);
        let warm_up = self.capacity.warm_up;
        let mut parts = vec![(order.rate, warm_up)];
        if let Some(borne) = order.borne {
            let length = |seconds: f64| Duration::from_secs_f64(seconds.max(0.1));
            parts.extend([(borne.rate, length(borne.length)), (order.rate, length(borne.settle))]);
        }
        parts.retain(|(_, length)| !length.is_zero());
        let before: Duration = parts.iter().map(|(_, length)| *length).sum();
        let warm = |(rate, length): &(f64, Duration)| {
            format!("{{ warm_up: {{ at: {}/s, for: {} }} }}", trimmed(*rate), self.written(*length))
        };
        let mut load: Vec<String> = parts.iter().map(warm).collect();
        load.push(format!("{{ hold: {{ at: {}/s, for: {} }} }}", trimmed(order.rate), self.written(measured)));
        let name = &scenario.traffic[self.capacity.traffic].name;
        let mut set = vec![
            ("name".to_owned(), quoted(&format!("{} at {}/s", scenario.name, trimmed(order.rate)))),
            // Each probe is another day.
            ("seed".to_owned(), scenario.seed.0.wrapping_mul(1000).wrapping_add(u64::from(number)).to_string()),
            (format!("traffic.{name}.load"), format!("[ {} ]", load.join(", "))),
        ];
        for (other, rate) in &self.background {
            let rate = trimmed(*rate);
            let (warm, hold) = (self.written(before), self.written(measured));
            let warm = if before.is_zero() {
                String::new()
            } else {
                format!("{{ warm_up: {{ at: {rate}/s, for: {warm} }} }}, ")
            };
            let load = format!("[ {warm}{{ hold: {{ at: {rate}/s, for: {hold} }} }} ]");
            set.push((format!("traffic.{other}.load"), load));
        }
        let fault = self.without.and_then(Without::fault);
        if let Some(fault) = fault {
            let fault = &scenario.faults[fault].name;
            set.push((format!("faults.{fault}.at"), "0s".into()));
            set.push((format!("faults.{fault}.for"), self.written(before + measured)));
        }
        if self.without == Some(Without::Replica) {
            set.push(self.one_less()?);
        }
        let without = scenario.faults.iter().enumerate().filter(|(i, _)| Some(*i) != fault);
        let without: Vec<&str> = without.map(|(_, fault)| fault.name.as_str()).collect();
        let changes = Changes {
            without: &without,
            unpromised: &self.unpromised,
            endless: &[],
            of_promises: &["steady", "outside"],
            of_faults: &["at", "for", "repeat", "ramp"],
            keys: &["capacity"],
            set: &set,
        };
        let told = |all: Vec<Mistake>| all.first().map_or(String::new(), |m| format!("{}: {}", m.what, m.remedy));
        probed(&scenario.source, &changes).map_err(told)
    }

    /// One replica less, as by `--set`: a practice target is started with one fewer, and of addresses the last is not used.
    fn one_less(&self) -> Result<(String, String), String> {
        match &self.scenario.target.system {
            System::Sim { .. } => {
                Ok(("target.with.replicas".into(), (self.scenario.target.replicas().max(2) - 1).to_string()))
            }
            System::Services(_) => {
                let service = self.service().filter(|service| service.addresses.len() > 1);
                let service = service.ok_or("what is searched has a single address: without it nothing is left")?;
                let rest = &service.addresses[..service.addresses.len() - 1];
                let rest: Vec<String> = rest.iter().map(|address| quoted(&address.to_string())).collect();
                let named = matches!(&self.scenario.target.system, System::Services(all) if all.len() > 1)
                    || service.name != ONLY;
                let path = if named { format!("target.services.{}", service.name) } else { "target.url".into() };
                Ok((path, format!("[ {} ]", rest.join(", "))))
            }
        }
    }

    /// The service whose rate is searched, of those that stand already.
    fn service(&self) -> Option<&Service> {
        let System::Services(services) = &self.scenario.target.system else { return None };
        let wanted = self.scenario.traffic[self.capacity.traffic].service.as_ref();
        services.iter().find(|s| wanted.is_none_or(|wanted| *wanted == s.name))
    }

    /// A length as it is written in the scenario's text, which is then scaled again.
    fn written(&self, length: Duration) -> String {
        let ms = length.as_millis().max(1) * u128::from(self.scenario.time_scale);
        format!("{ms}ms")
    }

    fn critical(&self) -> impl Iterator<Item = &Promise> {
        let kept = self.scenario.promises.iter().enumerate().filter(|(i, _)| !self.unpromised.contains(i));
        kept.map(|(_, promise)| promise).filter(|promise| promise.severity == Severity::Critical)
    }

    /// What is under test, in words, and how many addresses share the load.
    pub fn target(&self) -> (String, u32) {
        match &self.scenario.target.system {
            System::Sim { name, .. } => (format!("sim:{name}"), self.scenario.target.replicas()),
            System::Services(_) => {
                let addresses = self.service().map(|s| s.addresses.as_slice()).unwrap_or_default();
                let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                (names.join(", "), addresses.len() as u32)
            }
        }
    }
}

/// A text as YAML takes it whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The first rate of a load that is any.
fn begins(load: &[Segment]) -> Option<f64> {
    let mut rates = load.iter().flat_map(|segment| [segment.from.hertz(), segment.to.hertz()]);
    rates.find(|rate| *rate > 0.0)
}

/// The rate at which other traffic goes on beside the one that is searched: what its own load comes to on average.
fn usual(plan: &Plan, traffic: usize, name: &str) -> Result<f64, String> {
    let measured = plan.timeline.measured(Some(traffic));
    let profile = &plan.traffic[traffic].profile;
    let shots = profile.expected_by(measured.end) - profile.expected_by(measured.start.max(Offset::ZERO));
    let rate = shots / measured.length().as_secs_f64().max(1e-9);
    if rate > 0.0 && plan.traffic[traffic].closed_loops().next().is_none() {
        return Ok(rate);
    }
    Err(format!(
        "`{name}` has closed loops, and so no rate at which it could go on beside the search: give it a `hold`"
    ))
}

/// The promises that a probe is not held to, by their positions, and in words.
fn left_out(scenario: &Scenario, traffic: usize, fault: Option<usize>) -> (Vec<usize>, Vec<String>) {
    let of_fault = |window: Window| matches!(window, Window::During(f) if Some(f) == fault);
    let critical = |promise: &Promise| promise.severity == Severity::Critical;
    // What is promised for the time of a fault takes the place of what is promised for better times.
    let own = scenario.promises.iter().any(|p| critical(p) && of_fault(p.window));
    let (mut positions, mut words) = (Vec::new(), Vec::new());
    for (i, promise) in scenario.promises.iter().enumerate() {
        let why = match (&promise.claim, promise.window) {
            (Claim::Capacity(_), _) => Some("is what the search is for"),
            (Claim::Client(e), _) if e.measure == Measure::Rate && e.traffic == traffic => {
                Some("says how much is sent, which is what the search varies")
            }
            (Claim::Client(e), _) if e.measure.is_of_fault() => Some("is about a fault that comes and goes"),
            (_, Window::During(f)) if Some(f) == fault => None,
            (_, Window::Outside) if own => {
                Some("is for times without faults, and others stand for the time of this one")
            }
            (_, Window::Measured | Window::Outside) => None,
            _ => Some("is about a fault that comes and goes"),
        };
        if let Some(why) = why {
            positions.push(i);
            if !matches!(promise.claim, Claim::Capacity(_)) {
                words.push(format!("`{}` {why}", promise.text));
            }
        }
    }
    (positions, words)
}
