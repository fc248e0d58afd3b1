//! The only source of chance. Streams are named, so that adding one never shifts another.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The seed of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// An independent random stream for `name`.
    pub fn stream(self, name: &str) -> Stream {
        let mut hash = Sha256::new();
        hash.update(self.0.to_le_bytes());
        hash.update(name.as_bytes());
        Stream(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// A well-mixed number that is a pure function of the seed and the parts: for decisions that must not depend on
    /// the order in which they are asked for.
    pub fn decide(self, parts: &[&[u8]]) -> u64 {
        let mut hash = Sha256::new();
        hash.update(self.0.to_le_bytes());
        for part in parts {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut head = [0; 8];
        head.copy_from_slice(&digest[..8]);
        u64::from_le_bytes(head)
    }
}

/// A reproducible stream of random numbers: ChaCha8, the same on every platform and in every version.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Leaves out the next `n` numbers. Costs the less of making them and of finding the place behind them.
    pub fn pass(&mut self, n: u64) {
        const SEEK: u64 = 32; // a place is found at the cost of making the block of 32 numbers that it lies in
        if n < SEEK {
            (0..n).for_each(|_| _ = self.bits());
        } else {
            self.0.set_word_pos(self.0.get_word_pos() + 2 * u128::from(n));
        }
    }

    /// Goes to the `n`-th number, from 0: the same wherever the stream has come to.
    pub fn seek(&mut self, n: u128) {
        self.0.set_word_pos(2 * n);
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Exponential with mean 1, by inversion.
    pub fn exponential(&mut self) -> f64 {
        -libm::log1p(-self.unit())
    }
}

/// Maps 64 random bits to a number uniform in [0, 1).
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// The SHA-256 digest of `bytes`, in lower-case hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    let mut whole = Digester::default();
    whole.add(bytes);
    whole.finish()
}

/// Digests what comes piece by piece, as [`digest`] would all of it together.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// Takes the next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest, in lower-case hexadecimal.
    pub fn finish(self) -> String {
        let sum: [u8; 32] = self.0.finalize().into();
        sum.iter().map(|b| format!("{b:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_independent_and_repeatable() {
        let seed = Seed(7);
        let mut a = seed.stream("a");
        let mut b = seed.stream("b");
        let first: Vec<u64> = (0..4).map(|_| a.bits()).collect();
        assert_ne!(first, (0..4).map(|_| b.bits()).collect::<Vec<_>>());
        let mut again = Seed(7).stream("a");
        assert_eq!(first, (0..4).map(|_| again.bits()).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_passed_is_as_if_it_had_been_drawn() {
        for n in [0, 1, 2, 31, 32, 33, 64, 1_000, 12_345] {
            let (mut drawn, mut passed) = (Seed(7).stream("a"), Seed(7).stream("a"));
            for _ in 0..3 {
                (0..n).for_each(|_| _ = drawn.bits());
                passed.pass(n);
                assert_eq!(passed.bits(), drawn.bits(), "{n}");
            }
        }
    }

    #[test]
    fn the_nth_number_is_found_from_anywhere() {
        let mut stream = Seed(7).stream("a");
        let drawn: Vec<u64> = (0..100).map(|_| stream.bits()).collect();
        for n in [99, 0, 33, 32, 31, 64] {
            stream.seek(n as u128);
            assert_eq!(stream.bits(), drawn[n]);
        }
    }

    #[test]
    fn a_digest_of_pieces_is_that_of_the_whole() {
        let mut pieces = Digester::default();
        [b"ab".as_slice(), b"", b"c"].iter().for_each(|piece| pieces.add(piece));
        assert_eq!(pieces.finish(), digest(b"abc"));
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn decisions_do_not_run_together() {
        let seed = Seed(1);
        assert_ne!(seed.decide(&[b"ab", b"c"]), seed.decide(&[b"a", b"bc"]));
        assert_eq!(seed.decide(&[b"ab", b"c"]), seed.decide(&[b"ab", b"c"]));
    }

    #[test]
    fn a_tenth_is_a_tenth() {
        let hits = (0..100_000u64).filter(|n| unit(Seed(3).decide(&[&n.to_le_bytes()])) < 0.1).count();
        assert!((9_600..10_400).contains(&hits), "{hits}");
    }
}
