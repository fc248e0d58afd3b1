//! Signals: where they go, what they say, and where it is seen what came of them.

use std::time::Duration;

use super::super::Wanted;
use super::super::effects::Metric;
use super::super::flow::Flow;
use super::super::kafka::Kafka;
use super::super::load::Segment;
use super::super::raw;
use super::super::shape::At;
use super::super::signal::{Acks, Consumer, Produce, Signal, Way};
use super::super::target::Target;
use super::super::template::{Piece, Slot, Template};
use super::super::value::{Value, ValueLaw};
use super::Check;
use super::template::{Scope, Stands};
use crate::base::text;
use crate::base::units;

/// A message without effect for so long is lost, where nothing is said.
const DEADLINE: Duration = Duration::from_secs(30);
/// Nobody waits longer.
const LONGEST: Duration = Duration::from_secs(3_600);

impl Check<'_, '_> {
    pub(super) fn signal(&mut self, raw: &raw::Signal, target: Option<&Target>, clusters: &[Kafka]) -> Option<Signal> {
        let deadline = raw.deadline.map_or(DEADLINE, |deadline| self.patience(&deadline));
        let (values, feeds) = self.named(raw.values.as_ref(), raw.data.as_ref());
        let mut scope = Scope { values: &values, feeds: &feeds, flow: true, ..Scope::default() };
        let mut message = self.message(raw, &mut scope);
        let mut id = self.filled(&raw.id, Stands::Body, &mut scope);
        let how = match (&raw.kafka, &raw.nats) {
            (Some(kafka), None) => self.within("kafka", |c| c.produce(kafka, clusters, deadline, &mut scope)),
            (None, Some(nats)) => self.within("nats", |c| c.publish(nats, deadline, &mut scope)),
            (None, None) if self.reader.is_broken_here() => None,
            _ => {
                let what = "signals go to one of `kafka` and `nats`";
                self.reader.wrong(raw.place, what, "write exactly one of the two");
                None
            }
        };
        let mut how = how?;
        if let Some(consumer) = raw.consumer.as_ref().filter(|_| raw.nats.is_some()) {
            let what = "a `consumer` is a group that reads a topic of Kafka";
            self.reader.wrong(consumer.place, what, "leave it out");
        }
        // A uuid that is the id is the shot's own: drawn by the plan it would be the same in every run.
        if let Some(own) = own_uuid(&id, &values) {
            let written = how.written.iter_mut().map(|(_, template)| template);
            let subject = match &mut how.way {
                Way::Nats { subject, .. } => Some(subject),
                Way::Kafka { .. } => None,
            };
            for template in [&mut message, &mut id].into_iter().chain(&mut how.key).chain(subject).chain(written) {
                template.replace(Slot::Drawn(own), Slot::Uuid);
            }
        }
        self.recognised(raw, &id, &message, &how);
        let effects = self.within("effects", |c| c.effects(&raw.effects, target, clusters));
        let unmatched = raw.unmatched.iter().flat_map(|exprs| &exprs.0).map(|expr| self.seen(expr)).collect();
        let lag = raw.consumer.as_ref().and_then(|consumer| consumer.lag.as_ref()).map(|expr| self.seen(expr));
        Some(Signal {
            how,
            message,
            id,
            effects: effects?,
            unmatched,
            deadline,
            consumer: raw.consumer.as_ref().map(|consumer| Consumer { group: consumer.group.value.clone(), lag }),
            flow: Flow { values, feeds, ..Flow::default() },
        })
    }

    /// A metric that says something of signals.
    pub(super) fn seen(&mut self, expr: &At<String>) -> Metric {
        self.promql(expr, Wanted::Value);
        Metric { expr: expr.value.clone(), place: expr.at }
    }

    /// Notes what signals, to which nobody replies, cannot have.
    pub(super) fn without_replies(&mut self, raw: &raw::Traffic, load: &[Segment]) {
        if let Some(to) = &raw.to {
            self.reader.wrong(to.at, "signals go to a topic, not to a service", "leave `to` out");
        }
        if let Some((name, _)) = raw.classes.iter().flat_map(|classes| &classes.0).next() {
            self.reader.wrong(name.at, "nobody replies to signals: there is nothing to class", "leave `classes` out");
        }
        let is_closed = load.iter().any(|segment| segment.saturate.is_some());
        if let Some(written) = raw.load.as_ref().filter(|_| is_closed) {
            let what = "a closed loop of signals: they have no connections that could be kept busy";
            self.reader.wrong(written.at, what, "state rates: `hold: { at: 50/s, for: 60s }`");
        }
    }

