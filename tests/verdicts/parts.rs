//! Parts of shots, from the recorder to the judgement: a flow of two steps whose second one breaks during a fault.

use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::time::Offset;
use proofload::base::trace::Tracer;
use proofload::evidence::event::{Event, FaultStep};
use proofload::evidence::folder::Folder;
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::{Batch, Plan as Known, Recorder, second_of};
use proofload::evidence::reply::{Maybe, Opening, Outcome, PartReply, Reply};
use proofload::judge::{Finding, Judgement, Verdict, judge};
use proofload::plan::Plan;
use proofload::scenario::{self, Scenario, Settings, part_name};

use super::schema::Schema;

/// Orders at 100/s: each is submitted (10 ms; one in ten is refused) and rests 200 ms, then is filled (40 ms; nothing is
/// while the fault strikes).
const SCENARIO: &str = "proofload: 1
target: { sim: quote-service, timeout: 2s }
upstreams: { dep: { like: jupiter } }
traffic:
  orders:
    flow: { steps: [ { name: submit, post: /orders, json: {} }, { get: /fills, think: 200ms } ] }
    arrivals: even
    load: [ { hold: { at: 100/s, for: 30s } } ]
faults:
  halt: { on: upstream/dep, inject: { timeout: {} }, at: 10s, for: 5s }
slo:
";

pub fn orders(promises: &[&str]) -> Judgement {
    let text = promises.iter().fold(SCENARIO.to_owned(), |text, promise| format!("{text}  - {promise}\n"));
    let scenario = scenario::read("orders", &text, &Settings::alone("orders")).expect("valid");
    let plan = Plan::new(&scenario);
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Folder::create(parent.path(), 0).expect("a folder");
    let strike = plan.timeline.faults[0][0];
    let names = scenario.traffic[0].parts().iter().map(|part| part_name("orders", &part.name)).collect::<Vec<_>>();
    assert_eq!(names, ["orders.submit", "orders.2"]);
    let mut recorder = Recorder::create(
        &folder,
        Known {
            traffic: vec![("orders".into(), Vec::new())],
            parts: vec![names],
            edges: plan.timeline.edges(),
            faults: vec![("halt".into(), vec![strike])],
            workers: 1,
            lag_limit: scenario.fitness.lag,
            wall_zero: 0,
            tracer: Tracer::new(Seed(1), "r"),
        },
    )
    .expect("creates");
    let mut batch = Batch { through: plan.timeline.end, ..Batch::default() };
    for shot in plan.traffic[0].shots() {
        batch.taken.push((0, second_of(shot.due), 1));
        let submitted = shot.due + Duration::from_millis(10);
        let reply = |due, done, outcome| reply(shot.seq, due, done, outcome);
        let refused = shot.seq % 10 == 9;
        let outcome = if refused { Outcome::Rejected } else { Outcome::Ok };
        batch.parts.push(PartReply { part: 0, shot: shot.due, reply: reply(shot.due, submitted, outcome) });
        if refused {
            batch.replies.push(reply(shot.due, submitted, outcome));
            continue;
        }
        let due = submitted + Duration::from_millis(200);
        let done = due + Duration::from_millis(40);
        let outcome = if done >= strike.start && due < strike.end { Outcome::Invalid } else { Outcome::Ok };
        batch.parts.push(PartReply { part: 1, shot: shot.due, reply: reply(due, done, outcome) });
        batch.replies.push(reply(shot.due, done, outcome));
    }
    let tell = |recorder: &mut Recorder, at, step| {
        recorder.event(&Event::Fault { at, fault: "halt".into(), step }).expect("writes");
    };
    tell(&mut recorder, strike.start, FaultStep::Applied);
    tell(&mut recorder, strike.start, FaultStep::Touched);
    recorder.batch(&batch).expect("writes");
    tell(&mut recorder, strike.end, FaultStep::Cleared { eligible: 500, injected: 500 });
    recorder.flush(plan.timeline.end).expect("writes");
    folder.write_manifest(&manifest(&scenario, &plan)).expect("writes");
    let evidence = Evidence::read(&folder).expect("reads");
    assert_eq!(evidence.gaps, Vec::<String>::new());
    judge(&scenario, &plan, &evidence, &[])
}

fn reply(seq: u64, due: Offset, done: Offset, outcome: Outcome) -> Reply {
    Reply {
        traffic: 0,
        seq,
        class: None,
        outcome,
        status: Some(200),
        due,
        ready: due,
        sent: Some(due).into(),
        first_byte: Some(done).into(),
        not_before: Maybe::NONE,
        done,
        not_before: Maybe::NONE,
        opening: Opening::default(),
        not_before: Maybe::NONE,
        why: None,
    }
}

