//! Labels as the file holds them: one flat key per series, and the few names that a scrape makes itself.

use super::code::{Damaged, Input, put, put_bytes};
use crate::base::series::Labels;

/// The series that each scrape makes, in slots 0 to 4 of its target.
pub(super) const SYNTHETIC: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Ends each name and each value in a key; no UTF-8 text holds it.
const END: u8 = 0xff;

/// The key of a synthetic series.
pub(super) fn synthetic(name: &str) -> Vec<u8> {
    key(&Labels::new([("__name__", name)]))
}

/// The key of a scraped series: its labels, of which those that clash with the target's own are renamed, as Prometheus
/// does, until nothing clashes.
pub(super) fn key(labels: &Labels) -> Vec<u8> {
    let clash = |name: &str| name == "job" || name == "instance";
    if !labels.iter().any(|(name, _)| clash(name)) {
        return flat(labels);
    }
    let mut renamed = labels.filter(|name| !clash(name));
    for (name, value) in labels.iter().filter(|(name, _)| clash(name)) {
        let mut free = format!("exported_{name}");
        while !renamed.get(&free).is_empty() {
            free.insert_str(0, "exported_");
        }
        renamed.set(free, value);
    }
    flat(&renamed)
}

/// The key of a series that keeps its labels.
pub(super) fn flat(labels: &Labels) -> Vec<u8> {
    let mut key = Vec::new();
    for (name, value) in labels.iter() {
        key.extend_from_slice(name.as_bytes());
        key.push(END);
        key.extend_from_slice(value.as_bytes());
        key.push(END);
    }
    key
}

/// The labels of a key, with the target's own; what was fetched has them in its key.
pub(super) fn labels(key: &[u8], job: &str, instance: &str) -> Result<Labels, Damaged> {
    let mut labels = Labels::default();
    let mut rest = key;
    while !rest.is_empty() {
        let (name, after) = text(rest)?;
        let (value, after) = text(after)?;
        labels.set(name, value);
        rest = after;
    }
    if !job.is_empty() {
        labels.set("job", job);
        labels.set("instance", instance);
    }
    Ok(labels)
}

fn text(bytes: &[u8]) -> Result<(&str, &[u8]), Damaged> {
    let end = bytes.iter().position(|b| *b == END).ok_or(Damaged)?;
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Damaged)?;
    Ok((text, &bytes[end + 1..]))
}

/// Writes what of `key` is not shared with `previous` at either end: of two buckets, little more than the bound.
pub(super) fn put_key(out: &mut Vec<u8>, previous: &[u8], key: &[u8]) {
    let head = previous.iter().zip(key).take_while(|(a, b)| a == b).count();
    let (old, new) = (&previous[head..], &key[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    put(out, head as u64);
    put(out, tail as u64);
    put_bytes(out, &new[..new.len() - tail]);
}

/// Reads what [`put_key`] wrote.
pub(super) fn take_key(input: &mut Input, previous: &[u8]) -> Result<Vec<u8>, Damaged> {
    let (head, tail) = (input.index()?, input.index()?);
    let middle = input.bytes()?;
    let start = previous.get(..head).ok_or(Damaged)?;
    let end = previous[head..].len().checked_sub(tail).ok_or(Damaged)?;
    Ok([start, middle, &previous[head + end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clashing_labels_are_exported_until_nothing_clashes() {
        let scraped = Labels::new([("__name__", "m"), ("job", "a"), ("exported_job", "b"), ("x", "1")]);
        let kept = labels(&key(&scraped), "api", "h:1").expect("whole");
        let want = r#"m{exported_exported_job="a",exported_job="b",instance="h:1",job="api",x="1"}"#;
        assert_eq!(kept.to_string(), want);
    }

    #[test]
    fn a_key_shares_both_ends_with_the_one_before() {
        let keys: [&[u8]; 5] =
            [b"name\xffa\xffle\xff1\xffz\xff9\xff", b"name\xffa\xffle\xff25\xffz\xff9\xff", b"", b"aa", b"aaa"];
        let (mut out, mut previous) = (Vec::new(), &b""[..]);
        for key in keys {
            put_key(&mut out, previous, key);
            previous = key;
        }
        assert!(out.len() < 45, "{}", out.len());
        let (mut input, mut previous) = (Input(&out), Vec::new());
        for key in keys {
            previous = take_key(&mut input, &previous).expect("whole");
            assert_eq!(previous, key);
        }
        assert!(input.is_empty());
    }
}
