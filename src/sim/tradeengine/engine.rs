//! The engine: a signal that passes its checks becomes an order; an order is written down, sent to the exchange, and filled.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::fleet::Requests;
use super::super::metrics::Registry;
use super::super::trading::account::{Account, Fill};
use super::super::trading::book::{self, Book, Order, Status};
use super::super::trading::chance::{Chance, lock};
use super::super::trading::exchange::{Exchange, Said};
use super::super::trading::prices::{Prices, SYMBOLS};
use super::instruments::Instruments;
use super::options::Options;
use super::signal::{Action, Ask, Signal};
use crate::base::law::Law;
use crate::base::time;

/// What a fill is better than the mid price, as a share of it.
const EDGE: f64 = 2e-4;

/// Why there is no order, and what is answered: 200 where it may not be, else a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// In the words of the metrics.
    pub why: &'static str,
}

/// The engine. Orders live on after their request.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    options: Options,
    exchange: Exchange,
    instruments: Instruments,
    book: Mutex<Book>,
    prices: Mutex<Prices>,
    account: Mutex<Account>,
    chance: Chance,
}

impl Engine {
    /// Declares its metrics and takes signals.
    pub fn new(options: Options, registry: &mut Registry, requests: &Requests) -> io::Result<Engine> {
        let instruments = Instruments::new(registry, requests);
        instruments.mongo.set(f64::from(u8::from(options.mongo)));
        let exchange =
            Exchange::new(options.binance.as_ref(), "/order", &options.venue, options.exchange_timeout, options.seed)?;
        Ok(Engine(Arc::new(Inner {
            exchange,
            instruments,
            book: Mutex::default(),
            prices: Mutex::new(Prices::new(options.seed)),
            account: Mutex::new(Account::new(options.balance)),
            chance: Chance::new(options.seed, "engine"),
            options,
        })))
    }

    /// Whether it can trade.
    pub fn is_ready(&self) -> bool {
        self.0.options.mongo
    }

    /// What happens without a request, many times a second.
    pub fn beat(&self) {
        let inner = &*self.0;
        let mid = {
            let mut prices = lock(&inner.prices);
            prices.step();
            prices.mid()
        };
        let mut account = lock(&inner.account);
        account.value(&mid);
        inner.instruments.account(&account, &mid);
    }

