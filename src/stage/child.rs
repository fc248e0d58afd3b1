//! The stage's own process: what the run starts.

use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, Rlimit};
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};

use super::serve::serve;

/// Serves the run at the other end of standard input and output until it is over. Errors: when they are no pipes.
///
/// It stands in a session of its own, so that what ends the run (Ctrl-C, a closed terminal) does not end it; it ends
/// by itself when the lease says so, and in order on SIGTERM.
pub fn child() -> io::Result<()> {
    // Fails where it leads a process group already: started by hand from a shell, which is harmless.
    let _ = rustix::process::setsid();
    // A fault that lets requests hang holds a connection for each.
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let orders = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let reports = pipe::Sender::from_owned_fd(io::stdout().as_fd().try_clone_to_owned()?)?;
        // Having a handler is what keeps these from ending us.
        let _ignored = (signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            () = serve(orders, reports) => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    });
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::process::{Pid, Signal, getsid, kill_process};

    use crate::stage::client::Stage;
    use crate::stage::testing::{Line, QUOTE, config};

    /// No test but the child of the next one, which starts this very program again.
    #[test]
    fn is_the_child() {
        if std::env::args().any(|arg| arg == "as-a-stage") {
            super::child().expect("stands on pipes");
        }
    }

    #[tokio::test]
    async fn a_stage_outlives_its_run_for_a_while_and_then_goes() {
        let program = std::env::current_exe().expect("a test program");
        let args = ["--exact", "stage::child::tests::is_the_child", "as-a-stage", "--nocapture"];
        let config = crate::stage::config::Config { linger: Duration::from_millis(600), ..config() };
        let mut stage = Stage::spawn(&program, &args.map(Into::into), &config).await.expect("starts");
        let pid = Pid::from_raw(stage.pid() as i32).expect("a pid");
        assert_eq!(getsid(Some(pid)).expect("lives"), pid, "in a session of its own");
        kill_process(pid, Signal::INT).expect("sent");
        let url = stage.upstreams()[0].1.clone();
        stage.apply(0).await.expect("applied");
        let mut struck = Line::open(&url).await;
        struck.send(QUOTE).await;
        assert_eq!(struck.answer_within(50).await, None, "it hangs, and Ctrl-C did not end the stage");

        drop(stage);
        assert_eq!(struck.answer_within(5000).await, Some(0), "let go");
        assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200, "and answers cleanly");
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it lingers for ever");
    }

    #[tokio::test]
    async fn an_orderly_end_leaves_nothing() {
        let program = std::env::current_exe().expect("a test program");
        let args = ["--exact", "stage::child::tests::is_the_child", "as-a-stage", "--nocapture"];
        let stage = Stage::spawn(&program, &args.map(Into::into), &config()).await.expect("starts");
        let url = stage.upstreams()[0].1.clone();
        stage.close().await.expect("closes");
        assert!(tokio::net::TcpStream::connect(url.trim_start_matches("http://")).await.is_err());
    }

    #[tokio::test]
    async fn a_program_that_is_no_stage_is_an_error() {
        let none = Stage::spawn("/no/such/program".as_ref(), &[], &config()).await.map(|s| s.pid());
        assert!(none.expect_err("nothing to start").to_string().contains("/no/such/program"));
        let silent = Stage::spawn("false".as_ref(), &[], &config()).await.map(|s| s.pid());
        assert!(silent.expect_err("it goes at once").to_string().contains("died"));
    }
}
