//! `order-execution`: an order passes the risk limits, the rate limiter and the circuit breaker, is acknowledged by the
//! exchange, and then filled, in parts or whole, or cancelled.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::super::fleet::Requests;
use super::super::metrics::{Amount, Both, Counter, Family, Gauge, Histogram, Registry};
use super::super::trading::account::Fill;
use super::super::trading::book::{self, Book, Order, Status};
use super::super::trading::chance::{Chance, lock};
use super::super::trading::exchange::{Exchange, Failure, Said};
use super::super::trading::prices::{SYMBOLS, symbol};
use super::breaker::{Breaker, Rules};
use super::bucket::Bucket;
use super::market::EXCHANGES;
use super::risk::Limits;
use super::world::World;
use crate::base::httpd::{Request, Response};
use crate::base::law::Law;
use crate::base::time;

/// Latencies of high-frequency trading, in milliseconds.
pub const HFT_MS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0];
/// What an order is about where it does not say, in units of the symbol.
const QUANTITIES: [f64; SYMBOLS.len()] = [0.01, 0.03, 0.05];

/// The service. Orders live on after their request.
#[derive(Clone)]
pub struct Orders(Arc<Inner>);

struct Inner {
    world: Arc<World>,
    limits: Arc<Limits>,
    exchange: Exchange,
    bucket: Bucket,
    breaker: Option<Breaker>,
    lane: Semaphore,
    book: Mutex<Book>,
    chance: Chance,
    metrics: Metrics,
    labels: [String; 3],
}

struct Metrics {
    orders: Family<Counter, 5>,
    all: Counter,
    submitted: Counter,
    filled: Counter,
    limited: Counter,
    volume: Amount,
    latency: Family<Both, 6>,
    submission: Histogram,
    breaker: Gauge,
    queue: Gauge,
}

impl Metrics {
    fn new(registry: &mut Registry, labels: [&str; 3]) -> Metrics {
        const COMMON: [&str; 3] = ["service", "environment", "version"];
        let counter = |registry: &mut Registry, name, help| registry.counters(name, help, COMMON).with(labels);
        let gauge = |registry: &mut Registry, name, help| registry.gauges(name, help, COMMON).with(labels);
        let orders = registry.counters(
            "order_execution_orders_total",
            "Orders whose end is known, by what it was; those that are open stand nowhere yet",
            ["service", "environment", "version", "status", "type"],
        );
        for status in Status::ALL {
            for kind in ["maker", "taker"] {
                orders.with([labels[0], labels[1], labels[2], status.label(), kind]);
            }
        }
        let latency = registry.family(
            "order_execution_latency_ms",
            "From an order to its fill, in milliseconds",
            ["service", "environment", "version", "exchange", "symbol", "order_type"],
            HFT_MS,
        );
        for symbol in SYMBOLS {
            for kind in ["limit", "market"] {
                latency.with([labels[0], labels[1], labels[2], EXCHANGES[0], symbol, kind]);
            }
        }
        let submission = registry.histograms(
            "order_execution_submission_latency_ms",
            "From an order to its acknowledgement by the exchange, in milliseconds",
            COMMON,
            HFT_MS,
        );
        let volume =
            registry.family("order_execution_volume_usd_total", "Dollars that were traded", COMMON, &[]).with(labels);
        Metrics {
            orders,
            all: counter(registry, "order_execution_total", "Orders whose end is known"),
            submitted: counter(registry, "order_execution_submitted_orders_total", "Orders that came in"),
            filled: counter(registry, "order_execution_filled_orders_total", "Orders that were filled"),
            limited: counter(registry, "order_execution_rate_limited_total", "Orders that the rate limiter refused"),
            volume,
            latency,
            submission: submission.with(labels),
            breaker: gauge(registry, "order_execution_circuit_breaker_state", "0 closed, 1 half open, 2 open"),
            queue: gauge(registry, "order_execution_queue_depth", "Orders that wait to be sent"),
        }
    }
}

/// Why an order goes no further, and what is answered: 200 where the market would not have it, else a failure of ours.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    status: u16,
    why: &'static str,
}

impl Orders {
    /// Declares its metrics and takes orders.
    pub fn new(
        world: Arc<World>,
        limits: Arc<Limits>,
        registry: &mut Registry,
        requests: &Requests,
    ) -> io::Result<Orders> {
        let options = &world.options;
        let exchange = Exchange::new(
            options.exchange.as_ref(),
            "/orders",
            &options.venue,
            options.exchange_timeout,
            options.seed,
        )?;
        let rules =
            Rules { failures: options.breaker_failures, open: options.breaker_open, probes: options.breaker_probes };
        Ok(Orders(Arc::new(Inner {
            exchange,
            bucket: Bucket::new(options.rate, options.burst),
            breaker: options.breaker.then(|| Breaker::new(rules)),
            lane: Semaphore::new(options.workers),
            book: Mutex::default(),
            chance: world.stream("orders"),
            metrics: Metrics::new(registry, requests.labels()),
            labels: requests.labels().map(str::to_owned),
            limits,
            world,
        })))
    }

