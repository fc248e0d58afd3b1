//! The stage's own process: what the run starts.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::serve::serve_until;

/// Serves the run at the other end of standard input and output until it is over. Errors: when they are no pipes.
///
/// It stands in a session of its own, so that what ends the run (Ctrl-C, a closed terminal) does not end it; it ends
/// by itself when the lease says so, and in order on SIGTERM.
pub fn child() -> io::Result<()> {
    // Fails where it leads a process group already: started by hand from a shell, which is harmless.
    let _ = rustix::process::setsid();
    widen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let orders = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let reports = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
        // Having a handler is what keeps these from ending us.
        let too_long = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let _ignored = (signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?, signal(too_long)?);
        let mut terminate = signal(SignalKind::terminate())?;
        serve_until(orders, reports, async { _ = terminate.recv().await }).await;
        Ok(())
    });
    runtime.shutdown_background();
    done
}

/// As many files as the system allows: a fault that lets requests hang holds a connection for each.
pub(super) fn widen() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Stdio;
    use std::time::Duration;

    use rustix::process::{Pid, Signal, getsid, kill_process, kill_process_group};
    use tokio::io::{AsyncBufReadExt, BufReader};
    use tokio::net::TcpStream;
    use tokio::process::Command;

    use crate::stage::client::{Stage, StageError};
    use crate::stage::config::Config;
    use crate::stage::testing::{Line, QUOTE, config};

    /// This very program, run so that it does nothing but one of the two parts below.
    fn part(name: &str) -> [String; 4] {
        let test = format!("stage::child::tests::is_the_{name}");
        ["--exact".into(), test, format!("as-a-{name}"), "--nocapture".into()]
    }

    fn plays(name: &str) -> bool {
        std::env::args().any(|arg| arg == format!("as-a-{name}"))
    }

    async fn start(config: &Config) -> Result<Stage, StageError> {
        Stage::spawn(&std::env::current_exe().expect("a test program"), &part("stage").map(Into::into), config).await
    }

    #[test]
    fn is_the_stage() {
        if plays("stage") {
            super::child().expect("stands on pipes");
        }
    }

    /// A run that applies a fault, says where, and never ends.
    #[tokio::test]
    async fn is_the_run() {
        if plays("run") {
            let mut stage = start(&Config { linger: Duration::from_secs(2), ..config() }).await.expect("starts");
            stage.apply(0).await.expect("applied");
            let (url, pid) = (&stage.upstreams()[0].1, stage.pid());
            std::io::Write::write_all(&mut std::io::stderr(), format!("{url} {pid}\n").as_bytes()).expect("says");
            std::future::pending::<()>().await;
        }
    }

    async fn listens(url: &str) -> bool {
        TcpStream::connect(url.trim_start_matches("http://")).await.is_ok()
    }

    async fn goes(url: &str) -> bool {
        for _ in 0..100 {
            if !listens(url).await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    #[tokio::test]
    async fn a_run_whose_whole_group_is_killed_leaves_no_fault_and_no_dead_port() {
        let mut run = Command::new(std::env::current_exe().expect("a test program"))
            .args(part("run"))
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut said = BufReader::new(run.stderr.take().expect("a pipe")).lines();
        let line = said.next_line().await.expect("reads").expect("a line");
        let (url, stage) = line.split_once(' ').expect("a URL and a pid");
        let stage = Pid::from_raw(stage.parse().expect("a number")).expect("a pid");
        assert_eq!(getsid(Some(stage)).expect("lives"), stage, "in a session of its own");
        let mut struck = Line::open(url).await;
        struck.send(QUOTE).await;
        assert_eq!(struck.answer_within(50).await, None, "it hangs");

        let group = Pid::from_raw(run.id().expect("lives") as i32).expect("a pid");
        kill_process_group(group, Signal::KILL).expect("sent");
        assert_eq!(struck.answer_within(5000).await, Some(0), "let go");
        assert_eq!(Line::open(url).await.ask(QUOTE).await, 200, "and answers cleanly");
        assert!(said.next_line().await.expect("reads").is_none(), "nothing holds the run's standard error open");
        assert!(goes(url).await, "it lingers for ever");
    }

    #[tokio::test]
    async fn what_interrupts_a_run_does_not_end_its_stage() {
        let stage = start(&config()).await.expect("starts");
        let pid = Pid::from_raw(stage.pid() as i32).expect("a pid");
        for signal in [Signal::INT, Signal::HUP] {
            kill_process(pid, signal).expect("sent");
        }
        let url = stage.upstreams()[0].1.clone();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200);
        }
        stage.close().await.expect("closes");
        assert!(!listens(&url).await, "an orderly end leaves nothing");
    }

    #[tokio::test]
    async fn a_stage_that_is_killed_is_known() {
        let mut stage = start(&config()).await.expect("starts");
        let pid = Pid::from_raw(stage.pid() as i32).expect("a pid");
        kill_process(pid, Signal::KILL).expect("sent");
        assert_eq!(stage.report().await, None);
        assert!(matches!(stage.clear(0).await, Err(StageError::Died(_))));
    }

    #[tokio::test]
    async fn a_program_that_is_no_stage_is_an_error() {
        let none = Stage::spawn(Path::new("/no/such/program"), &[], &config()).await.map(|s| s.pid());
        assert!(none.expect_err("nothing to start").to_string().contains("/no/such/program"));
        let args = ["-c", "echo no such command >&2"].map(Into::into);
        let other = Stage::spawn(Path::new("sh"), &args, &config()).await.map(|s| s.pid());
        assert!(other.expect_err("it goes at once").to_string().contains("no such command"));
    }
}
