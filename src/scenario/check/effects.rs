//! Where effects are seen.

use std::time::Duration;

use super::super::effects::{Effects, Poll, Reading, Seen, States, Webhook};
use super::super::kafka::Kafka;
use super::super::raw;
use super::super::shape::At;
use super::super::target::Target;
use super::Check;
use crate::base::net;

/// How often a reply is looked at for effects, where nothing is said.
const EVERY: Duration = Duration::from_millis(500);
/// Not more often than this.
const SHORTEST: Duration = Duration::from_millis(10);

impl Check<'_, '_> {
    /// Where effects are seen; the path is at `effects`.
    pub(super) fn effects(
        &mut self,
        raw: &raw::Effects,
        target: Option<&Target>,
        clusters: &[Kafka],
    ) -> Option<Effects> {
        let states = raw.states.as_ref().map(|states| self.within("states", |c| c.states(states))).unwrap_or_default();
        let seen = match (&raw.kafka, &raw.nats, &raw.webhook, &raw.poll, &raw.metric) {
            (Some(kafka), None, None, None, None) => self.within("kafka", |c| {
                c.on_topic(&kafka.on, &kafka.topic, clusters);
                let paths = [&kafka.pipeline, &kafka.state, &kafka.sequence];
                let reading = c.reading(&kafka.id, paths);
                Some(Seen::Kafka { on: kafka.on.value.clone(), topic: kafka.topic.value.clone(), reading: reading? })
            }),
            (None, Some(nats), None, None, None) => self.within("nats", |c| {
                let reading = c.reading(&nats.id, [&nats.pipeline, &nats.state, &nats.sequence]);
                c.on_subject((&nats.server, nats.login.as_ref(), nats.tls.as_ref()), &nats.subject, reading)
            }),
            (None, None, Some(webhook), None, None) => self.within("webhook", |c| {
                let (listen, path) = c.listening(&webhook.listen, webhook.path.as_ref());
                let reading = c.reading(&webhook.id, [&webhook.pipeline, &webhook.state, &webhook.sequence]);
                Some(Seen::Webhook(Webhook { listen, path, reading: reading? }))
            }),
            (None, None, None, Some(poll), None) => self.within("poll", |c| {
                let every = poll.every.map_or(EVERY, |every| every.value);
                if every < SHORTEST {
                    c.reader.wrong(poll.every.map_or(poll.place, |e| e.at), "too often", "write 10ms or more");
                }
                let list = poll.list.as_ref().map(|list| c.json_path(list));
                let reading = c.reading(&poll.id, [&poll.pipeline, &poll.state, &poll.sequence]);
                let (path, service) = (c.path(&poll.get), c.service(poll.to.as_ref(), target, poll.get.at));
                Some(Seen::Poll(Poll { path, service, every, list: list.flatten(), reading: reading? }))
            }),
            (None, None, None, None, Some(expr)) => Some(Seen::Metric(self.seen(expr))),
            (None, None, None, None, None) if self.reader.is_broken_here() => None,
            _ => {
                let what = "effects are seen at one of `kafka`, `nats`, `webhook`, `poll` and `metric`";
                self.reader.wrong(raw.place, what, "write exactly one of the five");
                None
            }
        };
        let stated = seen.as_ref().is_none_or(|seen| seen.reading().is_some_and(|reading| reading.state.is_some()));
        if let Some(states) = raw.states.as_ref().filter(|_| !stated) {
            let remedy = "add `state: $.status` beside `id`, or leave `states` out";
            self.reader.wrong(states.place, "nothing says where the state of an effect stands", remedy);
        }
        Some(Effects { seen: seen?, states })
    }

    fn states(&mut self, raw: &raw::States) -> States {
        let words = |given: &raw::OneOrMany<String>| given.0.iter().map(|word| word.value.clone()).collect::<Vec<_>>();
        let given = [Some(&raw.ok), raw.failed.as_ref(), raw.skipped.as_ref()];
        let mut seen: Vec<&str> = Vec::new();
        for word in given.into_iter().flatten().flat_map(|words| &words.0) {
            if seen.contains(&word.value.as_str()) {
                let what = format!("`{}` means two things", word.value);
                self.reader.wrong(word.at, what, "name each state once");
            }
            seen.push(&word.value);
        }
        let [ok, failed, skipped] = given.map(|given| given.map(words).unwrap_or_default());
        States { ok, failed, skipped }
    }

    /// Where states are told of what a pipeline has started, in messages of a topic; the path is at `kafka`.
    pub(super) fn states_on_topic(&mut self, raw: &raw::KafkaStates, clusters: &[Kafka]) -> Option<Seen> {
        self.on_topic(&raw.on, &raw.topic, clusters);
        let reading = self.told_of(&raw.id, &raw.state);
        Some(Seen::Kafka { on: raw.on.value.clone(), topic: raw.topic.value.clone(), reading: reading? })
    }

    /// The same in what is posted; the path is at `webhook`.
    pub(super) fn states_posted(&mut self, raw: &raw::Webhook) -> Option<Seen> {
        let (listen, path) = self.listening(&raw.listen, raw.path.as_ref());
        Some(Seen::Webhook(Webhook { listen, path, reading: self.told_of(&raw.id, &raw.state)? }))
    }

    /// The same on a subject of NATS; the path is at `nats`.
    pub(super) fn states_on_subject(&mut self, raw: &raw::NatsStates) -> Option<Seen> {
        let reading = self.told_of(&raw.id, &raw.state);
        self.on_subject((&raw.server, raw.login.as_ref(), raw.tls.as_ref()), &raw.subject, reading)
    }

    fn told_of(&mut self, id: &At<String>, state: &At<String>) -> Option<Reading> {
        let (id, state) = (self.json_path(id), self.json_path(state));
        Some(Reading { id: id?, pipeline: None, state: Some(state?), sequence: None })
    }

    /// A place of our own on which is listened, which must be known beforehand, and the path there.
    fn listening(&mut self, listen: &At<String>, path: Option<&At<String>>) -> (String, String) {
        if net::split_host(&listen.value, 0).is_none_or(|(_, port)| port == 0) {
            let what = format!("`{}` is no place to listen on", listen.value);
            self.reader.wrong(listen.at, what, "write HOST:PORT, such as 127.0.0.1:9009");
        }
        (listen.value.clone(), path.map_or_else(|| "/".to_owned(), |path| self.path(path)))
    }

    fn reading(&mut self, id: &At<String>, [pipeline, state, sequence]: [&Option<At<String>>; 3]) -> Option<Reading> {
        let id = self.json_path(id);
        let mut path = |path: &Option<At<String>>| path.as_ref().map(|path| self.json_path(path));
        let (pipeline, state, sequence) = (path(pipeline), path(state), path(sequence));
        Some(Reading { id: id?, pipeline: pipeline.flatten(), state: state.flatten(), sequence: sequence.flatten() })
    }
}
