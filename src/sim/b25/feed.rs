//! `market-data`: feeds of exchanges over WebSockets, whose messages are numbered; what is missing, and when a feed was lost.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::fleet::Requests;
use super::super::metrics::{Both, Counter, Family, Gauge, Histogram, Registry};
use super::super::trading::chance::{Chance, lock};
use super::super::trading::prices::SYMBOLS;
use super::market::{EXCHANGES, Sequence};
use super::orders::HFT_MS;
use super::world::World;
use crate::base::time;

/// Messages of one feed in one beat.
const MESSAGES: u64 = 25;
/// How long a feed that was lost stays away, in beats.
const AWAY: u64 = 10;
/// Latencies of high-frequency trading, in seconds.
const HFT_SECONDS: &[f64] = &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1];
/// Levels of an order book on one side.
const LEVELS: f64 = 20.0;

/// One feed.
struct Feed {
    name: &'static str,
    sent: AtomicU64, // the number of its last message
    read: Mutex<Sequence>,
    connected: Gauge,
    messages: Counter,
    reconnections: Counter,
    gaps: Counter,
    updated: Gauge,
    message: Histogram,
    websocket: Both,
    websocket_seconds: Histogram,
}

/// The service.
pub struct Feeds {
    world: Arc<World>,
    labels: [String; 3],
    feeds: Vec<Feed>,
    depth: Family<Gauge, 6>,
    beats: AtomicU64,
    pulse: Duration,
    chance: Chance,
}

impl Feeds {
    /// Declares its metrics; `pulse` is from one beat to the next.
    pub fn new(world: Arc<World>, registry: &mut Registry, requests: &Requests, pulse: Duration) -> Feeds {
        const BY: [&str; 4] = ["service", "environment", "version", "exchange"];
        let [service, environment, version] = requests.labels();
        let r = registry;
        let connected = r.gauges(
            "market_data_websocket_connected",
            "Whether the feed of an exchange is connected",
            ["service", "environment", "version", "exchange", "status"],
        );
        let messages = r.counters("market_data_messages_processed_total", "Messages of market data", BY);
        let reconnections = r.counters("market_data_reconnections_total", "Times that a feed was connected again", BY);
        let gaps = r.counters("market_data_gaps_detected_total", "Gaps in the numbers of a feed's messages", BY);
        let updated = r.gauges(
            "market_data_orderbook_updated_timestamp_seconds",
            "When the order book was last updated, in Unix time",
            BY,
        );
        let message =
            r.histograms("market_data_message_latency_ms", "From the exchange to here, in milliseconds", BY, HFT_MS);
        let websocket: Family<Both, 4> =
            r.family("market_data_websocket_latency_ms", "From the socket to the book, in milliseconds", BY, HFT_MS);
        let seconds = r.histograms(
            "market_data_websocket_latency_seconds",
            "From the socket to the book, in seconds",
            BY,
            HFT_SECONDS,
        );
        let depth = r.gauges(
            "market_data_orderbook_depth_levels",
            "Levels of an order book, by side",
            ["service", "environment", "version", "exchange", "symbol", "side"],
        );
        let feed = |name| {
            let by = [service, environment, version, name];
            Feed {
                name,
                sent: AtomicU64::new(0),
                read: Mutex::default(),
                connected: connected.with([service, environment, version, name, "connected"]),
                messages: messages.with(by),
                reconnections: reconnections.with(by),
                gaps: gaps.with(by),
                updated: updated.with(by),
                message: message.with(by),
                websocket: websocket.with(by),
                websocket_seconds: seconds.with(by),
            }
        };
        Feeds {
            labels: requests.labels().map(str::to_owned),
            feeds: EXCHANGES.into_iter().map(feed).collect(),
            depth,
            beats: AtomicU64::new(0),
            pulse,
            chance: world.stream("market data"),
            world,
        }
    }

    /// What comes in meanwhile.
    pub fn beat(&self) {
        let options = &self.world.options;
        let beat = self.beats.fetch_add(1, Relaxed) + 1;
        let every = options.disconnects.as_nanos() / self.pulse.as_nanos().max(1);
        for (i, feed) in self.feeds.iter().enumerate() {
            // Feeds are lost in turns, never both at once.
            let phase = u128::from(beat) + every * i as u128 / self.feeds.len() as u128;
            let away = every > 0 && u128::from(beat) > every / 2 && phase % every < u128::from(AWAY);
            let is_there = options.disconnected != Some(feed.name) && !away;
            let was_there = feed.connected.get() == 1.0;
            feed.connected.set(f64::from(u8::from(is_there)));
            match (was_there, is_there) {
                (false, true) if beat > 1 => {
                    feed.reconnections.inc();
                    lock(&feed.read).restart();
                    self.messages(feed);
                }
                (_, true) => self.messages(feed),
                (_, false) => _ = feed.sent.fetch_add(MESSAGES, Relaxed), // it goes on without us
            }
        }
    }

    fn messages(&self, feed: &Feed) {
        for _ in 0..MESSAGES {
            let lost = self.chance.draw() < self.world.options.gaps.fraction();
            let skipped = if lost { 1 + (self.chance.draw() * 3.0) as u64 } else { 0 };
            let number = feed.sent.fetch_add(1 + skipped, Relaxed) + 1 + skipped;
            if lock(&feed.read).take(number) > 0 {
                feed.gaps.inc();
            }
            let (far, near) = (self.chance.draw(), self.chance.draw());
            feed.message.observe(0.15 + 2.0 * far * far);
            let to_book = 0.1 + 0.6 * near * near;
            feed.websocket.observe(to_book);
            feed.websocket_seconds.observe(to_book / 1e3);
            feed.messages.inc();
        }
        feed.updated.set(time::wall() as f64 / 1e9);
        let [service, environment, version] = [&self.labels[0], &self.labels[1], &self.labels[2]].map(String::as_str);
        for symbol in SYMBOLS {
            for side in ["bid", "ask"] {
                let levels = LEVELS - (3.0 * self.chance.draw()).floor();
                self.depth.with([service, environment, version, feed.name, symbol, side]).set(levels);
            }
        }
    }
}
