//! How capacity is searched: what makes sense of it, and of promises about it.

use std::time::Duration;

use super::super::capacity::{self, Capacity, Without};
use super::super::claim::{Claim, Promise, Window};
use super::super::fault::Fault;
use super::super::load::Arrivals;
use super::super::raw;
use super::super::shape::At;
use super::super::target::Target;
use super::super::traffic::Traffic;
use super::Check;
use crate::base::text;
use crate::base::units::Share;

/// A shorter probe says nothing, in which a scrape or two have room.
const SHORTEST: Duration = Duration::from_secs(1);
/// Nobody waits longer for one.
const LONGEST: Duration = Duration::from_secs(600);
/// Closer than this no probe of a reasonable length comes.
const FINEST: Share = Share(5_000_000);
/// Farther than this is no answer.
const COARSEST: Share = Share(200_000_000);

impl Check<'_, '_> {
    pub(super) fn capacity(
        &mut self,
        raw: &raw::Root,
        traffic: &[Traffic],
        faults: &[Fault],
        target: Option<&Target>,
    ) -> Option<Capacity> {
        let at = raw.capacity.as_ref()?.at;
        let raw = &raw.capacity.as_ref()?.value;
        let searched = match &raw.traffic {
            Some(name) => self.searched(name, traffic),
            None if traffic.len() > 1 => {
                let names = text::list(traffic.iter().map(|t| t.name.as_str()));
                self.reader.wrong(at, "nothing says whose rate is searched", format!("add `traffic:`, one of {names}"));
                None
            }
            None => (!traffic.is_empty()).then_some(0),
        };
        if let Some(replayed) = searched.map(|i| &traffic[i]).filter(|t| matches!(t.arrivals, Arrivals::Replay(_))) {
            let what = format!("`{}` replays recorded arrivals, which come at their own rate", replayed.name);
            self.reader.wrong(at, what, "search it with `arrivals: poisson` or `even`");
        }
        let mut capacity = Capacity::of(searched.unwrap_or(0));
        (capacity.from, capacity.up_to) = (raw.from.map(|r| r.value), raw.up_to.map(|r| r.value));
        if let Some(zero) = raw.from.iter().chain(&raw.up_to).find(|rate| rate.value.0 == 0) {
            self.reader.wrong(zero.at, "a rate of nothing", "write a rate above 0, such as 50/s");
        }
        if let (Some(from), Some(up_to)) = (raw.from, raw.up_to)
            && from.value > up_to.value
        {
            let what = format!("the highest rate is below the first, {}", from.value);
            self.reader.wrong(up_to.at, what, "write `up_to` above `from`");
        }
        if let Some(resolution) = raw.resolution {
            if resolution.value < FINEST || resolution.value > COARSEST {
                self.reader.wrong(resolution.at, "a search comes as close as 0.5% to 20%", "write 5%");
            }
            capacity.resolution = resolution.value;
        }
        if let Some(probe) = raw.probe {
            if probe.value < SHORTEST || probe.value > LONGEST {
                self.reader.wrong(probe.at, "a probe lasts 1s to 10m", "write 10s, or more for tail quantiles");
            }
            capacity.probe = self.on_axis(&probe);
        } else {
            capacity.probe = self.scaled(capacity.probe);
        }
        capacity.warm_up = match raw.warm_up {
            Some(warm_up) => self.on_axis(&warm_up),
            None => self.scaled(capacity.warm_up),
        };
        capacity.max_time = raw.max_time.map(|length| length.value);
        let without = raw.without.as_ref().map(|without| without.value.as_slice()).unwrap_or_default();
        for (i, name) in without.iter().enumerate() {
            let fault = faults.iter().position(|fault| fault.name == name.value).map(Without::Fault);
            let replica = || (name.value == Without::REPLICA).then_some(Without::Replica);
            match fault.or_else(replica) {
                Some(found) if capacity.without.contains(&found) => {
                    self.reader.wrong(name.at, format!("`{}` stands here twice", name.value), "leave one out");
                }
                Some(Without::Replica) if target.is_some_and(|target| target.replicas() < 2) => {
                    self.within(&format!("without.{i}"), |c| {
                        let remedy =
                            "give the target several addresses, or a practice target `replicas: 3`, or leave it out";
                        c.reader.wrong(name.at, "without its only replica nothing is left of the target", remedy);
                    });
                }
                Some(found) => capacity.without.push(found),
                None if self.reader.is_broken(&format!("faults.{}", name.value)) => {}
                None => {
                    let remedy = text::suggest(&name.value, faults.iter().map(|f| f.name.as_str()).collect::<Vec<_>>());
                    self.within(&format!("without.{i}"), |c| {
                        c.reader.wrong(name.at, format!("`{}` is no fault of this scenario", name.value), remedy);
                    });
                }
            }
        }
        searched.map(|_| capacity)
    }

    fn searched(&mut self, name: &At<String>, traffic: &[Traffic]) -> Option<usize> {
        let found = traffic.iter().position(|t| t.name == name.value);
        if found.is_none() && !self.reader.is_broken(&format!("traffic.{}", name.value)) {
            let what = format!("`{}` is no traffic of this scenario", name.value);
            let remedy = text::suggest(&name.value, traffic.iter().map(|t| t.name.as_str()).collect::<Vec<_>>());
            self.reader.wrong(name.at, what, remedy);
        }
        found
    }

    /// The claim of a promise about capacity, if it can be read; `None` when it is about something else.
    pub(super) fn capacity_claim(
        &mut self,
        expect: &At<String>,
        promql: Option<&At<String>>,
        traffic: &[Traffic],
    ) -> Option<Option<Claim>> {
        if promql.is_some() {
            return None;
        }
        let known: Vec<&str> = traffic.iter().map(|t| t.name.as_str()).collect();
        let read = capacity::parse(&expect.value, &known)?;
        Some(self.unless_told(expect, read.map(Claim::Capacity)))
    }

    /// A capacity is searched, and once.
    pub(super) fn fits_capacity(&mut self, promise: &Promise, raw: &raw::Promise, root: &raw::Root) {
        let place = promise.place;
        if root.capacity.is_none() {
            let remedy = "add `capacity: {}`: the scenario is then searched and not just run";
            self.reader.wrong(place, "nothing here searches a capacity", remedy);
        }
        if promise.window != Window::Measured || promise.each.is_some() {
            let what = "a capacity is that of the whole search";
            self.reader.wrong(place, what, "leave out windows and `each`; under faults it is searched by `without`");
        }
        let of_others = [raw.steady.map(|x| x.at), raw.stable.map(|x| x.at), raw.confidence.map(|x| x.at)];
        for at in of_others.into_iter().flatten().chain(raw.look_back.as_ref().map(|x| x.at)) {
            let what = "a promise about capacity is decided by the range of the knee alone";
            self.reader.wrong(at, what, "leave it out");
        }
    }
}
