//! The cache of prices: one entry per pair and band of sizes, with a life of its own, within a capacity. It reads no
//! clock: whoever asks says what time it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::seed::{Seed, unit};
use crate::base::time::Offset;
use crate::base::units::Share;

/// What a price is kept under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The pair, by its digest.
    pub pair: u64,
    /// Which amounts share the price: see [`band`].
    pub band: u8,
}

/// How long entries live.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lifetimes {
    /// No entry lives longer.
    pub ttl: Duration,
    /// By how much of `ttl` a life may be shorter: lives are uniform between `ttl × (1 − spread)` and `ttl`, so that
    /// what was filled together does not expire together.
    pub spread: Share,
    /// Where the lives are drawn from, by key and how often it was filled.
    pub seed: Seed,
}

impl Lifetimes {
    fn draw(&self, key: Key, fill: u64) -> Duration {
        let u = unit(self.seed.decide(&[b"life", &key.pair.to_le_bytes(), &[key.band], &fill.to_le_bytes()]));
        self.ttl.mul_f64(1.0 - self.spread.fraction() * u)
    }
}

/// What a look into the cache finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<V> {
    /// A living entry, and its age.
    Fresh(V, Duration),
    /// An entry that is past its life or older than asked for.
    Stale,
    /// Nothing.
    Nothing,
}

/// Keeps the values that were used last, up to a capacity.
pub struct Cache<V> {
    lifetimes: Lifetimes,
    capacity: usize,
    shelf: Mutex<Shelf<V>>,
}

struct Shelf<V> {
    entries: HashMap<Key, Entry<V>>,
    uses: BTreeMap<u64, Key>, // by last use, the longest ago first
    clock: u64,               // counts uses
    fills: u64,               // puts so far
}

struct Entry<V> {
    value: V,
    filled: Offset,
    expires: Offset,
    used: u64,   // its place in `uses`
    asked: bool, // since it was filled
}

impl<V: Clone> Cache<V> {
    /// An empty cache. With a capacity of 0 it keeps nothing.
    pub fn new(lifetimes: Lifetimes, capacity: usize) -> Cache<V> {
        let shelf = Shelf { entries: HashMap::new(), uses: BTreeMap::new(), clock: 0, fills: 0 };
        Cache { lifetimes, capacity, shelf: Mutex::new(shelf) }
    }

    /// What is known under `key`, if it lives and is no older than `oldest`.
    pub fn get(&self, key: Key, now: Offset, oldest: Duration) -> Found<V> {
        let mut shelf = self.shelf();
        let shelf = &mut *shelf;
        let Some(entry) = shelf.entries.get_mut(&key) else { return Found::Nothing };
        let age = now.since(entry.filled);
        if now >= entry.expires || age > oldest {
            return Found::Stale;
        }
        entry.asked = true;
        shelf.uses.remove(&entry.used);
        shelf.clock += 1;
        entry.used = shelf.clock;
        shelf.uses.insert(shelf.clock, key);
        Found::Fresh(entry.value.clone(), age)
    }

    /// What is known under `key`, and its age, if it lives or its life ended less than `grace` ago.
    pub fn expired(&self, key: Key, now: Offset, grace: Duration) -> Option<(V, Duration)> {
        let shelf = self.shelf();
        let entry = shelf.entries.get(&key).filter(|e| now < e.expires + grace)?;
        Some((entry.value.clone(), now.since(entry.filled)))
    }

    /// Keeps `value` from `now` on; the value that was used the longest ago leaves when there is no room.
    pub fn put(&self, key: Key, value: V, now: Offset) {
        if self.capacity == 0 {
            return;
        }
        let mut shelf = self.shelf();
        let shelf = &mut *shelf;
        match shelf.entries.get(&key) {
            Some(old) => drop(shelf.uses.remove(&old.used)),
            None if shelf.entries.len() >= self.capacity => {
                if let Some((_, oldest)) = shelf.uses.pop_first() {
                    shelf.entries.remove(&oldest);
                }
            }
            None => {}
        }
        shelf.clock += 1;
        shelf.fills += 1;
        let expires = now + self.lifetimes.draw(key, shelf.fills);
        shelf.uses.insert(shelf.clock, key);
        shelf.entries.insert(key, Entry { value, filled: now, expires, used: shelf.clock, asked: false });
    }

    /// What a refresh should fill again: entries at least `age` old that were asked for since they were filled, in
    /// the order of their keys.
    pub fn due(&self, now: Offset, age: Duration) -> Vec<(Key, V)> {
        let shelf = self.shelf();
        let wanted = shelf.entries.iter().filter(|(_, e)| e.asked && now.since(e.filled) >= age);
        let mut due: Vec<(Key, V)> = wanted.map(|(key, entry)| (*key, entry.value.clone())).collect();
        due.sort_by_key(|(key, _)| *key);
        due
    }

