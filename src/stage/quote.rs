//! What a stub answers a request for a quote: the variables of its templates.

use std::cell::OnceCell;
use std::time::Duration;

use super::price;
use super::template::Value;
use crate::base::httpd::Request;
use crate::base::seed::Seed;
use crate::base::time::Offset;

/// What every public quoter assumes when the request does not say, in hundredths of a percent.
const SLIPPAGE: u64 = 50;
/// What the pool takes, in hundredths of a percent.
const FEE: u64 = 25;
/// One slot of the chain.
const SLOT: Duration = Duration::from_millis(400);
/// About where the chain was when this was written.
const FIRST_SLOT: i64 = 350_000_000;
/// Wrapped SOL, the one mint with nine decimals among those that matter here.
const WRAPPED_SOL: &str = "So11111111111111111111111111111111111111112";

/// A request for a quote, and all that its answer depends on.
pub struct Quote<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// Who answers.
    pub upstream: &'a str,
    /// The seed of prices.
    pub seed: Seed,
    /// When.
    pub at: Offset,
    /// When, in nanoseconds since the Unix epoch.
    pub wall: i64,
    /// How old it is.
    pub age: Age,
    /// How long the answer takes.
    pub delay: Duration,
    trade: OnceCell<Result<Trade, String>>,
}

/// How old the parts of a quote are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Age {
    /// What it pays.
    pub prices: Duration,
    /// When it says that it was made: time and slot.
    pub timestamps: Duration,
}

/// The amounts of a quote, as they are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trade {
    input: String,
    output: String,
    paid: String,
    got: String,
    /// The least that is got, or for an exact output the most that is paid.
    threshold: String,
    fee: String,
    slippage: u64, // in hundredths of a percent
    exact_out: bool,
}

