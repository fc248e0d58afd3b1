use super::super::event::TickRow;
use super::super::manifest::{End, Host, How, Manifest};
use super::super::reader::Evidence;
use super::super::reply::{Maybe, Opening};
use super::*;
use crate::base::seed::Seed;
use crate::base::timing::Timing;
use crate::evidence::tally::cell;

fn ms(n: i64) -> Offset {
    Offset::from_millis(n)
}

fn reply(seq: u64, due: i64, done: i64, outcome: Outcome) -> Reply {
    Reply {
        traffic: 0,
        seq,
        class: None,
        outcome,
        status: Some(200),
        due: ms(due),
        ready: ms(due + 1),
        sent: Some(ms(due + 1)).into(),
        first_byte: Some(ms(done)).into(),
        done: ms(done),
        opening: Opening::default(),
        not_before: Maybe::NONE,
        why: Some("because".into()),
    }
}

fn manifest() -> Manifest {
    Manifest {
        format: 1,
        proofload: "0".into(),
        run: "r".into(),
        scenario: "s".into(),
        file: "f".into(),
        scenario_digest: String::new(),
        plan_digest: String::new(),
        seed: 1,
        time_scale: 1,
        inputs: Vec::new(),
        wall_zero: 0,
        monotonic_zero: 0,
        stage_zero: 0,
        host: Host::default(),
        services: Vec::new(),
        kafka: Vec::new(),
        connections: 1,
        timeout: 2_000_000_000,
        lag_limit: 500_000,
        end: Some(End { how: How::Complete, at: ms(5_000) }),
    }
}

#[test]
fn what_is_recorded_reads_back() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Folder::create(parent.path(), 0).expect("creates");
    let plan = Plan {
        traffic: vec![("quotes".into(), Vec::new())],
        parts: vec![vec!["quotes.ask".into(), "quotes.wait".into()]],
        edges: &[Offset::ZERO],
        faults: vec![("hang".into(), vec![Span { start: ms(1_000), end: ms(2_000) }])],
        workers: 2,
        lag_limit: Duration::from_micros(500),
        wall_zero: 0,
        tracer: Tracer::new(Seed(1), "r"),
    };
    let mut recorder = Recorder::create(&folder, plan).expect("creates");
    let batch = Batch {
        worker: 0,
        at: ms(1_500),
        through: ms(1_500),
        taken: vec![(0, 0, 3)],
        // Over before the fault; under way when it begins; and after it was undone.
        replies: vec![
            reply(0, 10, 20, Outcome::Ok),
            reply(Shot::CLOSED, 900, 1_100, Outcome::Broken(super::super::reply::Stage::Head)),
        ],
        // Of a shot that was due in the first second, and late by us in its second part, which the fault met.
        parts: vec![
            PartReply { part: 0, shot: ms(700), reply: reply(7, 700, 800, Outcome::Ok) },
            PartReply::spell(Shot { traffic: 0, seq: 7 }, 1, ms(700), ms(800), ms(1_300), Outcome::Failed),
        ],
        cpu: Some((1, 0.25)),
        health: vec![WorkerHealth { cpu: 0.25, ..WorkerHealth::default() }],
        told: Vec::new(),
    };
    recorder.batch(&batch).expect("writes");
    recorder
        .event(&Event::Fault {
            at: ms(2_000),
            fault: "hang".into(),
            step: FaultStep::Cleared { eligible: 1, injected: 1 },
        })
        .expect("writes");
    recorder.batch(&Batch { worker: 1, through: ms(1_400), ..Batch::default() }).expect("writes");
    recorder.batch(&Batch { replies: vec![reply(2, 2_500, 2_600, Outcome::Ok)], ..Batch::default() }).expect("writes");
    recorder.flush(ms(3_000)).expect("writes");
    let (first, again) = (recorder.look(), recorder.look());
    assert_eq!((first.traffic[0].finished, first.traffic[0].recent.count()), (3, 3));
    assert_eq!((again.traffic[0].finished, again.traffic[0].recent.count()), (3, 0));
    assert_eq!((first.cpu, again.cpu), (Some(0.25), None));
    folder.write_manifest(&manifest()).expect("writes");

    let evidence = Evidence::read(&folder).expect("reads");
    assert_eq!(evidence.gaps, Vec::<String>::new());
    let all = Span { start: Offset::ZERO, end: ms(10_000) };
    let responses = |name: &str| evidence.latency.tally(all, |t| t.timing == Timing::Response && t.traffic == name);
    assert_eq!(responses("quotes").count(), 3);
    // A part counts where its shot was due, and as long as it took itself.
    let early = Span { start: Offset::ZERO, end: ms(800) };
    let parts = evidence.latency.tally(early, |t| t.timing == Timing::Response && t.traffic == "quotes.wait");
    assert_eq!((parts.count(), parts.max()), (1, Some(Duration::from_nanos(cell(500_000_000)))));
    assert_eq!(responses("quotes.ask").count(), 1);
    let touched: Vec<_> = evidence.parts.iter().map(|p| (p.part, p.shot, p.done, p.response)).collect();
    assert_eq!(touched, [(1, ms(700), ms(1_300), 500_000_000)]);
    assert_eq!(evidence.shots.iter().map(|s| s.due).collect::<Vec<_>>(), [ms(900)]);
    let Some(Event::Tick(tick)) = evidence.events.last() else { panic!("a tick is last") };
    assert_eq!(tick.health, [WorkerHealth { cpu: 0.25, ..WorkerHealth::default() }]);
    assert_eq!(tick.through, ms(1_400), "the slower worker's");
    assert_eq!(tick.traffic[0][0], TickRow { second: 0, due: 3, sent: 2, finished: 2, closed: 1, late: 3, ours: 0 });
    assert!(
        evidence
            .events
            .iter()
            .any(|e| matches!(e, Event::Exemplar(x) if x.outcome == "broken_head" && x.why == "because"))
    );
}

