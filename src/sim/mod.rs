//! Practice targets: one file or folder per trading system. They share nothing with what measures them.

pub mod b25;
pub mod calibrator;
mod client;
pub mod fleet;
mod knobs;
pub mod metrics;
pub mod quantum_trader;
pub mod queue;
pub mod quote_service;
pub mod tradeengine;
mod trading;
pub mod trading_platform;

use std::future::Future;
use std::io;

use tokio::task::JoinSet;

use crate::base::text::suggest;

/// The trading systems that have a practice target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// A Solana quote service: prices from a cache, from pools and from external quoters.
    QuoteService,
    /// Pipelines that are started over HTTP and by signals on Kafka: four services.
    TradingPlatform,
    /// Five services: signals from an AI engine, execution, risk, portfolio, training.
    QuantumTrader,
    /// Seven services of high-frequency trading.
    B25,
    /// An engine that trades on signals.
    TradeEngine,
    /// No trading system: a server that does no work, for holding the sender itself against.
    Calibrator,
    /// No trading system: a queue with a known law, for holding a search for capacity against.
    Queue,
}

impl System {
    /// All of them.
    pub const ALL: &'static [System] = &[
        System::QuoteService,
        System::TradingPlatform,
        System::QuantumTrader,
        System::B25,
        System::TradeEngine,
        System::Calibrator,
        System::Queue,
    ];

    /// What it is called after `sim:` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            System::QuoteService => "quote-service",
            System::TradingPlatform => "trading-platform",
            System::QuantumTrader => "quantum-trader",
            System::B25 => "b25",
            System::TradeEngine => "tradeengine",
            System::Calibrator => "calibrator",
            System::Queue => "queue",
        }
    }

    /// Whether it comes to a Kafka cluster.
    pub fn takes_kafka(self) -> bool {
        self == System::TradingPlatform
    }

    /// Its services, where it has more than one.
    pub fn services(self) -> &'static [&'static str] {
        match self {
            System::TradingPlatform => &trading_platform::SERVICES,
            System::QuantumTrader => &quantum_trader::SERVICES,
            System::B25 => &b25::SERVICES,
            System::QuoteService | System::TradeEngine | System::Calibrator | System::Queue => &[],
        }
    }

    /// The system of this name; the error says which there are.
    pub fn named(name: &str) -> Result<System, String> {
        System::ALL.iter().copied().find(|system| system.name() == name).ok_or_else(|| {
            format!("`{name}` is no practice target: {}", suggest(name, System::ALL.iter().map(|s| s.name())))
        })
    }
}

/// A setting of a practice target, for help texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// What stands before the `=`.
    pub name: &'static str,
    /// What it is when nobody sets it, as one would write it.
    pub default: String,
    /// One line.
    pub help: &'static str,
}

/// A practice target at work. It stops when dropped; [`Running::stop`] also waits for it and closes its files.
pub struct Running {
    services: Vec<(String, String)>,
    tasks: JoinSet<()>,
    announced: Option<Box<dyn FnOnce() + Send>>,
    closing: Option<Box<dyn FnOnce() -> io::Result<()> + Send>>,
}

impl Running {
    fn new(services: Vec<(String, String)>, tasks: JoinSet<()>) -> Running {
        Running { services, tasks, announced: None, closing: None }
    }

    /// Its services by name, each with its address, such as `http://127.0.0.1:8080`; one that answers in several places stands
    /// here as often.
    pub fn services(&self) -> &[(String, String)] {
        &self.services
    }

    /// The one line of JSON by which a run learns where the services are: `{"services": {name: url}}`, or a list of addresses
    /// where there are several.
    pub fn ready_line(&self) -> String {
        let mut services: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
        for (name, url) in &self.services {
            let url = serde_json::Value::from(url.clone());
            match services.get_mut(name) {
                None => _ = services.insert(name.clone(), url),
                Some(serde_json::Value::Array(all)) => all.push(url),
                Some(one) => *one = vec![one.take(), url].into(),
            }
        }
        serde_json::json!({ "services": services }).to_string()
    }

    /// The line that says that it is ready is out: what was held back for its sake may follow.
    pub fn announced(&mut self) {
        if let Some(announced) = self.announced.take() {
            announced();
        }
    }

    /// Ends it, requests in flight included. The error is that of a file which could not be written to its end.
    pub async fn stop(mut self) -> io::Result<()> {
        self.tasks.shutdown().await;
        self.closing.take().map_or(Ok(()), |close| close())
    }

    /// Lets it work until `shutdown` is done, then stops it.
    pub async fn until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        shutdown.await;
        self.stop().await
    }
}

/// Done when `input` ends: the lease of a target on the process that started it and holds the other end. Reading
/// blocks, so it has a thread of its own; that thread stays behind when nobody waits any more.
pub async fn end_of_input(mut input: impl io::Read + Send + 'static) {
    let (sender, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut sink = [0; 256];
        loop {
            match input.read(&mut sink) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break, // nobody can hold a lease that cannot be read
            }
        }
        let _ = sender.send(());
    });
    let _ = ended.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_found_by_name() {
        assert_eq!(System::named("quote-service"), Ok(System::QuoteService));
        let error = System::named("quote-servce").expect_err("a slip");
        assert!(error.contains("did you mean `quote-service`?"), "{error}");
    }

    #[tokio::test]
    async fn a_lease_ends_with_its_input() {
        end_of_input(io::Cursor::new(b"whatever was written".to_vec())).await;
        let (reader, writer) = io::pipe().expect("a pipe");
        let ended = tokio::spawn(end_of_input(reader));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert!(!ended.is_finished());
        drop(writer);
        ended.await.expect("ends");
    }

    #[test]
    fn the_ready_line_names_the_services() {
        let running = Running::new(vec![("api".into(), "http://127.0.0.1:1".into())], JoinSet::new());
        assert_eq!(running.ready_line(), r#"{"services":{"api":"http://127.0.0.1:1"}}"#);
    }
}
