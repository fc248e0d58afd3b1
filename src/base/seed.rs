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

/// The SHA-256 digest of what comes piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// Adds the next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything so far, in lower-case hexadecimal.
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
