//! What polls cannot tell: jobs of which it is known between which two polls each was over.

use std::time::Duration;

use proofload::base::seed::Seed;
use proofload::base::time::Offset;
use proofload::base::trace::{Shot as Named, Tracer};
use proofload::evidence::event::Event;
use proofload::evidence::folder::Folder;
use proofload::evidence::followed::Followed;
use proofload::evidence::manifest::{End, FORMAT, Host, How, Manifest};
use proofload::evidence::reader::Evidence;
use proofload::evidence::recorder::{Batch, Plan as Known, Recorder, second_of};
use proofload::evidence::reply::{Maybe, Opening, Outcome, PartReply, Reply, Stage};
use proofload::judge::{Finding, Judgement, Verdict, judge};
use proofload::plan::Plan;
use proofload::scenario::{self, Settings, part_name};

use super::schema::Schema;

/// Jobs at 100/s. Each is accepted after 50 ms, and found over 2.5 s after it was due, by a poll that follows another by
/// 500 ms; one start in twenty is not answered at all.
const SCENARIO: &str = "proofload: 1
target: { url: 'http://127.0.0.1:1', timeout: 1s }
traffic:
  jobs:
    pipeline:
      start: { post: /jobs, id: $.id }
      follow: { poll: { get: '/jobs/{{id}}', state: $.state, every: 500ms } }
      states: { ok: DONE }
      deadline: 60s
    arrivals: even
    load: [ { hold: { at: 100/s, for: 30s } } ]
slo:
";

pub fn jobs(promises: &[&str]) -> Judgement {
    let text = promises.iter().fold(SCENARIO.to_owned(), |text, promise| format!("{text}  - expect: {promise}\n"));
    let scenario = scenario::read("jobs", &text, &Settings::alone("jobs")).expect("valid");
    let plan = Plan::new(&scenario);
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Folder::create(parent.path(), 0).expect("a folder");
    let known = Known {
        traffic: vec![("jobs".into(), Vec::new())],
        parts: vec![scenario.traffic[0].parts().iter().map(|part| part_name("jobs", &part.name)).collect()],
        edges: plan.timeline.edges(),
        faults: Vec::new(),
        workers: 1,
        lag_limit: scenario.fitness.lag,
        wall_zero: 0,
        tracer: Tracer::new(Seed(1), "r"),
    };
    let mut recorder = Recorder::create(&folder, known).expect("creates");
    let mut batch = Batch { through: plan.timeline.end, ..Batch::default() };
    let ms = Duration::from_millis;
    for shot in plan.traffic[0].shots() {
        let (due, seq) = (shot.due, shot.seq);
        batch.taken.push((0, second_of(due), 1));
        let spell = |part, from, to, outcome| PartReply::spell(Named { traffic: 0, seq }, part, due, from, to, outcome);
        if seq % 20 == 19 {
            let outcome = Outcome::TimedOut(Stage::Head);
            batch.parts.push(spell(0, due, due + ms(1_000), outcome));
            batch.replies.push(reply(seq, due, due + ms(1_000), None, outcome));
            continue;
        }
        batch.parts.push(spell(0, due, due + ms(50), Outcome::Ok));
        let mut run = spell(1, due + ms(50), due + ms(2_500), Outcome::Ok);
        run.reply.not_before = Some(due + ms(2_000)).into();
        batch.parts.push(run);
        batch.replies.push(reply(seq, due, due + ms(2_500), Some(due + ms(2_000)), Outcome::Ok));
    }
    recorder.batch(&batch).expect("writes");
    recorder.flush(plan.timeline.end).expect("writes");
    let manifest = Manifest {
        format: FORMAT,
        proofload: "0".into(),
        run: "jobs".into(),
        scenario: scenario.name.clone(),
        file: "jobs.yaml".into(),
        scenario_digest: String::new(),
        plan_digest: plan.digest(),
        seed: 1,
        time_scale: 1,
        inputs: Vec::new(),
        wall_zero: 0,
        monotonic_zero: 0,
        stage_zero: 0,
        host: Host::default(),
        services: Vec::new(),
        kafka: Vec::new(),
        connections: 64,
        timeout: 1_000_000_000,
        lag_limit: scenario.fitness.lag.as_nanos() as u64,
        end: Some(End { how: How::Complete, at: plan.timeline.end }),
    };
    folder.write_manifest(&manifest).expect("writes");
    let mut evidence = Evidence::read(&folder).expect("reads");
    evidence.events.extend(told());
    assert_eq!(evidence.gaps, Vec::<String>::new());
    judge(&scenario, &plan, &evidence, &[])
}

