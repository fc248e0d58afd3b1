//! What must be pointed where.

use std::fmt::Write as _;

use crate::base::{text, units};
use crate::plan::{Plan, streams};
use crate::scenario::{COMES_TO_KAFKA, Kafka, Lead, Link, Scenario, System, kafka};

/// What must be pointed where.
pub(super) fn wiring(scenario: &Scenario, plan: &Plan, out: &mut String) {
    match &scenario.target.system {
        System::Sim { name, .. } => {
            let _ = writeln!(out, "target sim:{name}: started, pointed at the stage and stopped by the run");
        }
        System::Services(services) => {
            for service in services {
                for address in &service.addresses {
                    let _ = writeln!(out, "target {} at {address}", service.name);
                }
            }
            for (i, upstream) in scenario.upstreams.iter().enumerate() {
                if scenario.links.iter().all(|link| link.to != Lead::Upstream(i)) {
                    let place = upstream.listen.as_deref().unwrap_or("?");
                    let _ = writeln!(out, "point the target's {} at http://{place}", upstream.name);
                }
            }
        }
    }
    for link in &scenario.links {
        let _ = writeln!(out, "{}", way(scenario, link));
    }
    for kafka in &scenario.kafka {
        let _ = writeln!(out, "{}", cluster(scenario, kafka));
    }
    for stream in streams(scenario) {
        let Some(kept) = stream.kept(plan) else { continue };
        let _ = writeln!(
            out,
            "an embedded cluster keeps the last {} of {} at the peak, at worst: keys spread evenly, messages of about {} B, each a batch",
            units::measured(kept),
            scenario.traffic[stream.traffic].name,
            stream.bytes,
        );
    }
    for (position, traffic) in scenario.traffic.iter().enumerate() {
        let faults: Vec<&str> =
            scenario.resending(position).map(|fault| scenario.faults[fault].name.as_str()).collect();
        if !faults.is_empty() {
            let _ = writeln!(
                out,
                "{} may be twice in the embedded cluster itself, by {}: `duplicated` does not blame the target for those",
                traffic.name,
                text::list(faults),
            );
        }
    }
    for job in &scenario.jobs {
        let _ = writeln!(out, "scrapes {} every {}", job.name, units::duration(job.every));
    }
}

/// Who comes by a link, and who has to see to it.
fn way(scenario: &Scenario, link: &Link) -> String {
    let practice = matches!(scenario.target.system, System::Sim { .. });
    let (name, place) = (&link.name, link.listen.as_deref().unwrap_or("a free port"));
    match &link.to {
        Lead::Upstream(upstream) if practice => {
            format!("the target reaches {} by the link {name}", scenario.upstreams[*upstream].name)
        }
        Lead::Upstream(upstream) => {
            format!("point the target's {} at http://{place}, the link {name}", scenario.upstreams[*upstream].name)
        }
        Lead::Service(service) => {
            format!("traffic reaches {} by the link {name}", service.as_deref().unwrap_or("the target"))
        }
        Lead::Address(to) if practice => {
            format!("the link {name} leads from {place} to {to}; no practice target uses it")
        }
        Lead::Address(to) => format!("point the target at {place} instead of {to}, the link {name}"),
        Lead::Toxiproxy(toxiproxy) => format!(
            "the link {name} is the proxy {} of the toxiproxy server at {}; {place} leads there too",
            toxiproxy.proxy, toxiproxy.server
        ),
    }
}

/// Where a Kafka cluster is, and who has to see to it.
fn cluster(scenario: &Scenario, kafka: &Kafka) -> String {
    let name = &kafka.name;
    let comes = |system: &str| COMES_TO_KAFKA.contains(&system);
    let whom = match &scenario.target.system {
        System::Sim { name, .. } if comes(name) => None,
        System::Sim { .. } => Some("no practice target of this kind comes to it"),
        System::Services(_) => Some(""),
    };
    let place = match (&kafka.cluster, &kafka.listen) {
        (kafka::Cluster::Real { proxied: false, .. }, _) => kafka.direct().unwrap_or_default(),
        (_, Some(listen)) => listen.clone(),
        (_, None) => "free ports".into(),
    };
    let what = match &kafka.cluster {
        kafka::Cluster::Embedded { brokers, .. } => {
            format!("an embedded cluster of {}", text::count((*brokers).into(), "broker"))
        }
        kafka::Cluster::Real { proxied: true, brokers, .. } => format!("the proxy of {}", brokers.join(",")),
        kafka::Cluster::Real { .. } => "a real cluster, with nothing in between".into(),
    };
    match whom {
        None => format!("the target comes to kafka {name} at {place}: {what}"),
        Some("") => format!("point the target's Kafka clients (bootstrap.servers) at {place}: {name}, {what}"),
        Some(nobody) => format!("kafka {name} at {place}: {what}; {nobody}"),
    }
}
