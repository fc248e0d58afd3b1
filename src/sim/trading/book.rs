//! Orders and where they stand. The oldest are forgotten, so that it does not grow.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};

use super::prices::SYMBOLS;

/// So many orders are remembered.
const MOST: usize = 65_536;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The exchange has it.
    New,
    /// A part of it was filled.
    PartiallyFilled,
    /// All of it was.
    Filled,
    /// It was taken back.
    Canceled,
    /// Nobody took it.
    Rejected,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 5] =
        [Status::New, Status::PartiallyFilled, Status::Filled, Status::Canceled, Status::Rejected];

    /// As the exchange has it.
    pub fn word(self) -> &'static str {
        match self {
            Status::New => "NEW",
            Status::PartiallyFilled => "PARTIALLY_FILLED",
            Status::Filled => "FILLED",
            Status::Canceled => "CANCELED",
            Status::Rejected => "REJECTED",
        }
    }

    /// As the metrics have it.
    pub fn label(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::PartiallyFilled => "partially_filled",
            Status::Filled => "filled",
            Status::Canceled => "canceled",
            Status::Rejected => "rejected",
        }
    }

    /// Whether nothing more comes of it.
    pub fn is_end(self) -> bool {
        matches!(self, Status::Filled | Status::Canceled | Status::Rejected)
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What whoever sent it calls it.
    pub client: Option<String>,
    /// Which of the symbols.
    pub symbol: usize,
    /// Whether it buys.
    pub buy: bool,
    /// Whether it takes what there is.
    pub market: bool,
    /// In units of the symbol.
    pub quantity: f64,
    /// In dollars; of a market order none.
    pub price: Option<f64>,
    /// How much of it was filled.
    pub filled: f64,
    /// At what price on average; 0 before anything was.
    pub average: f64,
    /// Where it stands.
    pub status: Status,
    /// Why it was rejected.
    pub reason: Option<&'static str>,
}

impl Order {
    /// As it is told.
    pub fn document(&self, id: u64) -> Value {
        json!({
            "order_id": name(id),
            "client_order_id": self.client,
            "symbol": SYMBOLS[self.symbol],
            "side": if self.buy { "BUY" } else { "SELL" },
            "type": if self.market { "MARKET" } else { "LIMIT" },
            "quantity": self.quantity,
            "price": self.price,
            "filled_quantity": self.filled,
            "average_price": self.average,
            "status": self.status.word(),
            "reason": self.reason,
        })
    }

    /// A part of it is filled. The quantity is not more than what is left of it.
    pub fn fill(&mut self, quantity: f64, price: f64) {
        self.average = (self.average * self.filled + price * quantity) / (self.filled + quantity);
        self.filled += quantity;
        let all = self.filled >= self.quantity * (1.0 - 1e-9);
        self.status = if all { Status::Filled } else { Status::PartiallyFilled };
    }
}

/// What an order is called.
pub fn name(id: u64) -> String {
    format!("ord-{id}")
}

/// Which order is meant.
pub fn id(name: &str) -> Option<u64> {
    name.strip_prefix("ord-")?.parse().ok()
}

/// The orders of late.
#[derive(Debug, Default)]
pub struct Book {
    orders: HashMap<u64, Order>,
    by_client: HashMap<String, u64>,
    oldest: VecDeque<u64>,
    last: u64,
}

impl Book {
    /// Takes an order in; the one that has the name already, where its client sent it twice.
    pub fn enter(&mut self, order: Order) -> Result<u64, u64> {
        if let Some(known) = order.client.as_ref().and_then(|client| self.by_client.get(client)) {
            return Err(*known);
        }
        if self.oldest.len() == MOST
            && let Some(old) = self.oldest.pop_front()
            && let Some(Order { client: Some(client), .. }) = self.orders.remove(&old)
        {
            self.by_client.remove(&client);
        }
        self.last += 1;
        if let Some(client) = &order.client {
            self.by_client.insert(client.clone(), self.last);
        }
        self.oldest.push_back(self.last);
        self.orders.insert(self.last, order);
        Ok(self.last)
    }

    /// An order, to be read.
    pub fn get(&self, id: u64) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// An order that is not over, to be changed.
    pub fn open(&mut self, id: u64) -> Option<&mut Order> {
        self.orders.get_mut(&id).filter(|order| !order.status.is_end())
    }

    /// How many are not over.
    pub fn count_open(&self) -> usize {
        self.orders.values().filter(|order| !order.status.is_end()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(client: &str) -> Order {
        Order {
            client: Some(client.into()),
            symbol: 0,
            buy: true,
            market: false,
            quantity: 1.0,
            price: Some(10.0),
            filled: 0.0,
            average: 0.0,
            status: Status::New,
            reason: None,
        }
    }

    #[test]
    fn an_order_sent_twice_is_one_and_the_oldest_are_forgotten() {
        let mut book = Book::default();
        let first = book.enter(order("a")).expect("new");
        assert_eq!(book.enter(order("a")), Err(first));
        for n in 1..=MOST {
            book.enter(order(&format!("b{n}"))).expect("new");
        }
        assert!(book.get(first).is_none() && book.by_client.len() == MOST && book.orders.len() == MOST);
        assert!(book.enter(order("a")).is_ok(), "its name is free again");
    }

    #[test]
    fn parts_make_a_whole() {
        let mut book = Book::default();
        let id = book.enter(order("a")).expect("new");
        book.open(id).expect("open").fill(0.4, 10.0);
        assert_eq!(book.get(id).map(|o| o.status), Some(Status::PartiallyFilled));
        book.open(id).expect("open").fill(0.6, 20.0);
        let filled = book.get(id).expect("known").clone();
        assert_eq!((filled.status, filled.average), (Status::Filled, 16.0));
        assert!(book.open(id).is_none() && book.count_open() == 0);
        assert_eq!(filled.document(id)["status"], "FILLED");
        assert_eq!(super::id(&name(id)), Some(id));
    }
}
