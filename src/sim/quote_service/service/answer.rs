//! A request's way from arrival to answer: reading it, a place among the workers, the cache, what a miss takes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::base::httpd::{Request, Response};
use crate::base::time::Offset;
use crate::base::trace::TraceId;

use super::{Maker, Price, Service};
use crate::sim::quote_service::cache::{Found, Key, band};
use crate::sim::quote_service::instruments::QuoteError;
use crate::sim::quote_service::lies::Lie;
use crate::sim::quote_service::options::External;
use crate::sim::quote_service::pages::{self, Quote};
use crate::sim::quote_service::pairs::Pair;
use crate::sim::quote_service::pools;
use crate::sim::quote_service::prices::{SLOT_MS, scaled};
use crate::sim::quote_service::quoters::{Call, Errand, Outcome};
use crate::sim::quote_service::truth::{Record, Source};
use crate::sim::quote_service::work::{Pace, Part};

/// The two ways to ask for a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// `/quote`: any living price from the cache, else a calculation, and quoters too if told so.
    Quote,
    /// `/quote/hybrid`: a fresh price from the cache, else the quoters.
    Hybrid,
}

/// A request that makes sense.
struct Ask {
    input: String,
    output: String,
    amount: u64,
    slippage_bps: u16,
}

/// What a quote request came to.
struct Served {
    price: Price,
    source: Source,
    out_amount: u64,
    age: Option<Duration>, // of a price from the cache
}

impl Service {
    /// Answers a request for a quote.
    pub async fn quote(&self, request: &Request, path: Path) -> Response {
        let arrived = self.clock.now();
        let trace = request.header("traceparent").and_then(TraceId::from_traceparent);
        let mut calls = Vec::new();
        let (result, response) = match Ask::read(request) {
            Ok(ask) => {
                let result = self.answer(&ask, trace, path, arrived, &mut calls).await;
                let response = match &result {
                    Ok(served) => self.reply(&ask, served),
                    Err(error) => pages::failure(*error, error.why()),
                };
                (result, response)
            }
            Err(why) => {
                self.instruments.errors(QuoteError::Validation).inc();
                (Err(QuoteError::Validation), pages::failure(QuoteError::Validation, &why))
            }
        };
        if self.log.wanted() {
            let served = result.as_ref().ok();
            self.log.write(Record {
                arrived_ns: self.clock.monotonic_at(arrived),
                took_ns: self.clock.now().since(arrived).as_nanos() as u64,
                trace: trace.map(|id| id.to_string()),
                path: path.name(),
                input: request.param("input").unwrap_or_default(),
                output: request.param("output").unwrap_or_default(),
                status: response.status,
                source: served.map(|s| s.source),
                provider: served.map(|s| self.maker(s.price.maker).to_owned()),
                age_ms: served.and_then(|s| s.age).map(|age| age.as_millis() as u64),
                error: result.err(),
                quoters: calls,
            });
        }
        response
    }

    /// Answers a request that makes sense, and counts it.
    async fn answer(
        &self,
        ask: &Ask,
        trace: Option<TraceId>,
        path: Path,
        arrived: Offset,
        calls: &mut Vec<Call>,
    ) -> Result<Served, QuoteError> {
        let all = &*self.instruments;
        let pair = self.pairs.get(all, &ask.input, &ask.output);
        let meters = pair.meters(all);
        meters.requests.inc();
        if path == Path::Hybrid {
            all.hybrid_requests.inc();
        }
        let result = self.serve(&pair, ask, trace, path, calls).await;
        let took = self.clock.now().since(arrived);
        match &result {
            Ok(served) => {
                self.count(&pair, served);
                match served.source {
                    Source::Cache => meters.cached.observe_duration(took),
                    Source::Calculated => meters.calculated.observe_duration(took),
                    Source::Stale => pair.stale(all).observe_duration(took),
                }
                if path == Path::Hybrid && served.source == Source::Cache {
                    match served.price.maker {
                        Maker::Pool(_) => all.hybrid_fast_path_local.observe_duration(took),
                        Maker::Quoter(_) => all.hybrid_fast_path_external.observe_duration(took),
                    }
                }
            }
            Err(error) => {
                all.errors(*error).inc();
                meters.calculated.observe_duration(took);
            }
        }
        result
    }

    /// Counts a quote served, by whose price it is.
    fn count(&self, pair: &Pair, served: &Served) {
        let all = &*self.instruments;
        all.quotes_served.inc();
        match served.price.maker {
            Maker::Pool(protocol) => {
                all.quotes_by_local_protocol[protocol as usize].inc();
                pair.count_pool(all, protocol);
            }
            Maker::Quoter(quoter) => self.quoters.count_served(quoter),
        }
    }

