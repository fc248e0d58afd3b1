//! What is sent to the engine: signals and orders, read from JSON. What is wrong is told as its framework tells it.

use serde_json::{Value, json};

use super::super::trading::prices::symbol;

/// What a signal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// To hold more.
    Buy,
    /// To hold less.
    Sell,
    /// Nothing.
    Hold,
    /// To hold nothing.
    Close,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 4] = [Action::Buy, Action::Sell, Action::Hold, Action::Close];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Action::Buy => "buy",
            Action::Sell => "sell",
            Action::Hold => "hold",
            Action::Close => "close",
        }
    }
}

/// A signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Whose it is.
    pub strategy: String,
    /// Which of the symbols.
    pub symbol: usize,
    /// What it wants.
    pub action: Action,
    /// How certain it is, 0 to 1.
    pub confidence: f64,
    /// In units of the symbol.
    pub quantity: f64,
}

/// An order by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
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
}

/// What is wrong with a body: a list of places and reasons, for a 422.
pub type Wrong = Value;

/// Reads fields one by one and collects what is wrong.
struct Reader {
    body: Value,
    wrong: Vec<Value>,
}

impl Reader {
    fn new(body: &[u8]) -> Reader {
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        let mut reader = Reader { body, wrong: Vec::new() };
        if !reader.body.is_object() {
            reader.refuse("body", "a JSON object is needed");
        }
        reader
    }

    fn refuse(&mut self, field: &str, why: &str) {
        self.wrong.push(json!({ "loc": ["body", field], "msg": why, "type": "value_error" }));
    }

    fn text(&self, field: &str) -> Option<String> {
        self.body.get(field).and_then(Value::as_str).map(str::to_owned)
    }

    fn symbol(&mut self) -> usize {
        let known = self.text("symbol").and_then(|name| symbol(&name));
        if known.is_none() {
            self.refuse("symbol", "a symbol that is traded is needed, such as BTCUSDT");
        }
        known.unwrap_or_default()
    }

    /// A number above 0; `default` where it may be missing.
    fn amount(&mut self, field: &str, default: Option<f64>) -> f64 {
        let read = match self.body.get(field) {
            None | Some(Value::Null) => default,
            Some(value) => value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|n| *n > 0.0),
        };
        if read.is_none() {
            self.refuse(field, "a number above 0 is needed");
        }
        read.unwrap_or_default()
    }

    fn done<T>(self, read: T) -> Result<T, Wrong> {
        if self.wrong.is_empty() { Ok(read) } else { Err(json!({ "detail": self.wrong })) }
    }
}

/// Reads a signal.
pub fn signal(body: &[u8]) -> Result<Signal, Wrong> {
    let mut reader = Reader::new(body);
    let strategy = reader.text("strategy_id").or_else(|| reader.text("strategy"));
    if strategy.as_ref().is_none_or(String::is_empty) {
        reader.refuse("strategy_id", "it must say whose signal it is");
    }
    let symbol = reader.symbol();
    let wanted = reader.text("action").and_then(|word| Action::ALL.into_iter().find(|a| a.word() == word));
    if wanted.is_none() {
        reader.refuse("action", "it is one of buy, sell, hold, close");
    }
    let confidence = reader.body.get("confidence").and_then(Value::as_f64).filter(|c| (0.0..=1.0).contains(c));
    if confidence.is_none() {
        reader.refuse("confidence", "a number from 0 to 1 is needed");
    }
    let quantity = reader.amount("quantity", Some(0.01));
    reader.amount("current_price", None);
    let signal = Signal {
        strategy: strategy.unwrap_or_default(),
        symbol,
        action: wanted.unwrap_or(Action::Hold),
        confidence: confidence.unwrap_or_default(),
        quantity,
    };
    reader.done(signal)
}

/// Reads an order.
pub fn order(body: &[u8]) -> Result<Ask, Wrong> {
    let mut reader = Reader::new(body);
    let symbol = reader.symbol();
    let buy = match reader.text("side").as_deref() {
        Some("buy" | "BUY") => true,
        Some("sell" | "SELL") => false,
        _ => {
            reader.refuse("side", "it is buy or sell");
            false
        }
    };
    let market = match reader.text("type").as_deref() {
        None | Some("market" | "MARKET") => true,
        Some("limit" | "LIMIT") => false,
        Some(_) => {
            reader.refuse("type", "it is market or limit");
            true
        }
    };
    let amount = if reader.body.get("quantity").is_some() { "quantity" } else { "amount" };
    let quantity = reader.amount(amount, None);
    let price = if market { None } else { Some(reader.amount("price", None)) };
    let client = reader.text("client_order_id");
    reader.done(Ask { client, symbol, buy, market, quantity, price })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_and_mistakes_come_all_at_once() {
        let body =
            br#"{"strategy_id":"s1","symbol":"ETHUSDT","action":"close","confidence":0.7,"current_price":"3200.5"}"#;
        let read = signal(body).expect("a signal");
        assert_eq!((read.symbol, read.action, read.quantity), (1, Action::Close, 0.01));
        let wrong = signal(br#"{"symbol":"XRP","action":"wait","confidence":2}"#).expect_err("nonsense");
        let places: Vec<&str> = wrong["detail"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|w| w["loc"][1].as_str().expect("a field"))
            .collect();
        assert_eq!(places, ["strategy_id", "symbol", "action", "confidence", "current_price"]);
        assert!(signal(b"what").is_err());
    }

    #[test]
    fn orders_are_read() {
        let read = order(br#"{"symbol":"BTCUSDT","side":"sell","type":"limit","amount":"0.5","price":64000}"#);
        let read = read.expect("an order");
        assert_eq!((read.buy, read.market, read.quantity, read.price), (false, false, 0.5, Some(64000.0)));
        assert!(order(br#"{"symbol":"BTCUSDT","side":"sell","type":"limit","amount":1}"#).is_err(), "no price");
        assert!(order(br#"{"symbol":"BTCUSDT","side":"up","amount":1}"#).is_err());
    }
}
