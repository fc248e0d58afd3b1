//! The outside world: stub quoters, links, and what breaks in them.

use std::time::Duration;

use super::super::fault::{Fault, Inject, On};
use super::super::raw;
use super::super::shape::At;
use super::super::stub::{Link, RateLimit, StubReply, Upstream};
use super::super::traffic::Traffic;
use super::Check;
use super::traffic::end;
use crate::base::law::Law;
use crate::base::text;
use crate::base::units::{self, Share};

/// Quoters whose replies a stub can give.
const QUOTERS: [&str; 4] = ["jupiter", "dflow", "quicknode", "blxr"];
/// What a fault can act on, but not yet.
const PLANNED: [&str; 4] = ["link", "process", "kafka", "hook"];
/// How long after its planned end a fault is undone at the latest, unless the scenario says otherwise.
const GRACE: Duration = Duration::from_secs(10);

impl Check<'_, '_> {
    pub(super) fn upstreams(&mut self, raw: &raw::Root) -> Vec<Upstream> {
        let practice = practice(raw);
        let named = raw.upstreams.iter().flat_map(|u| &u.0);
        named
            .map(|(name, upstream)| {
                self.reader.enter(&name.value);
                self.name(name);
                self.listen(name, upstream.listen.as_ref(), practice);
                if let Some(like) = upstream.like.as_ref().filter(|l| !QUOTERS.contains(&l.value.as_str())) {
                    self.reader.wrong(
                        like.at,
                        format!("`{}` is no quoter we know", like.value),
                        text::suggest(&like.value, QUOTERS),
                    );
                }
                if upstream.like.is_none()
                    && upstream.replies.as_ref().is_none_or(Vec::is_empty)
                    && !self.reader.is_broken(&format!("upstreams.{}", name.value))
                {
                    self.reader.wrong(
                        name.at,
                        format!("`{}` has nothing to answer", name.value),
                        "say `like: jupiter`, or write `replies`",
                    );
                }
                if let Some(calls) = upstream.calls.filter(|c| c.value <= 0.0) {
                    self.reader.wrong(calls.at, "calls per shot are above 0", "leave it out when you do not know");
                }
                let upstream = Upstream {
                    name: name.value.clone(),
                    like: upstream.like.as_ref().map(|l| l.value.clone()),
                    listen: upstream.listen.as_ref().map(|l| l.value.clone()),
                    latency: upstream.latency.as_ref().map_or(Law::Fixed(Duration::ZERO), |law| self.law(law)),
                    success: upstream.success.map_or(Share::ALL, |s| s.value),
                    rate_limit: upstream.rate_limit.as_ref().map(|limit| self.rate_limit(limit)),
                    replies: upstream.replies.iter().flatten().map(|r| self.stub_reply(r)).collect(),
                    calls: upstream.calls.map(|c| c.value),
                };
                self.reader.leave();
                upstream
            })
            .collect()
    }

    fn stub_reply(&mut self, raw: &raw::StubReply) -> StubReply {
        StubReply {
            path: self.path(&raw.path),
            status: raw.status.and_then(|s| self.status(&s)).unwrap_or(200),
            media: raw.media.as_ref().map_or_else(|| "application/json".into(), |m| m.value.clone()),
            body: raw.body.value.clone(),
        }
    }

    pub(super) fn links(&mut self, raw: &raw::Root) -> Vec<Link> {
        let practice = practice(raw);
        let named = raw.links.iter().flat_map(|l| &l.0);
        named
            .map(|(name, link)| {
                self.name(name);
                self.listen(name, link.listen.as_ref(), practice);
                self.leads_to(&link.to, raw);
                Link {
                    name: name.value.clone(),
                    listen: link.listen.as_ref().map(|l| l.value.clone()),
                    to: link.to.value.clone(),
                }
            })
            .collect()
    }

