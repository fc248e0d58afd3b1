//! The reply path on any bytes: it does not panic, it does not matter in which pieces they arrive, what it keeps is
//! capped, and what is picked out of a body is what the whole document says.
//!
//! `cargo fuzz run reply` from the project's folder; `cargo fuzz run reply -- -runs=0` goes through the corpus alone.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json_path::JsonPath;

#[allow(dead_code)]
#[path = "../../src/traffic/http/codec/mod.rs"]
mod codec;
#[allow(dead_code)]
#[path = "../../src/traffic/pick/mod.rs"]
mod pick;

use codec::{Decoder, Progress};

const CAP: usize = 500;

type Replies = (Vec<(u16, Vec<u8>, bool, bool)>, Option<String>);

/// What comes of a stream that arrives in pieces of a length and then ends.
fn read(bytes: &[u8], piece: usize) -> Replies {
    let mut decoder = Decoder::default();
    let mut replies = Vec::new();
    for mut input in bytes.chunks(piece) {
        while !input.is_empty() {
            match decoder.decode(&mut input, CAP) {
                Ok(Progress::Partial) => {}
                Ok(Progress::Whole { answer, reusable }) => {
                    assert!(answer.body.len() <= CAP, "more is kept than may be");
                    assert!((200..1_000).contains(&answer.status));
                    assert!(answer.head.ends_with(b"\n"), "a head ends in an empty line");
                    answer.header("content-length");
                    replies.push((answer.status, answer.body.to_vec(), answer.too_long, reusable));
                    if !reusable {
                        return (replies, None);
                    }
                }
                Err(why) => return (replies, Some(why)),
            }
        }
    }
    let why = match decoder.end() {
        Ok(Progress::Whole { answer, reusable }) => {
            replies.push((answer.status, answer.body.to_vec(), answer.too_long, reusable));
            None
        }
        Ok(Progress::Partial) => panic!("the end is the end"),
        Err(why) => Some(why),
    };
    (replies, why)
}

/// Some paths, where their values will be, and who picks them.
static WANTED: LazyLock<([JsonPath; 5], [usize; 5], pick::Picker)> = LazyLock::new(|| {
    let paths = ["$.a", "$.outAmount", "$.b.c", "$.c[0]", "$['x y']"].map(|p| JsonPath::parse(p).expect("a path"));
    let mut wanted = pick::Paths::default();
    let slots = paths.each_ref().map(|path| wanted.slot(path));
    (paths, slots, wanted.picker())
});

/// What is picked is what the paths find in the document.
fn pick(body: &[u8]) {
    let (paths, slots, picker) = &*WANTED;
    let picks = picker.read(body);
    let document: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    assert_eq!(picks.is_some(), document.is_some());
    if let (Some(picks), Some(document)) = (picks, document) {
        for (slot, path) in slots.iter().zip(paths) {
            let found = path.query(&document).first().map(|v| match v {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            assert_eq!(picks.get(*slot).map(|p| p.text().into_owned()), found);
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, usize::from(*piece).max(1)), whole);
    for (_, body, ..) in &whole.0 {
        pick(body);
    }
    pick(bytes);
});
