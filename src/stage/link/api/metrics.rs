//! The page of metrics, by toxiproxy's names. Bytes are counted as they pass, not only when a connection is over.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::links::Counted;
use super::super::pipe::Count;
use super::super::toxic::Stream;

/// What the page is.
pub const MEDIA: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page.
pub fn page(counted: &[(Counted, Stream, Arc<Count>)]) -> String {
    let mut page = String::new();
    family(&mut page, "received", "Bytes read from a sender.", counted, |count| &count.received);
    family(&mut page, "sent", "Bytes written to a receiver.", counted, |count| &count.sent);
    page
}

fn family(
    page: &mut String,
    word: &str,
    help: &str,
    counted: &[(Counted, Stream, Arc<Count>)],
    of: impl Fn(&Count) -> &std::sync::atomic::AtomicU64,
) {
    let name = format!("toxiproxy_proxy_{word}_bytes_total");
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} counter");
    for (Counted { proxy, listener, upstream }, stream, count) in counted {
        let labels = [("direction", stream.word()), ("listener", listener), ("proxy", proxy), ("upstream", upstream)]
            .map(|(label, value)| format!("{label}=\"{}\"", escape(value)));
        let _ = writeln!(page, "{name}{{{}}} {}", labels.join(","), of(count).load(Ordering::Relaxed));
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