    /// Where a link leads: an address, or a stub quoter.
    fn leads_to(&mut self, to: &At<String>, raw: &raw::Root) {
        let Some(upstream) = to.value.strip_prefix("upstream/") else { return self.host_port(to) };
        let names: Vec<&str> = raw.upstreams.iter().flat_map(|u| &u.0).map(|(name, _)| name.value.as_str()).collect();
        if !names.contains(&upstream) {
            let what = format!("`{upstream}` is no upstream of this scenario");
            self.reader.wrong(to.at, what, text::suggest(upstream, names.iter().copied()));
        }
    }

    /// A real service must know where the stub is before the run: the address cannot be left to chance.
    fn listen(&mut self, name: &At<String>, listen: Option<&At<String>>, practice: bool) {
        match listen {
            Some(listen) => self.host_port(listen),
            None if !practice => {
                let what = format!("`{}` needs an address: the target was configured before the run", name.value);
                self.reader.wrong(name.at, what, "add `listen: 127.0.0.1:PORT` and point the target at it");
            }
            None => {}
        }
    }

    fn rate_limit(&mut self, raw: &raw::RateLimit) -> RateLimit {
        let burst = u32::try_from(raw.burst.value).ok().filter(|b| *b >= 1);
        if burst.is_none() {
            self.reader.wrong(raw.burst.at, "a burst is at least 1", "write `burst: 1` or more");
        }
        RateLimit { rate: raw.rate.value, burst: burst.unwrap_or(1) }
    }

    pub(super) fn law(&mut self, raw: &At<raw::Law>) -> Law {
        let wrong = |check: &mut Self, what: &str, remedy: &str| {
            check.reader.wrong(raw.at, what, remedy);
            Law::Fixed(Duration::ZERO)
        };
        let kind = match &raw.value {
            raw::Law::Fixed(length) => return Law::Fixed(*length),
            raw::Law::Kind(kind) => kind,
        };
        match kind {
            raw::LawKind::Fixed(length) => Law::Fixed(length.value),
            raw::LawKind::Uniform(range) => match range.as_slice() {
                [low, high] if low.value <= high.value => Law::Uniform(low.value, high.value),
                _ => wrong(self, "not a range of lengths", "write `uniform: [10ms, 20ms]`"),
            },
            raw::LawKind::Normal(law) => Law::Normal { mean: law.mean.value, sd: law.sd.value },
            raw::LawKind::Lognormal(law) if law.sigma.value >= 0.0 && law.sigma.value <= 10.0 => {
                Law::Lognormal { median: law.median.value, sigma: law.sigma.value }
            }
            raw::LawKind::Lognormal(_) => wrong(self, "sigma is 0 to 10", "write one, such as 0.5"),
            raw::LawKind::Pareto(law) if law.alpha.value > 0.0 => {
                Law::Pareto { min: law.min.value, alpha: law.alpha.value }
            }
            raw::LawKind::Pareto(_) => wrong(self, "alpha is above 0", "write one, such as 1.5"),
            raw::LawKind::Quantiles(points) => self.quantiles(&points.0, raw),
        }
    }

