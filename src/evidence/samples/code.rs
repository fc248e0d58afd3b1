//! How values become bytes: each is predicted from what came before, and only what the prediction missed is written.
//!
//! Writer and reader hold the same [`Track`] per slot and update it alike, so that no choice of predictor is written.
//! A token is a number: even, `2(n − 1)`, for n values as predicted; 1 for a float, coded as the XOR with its
//! predecessor; 3 for a series that is absent; and `2(z + 1) + 1` for a whole number that missed the prediction by the
//! zigzag number z ≥ 1.

pub(super) use super::super::varint::{put, put_signed};
use super::super::varint::{unzigzag, zigzag};

/// The bytes are not what a writer writes.
#[derive(Debug)]
pub(super) struct Damaged;

pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Bytes yet to be read.
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Damaged)
    }

    pub fn index(&mut self) -> Result<usize, Damaged> {
        usize::try_from(self.number()?).map_err(|_| Damaged)
    }

    pub fn signed(&mut self) -> Result<i64, Damaged> {
        Ok(unzigzag(self.number()?))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.index()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// Floats hold every whole number below this.
const EXACT: u64 = 1 << 53;

/// The value as a whole number, if it is one and comes back as the same bits; −0 is not.
fn whole(value: f64) -> Option<i64> {
    let n = value as i64;
    ((n as f64).to_bits() == value.to_bits() && n.unsigned_abs() < EXACT).then_some(n)
}

/// What is remembered of a series to predict its next value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Track {
    last: f64,
    /// By how much it moved last time.
    step: i64,
    /// How badly each way of predicting did, fading.
    misses: [u16; 3],
}

enum Guess {
    Whole(i64),
    Same,
}

impl Track {
    /// The three ways to predict a whole number: it stays, it moves as it did last time, it moves as the series before
    /// it on the page just did (the buckets of a histogram move together).
    fn guesses(&self, last: i64, neighbour: i64) -> [i64; 3] {
        let moved = |step: i64| match last.saturating_add(step) {
            n if n.unsigned_abs() < EXACT => n,
            _ => last,
        };
        [last, moved(self.step), moved(neighbour)]
    }

    fn guess(&self, neighbour: i64) -> Guess {
        let Some(last) = whole(self.last) else { return Guess::Same };
        let [stays, steps, follows] = self.guesses(last, neighbour);
        let [a, b, c] = self.misses;
        Guess::Whole(if a <= b && a <= c {
            stays
        } else if b <= c {
            steps
        } else {
            follows
        })
    }

    /// Takes note of the value that came, and of its move for the neighbour that follows.
    fn learn(&mut self, value: f64, neighbour: &mut i64) {
        match (whole(self.last), whole(value)) {
            (Some(last), Some(now)) => {
                let guesses = self.guesses(last, *neighbour);
                for (misses, guess) in self.misses.iter_mut().zip(guesses) {
                    let bits = 64 - zigzag(now - guess).leading_zeros() as u16;
                    *misses = *misses / 4 * 3 + 8 * bits;
                }
                self.step = now - last;
                *neighbour = self.step;
            }
            _ => self.step = 0,
        }
        self.last = value;
    }
}

const FLOAT: u64 = 1;
const ABSENT: u64 = 3;

/// Writes the values of one scrape.
pub(super) struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    run: u64,
    neighbour: i64,
}

impl<'o> Encoder<'o> {
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        Encoder { out, run: 0, neighbour: 0 }
    }

    pub fn value(&mut self, track: &mut Track, value: f64) {
        match (track.guess(self.neighbour), whole(value)) {
            (Guess::Whole(guess), Some(now)) if guess == now => self.run += 1,
            (Guess::Whole(guess), Some(now)) => self.token((zigzag(now - guess) + 1) << 1 | 1),
            (Guess::Same, _) if track.last.to_bits() == value.to_bits() => self.run += 1,
            _ => {
                self.token(FLOAT);
                self.float(track.last.to_bits() ^ value.to_bits());
            }
        }
        track.learn(value, &mut self.neighbour);
    }

    pub fn absent(&mut self) {
        self.token(ABSENT);
    }

    /// Ends the run of values that were as predicted.
    pub fn finish(&mut self) {
        if self.run > 0 {
            put(self.out, (self.run - 1) << 1);
            self.run = 0;
        }
    }

    fn token(&mut self, token: u64) {
        self.finish();
        put(self.out, token);
    }

    /// The bytes that changed, and how many at either end did not.
    fn float(&mut self, xor: u64) {
        let (lead, trail) = match xor {
            0 => (8, 0),
            _ => (xor.leading_zeros() / 8, xor.trailing_zeros() / 8),
        };
        self.out.push((lead << 4 | trail) as u8);
        self.out.extend_from_slice(&xor.to_be_bytes()[lead as usize..8 - trail as usize]);
    }
}