impl<'a> Quote<'a> {
    /// A request that is answered at `at` after `delay`.
    pub fn new(
        request: &'a Request,
        upstream: &'a str,
        seed: Seed,
        at: Offset,
        wall: i64,
        delay: Duration,
    ) -> Quote<'a> {
        Quote { request, upstream, seed, at, wall, age: Age::default(), delay, trade: OnceCell::new() }
    }

    /// The same from the past.
    pub fn aged(self, age: Age) -> Quote<'a> {
        Quote { age, ..self }
    }

    /// What a template's variable stands for. `Err` says what the request should have said.
    ///
    /// `query.NAME`, `input_mint`, `output_mint`, `in_amount`, `out_amount`, `threshold`, `fee_amount`, `swap_mode`,
    /// `slippage_bps`, `slippage` (percent), `platform_fee` (an object or null), `pool`, `input_decimals`,
    /// `output_decimals`, `slot`, `time_taken` (seconds), `now_ms` (Unix time).
    pub fn value(&self, name: &str) -> Result<Value, String> {
        if let Some(parameter) = name.strip_prefix("query.") {
            return self.parameter(&[parameter]).map(Value::Text);
        }
        let plain = |text: String| Ok(Value::Plain(text));
        match name {
            "now_ms" => {
                let made = self.wall.saturating_sub(self.age.timestamps.as_nanos() as i64);
                plain(made.div_euclid(1_000_000).to_string())
            }
            "slot" => {
                let made = self.at - self.age.timestamps;
                plain((FIRST_SLOT + made.nanos().div_euclid(SLOT.as_nanos() as i64)).to_string())
            }
            "time_taken" => plain(self.delay.as_secs_f64().to_string()),
            "input_mint" => Ok(Value::Text(self.trade()?.input.clone())),
            "output_mint" => Ok(Value::Text(self.trade()?.output.clone())),
            "in_amount" => plain(self.trade()?.paid.clone()),
            "out_amount" => plain(self.trade()?.got.clone()),
            "threshold" => plain(self.trade()?.threshold.clone()),
            "fee_amount" => plain(self.trade()?.fee.clone()),
            "swap_mode" => plain(if self.trade()?.exact_out { "ExactOut" } else { "ExactIn" }.into()),
            "slippage_bps" => plain(self.trade()?.slippage.to_string()),
            "slippage" => plain((self.trade()?.slippage as f64 / 100.0).to_string()),
            "platform_fee" => self.platform_fee(),
            "pool" => self.pool(),
            "input_decimals" => plain(decimals(&self.trade()?.input)),
            "output_decimals" => plain(decimals(&self.trade()?.output)),
            _ => Ok(Value::Unknown),
        }
    }

    /// The first of these parameters that the request carries.
    fn parameter(&self, names: &[&str]) -> Result<String, String> {
        names
            .iter()
            .find_map(|name| self.request.param(name))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("query parameter `{}` is missing", names.join("` or `")))
    }

    fn trade(&self) -> Result<&Trade, String> {
        self.trade.get_or_init(|| self.work_out()).as_ref().map_err(Clone::clone)
    }

    fn work_out(&self) -> Result<Trade, String> {
        let input = self.parameter(&["inputMint", "inToken"])?;
        let output = self.parameter(&["outputMint", "outToken"])?;
        let rate = price::rate(self.seed, self.upstream, &input, &output, self.at - self.age.prices);
        let slippage = self.slippage()?;
        let exact_out = self.request.param("swapMode").as_deref() == Some("ExactOut");
        let asked = self.parameter(&["amount", "inAmount"])?;
        let less = |n: u64| (u128::from(n) * u128::from(10_000 - slippage) / 10_000).to_string();
        let more = |n: u64| (u128::from(n) * u128::from(10_000 + slippage) / 10_000).to_string();
        let (paid, got, threshold, fee) = match asked.parse::<u64>() {
            Ok(0) => return Err("an amount is at least 1".into()),
            Ok(amount) => {
                let (paid, got) = if exact_out {
                    (price::convert(amount, 1.0 / rate), amount)
                } else {
                    (amount, price::convert(amount, rate))
                };
                let fee = u128::from(paid) * u128::from(FEE) / 10_000;
                (paid.to_string(), got.to_string(), if exact_out { more(paid) } else { less(got) }, fee.to_string())
            }
            // Only bloXroute counts in whole tokens, with a fraction.
            Err(_) if self.request.param("amount").is_some() => {
                return Err(format!("`{asked}` is no amount: write a whole number of at least 1"));
            }
            Err(_) => {
                let amount: f64 = asked.parse().unwrap_or(f64::NAN);
                if !(amount.is_finite() && amount > 0.0) {
                    return Err(format!("`{asked}` is no amount: write a number above 0"));
                }
                let got = amount * rate;
                let least = got * (10_000 - slippage) as f64 / 10_000.0;
                (amount.to_string(), got.to_string(), least.to_string(), (amount * FEE as f64 / 10_000.0).to_string())
            }
        };
        Ok(Trade { input, output, paid, got, threshold, fee, slippage, exact_out })
    }

    fn slippage(&self) -> Result<u64, String> {
        let wrong = |value: &str| format!("`{value}` is no slippage between 0 and 100 %");
        let bps = if let Some(bps) = self.request.param("slippageBps") {
            bps.parse().map_err(|_| wrong(&bps))?
        } else if let Some(percent) = self.request.param("slippage") {
            let hundredths = percent.parse::<f64>().unwrap_or(f64::NAN) * 100.0;
            if hundredths.is_nan() {
                return Err(wrong(&percent));
            }
            hundredths.round() as u64
        } else {
            SLIPPAGE
        };
        if bps <= 10_000 { Ok(bps) } else { Err(wrong(&bps.to_string())) }
    }

    fn platform_fee(&self) -> Result<Value, String> {
        let Some(bps) = self.request.param("platformFeeBps").and_then(|bps| bps.parse::<u64>().ok()) else {
            return Ok(Value::Plain("null".into()));
        };
        let got = self.trade()?.got.parse::<u128>().unwrap_or(0);
        let amount = (got * u128::from(bps) / 10_000).to_string();
        Ok(Value::Plain(serde_json::json!({ "amount": amount, "feeBps": bps }).to_string()))
    }

    /// An address for the pool of the pair: made up, but always the same.
    fn pool(&self) -> Result<Value, String> {
        const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
        let trade = self.trade()?;
        let mut stream = self.seed.stream(&format!("pool/{}/{}/{}", self.upstream, trade.input, trade.output));
        Ok(Value::Plain((0..44).map(|_| char::from(BASE58[(stream.bits() % 58) as usize])).collect()))
    }
}

