//! Faults on processes and by hooks from their beginning to their end, with a stage in this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::deed::Deed;
use super::guard::Guards;
use super::hook::HookCalls;
use super::local::{Fate, Locals, Standing};
use super::victim::Victim;
use crate::base::process::{Process, State, marked};
use crate::base::time::Clock;
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::undo::{self, Call, Mark, Undo, UndoLog, Undone};
use crate::scenario::{Action, Hook, Place};
use crate::stage::client::Stage;
use crate::stage::config::Config;
use crate::stage::mend::{mend, mend_surely};
use crate::stage::serve::serve;
use crate::stage::testing::{config, lease};

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(10);

struct Scene {
    folder: TempDir,
    stage: Option<Stage>,
    life: JoinHandle<()>,
    guards: Arc<Guards>,
    clock: Clock,
    tell: mpsc::UnboundedSender<Event>,
    heard: mpsc::UnboundedReceiver<Event>,
}

impl Scene {
    async fn new() -> Scene {
        let folder = tempfile::tempdir().expect("a folder");
        let record = folder.path().join(undo::FILE);
        let clock = Clock::starting_in(Duration::ZERO);
        let ((orders, reports), (hear, say)) = lease(1 << 16);
        let life = tokio::spawn(serve(orders, reports));
        let config = Config { zero: clock.zero(), undo: Some(record.clone()), linger: Duration::ZERO, ..config() };
        let stage = Stage::over(hear, say, &config).await.expect("opens");
        let guards = Arc::new(Guards::new("run", UndoLog::at(&record), stage.keeper()));
        let (tell, heard) = mpsc::unbounded_channel();
        Scene { folder, stage: Some(stage), life, guards, clock, tell, heard }
    }

    /// One fault.
    fn fault(&self, ttl: Duration, deed: Deed) -> Locals {
        Locals::of_one("f", ttl, deed, &self.guards)
    }

