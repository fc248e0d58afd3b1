//! What is reported, batch by batch.

use std::time::Duration;

use super::Worker;
use crate::base::time::Offset;
use crate::evidence::event::Event;
use crate::evidence::health::WorkerHealth;
use crate::evidence::recorder::second_of;

/// A batch with so many replies is reported at once: it stays small enough to be reused by the allocator.
pub const BATCH: usize = 512;
/// What is new is told this often.
const NEWS: Duration = Duration::from_secs(1);

impl Worker {
    /// Counts a shot that was taken up, by when it was due.
    pub(super) fn taken(&self, traffic: usize, due: Offset) {
        let taken = &mut self.report.borrow_mut().taken;
        let second = second_of(due);
        match taken.iter_mut().find(|(t, s, _)| usize::from(*t) == traffic && *s == second) {
            Some((_, _, count)) => *count += 1,
            None => taken.push((traffic as u16, second, 1)),
        }
    }

    /// Tells what has happened since the last batch.
    pub(super) fn tell(&self) {
        let now = self.clock.now();
        let health = {
            let mut meter = self.meter.borrow_mut();
            let depths = self.pools.iter().map(|pool| pool.depth());
            let (waiting, open) = depths.fold((0, 0), |(w, o), (waiting, open)| (w + waiting, o + open));
            meter.depth(waiting, open, self.in_flight.get());
            meter.sample(now)
        };
        self.send_batch(now, health);
    }

    /// Tells what has happened since, at the very end.
    pub(super) fn last(&self) {
        let now = self.clock.now();
        let health = self.meter.borrow_mut().last(now);
        if self.index == 0 {
            let heard =
                self.kinds.iter().filter_map(|kind| kind.pipeline()?.take_heard(now, true)).map(Event::Followed);
            self.report.borrow_mut().told.extend(heard);
        }
        self.send_batch(now, health);
    }

    fn send_batch(&self, now: Offset, health: Option<WorkerHealth>) {
        if now >= self.news.get() + NEWS || self.draining.get() {
            self.news.set(now);
            let news = self.kinds.iter().filter_map(|kind| kind.pipeline()?.take_told(now)).map(Event::Followed);
            self.report.borrow_mut().told.extend(news);
            if self.index == 0 {
                let heard = self.kinds.iter().filter_map(|kind| kind.pipeline()?.take_heard(now, false));
                self.report.borrow_mut().told.extend(heard.map(Event::Followed));
            }
        }
        let mut batch = self.report.take();
        batch.worker = self.index;
        batch.at = now;
        batch.through = through(self.through.get(), self.loops.end(), now);
        batch.health.extend(health);
        let _ = self.reports.send(batch); // nobody records any more when the run is over
    }
}

/// Up to where every shot has been taken up: of any instant once all that was planned was and no closed loop goes on, since who
/// has nothing left to send holds up nobody.
fn through(planned: Offset, loops_end: Offset, now: Offset) -> Offset {
    if planned == Offset::MAX && now >= loops_end { Offset::MAX } else { planned.min(now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_taken_up_as_far_as_it_has_come() {
        let s = |secs: i64| Offset::from_millis(secs * 1_000);
        assert_eq!(through(s(3), s(0), s(2)), s(2), "the next shot is due in a second");
        assert_eq!(through(s(3), s(0), s(4)), s(3), "it has not been taken up");
        assert_eq!(through(Offset::MAX, s(0), s(4)), Offset::MAX, "there are no more");
        assert_eq!(through(Offset::MAX, s(60), s(20)), s(20), "a closed loop goes on");
        assert_eq!(through(Offset::MAX, s(60), s(60)), Offset::MAX, "it has ended");
    }
}
