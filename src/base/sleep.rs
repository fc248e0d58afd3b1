//! Sleeping to a tenth of a millisecond. The runtime's own timer counts whole milliseconds and rounds up, which would
//! turn a delay of 0.3 ms into one of 1.3 ms and shift every short latency; a thread's wait does not.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::time::monotonic;

/// Wakes tasks at exact instants, from a thread of its own. Dropping it ends the thread; whoever still sleeps is
/// woken at once.
pub struct Sleeper(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    earlier: Condvar, // told when there is a new earliest sleeper, and at the end
}

#[derive(Default)]
struct Queue {
    sleepers: BinaryHeap<Reverse<Entry>>,
    order: u64,
    over: bool,
}

struct Entry {
    at: u64,    // nanoseconds on the kernel's monotonic clock
    order: u64, // of two with one instant, who came first
    wake: oneshot::Sender<()>,
}

impl Sleeper {
    /// Starts the thread.
    pub fn new() -> io::Result<Sleeper> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        std::thread::Builder::new().name("sleeper".into()).spawn(move || theirs.watch())?;
        Ok(Sleeper(shared))
    }

    /// Returns after `length`; at once when it is zero.
    pub async fn sleep(&self, length: Duration) {
        if length.is_zero() {
            return;
        }
        let at = monotonic().saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX));
        let _ = self.book(at).await; // an error means that the thread is gone: whoever sleeps is stopping
    }

    /// Something to await that is done at an instant, in nanoseconds on the kernel's monotonic clock. It holds its
    /// place until then even if nobody waits any more, so whoever waits in turns keeps it.
    pub fn book(&self, at: u64) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let mut queue = self.0.queue();
        queue.order += 1;
        let order = queue.order;
        queue.sleepers.push(Reverse(Entry { at, order, wake }));
        if queue.next() == Some((at, order)) {
            self.0.earlier.notify_one();
        }
        woken
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.over = true;
        queue.sleepers.clear();
        self.0.earlier.notify_one();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes sleepers as they fall due, until it is over.
    fn watch(&self) {
        let mut queue = self.queue();
        while !queue.over {
            let now = monotonic();
            while queue.next().is_some_and(|(at, _)| at <= now) {
                if let Some(Reverse(entry)) = queue.sleepers.pop() {
                    let _ = entry.wake.send(()); // who gave up sleeping has gone
                }
            }
            queue = match queue.next() {
                Some((at, _)) => {
                    let left = Duration::from_nanos(at - now);
                    self.earlier.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.earlier.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Queue {
    fn next(&self) -> Option<(u64, u64)> {
        self.sleepers.peek().map(|Reverse(e)| (e.at, e.order))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_wakes_early_and_the_shorter_sleep_ends_first() {
        let sleeper = Arc::new(Sleeper::new().expect("a timer"));
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for ms in [9, 3, 6, 3, 0] {
            let (sleeper, sender) = (sleeper.clone(), sender.clone());
            tokio::spawn(async move {
                let length = Duration::from_millis(ms);
                let begun = monotonic();
                sleeper.sleep(length).await;
                assert!(monotonic() - begun >= length.as_nanos() as u64, "woke early");
                let _ = sender.send(ms);
            });
        }
        drop(sender);
        let mut woken = Vec::new();
        while let Some(ms) = order.recv().await {
            woken.push(ms);
        }
        assert_eq!(woken, [0, 3, 3, 6, 9]);
    }

    #[tokio::test]
    async fn a_sleep_that_was_given_up_does_not_hold_the_others() {
        let sleeper = Sleeper::new().expect("a timer");
        let given_up = tokio::time::timeout(Duration::from_millis(1), sleeper.sleep(Duration::from_secs(3600))).await;
        assert!(given_up.is_err());
        sleeper.sleep(Duration::from_millis(1)).await;
    }
}