    /// The way of a request: a place among the workers, a look into the cache, what a miss takes, and serving.
    async fn serve(
        &self,
        pair: &Arc<Pair>,
        ask: &Ask,
        trace: Option<TraceId>,
        path: Path,
        calls: &mut Vec<Call>,
    ) -> Result<Served, QuoteError> {
        let mut place = self.workers.take().await.ok_or(QuoteError::Overload)?;
        let pace = &mut place.pace;
        let ordinal = pair.next_request();
        let key = Key { pair: pair.id, band: band(ask.amount, self.options.bands) };
        let served = match self.look_up(pace, pair, key, ordinal, path).await {
            Some((price, age)) => {
                Served { out_amount: scaled(ask.amount, price.ratio), price, source: Source::Cache, age: Some(age) }
            }
            None => match self.make(pace, pair, ask, trace, path, calls).await {
                Ok((price, out_amount)) => {
                    self.cache.put(key, price.clone(), self.clock.now());
                    Served { price, source: Source::Calculated, out_amount, age: None }
                }
                Err(error) => self.stand_in(pair, ask, key).ok_or(error)?,
            },
        };
        if let Some(length) = self.options.database {
            self.work.in_turn(pace, &self.database, length).await;
        }
        self.work.spend(pace, Part::Serve, pair.id, ordinal).await;
        Ok(served)
    }

    /// The price in the cache and its age, if this path may serve it.
    async fn look_up(
        &self,
        pace: &mut Pace,
        pair: &Pair,
        key: Key,
        ordinal: u64,
        path: Path,
    ) -> Option<(Price, Duration)> {
        let all = &*self.instruments;
        let begun = self.clock.now();
        self.work.spend(pace, Part::CacheCheck, pair.id, ordinal).await;
        let oldest = if path == Path::Hybrid { self.options.fresh } else { Duration::MAX };
        let found = self.cache.get(key, self.clock.now(), oldest);
        let took = self.clock.now().since(begun);
        let hybrid = (path == Path::Hybrid).then(|| pair.hybrid(all));
        let meters = pair.meters(all);
        match found {
            Found::Fresh(price, age) => {
                all.quote_cache_check_hit.observe_duration(took);
                meters.hits.add(if self.options.lie == Lie::HitsTwice { 2 } else { 1 });
                meters.age.observe_duration(age);
                if let Some(hybrid) = hybrid {
                    hybrid.hits.inc();
                    hybrid.age.observe_duration(age);
                    if matches!(price.maker, Maker::Quoter(_)) {
                        hybrid.external_hits.inc();
                    }
                }
                Some((price, age))
            }
            missed => {
                all.quote_cache_check_miss.observe_duration(took);
                meters.misses.inc();
                if let Some(hybrid) = hybrid {
                    hybrid.misses.inc();
                    if matches!(missed, Found::Stale) {
                        hybrid.stale.inc();
                    }
                }
                None
            }
        }
    }

    /// A price a little past its life, where nothing new could be made.
    fn stand_in(&self, pair: &Pair, ask: &Ask, key: Key) -> Option<Served> {
        let grace = self.options.stale_if_error.filter(|_| !self.options.fail_fast)?;
        let (price, age) = self.cache.expired(key, self.clock.now(), grace)?;
        pair.meters(&self.instruments).age.observe_duration(age);
        let out_amount = scaled(ask.amount, price.ratio);
        Some(Served { price, source: Source::Stale, out_amount, age: Some(age) })
    }

