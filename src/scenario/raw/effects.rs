//! Where effects are seen.

use std::time::Duration;

use super::NatsEffects;
use super::request::OneOrMany;
use crate::scenario::shape::At;

record! {
    /// Where effects are seen: exactly one of kafka, nats, webhook, poll and metric.
    pub struct Effects {
        /// On a topic of a Kafka cluster.
        kafka: Option<KafkaEffects>,
        /// On a subject of NATS.
        nats: Option<NatsEffects>,
        /// In what the target posts to a place where the run listens.
        webhook: Option<WebhookEffects>,
        /// In the reply to a request that is repeated.
        poll: Option<PollEffects>,
        /// In a counter of the target's metrics: how many, not which.
        metric: Option<At<String>>,
        /// What states mean; where left out, any effect is the end of its signal.
        states: Option<States>,
    }
}

record! {
    /// Messages of a topic.
    pub struct KafkaEffects {
        /// The name of the cluster.
        on: At<String>,
        /// The topic.
        topic: At<String>,
        /// Where the id of what we sent stands; JSONPath.
        id: At<String>,
        /// Where the pipeline stands, if one signal may start several; JSONPath.
        pipeline: Option<At<String>>,
        /// Where the state stands; JSONPath.
        state: Option<At<String>>,
        /// Where a number stands that rises with each effect of a key; JSONPath.
        sequence: Option<At<String>>,
    }
}

record! {
    /// A place where the run listens, and what is posted there: one effect each time.
    pub struct WebhookEffects {
        /// HOST:PORT on which the run listens; what the target is told to call is up to the scenario.
        listen: At<String>,
        /// The path of the posts; / when left out.
        path: Option<At<String>>,
        /// Where the id of what we sent stands; JSONPath.
        id: At<String>,
        /// Where the pipeline stands, if one signal may start several; JSONPath.
        pipeline: Option<At<String>>,
        /// Where the state stands; JSONPath.
        state: Option<At<String>>,
        /// Where a number stands that rises with each effect of a key; JSONPath.
        sequence: Option<At<String>>,
    }
}

record! {
    /// A request whose reply says which effects there are.
    pub struct PollEffects {
        /// The path to get.
        get: At<String>,
        /// How often; 500ms when left out.
        every: Option<At<Duration>>,
        /// Where the list of effects stands; JSONPath. The whole reply is one effect when left out.
        list: Option<At<String>>,
        /// Where, in each of them, the id of what we sent stands; JSONPath.
        id: At<String>,
        /// Where, in each of them, the pipeline stands, if one signal may start several; JSONPath.
        pipeline: Option<At<String>>,
        /// Where, in each of them, the state stands; JSONPath.
        state: Option<At<String>>,
        /// Where, in each of them, a number stands that rises with each effect of a key; JSONPath.
        sequence: Option<At<String>>,
        /// Which service, where there are several.
        to: Option<At<String>>,
    }
}

record! {
    /// What states mean. One that is not named is not the end.
    pub struct States {
        /// It is done.
        ok: OneOrMany<String>,
        /// It failed.
        failed: Option<OneOrMany<String>>,
        /// It was rightly not done.
        skipped: Option<OneOrMany<String>>,
    }
}
