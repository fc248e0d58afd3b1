//! What makes sure that something will be undone, before it is done: how is on the disk, and in the hands of the stage,
//! which outlives us.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::seed;
use crate::evidence::undo::{self, Mark, Recipe, Undo, UndoLog};
use crate::stage::client::{Keeper, Kept, Unkept};
use crate::stage::mend::mend_surely;

/// Raises guards: one for each thing that will have to be undone.
pub struct Guards {
    run: String,
    log: UndoLog,
    keeper: Keeper,
    next: AtomicU64,
}

/// Something will be undone: when asked for, when its time to live is over, or when we die. Dropping it leaves it to
/// the latter two.
pub struct Guard {
    recipe: Recipe,
    log: UndoLog,
    kept: Kept,
}

/// How a guard came to its end unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// The time to live was over, and it was undone; the error says why it could not be.
    Expired(Result<(), String>),
    /// The stage is gone: whoever holds the guard must undo it.
    Lost,
}

impl Guards {
    /// For a run by its name, with its record of what must be undone.
    pub fn new(run: &str, log: UndoLog, keeper: Keeper) -> Guards {
        // Two runs in two folders may have one name, which is a time.
        let folder = seed::digest(log.path().as_os_str().as_encoded_bytes());
        Guards { run: format!("{run}-{}", &folder[..8]), log, keeper, next: AtomicU64::new(0) }
    }

    /// A mark for what is started on behalf of something.
    pub fn mark(&self, of: &str) -> Mark {
        Mark { name: "PROOFLOAD_RUN".into(), value: format!("{}/{of}", self.run) }
    }

    /// Writes down how to undo something, and hands it to the stage. Afterwards it may be done. The error says why it
    /// must not.
    pub async fn raise(&self, of: &str, undo: Undo, ttl: Option<Duration>) -> Result<Guard, String> {
        let recipe = Recipe { id: self.next.fetch_add(1, Ordering::Relaxed), of: of.into(), undo };
        let (log, promised) = (self.log.clone(), recipe.clone());
        let written = tokio::task::spawn_blocking(move || log.promise(&promised)).await;
        written
            .unwrap_or_else(|why| Err(io::Error::other(why)))
            .map_err(|why| format!("{}: how to undo it could not be written: {why}", self.log.path().display()))?;
        match self.keeper.hold(&recipe, ttl).await {
            Ok(kept) => Ok(Guard { recipe, log: self.log.clone(), kept }),
            Err(why) => {
                done(&self.log, recipe.id, "it was never applied").await;
                Err(match why {
                    Unkept::Failed(why) => why,
                    Unkept::Lost => "the stage, which would undo it if we could not, is gone".into(),
                })
            }
        }
    }
}

impl Guard {
    /// Waits for its end. Dropping the future loses nothing.
    pub async fn over(&mut self) -> Over {
        match self.kept.over().await {
            Ok(()) => Over::Expired(Ok(())),
            Err(Unkept::Failed(why)) => Over::Expired(Err(why)),
            Err(Unkept::Lost) => Over::Lost,
        }
    }

    /// What to type where it cannot be undone.
    pub fn remedy(&self) -> String {
        self.recipe.undo.remedy()
    }

    /// Has it undone: by the stage, or here where that is gone. The error says why it could not be.
    pub async fn undo(self) -> Result<(), String> {
        let Guard { recipe, log, kept } = self;
        match kept.undo().await {
            Ok(()) => Ok(()),
            Err(Unkept::Failed(why)) => Err(why),
            Err(Unkept::Lost) => {
                let what = mend_surely(&recipe.undo).await?;
                done(&log, recipe.id, &what).await;
                Ok(())
            }
        }
    }

    /// There is nothing to undo: it was not done.
    pub async fn release(self) {
        self.settle("it was never applied").await;
    }

    /// There is nothing left to undo; `what` says why.
    pub async fn settle(self, what: &str) {
        done(&self.log, self.recipe.id, what).await;
        self.kept.release().await;
    }
}

/// A disk that is full leaves it to be done again, which changes nothing.
async fn done(log: &UndoLog, id: u64, what: &str) {
    let (log, what) = (log.clone(), what.to_owned());
    let _ = tokio::task::spawn_blocking(move || log.done(id, "run", &what)).await;
}

/// Something that was left to undo, and what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Healed {
    /// How it is undone.
    pub recipe: Recipe,
    /// What was done, or why it could not be.
    pub done: Result<String, String>,
}

/// Undoes what is left in a run's record, in the opposite order. `by` is who does it. Errors: when the record cannot be
/// read.
pub async fn heal(record: &Path, by: &str) -> io::Result<Vec<Healed>> {
    let log = UndoLog::at(record);
    let mut healed = Vec::new();
    for recipe in undo::read(record)?.left.into_iter().rev() {
        let done = mend_surely(&recipe.undo).await;
        if let Ok(what) = &done {
            // Not written down: it will be done again, which changes nothing.
            let _ = log.done(recipe.id, by, what);
        }
        healed.push(Healed { recipe, done });
    }
    Ok(healed)
}
