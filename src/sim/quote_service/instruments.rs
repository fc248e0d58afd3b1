//! Every metric of the quote service, as its owners' design note documents or queries them. Where the note leaves
//! labels open, the choice is said here.

use crate::base::time::wall;
use crate::sim::metrics::{Counter, Family, Histogram, Registry};

use super::lies::Lie;
use super::pools::Protocol;

const MINTS: [&str; 2] = ["input_mint", "output_mint"];
const QUOTER_MINTS: [&str; 3] = ["quoter", "input_mint", "output_mint"];

// Buckets hold the figures that the note states, so that quantiles near them are exact: 2 ms for a cache check;
// 8, 15, 25, 145, 320 and 580 ms and the 500 ms of the SLA for requests; 220 to 350 ms for quoters; 30 s for ages.
const CHECK: &[f64] = &[1e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 7.5e-4, 1e-3, 1.5e-3, 2e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2];
const REQUEST: &[f64] =
    &[0.001, 0.0025, 0.005, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1, 0.145, 0.2, 0.32, 0.5, 0.58, 0.8, 0.9, 1.0, 2.5, 5.0];
const CALCULATION: &[f64] = &[0.001, 0.01, 0.05, 0.1, 0.145, 0.2, 0.25, 0.32, 0.4, 0.5, 0.58, 0.75, 1.0, 2.5, 5.0];
const QUOTER: &[f64] = &[0.01, 0.05, 0.1, 0.15, 0.22, 0.28, 0.31, 0.35, 0.5, 0.8, 1.0, 2.5, 5.0];
const WAIT: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.08, 0.11, 0.12, 0.25, 0.5, 1.0];
// Of a liar: no request is that quick.
const CEILING: &[f64] = &[0.0005, 0.001, 0.002];
const AGE: &[f64] = &[1.0, 2.0, 5.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 45.0, 60.0];
const AMOUNT: &[f64] = &[1e3, 1e5, 1e7, 1e9, 1e11, 1e13, 1e15];

/// Why a request was refused or failed: the values of `quote_errors_total{error_type}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteError {
    /// The request makes no sense.
    Validation,
    /// Too many requests wait already.
    Overload,
    /// No pool answered, and nobody else was asked.
    Calculation,
    /// No quoter answered, and nothing stood in.
    Quoters,
    /// No quoter answered in time, and nothing stood in.
    QuotersTimeout,
}

impl QuoteError {
    const ALL: [QuoteError; 5] = [
        QuoteError::Validation,
        QuoteError::Overload,
        QuoteError::Calculation,
        QuoteError::Quoters,
        QuoteError::QuotersTimeout,
    ];

    /// The label's value.
    pub fn name(self) -> &'static str {
        match self {
            QuoteError::Validation => "validation",
            QuoteError::Overload => "overload",
            QuoteError::Calculation => "calculation",
            QuoteError::Quoters => "quoters",
            QuoteError::QuotersTimeout => "quoters_timeout",
        }
    }

    /// What the reply says.
    pub fn why(self) -> &'static str {
        match self {
            QuoteError::Validation => "the request makes no sense",
            QuoteError::Overload => "too many requests are waiting",
            QuoteError::Calculation => "no pool answered",
            QuoteError::Quoters => "no external quoter answered",
            QuoteError::QuotersTimeout => "no external quoter answered in time",
        }
    }

    /// The HTTP status that says it.
    pub fn status(self) -> u16 {
        match self {
            QuoteError::Validation => 400,
            QuoteError::Overload => 503,
            QuoteError::Calculation => 500,
            QuoteError::Quoters => 502,
            QuoteError::QuotersTimeout => 504,
        }
    }
}