    fn quantiles(&mut self, points: &[(At<String>, At<Duration>)], raw: &At<raw::Law>) -> Law {
        let mut read: Vec<(f64, Duration)> = Vec::new();
        for (name, length) in points {
            match super::super::Quantile::parse(&name.value) {
                Some(q) => read.push((q.fraction(), length.value)),
                None => self.reader.wrong(name.at, format!("`{}` is no quantile", name.value), "write p50, p95, p99.9"),
            }
        }
        let rising = read.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1);
        if read.is_empty() || !rising || read.iter().any(|p| p.1.is_zero()) {
            self.reader.wrong(
                raw.at,
                "quantiles rise, and so do their lengths, from above 0",
                "write { p50: 120ms, p95: 280ms }",
            );
        }
        Law::Quantiles(read)
    }

    pub(super) fn faults(&mut self, raw: &raw::Root, upstreams: &[Upstream], traffic: &[Traffic]) -> Vec<Fault> {
        let limits = raw.limits.as_ref();
        let most_share = limits.and_then(|l| l.share).map_or(Share::ALL, |s| s.value);
        let most_ttl = limits.and_then(|l| l.ttl).map_or(Duration::from_secs(600), |t| t.value);
        let most_faults = limits.and_then(|l| l.faults).map_or(4, |f| f.value);
        let end = end(traffic);
        let named = raw.faults.iter().flat_map(|f| &f.0);
        let mut faults: Vec<Fault> = Vec::new();
        for (name, fault) in named {
            self.reader.enter(&name.value);
            self.name(name);
            let on = self.on(&fault.on, upstreams);
            let (at, length) = (self.on_axis(&fault.at), self.lasting(&fault.r#for));
            if !self.reader.is_broken("traffic") && at + length > end {
                let what = format!(
                    "`{}` lasts until {}, the load ends at {}",
                    name.value,
                    units::duration(at + length),
                    units::duration(end)
                );
                self.reader.wrong(fault.at.at, what, "begin it earlier, shorten it, or lengthen the load");
            }
            let share = fault.share.map_or(Share::ALL, |s| s.value);
            let share_at = fault.share.map_or(name.at, |s| s.at);
            if share == Share::NONE {
                self.reader.wrong(share_at, "a share of nothing", "write more than 0%");
            } else if share > most_share {
                self.reader.wrong(
                    share_at,
                    format!("a share of {share} is above `limits.share`, {most_share}"),
                    "lower one or raise the other",
                );
            }
            let ttl = fault.ttl.map_or(length + GRACE, |t| t.value);
            if ttl < length {
                self.reader.wrong(
                    fault.ttl.map_or(name.at, |t| t.at),
                    "the ttl is shorter than the fault",
                    "leave it out, or make it longer",
                );
            }
            if length > most_ttl {
                self.reader.wrong(
                    fault.r#for.at,
                    format!("longer than `limits.ttl`, {}", units::duration(most_ttl)),
                    "shorten it, or raise the limit",
                );
            }
            let inject = match &fault.inject.value {
                raw::Inject::Timeout(_) => Inject::Timeout,
                raw::Inject::RateLimit(limit) => Inject::RateLimit(self.rate_limit(limit)),
            };
            let at_once = faults.iter().filter(|f| f.at < at + length && at < f.at + f.length).count() as u64 + 1;
            if at_once > most_faults {
                self.reader.wrong(
                    fault.at.at,
                    format!("{at_once} faults at once, `limits.faults` is {most_faults}"),
                    "spread them out, or raise the limit",
                );
            }
            self.reader.leave();
            let Some(on) = on else { continue };
            faults.push(Fault {
                name: name.value.clone(),
                on,
                inject,
                share,
                at,
                length,
                ttl: ttl.min(most_ttl),
                place: name.at,
            });
        }
        faults
    }

    fn on(&mut self, on: &At<String>, upstreams: &[Upstream]) -> Option<On> {
        let (kind, name) = on.value.split_once('/').unwrap_or((&on.value, ""));
        if PLANNED.contains(&kind) {
            self.reader.wrong(on.at, format!("faults on `{kind}` are planned, not built"), "built: upstream/NAME");
            return None;
        }
        let names: Vec<&str> = upstreams.iter().map(|u| u.name.as_str()).collect();
        match (kind, names.iter().position(|n| *n == name)) {
            ("upstream", Some(i)) => Some(On::Upstream(i)),
            ("upstream", None) if self.reader.is_broken(&format!("upstreams.{name}")) => None,
            ("upstream", None) => {
                self.reader.wrong(
                    on.at,
                    format!("`{name}` is no upstream of this scenario"),
                    text::suggest(name, names),
                );
                None
            }
            _ => {
                self.reader.wrong(on.at, format!("`{}` is nothing to act on", on.value), "write upstream/NAME");
                None
            }
        }
    }
}

/// Whether the target is one of our own, which we tell where the stubs are.
fn practice(raw: &raw::Root) -> bool {
    match &raw.target {
        raw::Target::Word(word) => word.value.starts_with("sim:"),
        raw::Target::Map(map) => map.sim.is_some(),
    }
}
