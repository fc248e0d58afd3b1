//! Values that differ from shot to shot: drawn, or read from the rows of a file.

use std::fmt;
use std::sync::Arc;

use super::mistake::Place;

/// Digits after the point that a number can have.
const MOST_DIGITS: usize = 12;

/// A number with as many digits after its point as it is written with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimal {
    /// The number.
    pub value: f64,
    /// How many digits follow its point, 0 to 12.
    pub digits: u8,
}

impl Decimal {
    /// Reads `64000.50`; the error says what is wrong, then what to write.
    pub fn parse(text: &str) -> Result<Decimal, String> {
        let plain = text.replace('_', "");
        let (whole, digits) = plain.split_once('.').unwrap_or((&plain, ""));
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let value = plain.parse::<f64>().ok().filter(|_| !whole.is_empty() && number(whole) && number(digits));
        // Beyond this not every whole number has a float of its own.
        let exact = |value: &f64| value.abs() * libm::pow(10.0, digits.len() as f64) <= 9.0e15;
        match value.filter(|_| digits.len() <= MOST_DIGITS).filter(exact) {
            Some(value) => Ok(Decimal { value, digits: digits.len() as u8 }),
            None => Err(format!("`{text}` is not a decimal number of at most 15 digits: write one, such as 64000.50")),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*}", usize::from(self.digits), self.value)
    }
}

/// A value of a flow, drawn anew for each shot.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// What templates call it.
    pub name: String,
    /// How it is drawn.
    pub law: ValueLaw,
}

/// How a value is drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueLaw {
    /// A version 4 UUID.
    Uuid,
    /// The number of the shot, stretched and shifted.
    Counter {
        /// Of the first shot.
        from: u64,
        /// From one to the next.
        step: u64,
    },
    /// One of several texts, each with the share of it and those before it: rising, the last 1.
    Choice(Vec<(Arc<str>, f64)>),
    /// Any from the first to the second, both included.
    Uniform(Decimal, Decimal),
    /// As uniform, on a logarithmic scale.
    LogUniform(Decimal, Decimal),
    /// Normally distributed, cut at the ends.
    Normal {
        /// The mean.
        mean: Decimal,
        /// The standard deviation.
        sd: f64,
        /// Nothing is lower.
        min: f64,
        /// Nothing is higher.
        max: f64,
    },
    /// A geometric random walk over the shots of a traffic, reflected at the ends.
    Walk {
        /// Where it starts.
        from: Decimal,
        /// The standard deviation of a step, as a fraction.
        step: f64,
        /// Nothing is lower; above 0.
        min: f64,
        /// Nothing is higher.
        max: f64,
    },
}

/// Rows of a file, one for each shot.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// What templates call it.
    pub name: String,
    /// The file, as it is named.
    pub file: String,
    /// Where it is written.
    pub place: Place,
    /// Which row a shot gets.
    pub pick: Pick,
    /// What the columns are called.
    pub columns: Vec<String>,
    /// At least one; each has a value for each column.
    pub rows: Vec<Vec<Datum>>,
}

/// Which row a shot gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// One after the other, and again from the first.
    Sequential,
    /// Any, equally likely.
    Random,
    /// One after the other, none twice.
    Unique,
}

/// A value as it goes into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    /// In JSON a string.
    Text(Arc<str>),
    /// A number, `true`, `false`, `null`, an object or an array, as JSON writes it.
    Json(Arc<str>),
}

impl Datum {
    /// As text: a string without its quotes.
    pub fn text(&self) -> &str {
        match self {
            Datum::Text(text) | Datum::Json(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_the_decimals_that_it_is_written_with() {
        for (text, value, digits) in
            [("64000.50", 64_000.5, 2), ("1_000", 1_000.0, 0), ("-0.010", -0.01, 3), ("5.", 5.0, 0)]
        {
            let read = Decimal::parse(text).expect(text);
            assert_eq!((read.value, read.digits), (value, digits), "{text}");
        }
        assert_eq!(Decimal::parse("64000.50").expect("valid").to_string(), "64000.50");
        for wrong in ["", ".5", "1e3", "NaN", "inf", "0x10", "1.0.0", "--1", "1.2345678901234", "99999999999999999"] {
            let why = Decimal::parse(wrong).expect_err(wrong);
            assert!(why.starts_with(&format!("`{wrong}` is not a decimal number")), "{why}");
        }
    }
}
