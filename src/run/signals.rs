//! The signals that end a run.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Sleep;

use crate::evidence::manifest::How;

/// SIGINT and SIGTERM, and the time that a run may take at the most.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    budget: Option<Pin<Box<Sleep>>>,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Signals> {
        // With a handler a file that may not grow any more is an error of the write, not the end of us.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            budget: None,
        })
    }

    /// The same, with an end of its own after so long.
    pub(super) fn within(self, budget: Option<Duration>) -> Signals {
        Signals { budget: budget.map(|budget| Box::pin(tokio::time::sleep(budget))), ..self }
    }

    /// The next of them, as an end.
    pub(super) async fn next(&mut self) -> How {
        tokio::select! {
            _ = self.interrupt.recv() => How::Interrupted,
            _ = self.terminate.recv() => How::Terminated,
            // The terminal is gone: what was started must end in order all the same.
            _ = self.hangup.recv() => How::Terminated,
            () = used_up(&mut self.budget) => How::CutShort("the time budget is used up".into()),
        }
    }
}

/// Waits until there is no time left; for ever where there is no such end, and after it was told.
async fn used_up(budget: &mut Option<Pin<Box<Sleep>>>) {
    match budget {
        Some(left) => left.await,
        None => std::future::pending().await,
    }
    *budget = None;
}

/// Whether somebody has told this program to end. It listens on a thread of its own, because between two runs nobody
/// else does.
pub struct Told(Arc<AtomicBool>);

impl Told {
    /// Listens from now on. Fails when signals cannot be listened to or no thread can be started.
    pub fn listen() -> io::Result<Told> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::listen()?
        };
        let told = Arc::new(AtomicBool::new(false));
        let heard = told.clone();
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(signals.next());
            heard.store(true, Relaxed);
        })?;
        Ok(Told(told))
    }

    /// Whether it has been told by now.
    pub fn so_far(&self) -> bool {
        self.0.load(Relaxed)
    }
}
