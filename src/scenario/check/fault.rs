//! What breaks, and when.

use std::time::Duration;

use super::super::fault::{Fault, Match, On, Process, Ramp, Repeat, When};
use super::super::kafka::Kafka;
use super::super::raw;
use super::super::shape::{At, Names};
use super::super::stub::{Link, Upstream};
use super::super::traffic::Traffic;
use super::super::world::{Hook, Program};
use super::super::{Inject, Place, Target};
use super::Check;
use super::traffic::end;
use crate::base::text;
use crate::base::units::{self, Share};
use crate::scenario::inject::{HttpFault, ResetAt};

/// How long after its planned end a fault is undone at the latest, unless the scenario says otherwise.
const GRACE: Duration = Duration::from_secs(10);
/// The most that a fault may repeat.
const MOST_TIMES: u32 = 1000;

/// What a fault acts on, as far as it decides which kinds and keys fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Upstream,
    Link,
    Kafka,
    Process,
    Docker,
    Hook,
}

/// Everything that a fault can act on.
pub(super) struct World<'a> {
    pub target: Option<&'a Target>,
    pub upstreams: &'a [Upstream],
    pub links: &'a [Link],
    pub kafka: &'a [Kafka],
    pub programs: &'a [Program],
    pub hooks: &'a [Hook],
}

/// What all faults share.
struct Bounds {
    end: Duration,
    share: Share,
    ttl: Duration,
    faults: u64,
}

impl Check<'_, '_> {
    pub(super) fn faults(&mut self, raw: &raw::Root, world: &World<'_>, traffic: &[Traffic]) -> Vec<Fault> {
        let limits = raw.limits.as_ref();
        let bounds = Bounds {
            end: end(traffic),
            share: limits.and_then(|l| l.share).map_or(Share::ALL, |s| s.value),
            ttl: limits.and_then(|l| l.ttl).map_or(Duration::from_secs(600), |t| t.value),
            faults: limits.and_then(|l| l.faults).map_or(4, |f| f.value),
        };
        let mut faults: Vec<Fault> = Vec::new();
        for (name, fault) in raw.faults.iter().flat_map(|f| &f.0) {
            let read = self.within(&name.value, |c| c.fault(name, fault, world, &bounds));
            let Some(read) = read else { continue };
            let planned = read.occurrences();
            let meets = |other: &&Fault| {
                let spans = other.occurrences();
                planned.iter().any(|span| spans.iter().any(|other| span.overlap(*other).is_some()))
            };
            let at_once = faults.iter().filter(meets).count() as u64 + 1;
            if at_once > bounds.faults {
                let what = format!("{at_once} faults at once, `limits.faults` is {}", bounds.faults);
                let remedy = "spread them out, or raise the limit";
                self.within(&name.value, |c| c.reader.wrong(fault.at.at, what, remedy));
            }
            faults.push(read);
        }
        self.one_at_a_time(&faults);
        faults
    }

