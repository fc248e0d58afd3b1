//! What the conductor makes of what a stage says, with a stage that says what it is told to.

use std::sync::Arc;
use std::time::Duration;

use super::super::deed::Deed;
use super::super::guard::Guards;
use super::super::victim::Victim;
use super::tests::{fault, span, steps, words};
use super::*;
use crate::base::process::{Process, State};
use crate::evidence::health::{Called, StageHealth};
use crate::evidence::undo::{self, Call, Undo, UndoLog};
use crate::stage::config::Config;
use crate::stage::protocol::{self, Lines, Order};
use crate::stage::serve::serve;
use crate::stage::testing::{config, lease};

const LONG: Duration = Duration::from_secs(10);

/// A stage that answers each order as it is told to, and the orders that it was given.
async fn stage(
    answer: impl Fn(&Order) -> Vec<Report> + Send + 'static,
) -> (Stage, Clock, mpsc::UnboundedReceiver<Order>) {
    let clock = Clock::starting_in(Duration::ZERO);
    let ((orders, mut reports), (hear, say)) = lease(1 << 16);
    let (given, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut orders = Lines::new(orders);
        while let Some(Ok(order)) = orders.next::<Order>().await {
            let opened = || Report::Ready { upstreams: Vec::new(), links: Vec::new(), kafka: Vec::new(), pid: 42 };
            let answers = if let Order::Open(_) = order { vec![opened()] } else { answer(&order) };
            for report in answers {
                protocol::write(&mut reports, &report).await.expect("writes");
            }
            let _ = given.send(order);
        }
    });
    let config = Config { zero: clock.zero(), ..config() };
    let mut stage = Stage::over(hear, say, &config).await.expect("opens");
    stage.be_patient_for(LONG);
    (stage, clock, seen)
}

/// Lets the fault `f` stand from 20 ms to 60 ms, and ends the run after it; what was said of it.
async fn conducted(stage: &mut Stage, locals: &Locals, clock: Clock) -> mpsc::UnboundedReceiver<Event> {
    let (tell, hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let until = async {
        sleep(clock.until(Offset::from_millis(200))).await;
        stop.send_replace(true);
    };
    let (planned, faults) = ([vec![span(20, 60)]], [fault("f")]);
    let conducted = conduct(Actors { stage, locals }, &faults, &planned, clock, &tell, Gate::open(), stopped);
    let (conducted, ()) = tokio::join!(conducted, until);
    conducted.expect("the stage lives");
    hear
}

fn applied(ms: i64) -> Report {
    Report::Applied { fault: 0, at: Offset::from_millis(ms) }
}

fn cleared(ms: i64) -> Report {
    Report::Cleared { fault: 0, at: Offset::from_millis(ms), eligible: 9, injected: 2 }
}

fn failed(fault: Option<usize>, why: &str) -> Report {
    Report::Failed { fault, why: why.into() }
}

#[tokio::test]
async fn what_a_stage_says_is_passed_on_as_it_said_it() {
    let at = Offset::from_millis;
    let health = StageHealth { at: at(12), ..StageHealth::default() };
    let called = || vec![Called { calls: 3, shots: 2 }];
    let (mut stage, clock, _orders) = stage(move |order| match order {
        Order::Apply { .. } => vec![
            applied(7),
            Report::Health(health),
            Report::Calls { at: at(8), upstreams: called() },
            Report::Touched { fault: 0, at: at(9) },
            failed(Some(0), "slipped"),
            failed(None, "a note"),
        ],
        // What comes with the end comes before it; a time to live that runs out meanwhile ends nothing twice.
        Order::Clear { .. } => vec![failed(None, "before the end"), cleared(11), cleared(13)],
        _ => Vec::new(),
    })
    .await;
    let mut hear = conducted(&mut stage, &Locals::default(), clock).await;
    let events: Vec<Event> = std::iter::from_fn(|| hear.try_recv().ok()).collect();
    let orders: Vec<(bool, Offset)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Order { end, planned, .. } => Some((*end, *planned)),
            _ => None,
        })
        .collect();
    assert_eq!(orders, [(false, at(20)), (true, at(60))]);
    let told: Vec<(Offset, FaultStep)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Fault { at, step, .. } => Some((*at, step.clone())),
            _ => None,
        })
        .collect();
    let end = FaultStep::Cleared { eligible: 9, injected: 2 };
    assert_eq!(
        [&told[0], &told[1], &told[3]],
        [&(at(7), FaultStep::Applied), &(at(9), FaultStep::Touched), &(at(11), end.clone())]
    );
    assert_eq!((told.len(), &told[2].1), (4, &FaultStep::Failed { why: "slipped".into() }));
    assert!(events.contains(&Event::Stage(health)));
    assert!(events.contains(&Event::Calls { at: at(8), upstreams: vec![Called { calls: 3, shots: 2 }] }));
    let place = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).expect("it was said");
    let note = |text: &'static str| move |event: &Event| matches!(event, Event::Note { text: t, .. } if t == text);
    assert!(place(&note("a note")) < place(&note("before the end")));
    let ends = |event: &Event| matches!(event, Event::Fault { step, .. } if *step == end);
    assert!(place(&note("before the end")) < place(&ends));
}