fn decimals(mint: &str) -> String {
    if mint == WRAPPED_SOL { "9" } else { "6" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(query: &str, name: &str) -> Result<Value, String> {
        let request = Request { query: query.into(), ..Request::default() };
        let at = Offset::from_millis(850);
        Quote::new(&request, "jupiter", Seed(1), at, 1_700_000_000_123_456_789, Duration::from_millis(120)).value(name)
    }

    fn number(query: &str, name: &str) -> f64 {
        match value(query, name) {
            Ok(Value::Plain(text)) => text.parse().expect("a number"),
            other => unreachable!("{name} of {query}: {other:?}"),
        }
    }

    const WHOLE: &str = "inputMint=A&outputMint=B&amount=1000000&slippageBps=100";

    #[test]
    fn amounts_follow_the_request() {
        assert_eq!(number(WHOLE, "in_amount"), 1e6);
        let got = number(WHOLE, "out_amount");
        assert!(got >= 1.0);
        assert_eq!(number(WHOLE, "threshold"), (got * 0.99).floor());
        assert_eq!(number(WHOLE, "fee_amount"), 2500.0);
        assert_eq!(number(WHOLE, "slippage_bps"), 100.0);
        assert_eq!(number("inputMint=A&outputMint=B&amount=1", "slippage_bps"), 50.0);
        assert_eq!(value(WHOLE, "input_mint"), Ok(Value::Text("A".into())));
        assert_eq!(value(WHOLE, "query.amount"), Ok(Value::Text("1000000".into())));
        assert_eq!(value(WHOLE, "now_ms"), Ok(Value::Plain("1700000000123".into())));
        assert_eq!(value(WHOLE, "slot"), Ok(Value::Plain("350000002".into())));
        assert_eq!(value(WHOLE, "time_taken"), Ok(Value::Plain("0.12".into())));
        assert_eq!(value(WHOLE, "what"), Ok(Value::Unknown));
    }

    #[test]
    fn what_is_stale_is_old_and_only_that() {
        let request = Request { query: WHOLE.into(), ..Request::default() };
        let told = |prices, timestamps| {
            let age = Age { prices: Duration::from_secs(prices), timestamps: Duration::from_secs(timestamps) };
            let at = Offset::from_millis(60_850);
            let quote =
                Quote::new(&request, "jupiter", Seed(1), at, 1_700_000_060_123_000_000, Duration::ZERO).aged(age);
            ["out_amount", "now_ms", "slot"].map(|name| quote.value(name).expect("a value"))
        };
        let [fresh, old, undated, dated] = [told(0, 0), told(30, 30), told(30, 0), told(0, 30)];
        assert_ne!(fresh[0], old[0]);
        assert_eq!(old[1..], [Value::Plain("1700000030123".into()), Value::Plain("350000077".into())]);
        assert_eq!((&undated[0], &undated[1..]), (&old[0], &fresh[1..]));
        assert_eq!((&dated[0], &dated[1..]), (&fresh[0], &old[1..]));
        let earlier = Quote::new(&request, "jupiter", Seed(1), Offset::from_millis(30_850), 0, Duration::ZERO);
        assert_eq!(Ok(old[0].clone()), earlier.value("out_amount"), "what it paid then");
    }

    #[test]
    fn an_exact_output_turns_the_amounts_around() {
        let query = format!("{WHOLE}&swapMode=ExactOut");
        assert_eq!(number(&query, "out_amount"), 1e6);
        let paid = number(&query, "in_amount");
        assert_eq!(number(&query, "threshold"), (paid * 1.01).floor());
        assert_eq!(value(&query, "swap_mode"), Ok(Value::Plain("ExactOut".into())));
    }

    #[test]
    fn whole_tokens_may_have_a_fraction() {
        let query = "inToken=SOL&outToken=USDC&inAmount=0.1&slippage=0.5";
        assert_eq!(number(query, "in_amount"), 0.1);
        assert!(number(query, "out_amount") > 0.0);
        assert_eq!((number(query, "slippage"), number(query, "slippage_bps")), (0.5, 50.0));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (query, says) in [
            ("", "inputMint"),
            ("inputMint=A", "outputMint"),
            ("inputMint=A&outputMint=B", "amount"),
            ("inputMint=A&outputMint=B&amount=", "amount"),
            ("inputMint=A&outputMint=B&amount=0", "at least 1"),
            ("inputMint=A&outputMint=B&amount=-5", "-5"),
            ("inputMint=A&outputMint=B&amount=1.5", "1.5"),
            ("inputMint=A&outputMint=B&inAmount=NaN", "NaN"),
            ("inputMint=A&outputMint=B&amount=1&slippageBps=10001", "10001"),
            ("inputMint=A&outputMint=B&amount=1&slippage=x", "x"),
        ] {
            let answer = value(query, "out_amount");
            assert!(answer.as_ref().is_err_and(|why| why.contains(says)), "{query}: {answer:?}");
        }
        assert!(value("", "query.user").is_err_and(|why| why.contains("user")));
        assert!(value("", "now_ms").is_ok(), "what needs no request needs none");
    }
}
