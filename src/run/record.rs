//! The loop around the recorder: takes reports and events as they come, and hands everything to the system once a
//! second. When the disk gives out, the run is cut short; what was written stays.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::base::time::{Clock, Offset};
use crate::evidence::board::{Board, Recent};
use crate::evidence::event::{Event, FaultStep};
use crate::evidence::recorder::{Batch, Recorder};
use crate::evidence::tally::Tally;
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
    /// As it is before the load.
    pub shown: Board,
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
    let mut shown = std::mem::take(&mut recording.shown);
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
            let why = format!("evidence could not be written: {why}");
            shown.remark(format!("{}: {why}: the run ends", seconds(recording.clock.now())));
            trouble = Some(why);
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
        let look = self.recorder.look();
        let (mut all, mut failed) = (Tally::default(), 0);
        for (lane, live) in shown.traffic.iter_mut().zip(&look.traffic) {
            (lane.taken, lane.finished, lane.late) = (live.taken, live.finished, live.late);
            lane.outcomes = live.outcomes;
            lane.count(&live.recent);
            all.merge(&live.recent);
            failed += live.recent_failed;
        }
        shown.recent = Recent { finished: all.count(), failed, p50: all.quantile(0.5), p99: all.quantile(0.99) };
        (shown.at, shown.wall, shown.cpu) = (now, self.clock.wall_nanos(now), look.cpu.or(shown.cpu));
        let _ = self.board.send(shown.clone());
        // Both are tried: a full disk may have room for the smaller.
        let samples = self.scraped.flush();
        let written = self.recorder.flush(now).and(samples);
        self.flushed.send_replace(now);
        written
    }
}

/// What an event changes of what is shown.
fn show(board: &mut Board, event: &Event) {
    match event {
        Event::Phase { traffic, phase, connections, .. } => {
            let word = connections.map_or_else(|| phase.clone(), |n| format!("closed loop of {n}"));
            board.traffic.iter_mut().filter(|lane| lane.name == *traffic).for_each(|lane| lane.phase.clone_from(&word));
        }
        Event::Fault { at, fault, step } => {
            match step {
                FaultStep::Applied => board.faults.push(fault.clone()),
                FaultStep::Cleared { .. } | FaultStep::Failed { .. } | FaultStep::Withheld { .. } => {
                    board.faults.retain(|f| f != fault)
                }
                FaultStep::Touched | FaultStep::Stuck { .. } => {}
            }
            let became = match step {
                FaultStep::Applied => "began".into(),
                FaultStep::Touched => return,
                FaultStep::Cleared { eligible, injected } => format!("ended: struck {injected} of {eligible}"),
                FaultStep::Failed { why } => format!("could not be applied: {why}"),
                FaultStep::Stuck { why, .. } => format!("could not be undone: {why}"),
                FaultStep::Withheld { why } => format!("was not applied: {why}"),
            };
            board.remark(format!("{}: fault {fault} {became}", seconds(*at)));
        }
        Event::Gate { at, open, why } => {
            let said = if *open { "faults may begin" } else { "no fault is applied" };
            board.remark(format!("{}: {said}: {why}", seconds(*at)));
        }
        Event::Abort { at, why } => board.remark(format!("{}: ended early: {why}", seconds(*at))),
        _ => {}
    }
}

/// An instant as people read it.
fn seconds(at: Offset) -> String {
    format!("{:.1} s", at.secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board::new("r".into(), ["quotes".to_owned(), "orders".to_owned()], Offset::from_millis(60_000))
    }

    #[test]
    fn a_closed_loop_is_called_one_while_it_runs() {
        let mut board = board();
        let mut begins = |phase: &str, connections| {
            let traffic = "orders".to_owned();
            show(&mut board, &Event::Phase { at: Offset::ZERO, traffic, phase: phase.into(), connections });
            [board.traffic[0].phase.clone(), board.traffic[1].phase.clone()]
        };
        assert_eq!(begins("saturate", Some(64)), ["", "closed loop of 64"]);
        assert_eq!(begins("hold", None), ["", "hold"]);
    }

    #[test]
    fn a_fault_is_shown_from_its_beginning_to_its_end() {
        let mut board = board();
        let mut step = |at, step| {
            show(&mut board, &Event::Fault { at: Offset::from_millis(at), fault: "jupiter-hangs".into(), step });
            (board.faults.len(), board.remarks.back().map(|(_, said)| said.clone()).unwrap_or_default())
        };
        assert_eq!(step(1_000, FaultStep::Applied), (1, "1.0 s: fault jupiter-hangs began".into()));
        assert_eq!(step(1_100, FaultStep::Touched).0, 1);
        let ended = step(2_040, FaultStep::Cleared { eligible: 9, injected: 4 });
        assert_eq!(ended, (0, "2.0 s: fault jupiter-hangs ended: struck 4 of 9".into()));
    }
}