#[tokio::test]
async fn what_was_refused_is_not_ended() {
    let (mut stage, clock, mut orders) = stage(|order| match order {
        Order::Apply { .. } => vec![failed(Some(0), "it will not")],
        _ => vec![cleared(1)],
    })
    .await;
    let mut hear = conducted(&mut stage, &Locals::default(), clock).await;
    assert_eq!(words(&steps(&mut hear)), ["f Failed"]);
    let given: Vec<Order> = std::iter::from_fn(|| orders.try_recv().ok()).collect();
    assert!(given.contains(&Order::Apply { fault: 0 }) && !given.contains(&Order::Clear { fault: 0 }), "{given:?}");
}

/// What was given to a stage for a fault on somebody else's server, what was said of the fault, and what of its recipe was
/// left.
async fn afar(answer: impl Fn(&Order) -> Option<Report> + Send + 'static) -> (Vec<String>, Vec<FaultStep>, usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let record = folder.path().join(undo::FILE);
    let (mut stage, clock, mut orders) = stage(move |order| match (answer(order), order) {
        (Some(report), _) => vec![report],
        (None, Order::Hold { recipe, .. }) => vec![Report::Held { id: recipe.id }],
        (None, Order::Apply { .. }) => vec![applied(30)],
        (None, Order::Clear { .. }) => vec![cleared(70)],
        (None, Order::Undo { id }) => vec![Report::Undone { id: *id }],
        (None, _) => Vec::new(),
    })
    .await;
    let guards = Arc::new(Guards::new("run", UndoLog::at(&record), stage.keeper()));
    let call = |script: &str| Call::Exec(["sh", "-c", script].map(Into::into).to_vec());
    let undo = Undo::Call { undo: call("exit 5"), probe: call("true"), within: Duration::from_millis(100) };
    let locals = Locals::afar("f", LONG, undo, &guards);
    let mut hear = conducted(&mut stage, &locals, clock).await;
    sleep(Duration::from_millis(50)).await;
    let word = |order: Order| format!("{order:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned();
    let given = std::iter::from_fn(|| orders.try_recv().ok()).map(word).filter(|word| word != "Open").collect();
    let left = undo::read(&record).expect("readable").left.len();
    (given, steps(&mut hear).into_iter().map(|(_, _, step)| step).collect(), left)
}

#[tokio::test]
async fn what_outlives_the_stage_is_written_down_before_and_settled_after() {
    let (given, said, left) = afar(|_| None).await;
    assert_eq!(given, ["Hold", "Apply", "Clear", "Release"]);
    assert_eq!((said, left), (vec![FaultStep::Applied, FaultStep::Cleared { eligible: 9, injected: 2 }], 0));
}

#[tokio::test]
async fn what_nobody_would_undo_is_not_applied() {
    let (given, said, left) = afar(|order| match order {
        Order::Hold { recipe, .. } => Some(Report::Stuck { id: recipe.id, why: "no room".into() }),
        _ => None,
    })
    .await;
    assert_eq!((given, left), (vec!["Hold".to_owned()], 0));
    assert_eq!(said, [FaultStep::Failed { why: "no room".into() }]);
}

#[tokio::test]
async fn what_the_stage_did_not_take_away_is_undone_by_its_recipe() {
    let refuses = |order: &Order| matches!(order, Order::Clear { .. }).then(|| failed(Some(0), "it will not"));
    let (given, said, _) = afar(refuses).await;
    assert_eq!(given, ["Hold", "Apply", "Clear", "Undo"]);
    assert!(matches!(said.as_slice(), [FaultStep::Applied, FaultStep::Failed { why }] if why.contains("it will not")));

    let (_, said, left) = afar(move |order| match order {
        Order::Undo { id } => Some(Report::Stuck { id: *id, why: "nor this".into() }),
        order => refuses(order),
    })
    .await;
    let stuck = FaultStep::Stuck { why: "nor this".into(), remedy: "sh -c 'exit 5'".into() };
    assert_eq!((said, left), (vec![FaultStep::Applied, stuck], 1));
}

/// When it returns, a fault that the run applied itself is over, and was said to be.
#[tokio::test]
async fn it_does_not_return_before_the_runs_own_faults_are_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::starting_in(Duration::ZERO);
    let record = folder.path().join(undo::FILE);
    let ((orders, reports), (hear, say)) = lease(1 << 16);
    let _life = tokio::spawn(serve(orders, reports));
    let config = Config { zero: clock.zero(), undo: Some(record.clone()), ..config() };
    let mut stage = Stage::over(hear, say, &config).await.expect("opens");
    let guards = Arc::new(Guards::new("run", UndoLog::at(&record), stage.keeper()));
    let child = tokio::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().expect("starts");
    let process = Process::find(child.id().expect("lives")).expect("lives");
    let locals = Locals::of_one("f", LONG, Deed::Pause(Victim::Foreign(process)), &guards);
    let (tell, mut hear) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let until = async {
        while !matches!(hear.recv().await, Some(Event::Fault { step: FaultStep::Applied, .. })) {}
        assert_eq!(process.state(), State::Stopped);
        stop.send_replace(true);
    };
    let (planned, faults) = ([vec![span(0, 3_600_000)]], [fault("f")]);
    let actors = Actors { stage: &mut stage, locals: &locals };
    let (conducted, ()) = tokio::join!(conduct(actors, &faults, &planned, clock, &tell, Gate::open(), stopped), until);
    conducted.expect("the stage lives");
    assert_eq!((words(&steps(&mut hear)), process.state()), (vec!["f Cleared".into()], State::Running));
}
