//! `proofload plan`: what a scenario would do, drawn; nothing is sent.

use std::fmt::Write as _;
use std::time::Duration;

use super::load::load;
use crate::base::text;
use crate::base::time::{Offset, Span};
use crate::base::units;
use crate::cli::args::PlanArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::judge::alerts::forecast;
use crate::plan::{
    Foreseen, Phase, Plan, Polls, TrafficPlan, expected_touches, minimum_shots, streams, struck_requests,
};
use crate::scenario::kafka;
use crate::scenario::{
    COMES_TO_KAFKA, Claim, Fault, Inject, Kafka, Kind, Lead, Link, Match, On, Pipeline, Scenario, Seen, System, When,
    part_name,
};

/// Width of the drawn curve, in characters.
const WIDTH: usize = 72;
/// Height of the drawn curve, in lines.
const HEIGHT: usize = 8;

/// Prints the plan of a scenario.
pub fn plan(args: &PlanArgs) -> Exit {
    match load(&args.file, &args.reading) {
        Ok((scenario, plan)) => {
            print::out(&describe(&scenario, &plan));
            Exit::PASS
        }
        Err(mistakes) => {
            print::err(&mistakes.to_string());
            Exit::Usage
        }
    }
}

fn describe(scenario: &Scenario, plan: &Plan) -> String {
    let mut out = String::new();
    let scale = if scenario.time_scale > 1 { format!(", scaled 1:{}", scenario.time_scale) } else { String::new() };
    let _ = writeln!(out, "{} (seed {}{scale})", scenario.name, scenario.seed.0);
    let _ = writeln!(out, "plan {}\n", &plan.digest()[..16]);
    traffic(scenario, plan, &mut out);
    faults(scenario, plan, &mut out);
    promises(scenario, plan, &mut out);
    alerts(scenario, plan, &mut out);
    wiring(scenario, plan, &mut out);
    out
}

fn traffic(scenario: &Scenario, plan: &Plan, out: &mut String) {
    for (i, (traffic, planned)) in scenario.traffic.iter().zip(&plan.traffic).enumerate() {
        let _ = writeln!(out, "{}: {}", traffic.name, amount(planned));
        for phase in plan.timeline.phases.iter().filter(|p| p.traffic == i) {
            let judged = if phase.measured { "" } else { "  (not judged)" };
            let _ = writeln!(
                out,
                "  {:>8}  {:<8} {} for {}{judged}",
                clock(phase.span.start),
                phase.word,
                pace(phase),
                units::duration(phase.span.length())
            );
        }
        let parts: Vec<String> = traffic.parts().iter().map(|part| part_name(&traffic.name, &part.name)).collect();
        if !parts.is_empty() {
            let _ = writeln!(out, "  measured by parts: {}", parts.join(", "));
        }
        let peak = planned.profile.peak();
        if peak > 0.0 {
            let connections = plan.connections(scenario);
            let polls = Polls::of(scenario, plan, i).map_or(0.0, Polls::made);
            let _ = writeln!(
                out,
                "  {connections} connections bind when replies take longer than {} at the peak",
                units::measured(Duration::from_secs_f64(f64::from(connections) / (peak + polls)))
            );
        }
        if let Kind::Pipeline(pipeline) = &traffic.kind {
            followed(pipeline, Polls::of(scenario, plan, i), out);
        }
    }
    out.push('\n');
    curve(scenario, plan, out);
}

