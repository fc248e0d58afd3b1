//! Where effects are seen.

use std::time::Duration;

use super::super::effects::{Effects, Poll, Reading, Seen, States};
use super::super::kafka::Kafka;
use super::super::raw;
use super::super::shape::At;
use super::super::target::Target;
use super::Check;

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
        let seen = match (&raw.kafka, &raw.poll, &raw.metric) {
            (Some(kafka), None, None) => self.within("kafka", |c| {
                c.on_topic(&kafka.on, &kafka.topic, clusters);
                let paths = [&kafka.pipeline, &kafka.state, &kafka.sequence];
                let reading = c.reading(&kafka.id, paths);
                Some(Seen::Kafka { on: kafka.on.value.clone(), topic: kafka.topic.value.clone(), reading: reading? })
            }),
            (None, Some(poll), None) => self.within("poll", |c| {
                let every = poll.every.map_or(EVERY, |every| every.value);
                if every < SHORTEST {
                    c.reader.wrong(poll.every.map_or(poll.place, |e| e.at), "too often", "write 10ms or more");
                }
                let list = poll.list.as_ref().map(|list| c.json_path(list));
                let reading = c.reading(&poll.id, [&poll.pipeline, &poll.state, &poll.sequence]);
                let (path, service) = (c.path(&poll.get), c.service(poll.to.as_ref(), target, poll.get.at));
                Some(Seen::Poll(Poll { path, service, every, list: list.flatten(), reading: reading? }))
            }),
            (None, None, Some(expr)) => Some(Seen::Metric(self.seen(expr))),
            (None, None, None) if self.reader.is_broken_here() => None,
            _ => {
                let what = "effects are seen at one of `kafka`, `poll` and `metric`";
                self.reader.wrong(raw.place, what, "write exactly one of the three");
                None
            }
        };
        let stated = match &seen {
            Some(Seen::Kafka { reading, .. } | Seen::Poll(Poll { reading, .. })) => reading.state.is_some(),
            Some(Seen::Metric(_)) => false,
            None => true,
        };
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

    fn reading(&mut self, id: &At<String>, [pipeline, state, sequence]: [&Option<At<String>>; 3]) -> Option<Reading> {
        let id = self.json_path(id);
        let mut path = |path: &Option<At<String>>| path.as_ref().map(|path| self.json_path(path));
        let (pipeline, state, sequence) = (path(pipeline), path(state), path(sequence));
        Some(Reading { id: id?, pipeline: pipeline.flatten(), state: state.flatten(), sequence: sequence.flatten() })
    }
}