    /// Acts on a signal; what came of it, as it is told.
    pub async fn signal(&self, signal: &Signal, traceparent: Option<&str>) -> (u16, Value) {
        let inner = &*self.0;
        let counts = &inner.instruments;
        counts.received(&signal.strategy, signal.action);
        let told = |status: u16, word: &'static str, more: Value| {
            counts.processed(word);
            let mut result = json!({ "status": word });
            if let (Some(result), Value::Object(more)) = (result.as_object_mut(), more) {
                result.extend(more);
            }
            (status, result)
        };
        if signal.action == Action::Hold {
            return told(200, "held", json!({ "reason": "hold" }));
        }
        if signal.confidence < inner.options.min_confidence {
            return told(200, "held", json!({ "reason": "confidence" }));
        }
        let held = lock(&inner.account).positions[signal.symbol].size;
        let (buy, quantity) = match signal.action {
            Action::Close if held == 0.0 => return told(200, "held", json!({ "reason": "nothing to close" })),
            Action::Close => (held < 0.0, held.abs()),
            action => (action == Action::Buy, signal.quantity),
        };
        let ask = Ask { client: None, symbol: signal.symbol, buy, market: true, quantity, price: None };
        match self.order(&ask, traceparent).await {
            (id, Ok(())) => told(200, "executed", json!({ "order_id": book::name(id) })),
            (id, Err(refusal)) => {
                let word = if refusal.status == 200 { "rejected" } else { "failed" };
                told(refusal.status, word, json!({ "order_id": book::name(id), "reason": refusal.why }))
            }
        }
    }

    /// Takes an order; what it is called, and why it goes no further, if so.
    pub async fn order(&self, ask: &Ask, traceparent: Option<&str>) -> (u64, Result<(), Refusal>) {
        let came = time::monotonic();
        let inner = &*self.0;
        let order = Order {
            client: ask.client.clone(),
            symbol: ask.symbol,
            buy: ask.buy,
            market: ask.market,
            quantity: ask.quantity,
            price: ask.price,
            filled: 0.0,
            average: 0.0,
            status: Status::New,
            reason: None,
        };
        let entered = lock(&inner.book).enter(order);
        let id = match entered {
            Ok(id) => id,
            Err(known) => return (known, Ok(())),
        };
        let size = if ask.buy { ask.quantity } else { -ask.quantity };
        let placed = match self.check(ask.symbol, size) {
            Err(why) => Err(Refusal { status: 200, why }),
            Ok(()) => match self.write().await {
                Err(refusal) => Err(refusal),
                Ok(()) => self.place(id, traceparent).await,
            },
        };
        match placed {
            Ok(()) => {
                inner.instruments.placed.observe(since(came).as_secs_f64());
                let engine = self.clone();
                tokio::spawn(async move { engine.live(id, came).await });
            }
            Err(refusal) => self.end(id, Status::Rejected, Some(refusal.why)),
        }
        (id, placed)
    }

    /// An order as it is told, of this symbol.
    pub fn tell(&self, symbol: &str, name: &str) -> Option<Value> {
        let book = lock(&self.0.book);
        let id = book::id(name)?;
        let order = book.get(id).filter(|order| SYMBOLS[order.symbol] == symbol)?;
        Some(order.document(id))
    }

    /// The account as it is told.
    pub fn account(&self) -> Value {
        let account = lock(&self.0.account);
        let positions: serde_json::Map<_, _> =
            SYMBOLS.iter().zip(account.positions).map(|(s, p)| ((*s).to_owned(), p.size.into())).collect();
        json!({ "balance": account.balance(), "realized_pnl": account.realized, "positions": positions })
    }

    /// The risk checks, one after the other.
    fn check(&self, symbol: usize, size: f64) -> Result<(), &'static str> {
        let inner = &*self.0;
        let (held, realized) = {
            let account = lock(&inner.account);
            (account.positions[symbol].size, account.realized)
        };
        let after = (held + size).abs();
        let opens = after > held.abs();
        for (check, kept) in [
            ("position", !opens || after <= inner.options.max_position),
            ("daily_loss", !opens || realized >= -inner.options.max_loss),
        ] {
            inner.instruments.checked(check, kept);
            if !kept {
                return Err(check);
            }
        }
        Ok(())
    }

    /// Writes the order down; what fails at first is tried once more.
    async fn write(&self) -> Result<(), Refusal> {
        let inner = &*self.0;
        let law = Law::Lognormal { median: inner.options.mongo_write, sigma: 0.4 };
        for _ in 0..2 {
            if !inner.options.mongo {
                inner.instruments.mongo_failures.inc();
                continue;
            }
            inner.exchange.rest(law.at(inner.chance.draw())).await;
            if inner.chance.draw() >= inner.options.mongo_failures.fraction() {
                return Ok(());
            }
            inner.instruments.mongo_failures.inc();
        }
        Err(Refusal { status: 503, why: "database" })
    }

    /// Brings an order to the exchange, more than once if need be.
    async fn place(&self, id: u64, traceparent: Option<&str>) -> Result<(), Refusal> {
        let inner = &*self.0;
        let mut last = Refusal { status: 502, why: "exchange" };
        for attempt in 0..=inner.options.retries {
            let mut document = lock(&inner.book).get(id).map(|order| order.document(id)).unwrap_or_default();
            if attempt > 0 {
                inner.instruments.retries.inc();
                if !inner.options.idempotent {
                    document["order_id"] = json!(format!("{}-{attempt}", book::name(id)));
                }
            }
            match inner.exchange.place(&Bytes::from(document.to_string()), traceparent).await {
                Ok(Said::Acknowledged) if inner.chance.draw() >= inner.options.declined.fraction() => return Ok(()),
                Ok(_) => return Err(Refusal { status: 200, why: "declined" }),
                Err(failure) => {
                    inner.instruments.exchange_error(failure.word());
                    last = Refusal { status: failure.status(), why: "exchange" };
                }
            }
        }
        Err(last)
    }

    /// What becomes of an order that the exchange has.
    async fn live(&self, id: u64, came: u64) {
        let inner = &*self.0;
        let Some(quantity) = lock(&inner.book).get(id).map(|order| order.quantity) else { return };
        let law = Law::Lognormal { median: inner.options.fill, sigma: 0.5 };
        let (length, parts) = (law.at(inner.chance.draw()), inner.chance.draw() < inner.options.partial.fraction());
        if parts {
            inner.exchange.rest(length / 2).await;
            self.fill(id, 0.4 * quantity, came);
            inner.exchange.rest(length / 2).await;
            self.fill(id, 0.6 * quantity, came);
        } else {
            inner.exchange.rest(length).await;
            self.fill(id, quantity, came);
        }
    }

    fn fill(&self, id: u64, quantity: f64, came: u64) {
        let inner = &*self.0;
        let mut book = lock(&inner.book);
        let Some(order) = book.open(id) else { return };
        let side = if order.buy { 1.0 } else { -1.0 };
        let price = lock(&inner.prices).mid()[order.symbol] * (1.0 - side * EDGE);
        order.fill(quantity, price);
        let (symbol, buy, status) = (order.symbol, order.buy, order.status);
        drop(book);
        lock(&inner.account).fill(Fill { symbol, size: side * quantity, price, maker: true });
        if status == Status::Filled {
            inner.instruments.filled.observe(since(came).as_secs_f64());
            inner.instruments.order(symbol, buy, status);
        }
    }

    fn end(&self, id: u64, status: Status, reason: Option<&'static str>) {
        let mut book = lock(&self.0.book);
        let Some(order) = book.open(id) else { return };
        (order.status, order.reason) = (status, reason);
        let (symbol, buy) = (order.symbol, order.buy);
        drop(book);
        self.0.instruments.order(symbol, buy, status);
    }
}

fn since(at: u64) -> Duration {
    Duration::from_nanos(time::monotonic().saturating_sub(at))
}
