//! What goes on beside the sending, each in a task of its own until it is stopped.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{BURST, REPORT, Worker};
use crate::base::time::monotonic;
use crate::traffic::errand::Errand;
use crate::traffic::pacer::Pacer;
use crate::traffic::pipeline::{Due, Heard, News};

/// The runtime's own timer is late by so much when all is well: it counts whole milliseconds and rounds up.
const TIMER: Duration = Duration::from_millis(2);
/// How often it is looked whether a token wears out.
const LOOK: Duration = Duration::from_secs(1);

/// Sends at the end of each turn what could go on during it, until it is stopped. A turn is a look at all replies that
/// have come: their time is taken first, and then the next requests leave together, so that a server is woken once for
/// all of them.
pub async fn turn(worker: Rc<Worker>) {
    let mut going = Vec::new();
    loop {
        worker.turn.notified().await;
        worker.pools.iter().for_each(|pool| pool.serve(&worker));
        worker.loops.take_going(&mut going);
        let now = worker.clock.now();
        going.drain(..).for_each(|position| worker.go_on(position, now));
    }
}

/// Waits for the word to stop.
pub async fn heed(worker: Rc<Worker>, mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_ok() {
        worker.stopping.set(true);
        worker.abandon_resting();
    }
}

/// Asks for what the shots of a traffic have started, until it is stopped.
pub async fn poll(worker: Rc<Worker>, traffic: usize) {
    let Some(pipeline) = worker.kinds[traffic].pipeline() else { return };
    loop {
        let Some(next) = pipeline.next() else {
            pipeline.changed().await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep(worker.clock.until(next)) => {}
            () = pipeline.changed() => continue,
        }
        let mut burst = 0;
        while let Some(due) = pipeline.due(worker.clock.now()) {
            match due {
                Due::Ask(errand) => worker.submit(errand),
                Due::Late(errand) => {
                    let now = worker.clock.now();
                    worker.goes_on(errand, pipeline.late(&errand, now), None, now);
                }
            }
            burst += 1;
            if burst == BURST {
                // Replies must be read, and shots taken up, even when every poll is overdue.
                burst = 0;
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Hears what is told of what the shots of a traffic have started, until it is stopped.
pub async fn hear(worker: Rc<Worker>, traffic: usize, mut news: mpsc::UnboundedReceiver<News>) {
    let Some(pipeline) = worker.kinds[traffic].pipeline() else { return };
    while let Some(news) = news.recv().await {
        if let Some((errand, Heard::Over(outcome, why))) = pipeline.hear_news(&news) {
            worker.finish(&errand, outcome, None, why, worker.clock.now());
        }
    }
}

/// Fetches another token before the one that requests carry runs out, until it is stopped.
pub async fn keep(worker: Rc<Worker>, traffic: usize) {
    let Some(keeper) = worker.kinds[traffic].keeper() else { return };
    loop {
        let wait = keeper.worn().map_or(LOOK, |worn| Duration::from_nanos(worn.saturating_sub(monotonic())));
        tokio::time::sleep(wait.min(LOOK)).await;
        if keeper.worn().is_some_and(|worn| worn <= monotonic()) {
            let _ = worker.log_in(traffic, keeper.line().1).await; // whoever is refused will say so
        }
    }
}

/// Lets shots go on that have rested, until it is stopped.
pub async fn rest(worker: Rc<Worker>, mut pacer: Pacer) {
    loop {
        let Some(until) = worker.resting.first() else {
            worker.resting.earlier().await;
            continue;
        };
        tokio::select! {
            // Without a timer nobody would go on: they are given up when the run ends.
            woken = pacer.wait(until) => if woken.is_err() { return },
            () = worker.resting.earlier() => continue,
        }
        let now = worker.clock.now();
        worker.meter.borrow_mut().woke(until, now);
        while let Some(errand) = worker.resting.take(now) {
            // What is asked for again has been waited for since it was first.
            let since = if errand.sent.is_some() { errand.since } else { now };
            worker.submit(Errand { since, ..errand });
        }
    }
}

/// Reports until it is stopped.
pub async fn report(worker: Rc<Worker>) {
    let mut due = worker.clock.now();
    loop {
        due = due.max(worker.clock.now() - REPORT) + REPORT;
        tokio::time::sleep(worker.clock.until(due)).await;
        let now = worker.clock.now();
        worker.meter.borrow_mut().woke(due + TIMER, now);
        worker.tell();
    }
}

/// Ends what waits too long, until it is stopped. Nothing that begins to wait now can be overdue before the timeout.
pub async fn sweep(worker: Rc<Worker>) {
    loop {
        let overdue = worker.pools.iter().filter_map(|pool| pool.sweep(&worker)).min();
        let wait = overdue.map_or(worker.timeout, |at| worker.clock.until(at).min(worker.timeout));
        tokio::time::sleep(wait).await;
    }
}
