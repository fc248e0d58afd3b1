//! How each external quoter is asked and read. Paths, query names and fields follow the four's public documentation.

use serde_json::Value;

use crate::base::httpd::encode;
use crate::base::units::Rate;
use std::time::Duration;

use super::prices::Token;

/// The quote APIs that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `GET /swap/v1/quote`, amounts in base units. What an unknown quoter is taken to speak.
    Jupiter,
    /// `GET /quote` with Jupiter's names.
    DFlow,
    /// QuickNode's Metis add-on: `GET /quote` with Jupiter's names.
    QuickNode,
    /// bloXroute's Trader API: `GET /api/v2/raydium/quotes`, amounts as decimals in whole tokens.
    Blxr,
}

/// What an external quoter is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The mint to sell.
    pub input: &'a str,
    /// The mint to buy.
    pub output: &'a str,
    /// Decimals and worth of what is sold.
    pub input_token: Token,
    /// Decimals and worth of what is bought.
    pub output_token: Token,
    /// In base units of `input`.
    pub amount: u64,
    /// In hundredths of a percent.
    pub slippage_bps: u16,
}

impl Dialect {
    /// The dialect of a quoter by its name, in any case.
    pub fn of(name: &str) -> Dialect {
        match name.to_ascii_lowercase().as_str() {
            "dflow" => Dialect::DFlow,
            "quicknode" => Dialect::QuickNode,
            "blxr" => Dialect::Blxr,
            _ => Dialect::Jupiter,
        }
    }

    /// The value of the `quoter` label: the note's spelling for the four it names, else the name as given.
    pub fn label(name: &str) -> String {
        match name.to_ascii_lowercase().as_str() {
            "jupiter" => "Jupiter".into(),
            "dflow" => "DFlow".into(),
            "quicknode" => "QuickNode".into(),
            "blxr" => "BLXR".into(),
            _ => name.to_owned(),
        }
    }

    /// The rate at which the note's service calls a quoter, and the longest wait for it (the note's P99).
    pub fn pace(name: &str) -> (Rate, Duration) {
        let (rate, wait) = match name.to_ascii_lowercase().as_str() {
            "dflow" => (10, 120),
            "quicknode" => (15, 80),
            "blxr" => (10, 110),
            _ => (20, 50),
        };
        (Rate::per_second(rate), Duration::from_millis(wait))
    }

    /// The path and query to ask.
    pub fn path(self, q: &Question<'_>) -> String {
        let (input, output, slippage) = (encode(q.input), encode(q.output), q.slippage_bps);
        let amount = q.amount;
        let like_jupiter =
            |path: &str| format!("{path}?inputMint={input}&outputMint={output}&amount={amount}&slippageBps={slippage}");
        match self {
            Dialect::Jupiter => like_jupiter("/swap/v1/quote"),
            Dialect::DFlow | Dialect::QuickNode => like_jupiter("/quote"),
            Dialect::Blxr => format!(
                "/api/v2/raydium/quotes?inToken={input}&outToken={output}&inAmount={}&slippage={}",
                decimal(amount, q.input_token.decimals),
                f64::from(slippage) / 100.0
            ),
        }
    }

    /// The output amount that a reply offers, in base units; `None` when it offers none above zero, or speaks of
    /// other mints. Looks where any of the four puts it.
    pub fn amount(self, body: &[u8], q: &Question<'_>) -> Option<u64> {
        let reply: Value = serde_json::from_slice(body).ok()?;
        let other = |field: &str, mint: &str| reply.get(field).and_then(Value::as_str).is_some_and(|m| m != mint);
        if other("inputMint", q.input) || other("outputMint", q.output) {
            return None;
        }
        let routes = ["routes", "quotes", "data"].iter().filter_map(|name| reply.get(*name));
        let offers = routes.flat_map(|found| match found {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        });
        let amounts = std::iter::once(&reply).chain(offers).filter_map(|offer| offer.get("outAmount"));
        amounts.filter_map(|amount| self.base_units(amount, q.output_token.decimals)).max().filter(|n| *n > 0)
    }

