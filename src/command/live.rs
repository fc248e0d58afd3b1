//! The run as it goes on, on standard error: a few lines that are redrawn at the bottom of a terminal, plain lines now and
//! then elsewhere. On a thread of its own, once a second, of what the recorder counts anyway.

use std::io;
use std::thread::{self, JoinHandle};

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::cli::print;
use crate::judge::Standing;
use crate::report::live::{Style, View};
use crate::run::Board;

/// Where a terminal does not say how large it is.
const LINES: usize = 24;
const COLUMNS: usize = 80;

/// How a run is shown while it goes on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown {
    /// Not at all.
    pub quiet: bool,
    /// Never in colour.
    pub no_color: bool,
}

/// What is shown of a run: what the recorder counts, and how promises stand.
#[derive(Debug, Clone)]
pub struct News {
    /// Once a second.
    pub board: watch::Receiver<Board>,
    /// Now and then.
    pub standing: watch::Receiver<Vec<Standing>>,
}

/// Shows a run until nothing more is told of it; whoever joins the thread can print below.
pub fn show(mut news: News, mut view: View, shown: Shown) -> io::Result<Option<JoinHandle<()>>> {
    if shown.quiet {
        return Ok(None);
    }
    let runtime = Handle::current();
    let show = move || match print::can_redraw() {
        true => redraw(&runtime, &mut news, &mut view, print::colour_err(shown.no_color)),
        false => plain(&runtime, &mut news, &mut view),
    };
    thread::Builder::new().name("live".into()).spawn(show).map(Some)
}

fn redraw(runtime: &Handle, news: &mut News, view: &mut View, colour: bool) {
    let lines = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    lines.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
    while runtime.block_on(news.board.changed()).is_ok() {
        // The window may have been made smaller since. The last column is left free, so that nothing wraps, and the last
        // line, so that nothing of it scrolls away.
        let (height, width) = Term::stderr().size_checked().map_or((LINES, COLUMNS), |(h, w)| (h.into(), w.into()));
        let style = Style { width: width.saturating_sub(1), height: height.saturating_sub(1), colour };
        let said = view.take(&news.board.borrow_and_update(), &news.standing.borrow());
        said.iter().for_each(|line| lines.println(line));
        lines.set_message(view.frame(style).join("\n"));
        lines.tick();
        // The cursor rests where what is typed, as ^C, moves it to no other line: the next drawing begins by where it is.
        let _ = Term::stderr().write_str("\r");
    }
    lines.finish_and_clear();
}

fn plain(runtime: &Handle, news: &mut News, view: &mut View) {
    let mut next = None;
    while runtime.block_on(news.board.changed()).is_ok() {
        let said = view.take(&news.board.borrow_and_update(), &news.standing.borrow());
        said.iter().for_each(|line| print::err(line));
        let at = view.at();
        if at.nanos() > 0 && next.is_none_or(|next| at >= next) {
            print::err(&view.line());
            next = Some(at + view.pace());
        }
    }
}
