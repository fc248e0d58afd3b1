//! The platform as others see it: over HTTP, by its pages, and over Kafka.

mod api;
mod deciding;
mod kafka;
mod pages;

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::base::ask::{Ask, Told};
use crate::sim::Running;

/// A platform under test, and what it knows of itself.
struct Subject {
    running: Running,
    ledger: Ledger,
}

impl Subject {
    async fn start(kafka: Option<String>, settings: &[(&str, &str)]) -> Subject {
        let ledger = Ledger::default();
        let mut options = Options {
            kafka,
            truth: Truth::Memory(ledger.clone()),
            service_p50: Duration::from_millis(5),
            service_p95: Duration::from_millis(20),
            ..Options::default()
        };
        for (key, value) in settings {
            options.set(key, value).expect(key);
        }
        Subject { running: start(options).await.expect("starts"), ledger }
    }

    fn url(&self, service: &str) -> &str {
        let found = self.running.services().iter().find(|(name, _)| name == service);
        &found.expect("a service").1
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Told {
        let mut ask = Ask::new(method, &format!("{}{path}", self.url("backend"))).expect("an address");
        ask.headers.extend(token.map(|token| ("Authorization".to_owned(), format!("Bearer {token}"))));
        if !body.is_null() {
            ask.body = body.to_string();
        }
        ask.send(Duration::from_secs(10)).await.expect("answered")
    }

    async fn page(&self, service: &str) -> String {
        let ask = Ask::new("GET", &format!("{}/metrics", self.url(service))).expect("an address");
        let told = ask.send(Duration::from_secs(10)).await.expect("answered");
        String::from_utf8(told.body.to_vec()).expect("text")
    }

    /// The sum of all series of a metric whose labels contain `having`.
    async fn sum(&self, service: &str, metric: &str, having: &str) -> f64 {
        let page = self.page(service).await;
        let of = |line: &&str| line.split(['{', ' ']).next() == Some(metric) && line.contains(having);
        page.lines().filter(of).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Waits until the truth is as wanted; for ever is a few seconds.
    async fn until(&self, is_so: impl Fn(&Totals) -> bool) -> Totals {
        for _ in 0..1500 {
            if is_so(&self.ledger.totals()) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let totals = self.ledger.totals();
        assert!(is_so(&totals), "{totals:?}");
        totals
    }
}

fn json(told: &Told) -> Value {
    serde_json::from_slice(&told.body).unwrap_or(Value::Null)
}
