//! The warden: holds how to undo each fault on processes and each hook, and does it: when the run says so, when the
//! fault's time to live is over, or when the run is gone. It is the same deed every time, so that what saves us when a run dies
//! has been done in every run before.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::mend::mend_surely;
use super::protocol::Report;
use crate::base::time::{Clock, Offset};
use crate::evidence::undo::{self, Recipe, UndoLog};

/// Holds recipes and follows them.
pub struct Warden {
    log: UndoLog,
    clock: Clock,
    held: BTreeMap<u64, (Recipe, Option<Offset>)>,
    at_work: JoinSet<()>,
}

impl Warden {
    /// Holds nothing yet. What it does is written into the run's own record and told on the run's axis.
    pub fn new(log: UndoLog, clock: Clock) -> Warden {
        Warden { log, clock, held: BTreeMap::new(), at_work: JoinSet::new() }
    }

    /// Takes a recipe, to be followed after `ttl` at the latest, or when the run is gone.
    pub fn hold(&mut self, recipe: Recipe, ttl: Option<Duration>) {
        let due = ttl.map(|ttl| self.clock.now() + ttl);
        self.held.insert(recipe.id, (recipe, due));
    }

    /// Forgets a recipe: there is nothing to undo.
    pub fn release(&mut self, id: u64) {
        self.held.remove(&id);
    }

    /// Follows a recipe now; what became of it goes to `news`. One that is not held has been followed.
    pub fn undo(&mut self, id: u64, news: &mpsc::UnboundedSender<Report>) {
        if let Some((recipe, _)) = self.held.remove(&id) {
            self.at_work.spawn(follow(recipe, self.log.clone(), news.clone()));
        }
    }

    /// When the next recipe must be followed, whatever the run says.
    fn next_due(&self) -> Option<Offset> {
        self.held.values().filter_map(|(_, due)| *due).min()
    }

    /// How long that is from now; an hour when there is none.
    pub fn until_due(&self) -> Duration {
        self.next_due().map_or(Duration::from_secs(3600), |due| self.clock.until(due))
    }

    /// Follows the recipes whose time to live is over.
    pub fn expire(&mut self, news: &mpsc::UnboundedSender<Report>) {
        let now = self.clock.now();
        let over = |(id, (_, due)): (&u64, &(Recipe, Option<Offset>))| due.filter(|due| *due <= now).map(|_| *id);
        for id in self.held.iter().filter_map(over).collect::<Vec<_>>() {
            self.undo(id, news);
        }
    }

    /// Follows every recipe that is held, all at once, and waits until that is done.
    pub async fn undo_all(&mut self, news: &mpsc::UnboundedSender<Report>) {
        for id in self.held.keys().copied().collect::<Vec<_>>() {
            self.undo(id, news);
        }
        while self.at_work.join_next().await.is_some() {}
    }

    /// Follows what the run wrote down and could not hand over any more before it died. Nothing of it was applied; but
    /// who reads the record cannot know that.
    pub async fn undo_rest(&mut self, news: &mpsc::UnboundedSender<Report>) {
        // Where the record cannot be read, there is `heal`.
        for recipe in undo::read(self.log.path()).map(|found| found.left).unwrap_or_default() {
            self.hold(recipe, None);
        }
        self.undo_all(news).await;
    }
}

/// Follows one recipe; writes down that it was done.
async fn follow(recipe: Recipe, log: UndoLog, news: mpsc::UnboundedSender<Report>) {
    let id = recipe.id;
    let report = match mend_surely(&recipe.undo).await {
        Ok(what) => {
            // A disk that is full leaves it to be done again, which changes nothing.
            let _ = tokio::task::spawn_blocking(move || log.done(id, "stage", &what)).await;
            Report::Undone { id }
        }
        Err(why) => Report::Stuck { id, why },
    };
    let _ = news.send(report);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::process::{Process, State};
    use crate::evidence::undo::Undo;
    use rustix::process::Signal;

    const LONG: Duration = Duration::from_secs(10);

    /// A stopped process, and how to let it go on.
    async fn stopped(id: u64) -> (tokio::process::Child, Process, Recipe) {
        let child = tokio::process::Command::new("sleep").arg("60").kill_on_drop(true).spawn().expect("starts");
        let process = Process::find(child.id().expect("lives")).expect("lives");
        process.signal(Signal::STOP).expect("ours");
        assert!(process.comes_to(|s| s == State::Stopped, LONG).await);
        (child, process, Recipe { id, of: "f".into(), undo: Undo::Resume { process } })
    }

    #[tokio::test]
    async fn what_is_held_is_done_on_time_and_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = UndoLog::at(&folder.path().join(undo::FILE));
        let mut warden = Warden::new(log.clone(), Clock::starting_in(Duration::ZERO));
        let (news, mut heard) = mpsc::unbounded_channel();
        let (_child, process, recipe) = stopped(3).await;
        log.promise(&recipe).expect("written");
        warden.hold(recipe, Some(Duration::from_millis(30)));
        assert!(warden.until_due() <= Duration::from_millis(30));
        warden.expire(&news);
        assert_eq!(process.state(), State::Stopped, "not yet");
        tokio::time::sleep(Duration::from_millis(40)).await;
        warden.expire(&news);
        let told = heard.recv().await.expect("told");
        assert!(matches!(told, Report::Undone { id: 3 }), "{told:?}");
        assert_eq!(process.state(), State::Running);
        warden.undo(3, &news);
        warden.undo_all(&news).await;
        assert!(heard.try_recv().is_err(), "told once");
        assert_eq!(undo::read(log.path()).expect("reads").left, []);
    }

    #[tokio::test]
    async fn what_was_written_down_and_not_handed_over_is_done_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = UndoLog::at(&folder.path().join(undo::FILE));
        let mut warden = Warden::new(log.clone(), Clock::starting_in(Duration::ZERO));
        let (news, _heard) = mpsc::unbounded_channel();
        let (_child, process, recipe) = stopped(1).await;
        log.promise(&recipe).expect("written");
        warden.undo_all(&news).await;
        assert_eq!(process.state(), State::Stopped, "not held");
        warden.undo_rest(&news).await;
        assert_eq!((process.state(), undo::read(log.path()).expect("reads").left.len()), (State::Running, 0));
    }

    #[tokio::test]
    async fn all_that_is_left_is_done_when_the_run_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut warden = Warden::new(UndoLog::at(&folder.path().join(undo::FILE)), Clock::starting_in(Duration::ZERO));
        let (news, _heard) = mpsc::unbounded_channel();
        let (_first, first, recipe) = stopped(1).await;
        warden.hold(recipe, None);
        let (_second, second, recipe) = stopped(2).await;
        warden.hold(recipe, Some(LONG));
        let (_third, third, recipe) = stopped(3).await;
        warden.hold(recipe, None);
        warden.release(3);
        warden.undo_all(&news).await;
        assert_eq!([first, second, third].map(|p| p.state()), [State::Running, State::Running, State::Stopped]);
    }
}