    /// Answers what is its own.
    pub async fn answer(&self, request: &Request) -> Option<(&'static str, Response)> {
        let of = request.path.strip_prefix("/orders/");
        match (request.method.as_str(), request.path.as_str(), of) {
            ("POST", "/orders", _) => Some(("/orders", self.submit(request).await)),
            ("GET", "/status", _) => Some(("/status", Response::json(200, &self.status()))),
            ("GET", _, Some(name)) => Some(("/orders/{id}", self.tell(name))),
            ("DELETE", _, Some(name)) => Some(("/orders/{id}", self.cancel(name))),
            _ => None,
        }
    }

    fn status(&self) -> Value {
        let inner = &*self.0;
        let breaker = inner.breaker.as_ref().map(|breaker| format!("{:?}", breaker.state()));
        json!({
            "open_orders": lock(&inner.book).count_open(),
            "queue": inner.metrics.queue.get(),
            "circuit_breaker": breaker,
        })
    }

    fn tell(&self, name: &str) -> Response {
        let book = lock(&self.0.book);
        match book::id(name).and_then(|id| Some(book.get(id)?.document(id))) {
            Some(document) => Response::json(200, &document),
            None => Response::json(404, &json!({ "error": "no such order" })),
        }
    }

    fn cancel(&self, name: &str) -> Response {
        let Some(id) = book::id(name) else {
            return Response::json(404, &json!({ "error": "no such order" }));
        };
        if self.end(id, Status::Canceled, None) {
            return self.tell(name);
        }
        match lock(&self.0.book).get(id) {
            Some(order) => Response::json(409, &order.document(id)),
            None => Response::json(404, &json!({ "error": "no such order" })),
        }
    }

    async fn submit(&self, request: &Request) -> Response {
        let came = time::monotonic();
        let inner = &*self.0;
        let order = match inner.read(&request.body) {
            Ok(order) => order,
            Err(why) => return Response::json(422, &json!({ "error": why })),
        };
        let size = if order.buy { order.quantity } else { -order.quantity };
        let symbol = order.symbol;
        let entered = lock(&inner.book).enter(order);
        let id = match entered {
            Ok(id) => id,
            Err(known) => return self.tell(&book::name(known)),
        };
        inner.metrics.submitted.inc();
        let refused = match inner.limits.check(symbol, size) {
            Err(why) => Some(Refusal { status: 200, why }),
            Ok(()) => self.place(id, request.header("traceparent"), came).await.err(),
        };
        match refused {
            Some(Refusal { status, why }) => {
                self.end(id, Status::Rejected, Some(why));
                let told = self.tell(&book::name(id));
                Response { status, ..told }
            }
            None => {
                let order = self.clone();
                tokio::spawn(async move { order.live(id, came).await });
                self.tell(&book::name(id))
            }
        }
    }

    /// Brings an order to the exchange.
    async fn place(&self, id: u64, traceparent: Option<&str>, came: u64) -> Result<(), Refusal> {
        let inner = &*self.0;
        if !inner.bucket.take(came) {
            inner.metrics.limited.inc();
            return Err(Refusal { status: 429, why: "rate limit" });
        }
        inner.metrics.queue.add(1.0);
        let place = inner.lane.acquire().await;
        inner.metrics.queue.add(-1.0);
        let _place = place.map_err(|_| Refusal { status: 503, why: "closed" })?;
        let pass = match &inner.breaker {
            None => None,
            Some(breaker) => {
                let pass = breaker.admit(time::monotonic());
                inner.metrics.breaker.set(breaker.state().code());
                Some(pass.ok_or(Refusal { status: 503, why: "circuit breaker open" })?)
            }
        };
        let document = lock(&inner.book).get(id).map(|order| order.document(id).to_string()).unwrap_or_default();
        let said = inner.exchange.place(&Bytes::from(document), traceparent).await;
        if let (Some(breaker), Some(pass)) = (&inner.breaker, pass) {
            breaker.ended(pass, time::monotonic(), said.is_ok());
            inner.metrics.breaker.set(breaker.state().code());
        }
        let declined = Refusal { status: 200, why: "declined by the exchange" };
        match said {
            Ok(Said::Acknowledged) if inner.chance.draw() < inner.world.options.declined.fraction() => Err(declined),
            Ok(Said::Acknowledged) => {
                inner.metrics.submission.observe(milliseconds(came));
                Ok(())
            }
            Ok(Said::Declined) => Err(declined),
            Err(failure) => Err(Refusal { status: failure.status(), why: reason(failure) }),
        }
    }