fn manifest(scenario: &Scenario, plan: &Plan) -> Manifest {
    Manifest {
        format: FORMAT,
        proofload: "0".into(),
        run: "orders".into(),
        scenario: scenario.name.clone(),
        file: "orders".into(),
        scenario_digest: String::new(),
        plan_digest: String::new(),
        seed: scenario.seed.0,
        time_scale: 1,
        inputs: Vec::new(),
        wall_zero: 0,
        monotonic_zero: 0,
        stage_zero: 0,
        host: Host::default(),
        services: Vec::new(),
        kafka: Vec::new(),
        connections: plan.connections(scenario),
        timeout: scenario.target.timeout.as_nanos() as u64,
        lag_limit: scenario.fitness.lag.as_nanos() as u64,
        end: Some(End { how: How::Complete, at: plan.timeline.end }),
    }
}

fn observed(finding: &Finding) -> f64 {
    finding.observed.map_or(f64::NAN, |observed| observed.value)
}

#[test]
fn a_part_is_judged_by_the_shots_that_came_to_it_where_they_were_due() {
    let judged = orders(&[
        "{ expect: p95(orders.submit) < 2100ms }",
        "{ expect: p50(orders.2) < 50ms, outside: faults }",
        "{ expect: \"p50(orders.2, ok) < 50ms\", during: halt }",
        "{ expect: p50(orders) < 300ms, outside: faults }",
        "{ expect: errors(orders.submit) < 11% }",
        "{ expect: errors(orders.2) == 0, outside: faults }",
        "{ expect: errors(orders.2) > 95%, during: halt }",
        "{ expect: errors(orders) > 20% }",
        "{ expect: rate(orders.submit) > 89/s }",
    ]);
    let of = |n: usize| (judged.findings[n].verdict, judged.findings[n].samples, observed(&judged.findings[n]));
    // 3 000 orders, of which one in ten is refused and never came to be filled.
    let (verdict, samples, submit) = of(0);
    assert_eq!((verdict, samples), (Verdict::Pass, 3_000));
    assert!((2.0..2.01).contains(&submit), "one in ten failed, and counts at the timeout: {submit}");
    let (verdict, _, fill) = of(1);
    assert!(verdict == Verdict::Pass && (0.04..0.0401).contains(&fill), "its rest is not its time: {fill}");
    // Due in the fault, but filled after it: those that came to that part when it was over.
    assert_eq!((of(2).0, of(2).1), (Verdict::Pass, 18), "{:?}", judged.findings[2]);
    let (verdict, _, whole) = of(3);
    assert!(verdict == Verdict::Pass && (0.25..0.2503).contains(&whole), "{whole}");
    assert_eq!(of(4), (Verdict::Pass, 3_000, 0.1));
    let (verdict, samples, errors) = of(5);
    assert_eq!((verdict, errors), (Verdict::Pass, 0.0), "what the fault met is not outside: {:?}", judged.findings[5]);
    assert!((2_200..2_260).contains(&samples), "{samples}");
    // From 250 ms before the fault on, orders were still to be filled when it struck.
    let (verdict, samples, errors) = of(6);
    assert_eq!(verdict, Verdict::Pass, "{:?}", judged.findings[6]);
    assert!((470..=475).contains(&samples) && errors > 0.95, "{samples} {errors}");
    assert_eq!(of(7).0, Verdict::Pass);
    assert_eq!(of(8).2, 90.0);

    let [(_, traffic)] = judged.traffic.as_slice() else { panic!("one traffic") };
    let shots: Vec<(&str, u64)> = traffic.parts.iter().map(|(name, part)| (name.as_str(), part.shots)).collect();
    assert_eq!(shots, [("submit", 3_000), ("2", 2_700)]);
    assert_eq!(traffic.shots, 3_000, "the whole counts each once");
    let json = serde_json::to_value(&judged).expect("serialises");
    assert_eq!(Schema::shipped().check(&json).0, Vec::<String>::new());
}

#[test]
fn what_is_steady_of_a_part_binds_the_whole_and_no_other_part() {
    let judged = orders(&[
        "{ expect: errors(orders.submit) < 15%, outside: faults, steady: true }",
        "{ expect: errors(orders.2) < 5%, outside: faults, steady: true }",
        "{ expect: detection(orders.2) < 1s, after: halt }",
        "{ expect: detection(orders) < 1s, after: halt }",
        "{ expect: detection(orders.submit) < 1s, after: halt }",
        "{ expect: recovery(orders) < 2s, after: halt, stable: 5s }",
        "{ expect: recovery(orders.submit) < 2s, after: halt, stable: 5s }",
    ]);
    let verdicts: Vec<Verdict> = judged.findings.iter().skip(2).map(|f| f.verdict).collect();
    let wanted = [Verdict::Pass, Verdict::Pass, Verdict::Fail, Verdict::Pass, Verdict::Pass];
    assert_eq!(verdicts, wanted, "{:#?}", judged.findings);
    assert!(judged.findings[4].why.contains("never felt"), "{}", judged.findings[4].why);
}