    fn begin<'l>(&self, locals: &'l Locals) -> Standing<'l> {
        let mut standing = locals.begin(self.clock, &self.tell);
        standing.apply(0);
        standing
    }

    /// What becomes of the fault next.
    async fn step(&mut self) -> FaultStep {
        match tokio::time::timeout(LONG, self.heard.recv()).await {
            Ok(Some(Event::Fault { step, .. })) => step,
            other => panic!("no step: {other:?}"),
        }
    }

    fn record(&self) -> Undone {
        undo::read(&self.path(undo::FILE)).expect("reads")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn cleared(step: &FaultStep) -> bool {
    *step == FaultStep::Cleared { eligible: 0, injected: 0 }
}

/// A process that does nothing.
fn idle() -> (Child, Process) {
    let child = Command::new("sleep").arg("60").kill_on_drop(true).spawn().expect("starts");
    let process = Process::find(child.id().expect("lives")).expect("lives");
    (child, process)
}

fn sh(script: &str) -> Action {
    Action::Exec(["sh", "-c", script].map(Into::into).to_vec())
}

/// Breaks by making a file, unless told to do something else.
fn hook(file: &Path, apply: Option<&str>, undo: Option<&str>) -> Deed {
    let file = file.display();
    Deed::Hook(Box::new(HookCalls::new(&Hook {
        name: "h".into(),
        apply: sh(apply.unwrap_or(&format!("touch {file}"))),
        undo: sh(undo.unwrap_or(&format!("rm -f {file}"))),
        probe: sh(&format!("test ! -e {file}")),
        within: Duration::from_millis(600),
        place: Place::default(),
    })))
}

#[tokio::test]
async fn how_to_undo_it_is_written_down_before_and_followed_after() {
    let mut scene = Scene::new().await;
    let (_child, process) = idle();
    let locals = scene.fault(LONG, Deed::Pause(Victim::Foreign(process)));
    locals.ready().await.expect("could be");
    assert_eq!((scene.record(), process.state()), (Undone::default(), State::Running), "only looked at");
    let mut standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    assert_eq!(process.state(), State::Stopped);
    assert_eq!(scene.record().left.len(), 1, "on disk while it stands");
    standing.clear(0);
    assert_eq!(standing.next().await, Fate::Over);
    assert!(cleared(&scene.step().await));
    assert_eq!(process.state(), State::Running);
    let record = scene.record();
    assert_eq!((record.left.len(), record.done[0].1.as_str()), (0, "stage"), "the stage does it, in every run");
}

#[tokio::test]
async fn what_is_dropped_is_undone_by_the_stage() {
    let mut scene = Scene::new().await;
    let (_child, process) = idle();
    let locals = scene.fault(LONG, Deed::Pause(Victim::Foreign(process)));
    let standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    // As a panic does it.
    drop((standing, scene.stage.take()));
    assert!(process.comes_to(|state| state == State::Running, Duration::from_secs(2)).await);
    scene.life.await.expect("the stage ends in order");
    assert_eq!(undo::read(&scene.folder.path().join(undo::FILE)).expect("reads").left, []);
}

#[tokio::test]
async fn a_ttl_that_runs_out_is_the_end() {
    let mut scene = Scene::new().await;
    let (_child, process) = idle();
    let locals = scene.fault(Duration::from_millis(80), Deed::Pause(Victim::Foreign(process)));
    let mut standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    assert!(cleared(&scene.step().await));
    assert_eq!(process.state(), State::Running);
    standing.clear_all().await;
    assert!(scene.heard.try_recv().is_err(), "cleared once");
}

#[tokio::test]
async fn where_the_stage_dies_the_run_undoes() {
    let mut scene = Scene::new().await;
    let (_child, process) = idle();
    let locals = scene.fault(LONG, Deed::Pause(Victim::Foreign(process)));
    let mut standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    scene.life.abort();
    assert_eq!(standing.next().await, Fate::Lost);
    assert!(cleared(&scene.step().await));
    assert_eq!(process.state(), State::Running);
    assert_eq!(scene.record().done[0].1, "run");
    // And without a stage nothing more is broken.
    standing.apply(0);
    assert!(matches!(scene.step().await, FaultStep::Failed { why } if why.contains("stage")));
    assert_eq!((process.state(), scene.record().left.len()), (State::Running, 0));
}

#[tokio::test]
async fn what_somebody_else_stopped_is_left_alone() {
    let mut scene = Scene::new().await;
    let (mut child, process) = idle();
    process.signal(Signal::STOP).expect("ours");
    assert!(process.comes_to(|state| state == State::Stopped, LONG).await);
    let locals = scene.fault(LONG, Deed::Pause(Victim::Foreign(process)));
    assert!(locals.ready().await.is_err_and(|why| why.contains("already")));
    let mut standing = scene.begin(&locals);
    assert!(matches!(scene.step().await, FaultStep::Failed { .. }));
    assert_eq!(process.state(), State::Stopped);
    child.kill().await.expect("killed");
    standing.apply(0);
    assert!(matches!(scene.step().await, FaultStep::Failed { why } if why.contains("gone")));
}

#[tokio::test]
async fn a_process_that_is_killed_is_started_again_once() {
    let mut scene = Scene::new().await;
    let (mut child, process) = idle();
    tokio::spawn(async move { child.wait().await });
    let deed = Deed::Kill {
        victim: Victim::Foreign(process),
        signal: Signal::KILL,
        restart: Some(["sleep", "61"].map(Into::into).to_vec()),
    };
    let locals = scene.fault(LONG, deed);
    let mut standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    assert_eq!(process.state(), State::Gone);
    let recipe = scene.record().left[0].clone();
    standing.clear(0);
    assert!(cleared(&scene.step().await));
    let entry = scene.guards.mark("f.1").entry();
    let started = marked(&entry);
    assert_eq!(started.len(), 1);
    mend(&recipe.undo).await.expect("nothing to do");
    assert_eq!(marked(&entry), started, "twice is once");
    assert!(started[0].signal(Signal::KILL).expect("ours"));
}

#[tokio::test]
async fn a_hook_is_believed_only_by_its_probe() {
    let mut scene = Scene::new().await;
    let file = scene.path("broken");
    let locals = scene.fault(LONG, hook(&file, None, None));
    let mut standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    assert!(file.exists());
    standing.clear(0);
    assert!(cleared(&scene.step().await));
    assert!(!file.exists());

    // It says that it broke something, and did not.
    let idle = scene.fault(LONG, hook(&file, Some("true"), None));
    let mut standing = scene.begin(&idle);
    assert!(matches!(scene.step().await, FaultStep::Failed { why } if why.contains("broken")));
    standing.clear_all().await;
    // It failed half way: what it broke is mended.
    let half = scene.fault(LONG, hook(&file, Some(&format!("touch {}; exit 7", file.display())), None));
    let mut standing = scene.begin(&half);
    assert!(matches!(scene.step().await, FaultStep::Failed { why } if why.contains("ended with 7")));
    standing.clear_all().await;
    assert!(!file.exists());
    // Broken before: not by us.
    std::fs::write(&file, "").expect("written");
    assert!(locals.ready().await.is_err_and(|why| why.contains("already")));
    let mut standing = scene.begin(&locals);
    assert!(matches!(scene.step().await, FaultStep::Failed { .. }));
    standing.clear_all().await;
    assert!(file.exists());
}

#[tokio::test]
async fn what_cannot_be_undone_leaves_a_remedy() {
    let mut scene = Scene::new().await;
    let file = scene.path("broken");
    let locals = scene.fault(LONG, hook(&file, None, Some("exit 3")));
    let mut standing = scene.begin(&locals);
    assert_eq!(scene.step().await, FaultStep::Applied);
    standing.clear(0);
    let step = scene.step().await;
    let FaultStep::Stuck { why, remedy } = &step else { panic!("{step:?}") };
    assert!(why.contains("ended with 3"), "{why}");
    assert_eq!(remedy, "sh -c 'exit 3'");
    assert_eq!(scene.record().left.len(), 1, "for `heal`");
    let healed = super::guard::heal(&scene.path(undo::FILE), "heal").await.expect("reads");
    assert!(healed[0].done.is_err());
}

#[tokio::test]
async fn an_end_does_not_wait_for_a_beginning() {
    let mut scene = Scene::new().await;
    let file = scene.path("broken");
    let slow = format!("touch {}; sleep 60", file.display());
    let locals = scene.fault(LONG, hook(&file, Some(&slow), None));
    let mut standing = scene.begin(&locals);
    while !file.exists() {
        sleep(Duration::from_millis(5)).await;
    }
    standing.clear_all().await;
    assert!(matches!(scene.step().await, FaultStep::Failed { .. }));
    assert!(!file.exists());
}

#[tokio::test]
async fn a_process_that_was_not_killed_is_not_started_a_second_time() {
    let (mut child, process) = idle();
    let mark = Mark { name: "PROOFLOAD_RUN".into(), value: format!("not-killed-{}/f", process.pid) };
    let command = ["sleep", "62"].map(Into::into).to_vec();
    let said = mend(&Undo::Restart { process, command, mark: mark.clone() }).await.expect("nothing to do");
    assert!(said.contains("it was not killed"), "{said}");
    assert!(marked(&mark.entry()).is_empty());
    child.kill().await.expect("ours");
}

#[tokio::test]
async fn what_fails_at_first_is_tried_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let tries = folder.path().join("tries");
    let third = format!("echo x >> '{0}'; test $(wc -l < '{0}') -ge 3", tries.display());
    let undo = Undo::Call {
        undo: Call::Exec(["sh".into(), "-c".into(), third].to_vec()),
        probe: Call::Exec(vec!["true".into()]),
        within: LONG,
    };
    mend_surely(&undo).await.expect("the third time");
    assert_eq!(std::fs::read_to_string(&tries).expect("written").lines().count(), 3);
    assert!(mend(&undo).await.is_ok(), "and once more does no harm");
}
