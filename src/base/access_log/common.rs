//! The common log format, and the combined one, which adds to it.
//!
//! `HOST IDENT USER [TIME] "METHOD TARGET PROTOCOL" STATUS BYTES …`

use super::{Entry, instant, request};

pub(super) fn read(line: &str) -> Result<Entry, String> {
    let (_, rest) = line.split_once('[').ok_or("no time in brackets")?;
    let (time, rest) = rest.split_once(']').ok_or("no time in brackets")?;
    let (at, is_whole_second) = instant(time).ok_or_else(|| format!("`{time}` is no time"))?;
    let rest = rest.trim_start().strip_prefix('"').ok_or("no request in quotes")?;
    let end = closing(rest).ok_or("no request in quotes")?;
    let (method, target) = request(&rest[..end]).ok_or("no request in quotes")?;
    let status = rest[end + 1..].split_whitespace().next().and_then(|word| word.parse().ok());
    Ok(Entry { at, is_whole_second, method, target, status })
}

/// Where a quoted text ends: at the first quote that no backslash stands before.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}
