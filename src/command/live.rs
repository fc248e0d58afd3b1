//! The run as it goes on, on standard error: one line that is redrawn on a terminal, a plain line now and then
//! elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::base::units;
use crate::cli::print;
use crate::run::Board;

/// How often a plain line is printed.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows a run until its board is gone.
pub async fn show(mut board: watch::Receiver<Board>, quiet: bool) {
    if quiet {
        while board.changed().await.is_ok() {}
    } else if print::can_redraw() {
        redraw(board).await;
    } else {
        plain(board).await;
    }
}

async fn redraw(mut board: watch::Receiver<Board>) {
    let bar = ProgressBar::new(1);
    let style =
        ProgressStyle::with_template("{bar:20.cyan/dim} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("█▌ "));
    while board.changed().await.is_ok() {
        let now = board.borrow_and_update().clone();
        bar.set_length(now.end.nanos().max(1) as u64);
        bar.set_position(now.at.nanos().clamp(0, now.end.nanos()) as u64);
        bar.set_message(words(&now));
    }
    bar.finish_and_clear();
}

async fn plain(mut board: watch::Receiver<Board>) {
    let mut last = None;
    while board.changed().await.is_ok() {
        let now = board.borrow_and_update().clone();
        let due = last.is_none_or(|last| now.at >= last + PLAIN_EVERY);
        if due && now.at.nanos() > 0 {
            print::err(&words(&now));
            last = Some(now.at);
        }
    }
}

/// The state of a run in one line.
fn words(now: &Board) -> String {
    let left = now.end.since(now.at);
    let length = |length: Option<Duration>| length.map_or_else(|| "–".into(), units::measured);
    let errors = if now.finished == 0 { "–".into() } else { units::percent(now.failed as f64 / now.finished as f64) };
    let mut line = format!(
        "{:>4.0}s left  {:<8} {:>6}/s  {:>5} in flight  p50 {:>8}  p99 {:>8}  errors {errors}",
        left.as_secs_f64(),
        now.phase,
        now.finished,
        now.in_flight,
        length(now.p50),
        length(now.p99),
    );
    if now.late > 0 {
        line.push_str(&format!("  {} late", now.late));
    }
    if !now.faults.is_empty() {
        line.push_str(&format!("  FAULT {}", now.faults.join(", ")));
    }
    line
}
