//! Links: where they lead, and what their faults must leave alone.

use super::super::fault::{Fault, On};
use super::super::raw;
use super::super::shape::At;
use super::super::stub::{Lead, Link, Toxiproxy, Upstream};
use super::super::{Inject, System, Target, Toxic};
use super::Check;
use super::outside::practice;
use crate::base::law::Law;
use crate::base::net::{Address, Scheme};
use crate::base::text;
use crate::base::units::Share;

/// The most bits that a link's `corrupt` flips in one of its windows.
const MOST_BITS: u32 = 65_536;

impl Check<'_, '_> {
    pub(super) fn links(&mut self, raw: &raw::Root, upstreams: &[Upstream], target: Option<&Target>) -> Vec<Link> {
        let practice = practice(raw);
        let mut links: Vec<Link> = Vec::new();
        for (name, link) in raw.links.iter().flat_map(|l| &l.0) {
            let read = self.within(&name.value, |c| {
                c.name(name);
                let to = c.lead(name, link, upstreams, target)?;
                // Where the run itself points somebody at a link, its address may be left to chance.
                let found = practice || matches!(to, Lead::Service(_) | Lead::Toxiproxy(_));
                c.listen(name, link.listen.as_ref(), found);
                let listen = link.listen.as_ref().map(|l| l.value.clone());
                Some(Link { name: name.value.clone(), listen, to })
            });
            let Some(read) = read else { continue };
            let twice = links.iter().find(|l| l.to == read.to && !matches!(l.to, Lead::Address(_)));
            if let Some(other) = twice {
                let what = format!("`{}` leads where `{}` leads: nobody would come this way", name.value, other.name);
                self.within(&name.value, |c| c.reader.wrong(name.at, what, "leave one out"));
            }
            links.push(read);
        }
        links
    }

    fn lead(
        &mut self,
        name: &At<String>,
        raw: &raw::Link,
        upstreams: &[Upstream],
        target: Option<&Target>,
    ) -> Option<Lead> {
        match (&raw.to, &raw.toxiproxy) {
            (Some(to), None) => {
                if let Some(proxy) = &raw.proxy {
                    self.reader.wrong(
                        proxy.at,
                        "`proxy` is a name on a toxiproxy server",
                        "add `toxiproxy:`, or leave it out",
                    );
                }
                self.leads_to(to, upstreams, target)
            }
            (None, Some(server)) => {
                let address = Address::parse(&server.value).ok().filter(|a| a.base.is_empty() && !a.is_tls());
                let place = address.as_ref().and_then(|a| a.tcp());
                let Some((host, _)) = place else {
                    let what = format!("`{}` is no toxiproxy server", server.value);
                    self.reader.wrong(server.at, what, "write its API's address, such as http://127.0.0.1:8474");
                    return None;
                };
                self.allowed(host, server.at);
                let proxy = raw.proxy.as_ref().unwrap_or(name).value.clone();
                Some(Lead::Toxiproxy(Toxiproxy { server: address.map(|a| a.authority())?, proxy }))
            }
            _ => {
                let what = format!("`{}` leads nowhere, or to two places", name.value);
                self.reader.wrong(name.at, what, "write one of `to: HOST:PORT` and `toxiproxy: http://HOST:PORT`");
                None
            }
        }
    }

    fn leads_to(&mut self, to: &At<String>, upstreams: &[Upstream], target: Option<&Target>) -> Option<Lead> {
        let (kind, name) = to.value.split_once('/').unwrap_or((&to.value, ""));
        match kind {
            "upstream" => {
                let names = || upstreams.iter().map(|u| u.name.as_str());
                let found = names().position(|known| known == name);
                if found.is_none() && !self.reader.is_broken(&format!("upstreams.{name}")) {
                    let what = format!("`{name}` is no upstream of this scenario");
                    self.reader.wrong(to.at, what, text::suggest(name, names()));
                }
                found.map(Lead::Upstream)
            }
            "target" => {
                let service = (!name.is_empty()).then(|| name.to_owned());
                if let Some(target) = target {
                    self.leads_to_target(to, service.as_deref(), target);
                }
                Some(Lead::Service(service))
            }
            _ => {
                self.host_port(to);
                Some(Lead::Address(to.value.clone()))
            }
        }
    }

    /// A link carries TCP to one place, and names nobody.
    fn leads_to_target(&mut self, to: &At<String>, service: Option<&str>, target: &Target) {
        let System::Services(services) = &target.system else { return };
        let found = match service {
            None if services.len() > 1 => {
                let what = "the target has several services";
                return self.reader.wrong(to.at, what, format!("write target/{}", services[0].name));
            }
            None => services.first(),
            Some(name) => services.iter().find(|s| s.name == name),
        };
        let Some(found) = found else {
            let name = service.unwrap_or_default();
            let remedy = text::suggest(name, services.iter().map(|s| s.name.as_str()));
            return self.reader.wrong(to.at, format!("`{name}` is no service of the target"), remedy);
        };
        match found.addresses.as_slice() {
            [one] if one.tcp().is_some() && one.scheme == Scheme::Http => {}
            [_] => {
                let remedy = "take the link out, or break something else";
                self.reader.wrong(to.at, "a link leads to plain http:// over TCP", remedy);
            }
            _ => self.reader.wrong(to.at, "a link leads to one place, the service has several", "name one address"),
        }
    }

    /// What a fault asks of its link that it cannot do, or not the same way twice.
    pub(super) fn of_link(&mut self, raw: &raw::Fault, fault: &Fault, links: &[Link]) {
        let (On::Link(link), Inject::Link(toxic, _)) = (&fault.on, &fault.inject) else { return };
        if matches!(toxic, Toxic::Corrupt { bits, .. } if *bits > MOST_BITS) {
            let what = format!("more than {MOST_BITS} bits at once");
            self.reader.wrong(raw.inject.at, what, "flip fewer, `every` fewer bytes");
        }
        if !matches!(links.get(*link).map(|l| &l.to), Some(Lead::Toxiproxy(_))) {
            return;
        }
        if fault.share != Share::ALL {
            let at = raw.share.map_or(raw.on.at, |share| share.at);
            let what = "a toxiproxy server chooses connections by chance, differently each time";
            self.reader.wrong(at, what, "leave `share` out, or use a link of the stage: `to: HOST:PORT`");
        }
        if let Toxic::Latency { law } = toxic
            && !matches!(law, Law::Fixed(_) | Law::Uniform(..))
        {
            let what = "a toxiproxy server knows no such law";
            self.reader.wrong(raw.inject.at, what, "write { latency: 100ms, jitter: 20ms }");
        }
    }
}
