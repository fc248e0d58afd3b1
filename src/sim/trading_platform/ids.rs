//! Ids that look like any other UUID and hold a number, so that nothing need remember which id is whose.

use crate::base::seed::Seed;

/// The ids of one kind of thing.
#[derive(Debug, Clone, Copy)]
pub struct Ids(u64);

impl Ids {
    /// Ids that are the same in every process.
    pub fn of(kind: &str) -> Ids {
        Ids::salted(kind, 0)
    }

    /// Ids that no process with another salt has.
    pub fn salted(kind: &str, salt: u64) -> Ids {
        let drawn = Seed(salt).decide(&[kind.as_bytes()]);
        Ids(drawn & !0xf000 | 0x4000) // version 4
    }

    /// The id of a number below 2^62.
    pub fn id(self, number: u64) -> String {
        let (high, low) = (self.0, number & (u64::MAX >> 2) | 1 << 63);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        )
    }

    /// The number that an id holds; `None` when it is not one of these.
    pub fn number(self, id: &str) -> Option<u64> {
        let digits: String = id.split('-').collect();
        let low = u64::from_str_radix(digits.get(16..)?, 16).ok()?;
        let number = low & (u64::MAX >> 2);
        (self.id(number) == id.to_ascii_lowercase()).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_number() {
        let ids = Ids::salted("execution", 77);
        for number in [0, 1, 42, 1 << 40, (1 << 62) - 1] {
            let id = ids.id(number);
            assert_eq!((id.len(), id.as_bytes()[14], ids.number(&id)), (36, b'4', Some(number)), "{id}");
            assert!(matches!(id.as_bytes()[19], b'8'..=b'b'), "{id}");
            assert_eq!(ids.number(&id.to_uppercase()), Some(number));
        }
        assert_eq!(ids.number(&Ids::of("execution").id(5)), None, "of another process");
        for other in ["", "é", "12345678-1234-4234-8234-123456789012", "not an id at all"] {
            assert_eq!(ids.number(other), None, "{other}");
        }
    }
}