    /// A new price, from whoever this path asks, and what it makes of the amount. The best answer wins.
    async fn make(
        &self,
        pace: &mut Pace,
        pair: &Arc<Pair>,
        ask: &Ask,
        trace: Option<TraceId>,
        path: Path,
        calls: &mut Vec<Call>,
    ) -> Result<(Price, u64), QuoteError> {
        let asked = self.asks_quoters(path);
        let mut failed_fast = false;
        let (offer, local) = {
            let external = async {
                let errand = Errand { pair: pair.clone(), amount: ask.amount, slippage_bps: ask.slippage_bps, trace };
                let asked = self.quoters.ask(&errand, &self.means).await;
                (*calls, failed_fast) = (asked.calls, asked.failed_fast);
                asked.best
            };
            match (asked, path) {
                (false, _) => (None, self.calculate(pace, pair, ask.amount).await),
                (true, Path::Quote) if self.options.fallback => {
                    tokio::join!(external, self.calculate(pace, pair, ask.amount))
                }
                (true, _) => match external.await {
                    None if self.options.fallback => {
                        pace.catch_up();
                        (None, self.calculate(pace, pair, ask.amount).await)
                    }
                    offer => (offer, None),
                },
            }
        };
        if asked {
            pace.catch_up();
        }
        // Whoever was only not waited for because another failed has not failed.
        let late = |call: &Call| call.outcome == Outcome::TimedOut || (call.outcome == Outcome::Late && !failed_fast);
        let of_pool = local
            .map(|(offer, slot)| (scaled(ask.amount, offer.ratio), Maker::Pool(offer.protocol), slot, Duration::ZERO));
        let of_quoter = offer.map(|offer| {
            let behind = offer.age.as_millis() as u64 / SLOT_MS;
            (offer.out_amount, Maker::Quoter(offer.quoter), self.slot().saturating_sub(behind), offer.age)
        });
        let offers = of_pool.into_iter().chain(of_quoter).filter(|_| !failed_fast);
        let Some((out_amount, maker, slot, age)) = offers.max_by_key(|(out_amount, ..)| *out_amount) else {
            return Err(match asked {
                true if calls.iter().any(late) => QuoteError::QuotersTimeout,
                true => QuoteError::Quoters,
                false => QuoteError::Calculation,
            });
        };
        let ratio = out_amount as f64 / ask.amount as f64;
        let mut price = self.price(pair, ask.amount, ratio, maker, slot);
        price.made_ms = price.made_ms.saturating_sub(age.as_millis() as u64); // not newer than its maker says
        Ok((price, out_amount))
    }

    fn asks_quoters(&self, path: Path) -> bool {
        let wanted = match self.options.external {
            External::Miss => true,
            External::Hybrid => path == Path::Hybrid,
            External::Never => false,
        };
        wanted && !self.quoters.is_empty()
    }

    /// Asks the pools: the best offer, and the slot in which it was made.
    pub async fn calculate(&self, pace: &mut Pace, pair: &Pair, amount: u64) -> Option<(pools::Offer, u64)> {
        let all = &*self.instruments;
        let (begun, slot) = (self.clock.now(), self.slot());
        let ordinal = pair.next_calculation();
        let done = pools::calculate(&self.work, pace, pair, ordinal, amount, slot, self.options.pool_failures).await;
        all.quote_calculation_duration.observe_duration(self.clock.now().since(begun));
        self.pool_queries.fetch_add(1, Relaxed);
        for (failed, count) in done.failed.into_iter().zip(&self.pool_failures) {
            if failed {
                all.pool_query_errors.inc();
                count.fetch_add(1, Relaxed);
            }
        }
        if done.best.is_none() {
            all.no_pool_errors.inc();
        }
        done.best.map(|offer| (offer, slot))
    }

    pub fn price(&self, pair: &Arc<Pair>, amount: u64, ratio: f64, maker: Maker, slot: u64) -> Price {
        let made_ms = (self.clock.wall_nanos(self.clock.now()) / 1_000_000) as u64;
        Price { pair: pair.clone(), amount, ratio, maker, slot, made_ms }
    }

    fn reply(&self, ask: &Ask, served: &Served) -> Response {
        Quote {
            input: &ask.input,
            output: &ask.output,
            in_amount: ask.amount,
            out_amount: served.out_amount,
            provider: self.maker(served.price.maker),
            source: served.source,
            slippage_bps: ask.slippage_bps,
            slot: served.price.slot,
            made_ms: served.price.made_ms,
        }
        .reply()
    }

    fn maker(&self, maker: Maker) -> &str {
        match maker {
            Maker::Pool(protocol) => protocol.name(),
            Maker::Quoter(quoter) => self.quoters.label(quoter),
        }
    }
}

impl Path {
    fn name(self) -> &'static str {
        match self {
            Path::Quote => "/quote",
            Path::Hybrid => "/quote/hybrid",
        }
    }
}

impl Ask {
    /// Reads a request; the error says what is wrong with it.
    fn read(request: &Request) -> Result<Ask, String> {
        let mint = |name: &str| match request.param(name) {
            None => Err(format!("`{name}` is missing: give the address of a mint")),
            Some(mint) if mint.is_empty() || mint.len() > 64 || !mint.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Err(format!("`{name}` is not the address of a mint"))
            }
            Some(mint) => Ok(mint),
        };
        let (input, output) = (mint("input")?, mint("output")?);
        if input == output {
            return Err("`input` and `output` are the same mint".into());
        }
        let amount = request.param("amount").ok_or("`amount` is missing: give base units of the input")?;
        let amount = amount.parse().ok().filter(|n| *n > 0).ok_or("`amount` is not a whole number above 0")?;
        let slippage_bps = match request.param("slippageBps") {
            None => 50,
            Some(text) => text.parse().ok().filter(|n| *n <= 10_000).ok_or("`slippageBps` is not from 0 to 10000")?,
        };
        Ok(Ask { input, output, amount, slippage_bps })
    }
}