/// The instruments, named after their metrics; what each means is its HELP text.
pub struct Instruments {
    registry: Registry,
    pub quote_requests: Family<Counter, 2>,
    pub quote_cache_hits: Family<Counter, 2>,
    pub quote_cache_misses: Family<Counter, 2>,
    pub quote_cache_check_hit: Histogram,
    pub quote_cache_check_miss: Histogram,
    pub quote_cache_age: Family<Histogram, 2>,
    pub quote_request_duration: Family<Histogram, 3>,
    pub quotes_served: Counter,
    quote_errors: [Counter; QuoteError::ALL.len()],
    pub quotes_by_protocol: Family<Counter, 1>,
    pub quotes_by_local_protocol: [Counter; Protocol::ALL.len()],
    pub quotes_by_pool: Family<Counter, 2>,
    pub quote_calculation_duration: Histogram,
    pub pool_query_errors: Counter,
    pub no_pool_errors: Counter,
    pub external_requests: Family<Counter, 3>,
    pub external_success: Family<Counter, 3>,
    pub external_errors: Family<Counter, 3>,
    pub external_rate_limit_errors: Family<Counter, 1>,
    pub external_duration: Family<Histogram, 3>,
    pub external_output_amount: Family<Histogram, 3>,
    pub external_rate_limit_wait: Family<Histogram, 1>,
    pub http_requests: Family<Counter, 2>,
    pub http_duration: Family<Histogram, 1>,
    pub hybrid_requests: Counter,
    pub hybrid_cache_hits: Family<Counter, 2>,
    pub hybrid_cache_misses: Family<Counter, 2>,
    pub hybrid_cache_stale: Family<Counter, 2>,
    pub hybrid_external_cache_hits: Family<Counter, 2>,
    pub hybrid_cached_quote_age: Family<Histogram, 2>,
    pub hybrid_fast_path_external: Histogram,
    pub hybrid_fast_path_local: Histogram,
}

impl Instruments {
    /// All of them, at zero.
    pub fn new() -> Instruments {
        Instruments::lying(Lie::None)
    }