/// How what a traffic starts will be followed.
fn followed(pipeline: &Pipeline, polls: Option<Polls>, out: &mut String) {
    if let Some(polls) = polls {
        let takes = units::duration(polls.takes);
        let if_so = match polls.is_expected {
            true => format!("if each takes {takes}"),
            false => format!("if each takes its whole deadline of {takes}; say what it `takes` to know better"),
        };
        let (in_flight, wanted) = (text::thousands(polls.in_flight.ceil() as u64), polls.wanted.ceil() as u64);
        let _ =
            writeln!(out, "  at the peak {in_flight} in flight and about {} polls/s, {if_so}", text::thousands(wanted));
        let budget = text::thousands(polls.budget as u64);
        let _ = match polls.binds() {
            true => writeln!(
                out,
                "  the budget of {budget} polls/s binds: each is asked for every {} or so, and its end known to within that",
                units::measured(Duration::from_secs_f64(polls.in_flight / polls.budget))
            ),
            false => writeln!(out, "  the budget of {budget} polls/s does not bind"),
        };
    }
    match pipeline.told() {
        Some(Seen::Webhook(webhook)) => {
            let _ = writeln!(out, "  the target must post completions to {}{}", webhook.listen, webhook.path);
        }
        Some(Seen::Kafka { on, topic, .. }) => {
            let _ = writeln!(out, "  the target must tell of completions on topic {topic} of {on}");
        }
        Some(Seen::Nats { server, subject, .. }) => {
            let _ = writeln!(out, "  the target must tell of completions on subject {subject} of {}", server.place);
        }
        _ => {}
    }
    let deadline = units::duration(pipeline.deadline);
    let _ = writeln!(out, "  what still runs when the load ends is followed for up to {deadline} more");
}

/// How much of one traffic there will be.
fn amount(planned: &TrafficPlan) -> String {
    let span = units::duration(planned.profile.end().since(Offset::ZERO));
    let (count, peak) = (text::count(planned.count(), "shot"), planned.profile.peak());
    match planned.closed_loops().count() {
        0 => format!("{count} over {span}, peak {peak:.0}/s"),
        _ if peak == 0.0 => format!("as many shots as the target answers, over {span}"),
        _ => {
            format!("{count} planned over {span}, peak {peak:.0}/s, and as many as the target answers in closed loops")
        }
    }
}

/// How fast a phase sends.
fn pace(phase: &Phase) -> String {
    match phase.saturate {
        Some(connections) => format!("closed loop, {}", text::count(connections.into(), "connection")),
        None if phase.from == phase.to => phase.from.to_string(),
        None => format!("{} to {}", phase.from, phase.to),
    }
}

