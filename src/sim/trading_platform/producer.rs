//! What goes to Kafka: effects of executions, and the signals that the generator makes.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;
use tokio::sync::mpsc;

use crate::base::seed::{Seed, Stream};
use crate::base::time::{monotonic, wall};

use super::backend::moment;
use super::consumer::SIGNALS;
use super::ids::Ids;
use super::instruments::{self, GENERATOR};
use super::pipelines::{SIGNAL_TYPES, TICKERS};
use super::platform::{News, Platform};
use super::signal::Signal;
use super::truth::Deed;

/// Where effects go.
pub const EFFECTS: &str = "executions";

/// A producer that loses nothing while the cluster is away for less than its patience. The error is a wrong address.
pub fn producer(kafka: &str, patience: Duration) -> KafkaResult<FutureProducer> {
    ClientConfig::new()
        .set("bootstrap.servers", kafka)
        .set("client.id", "trading-platform")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", patience.as_millis().to_string())
        .set("linger.ms", "1")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "500")
        .create()
}

/// Hands a message over, as soon as there is a place for it.
async fn hand_over(producer: &FutureProducer, topic: &str, key: &str, payload: &str) -> KafkaResult<DeliveryFuture> {
    loop {
        match producer.send_result(FutureRecord::to(topic).key(key).payload(payload)) {
            Ok(delivery) => return Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

/// Publishes effects for ever, in the order in which they come.
pub async fn publish(platform: Arc<Platform>, producer: FutureProducer, mut news: mpsc::UnboundedReceiver<News>) {
    while let Some(News { execution, id }) = news.recv().await {
        let cause = execution.cause.as_ref();
        let key = cause.map_or(&*execution.symbol, |cause| &*cause.key);
        let payload = json!({
            "signal_id": cause.map(|cause| &*cause.signal),
            "pipeline_id": platform.pipelines.id(execution.pipeline),
            "execution_id": id,
            "status": execution.state.name(),
            "seq": cause.map(|cause| cause.sequence),
            "trigger_mode": execution.trigger.label(),
            "timestamp": moment(wall()),
        });
        let delivery = hand_over(&producer, EFFECTS, key, &payload.to_string()).await;
        let platform = platform.clone();
        tokio::spawn(async move {
            let delivered = match delivery {
                Ok(delivery) => matches!(delivery.await, Ok(Ok(_))),
                Err(_) => false,
            };
            if !delivered {
                platform.log.write(|| Deed::Unpublished { execution: id });
            }
        });
    }
}

/// Makes signals.
pub struct Generator {
    /// Where they go.
    pub producer: FutureProducer,
    /// Where that is counted.
    pub metrics: Arc<instruments::Generator>,
    /// How long one waits for the next.
    pub every: Duration,
    /// Where they are drawn from.
    pub chance: Stream,
}

impl Generator {
    /// Draws from a seed, so many a second; `None` where it is none at all.
    pub fn new(
        platform: &Platform,
        producer: FutureProducer,
        metrics: Arc<instruments::Generator>,
    ) -> Option<Generator> {
        let rate = platform.options.signals.hertz();
        let every = Duration::from_secs_f64(1.0 / rate.max(1e-6));
        let chance = Seed(platform.options.seed).stream("signals");
        (rate > 0.0).then_some(Generator { producer, metrics, every, chance })
    }

    /// Makes signals for ever.
    pub async fn run(mut self) {
        let ids = Ids::salted("signal", wall() as u64);
        let mut ticks = tokio::time::interval(self.every);
        for number in 0.. {
            ticks.tick().await;
            let from = monotonic();
            let mut of = |all: &[&'static str]| all[(self.chance.unit() * all.len() as f64) as usize % all.len()];
            let (kind, ticker) = (of(&SIGNAL_TYPES), of(&TICKERS));
            let signal = Signal {
                id: ids.id(number).into(),
                kind: kind.into(),
                source: GENERATOR.into(),
                tickers: vec![ticker.into()],
                key: ticker.into(),
            };
            let payload = signal.payload(wall(), (self.chance.unit() * 1000.0).round() / 10.0);
            self.metrics.generated.with([kind, GENERATOR]).inc();
            self.metrics.generation.with([kind]).observe_duration(Duration::from_nanos(monotonic() - from));
            let from = monotonic();
            let delivery = hand_over(&self.producer, SIGNALS, ticker, &payload).await;
            let metrics = self.metrics.clone();
            tokio::spawn(async move {
                let error = match delivery {
                    Ok(delivery) => match delivery.await {
                        Ok(Ok(_)) => None,
                        Ok(Err((error, _))) => Some(error),
                        Err(_) => Some(KafkaError::Canceled),
                    },
                    Err(error) => Some(error),
                };
                metrics.publishing.with([kind]).observe_duration(Duration::from_nanos(monotonic() - from));
                match error {
                    None => metrics.published.with([kind]).inc(),
                    Some(error) => metrics.failed.with([kind, named(&error)]).inc(),
                }
            });
        }
    }
}

/// The label `error_type`.
fn named(error: &KafkaError) -> &'static str {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageTimedOut) => "timeout",
        Some(RDKafkaErrorCode::MessageSizeTooLarge) => "too_large",
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => "unknown_topic",
        _ => "other",
    }
}