    fn fault(&mut self, name: &At<String>, raw: &raw::Fault, world: &World<'_>, bounds: &Bounds) -> Option<Fault> {
        self.name(name);
        let broker = self.broker(raw);
        let (family, on) = self.on(&raw.on, broker, world);
        let (at, length) = (self.on_axis(&raw.at), self.lasting(&raw.r#for));
        let repeat = raw.repeat.as_ref().and_then(|repeat| self.repeat(repeat, length));
        let ramp = raw.ramp.as_ref().map(|ramp| self.ramp(ramp, length));
        let share = self.share(name.at, raw, ramp, bounds.share);
        let ttl = raw.ttl.map_or(length + GRACE, |t| t.value);
        if ttl < length {
            let at = raw.ttl.map_or(name.at, |t| t.at);
            self.reader.wrong(at, "the ttl is shorter than the fault", "leave it out, or make it longer");
        }
        if length > bounds.ttl {
            let what = format!("longer than `limits.ttl`, {}", units::duration(bounds.ttl));
            self.reader.wrong(raw.r#for.at, what, "shorten it, or raise the limit");
        }
        let inject = self.within("inject", |c| c.inject(&raw.inject, family?));
        let fault = Fault {
            name: name.value.clone(),
            matching: raw.r#match.as_ref().map_or(Match::default(), |m| self.within("match", |c| c.matching(m))),
            when: raw.when.as_ref().map_or(When::Always, |w| self.when(w)),
            share,
            ramp,
            mark: raw.mark.is_some_and(|mark| mark.value),
            at,
            length,
            repeat,
            ttl: ttl.min(bounds.ttl),
            place: name.at,
            on: on?,
            inject: inject?,
        };
        self.of_requests(raw, family?, &fault.inject);
        self.of_stubs(raw, &fault, world);
        self.of_link(raw, &fault, world.links);
        self.of_kafka(raw, &fault, world.kafka);
        self.process_fault(raw, &fault, world.target);
        if !self.reader.is_broken("traffic") && fault.end() > bounds.end {
            let (last, end) = (units::duration(fault.end()), units::duration(bounds.end));
            let what = format!("`{}` lasts until {last}, the load ends at {end}", name.value);
            self.reader.wrong(raw.at.at, what, "begin it earlier, shorten it, or lengthen the load");
        }
        Some(fault)
    }

    /// What it acts on; and of which family that is, also where it is not there.
    fn on(&mut self, on: &At<String>, broker: Option<u32>, world: &World<'_>) -> (Option<Family>, Option<On>) {
        let (kind, name) = on.value.split_once('/').unwrap_or((&on.value, ""));
        let names = |c: &mut Self, key: &str, names: Vec<&str>, what: &str| {
            let found = names.iter().position(|n| *n == name);
            if found.is_none() && !c.reader.is_broken(&format!("{key}.{name}")) {
                let what = format!("`{name}` is no {what} of this scenario");
                c.reader.wrong(on.at, what, text::suggest(name, names));
            }
            found
        };
        match kind {
            "upstream" => {
                let all = world.upstreams.iter().map(|u| u.name.as_str()).collect();
                (Some(Family::Upstream), names(self, "upstreams", all, "upstream").map(On::Upstream))
            }
            "link" => {
                let all = world.links.iter().map(|l| l.name.as_str()).collect();
                (Some(Family::Link), names(self, "links", all, "link").map(On::Link))
            }
            "process" if name == "target" => (Some(Family::Process), Some(On::Process(Process::Target))),
            "process" if name.starts_with(|c: char| c.is_ascii_digit()) => {
                let pid = name.parse::<u32>().ok().filter(|pid| (2..=4_194_304).contains(pid));
                if pid.is_none() {
                    self.reader.wrong(
                        on.at,
                        format!("`{name}` is no process to break"),
                        "write a number from 2 to 4194304",
                    );
                }
                (Some(Family::Process), pid.map(|pid| On::Process(Process::Pid(pid))))
            }
            "process" => {
                let all = world.programs.iter().map(|p| p.name.as_str()).collect();
                let found = names(self, "processes", all, "process");
                (Some(Family::Process), found.map(|i| On::Process(Process::Named(i))))
            }
            "docker" => {
                let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
                let valid = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(valid);
                if !valid {
                    self.reader.wrong(on.at, format!("`{name}` is no name of a container"), "write docker/CONTAINER");
                }
                (Some(Family::Docker), valid.then(|| On::Process(Process::Container(name.into()))))
            }
            "hook" => {
                let all = world.hooks.iter().map(|h| h.name.as_str()).collect();
                (Some(Family::Hook), names(self, "hooks", all, "hook").map(On::Hook))
            }
            "kafka" => {
                let all = world.kafka.iter().map(|k| k.name.as_str()).collect();
                let found = names(self, "kafka", all, "Kafka cluster");
                (Some(Family::Kafka), found.map(|cluster| On::Kafka { cluster, broker }))
            }
            _ => {
                let remedy = "write upstream/NAME, link/NAME, process/NAME, process/target, process/PID, docker/CONTAINER, kafka/NAME or hook/NAME";
                self.reader.wrong(on.at, format!("`{}` is nothing to act on", on.value), remedy);
                (None, None)
            }
        }
    }

    fn share(&mut self, name: Place, raw: &raw::Fault, ramp: Option<Ramp>, most: Share) -> Share {
        if let (Some(share), Some(_)) = (raw.share, ramp) {
            self.reader.wrong(share.at, "`share` beside `ramp`, which is a share", "keep one of the two");
        }
        let given = raw.share.map_or(Share::ALL, |s| s.value);
        let share = ramp.map_or(given, |ramp| ramp.from.max(ramp.to));
        let at = raw.ramp.as_ref().map(|r| r.to.at.max(r.from.at)).or(raw.share.map(|s| s.at)).unwrap_or(name);
        if share == Share::NONE {
            self.reader.wrong(at, "a share of nothing", "write more than 0%");
        } else if share > most {
            let what = format!("a share of {share} is above `limits.share`, {most}");
            self.reader.wrong(at, what, "lower one or raise the other");
        }
        share
    }

    fn ramp(&mut self, raw: &raw::Ramp, length: Duration) -> Ramp {
        let over = self.lasting(&raw.over);
        if over > length {
            let what = format!("the ramp takes {}, the fault {}", units::duration(over), units::duration(length));
            self.reader.wrong(raw.over.at, what, "shorten `over`, or lengthen `for`");
        }
        if raw.from.value == raw.to.value && raw.to.value != Share::NONE {
            self.reader.wrong(raw.to.at, "a ramp that goes nowhere", "write `share` instead");
        }
        Ramp { from: raw.from.value, to: raw.to.value, over }
    }

    fn repeat(&mut self, raw: &raw::Repeat, length: Duration) -> Option<Repeat> {
        let every = self.lasting(&raw.every);
        if every <= length {
            let what = format!("begins again after {} and lasts {}", units::duration(every), units::duration(length));
            self.reader.wrong(raw.every.at, what, "write an `every` longer than `for`");
            return None;
        }
        let times = u32::try_from(raw.times.value).ok().filter(|n| (2..=MOST_TIMES).contains(n));
        if times.is_none() {
            self.reader.wrong(
                raw.times.at,
                format!("times are 2 to {MOST_TIMES}"),
                "write how often in all, or leave `repeat` out",
            );
        }
        times.map(|times| Repeat { every, times })
    }

    fn when(&mut self, raw: &At<raw::When>) -> When {
        let (number, when): (_, fn(u64) -> When) = match &raw.value {
            raw::When::First(n) => (n, When::First),
            raw::When::Every(n) => (n, When::Every),
            raw::When::Nth(n) => (n, When::Nth),
        };
        if number.value == 0 {
            self.reader.wrong(number.at, "requests are counted from 1", "write 1 or more");
        }
        when(number.value)
    }

    fn matching(&mut self, raw: &raw::Match) -> Match {
        if raw.method.is_none()
            && raw.path.is_none()
            && raw.header.is_none()
            && raw.query.is_none()
            && !self.reader.is_broken_here()
        {
            self.reader.wrong(
                raw.place,
                "`match` says nothing",
                "name a method, a path, a header or a query, or leave it out",
            );
        }
        if let Some(method) = raw.method.as_ref().filter(|m| !is_method(&m.value)) {
            self.reader.wrong(
                method.at,
                format!("`{}` is no method", method.value),
                "write it in capitals, such as GET",
            );
        }
        if let Some(path) = &raw.path {
            let (whole, star) = path.value.split_once('*').unwrap_or((&path.value, ""));
            if !whole.starts_with('/') || !star.is_empty() || !whole.chars().all(|c| c.is_ascii_graphic() && c != '?') {
                let what = format!("`{}` is no path", path.value);
                self.reader.wrong(
                    path.at,
                    what,
                    "begin with /; only its end may be a *, and the query goes into `query`",
                );
            }
        }
        for (name, value) in raw.header.iter().flat_map(|h| &h.0) {
            if text::looks_secret(&name.value) && value.value != "*" {
                let what = format!("`{}` looks like a secret", name.value);
                self.reader.wrong(value.at.unquoted(), what, "match any value with \"*\", or another header");
            }
        }
        let pairs = |names: &Option<Names<At<String>>>| {
            names.iter().flat_map(|n| &n.0).map(|(name, value)| (name.value.clone(), value.value.clone())).collect()
        };
        Match {
            method: raw.method.as_ref().map(|m| m.value.clone()),
            path: raw.path.as_ref().map(|p| p.value.clone()),
            headers: pairs(&raw.header),
            query: pairs(&raw.query),
        }
    }

    /// Refuses what only a stub can do.
    fn of_stubs(&mut self, raw: &raw::Fault, fault: &Fault, world: &World<'_>) {
        let On::Upstream(upstream) = fault.on else { return };
        if matches!(fault.inject, Inject::Http(HttpFault::Stale { .. })) && world.upstreams[upstream].forward.is_some()
        {
            let what = format!("nobody knows what `{}` said earlier", world.upstreams[upstream].name);
            self.reader.wrong(raw.inject.at, what, "let a stub be stale: `like` instead of `forward`");
        }
    }

    /// Refuses a mark where there is no reply to bear it.
    fn of_replies(&mut self, raw: &raw::Fault, inject: &Inject) {
        let silent = matches!(inject, Inject::Http(HttpFault::Timeout | HttpFault::Reset(ResetAt::Before)));
        if let Some(mark) = raw.mark.filter(|_| silent) {
            let what = format!("`mark` does not fit: `{}` leaves no reply", inject.word());
            self.reader.wrong(mark.at, what, "leave it out");
        }
    }

    /// Refuses what speaks of requests where a fault strikes none one by one.
    fn of_requests(&mut self, raw: &raw::Fault, family: Family, inject: &Inject) {
        let refuses = *inject == Inject::Http(HttpFault::Refuse);
        let unit = match family {
            Family::Upstream if refuses => "`refuse` takes no connection at all",
            Family::Upstream => return self.of_replies(raw, inject),
            Family::Link => "a link knows connections, not requests",
            Family::Kafka if Self::strikes_connections(inject) => "it strikes connections, not requests",
            Family::Kafka | Family::Process | Family::Docker | Family::Hook => "it strikes as a whole",
        };
        let keys = [
            ("match", raw.r#match.as_ref().map(|m| m.place)),
            ("when", raw.when.as_ref().map(|w| w.at)),
            ("ramp", raw.ramp.as_ref().map(|r| r.place)),
            ("mark", raw.mark.map(|m| m.at)),
            // Of links and of clusters that are struck as links are, the share of connections.
            ("share", raw.share.map(|s| s.at).filter(|_| !matches!(inject, Inject::Link(..)))),
        ];
        for (key, at) in keys {
            if let Some(at) = at {
                self.reader.wrong(at, format!("`{key}` does not fit: {unit}"), "leave it out");
            }
        }
    }
}

/// Whether a text is an HTTP method.
pub(super) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '-')
}