/// Reads the values of one scrape.
#[derive(Default)]
pub(super) struct Decoder {
    run: u64,
    neighbour: i64,
}

impl Decoder {
    /// The next value; `None` when the series is absent.
    pub fn value(&mut self, input: &mut Input, track: &mut Track) -> Result<Option<f64>, Damaged> {
        let token = if self.run > 0 { 0 } else { input.number()? };
        let value = match token {
            FLOAT => f64::from_bits(track.last.to_bits() ^ float(input)?),
            ABSENT => return Ok(None),
            _ if token & 1 == 0 => {
                self.run = if self.run > 0 { self.run - 1 } else { token >> 1 };
                match track.guess(self.neighbour) {
                    Guess::Whole(n) => n as f64,
                    Guess::Same => track.last,
                }
            }
            _ => match track.guess(self.neighbour) {
                Guess::Whole(guess) => guess.checked_add(unzigzag((token >> 1) - 1)).ok_or(Damaged)? as f64,
                Guess::Same => return Err(Damaged),
            },
        };
        track.learn(value, &mut self.neighbour);
        Ok(Some(value))
    }

    /// That no run reaches beyond the values.
    pub fn finish(&mut self) -> Result<(), Damaged> {
        if self.run == 0 { Ok(()) } else { Err(Damaged) }
    }
}

fn float(input: &mut Input) -> Result<u64, Damaged> {
    let ends = input.byte()?;
    let (lead, trail) = (usize::from(ends >> 4), usize::from(ends & 15));
    let mut bytes = [0; 8];
    let middle = bytes.get_mut(lead..8usize.checked_sub(trail).ok_or(Damaged)?).ok_or(Damaged)?;
    for byte in middle {
        *byte = input.byte()?;
    }
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(values: &[f64]) -> usize {
        let (mut bytes, mut track) = (Vec::new(), Track::default());
        let mut encoder = Encoder::new(&mut bytes);
        for value in values {
            encoder.value(&mut track, *value);
        }
        encoder.finish();
        let (mut input, mut decoder, mut track) = (Input(&bytes), Decoder::default(), Track::default());
        for value in values {
            let read = decoder.value(&mut input, &mut track).expect("whole").expect("present");
            assert_eq!(read.to_bits(), value.to_bits(), "{value} in {values:?}");
        }
        decoder.finish().expect("no run is left");
        assert!(input.is_empty());
        bytes.len()
    }

    #[test]
    fn every_kind_of_value_comes_back_bit_for_bit() {
        let payload = f64::from_bits(0x7ff8_dead_beef_0001);
        let big = (EXACT - 1) as f64;
        let odd =
            [0.0, -0.0, 1.0, -1.0, f64::NAN, payload, -payload, f64::INFINITY, f64::NEG_INFINITY, 0.1, 0.1, 1e300];
        let edge = [big, -big, big, big + 1.0, -big - 1.0, 5e-324, f64::MAX, f64::MIN, 0.5, 3.0, 3.0, 3.5];
        round_trip(&odd);
        round_trip(&edge);
        for a in odd.iter().chain(&edge) {
            for b in odd.iter().chain(&edge) {
                round_trip(&[*a, *b, *a]);
            }
        }
    }

    #[test]
    fn what_is_predictable_costs_next_to_nothing() {
        assert_eq!(round_trip(&[0.0; 1000]), 2);
        let steady: Vec<f64> = (0..1000).map(|n| f64::from(n * 7)).collect();
        assert!(round_trip(&steady) < 20, "{}", round_trip(&steady));
        let still: Vec<f64> = std::iter::repeat_n(0.3, 1000).collect();
        assert!(round_trip(&still) < 15, "{}", round_trip(&still));
    }

    #[test]
    fn numbers_come_back_and_endless_ones_are_damage() {
        let mut out = Vec::new();
        let numbers = [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN];
        numbers.iter().for_each(|n| put_signed(&mut out, *n));
        let mut input = Input(&out);
        for n in numbers {
            assert_eq!(input.signed().expect("whole"), n);
        }
        assert!(input.number().is_err());
        assert!(Input(&[0xff; 11]).number().is_err());
    }
}
