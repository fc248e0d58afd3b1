//! The pipelines that there are: which signals start them, and which of them are switched on. Their ids are the same in
//! every run, so that a file of data can name them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::ids::Ids;

/// What is traded.
pub const TICKERS: [&str; 20] = [
    "AAPL", "MSFT", "GOOGL", "AMZN", "NVDA", "META", "TSLA", "JPM", "V", "UNH", "XOM", "JNJ", "WMT", "MA", "PG", "HD",
    "CVX", "MRK", "KO", "PEP",
];

/// The types that signals may have.
pub const SIGNAL_TYPES: [&str; 6] =
    ["golden_cross", "death_cross", "rsi_oversold", "rsi_overbought", "volume_spike", "breakout"];

/// The pipelines that there are. Those of one ticker take turns in what starts them: the first, third, … the even types
/// of [`SIGNAL_TYPES`], the others the odd ones. So of forty pipelines each signal of a known type and ticker starts one.
pub struct Pipelines {
    ids: Ids,
    all: Vec<Pipeline>,
}

struct Pipeline {
    active: AtomicBool,
    running: AtomicU32,
}

impl Pipelines {
    /// So many, all switched on.
    pub fn new(count: usize) -> Pipelines {
        let pipeline = || Pipeline { active: AtomicBool::new(true), running: AtomicU32::new(0) };
        Pipelines { ids: Ids::of("pipeline"), all: std::iter::repeat_with(pipeline).take(count).collect() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The id of the `n`-th.
    pub fn id(&self, n: usize) -> String {
        self.ids.id(n as u64)
    }

    /// The one with an id.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.ids.number(id).and_then(|n| usize::try_from(n).ok()).filter(|n| *n < self.all.len())
    }

    /// What the `n`-th trades.
    pub fn ticker(&self, n: usize) -> &'static str {
        TICKERS[n % TICKERS.len()]
    }

    /// The types of signals that start the `n`-th.
    pub fn types(&self, n: usize) -> impl Iterator<Item = &'static str> {
        SIGNAL_TYPES.into_iter().skip(n / TICKERS.len() % 2).step_by(2)
    }

    /// Whether the `n`-th is switched on.
    pub fn is_active(&self, n: usize) -> bool {
        self.all[n].active.load(Relaxed)
    }

    /// Switches the `n`-th on or off.
    pub fn switch(&self, n: usize, on: bool) {
        self.all[n].active.store(on, Relaxed);
    }

    /// Whether an execution of the `n`-th is under way.
    pub fn is_running(&self, n: usize) -> bool {
        self.all[n].running.load(Relaxed) > 0
    }

    /// An execution of the `n`-th began.
    pub fn began(&self, n: usize) {
        self.all[n].running.fetch_add(1, Relaxed);
    }

    /// An execution of the `n`-th is over.
    pub fn ended(&self, n: usize) {
        self.all[n].running.fetch_sub(1, Relaxed);
    }
}

/// The pipelines that were switched on when the cache was read, as the dispatcher knows them.
#[derive(Debug, Default)]
pub struct Cache {
    by_ticker: std::collections::HashMap<&'static str, Vec<(usize, Vec<&'static str>)>>,
    size: usize,
}

impl Cache {
    /// Reads them anew.
    pub fn of(pipelines: &Pipelines) -> Cache {
        let mut cache = Cache::default();
        for n in (0..pipelines.count()).filter(|n| pipelines.is_active(*n)) {
            let known = cache.by_ticker.entry(pipelines.ticker(n)).or_default();
            known.push((n, pipelines.types(n).collect()));
            cache.size += 1;
        }
        cache
    }

    /// How many it holds.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Those that a signal of this type on these tickers starts, each once.
    pub fn matching<'a>(&self, kind: &str, tickers: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        let mut found = Vec::new();
        for ticker in tickers {
            for (n, types) in self.by_ticker.get(ticker).into_iter().flatten() {
                if types.contains(&kind) && !found.contains(n) {
                    found.push(*n);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_forty_pipelines_every_known_signal_starts_one() {
        let cache = Cache::of(&Pipelines::new(40));
        for kind in SIGNAL_TYPES {
            for ticker in TICKERS {
                assert_eq!(cache.matching(kind, [ticker]).len(), 1, "{kind} {ticker}");
            }
        }
        assert_eq!(cache.size(), 40);
        assert!(cache.matching("rumour", ["AAPL"]).is_empty());
        assert!(cache.matching("breakout", ["DOGE"]).is_empty());
        assert_eq!(cache.matching("golden_cross", ["AAPL", "MSFT", "AAPL"]), [0, 1]);
    }

    #[test]
    fn what_is_switched_off_goes_with_the_next_reading() {
        let pipelines = Pipelines::new(20);
        let before = Cache::of(&pipelines);
        pipelines.switch(0, false);
        assert_eq!(before.matching("golden_cross", ["AAPL"]), [0], "the cache does not know yet");
        let after = Cache::of(&pipelines);
        assert_eq!((after.matching("golden_cross", ["AAPL"]).len(), after.size()), (0, 19));
        assert_eq!(pipelines.find(&pipelines.id(7)), Some(7));
        assert_eq!(pipelines.find(&pipelines.id(20)), None);
    }
}
