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
    let unset = |name| std::env::var_os(name).is_none_or(|v| v.is_empty());
    !no_color && unset("NO_COLOR") && std::env::var_os("TERM").is_none_or(|t| t != "dumb") && io::stdout().is_terminal()
}

/// Whether standard error is a terminal that can redraw a line.
pub fn can_redraw() -> bool {
    io::stderr().is_terminal()
        && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
        && std::env::var_os("CI").is_none()
}
