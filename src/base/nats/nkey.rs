//! NKEYs: a server of NATS says a nonce and hears it signed, with Ed25519, by whose public key it knows, or by whose public key
//! a JWT names that somebody signed whom it knows. The private key is spelt as a *seed*: base32 of two bytes that say what it
//! is and whose, the 32 bytes of the key, and a CRC-16 of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};

/// The first five bits of a seed: its text begins with an S.
const SEED: u8 = 18 << 3;
/// The letters of base32, each five bits.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Signs as whom a seed says.
pub struct Signer {
    pair: Ed25519KeyPair,
    kind: u8, // whose key it is, as the first byte of a public one: U for users
}

impl Signer {
    /// The error says what is wrong with the seed, and nothing of what it is.
    pub fn new(seed: &str) -> Result<Signer, String> {
        let odd = || "no seed of an NKEY: that is one line, begins with SU and is 58 letters long".to_owned();
        let bytes = decode(seed.trim()).filter(|bytes| bytes.len() == 36).ok_or_else(odd)?;
        let (told, sum) = bytes.split_at(34);
        if crc16(told).to_le_bytes() != sum {
            return Err("a seed of an NKEY with a slip in it: its check sum does not fit".into());
        }
        if told[0] & 0xf8 != SEED {
            return Err(odd());
        }
        let kind = ((told[0] & 7) << 5) | (told[1] >> 3);
        let pair = Ed25519KeyPair::from_seed_unchecked(&told[2..]).map_err(|_| odd())?;
        Ok(Signer { pair, kind })
    }

    /// As whom: the public key.
    pub fn public(&self) -> String {
        let mut bytes = vec![self.kind];
        bytes.extend_from_slice(self.pair.public_key().as_ref());
        bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
        encode(&bytes)
    }

    /// What was signed, as servers read it.
    pub fn sign(&self, nonce: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(nonce))
    }
}

/// The JWT and the seed in a file of credentials, as `nsc` and `nats` write it.
pub fn credentials(text: &str) -> Result<(String, String), String> {
    let between = |what: &str| {
        let begun = text.lines().skip_while(|line| !(line.contains("BEGIN") && line.contains(what))).skip(1);
        begun.map(str::trim).find(|line| !line.is_empty()).filter(|line| !line.starts_with('-')).map(str::to_owned)
    };
    between("USER JWT")
        .zip(between("NKEY SEED"))
        .ok_or_else(|| "no credentials of NATS: what a .creds file holds is a user's JWT and its seed".to_owned())
}

/// CRC-16 as XMODEM has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        let shifted = |sum: u16| if sum & 0x8000 != 0 { (sum << 1) ^ 0x1021 } else { sum << 1 };
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| shifted(sum))
    })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        held = (held << 5) | LETTERS.iter().position(|known| *known == letter)? as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[((held >> bits) & 31) as usize]));
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(LETTERS[((held << (5 - bits)) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made up for this test; what comes of it was worked out by another implementation of Ed25519.
    const SEED: &str = "SUABFLRAOO3F72NOVBGI4FZ6EAPR7XKJQJULICGJVJDTFKN2MRC2O6G47M";

    #[test]
    fn a_seed_signs_as_others_do() {
        let signer = Signer::new(&format!("{SEED}\n")).expect("a seed");
        assert_eq!(signer.public(), "UC4YE3YGDKVFOBZN5777WUAGYLVCLUPV3BMT6DTMSOTJUNBMIOVOTFRO");
        let signed = "k2CHnenzID7133Ypx976yxEjahHO2Lvw8cEaiTL8kHhsG0-uaxCr-tqYupISt4CrPrZkDtEBinIrMNwz4qaIAw";
        assert_eq!(signer.sign(b"nonce"), signed);
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn what_is_no_seed_is_refused_and_not_repeated() {
        let slip = SEED.replace("OO3F", "OO3G");
        let public = "UC4YE3YGDKVFOBZN5777WUAGYLVCLUPV3BMT6DTMSOTJUNBMIOVOTFRO";
        for (text, why) in [(slip.as_str(), "check sum"), (public, "begins with SU"), ("", "58 letters"), ("SU!", "SU")]
        {
            let said = Signer::new(text).err().expect("refused");
            assert!(said.contains(why) && (text.len() < 4 || !said.contains(text)), "{said}");
        }
    }

    #[test]
    fn credentials_are_a_jwt_and_a_seed() {
        let file = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.eyJq.c2ln\n------END NATS USER JWT------\n\n**** IMPORTANT ****\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
        );
        assert_eq!(credentials(&file), Ok(("eyJ0.eyJq.c2ln".into(), SEED.into())));
        assert_eq!(credentials(&file.replace('\n', "\r\n")), Ok(("eyJ0.eyJq.c2ln".into(), SEED.into())));
        for text in ["", SEED, "-----BEGIN NATS USER JWT-----\n------END NATS USER JWT------\n"] {
            assert!(credentials(text).is_err_and(|why| why.contains(".creds file")), "{text}");
        }
    }
}
