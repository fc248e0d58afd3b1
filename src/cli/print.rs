//! Printing, the only place that does it besides reports. A reader who closes the pipe early is no error.

use std::io::{self, IsTerminal, Write};

/// Prints to standard output.
pub fn out(text: &str) {
    let mut stream = io::stdout().lock();
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Prints a line to standard output.
pub fn line(text: &str) {
    out(&format!("{text}\n"));
}

/// Prints a line to standard error.
pub fn err(text: &str) {
    let mut stream = io::stderr().lock();
    let _ = writeln!(stream, "{}", text.trim_end());
}

/// Whether standard output takes colour.
pub fn colour(no_color: bool) -> bool {
    wants_colour(no_color) && io::stdout().is_terminal()
}

/// Whether standard error takes colour.
pub fn colour_err(no_color: bool) -> bool {
    wants_colour(no_color) && io::stderr().is_terminal()
}

fn wants_colour(no_color: bool) -> bool {
    !no_color && is_unset("NO_COLOR") && !is_dumb()
}

/// Whether standard error is a terminal on which lines can be redrawn, and not the log of a CI.
pub fn can_redraw() -> bool {
    io::stderr().is_terminal() && !is_dumb() && is_unset("CI")
}

fn is_unset(name: &str) -> bool {
    std::env::var_os(name).is_none_or(|value| value.is_empty())
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
