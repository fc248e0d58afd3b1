//! The process that a fault acts on.

use std::sync::Arc;

use super::member::Member;
use crate::base::process::Process;

/// The process that a fault acts on.
#[derive(Clone)]
pub enum Victim {
    /// Somebody else's, as it was before the load: another one with its id is none.
    Foreign(Process),
    /// One that this run started; whichever process that is at the time.
    Ours(Arc<Member>),
}

impl Victim {
    /// The process as it is now.
    pub fn process(&self) -> Result<Process, String> {
        match self {
            Victim::Foreign(process) => Ok(*process),
            Victim::Ours(member) => member.process(),
        }
    }
}