fn reply(seq: u64, due: Offset, done: Offset, not_before: Option<Offset>, outcome: Outcome) -> Reply {
    Reply {
        traffic: 0,
        seq,
        class: None,
        outcome,
        status: Some(200),
        due,
        ready: due,
        sent: Some(due).into(),
        first_byte: Maybe::NONE,
        done,
        not_before: not_before.into(),
        opening: Opening::default(),
        why: None,
    }
}

/// What workers told of polls and logins.
fn told() -> Vec<Event> {
    let followed = Followed {
        polls: 9,
        held: 2,
        held_for: 3_000_000,
        vain: vec![("rejected".into(), 1)],
        states: vec![("DONE".into(), 4)],
        ..Followed::of("jobs")
    };
    let login = |why: Option<&str>| Event::Login {
        at: Offset::from_millis(1),
        traffic: "jobs".into(),
        why: why.map(str::to_owned),
    };
    vec![Event::Followed(followed), login(None), login(Some("401"))]
}

fn found<'j>(judgement: &'j Judgement, promise: &str) -> &'j Finding {
    judgement.findings.iter().find(|finding| finding.promise == promise).expect("judged")
}

#[test]
fn a_promise_is_decided_where_both_ends_of_the_gap_say_so_and_nowhere_else() {
    use Verdict::{Fail, Inconclusive, Pass};
    let promises = [
        ("p90(jobs) < 2600ms", Pass),
        ("p90(jobs) < 2200ms", Inconclusive),
        ("p90(jobs) < 1900ms", Fail),
        ("p50(jobs) > 1900ms", Pass),
        ("p50(jobs) > 2200ms", Inconclusive),
        ("p50(jobs) > 2600ms", Fail),
        ("max(jobs, ok) < 2200ms", Inconclusive),
        ("mean(jobs, ok) < 2200ms", Inconclusive),
        ("p50(jobs, service) < 2200ms", Inconclusive),
        ("p50(jobs, service) < 1900ms", Fail),
        ("p50(jobs.run) < 2200ms", Inconclusive),
        ("p50(jobs.run) < 1900ms", Fail),
        ("errors(jobs) < 6%", Pass),
        ("errors(jobs) < 4%", Fail),
    ];
    let judgement = jobs(&promises.map(|(promise, _)| promise));
    for (promise, verdict) in promises {
        let finding = found(&judgement, promise);
        assert_eq!(finding.verdict, verdict, "{promise}: {}", finding.why);
        if verdict == Inconclusive {
            assert!(
                finding.why.contains("lies between 2") || finding.why.contains("lies between 1.9"),
                "{}",
                finding.why
            );
        }
    }
    let (_, traffic) = &judgement.traffic[0];
    let clock = |name: &str| traffic.clocks.iter().find(|(clock, _)| clock == name).and_then(|(_, of)| of.p50);
    let near = |seconds: Option<f64>, wanted: f64| seconds.is_some_and(|s| (s / wanted - 1.0).abs() < 0.002);
    assert!(near(clock("earliest"), 2.0) && near(clock("response"), 2.5) && near(clock("gap"), 0.5), "{traffic:?}");
    let verdict = serde_json::to_value(&judgement).expect("JSON");
    assert_eq!(Schema::shipped().check(&verdict).0, Vec::<String>::new());
}

/// A start that is not answered took the timeout, and the whole its deadline.
#[test]
fn a_failure_counts_at_the_deadline_where_it_is_followed_and_at_the_timeout_where_it_is_asked() {
    let judgement = jobs(&["p99(jobs) < 59s", "p99(jobs) >= 59s", "p99(jobs.accept) < 1100ms"]);
    assert_eq!(found(&judgement, "p99(jobs) < 59s").verdict, Verdict::Fail);
    assert_eq!(found(&judgement, "p99(jobs) >= 59s").verdict, Verdict::Pass);
    assert_eq!(found(&judgement, "p99(jobs.accept) < 1100ms").verdict, Verdict::Pass);
}
