use std::time::Duration;

use super::super::gate::Leave;
use super::*;
use crate::base::units::Share;
use crate::scenario::{HttpFault, Inject, Match, On, Place, When};
use crate::stage::config::{Config, FaultConfig};
use crate::stage::serve::serve;
use crate::stage::testing::{Line, QUOTE, config, lease};

pub(super) fn fault(name: &str) -> Fault {
    let second = Duration::from_secs(1);
    Fault {
        name: name.into(),
        on: On::Upstream(0),
        inject: Inject::Http(HttpFault::Timeout),
        share: Share::ALL,
        ramp: None,
        matching: Match::default(),
        when: When::Always,
        mark: false,
        at: second,
        length: second,
        repeat: None,
        ttl: second,
        place: Place::default(),
    }
}

/// A stage, and nothing that the run breaks itself.
fn alone(stage: &mut Stage) -> Actors<'_> {
    static NONE: std::sync::LazyLock<Locals> = std::sync::LazyLock::new(Locals::default);
    Actors { stage, locals: &NONE }
}

pub(super) fn span(start: i64, end: i64) -> Span {
    Span { start: Offset::from_millis(start), end: Offset::from_millis(end) }
}

/// A stage in this process with as many faults, on the same axis as the clock.
async fn stage(names: &[&str]) -> (Stage, Clock, tokio::task::JoinHandle<()>) {
    let clock = Clock::starting_in(Duration::ZERO);
    let base = config();
    let faults = names.iter().map(|n| FaultConfig { name: (*n).into(), ..base.faults[0].clone() }).collect();
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let life = tokio::spawn(serve(orders, reports));
    let stage = Stage::over(hear, say, &Config { zero: clock.zero(), faults, ..base }).await.expect("opens");
    (stage, clock, life)
}

pub(super) fn steps(events: &mut mpsc::UnboundedReceiver<Event>) -> Vec<(String, Offset, FaultStep)> {
    std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            Event::Fault { at, fault, step } => Some((fault, at, step)),
            _ => None,
        })
        .collect()
}

pub(super) fn words(steps: &[(String, Offset, FaultStep)]) -> Vec<String> {
    let word = |step: &FaultStep| format!("{step:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
    steps.iter().map(|(fault, _, step)| format!("{fault} {}", word(step))).collect()
}

#[tokio::test]
async fn faults_begin_and_end_as_planned() {
    let (mut stage, clock, _life) = stage(&["a", "b"]).await;
    let url = stage.upstreams()[0].1.clone();
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let planned = [vec![span(60, 200)], vec![span(200, 260)]];
    let faults = [fault("a"), fault("b")];
    let calls = async {
        sleep(clock.until(Offset::from_millis(130))).await;
        let mut line = Line::open(&url).await;
        assert_eq!(line.ask(QUOTE).await, 0, "closed when the fault ended");
        sleep(clock.until(Offset::from_millis(400))).await;
        assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200);
        stop.send_replace(true);
    };
    let (conducted, ()) =
        tokio::join!(conduct(alone(&mut stage), &faults, &planned, clock, &tell, Gate::open(), stopped), calls);
    conducted.expect("the stage lives");
    let steps = steps(&mut hear);
    assert_eq!(words(&steps), ["a Applied", "a Touched", "a Cleared", "b Applied", "b Cleared"]);
    assert_eq!(steps[2].2, FaultStep::Cleared { eligible: 1, injected: 1 });
    assert_eq!(steps[4].2, FaultStep::Cleared { eligible: 0, injected: 0 });
    assert!(steps.windows(2).all(|w| w[0].1 <= w[1].1), "on one axis, in order: {steps:?}");
    assert!(steps[0].1 >= planned[0][0].start && steps[2].1 >= planned[0][0].end);
    stage.close().await.expect("closes");
}

#[tokio::test]
async fn a_stop_ends_what_is_effective_at_once() {
    let (mut stage, clock, _life) = stage(&["a", "later"]).await;
    let url = stage.upstreams()[0].1.clone();
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let planned = [vec![span(0, 3_600_000)], vec![span(3_000_000, 3_600_000)]];
    let faults = [fault("a"), fault("later")];
    let calls = async {
        let mut line = Line::open(&url).await;
        sleep(Duration::from_millis(60)).await;
        line.send(QUOTE).await;
        assert_eq!(line.answer_within(30).await, None);
        drop(stop);
        assert_eq!(line.answer_within(5000).await, Some(0));
    };
    let (conducted, ()) =
        tokio::join!(conduct(alone(&mut stage), &faults, &planned, clock, &tell, Gate::open(), stopped), calls);
    conducted.expect("the stage lives");
    assert_eq!(words(&steps(&mut hear)), ["a Applied", "a Touched", "a Cleared"]);
}

