//! Flipped bits: so many of every so many bytes, at places that the seed decides.

use bytes::Bytes;

/// Where in the stream it is, and what is to be flipped in the window of bytes that lies there.
#[derive(Debug, Default)]
pub struct Spoiler {
    offset: u64,
    window: Option<(u64, Vec<u64>)>, // which window, and its bits from the first byte of the stream, in order
}

impl Spoiler {
    /// The next bytes of the stream with `bits` different bits of every `every` bytes flipped; `None` when none of those
    /// lies in here. `draw` is a pure function of the window and the number of the draw in it.
    pub fn spoil(&mut self, bytes: &Bytes, bits: u32, every: u64, draw: impl Fn(u64, u64) -> u64) -> Option<Bytes> {
        let (begin, every) = (self.offset, every.max(1));
        let end = begin + bytes.len() as u64;
        self.offset = end;
        let mut spoilt: Option<Vec<u8>> = None;
        for window in begin / every..=(end.max(begin + 1) - 1) / every {
            if self.window.as_ref().is_none_or(|(known, _)| *known != window) {
                self.window = Some((window, places(window, bits, every, &draw)));
            }
            let Some((_, places)) = &self.window else { continue };
            for place in places.iter().filter(|p| (begin..end).contains(&(**p / 8))) {
                let whole = spoilt.get_or_insert_with(|| bytes.to_vec());
                whole[(place / 8 - begin) as usize] ^= 1 << (place % 8);
            }
        }
        spoilt.map(Bytes::from)
    }
}

/// Different bits of one window, as numbers of bits from the beginning of the stream.
fn places(window: u64, bits: u32, every: u64, draw: &impl Fn(u64, u64) -> u64) -> Vec<u64> {
    let there_are = every * 8;
    let wanted = u64::from(bits).min(there_are);
    let mut places = Vec::new();
    // Floyd's way to draw without repetition (Bentley, Programming Pearls, 1987).
    for (n, top) in (there_are - wanted..there_are).enumerate() {
        let place = draw(window, n as u64) % (top + 1);
        let place = if places.contains(&place) { top } else { place };
        places.push(place);
    }
    places.iter_mut().for_each(|place| *place += window * there_are);
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    fn draw(window: u64, n: u64) -> u64 {
        Seed(5).decide(&[&window.to_le_bytes(), &n.to_le_bytes()])
    }

    fn spoil(pieces: &[usize], bits: u32, every: u64) -> Vec<u8> {
        let mut spoiler = Spoiler::default();
        let spoilt = |n: &usize| {
            let bytes = Bytes::from(vec![0; *n]);
            spoiler.spoil(&bytes, bits, every, draw).unwrap_or(bytes)
        };
        pieces.iter().flat_map(spoilt).collect()
    }

    #[test]
    fn every_window_has_its_share_however_the_bytes_come() {
        let whole = spoil(&[1000], 3, 100);
        let flipped = |bytes: &[u8]| bytes.iter().map(|b| b.count_ones()).sum::<u32>();
        assert!(whole.chunks(100).all(|window| flipped(window) == 3), "{whole:?}");
        assert_eq!(spoil(&[1; 1000], 3, 100), whole);
        assert_eq!(spoil(&[99, 2, 400, 1, 498], 3, 100), whole);
        assert_eq!(flipped(&spoil(&[7, 3], 99, 1)), 80, "no more than there are");
        assert!(spoil(&[0, 0], 1, 1).is_empty());
    }
}
