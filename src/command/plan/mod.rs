//! `proofload plan`: what a scenario would do, drawn; nothing is sent.

mod curve;
mod faults;
mod promises;
mod wiring;

use std::fmt::Write as _;
use std::time::Duration;

use curve::curve;
use faults::faults;
use promises::{alerts, promises};
use wiring::wiring;

use super::load::load;
use crate::base::text;
use crate::base::time::Offset;
use crate::base::units;
use crate::cli::args::PlanArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::plan::{Phase, Plan, Polls, TrafficPlan};
use crate::scenario::{Kind, Pipeline, Scenario, Seen, part_name};

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
