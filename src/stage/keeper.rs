//! The run's side of the warden: hands over how to undo something before it is done, and hears what became of it. Copies
//! can be used at once, each by whoever answers for a fault.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::mend;
use super::protocol::{self, Order, Report};
use crate::evidence::undo::Recipe;

/// How long the stage may take to listen, and to say that it holds a recipe.
const ANSWER: Duration = Duration::from_secs(2);

/// Where orders go; nowhere when the lease has ended.
pub(super) type Orders = Arc<tokio::sync::Mutex<Option<Box<dyn AsyncWrite + Send + Unpin>>>>;

/// Hands recipes to the stage.
#[derive(Clone)]
pub struct Keeper {
    orders: Orders,
    waiting: Waiting,
}

/// Who waits for news of which recipe; `None` when there will be none any more.
#[derive(Clone)]
pub(super) struct Waiting(Arc<Mutex<Option<HashMap<u64, News>>>>);

struct News {
    held: Option<oneshot::Sender<Result<(), String>>>,
    over: oneshot::Sender<Result<(), String>>,
}

/// Why the stage did not do what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unkept {
    /// It could not; in words.
    Failed(String),
    /// It is gone, or says nothing: whoever asks must do it himself.
    Lost,
}

/// A recipe that the stage holds. Dropping it changes nothing: the stage holds it until its time to live is over.
pub struct Kept {
    keeper: Keeper,
    recipe: Recipe,
    over: oneshot::Receiver<Result<(), String>>,
    ended: Option<Result<(), Unkept>>,
}

impl Keeper {
    pub(super) fn new(orders: Orders, waiting: Waiting) -> Keeper {
        Keeper { orders, waiting }
    }

    /// Hands a recipe over. Afterwards it will be followed: when asked for, after `ttl`, or when the run dies.
    pub async fn hold(&self, recipe: &Recipe, ttl: Option<Duration>) -> Result<Kept, Unkept> {
        let (held, is_held) = oneshot::channel();
        let (over, is_over) = oneshot::channel();
        match &mut *self.waiting.lock() {
            Some(waiting) => _ = waiting.insert(recipe.id, News { held: Some(held), over }),
            None => return Err(Unkept::Lost),
        }
        self.tell(&Order::Hold { recipe: Box::new(recipe.clone()), ttl }).await?;
        match timeout(ANSWER, is_held).await {
            Ok(Ok(Ok(()))) => Ok(Kept { keeper: self.clone(), recipe: recipe.clone(), over: is_over, ended: None }),
            Ok(Ok(Err(why))) => Err(Unkept::Failed(why)),
            Ok(Err(_)) | Err(_) => Err(Unkept::Lost),
        }
    }

    async fn tell(&self, order: &Order) -> Result<(), Unkept> {
        let telling = async {
            match &mut *self.orders.lock().await {
                Some(orders) => protocol::write(orders, order).await.map_err(|_| Unkept::Lost),
                None => Err(Unkept::Lost),
            }
        };
        timeout(ANSWER, telling).await.unwrap_or(Err(Unkept::Lost))
    }
}

impl Kept {
    /// Waits until the recipe was followed without our asking: its time to live was over. [`Unkept::Lost`] when the stage
    /// is gone. Dropping the future loses nothing; asked again it says the same.
    pub async fn over(&mut self) -> Result<(), Unkept> {
        if self.ended.is_none() {
            self.ended = Some(match (&mut self.over).await {
                Ok(done) => done.map_err(Unkept::Failed),
                Err(_) => Err(Unkept::Lost),
            });
        }
        self.ended.clone().unwrap_or(Err(Unkept::Lost))
    }

    /// Lets it be followed now.
    pub async fn undo(mut self) -> Result<(), Unkept> {
        self.keeper.tell(&Order::Undo { id: self.recipe.id }).await?;
        let longest = mend::longest(&self.recipe.undo);
        timeout(longest, self.over()).await.unwrap_or(Err(Unkept::Lost))
    }

    /// Takes it back: there is nothing to undo.
    pub async fn release(self) {
        let _ = self.keeper.tell(&Order::Release { id: self.recipe.id }).await;
        if let Some(waiting) = &mut *self.keeper.waiting.lock() {
            waiting.remove(&self.recipe.id);
        }
    }
}

impl Waiting {
    pub(super) fn new() -> Waiting {
        Waiting(Arc::new(Mutex::new(Some(HashMap::new()))))
    }

    /// Takes a report that is for whoever waits; the others come back.
    pub(super) fn hear(&self, report: Report) -> Option<Report> {
        let mut waiting = self.lock();
        match (report, &mut *waiting) {
            (Report::Held { id }, Some(waiting)) => {
                let held = waiting.get_mut(&id).and_then(|news| news.held.take());
                let _ = held.map(|held| held.send(Ok(())));
            }
            (Report::Undone { id }, Some(waiting)) => {
                let _ = waiting.remove(&id).map(|news| news.over.send(Ok(())));
            }
            (Report::Stuck { id, why }, Some(waiting)) => match waiting.remove(&id) {
                Some(News { held: Some(held), .. }) => _ = held.send(Err(why)),
                Some(News { over, .. }) => _ = over.send(Err(why)),
                None => {}
            },
            (Report::Held { .. } | Report::Undone { .. } | Report::Stuck { .. }, None) => {}
            (other, _) => return Some(other),
        }
        None
    }

    /// There will be no more news: whoever waits is told so.
    pub(super) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<HashMap<u64, News>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
