//! What is pushed: a `WriteRequest` of Prometheus's remote write 1.0, in Snappy's block format. Both are written out here:
//! five messages of protobuf, and of Snappy what it allows for what is not worth compressing.

use super::{Family, Metered, families};

/// Labels that every pushed series has besides its own: who pushes, and which run it is.
pub type Extra<'e> = &'e [(&'e str, &'e str)];

/// Longer literals would need longer lengths, in bytes.
const LITERAL: usize = 1 << 16;

/// Writes everything that is known of a run as a request, at the instant of its board.
pub fn write_request(of: &Metered<'_>, extra: Extra<'_>) -> Vec<u8> {
    snappy(&message(&families(of), of.board.wall / 1_000_000, extra))
}

/// `WriteRequest { repeated TimeSeries timeseries = 1 }`
fn message(families: &[Family], at_ms: i64, extra: Extra<'_>) -> Vec<u8> {
    let mut request = Vec::new();
    for family in families {
        for sample in &family.samples {
            let name = format!("{}{}", family.name, sample.suffix);
            let own = sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
            let mut labels: Vec<(&str, &str)> =
                own.chain(extra.iter().copied()).chain([("__name__", &*name)]).collect();
            labels.retain(|(_, value)| !value.is_empty()); // to Prometheus an empty one is none
            labels.sort_unstable();
            field(&mut request, 1, &series(&labels, sample.value, at_ms));
        }
    }
    request
}

/// `TimeSeries { repeated Label labels = 1; repeated Sample samples = 2 }`
fn series(labels: &[(&str, &str)], value: f64, at_ms: i64) -> Vec<u8> {
    let mut series = Vec::new();
    for (name, value) in labels {
        // Label { string name = 1; string value = 2 }
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut series, 1, &label);
    }
    // Sample { double value = 1; int64 timestamp = 2 }
    let mut sample = vec![(1 << 3) | 1];
    sample.extend_from_slice(&value.to_le_bytes());
    sample.push(2 << 3);
    varint(&mut sample, at_ms as u64);
    field(&mut series, 2, &sample);
    series
}

/// A field that says how long it is.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push((number << 3) | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Snappy's block format, every byte a literal: its length, then pieces of at most 64 KiB, each after a tag.
fn snappy(bytes: &[u8]) -> Vec<u8> {
    const TWO_BYTES: u8 = 61 << 2; // a literal whose length less one follows in two bytes
    let mut out = Vec::with_capacity(bytes.len() + 16);
    varint(&mut out, bytes.len() as u64);
    for piece in bytes.chunks(LITERAL) {
        out.push(TWO_BYTES);
        out.extend_from_slice(&((piece.len() - 1) as u16).to_le_bytes());
        out.extend_from_slice(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_its_length_and_its_literals() {
        assert_eq!(snappy(b""), [0]);
        assert_eq!(snappy(b"abc"), [3, 61 << 2, 2, 0, b'a', b'b', b'c']);
        let long = vec![7; LITERAL + 1];
        let out = snappy(&long);
        assert_eq!(out[..6], [0x81, 0x80, 0x04, 61 << 2, 0xff, 0xff]);
        assert_eq!((out.len(), &out[out.len() - 4..]), (3 + 3 + LITERAL + 3 + 1, &[61 << 2, 0, 0, 7][..]));
    }

    #[test]
    fn a_series_is_what_protobuf_says_it_is() {
        let got = series(&[("__name__", "up"), ("job", "a")], 1.0, 300);
        let mut expected = vec![0x0a, 14, 0x0a, 8];
        expected.extend_from_slice(b"__name__");
        expected.extend_from_slice(&[0x12, 2, b'u', b'p', 0x0a, 8, 0x0a, 3, b'j', b'o', b'b', 0x12, 1, b'a']);
        expected.extend_from_slice(&[0x12, 12, 0x09]);
        expected.extend_from_slice(&1.0f64.to_le_bytes());
        expected.extend_from_slice(&[0x10, 0xac, 0x02]);
        assert_eq!(got, expected);
    }
}