    fn message(&mut self, raw: &raw::Signal, scope: &mut Scope<'_>) -> Template {
        let mut message = Template::default();
        match (&raw.json, &raw.body) {
            (Some(json), None) => {
                self.within("json", |c| c.json_template(&json.value.0, json.at, scope, &mut message));
            }
            (None, Some(body)) => message = self.within("body", |c| c.filled(body, Stands::Body, scope)),
            (None, None) if self.reader.is_broken_here() => {}
            _ => {
                self.reader.wrong(raw.place, "a message is one of `json` and `body`", "write exactly one of the two");
            }
        }
        message
    }

    fn produce(
        &mut self,
        raw: &raw::Produce,
        clusters: &[Kafka],
        deadline: Duration,
        scope: &mut Scope<'_>,
    ) -> Option<Produce> {
        self.on_topic(&raw.on, &raw.topic, clusters);
        let (written, headers) = self.within("headers", |c| c.split_headers(raw.headers.as_ref(), scope));
        let timeout = self.acknowledged_within(raw.timeout.as_ref(), deadline);
        let topic = clusters.iter().find(|k| k.name == raw.on.value).and_then(|k| k.topic(&raw.topic.value));
        let partition = raw.partition.and_then(|partition| {
            let most = topic.map_or(i32::MAX as u64, |topic| u64::from(topic.partitions) - 1);
            if partition.value > most {
                let what = format!("`{}` has no partition {}", raw.topic.value, partition.value);
                self.reader.wrong(partition.at, what, format!("write 0 to {most}"));
            }
            u32::try_from(partition.value).ok()
        });
        Some(Produce {
            way: Way::Kafka { on: raw.on.value.clone(), topic: raw.topic.value.clone(), partition },
            key: raw.key.as_ref().map(|key| self.filled(key, Stands::Body, scope)),
            headers,
            written,
            acks: match raw.acks.as_ref().map(|acks| &acks.value) {
                Some(raw::Acks::Leader) => Acks::Leader,
                Some(raw::Acks::None) => Acks::None,
                Some(raw::Acks::All) | None => Acks::All,
            },
            timeout,
        })
    }

    fn publish(&mut self, raw: &raw::NatsPublish, deadline: Duration, scope: &mut Scope<'_>) -> Option<Produce> {
        let server = self.nats(&raw.server, raw.login.as_ref(), raw.tls.as_ref());
        let (written, headers) = self.within("headers", |c| c.split_headers(raw.headers.as_ref(), scope));
        let timeout = self.acknowledged_within(raw.timeout.as_ref(), deadline);
        if let Some(acks) = raw.acks.as_ref().filter(|acks| acks.value == raw::Acks::Leader) {
            let what = "a stream of JetStream acknowledges what it has, and its leader nothing by itself";
            self.reader.wrong(acks.at, what, "write all or 0");
        }
        let subject = self.filled(&raw.subject, Stands::Body, scope);
        let odd = |token: &str| token.is_empty() || token.contains(['*', '>']) || token.contains(char::is_whitespace);
        if subject.as_plain().is_some_and(|plain| plain.split('.').any(odd)) {
            let what = format!("`{}` is no subject to publish to", raw.subject.value);
            self.reader.wrong(raw.subject.at, what, "tokens with dots between them");
        }
        Some(Produce {
            way: Way::Nats { server: Box::new(server), subject },
            key: raw.key.as_ref().map(|key| self.filled(key, Stands::Body, scope)),
            headers,
            written,
            acks: match raw.acks.as_ref().map(|acks| &acks.value) {
                Some(raw::Acks::None) => Acks::None,
                _ => Acks::All,
            },
            timeout,
        })
    }

