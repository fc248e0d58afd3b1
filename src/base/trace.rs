//! W3C trace context, and how a shot's identity travels in it.
//!
//! The trace id of a shot is a function of (run, traffic, seq), and the two can be read back from it: the high half
//! is the run's tag, the low half an invertible scramble of traffic and seq, so that samplers that look at the low
//! bits see random ones.

use super::seed::Seed;

/// A 128-bit trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// Which shot: the index of its traffic in the scenario, and its number within that traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shot {
    /// The position of the traffic in the scenario.
    pub traffic: u16,
    /// The number of the shot within its traffic, from 0; below 2^48.
    pub seq: u64,
}

impl Shot {
    /// Numbers from here on are of shots in closed loops, which nobody planned.
    pub const CLOSED: u64 = 1 << 40;
}

/// Writes and reads the trace ids of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracer {
    tag: [u8; 8],
    key: u64,
}

impl Tracer {
    /// The tracer of the run called `run` under `seed`.
    pub fn new(seed: Seed, run: &str) -> Self {
        let tag = seed.decide(&[b"trace", run.as_bytes()]) | 1; // never all zeros
        Tracer { tag: tag.to_be_bytes(), key: seed.decide(&[b"scramble", run.as_bytes()]) }
    }

    /// The trace id of a shot.
    pub fn id(&self, shot: Shot) -> TraceId {
        let plain = (u64::from(shot.traffic) << 48) | (shot.seq & 0xffff_ffff_ffff);
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.tag);
        bytes[8..].copy_from_slice(&mix(plain ^ self.key).to_be_bytes());
        TraceId(bytes)
    }

    /// The shot behind a trace id, if it is one of this run's.
    pub fn shot(&self, id: TraceId) -> Option<Shot> {
        if id.0[..8] != self.tag {
            return None;
        }
        let mut low = [0; 8];
        low.copy_from_slice(&id.0[8..]);
        let plain = unmix(u64::from_be_bytes(low)) ^ self.key;
        Some(Shot { traffic: (plain >> 48) as u16, seq: plain & 0xffff_ffff_ffff })
    }
}

impl TraceId {
    /// All zeros: no trace.
    pub const NONE: TraceId = TraceId([0; 16]);

    /// Whether it is none.
    pub fn is_none(&self) -> bool {
        *self == TraceId::NONE
    }

    /// The value of a `traceparent` header that begins this trace, sampled: ASCII.
    pub fn traceparent(&self) -> [u8; 55] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-01";
        hex(&self.0, &mut out[3..35]);
        // The span id is the low half, which the scramble keeps from being all zeros but for one input in 2^64.
        let low = &self.0[8..];
        if low.iter().all(|b| *b == 0) {
            out[51] = b'1';
        } else {
            hex(low, &mut out[36..52]);
        }
        out
    }

    /// Reads the trace id out of a `traceparent` header; `None` when it is not one.
    pub fn from_traceparent(value: &str) -> Option<TraceId> {
        let mut parts = value.trim().split('-');
        let (version, id) = (parts.next()?, parts.next()?);
        if version.len() != 2 || id.len() != 32 || !id.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(id.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        bytes.iter().any(|b| *b != 0).then_some(TraceId(bytes))
    }
}

impl std::fmt::Display for TraceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn hex(bytes: &[u8], out: &mut [u8]) {
    for (byte, pair) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        pair.copy_from_slice(&HEX[usize::from(*byte)]);
    }
}

/// Every byte in two lower-case hexadecimal digits.
const HEX: [[u8; 2]; 256] = {
    let (digits, mut all, mut byte) = (b"0123456789abcdef", [[0; 2]; 256], 0);
    while byte < 256 {
        all[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    all
};

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes every bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The inverse of [`mix`].
fn unmix(mut z: u64) -> u64 {
    z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(0x3196_42b2_d24d_8ec3);
    z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(0x96de_1b17_3f11_9089);
    z ^ (z >> 30) ^ (z >> 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shot_comes_back_from_its_trace_id() {
        let tracer = Tracer::new(Seed(7), "run");
        for seq in [0, 1, 2, 77, 1 << 40, (1 << 48) - 1] {
            let shot = Shot { traffic: 3, seq };
            let header = tracer.id(shot).traceparent();
            let header = std::str::from_utf8(&header).expect("ASCII");
            let id = TraceId::from_traceparent(header).expect("our own header reads back");
            assert_eq!(tracer.shot(id), Some(shot));
            assert_eq!(Tracer::new(Seed(7), "another").shot(id), None);
        }
    }

    #[test]
    fn what_is_not_a_traceparent_is_none() {
        for bad in ["", "00", "00-xyz", "00-00000000000000000000000000000000-0000000000000001-01", "00-ää"] {
            assert_eq!(TraceId::from_traceparent(bad), None, "{bad}");
        }
    }
}