/// The rate over time as blocks, with the faults below. A closed loop has no rate beforehand: it is drawn as a cloud.
fn curve(scenario: &Scenario, plan: &Plan, out: &mut String) {
    let end = plan.timeline.end;
    let column = |i: usize| Span {
        start: Offset::from_nanos(end.nanos() / WIDTH as i64 * i as i64),
        end: Offset::from_nanos(end.nanos() / WIDTH as i64 * (i as i64 + 1)),
    };
    let rate = |span: Span| {
        let shots: f64 =
            plan.traffic.iter().map(|t| t.profile.expected_by(span.end) - t.profile.expected_by(span.start)).sum();
        shots / span.length().as_secs_f64().max(1e-9)
    };
    let rates: Vec<f64> = (0..WIDTH).map(|i| rate(column(i))).collect();
    let closed: Vec<bool> = (0..WIDTH).map(|i| plan.traffic.iter().any(|t| t.is_closed_within(column(i)))).collect();
    let peak = rates.iter().copied().fold(0.0, f64::max);
    for line in (0..HEIGHT).rev() {
        let label = match line {
            l if l == HEIGHT - 1 && peak > 0.0 => format!("{peak:.0}/s"),
            0 => "0".into(),
            _ => String::new(),
        };
        let _ = write!(out, "{label:>9} │");
        for (rate, closed) in rates.iter().zip(&closed) {
            let eighths = (rate / peak.max(1e-9) * (HEIGHT * 8) as f64).round() as usize;
            let here = eighths.saturating_sub(line * 8).min(8);
            out.push(match (here, closed) {
                (0, true) => '░',
                _ => [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][here],
            });
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{:>9} └{}", "", "─".repeat(WIDTH));
    let _ = writeln!(out, "{:>10} {:<half$}{:>half$}", "", clock(Offset::ZERO), clock(end), half = WIDTH / 2);
    if closed.contains(&true) {
        let _ = writeln!(out, "{:>10} ░ closed loop: as fast as the target answers", "");
    }
    for (fault, spans) in scenario.faults.iter().zip(&plan.timeline.faults) {
        let meets = |i: usize| spans.iter().any(|span| column(i).overlap(*span).is_some());
        let line: String = (0..WIDTH).map(|i| if meets(i) { '▒' } else { ' ' }).collect();
        let _ = writeln!(out, "{:>10} {}  {}", "", line.trim_end(), fault.name);
    }
    out.push('\n');
}

fn faults(scenario: &Scenario, plan: &Plan, out: &mut String) {
    if scenario.faults.is_empty() {
        return;
    }
    out.push_str("faults\n");
    for (fault, spans) in scenario.faults.iter().zip(&plan.timeline.faults) {
        let again = fault.repeat.map_or_else(String::new, |repeat| {
            format!(", {} times, every {}", repeat.times, units::duration(repeat.every))
        });
        let _ = writeln!(
            out,
            "  {:>8}  {} for {}{again}: {} on {}{}",
            clock(Offset::after_zero(fault.at)),
            fault.name,
            units::duration(fault.length),
            fault.inject.word(),
            scenario.subject(&fault.on),
            struck(scenario, plan, fault, spans)
        );
    }
    out.push('\n');
}

/// Whom a fault strikes, and how many that will be.
fn struck(scenario: &Scenario, plan: &Plan, fault: &Fault, spans: &[Span]) -> String {
    let share = match fault.ramp {
        Some(ramp) => format!("{} to {} over {}", ramp.from, ramp.to, units::duration(ramp.over)),
        None => fault.share.to_string(),
    };
    let unit = match fault.on {
        On::Upstream(_) => "requests",
        On::Link(_) => "connections",
        On::Kafka { .. } if matches!(fault.inject, Inject::Link(..)) => "connections",
        On::Kafka { .. } => return format!(", by the {}", fault.unit()),
        On::Process(_) | On::Hook(_) => return String::new(),
    };
    let which = if fault.matching == Match::default() { "" } else { " that match" };
    let when = match fault.when {
        When::Always => String::new(),
        When::First(n) => format!(", of the first {n}"),
        When::Every(n) => format!(", of every {n}th"),
        When::Nth(n) => format!(", of the {n}th"),
    };
    let touches = match expected_touches(scenario, plan, fault) {
        Some(n) => format!("about {n:.0} touches expected"),
        None if plan.traffic.iter().any(|t| spans.iter().any(|span| t.is_closed_within(*span))) => {
            "touches depend on how fast the target answers in the closed loop".into()
        }
        None if matches!(fault.on, On::Link(_)) => "touches depend on who opens connections through the link".into(),
        None if matches!(fault.on, On::Kafka { .. }) => "touches depend on who is connected to the cluster".into(),
        None if fault.matching != Match::default() => "touches depend on how many requests match".into(),
        None => "touches depend on the service (state `calls:` of the upstream to have them foreseen)".into(),
    };
    format!(", {share} of {unit}{which}{when}; {touches}")
}

fn promises(scenario: &Scenario, plan: &Plan, out: &mut String) {
    out.push_str("promises\n");
    if scenario.promises.is_empty() {
        out.push_str("  none: the run will be INCONCLUSIVE\n");
    }
    for promise in &scenario.promises {
        let text = match &promise.claim {
            Claim::Server { expr, .. } => {
                format!("{} of {}", promise.text, expr.split_whitespace().collect::<Vec<_>>().join(" "))
            }
            _ => promise.text.clone(),
        };
        let each = promise.each.map_or_else(String::new, |each| format!(" in each {}", units::duration(each)));
        let window = window_text(scenario, promise.window);
        let shots = minimum_shots(plan, promise).map(|foreseen| enough(foreseen, "shots"));
        let struck = struck_requests(scenario, plan, promise).map(|foreseen| enough(foreseen, "struck requests"));
        let unknown = matches!(promise.claim, Claim::Absorbed(_)).then(|| {
            ": how many requests will be struck depends on the service; `calls:` of its upstreams says more".to_owned()
        });
        let enough = shots.or(struck).or(unknown).unwrap_or_default();
        let _ = writeln!(out, "  {:<8} {}{each}{window}{enough}", promise.severity.word(), text::shorten(&text, 120));
    }
    out.push('\n');
}

/// Which alerts can fire in the time given.
fn alerts(scenario: &Scenario, plan: &Plan, out: &mut String) {
    let Some(rules) = &scenario.alerts else { return };
    let scale =
        if rules.scale > 1 { format!(", scaled 1:{}: NOT the deployed rules", rules.scale) } else { String::new() };
    let _ = writeln!(out, "alerts{scale}");
    if let (false, Some(server)) = (rules.are_known(), &scenario.prometheus) {
        let at = &server.server.address;
        let _ = writeln!(
            out,
            "  those of the Prometheus at {at}: what they are is known, and held against this, when the run starts"
        );
    }
    let forecasts = forecast(scenario, plan);
    for one in &forecasts {
        let (least, needed) = (units::duration(one.least), units::duration(one.needed));
        let available = units::duration(one.available);
        let can = match () {
            () if one.is_hopeless() => format!("CANNOT FIRE: {least} needed at the least, {available} available"),
            () if one.is_sure() => format!("{needed} needed, {available} available"),
            () => format!("MAY NOT FIRE: {least} needed at the least and {needed} to be sure, {available} available"),
        };
        let _ = writeln!(out, "  {}: {can}", one.alert);
    }
    if let Some(by) = forecasts.iter().filter(|one| !one.is_sure()).map(|one| one.time_scale).max().flatten() {
        let _ = writeln!(
            out,
            "  with `alerts: {{ time_scale: {by} }}` all of them can, as other rules than the deployed ones"
        );
    }
    out.push('\n');
}

/// Whether a promise will have the shots that it needs, or the struck requests.
fn enough(foreseen: Foreseen, what: &str) -> String {
    let Foreseen { planned, needed, closed, too_few } = foreseen;
    let about = text::thousands(planned as u64);
    match (too_few, closed) {
        (true, _) => format!(
            ": TOO FEW {}, about {about} of {needed} needed: it will be INCONCLUSIVE",
            what.to_ascii_uppercase()
        ),
        (false, false) => format!(": about {about} of {needed} needed"),
        (false, true) if planned >= needed as f64 => {
            format!(": about {about} of {needed} needed, and as many as the target answers in closed loops")
        }
        (false, true) => format!(": {needed} needed, how many there will be depends on the target"),
    }
}

/// Where a promise must hold, in words; empty for the whole measured phase.
fn window_text(scenario: &Scenario, window: crate::scenario::Window) -> String {
    use crate::scenario::Window;
    let name = |f: usize| scenario.faults[f].name.as_str();
    match window {
        Window::Measured => String::new(),
        Window::Outside => ", outside faults".into(),
        Window::Before(f) => format!(", before {}", name(f)),
        Window::During(f) => format!(", during {}", name(f)),
        Window::Recovery(f) => format!(", in recovery from {}", name(f)),
        Window::After(f) => format!(", after {}", name(f)),
    }
}

/// What must be pointed where.
fn wiring(scenario: &Scenario, plan: &Plan, out: &mut String) {
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

fn clock(at: Offset) -> String {
    units::duration(at.since(Offset::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Settings, read};

    /// What is drawn of a load, with promises about it.
    fn drawn(load: &str, promises: &[&str]) -> String {
        let mut text = format!(
            "proofload: 1\ntarget: http://127.0.0.1:1\ntraffic:\n  pings: {{ flow: {{ steps: [{{ get: / }}] }}, load: [{load}] }}\nslo:\n"
        );
        promises.iter().for_each(|promise| text.push_str(&format!("  - {{ {promise} }}\n")));
        of(&text)
    }

    fn of(text: &str) -> String {
        let settings = Settings::alone("drawn");
        let scenario = read("drawn", text, &settings).expect("valid");
        describe(&scenario, &Plan::new(&scenario))
    }

    #[test]
    fn links_say_who_comes_their_way_and_what_will_be_touched() {
        let drawn = of("proofload: 1
target: http://127.0.0.1:1
upstreams: { jupiter: { like: jupiter, listen: 127.0.0.1:2, calls: 0.5 } }
links:
  way: { listen: 127.0.0.1:3, to: upstream/jupiter }
  front: { to: target }
  db: { listen: 127.0.0.1:4, to: 127.0.0.1:5 }
  cache: { toxiproxy: 'http://127.0.0.1:6', proxy: redis }
traffic: { pings: { flow: { steps: [{ get: / }] }, load: [{ hold: { at: 10/s, for: 60s } }] } }
faults:
  narrow: { on: link/way, inject: { bandwidth: { rate: 256KB/s } }, at: 10s, for: 10s }
  far: { on: link/front, inject: { latency: 5ms }, at: 20s, for: 10s }
  some: { on: link/front, inject: { latency: 5ms }, share: 50%, at: 30s, for: 10s }
");
        for line in [
            "point the target's jupiter at http://127.0.0.1:3, the link way\n",
            "traffic reaches the target by the link front\n",
            "point the target at 127.0.0.1:4 instead of 127.0.0.1:5, the link db\n",
            "the link cache is the proxy redis of the toxiproxy server at 127.0.0.1:6; a free port leads there too\n",
            "narrow for 10s: bandwidth on link/way, 100% of connections; about 50 touches expected\n",
            "far for 10s: latency on link/front, 100% of connections; about 100 touches expected\n",
            "some for 10s: latency on link/front, 50% of connections; touches depend on who opens connections through the link\n",
        ] {
            assert!(drawn.contains(line), "{line}{drawn}");
        }
        assert!(!drawn.contains("http://127.0.0.1:2"), "whoever went there would go past the link: {drawn}");
    }

    #[test]
    fn polls_are_foreseen_and_whether_the_target_can_bear_them() {
        let drawn = |more: &str| {
            of(&format!(
                "proofload: 1
target: {{ url: 'http://127.0.0.1:1', timeout: 1s }}
traffic:
  jobs:
    pipeline:
      start: {{ post: /jobs, id: $.id }}
      follow: {{ poll: {{ get: '/jobs/{{{{id}}}}', state: $.state, every: {{ from: 100ms, to: 1s }} }} }}
      states: {{ ok: DONE }}
      deadline: 60s
      {more}
    load: [{{ hold: {{ at: 100/s, for: 60s }} }}]
"
            ))
        };
        let known = drawn("takes: 2s");
        for line in [
            "  at the peak 200 in flight and about 600 polls/s, if each takes 2s\n",
            "  the budget of 500 polls/s binds: each is asked for every 400 ms or so, and its end known to within that\n",
            "  what still runs when the load ends is followed for up to 1m more\n",
            // 100 shots and 500 polls a second, each for up to a second.
            "  600 connections bind when",
        ] {
            assert!(known.contains(line), "{line}{known}");
        }
        let unknown = drawn("");
        assert!(unknown.contains("  at the peak 6\u{202f}000 in flight and about 6\u{202f}400 polls/s"), "{unknown}");
        assert!(unknown.contains("say what it `takes` to know better"), "{unknown}");
    }

    #[test]
    fn a_closed_loop_is_drawn_as_what_depends_on_the_target() {
        let loads = "{ saturate: { connections: 64, for: 10s } }";
        let alone = drawn(loads, &["expect: rate(pings) > 5/s", "expect: p99(pings) < 1s"]);
        assert!(alone.contains("pings: as many shots as the target answers, over 10s\n"), "{alone}");
        assert!(alone.contains("saturate closed loop, 64 connections for 10s\n"), "{alone}");
        assert!(alone.contains("p99(pings) < 1s: 299 needed, how many there will be depends on the target"), "{alone}");
        assert!(!alone.contains("peak") && !alone.contains("bind") && !alone.contains("TOO FEW"), "{alone}");

        let loads = "{ hold: { at: 10/s, for: 10s } }, { saturate: { connections: 1, for: 10s } }";
        let mixed = drawn(
            loads,
            &[
                "expect: p50(pings) < 1s",
                "expect: p99(pings) < 1s",
                "expect: p95(pings) < 1s, each: 5s",
                "expect: p50(pings) < 1s, each: 5s",
            ],
        );
        assert!(
            mixed.contains("planned over 20s, peak 10/s, and as many as the target answers in closed loops"),
            "{mixed}"
        );
        assert!(mixed.contains("p50(pings) < 1s: about 100 of 5 needed, and as many as the target answers"), "{mixed}");
        assert!(mixed.contains("p99(pings) < 1s: 299 needed, how many there will be depends"), "{mixed}");
        assert!(mixed.contains("p95(pings) < 1s in each 5s: TOO FEW SHOTS, about 50 of 59 needed"), "{mixed}");
        assert!(mixed.contains("p50(pings) < 1s in each 5s: about 50 of 5 needed, and as many"), "{mixed}");
        assert_eq!(mixed.matches('█').count() % 8, 0, "{mixed}");
        assert!(mixed.contains("█░") && mixed.contains("░ closed loop: as fast as the target answers"), "{mixed}");
    }
}