    fn acknowledged_within(&mut self, raw: Option<&At<Duration>>, deadline: Duration) -> Duration {
        let timeout = raw.map_or(deadline, |timeout| self.patience(timeout));
        if let Some(at) = raw.map(|t| t.at).filter(|_| timeout > deadline) {
            let what =
                format!("{} is longer than the deadline, {}", units::duration(timeout), units::duration(deadline));
            self.reader.wrong(at, what, "what is not acknowledged by then is over: leave `timeout` out");
        }
        timeout
    }

    /// A length of time that somebody waits for something.
    fn patience(&mut self, length: &At<Duration>) -> Duration {
        if length.value < Duration::from_millis(100) || length.value > LONGEST {
            self.reader.wrong(length.at, "not between 100ms and 1h", "write a length between");
        }
        length.value
    }

    /// Notes a cluster that there is not, and a topic that cannot be or that an embedded cluster does not have.
    pub(super) fn on_topic(&mut self, on: &At<String>, topic: &At<String>, clusters: &[Kafka]) {
        self.topic_name(topic);
        let Some(cluster) = clusters.iter().find(|cluster| cluster.name == on.value) else {
            let broken = self.broken_clusters();
            // One that is there and wrong has been told of, and where all of them cannot be read nobody knows.
            if broken.iter().any(|name| name.is_empty() || *name == on.value) {
                return;
            }
            let mut known: Vec<&str> = clusters.iter().map(|k| k.name.as_str()).collect();
            known.extend(broken.iter().map(String::as_str));
            let remedy = match known.as_slice() {
                [] => format!("add it: `kafka: {{ {}: {{ brokers: [HOST:PORT] }} }}`", on.value),
                known => text::suggest(&on.value, known.iter().copied()),
            };
            return self.reader.wrong(on.at, format!("there is no Kafka cluster `{}`", on.value), remedy);
        };
        if cluster.is_embedded() && cluster.topic(&topic.value).is_none() {
            let what = format!("the embedded cluster `{}` has no topic `{}`", on.value, topic.value);
            let remedy = format!("add it: `topics: {{ {}: {{ partitions: 6 }} }}`", topic.value);
            self.reader.wrong(topic.at, what, remedy);
        }
    }

    /// The names of clusters in which something is wrong, each once; an empty one where it is in all of them.
    fn broken_clusters(&self) -> Vec<String> {
        let of_clusters =
            self.reader.mistakes.iter().filter_map(|mistake| match mistake.path.strip_prefix("kafka")? {
                "" => Some(""),
                below => below.strip_prefix('.')?.split('.').next(),
            });
        let mut names: Vec<String> = of_clusters.map(str::to_owned).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Notes an id by which nothing could be recognised.
    fn recognised(&mut self, raw: &raw::Signal, id: &Template, message: &Template, how: &Produce) {
        if matches!(raw.effects, raw::Effects { metric: Some(_), .. }) || self.reader.is_broken_here() {
            return;
        }
        let Some(slot) = id.slots().find(|slot| matches!(slot, Slot::Uuid | Slot::Trace)) else {
            let what =
                format!("`{}` says nothing of the run: effects of another one would be taken for ours", raw.id.value);
            return self.reader.wrong(
                raw.id.at,
                what,
                "put {{uuid}} or {{trace}} in it, or name a value that is a uuid",
            );
        };
        let written = how.written.iter().map(|(_, template)| template);
        let subject = match &how.way {
            Way::Nats { subject, .. } => Some(subject),
            Way::Kafka { .. } => None,
        };
        // Of NATS the key is ours alone; its subject is in the message.
        let key = how.key.as_ref().filter(|_| subject.is_none());
        let mut carried = [message].into_iter().chain(key).chain(subject).chain(written).flat_map(Template::slots);
        // Every message has the trace in its header `traceparent`.
        if slot != Slot::Trace && !carried.any(|carried| carried == slot) {
            let what = format!("nothing in the message says `{}`", raw.id.value);
            self.reader.wrong(raw.id.at, what, "name it in the message, its key or a header");
        }
    }
}

/// The position of the uuid that is all of an id.
fn own_uuid(id: &Template, values: &[Value]) -> Option<usize> {
    match id.pieces.as_slice() {
        [Piece::Value(Slot::Drawn(position), _)] => {
            values.get(*position).is_some_and(|value| value.law == ValueLaw::Uuid).then_some(*position)
        }
        _ => None,
    }
}
