//! Feeds of two exchanges, whose messages are numbered. Pure.

/// Whose feeds come in; orders go to the first.
pub const EXCHANGES: [&str; 2] = ["binance", "bybit"];

/// Reads the numbers of a feed's messages.
#[derive(Debug, Default)]
pub struct Sequence {
    next: Option<u64>,
}

impl Sequence {
    /// Takes a message; how many are missing before it. One that was there already is none.
    pub fn take(&mut self, number: u64) -> u64 {
        let expected = self.next.unwrap_or(number);
        self.next = Some(expected.max(number + 1));
        number.saturating_sub(expected)
    }

    /// Begins anew: after a connection was lost numbers say nothing.
    pub fn restart(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_is_missing() {
        let mut sequence = Sequence::default();
        let missing: Vec<u64> = [7, 8, 11, 10, 12].map(|number| sequence.take(number)).to_vec();
        assert_eq!(missing, [0, 0, 2, 0, 0]);
        sequence.restart();
        assert_eq!(sequence.take(500), 0);
    }
}
