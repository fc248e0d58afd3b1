//! The signals that end a run.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::evidence::manifest::How;

/// SIGINT and SIGTERM.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Signals> {
        // With a handler a file that may not grow any more is an error of the write, not the end of us.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next of them, as an end.
    pub(super) async fn next(&mut self) -> How {
        tokio::select! {
            _ = self.interrupt.recv() => How::Interrupted,
            _ = self.terminate.recv() => How::Terminated,
            // The terminal is gone: what was started must end in order all the same.
            _ = self.hangup.recv() => How::Terminated,
        }
    }
}
