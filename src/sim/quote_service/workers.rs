//! The workers of a process: so many quotes are in work at once, the others wait in the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::work::Pace;

/// All of them.
pub struct Workers {
    places: Semaphore,
    waiting: AtomicUsize,
    room: usize,
    left: Mutex<BinaryHeap<Reverse<Pace>>>, // where the work stood at places that are free again
}

/// A place among them, until it is dropped.
pub struct Place<'a> {
    /// Where the work at it stands. It begins where the work before ended by the laws, when that was waited for.
    pub pace: Pace,
    workers: &'a Workers,
    _permit: SemaphorePermit<'a>, // given back after the pace is
}

impl Workers {
    /// So many, for whom up to `room` may wait.
    pub fn new(count: usize, room: usize) -> Workers {
        Workers { places: Semaphore::new(count), waiting: AtomicUsize::new(0), room, left: Mutex::default() }
    }

    /// A place; `None` when nobody may wait any more.
    pub async fn take(&self) -> Option<Place<'_>> {
        let arrived = Pace::now();
        let permit = match self.places.try_acquire() {
            Ok(permit) => permit,
            Err(_) => self.wait().await?,
        };
        let left = self.left().pop().map_or(arrived, |Reverse(left)| left);
        Some(Place { pace: arrived.max(left), workers: self, _permit: permit })
    }

    async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        if self.waiting.fetch_add(1, Relaxed) >= self.room {
            self.waiting.fetch_sub(1, Relaxed);
            return None;
        }
        let permit = self.places.acquire().await;
        self.waiting.fetch_sub(1, Relaxed);
        permit.ok()
    }

    fn left(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Pace>>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.workers.left().push(Reverse(self.pace));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waited_begins_where_the_work_before_ended_by_the_laws() {
        let workers = Workers::new(2, 10);
        let (mut first, mut second) = (workers.take().await.expect("free"), workers.take().await.expect("free"));
        let waits =
            async { [workers.take().await.expect("in turn").pace, workers.take().await.expect("in turn").pace] };
        let ends = async {
            // Nobody was woken yet when both should have been done for long.
            first.pace.0 += 2_000_000;
            second.pace.0 += 1_000_000;
            let ends = [second.pace, first.pace];
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            drop((first, second));
            ends
        };
        let (begun, ended) = tokio::join!(waits, ends);
        assert_eq!(begun[0], ended[0], "at the place that was free first");
        assert!(begun[1] > begun[0], "who came after its predecessor was done begins when it comes");
    }

    #[tokio::test]
    async fn who_comes_to_an_idle_worker_begins_at_once_and_one_too_many_is_turned_away() {
        let workers = Workers::new(1, 0);
        let before = Pace::now();
        let place = workers.take().await.expect("free");
        assert!(place.pace >= before && place.pace <= Pace::now());
        assert!(workers.take().await.is_none());
        drop(place);
        let later = Pace::now();
        assert!(workers.take().await.expect("free again").pace >= later);
    }
}
