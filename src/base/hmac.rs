//! HMAC with SHA-256 (RFC 2104), and hexadecimal text.

use sha2::{Digest, Sha256};

/// The length of a block of SHA-256, in bytes.
const BLOCK: usize = 64;

/// A key, ready to sign with.
#[derive(Clone)]
pub struct HmacSha256 {
    inner: Sha256,
    outer: Sha256,
}

impl HmacSha256 {
    /// With a key of any length.
    pub fn new(key: &[u8]) -> HmacSha256 {
        let mut block = [0; BLOCK];
        match key.len() <= BLOCK {
            true => block[..key.len()].copy_from_slice(key),
            false => block[..32].copy_from_slice(&Sha256::digest(key)),
        }
        let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        HmacSha256 { inner: padded(0x36), outer: padded(0x5c) }
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(message).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

/// In hexadecimal, with small letters.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hexadecimal text of either case; `None` where it is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test cases of RFC 4231 (the fifth is of a truncated output).
    #[test]
    fn signatures_are_those_of_the_standard() {
        for (key, message, wanted) in [
            (vec![0x0b; 20], b"Hi There".to_vec(), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?".to_vec(),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (vec![0xaa; 20], vec![0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First".to_vec(),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&HmacSha256::new(&key).sign(&message)), wanted);
        }
    }

    #[test]
    fn hexadecimal_text_reads_back() {
        assert_eq!(unhex("00fFa1"), Some(vec![0, 255, 161]));
        assert_eq!((unhex("0"), unhex("0g"), unhex("")), (None, None, Some(Vec::new())));
        assert_eq!(hex(&[0, 255, 161]), "00ffa1");
    }
}