    /// As [`new`](Instruments::new), with what a lie needs.
    pub fn lying(lie: Lie) -> Instruments {
        let mut r = Registry::default();
        let skew = if lie == Lie::ClockSkew { 3600.0 } else { 0.0 };
        r.gauge("process_start_time_seconds", "Start time of the process since the Unix epoch in seconds")
            .set(wall() as f64 / 1e9 + skew);
        let duration = if lie == Lie::LowCeiling { CEILING } else { REQUEST };
        let errors = r.counters("quote_errors_total", "Quote requests refused or failed, by reason", ["error_type"]);
        let calculation_errors = r.counters(
            "quote_calculation_errors_total",
            "Failures of the local calculation: a pool that did not answer, or no pool at all",
            ["error_type"],
        );
        let check = r.histograms(
            "quote_cache_check_duration_seconds",
            "Duration of looking a quote up in the cache",
            ["cache_hit"],
            CHECK,
        );
        let fast_path = r.histograms(
            "hybrid_quote_fast_path_duration_seconds",
            "Duration of hybrid requests served from the cache, by whether the quote came from an external quoter",
            ["has_external"],
            REQUEST,
        );
        let by_protocol = r.counters(
            "quotes_by_protocol",
            "Quotes served, by the protocol or external quoter whose price it was",
            ["protocol"],
        );
        Instruments {
            quote_requests: r.counters("quote_requests_total", "Total number of quote requests", MINTS),
            quote_cache_hits: r.counters("quote_cache_hits_total", "Total number of cache hits", MINTS),
            quote_cache_misses: r.counters("quote_cache_misses_total", "Total number of cache misses", MINTS),
            quote_cache_check_hit: check.with(["true"]),
            quote_cache_check_miss: check.with(["false"]),
            quote_cache_age: r.histograms("quote_cache_age_seconds", "Age of quotes served from the cache", MINTS, AGE),
            quote_request_duration: r.histograms(
                "quote_request_total_duration_seconds",
                "Duration of quote requests from arrival to answer, by where the price came from; failed ones count as calculated",
                ["source", "input_mint", "output_mint"],
                REQUEST,
            ),
            quotes_served: r.counter("quotes_served_total", "Total number of quotes served"),
            quote_errors: QuoteError::ALL.map(|e| errors.with([e.name()])),
            quotes_by_local_protocol: Protocol::ALL.map(|p| by_protocol.with([p.name()])),
            quotes_by_protocol: by_protocol,
            quotes_by_pool: r.counters(
                "quotes_by_pool",
                "Quotes served at the price of a pool, by pool",
                ["pool_id", "protocol"],
            ),
            quote_calculation_duration: r.histogram(
                "quote_calculation_duration_seconds",
                "Duration of the local calculation of a quote",
                CALCULATION,
            ),
            pool_query_errors: calculation_errors.with(["pool_query"]),
            no_pool_errors: calculation_errors.with(["no_pool"]),
            external_requests: r.counters(
                "external_api_requests_total",
                "Requests sent to external quoters, retries included",
                QUOTER_MINTS,
            ),
            external_success: r.counters(
                "external_api_success_total",
                "Requests to external quoters that yielded a quote",
                QUOTER_MINTS,
            ),
            external_errors: r.counters(
                "external_api_errors_total",
                "Requests to external quoters that yielded no quote",
                QUOTER_MINTS,
            ),
            external_rate_limit_errors: r.counters(
                "external_api_rate_limit_errors_total",
                "Quoters left out because our own rate limiter or their Retry-After asked for too long a wait, and answers 429",
                ["quoter"],
            ),
            external_duration: r.histograms(
                "external_api_duration_seconds",
                "Duration of external API calls",
                QUOTER_MINTS,
                QUOTER,
            ),
            external_output_amount: r.histograms(
                "external_api_output_amount",
                "Output amounts offered by external quoters, in base units",
                QUOTER_MINTS,
                AMOUNT,
            ),
            external_rate_limit_wait: r.histograms(
                "external_api_rate_limit_wait_seconds",
                "Time that calls waited for our own rate limiter",
                ["quoter"],
                WAIT,
            ),
            http_requests: r.counters("http_requests_total", "HTTP requests answered, by path and status", ["path", "status"]),
            http_duration: r.histograms(
                "http_request_duration_seconds",
                "Duration of HTTP requests from their arrival to their answer, by path",
                ["path"],
                duration,
            ),
            hybrid_requests: r.counter("hybrid_quote_requests_total", "Total number of hybrid quote requests"),
            hybrid_cache_hits: r.counters("hybrid_cache_hits_total", "Hybrid requests served from the cache", MINTS),
            hybrid_cache_misses: r.counters(
                "hybrid_cache_misses_total",
                "Hybrid requests for which the cache had nothing fresh",
                MINTS,
            ),
            hybrid_cache_stale: r.counters(
                "hybrid_cache_stale_total",
                "Hybrid requests for which the cache had only a quote too old to serve; also counted as misses",
                MINTS,
            ),
            hybrid_external_cache_hits: r.counters(
                "hybrid_external_cache_hits_total",
                "Hybrid requests served from the cache with an external quoter's quote",
                MINTS,
            ),
            hybrid_cached_quote_age: r.histograms(
                "hybrid_cached_quote_age_seconds",
                "Age of quotes that hybrid requests were served from the cache",
                MINTS,
                AGE,
            ),
            hybrid_fast_path_external: fast_path.with(["true"]),
            hybrid_fast_path_local: fast_path.with(["false"]),
            registry: r,
        }
    }

    /// The counter of one kind of error.
    pub fn errors(&self, error: QuoteError) -> &Counter {
        &self.quote_errors[error as usize]
    }

    /// Every counter and histogram counts from nothing again.
    pub fn reset(&self) {
        self.registry.reset();
    }

    /// The metrics page.
    pub fn page(&self) -> String {
        self.registry.page()
    }
}

impl Default for Instruments {
    fn default() -> Instruments {
        Instruments::new()
    }
}
