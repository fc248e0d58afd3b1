use std::process::Stdio;

use tokio::process::{Child, Command};

use super::*;

const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_millis(300);

fn sh(script: &str) -> Call {
    Call::Exec(["sh", "-c", script].map(Into::into).to_vec())
}

fn mark(of: &str) -> Mark {
    Mark { name: "PROOFLOAD_MENDS".into(), value: format!("{}-{of}", std::process::id()) }
}

/// A process with a mark.
fn marked_one(mark: &Mark, script: &str) -> (Child, Process) {
    let mut command = Command::new("sh");
    command.args(["-c", script]).env(&mark.name, &mark.value).stdin(Stdio::null()).kill_on_drop(true);
    let child = command.spawn().expect("starts");
    let process = Process::find(child.id().expect("lives")).expect("lives");
    (child, process)
}

#[tokio::test]
async fn who_is_gone_need_not_go_on_and_who_stands_does() {
    let (mut child, process) = marked_one(&mark("gone"), "exec sleep 60");
    process.signal(Signal::STOP).expect("ours");
    assert!(process.comes_to(|state| state == State::Stopped, LONG).await);
    let said = mend(&Undo::Resume { process }).await.expect("it goes on");
    assert!(said.ends_with("goes on") && process.state() != State::Stopped, "{said}");
    child.kill().await.expect("ours");
    let said = mend(&Undo::Resume { process }).await.expect("nothing is left to do");
    assert!(said.ends_with("is gone"), "{said}");
}

#[tokio::test]
async fn a_limit_is_restored_when_it_says_so_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cpu.max");
    let restore = |file: &std::path::Path| Undo::Restore { file: file.to_owned(), value: "max 100000".into() };
    let said = mend(&restore(&file)).await.expect("the group is gone, and its limit with it");
    assert!(said.ends_with("the group is gone") && !file.exists(), "{said}");
    std::fs::write(&file, "50000 100000\n").expect("written");
    mend(&restore(&file)).await.expect("restored");
    assert_eq!(std::fs::read_to_string(&file).expect("there"), "max 100000");
    let why = mend(&restore("/dev/null".as_ref())).await.expect_err("it does not keep what is written");
    assert!(why.contains("it says `` after `max 100000`"), "{why}");
}

#[tokio::test]
async fn a_hook_has_mended_only_when_its_probe_says_so() {
    let hook = |undo: &str, probe: &str| Undo::Call { undo: sh(undo), probe: sh(probe), within: SHORT };
    assert!(mend(&hook("true", "true")).await.is_ok());
    let why = mend(&hook("true", "exit 1")).await.expect_err("the probe says that it is broken");
    assert!(why.contains("did not find it mended"), "{why}");
    let why = mend(&hook("exit 4", "true")).await.expect_err("it was not undone, whatever the probe says");
    assert!(why.contains("ended with 4"), "{why}");
}

#[tokio::test]
async fn a_command_that_a_signal_ends_neither_did_its_deed_nor_says_anything() {
    let killed = sh("kill -9 $$");
    assert!(call(&killed, LONG).await.is_err_and(|why| why.contains("ended by a signal")));
    assert!(is_well(&killed, LONG).await.is_err_and(|why| why.contains("ended by a signal")));
    assert_eq!((is_well(&sh("exit 3"), LONG).await, is_well(&sh("true"), LONG).await), (Ok(false), Ok(true)));
    let why = becomes(&killed, true, SHORT).await.expect_err("it says nothing");
    assert!(why.contains("did not find it mended within 300ms: ") && why.contains("ended by a signal"), "{why}");
    let why = becomes(&sh("true"), false, SHORT).await.expect_err("it is well");
    assert!(why.contains("did not find it broken"), "{why}");
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_before_anything_is_sent() {
    let request = |value: Value| Call::Http {
        method: "POST".into(),
        url: "http://127.0.0.1:9/mend".into(),
        headers: vec![("Authorization".into(), value)],
        body: "now".into(),
    };
    let why = call(&request(Value::Secret("PROOFLOAD_NOBODY_SET_THIS".into())), SHORT).await.expect_err("not set");
    assert!(why.contains("the secret PROOFLOAD_NOBODY_SET_THIS is not in the environment"), "{why}");
    let ask = super::request(&request(Value::Text("Bearer x".into()))).expect("a request");
    assert_eq!(ask.headers, [("Authorization".to_owned(), "Bearer x".to_owned())]);
    assert_eq!(ask.body, "now");
}

/// Whoever hears no SIGTERM is killed; whoever is stopped is woken to hear it; all that carry the mark, and nobody else.
#[tokio::test]
async fn all_with_a_mark_are_ended_whatever_they_do_about_it() {
    let (own, other) = (mark("ends"), mark("stays"));
    let deaf = marked_one(&own, "trap '' TERM; while :; do sleep 0.05; done");
    let stopped = marked_one(&own, "exec sleep 60");
    let bystander = marked_one(&other, "exec sleep 60");
    stopped.1.signal(Signal::STOP).expect("ours");
    assert!(stopped.1.comes_to(|state| state == State::Stopped, LONG).await);
    let processes = [deaf.1, stopped.1];
    // Taken notice of, or they stay zombies.
    for mut child in [deaf.0, stopped.0] {
        tokio::spawn(async move { child.wait().await });
    }
    let said = mend(&Undo::End { mark: own.clone() }).await.expect("ended");
    assert!(said.starts_with("ended "), "{said}");
    assert!(processes.iter().all(|process| process.state() == State::Gone) && marked(&own.entry()).is_empty());
    assert_eq!(bystander.1.state(), State::Running);
    assert_eq!(mend(&Undo::End { mark: own }).await.as_deref(), Ok("nothing was left of it"));
}

#[test]
fn whoever_waits_for_a_deed_waits_for_all_of_its_attempts() {
    let undo = Undo::Call { undo: sh("true"), probe: sh("true"), within: Duration::from_secs(2) };
    assert!(longest(&undo) >= (Duration::from_secs(4) + AGAIN) * ATTEMPTS);
}