    /// How many entries there are, expired ones included.
    pub fn len(&self) -> usize {
        self.shelf().entries.len()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<V>> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The band of an amount: `per_decade` bands of equal ratio in each factor of ten; a price holds for all amounts of
/// its band. With 0, one price holds for all amounts.
pub fn band(amount: u64, per_decade: u8) -> u8 {
    let decades = libm::log10(amount.max(1) as f64); // below 19.3
    (decades * f64::from(per_decade)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::MAX;

    fn secs(n: f64) -> Duration {
        Duration::from_secs_f64(n)
    }

    fn at(seconds: f64) -> Offset {
        Offset::after_zero(secs(seconds))
    }

    fn key(pair: u64) -> Key {
        Key { pair, band: 0 }
    }

    fn cache(ttl: f64, capacity: usize) -> Cache<u64> {
        Cache::new(Lifetimes { ttl: secs(ttl), spread: Share::NONE, seed: Seed(1) }, capacity)
    }

    impl Lifetimes {
        /// The mean of the uniform distribution, in seconds.
        fn mean(&self) -> f64 {
            self.ttl.as_secs_f64() * (1.0 - self.spread.fraction() / 2.0)
        }
    }

    #[test]
    fn an_entry_lives_for_its_ttl() {
        let cache = cache(30.0, 10);
        assert_eq!(cache.get(key(1), at(0.0), FOREVER), Found::Nothing);
        cache.put(key(1), 7, at(0.0));
        assert_eq!(cache.get(key(1), at(29.999), FOREVER), Found::Fresh(7, secs(29.999)));
        assert_eq!(cache.get(key(1), at(29.0), secs(10.0)), Found::Stale, "older than asked for");
        assert_eq!(cache.get(key(1), at(30.0), FOREVER), Found::Stale);
        assert_eq!(cache.get(Key { pair: 1, band: 1 }, at(1.0), FOREVER), Found::Nothing);
    }

    #[test]
    fn an_expired_entry_is_at_hand_for_its_grace() {
        let cache = cache(30.0, 10);
        assert_eq!(cache.expired(key(1), at(0.0), secs(10.0)), None);
        cache.put(key(1), 7, at(0.0));
        assert_eq!(cache.expired(key(1), at(39.5), secs(10.0)), Some((7, secs(39.5))));
        assert_eq!(cache.expired(key(1), at(40.0), secs(10.0)), None);
    }

    #[test]
    fn the_one_used_the_longest_ago_makes_room() {
        let cache = cache(30.0, 2);
        cache.put(key(1), 1, at(0.0));
        cache.put(key(2), 2, at(1.0));
        assert!(matches!(cache.get(key(1), at(2.0), FOREVER), Found::Fresh(..)));
        cache.put(key(3), 3, at(3.0));
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.get(key(2), at(4.0), FOREVER), Found::Nothing);
        assert!(matches!(cache.get(key(1), at(4.0), FOREVER), Found::Fresh(..)));
        cache.put(key(1), 9, at(5.0));
        assert_eq!(cache.len(), 2, "filling again needs no room");
        assert_eq!(cache.get(key(1), at(6.0), FOREVER), Found::Fresh(9, secs(1.0)));
    }

    #[test]
    fn lives_are_spread_between_their_bounds_with_the_stated_mean() {
        let lifetimes = Lifetimes { ttl: secs(30.0), spread: Share(400_000_000), seed: Seed(1) };
        let lives: Vec<f64> = (0..10_000).map(|n| lifetimes.draw(key(5), n).as_secs_f64()).collect();
        assert!(lives.iter().all(|life| (18.0..=30.0).contains(life)));
        let mean = lives.iter().sum::<f64>() / lives.len() as f64;
        assert!((mean - lifetimes.mean()).abs() < 0.1, "{mean}");
    }

    #[test]
    fn amounts_of_one_band_share_a_price() {
        assert_eq!(band(1, 3), 0);
        assert_eq!(band(u64::MAX, 0), 0);
        assert_eq!(band(1_000_000, 3), 18);
        assert_eq!(band(2_000_000, 3), 18);
        assert_eq!(band(5_000_000, 3), 20);
        assert_eq!(band(u64::MAX, 10), 192);
    }

    #[test]
    fn a_refresh_is_due_for_what_was_asked_for() {
        let cache = cache(30.0, 10);
        for pair in 1..=3 {
            cache.put(key(pair), pair, at(0.0));
        }
        let _ = cache.get(key(3), at(1.0), FOREVER);
        let _ = cache.get(key(1), at(1.0), FOREVER);
        assert_eq!(cache.due(at(9.0), secs(10.0)), []);
        assert_eq!(cache.due(at(10.0), secs(10.0)), [(key(1), 1), (key(3), 3)]);
        cache.put(key(1), 1, at(10.0));
        assert_eq!(cache.due(at(20.0), secs(10.0)), [(key(3), 3)], "filled anew, and nobody has asked yet");
    }

    /// A load on the cache, with time made up.
    struct Load {
        pairs: usize,
        zipf: f64,
        rate: f64, // per second
        bands: u8, // that an amount falls in, equally likely
        lifetimes: Lifetimes,
        refresh: Option<Duration>,
    }

    impl Load {
        fn new() -> Load {
            let lifetimes = Lifetimes { ttl: secs(30.0), spread: Share(400_000_000), seed: Seed(1) };
            Load { pairs: 50, zipf: 1.1, rate: 100.0, bands: 18, lifetimes, refresh: None }
        }

        /// Each pair's share of the requests.
        fn shares(&self) -> Vec<f64> {
            let weights: Vec<f64> = (1..=self.pairs).map(|rank| libm::pow(rank as f64, -self.zipf)).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|w| w / sum).collect()
        }

        /// The hit rate by renewal theory: a fill is followed by the hits of one life, λL on average, and those end
        /// with the next miss; so λL of every 1 + λL requests for a key hit.
        fn expected(&self) -> f64 {
            let life = self.lifetimes.mean();
            let hits = |share: f64| {
                let asked = share * self.rate / f64::from(self.bands) * life;
                share * asked / (1.0 + asked)
            };
            self.shares().into_iter().map(hits).sum()
        }

        /// The hit rate and the mean age of hits that the cache shows under `n` requests at Poisson's instants,
        /// after it has settled.
        fn observed(&self, n: u32) -> (f64, f64) {
            let cache = Cache::new(self.lifetimes, 1_000_000);
            let shares = self.shares();
            let mut stream = Seed(5).stream("load");
            let (mut now, mut hits, mut ages, mut counted) = (0.0, 0u32, 0.0, 0u32);
            let settled = 2.0 * self.lifetimes.ttl.as_secs_f64();
            let mut next_refresh = self.refresh.map_or(f64::INFINITY, |every| every.as_secs_f64());
            while counted < n {
                now += stream.exponential() / self.rate;
                while let Some(every) = self.refresh.filter(|_| now >= next_refresh) {
                    cache
                        .due(at(next_refresh), every)
                        .into_iter()
                        .for_each(|(key, ())| cache.put(key, (), at(next_refresh)));
                    next_refresh += every.as_secs_f64() / 4.0;
                }
                let mut u = stream.unit();
                let pair = shares
                    .iter()
                    .position(|s| {
                        u -= s;
                        u < 0.0
                    })
                    .unwrap_or(self.pairs - 1);
                let key = Key { pair: pair as u64, band: (stream.unit() * f64::from(self.bands)) as u8 };
                let found = cache.get(key, at(now), FOREVER);
                if !matches!(found, Found::Fresh(..)) {
                    cache.put(key, (), at(now));
                }
                if now > settled {
                    counted += 1;
                    if let Found::Fresh(_, age) = found {
                        hits += 1;
                        ages += age.as_secs_f64();
                    }
                }
            }
            (f64::from(hits) / f64::from(n), ages / f64::from(hits))
        }
    }

    const REQUESTS: u32 = 40_000;

    #[test]
    fn the_hit_rate_moves_with_ttl_popularity_and_load_as_computed() {
        let short = |ttl: f64| Lifetimes { ttl: secs(ttl), spread: Share::NONE, seed: Seed(1) };
        let cases = [
            ("the typical load", Load::new()),
            ("a shorter life", Load { lifetimes: short(5.0), ..Load::new() }),
            ("a longer life", Load { lifetimes: short(120.0), ..Load::new() }),
            ("all pairs equally popular", Load { zipf: 0.0, ..Load::new() }),
            ("a few pairs very popular", Load { zipf: 2.0, ..Load::new() }),
            ("a tenth of the load", Load { rate: 10.0, ..Load::new() }),
            ("five times the load", Load { rate: 500.0, ..Load::new() }),
            ("one price for all amounts", Load { bands: 1, ..Load::new() }),
            ("one price, a second long", Load { bands: 1, lifetimes: short(1.0), ..Load::new() }),
            ("many pairs", Load { pairs: 2000, ..Load::new() }),
        ];
        let mut seen = Vec::new();
        for (name, load) in cases {
            let (rate, _) = load.observed(REQUESTS);
            // Requests for a key are dependent, so the band is wider than a binomial one: four standard errors of
            // a share over a third as many independent requests.
            let expected = load.expected();
            let band = 4.0 * libm::sqrt(expected * (1.0 - expected) / (f64::from(REQUESTS) / 3.0));
            assert!((rate - expected).abs() < band, "{name}: computed {expected:.4} ± {band:.4}, observed {rate:.4}");
            seen.push(rate);
        }
        assert!(seen[1] < seen[0] && seen[0] < seen[2], "life: {seen:?}");
        assert!(seen[3] < seen[0] && seen[0] < seen[4], "popularity: {seen:?}");
        assert!(seen[5] < seen[0] && seen[0] < seen[6], "load: {seen:?}");
    }

    #[test]
    fn the_typical_load_hits_as_often_and_as_old_as_the_design_note_says() {
        let (rate, age) = Load::new().observed(REQUESTS);
        assert!((0.76..0.81).contains(&rate), "{rate}");
        assert!((11.0..13.0).contains(&age), "{age} s");
    }

    #[test]
    fn a_refresh_keeps_popular_pairs_from_expiring() {
        let refreshed = Load { bands: 1, refresh: Some(secs(10.0)), ..Load::new() };
        let (rate, age) = refreshed.observed(20_000);
        assert!(rate > 0.999 && rate > refreshed.expected(), "{rate}");
        assert!(age < 8.0, "{age} s");
    }
}
