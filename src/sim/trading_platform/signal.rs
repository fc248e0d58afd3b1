//! Signals as they travel.

use std::sync::Arc;

use serde_json::{Value, json};

use super::backend::moment;

/// A signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal {
    /// Its id.
    pub id: Arc<str>,
    /// What it says, such as `golden_cross`.
    pub kind: String,
    /// Who made it.
    pub source: String,
    /// What it is about.
    pub tickers: Vec<String>,
    /// The key that it came by: what must stay in order. Where it had none, its first ticker.
    pub key: Arc<str>,
}

impl Signal {
    /// Reads a message; `None` when it is no signal.
    pub fn read(key: Option<&[u8]>, payload: Option<&[u8]>) -> Option<Signal> {
        let body: Value = serde_json::from_slice(payload?).ok()?;
        let tickers = body["tickers"].as_array()?.iter().map(|t| t["ticker"].as_str().map(str::to_owned));
        let tickers: Vec<String> = tickers.collect::<Option<_>>()?;
        let key = match key {
            Some(key) => String::from_utf8_lossy(key).into_owned(),
            None => tickers.first().cloned().unwrap_or_default(),
        };
        Some(Signal {
            id: body["signal_id"].as_str()?.into(),
            kind: body["signal_type"].as_str()?.into(),
            source: body["source"].as_str().unwrap_or_default().into(),
            tickers,
            key: key.into(),
        })
    }

    /// As a message, made at an instant in nanoseconds since the Unix epoch.
    pub fn payload(&self, at: i64, confidence: f64) -> String {
        let tickers: Vec<Value> = self
            .tickers
            .iter()
            .map(|ticker| json!({ "ticker": ticker, "signal": "BULLISH", "confidence": confidence }))
            .collect();
        json!({
            "signal_id": *self.id,
            "signal_type": self.kind,
            "source": self.source,
            "timestamp": moment(at),
            "tickers": tickers,
            "metadata": {},
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_read_as_it_was_written() {
        let signal = Signal {
            id: "s-1".into(),
            kind: "golden_cross".into(),
            source: "practice".into(),
            tickers: vec!["AAPL".into(), "MSFT".into()],
            key: "AAPL".into(),
        };
        let text = signal.payload(1_700_000_000_000_000_000, 87.0);
        assert!(text.contains("2023-11-14T22:13:20.000Z"), "{text}");
        assert_eq!(Signal::read(None, Some(text.as_bytes())), Some(signal.clone()));
        let keyed = Signal::read(Some(b"k"), Some(text.as_bytes())).expect("a signal");
        assert_eq!(&*keyed.key, "k");
        for bad in ["", "{}", "[1]", r#"{"signal_id":"x","signal_type":"y","tickers":[{}]}"#] {
            assert_eq!(Signal::read(None, Some(bad.as_bytes())), None, "{bad}");
        }
        assert_eq!(Signal::read(None, None), None);
    }
}
