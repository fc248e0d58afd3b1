//! A histogram as the log holds it: HdrHistogram's V2 encoding, compressed, in base64.
//!
//! Written here rather than by the `hdrhistogram` crate because that walks and clears all of a histogram's cells and
//! sets up a compressor anew for every line; lines are short and come by the dozen. The bytes are the same.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::super::tally::{self, DIGITS, HIGHEST, LOWEST, PLACES};
use super::super::varint::put_signed;

// HdrHistogram's encoding cookies, version 2, for counts of up to eight bytes.
pub(super) const COOKIE: u32 = 0x1c84_9303 | 0x10;
pub(super) const COMPRESSED_COOKIE: u32 = 0x1c84_9304 | 0x10;
/// Bytes before the first count.
pub(super) const HEADER: usize = 40;

/// Counts by cell, and their encoding. Holds the same memory from first to last.
#[derive(Debug)]
pub(super) struct Encoder {
    counts: Box<[u32]>,
    low: usize, // cells below are zero
    end: usize, // and from here on
    plain: Vec<u8>,
    packed: Vec<u8>,
    text: String,
    compress: Compress,
}

impl Encoder {
    pub(super) fn new() -> Encoder {
        Encoder {
            counts: vec![0; PLACES].into(),
            low: PLACES,
            end: 0,
            plain: Vec::new(),
            packed: Vec::new(),
            text: String::new(),
            compress: Compress::new(Compression::default(), true),
        }
    }

    /// Counts a length by its cell.
    pub(super) fn count(&mut self, place: u16) {
        let place = usize::from(place);
        self.counts[place] += 1;
        self.low = self.low.min(place);
        self.end = self.end.max(place + 1);
    }

    /// The longest length in nanoseconds, at the end of its cell; zero when nothing was counted.
    pub(super) fn longest(&self) -> u64 {
        self.end.checked_sub(1).map_or(0, tally::top)
    }

    /// What was counted as text; nothing is left.
    pub(super) fn take(&mut self) -> io::Result<&str> {
        self.encode();
        self.compress()?;
        self.text.clear();
        STANDARD.encode_string(&self.packed, &mut self.text);
        Ok(&self.text)
    }

    /// The V2 encoding: a header, then the count of each cell up to the last that is not zero; runs of zeros by their
    /// negative length.
    fn encode(&mut self) {
        let out = &mut self.plain;
        out.clear();
        out.extend(COOKIE.to_be_bytes());
        out.extend([0; 4]); // length of what follows the header, filled in below
        out.extend(bounds());
        let mut zeros = self.low.min(self.end);
        for count in &mut self.counts[zeros..self.end] {
            match std::mem::take(count) {
                0 => zeros += 1,
                count => {
                    put_zeros(out, std::mem::take(&mut zeros));
                    put_signed(out, i64::from(count));
                }
            }
        }
        let length = (out.len() - HEADER) as u32;
        out[4..8].copy_from_slice(&length.to_be_bytes());
        (self.low, self.end) = (PLACES, 0);
    }

    /// A cookie, a length, and the zlib stream.
    fn compress(&mut self) -> io::Result<()> {
        self.packed.clear();
        self.packed.extend(COMPRESSED_COOKIE.to_be_bytes());
        self.packed.extend([0; 4]);
        self.packed.reserve(self.plain.len() + 64);
        self.compress.reset();
        loop {
            let rest = &self.plain[self.compress.total_in() as usize..];
            match self.compress.compress_vec(rest, &mut self.packed, FlushCompress::Finish).map_err(io::Error::other)? {
                Status::StreamEnd => break,
                Status::Ok | Status::BufError => self.packed.reserve(self.packed.capacity()),
            }
        }
        let length = (self.packed.len() - 8) as u32;
        self.packed[4..8].copy_from_slice(&length.to_be_bytes());
        Ok(())
    }
}

/// What stands in the header behind the length: no offset between index and cell, the bounds, and that one unit is one
/// nanosecond.
pub(super) fn bounds() -> [u8; HEADER - 8] {
    let mut bytes = [0; HEADER - 8];
    bytes[4..8].copy_from_slice(&u32::from(DIGITS).to_be_bytes());
    bytes[8..16].copy_from_slice(&LOWEST.to_be_bytes());
    bytes[16..24].copy_from_slice(&HIGHEST.to_be_bytes());
    bytes[24..].copy_from_slice(&1f64.to_be_bytes());
    bytes
}

fn put_zeros(out: &mut Vec<u8>, zeros: usize) {
    match zeros {
        0 => {}
        1 => put_signed(out, 0),
        _ => put_signed(out, -(zeros as i64)),
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer, V2Serializer};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// To the byte what the hdrhistogram crate writes, and nothing is left for the next.
        #[test]
        fn the_bytes_are_those_of_hdrhistogram(
            lines in prop::collection::vec(prop::collection::vec(prop_oneof![0..300u64, 0..200_000u64, 0..HIGHEST], 1..300), 1..4)
        ) {
            let mut encoder = Encoder::new();
            for lengths in lines {
                let mut hdr = Histogram::<u64>::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("valid bounds");
                for length in &lengths {
                    hdr.saturating_record(*length);
                    encoder.count(tally::place(*length));
                }
                prop_assert_eq!(encoder.longest(), hdr.max());
                let (mut plain, mut packed) = (Vec::new(), Vec::new());
                V2Serializer::new().serialize(&hdr, &mut plain).expect("serialises");
                V2DeflateSerializer::new().serialize(&hdr, &mut packed).expect("serialises");
                let text = encoder.take().expect("encodes").to_owned();
                prop_assert_eq!(&encoder.plain, &plain);
                prop_assert_eq!(text, STANDARD.encode(&packed));
            }
        }
    }
}
