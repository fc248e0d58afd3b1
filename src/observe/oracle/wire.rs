//! Prometheus's remote write: samples as it takes them over HTTP, stale markers and milliseconds included, which its text
//! formats cannot say. Protocol buffers in a block of snappy that compresses nothing.

use crate::base::series::{Sample, Series};

/// Samples of one request, by series.
pub(super) type Batch<'a> = Vec<(&'a Series, &'a [Sample])>;

/// Stretches of time that are sent one after the other: a server refuses samples an hour older than its newest.
const STRETCH_MS: i64 = 600_000;
/// Samples of one request.
const MOST: usize = 100_000;

/// All samples, oldest stretch first.
pub(super) fn batches<'a>(series: &[&'a Series]) -> Vec<Batch<'a>> {
    let first = series.iter().filter_map(|s| s.samples.first()).map(|s| s.at).min();
    let last = series.iter().filter_map(|s| s.samples.last()).map(|s| s.at).max();
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let mut batches = Vec::new();
    let mut next: Vec<usize> = vec![0; series.len()];
    let mut until = first;
    while until <= last {
        // Where nobody sampled there is nothing to send: a stretch begins with the next sample.
        let begins = series.iter().zip(&next).filter_map(|(s, n)| s.samples.get(*n)).map(|s| s.at).min();
        let Some(begins) = begins else { break };
        until = begins.saturating_add(STRETCH_MS);
        let (mut batch, mut count): (Batch<'a>, usize) = (Vec::new(), 0);
        for (one, next) in series.iter().zip(&mut next) {
            let rest = &one.samples[*next..];
            let length = rest.partition_point(|s| s.at < until);
            if length == 0 {
                continue;
            }
            *next += length;
            count += length;
            batch.push((*one, &rest[..length]));
            if count >= MOST {
                batches.push(std::mem::take(&mut batch));
                count = 0;
            }
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
    }
    batches
}

/// The body of a request.
pub(super) fn body(batch: &Batch<'_>) -> Vec<u8> {
    let mut request = Vec::new();
    for (series, samples) in batch {
        let mut message = Vec::new();
        for (name, value) in series.labels.iter() {
            let mut label = Vec::new();
            bytes(&mut label, 1, name.as_bytes());
            bytes(&mut label, 2, value.as_bytes());
            bytes(&mut message, 1, &label);
        }
        for Sample { at, value } in *samples {
            let mut sample = vec![0x09];
            sample.extend_from_slice(&value.to_bits().to_le_bytes());
            sample.push(0x10);
            varint(&mut sample, *at as u64);
            bytes(&mut message, 2, &sample);
        }
        bytes(&mut request, 1, &message);
    }
    snappy(&request)
}

/// A field of bytes.
fn bytes(out: &mut Vec<u8>, field: u8, content: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A block of literals.
fn snappy(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 16);
    varint(&mut out, content.len() as u64);
    for chunk in content.chunks(1 << 16) {
        out.push(61 << 2);
        out.extend_from_slice(&((chunk.len() - 1) as u16).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::series::Labels;

    #[test]
    fn a_request_is_what_the_formats_say() {
        let series = Series { labels: Labels::new([("a", "b")]), samples: vec![Sample { at: 300, value: 1.0 }] };
        let sent = body(&vec![(&series, &series.samples)]);
        let sample = [0x12, 12, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xac, 0x02];
        let message = [&[0x0a, 22, 0x0a, 6, 0x0a, 1, b'a', 0x12, 1, b'b'], &sample[..]].concat();
        assert_eq!(sent, [&[24, 61 << 2, 23, 0], &message[..]].concat());
    }

    #[test]
    fn all_samples_are_sent_oldest_stretch_first() {
        let samples = |every: i64, count: i64| (0..count).map(|i| Sample { at: i * every, value: 0.0 }).collect();
        let one = Series { labels: Labels::default(), samples: samples(1_000, 3_000) };
        let two = Series { labels: Labels::default(), samples: samples(7_200_000, 4) };
        let batches = batches(&[&one, &two]);
        let sent: usize = batches.iter().flatten().map(|(_, samples)| samples.len()).sum();
        assert_eq!(sent, 3_004);
        let ends: Vec<(i64, i64)> = (batches.iter())
            .map(|batch| batch.iter().flat_map(|(_, samples)| samples.iter().map(|s| s.at)))
            .map(|times| (times.clone().min().unwrap_or(0), times.max().unwrap_or(0)))
            .collect();
        assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ends:?}");
        assert!(ends.iter().all(|(first, last)| last - first < STRETCH_MS), "{ends:?}");
    }
}
