//! What the service says about itself and how its answers look: the replies to quotes, `/health` and `/ready`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::httpd::Response;

use super::instruments::QuoteError;
use super::pools::Protocol;
use super::truth::Source;

/// A quote as it is served.
pub struct Quote<'a> {
    /// The mint to sell.
    pub input: &'a str,
    /// The mint to buy.
    pub output: &'a str,
    /// In base units.
    pub in_amount: u64,
    /// In base units.
    pub out_amount: u64,
    /// Whose price it is.
    pub provider: &'a str,
    /// Where it came from.
    pub source: Source,
    /// In hundredths of a percent.
    pub slippage_bps: u16,
    /// The slot whose prices it has.
    pub slot: u64,
    /// When its price was made, in milliseconds since the Unix epoch.
    pub made_ms: u64,
}

impl Quote<'_> {
    /// The reply. Amounts travel as strings: a JSON number does not hold every u64. No field needs escaping, for
    /// mints and names were checked to be plain.
    pub fn reply(&self) -> Response {
        let Quote { input, output, in_amount, out_amount, provider, slippage_bps, slot, made_ms, .. } = self;
        let source = self.source.name();
        Response::new(
            200,
            "application/json",
            format!(
                "{{\"inputMint\":\"{input}\",\"outputMint\":\"{output}\",\"inAmount\":\"{in_amount}\",\
                 \"outAmount\":\"{out_amount}\",\"provider\":\"{provider}\",\"source\":\"{source}\",\
                 \"slippageBps\":{slippage_bps},\"contextSlot\":{slot},\"timestampMs\":{made_ms}}}"
            ),
        )
    }
}

/// The reply to a request that was refused or failed.
pub fn failure(error: QuoteError, why: &str) -> Response {
    Response::json(error.status(), &json!({ "error": why, "errorType": error.name() }))
}

/// How the pools of the protocols have answered so far.
pub struct PoolHealth {
    /// Queries per protocol.
    pub queries: u64,
    /// How many of them failed, in the order of [`Protocol::ALL`].
    pub failures: [u64; 3],
}

/// `/health`: always 200 while the service lives; `degraded` when a protocol fails more often than it answers.
pub fn health(uptime: Duration, cached: usize, pools: &PoolHealth) -> Response {
    let healthy = |failures: u64| failures == 0 || failures * 2 < pools.queries;
    let report: Map<String, Value> = Protocol::ALL
        .iter()
        .zip(pools.failures)
        .map(|(protocol, failures)| {
            let pool = json!({ "healthy": healthy(failures), "queries": pools.queries, "failures": failures });
            (protocol.name().to_owned(), pool)
        })
        .collect();
    let status = if pools.failures.into_iter().all(healthy) { "healthy" } else { "degraded" };
    let body = json!({ "status": status, "uptimeSeconds": uptime.as_secs(), "cachedRoutes": cached, "pools": report });
    Response::json(200, &body)
}

/// `/ready`: 503 until the service has warmed up, and where it is told so while it is cut off from a quoter.
pub fn ready(left: Duration, cut_off: bool) -> Response {
    let ready = left.is_zero() && !cut_off;
    Response::json(if ready { 200 } else { 503 }, &json!({ "ready": ready }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_json_with_amounts_as_strings() {
        let quote = Quote {
            input: "A",
            output: "B",
            in_amount: u64::MAX,
            out_amount: 5,
            provider: "orca",
            source: Source::Cache,
            slippage_bps: 50,
            slot: 7,
            made_ms: 9,
        };
        let reply: Value = serde_json::from_slice(&quote.reply().body).expect("json");
        let want = json!({"inputMint": "A", "outputMint": "B", "inAmount": "18446744073709551615", "outAmount": "5",
            "provider": "orca", "source": "cache", "slippageBps": 50, "contextSlot": 7, "timestampMs": 9});
        assert_eq!(reply, want);
    }

    #[test]
    fn health_tells_which_pools_fail() {
        let report = |queries, failures| {
            let reply = health(Duration::from_secs(90), 3, &PoolHealth { queries, failures });
            serde_json::from_slice::<Value>(&reply.body).expect("json")
        };
        assert_eq!(report(0, [0; 3])["status"], "healthy");
        let degraded = report(10, [0, 6, 1]);
        assert_eq!(degraded["status"], "degraded");
        assert_eq!(degraded["pools"]["meteora"]["healthy"], false);
        assert_eq!(degraded["pools"]["orca"], json!({"healthy": true, "queries": 10, "failures": 1}));
        assert_eq!((&degraded["uptimeSeconds"], &degraded["cachedRoutes"]), (&json!(90), &json!(3)));
        assert_eq!(ready(Duration::from_millis(1), false).status, 503);
        assert_eq!(ready(Duration::ZERO, true).status, 503);
        assert_eq!(ready(Duration::ZERO, false).status, 200);
    }
}
