//! The loop around the recorder: takes reports and events as they come, and hands everything to the system once a
//! second. When the disk gives out, the run is cut short; what was written stays.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::board::Board;
use crate::base::time::{Clock, Offset};
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::recorder::{Batch, Recorder};
use crate::observe::Scraped;

/// What the loop works with.
pub struct Recording {
    /// Writes.
    pub recorder: Recorder,
    /// Scraped samples until they are flushed.
    pub scraped: Scraped,
    /// From the sender.
    pub reports: mpsc::UnboundedReceiver<Batch>,
    /// From everybody else.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// Whoever wants everything handed to the system at once, and to be told when it is.
    pub flushes: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
    /// When everything was handed to the system last.
    pub flushed: watch::Sender<Offset>,
    /// The axis.
    pub clock: Clock,
    /// Where the load ends.
    pub end: Offset,
    /// Where progress is shown.
    pub board: watch::Sender<Board>,
    /// Set when recording fails: no further shot is sent.
    pub stop: watch::Sender<bool>,
}

/// Records until nobody reports any more. The error says why not everything could be written.
pub async fn record(mut recording: Recording) -> Result<(), String> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut trouble: Option<String> = None;
    let mut shown = Board { end: recording.end, ..Board::default() };
    let (mut reporting, mut telling) = (true, true);
    while reporting || telling {
        let written = tokio::select! {
            biased;
            _ = ticks.tick() => recording.flush(&mut shown),
            batch = recording.reports.recv(), if reporting => match batch {
                Some(batch) => recording.recorder.batch(&batch),
                None => {
                    reporting = false;
                    Ok(())
                }
            },
            event = recording.events.recv(), if telling => match event {
                Some(event) => {
                    show(&mut shown, &event);
                    recording.recorder.event(&event)
                }
                None => {
                    telling = false;
                    Ok(())
                }
            },
            // After all that was told before.
            Some(done) = recording.flushes.recv() => {
                let written = recording.recorder.flush(recording.clock.now());
                let _ = done.send(()); // it may wait no more
                written
            }
        };
        if let (Err(why), None) = (written, &trouble) {
            trouble = Some(format!("evidence could not be written: {why}"));
            let _ = recording.stop.send(true);
        }
    }
    if let (Err(why), None) = (recording.flush(&mut shown), &trouble) {
        trouble = Some(format!("evidence could not be written: {why}"));
    }
    trouble.map_or(Ok(()), Err)
}

impl Recording {
    fn flush(&mut self, shown: &mut Board) -> std::io::Result<()> {
        let now = self.clock.now();
        let live = self.recorder.look();
        shown.at = now;
        shown.taken = live.taken;
        shown.in_flight = live.taken.saturating_sub(live.finished);
        shown.finished = live.recent.count();
        shown.failed = live.recent_failed;
        shown.p50 = live.recent.quantile(0.5);
        shown.p99 = live.recent.quantile(0.99);
        shown.late = live.late;
        let _ = self.board.send(shown.clone());
        // Both are tried: a full disk may have room for the smaller.
        let samples = self.scraped.flush();
        let written = self.recorder.flush(now).and(samples);
        self.flushed.send_replace(now);
        written
    }
}

fn show(board: &mut Board, event: &Event) {
    match event {
        Event::Phase { phase, connections: None, .. } => board.phase.clone_from(phase),
        Event::Phase { connections: Some(n), .. } => board.phase = format!("closed loop of {n}"),
        Event::Fault { fault, step, .. } => match step {
            FaultStep::Applied => board.faults.push(fault.clone()),
            FaultStep::Cleared { .. } | FaultStep::Failed { .. } | FaultStep::Withheld { .. } => {
                board.faults.retain(|f| f != fault)
            }
            FaultStep::Touched | FaultStep::Stuck { .. } => {}
        },
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_loop_is_called_one_while_it_runs() {
        let mut board = Board::default();
        let mut begins = |phase: &str, connections| {
            let traffic = "quotes".to_owned();
            show(&mut board, &Event::Phase { at: Offset::ZERO, traffic, phase: phase.into(), connections });
            board.phase.clone()
        };
        assert_eq!(begins("saturate", Some(64)), "closed loop of 64");
        assert_eq!(begins("hold", None), "hold");
    }
}
