//! A histogram read back from the log: the inverse of `encode`.
//!
//! Written here because the `hdrhistogram` crate sets up an inflater and all of a histogram's cells anew for every line, and walks
//! them all to find the few that hold something: of a day's run there are millions of lines. What is not just as we write
//! it (other bounds, not compressed, damaged) is left to the crate, which knows the other forms and what is wrong with those.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Decompress, FlushDecompress, Status};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;

use super::super::tally::{self, PLACES};
use super::super::varint;
use super::encode::{COMPRESSED_COOKIE, COOKIE, HEADER, bounds};

/// Cells as an interval holds them.
type Cells = Box<[(u64, u64)]>;
/// So many bytes a count takes at most.
const LONGEST: usize = 9;

/// Holds the same memory from first to last.
pub(super) struct Decoder {
    packed: Vec<u8>,
    plain: Box<[u8]>, // as long as an encoding of ours can be
    inflate: Decompress,
    others: Deserializer,
}

impl Decoder {
    pub(super) fn new() -> Decoder {
        Decoder {
            packed: Vec::new(),
            plain: vec![0; HEADER + PLACES * LONGEST].into(),
            inflate: Decompress::new(true),
            others: Deserializer::new(),
        }
    }

    /// The greatest length in nanoseconds of each cell that something was counted in, and how often; in order.
    pub(super) fn cells(&mut self, text: &str) -> Result<Cells, String> {
        self.packed.clear();
        STANDARD.decode_vec(text, &mut self.packed).map_err(|e| e.to_string())?;
        if let Some(cells) = self.ours() {
            return Ok(cells);
        }
        let histogram: Histogram<u64> =
            self.others.deserialize(&mut self.packed.as_slice()).map_err(|e| e.to_string())?;
        Ok(histogram.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect())
    }

    /// Those of a histogram just as we write it.
    fn ours(&mut self) -> Option<Cells> {
        let (head, stream) = self.packed.split_first_chunk::<8>()?;
        let length = word(head.get(4..)?)? as usize;
        if word(head)? != COMPRESSED_COOKIE || length != stream.len() {
            return None;
        }
        self.inflate.reset(true);
        let ended = self.inflate.decompress(stream, &mut self.plain, FlushDecompress::Finish).ok()?;
        let plain = self.plain.get(..self.inflate.total_out() as usize)?;
        let (head, counts) = plain.split_at_checked(HEADER)?;
        let is_whole = ended == Status::StreamEnd && word(head.get(4..)?)? as usize == counts.len();
        (is_whole && word(head)? == COOKIE && head.get(8..)? == bounds().as_slice()).then(|| walk(counts))?
    }
}

/// The count of each cell from the first; runs of zeros by their negative length.
fn walk(mut counts: &[u8]) -> Option<Cells> {
    let mut cells = Vec::new();
    let mut place = 0_usize;
    while !counts.is_empty() {
        match varint::take_signed(&mut counts)? {
            zeros @ ..0 => place = place.checked_add(usize::try_from(zeros.unsigned_abs()).ok()?)?,
            0 => place += 1,
            count if place < PLACES => {
                cells.push((tally::top(place), count as u64));
                place += 1;
            }
            _ => return None,
        }
    }
    Some(cells.into())
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer, V2Serializer};
    use proptest::prelude::*;

    use super::super::super::tally::{DIGITS, HIGHEST, LOWEST};
    use super::super::encode::Encoder;
    use super::*;

    fn packed(hdr: &Histogram<u64>) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(hdr, &mut bytes).expect("serialises");
        STANDARD.encode(&bytes)
    }

    fn recorded(hdr: &Histogram<u64>) -> Cells {
        hdr.iter_recorded().map(|v| (v.value_iterated_to(), v.count_at_value())).collect()
    }

    fn histogram(lengths: &[(u64, u64)]) -> Histogram<u64> {
        let mut hdr = Histogram::<u64>::new_with_bounds(LOWEST, HIGHEST, DIGITS).expect("valid bounds");
        lengths.iter().for_each(|(length, count)| hdr.saturating_record_n(*length, *count));
        hdr
    }

    proptest! {
        /// What the crate reads of it, without asking the crate; from the first line to the last with the same decoder.
        #[test]
        fn the_cells_are_those_of_hdrhistogram(
            lines in prop::collection::vec(
                prop::collection::vec((prop_oneof![0..300u64, 0..200_000u64, 0..=HIGHEST], prop_oneof![1..4u64, 1..(1u64 << 40)]), 0..200), 1..4)
        ) {
            let mut decoder = Decoder::new();
            for lengths in lines {
                let hdr = histogram(&lengths);
                decoder.packed = STANDARD.decode(packed(&hdr)).expect("base64");
                prop_assert_eq!(decoder.ours(), Some(recorded(&hdr)));
                prop_assert_eq!(decoder.cells(&packed(&hdr)), Ok(recorded(&hdr)));
            }
        }

        /// Damaged text is refused or read as something, and what follows it is read as ever.
        #[test]
        fn damage_is_no_trap(at in 0..200usize, byte in any::<u8>(), cut in 0..200usize) {
            let hdr = histogram(&[(5_000, 3), (12_000_000, 700), (HIGHEST, 1)]);
            let mut decoder = Decoder::new();
            let mut bytes = STANDARD.decode(packed(&hdr)).expect("base64");
            let (last, length) = (bytes.len() - 1, bytes.len());
            bytes[at.min(last)] ^= byte;
            bytes.truncate(length.min(cut));
            let _ = decoder.cells(&STANDARD.encode(&bytes));
            prop_assert_eq!(decoder.cells(&packed(&hdr)), Ok(recorded(&hdr)));
        }
    }

    #[test]
    fn what_we_write_we_read() {
        let mut encoder = Encoder::new();
        let lengths = [0, 64, 5_000, 5_000, 7_919_000, HIGHEST];
        lengths.iter().for_each(|length| encoder.count(tally::place(*length)));
        let text = encoder.take().expect("encodes").to_owned();
        let mut decoder = Decoder::new();
        decoder.packed = STANDARD.decode(&text).expect("base64");
        let of = |nanos: u64, count| (tally::cell(nanos), count);
        let cells = [of(0, 1), of(64, 1), of(5_000, 2), of(7_919_000, 1), of(HIGHEST, 1)];
        assert_eq!(decoder.ours().as_deref(), Some(&cells[..]));
    }

    #[test]
    fn other_forms_are_read_too() {
        let mut decoder = Decoder::new();
        let hdr = histogram(&[(5_000, 3), (HIGHEST, 1)]);
        let mut plain = Vec::new();
        V2Serializer::new().serialize(&hdr, &mut plain).expect("serialises");
        assert_eq!(decoder.cells(&STANDARD.encode(&plain)), Ok(recorded(&hdr)));

        let mut other = Histogram::<u64>::new_with_bounds(1, 1_000_000, 4).expect("valid bounds");
        other.record_n(123_456, 7).expect("within bounds");
        assert_eq!(decoder.cells(&packed(&other)), Ok(recorded(&other)));

        for wrong in ["", "AAAA", "no base64!", "HISTFAAAAAA="] {
            assert!(decoder.cells(wrong).is_err(), "{wrong}");
        }
    }
}
