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

/// What a reply offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// In base units of the output.
    pub out_amount: u64,
    /// The slot whose prices it has, where it says so.
    pub slot: Option<u64>,
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

    /// What a reply offers, if it holds together: it is JSON and says so, speaks of the mints and the amount that were
    /// asked about, offers more than nothing, and its least output is what the slippage leaves of the offer. Looks
    /// where any of the four puts it.
    pub fn read(self, media: Option<&str>, body: &[u8], q: &Question<'_>) -> Option<Reading> {
        if media.is_some_and(|media| !media.contains("json")) {
            return None;
        }
        let reply: Value = serde_json::from_slice(body).ok()?;
        let other = |field: &str, mint: &str| reply.get(field).and_then(Value::as_str).is_some_and(|m| m != mint);
        if other("inputMint", q.input) || other("outputMint", q.output) {
            return None;
        }
        let out_amount = self.amount(&reply, q).filter(|n| *n > 0)?;
        let whole = |field: &str| reply.get(field).map(|n| self.base_units(n, q.output_token.decimals));
        if self != Dialect::Blxr {
            if whole("inAmount").is_some_and(|amount| amount != Some(q.amount)) {
                return None;
            }
            let kept = u128::from(out_amount) * u128::from(10_000 - q.slippage_bps.min(10_000)) / 10_000;
            let least = |n: Option<u64>| n.is_some_and(|n| u128::from(n).abs_diff(kept) <= 1);
            if whole("otherAmountThreshold").is_some_and(|threshold| !least(threshold)) {
                return None;
            }
        }
        Some(Reading { out_amount, slot: slot(&reply) })
    }

    /// What a reply offers to those who check nothing: whatever stands where the amount should, and nothing (0) where
    /// it cannot be read, as a program has it that ignores the error of its parser.
    pub fn believe(self, body: &[u8], q: &Question<'_>) -> Reading {
        let reply: Value = serde_json::from_slice(body).unwrap_or_default();
        Reading { out_amount: self.amount(&reply, q).unwrap_or_default(), slot: slot(&reply) }
    }

    /// The best output amount of a reply, in base units.
    fn amount(self, reply: &Value, q: &Question<'_>) -> Option<u64> {
        let routes = ["routes", "quotes", "data"].iter().filter_map(|name| reply.get(*name));
        let offers = routes.flat_map(|found| match found {
            Value::Array(list) => list.iter().collect(),
            one => vec![one],
        });
        let amounts = std::iter::once(reply).chain(offers).filter_map(|offer| offer.get("outAmount"));
        amounts.filter_map(|amount| self.base_units(amount, q.output_token.decimals)).max()
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

fn slot(reply: &Value) -> Option<u64> {
    reply.get("contextSlot").and_then(Value::as_u64)
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

    const JSON: Option<&str> = Some("application/json");

    fn offer(dialect: Dialect, body: &[u8]) -> Option<u64> {
        dialect.read(JSON, body, &question()).map(|r| r.out_amount)
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
        let jupiter = br#"{"inputMint":"SoL","inAmount":"1500000000","outputMint":"UsD","outAmount":"210000000",
            "otherAmountThreshold":"208950000","swapMode":"ExactIn","slippageBps":50,"priceImpactPct":"0","routePlan":[]}"#;
        for dialect in [Dialect::Jupiter, Dialect::DFlow, Dialect::QuickNode] {
            assert_eq!(offer(dialect, jupiter), Some(210_000_000));
        }
        let blxr = br#"{"routes":[{"inAmount":1.5,"outAmount":209.5,"outAmountMin":208.4,"priceImpact":{},"steps":[]},
            {"inAmount":1.5,"outAmount":210.000001}]}"#;
        assert_eq!(offer(Dialect::Blxr, blxr), Some(210_000_001), "the better of two routes");
        assert_eq!(offer(Dialect::Blxr, br#"{"outAmount":"0.5"}"#), Some(500_000));
        assert_eq!(offer(Dialect::Jupiter, br#"{"outAmount": 7}"#), Some(7));
        assert_eq!(offer(Dialect::Jupiter, br#"{"data":{"outAmount":"7"}}"#), Some(7));
    }

    #[test]
    fn what_offers_nothing_is_nothing() {
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
            assert_eq!(offer(Dialect::Jupiter, body), None, "{}", String::from_utf8_lossy(body));
            assert_eq!(offer(Dialect::Blxr, body), None, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_does_not_hold_together_is_nothing() {
        let good = r#"{"inputMint":"SoL","inAmount":"1500000000","outputMint":"UsD","outAmount":"210000000",
            "otherAmountThreshold":"208950000","contextSlot":7}"#;
        let read = |media, body: &str| Dialect::Jupiter.read(media, body.as_bytes(), &question());
        assert_eq!(read(JSON, good), Some(Reading { out_amount: 210_000_000, slot: Some(7) }));
        assert_eq!(read(Some("text/html"), good), None);
        for (right, garbled) in [
            ("\"210000000\"", "\"910000000\""), // a digit of the offer
            ("\"208950000\"", "\"208150000\""), // of its least
            ("\"208950000\"", "\"2089x0000\""),
            ("\"1500000000\"", "\"1500000001\""), // of what was asked
            ("UsD", "UsE"),
            ("{", "["),
            ("}", ""),
        ] {
            assert_eq!(read(JSON, &good.replacen(right, garbled, 1)), None, "{garbled}");
        }
    }

    #[test]
    fn who_checks_nothing_believes_everything() {
        let believe = |body: &str| Dialect::Jupiter.believe(body.as_bytes(), &question()).out_amount;
        assert_eq!(believe(r#"{"inputMint":"Other","outAmount":"9","otherAmountThreshold":"100"}"#), 9);
        for body in ["", "<html>", "{}", r#"{"outAmount":"many"}"#, r#"{"outAmount":"5""#] {
            assert_eq!(believe(body), 0, "{body}");
        }
    }

    #[test]
    fn base_units_become_exact_decimals() {
        assert_eq!(decimal(1, 9), "0.000000001");
        assert_eq!(decimal(5_000_000_000, 9), "5");
        assert_eq!(decimal(u64::MAX, 6), "18446744073709.551615");
    }
}
