//! Leave for faults to begin: none of them is applied before somebody has looked whether the target is steady.

use tokio::sync::watch;

/// Whether faults may begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Leave {
    /// Nobody has said yet.
    #[default]
    Awaited,
    /// They may.
    Given,
    /// They must not, and why.
    Refused(String),
}

/// Where leave is waited for.
#[derive(Debug, Clone)]
pub struct Gate(watch::Receiver<Leave>);

impl Gate {
    /// A gate that whoever holds the other end opens or shuts, once.
    pub fn new() -> (watch::Sender<Leave>, Gate) {
        let (say, hear) = watch::channel(Leave::Awaited);
        (say, Gate(hear))
    }

    /// A gate that stands open.
    pub fn open() -> Gate {
        Gate(watch::channel(Leave::Given).1)
    }

    /// Waits until somebody has said. Where nobody can any more, faults must not begin. Dropping the future loses nothing.
    pub async fn passes(&mut self) -> Result<(), String> {
        match self.0.wait_for(|leave| *leave != Leave::Awaited).await.as_deref() {
            Ok(Leave::Given) => Ok(()),
            Ok(Leave::Refused(why)) => Err(why.clone()),
            Ok(Leave::Awaited) | Err(_) => Err("nobody looked whether the target was steady".into()),
        }
    }
}