#[tokio::test]
async fn nothing_begins_before_the_gate_opens() {
    let (mut stage, clock, _life) = stage(&["a"]).await;
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let (say, gate) = Gate::new();
    let open = async {
        sleep(clock.until(Offset::from_millis(80))).await;
        assert_eq!(words(&steps(&mut hear)), Vec::<String>::new(), "although it is time");
        say.send_replace(Leave::Given);
        sleep(clock.until(Offset::from_millis(160))).await;
        stop.send_replace(true);
        steps(&mut hear)
    };
    let (planned, faults) = ([vec![span(10, 3_600_000)]], [fault("a")]);
    let conducted = conduct(alone(&mut stage), &faults, &planned, clock, &tell, gate, stopped);
    let (conducted, mut seen) = tokio::join!(conducted, open);
    conducted.expect("the stage lives");
    seen.extend(steps(&mut hear));
    assert_eq!(words(&seen), ["a Applied", "a Cleared"]);
    assert!(seen[0].1 >= Offset::from_millis(80));
}

#[tokio::test]
async fn nothing_begins_where_the_gate_stays_shut() {
    for say in [Some(Leave::Refused("it limps".into())), None] {
        let (mut stage, clock, _life) = stage(&["a", "b"]).await;
        let (tell, mut hear) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (told, gate) = Gate::new();
        let why = if say.is_some() { "it limps" } else { "nobody looked whether the target was steady" };
        say.iter().for_each(|leave| _ = told.send_replace(leave.clone()));
        drop(told);
        let until = async {
            sleep(Duration::from_millis(120)).await;
            stop.send_replace(true);
        };
        let (planned, faults) = ([vec![span(0, 60)], vec![span(20, 60)]], [fault("a"), fault("b")]);
        let conducted = conduct(alone(&mut stage), &faults, &planned, clock, &tell, gate, stopped);
        let (conducted, ()) = tokio::join!(conducted, until);
        conducted.expect("the stage lives");
        let steps = steps(&mut hear);
        assert_eq!(words(&steps), ["a Withheld", "b Withheld"]);
        assert_eq!(steps[0].2, FaultStep::Withheld { why: why.into() });
    }
}

#[tokio::test]
async fn a_ttl_that_runs_out_is_the_end() {
    let (stage, clock, _life) = stage(&[]).await;
    drop(stage);
    let base = config();
    let short = FaultConfig { ttl: Duration::from_millis(30), name: "a".into(), ..base.faults[0].clone() };
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let _other = tokio::spawn(serve(orders, reports));
    let config = Config { zero: clock.zero(), faults: vec![short], ..base };
    let mut stage = Stage::over(hear, say, &config).await.expect("opens");
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let until = async {
        sleep(Duration::from_millis(300)).await;
        stop.send_replace(true);
    };
    let (planned, faults) = ([vec![span(0, 150)]], [fault("a")]);
    let (conducted, ()) =
        tokio::join!(conduct(alone(&mut stage), &faults, &planned, clock, &tell, Gate::open(), stopped), until);
    conducted.expect("the stage lives");
    assert_eq!(words(&steps(&mut hear)), ["a Applied", "a Cleared"], "cleared once");
}

#[tokio::test]
async fn a_stage_that_dies_is_known() {
    let (mut stage, clock, life) = stage(&["a"]).await;
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    let kill = async {
        sleep(Duration::from_millis(80)).await;
        life.abort();
    };
    let (planned, faults) = ([vec![span(0, 3_600_000)]], [fault("a")]);
    let (conducted, ()) =
        tokio::join!(conduct(alone(&mut stage), &faults, &planned, clock, &tell, Gate::open(), stopped), kill);
    assert!(matches!(conducted, Err(StageError::Died(_))));
    assert_eq!(words(&steps(&mut hear)), ["a Applied", "a Failed"]);
}

#[tokio::test]
async fn a_stage_that_does_not_obey_leaves_a_remedy() {
    // Opens, and then neither answers nor goes.
    let ((orders, mut reports), (hear, say)) = lease(1 << 16);
    let ready = Report::Ready { upstreams: Vec::new(), links: Vec::new(), kafka: Vec::new(), pid: 4242 };
    crate::stage::protocol::write(&mut reports, &ready).await.expect("writes");
    let mut stage = Stage::over(hear, say, &config()).await.expect("opens");
    stage.be_patient_for(Duration::from_millis(30));
    let clock = Clock::starting_in(Duration::ZERO);
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let until = async {
        sleep(Duration::from_millis(100)).await;
        stop.send_replace(true);
    };
    let (planned, faults) = ([vec![span(0, 3_600_000)]], [fault("a")]);
    let (conducted, ()) =
        tokio::join!(conduct(alone(&mut stage), &faults, &planned, clock, &tell, Gate::open(), stopped), until);
    conducted.expect("it did not die");
    let steps = steps(&mut hear);
    assert_eq!(words(&steps), ["a Failed", "a Stuck"]);
    assert!(matches!(&steps[1].2, FaultStep::Stuck { remedy, .. } if remedy == "kill -9 4242"));
    drop((orders, reports));
}