    /// What becomes of an order that the exchange has.
    async fn live(&self, id: u64, came: u64) {
        let inner = &*self.0;
        let options = &inner.world.options;
        let Some((quantity, market)) = lock(&inner.book).get(id).map(|order| (order.quantity, order.market)) else {
            return;
        };
        let law = Law::Lognormal { median: options.fill, sigma: 0.5 };
        let draw = || inner.chance.draw();
        let (length, cancels, parts) =
            (law.at(draw()), draw() < options.canceled.fraction(), draw() < options.partial.fraction());
        let maker = !market && draw() < options.maker.fraction();
        let length = if market { length / 4 } else { length };
        if parts {
            inner.exchange.rest(length / 2).await;
            self.fill(id, 0.4 * quantity, maker, came);
            inner.exchange.rest(length / 2).await;
        } else {
            inner.exchange.rest(length).await;
        }
        if cancels {
            self.end(id, Status::Canceled, None);
        } else {
            self.fill(id, if parts { 0.6 * quantity } else { quantity }, maker, came);
        }
    }

    fn fill(&self, id: u64, quantity: f64, maker: bool, came: u64) {
        let inner = &*self.0;
        let mut book = lock(&inner.book);
        let Some(order) = book.open(id) else { return };
        let side = if order.buy { 1.0 } else { -1.0 };
        let edge = if maker { inner.world.options.edge * 1e-4 } else { 0.0 };
        let price = inner.world.market.price(order.symbol) * (1.0 - side * edge);
        order.fill(quantity, price);
        let (symbol, market, status) = (order.symbol, order.market, order.status);
        drop(book);
        inner.world.market.fill(Fill { symbol, size: side * quantity, price, maker });
        inner.metrics.volume.add(quantity * price);
        if status == Status::Filled {
            inner.metrics.filled.inc();
            let kind = if market { "market" } else { "limit" };
            let [service, environment, version] = inner.labels();
            let latency =
                inner.metrics.latency.with([service, environment, version, EXCHANGES[0], SYMBOLS[symbol], kind]);
            latency.observe(milliseconds(came));
            inner.count(Status::Filled, maker);
        }
    }

    /// Ends an order that is open; whether it was.
    fn end(&self, id: u64, status: Status, reason: Option<&'static str>) -> bool {
        let mut book = lock(&self.0.book);
        let Some(order) = book.open(id) else { return false };
        (order.status, order.reason) = (status, reason);
        let market = order.market;
        drop(book);
        self.0.count(status, !market);
        true
    }
}

impl Inner {
    fn labels(&self) -> [&str; 3] {
        [&self.labels[0], &self.labels[1], &self.labels[2]]
    }

    fn count(&self, status: Status, maker: bool) {
        let [service, environment, version] = self.labels();
        let kind = if maker { "maker" } else { "taker" };
        self.metrics.orders.with([service, environment, version, status.label(), kind]).inc();
        self.metrics.all.inc();
        self.world.ended.fetch_add(1, Relaxed);
        self.world.made.fetch_add(u64::from(maker), Relaxed);
    }

    /// Reads an order; what it does not say is drawn. The error says what is wrong with it.
    fn read(&self, body: &[u8]) -> Result<Order, String> {
        let said: Value = match body {
            [] => json!({}),
            body => serde_json::from_slice(body).map_err(|_| "the body is no JSON".to_owned())?,
        };
        if !said.is_object() {
            return Err("an order is a JSON object".into());
        }
        let text = |key: &str| said.get(key).and_then(Value::as_str);
        let number = |key: &str| match said.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let read = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                let fits = read.filter(|n: &f64| n.is_finite() && *n > 0.0);
                fits.map(Some).ok_or_else(|| format!("`{key}` is no number above 0"))
            }
        };
        let symbol = match text("symbol") {
            None => (self.chance.draw() * SYMBOLS.len() as f64) as usize % SYMBOLS.len(),
            Some(name) => symbol(name).ok_or_else(|| format!("`{name}` is not traded"))?,
        };
        let buy = match text("side").map(str::to_ascii_uppercase).as_deref() {
            None => self.chance.draw() < 0.5,
            Some("BUY") => true,
            Some("SELL") => false,
            Some(_) => return Err("`side` is BUY or SELL".into()),
        };
        let market = match text("type").map(str::to_ascii_uppercase).as_deref() {
            None | Some("LIMIT") => false,
            Some("MARKET") => true,
            Some(_) => return Err("`type` is LIMIT or MARKET".into()),
        };
        Ok(Order {
            client: text("client_order_id").map(str::to_owned),
            symbol,
            buy,
            market,
            quantity: number("quantity")?.unwrap_or(QUANTITIES[symbol]),
            price: number("price")?.filter(|_| !market),
            filled: 0.0,
            average: 0.0,
            status: Status::New,
            reason: None,
        })
    }
}

fn milliseconds(since: u64) -> f64 {
    Duration::from_nanos(time::monotonic().saturating_sub(since)).as_secs_f64() * 1e3
}

fn reason(failure: Failure) -> &'static str {
    match failure {
        Failure::Late => "the exchange did not answer in time",
        Failure::Gone => "the exchange is not there",
        Failure::Status(429) => "the exchange limits our rate",
        Failure::Status(_) => "the exchange failed",
    }
}
