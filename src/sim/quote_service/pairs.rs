//! The pairs of mints that were asked for: what each is worth, how often it was asked for, and its instruments.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::base::seed::Seed;
use crate::sim::metrics::{Counter, Histogram};

use super::instruments::Instruments;
use super::pools::{Protocol, address};
use super::prices::{Token, base_ratio};

/// How many pairs are told apart; the note's service knows about 10 000. Beyond it, a stranger's pair is served like
/// any other but counted under the labels `other`, so that nobody can make the metrics page grow without end.
const MOST: usize = 20_000;

/// A pair of mints.
pub struct Pair {
    /// Its digest under the seed.
    pub id: u64,
    /// What everything about it is drawn from.
    pub seed: Seed,
    /// What is sold.
    pub input: String,
    /// What is bought.
    pub output: String,
    /// What is sold.
    pub input_token: Token,
    /// What is bought.
    pub output_token: Token,
    requests: AtomicU64,
    calculations: AtomicU64,
    meters: OnceLock<Meters>,
    hybrid: OnceLock<HybridMeters>,
    pools: [OnceLock<Counter>; 3],
}

/// The instruments of a pair that every request touches.
pub struct Meters {
    /// `quote_requests_total`.
    pub requests: Counter,
    /// `quote_cache_hits_total`.
    pub hits: Counter,
    /// `quote_cache_misses_total`.
    pub misses: Counter,
    /// `quote_cache_age_seconds`.
    pub age: Histogram,
    /// `quote_request_total_duration_seconds{source="cache"}`.
    pub cached: Histogram,
    /// `quote_request_total_duration_seconds{source="calculated"}`.
    pub calculated: Histogram,
    labels: [String; 2],
}

/// The instruments of a pair on the hybrid path.
pub struct HybridMeters {
    /// `hybrid_cache_hits_total`.
    pub hits: Counter,
    /// `hybrid_cache_misses_total`.
    pub misses: Counter,
    /// `hybrid_cache_stale_total`.
    pub stale: Counter,
    /// `hybrid_external_cache_hits_total`.
    pub external_hits: Counter,
    /// `hybrid_cached_quote_age_seconds`.
    pub age: Histogram,
}

impl Pair {
    /// The pair of two mints under a seed.
    pub fn new(seed: Seed, input: &str, output: &str) -> Pair {
        Pair {
            id: seed.decide(&[b"pair", input.as_bytes(), output.as_bytes()]),
            seed,
            input: input.to_owned(),
            output: output.to_owned(),
            input_token: Token::of(seed, input),
            output_token: Token::of(seed, output),
            requests: AtomicU64::new(0),
            calculations: AtomicU64::new(0),
            meters: OnceLock::new(),
            hybrid: OnceLock::new(),
            pools: [const { OnceLock::new() }; 3],
        }
    }

    /// Base units of output per base unit of input before any walk.
    pub fn base_ratio(&self) -> f64 {
        base_ratio(self.input_token, self.output_token)
    }

    /// Counts a request for this pair; the first is 0.
    pub fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Relaxed)
    }

    /// Counts a calculation for this pair; the first is 0.
    pub fn next_calculation(&self) -> u64 {
        self.calculations.fetch_add(1, Relaxed)
    }

    /// The mints as label values.
    pub fn labels<'a>(&'a self, all: &Instruments) -> [&'a str; 2] {
        let [input, output] = &self.meters(all).labels;
        [input, output]
    }

    /// The instruments of every request.
    pub fn meters(&self, all: &Instruments) -> &Meters {
        self.meters.get_or_init(|| Meters::new(all, [&self.input, &self.output]))
    }

    /// The instruments of the hybrid path.
    pub fn hybrid(&self, all: &Instruments) -> &HybridMeters {
        let labels = self.labels(all);
        self.hybrid.get_or_init(|| HybridMeters {
            hits: all.hybrid_cache_hits.with(labels),
            misses: all.hybrid_cache_misses.with(labels),
            stale: all.hybrid_cache_stale.with(labels),
            external_hits: all.hybrid_external_cache_hits.with(labels),
            age: all.hybrid_cached_quote_age.with(labels),
        })
    }

    /// `quote_request_total_duration_seconds{source="stale"}`, which most pairs never need.
    pub fn stale(&self, all: &Instruments) -> Histogram {
        let [input, output] = self.labels(all);
        all.quote_request_duration.with(["stale", input, output])
    }

    /// Counts a quote that a pool's price was served for.
    pub fn count_pool(&self, all: &Instruments, protocol: Protocol) {
        let pool = || match self.meters(all).labels[0].as_str() {
            OTHER => all.quotes_by_pool.with([OTHER, protocol.name()]),
            _ => all.quotes_by_pool.with([&address(self.seed, self.id, protocol), protocol.name()]),
        };
        self.pools[protocol as usize].get_or_init(pool).inc();
    }
}

const OTHER: &str = "other";

impl Meters {
    fn new(all: &Instruments, labels @ [input, output]: [&str; 2]) -> Meters {
        Meters {
            requests: all.quote_requests.with(labels),
            hits: all.quote_cache_hits.with(labels),
            misses: all.quote_cache_misses.with(labels),
            age: all.quote_cache_age.with(labels),
            cached: all.quote_request_duration.with(["cache", input, output]),
            calculated: all.quote_request_duration.with(["calculated", input, output]),
            labels: labels.map(str::to_owned),
        }
    }
}

/// All pairs that were asked for.
pub struct Pairs {
    seed: Seed,
    known: RwLock<HashMap<String, Arc<Pair>>>, // by `input/output`
}

impl Pairs {
    /// None yet.
    pub fn new(seed: Seed) -> Pairs {
        Pairs { seed, known: RwLock::default() }
    }

    /// The pair of two mints.
    pub fn get(&self, all: &Instruments, input: &str, output: &str) -> Arc<Pair> {
        let mut name = String::with_capacity(input.len() + output.len() + 1);
        name.extend([input, "/", output]);
        if let Some(pair) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return pair.clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(&name) {
            let stranger = Pair::new(self.seed, input, output);
            stranger.meters.get_or_init(|| Meters::new(all, [OTHER, OTHER]));
            return Arc::new(stranger);
        }
        known.entry(name).or_insert_with(|| Arc::new(Pair::new(self.seed, input, output))).clone()
    }
}
