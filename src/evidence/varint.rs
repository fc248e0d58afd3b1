//! Whole numbers in as few bytes as they need: LEB128, negative ones in zigzag.

/// Appends a number, seven bits a byte, the lowest first.
pub(super) fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Appends a number that may be negative; small ones of either sign are short.
pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put(out, zigzag(n));
}

/// 0, −1, 1, −2, … as 0, 1, 2, 3, …
pub(super) fn zigzag(n: i64) -> u64 {
    ((n << 1) ^ (n >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(z: u64) -> i64 {
    (z >> 1) as i64 ^ -((z & 1) as i64)
}

/// Takes a number off the front, as [`put_signed`] put it there; `None` where it is not whole or longer than nine bytes.
pub(super) fn take_signed(bytes: &mut &[u8]) -> Option<i64> {
    let mut n = 0;
    for at in 0..9 {
        let byte = *bytes.get(at)?;
        n |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(unzigzag(n));
        }
    }
    None
}