/// Whoever had fewer shots, or none, says nothing more, and the others go on.
#[test]
fn who_has_nothing_left_to_send_holds_up_nobody() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Folder::create(parent.path(), 0).expect("creates");
    let plan = Plan {
        traffic: vec![("quotes".into(), Vec::new())],
        parts: vec![Vec::new()],
        edges: &[Offset::ZERO],
        faults: Vec::new(),
        workers: 2,
        lag_limit: Duration::from_micros(500),
        wall_zero: 0,
        tracer: Tracer::new(Seed(1), "r"),
    };
    let mut recorder = Recorder::create(&folder, plan).expect("creates");
    recorder.batch(&Batch { worker: 0, at: ms(1), through: Offset::MAX, ..Batch::default() }).expect("writes");
    for second in 1..=3 {
        let batch = Batch { worker: 1, at: ms(second * 1_000), through: ms(second * 1_000 - 10), ..Batch::default() };
        recorder.batch(&batch).expect("writes");
        recorder.flush(ms(second * 1_000)).expect("writes");
    }
    recorder.batch(&Batch { worker: 1, at: ms(3_500), through: Offset::MAX, ..Batch::default() }).expect("writes");
    recorder.flush(ms(4_000)).expect("writes");
    folder.write_manifest(&manifest()).expect("writes");
    let events = Evidence::read(&folder).expect("reads").events;
    let through = events.iter().filter_map(|e| if let Event::Tick(tick) = e { Some(tick.through) } else { None });
    assert_eq!(through.collect::<Vec<_>>(), [ms(990), ms(1_990), ms(2_990), ms(4_000)]);
}

#[test]
fn a_storm_of_failures_leaves_ten_exemplars() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = Folder::create(parent.path(), 0).expect("creates");
    let plan = Plan {
        traffic: vec![("quotes".into(), Vec::new())],
        parts: Vec::new(),
        edges: &[],
        faults: Vec::new(),
        workers: 1,
        lag_limit: Duration::from_secs(1),
        wall_zero: 0,
        tracer: Tracer::new(Seed(1), "r"),
    };
    let mut recorder = Recorder::create(&folder, plan).expect("creates");
    let replies = (0..1_000).map(|i| reply(i, i as i64, i as i64 + 5, Outcome::Rejected)).collect();
    recorder.batch(&Batch { replies, ..Batch::default() }).expect("writes");
    recorder.flush(ms(3_000)).expect("writes");
    folder.write_manifest(&manifest()).expect("writes");
    let evidence = Evidence::read(&folder).expect("reads");
    assert_eq!(evidence.events.iter().filter(|e| matches!(e, Event::Exemplar(_))).count(), 10);
}
