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
    /// The traffic of requests that are no shots: what looks, after the load, for faults that are left over.
    pub const CANARY: u16 = u16::MAX;
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

    /// The shot whose trace id, plain or as a UUID, stands somewhere in a text, if it is one of this run's. Letters may
    /// be of either case.
    pub fn find(&self, text: &str) -> Option<Shot> {
        let bytes = text.as_bytes();
        (0..bytes.len().saturating_sub(31)).find_map(|from| {
            let begins = from == 0 || !bytes[from - 1].is_ascii_hexdigit();
            let rest = Some(&bytes[from..]).filter(|rest| begins && rest[0].is_ascii_hexdigit())?;
            let plain = read_hex(rest, &[32]).and_then(|id| self.shot(TraceId(id)));
            plain.or_else(|| self.of_uuid(read_hex(rest, &[8, 4, 4, 4, 12])?))
        })
    }

    /// The shot behind the UUID of a trace id.
    fn of_uuid(&self, id: [u8; 16]) -> Option<Shot> {
        let both = u128::from_be_bytes(id);
        let (high, low) = ((both >> 64) as u64, both as u64);
        let tag = u64::from_be_bytes(self.tag);
        let is_ours = (high ^ tag) & !MARKS == 0 && high & 0xf000 == VERSION && low >> 62 == VARIANT;
        let low = (high & 0b11) << 62 | low & !(0b11 << 62);
        is_ours.then(|| self.shot(TraceId((u128::from(tag) << 64 | u128::from(low)).to_be_bytes())))?
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

    /// The same in the shape of a UUID of version 4 (RFC 9562), in lower case. The six bits that say so stand where the
    /// tag of the run was, which is the same in all ids: nothing that tells shots apart is lost.
    pub fn uuid(&self) -> String {
        let both = u128::from_be_bytes(self.0);
        let (high, low) = ((both >> 64) as u64, both as u64);
        let (high, low) = (high & !MARKS | VERSION | low >> 62, low & !(0b11 << 62) | VARIANT << 62);
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }

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

/// The bits of a UUID's high half that are not the tag's: its version, and what its variant drove out of the low half.
const MARKS: u64 = 0xf003;
/// Version 4, in its place.
const VERSION: u64 = 0x4000;
/// The variant, the two highest bits of the low half.
const VARIANT: u64 = 0b10;

/// Hexadecimal digits in groups with dashes between them, at the beginning of a text and not going on after it.
fn read_hex(text: &[u8], groups: &[usize]) -> Option<[u8; 16]> {
    let (mut digits, mut at, mut out) = (0, 0, [0; 16]);
    for (i, length) in groups.iter().enumerate() {
        if i > 0 {
            (text.get(at) == Some(&b'-')).then_some(())?;
            at += 1;
        }
        for _ in 0..*length {
            let digit = char::from(*text.get(at)?).to_digit(16)? as u8;
            out[digits / 2] = out[digits / 2] << 4 | digit;
            digits += 1;
            at += 1;
        }
    }
    (!text.get(at).is_some_and(u8::is_ascii_hexdigit)).then_some(out)
}

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
    fn a_shot_comes_back_from_wherever_its_id_stands() {
        let (tracer, other) = (Tracer::new(Seed(7), "run"), Tracer::new(Seed(7), "another"));
        let mut seen = std::collections::BTreeSet::new();
        for seq in [0, 1, 2, 77, 1 << 40, (1 << 48) - 1].into_iter().chain(1_000..2_000) {
            let shot = Shot { traffic: 3, seq };
            let (plain, uuid) = (tracer.id(shot).to_string(), tracer.id(shot).uuid());
            assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"), "{uuid}");
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
            for text in [
                plain.clone(),
                uuid.clone(),
                format!("signal-{plain}-1"),
                format!("execution/{uuid}"),
                format!("ab{}", uuid.to_uppercase()).replacen("ab", "x:", 1),
            ] {
                assert_eq!(tracer.find(&text), Some(shot), "{text}");
                assert_eq!(other.find(&text), None, "{text}");
            }
            for text in [format!("a{plain}"), format!("{plain}0"), format!("{uuid}0"), uuid[1..].to_owned()] {
                assert_eq!(tracer.find(&text), None, "{text}");
            }
            assert!(seen.insert(uuid));
        }
        assert_eq!(tracer.find(""), None);
        assert_eq!(tracer.find(&"é".repeat(40)), None);
    }

    #[test]
    fn what_is_not_a_traceparent_is_none() {
        for bad in ["", "00", "00-xyz", "00-00000000000000000000000000000000-0000000000000001-01", "00-ää"] {
            assert_eq!(TraceId::from_traceparent(bad), None, "{bad}");
        }
    }
}
