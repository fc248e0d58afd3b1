//! The outside world: stub quoters and links.

use std::time::Duration;

use super::super::raw;
use super::super::shape::At;
use super::super::stub::{StubReply, Upstream};
use super::Check;
use crate::base::law::Law;
use crate::base::net::Address;
use crate::base::text;
use crate::base::units::Share;

/// Quoters whose replies a stub can give.
const QUOTERS: [&str; 4] = ["jupiter", "dflow", "quicknode", "blxr"];

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
                self.forwards(upstream);
                if upstream.like.is_none()
                    && upstream.forward.is_none()
                    && upstream.replies.as_ref().is_none_or(Vec::is_empty)
                    && !self.reader.is_broken(&format!("upstreams.{}", name.value))
                {
                    self.reader.wrong(
                        name.at,
                        format!("`{}` has nothing to answer", name.value),
                        "say `like: jupiter`, write `replies`, or `forward: https://…`",
                    );
                }
                if let Some(calls) = upstream.calls.filter(|c| c.value <= 0.0) {
                    self.reader.wrong(calls.at, "calls per shot are above 0", "leave it out when you do not know");
                }
                let tls = upstream.tls.as_ref().map(|tls| tls.place);
                let upstream = Upstream {
                    name: name.value.clone(),
                    like: upstream.like.as_ref().map(|l| l.value.clone()),
                    listen: upstream.listen.as_ref().map(|l| l.value.clone()),
                    latency: upstream.latency.as_ref().map_or(Law::Fixed(Duration::ZERO), |law| self.law(law)),
                    success: upstream.success.map_or(Share::ALL, |s| s.value),
                    rate_limit: upstream.rate_limit.as_ref().map(|limit| self.limit(limit.rate, limit.burst)),
                    replies: upstream.replies.iter().flatten().map(|r| self.stub_reply(r)).collect(),
                    calls: upstream.calls.map(|c| c.value),
                    tls: upstream.tls.as_ref().map(|raw| self.within("tls", |c| c.tls(raw))),
                    forward: upstream.forward.as_ref().and_then(|to| self.address(to, &[])),
                };
                let encrypted = upstream.forward.as_ref().is_some_and(Address::is_tls);
                if let Some(place) = tls.filter(|_| !encrypted) {
                    let remedy = "write `forward: https://…`, or leave `tls` out";
                    self.reader.wrong(place, "`tls` without TLS: nothing is passed on over https://", remedy);
                }
                self.reader.leave();
                upstream
            })
            .collect()
    }

    /// What passes requests on has no replies of its own, and no say in how they come about.
    fn forwards(&mut self, raw: &raw::Upstream) {
        let own = [
            ("like", raw.like.as_ref().map(|l| l.at)),
            ("latency", raw.latency.as_ref().map(|l| l.at)),
            ("success", raw.success.map(|s| s.at)),
            ("rate_limit", raw.rate_limit.as_ref().map(|r| r.place)),
            ("replies", raw.replies.as_ref().and_then(|r| r.first()).map(|r| r.place)),
        ];
        for (key, at) in own {
            if let Some(at) = at.filter(|_| raw.forward.is_some()) {
                let remedy = "leave it out, and break replies by `faults`; or leave `forward` out";
                self.reader.wrong(at, format!("`{key}` beside `forward`: replies are the real one's"), remedy);
            }
        }
    }

    fn stub_reply(&mut self, raw: &raw::StubReply) -> StubReply {
        StubReply {
            path: self.path(&raw.path),
            status: raw.status.and_then(|s| self.status(&s)).unwrap_or(200),
            media: raw.media.as_ref().map_or_else(|| "application/json".into(), |m| m.value.clone()),
            body: raw.body.value.clone(),
        }
    }

    /// A real service must know where the stub is before the run: the address cannot be left to chance.
    pub(super) fn listen(&mut self, name: &At<String>, listen: Option<&At<String>>, practice: bool) {
        match listen {
            Some(listen) => self.host_port(listen),
            None if !practice => {
                let what = format!("`{}` needs an address: the target was configured before the run", name.value);
                self.reader.wrong(name.at, what, "add `listen: 127.0.0.1:PORT` and point the target at it");
            }
            None => {}
        }
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
}

/// Whether the target is one of our own, which we tell where the stubs are.
pub(super) fn practice(raw: &raw::Root) -> bool {
    match &raw.target {
        raw::Target::Word(word) => word.value.starts_with("sim:"),
        raw::Target::Map(map) => map.sim.is_some(),
    }
}