    fn base_units(self, amount: &Value, decimals: u8) -> Option<u64> {
        let text = match amount {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        match self {
            Dialect::Blxr => {
                let units = text.parse::<f64>().ok()? * libm::pow(10.0, f64::from(decimals));
                (units.is_finite() && units >= 0.0).then_some(units.round() as u64) // the cast saturates
            }
            _ => text.parse().ok(),
        }
    }
}

/// `amount` base units as a decimal number of tokens, exactly.
fn decimal(amount: u64, decimals: u8) -> String {
    let one = 10u64.pow(u32::from(decimals.min(19)));
    let (whole, part) = (amount / one, amount % one);
    if part == 0 {
        return whole.to_string();
    }
    let part = format!("{part:0width$}", width = usize::from(decimals));
    format!("{whole}.{}", part.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question<'static> {
        Question {
            input: "SoL",
            output: "UsD",
            input_token: Token { decimals: 9, dollars: 140.0 },
            output_token: Token { decimals: 6, dollars: 1.0 },
            amount: 1_500_000_000,
            slippage_bps: 50,
        }
    }

    #[test]
    fn each_is_asked_as_it_documents() {
        let path = |name| Dialect::of(name).path(&question());
        assert_eq!(path("jupiter"), "/swap/v1/quote?inputMint=SoL&outputMint=UsD&amount=1500000000&slippageBps=50");
        assert_eq!(path("my-own"), path("Jupiter"));
        assert_eq!(path("DFlow"), "/quote?inputMint=SoL&outputMint=UsD&amount=1500000000&slippageBps=50");
        assert_eq!(path("quicknode"), path("dflow"));
        assert_eq!(path("blxr"), "/api/v2/raydium/quotes?inToken=SoL&outToken=UsD&inAmount=1.5&slippage=0.5");
    }

    #[test]
    fn the_offer_is_found_in_each_kind_of_reply() {
        let q = question();
        let jupiter = br#"{"inputMint":"SoL","inAmount":"1500000000","outputMint":"UsD","outAmount":"210000000",
            "otherAmountThreshold":"208950000","swapMode":"ExactIn","slippageBps":50,"priceImpactPct":"0","routePlan":[]}"#;
        for dialect in [Dialect::Jupiter, Dialect::DFlow, Dialect::QuickNode] {
            assert_eq!(dialect.amount(jupiter, &q), Some(210_000_000));
        }
        let blxr = br#"{"routes":[{"inAmount":1.5,"outAmount":209.5,"outAmountMin":208.4,"priceImpact":{},"steps":[]},
            {"inAmount":1.5,"outAmount":210.000001}]}"#;
        assert_eq!(Dialect::Blxr.amount(blxr, &q), Some(210_000_001), "the better of two routes");
        assert_eq!(Dialect::Blxr.amount(br#"{"outAmount":"0.5"}"#, &q), Some(500_000));
        assert_eq!(Dialect::Jupiter.amount(br#"{"outAmount": 7}"#, &q), Some(7));
        assert_eq!(Dialect::Jupiter.amount(br#"{"data":{"outAmount":"7"}}"#, &q), Some(7));
    }

    #[test]
    fn what_offers_nothing_is_nothing() {
        let q = question();
        let bodies: [&[u8]; 9] = [
            b"",
            b"<html>",
            b"[]",
            b"{}",
            br#"{"outAmount":"0"}"#,
            br#"{"outAmount":"-5"}"#,
            br#"{"outAmount":"many"}"#,
            br#"{"outAmount":{}}"#,
            br#"{"inputMint":"Other","outputMint":"UsD","outAmount":"5"}"#,
        ];
        for body in bodies {
            assert_eq!(Dialect::Jupiter.amount(body, &q), None, "{}", String::from_utf8_lossy(body));
            assert_eq!(Dialect::Blxr.amount(body, &q), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn base_units_become_exact_decimals() {
        assert_eq!(decimal(1, 9), "0.000000001");
        assert_eq!(decimal(5_000_000_000, 9), "5");
        assert_eq!(decimal(u64::MAX, 6), "18446744073709.551615");
    }
}
