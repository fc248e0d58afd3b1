//! Work that is started and takes its time.

use std::time::Duration;

use serde_json::{Value as Schema, json};

use super::request::OneOrMany;
use super::{Capture, Expects, Feed, Header, Json, Login, NatsStates, Sign, Step, Value};
use crate::base::units::Rate;
use crate::scenario::reader::Reader;
use crate::scenario::shape::{At, Names, Shape};
use crate::scenario::yaml::{Kind, Node};

record! {
    /// Work that is started by a request and followed to its end; the shot is the whole.
    pub struct Pipeline {
        /// Values that templates can name, drawn anew for each shot.
        values: Option<Names<Value>>,
        /// Files whose rows templates can name, as `{{feed.column}}`.
        data: Option<Names<Feed>>,
        /// How a token is got that requests carry.
        login: Option<Login>,
        /// How its requests are signed, unless they say otherwise.
        sign: Option<Sign>,
        /// The request that starts it.
        start: Start,
        /// How its end is learnt.
        follow: Follow,
        /// What it means where a state is named.
        states: StateNames,
        /// What is not over so long after it was due is unfinished.
        deadline: At<Duration>,
        /// How long it is expected to take, for `plan` and for how many connections there are; nobody knows when left out.
        takes: Option<At<Duration>>,
    }
}

record! {
    /// The request that starts something, and where its reply says what that is called. Exactly one of get, post, put and
    /// delete.
    pub struct Start {
        /// The path to get.
        get: Option<At<String>>,
        /// The path to post to.
        post: Option<At<String>>,
        /// The path to put to.
        put: Option<At<String>>,
        /// The path to delete.
        delete: Option<At<String>>,
        /// A JSON body.
        json: Option<At<Json>>,
        /// A body of any kind.
        body: Option<At<String>>,
        /// Sent with this request.
        headers: Option<Names<Header>>,
        /// What the reply must be, one thing or a list of them; any 2xx when left out.
        expect: Option<Expects>,
        /// Where the reply says what was started: templates of the poll call it `id`.
        id: Capture,
        /// Names for what else the reply says.
        capture: Option<Names<Capture>>,
        /// How this request is signed; as the pipeline says when left out.
        sign: Option<Sign>,
        /// Which service, where there are several; as the traffic says when left out.
        to: Option<At<String>>,
    }
}

choice! {
    /// How the end of what was started is learnt.
    pub enum Follow {
        /// By asking for its state again and again.
        Poll(Box<Polling>) = "poll",
        /// By what the target posts to a place where the run listens.
        Webhook(Webhook) = "webhook",
        /// By messages on a topic of a Kafka cluster.
        Kafka(KafkaStates) = "kafka",
        /// By messages on a subject of NATS.
        Nats(Box<NatsStates>) = "nats",
    }
}

record! {
    /// Asks for the state of what was started, again and again. Exactly one of get and post.
    pub struct Polling {
        /// The path to get.
        get: Option<At<String>>,
        /// The path to post to.
        post: Option<At<String>>,
        /// A JSON body.
        json: Option<At<Json>>,
        /// Sent with this request.
        headers: Option<Names<Header>>,
        /// What the reply must be, one thing or a list of them; any 2xx when left out.
        expect: Option<Expects>,
        /// Where the reply says which state it is in.
        state: Capture,
        /// From one poll to the next: one length, or between which two it adapts; { from: 100ms, to: 2s } when left out.
        every: Option<Every>,
        /// So many polls the target can bear, of all shots together; 500/s when left out.
        budget: Option<At<Rate>>,
        /// How this request is signed; as the pipeline says when left out.
        sign: Option<Sign>,
        /// Which service, where there are several; as the traffic says when left out.
        to: Option<At<String>>,
    }
}

record! {
    /// A place where the run listens, and what is posted there.
    pub struct Webhook {
        /// HOST:PORT on which the run listens; what the target is told to call is up to the scenario.
        listen: At<String>,
        /// The path of the posts; / when left out.
        path: Option<At<String>>,
        /// Where a post says of what it tells; JSONPath.
        id: At<String>,
        /// Where a post names the state; JSONPath.
        state: At<String>,
    }
}

record! {
    /// Messages of a topic. They are read from the end of every partition on, by nobody's group.
    pub struct KafkaStates {
        /// The name of the cluster.
        on: At<String>,
        /// The topic.
        topic: At<String>,
        /// Where a message says of what it tells; JSONPath.
        id: At<String>,
        /// Where a message names the state; JSONPath.
        state: At<String>,
    }
}

/// From one poll to the next.
#[derive(Debug, Clone, PartialEq)]
pub enum Every {
    /// Always the same.
    Fixed(At<Duration>),
    /// Between two lengths.
    Between(Between),
}

record! {
    /// Between which lengths the time to the next poll adapts to how long such work has taken so far.
    pub struct Between {
        /// The shortest.
        from: At<Duration>,
        /// The longest.
        to: At<Duration>,
    }
}

impl Shape for Every {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.kind {
            Kind::Map(_) => Between::read(node, reader).map(Every::Between),
            _ => At::read(node, reader).map(Every::Fixed),
        }
    }
    fn schema() -> Schema {
        json!({ "anyOf": [Duration::schema(), Between::schema()] })
    }
}

record! {
    /// What it means where a state is named; one name, or several. What is named nowhere is invalid.
    pub struct StateNames {
        /// Waits to be begun.
        queued: Option<OneOrMany<String>>,
        /// Has begun.
        running: Option<OneOrMany<String>>,
        /// Came to a good end.
        ok: OneOrMany<String>,
        /// Failed.
        failed: Option<OneOrMany<String>>,
        /// Was rightly not done.
        skipped: Option<OneOrMany<String>>,
    }
}

impl Start {
    /// Its request; what it is called is captured first, as `id`.
    pub fn step(&self) -> Step {
        let id = (At { at: self.place, value: "id".to_owned() }, self.id.clone());
        let others = self.capture.iter().flat_map(|c| c.0.clone());
        Step {
            get: self.get.clone(),
            post: self.post.clone(),
            put: self.put.clone(),
            delete: self.delete.clone(),
            json: self.json.clone(),
            body: self.body.clone(),
            headers: self.headers.clone(),
            expect: self.expect.clone(),
            capture: Some(Names(std::iter::once(id).chain(others).collect())),
            sign: self.sign.clone(),
            to: self.to.clone(),
            ..Step::bare(self.place)
        }
    }
}

impl Polling {
    /// Its request, which captures `state`.
    pub fn step(&self) -> Step {
        let state = (At { at: self.place, value: "state".to_owned() }, self.state.clone());
        Step {
            get: self.get.clone(),
            post: self.post.clone(),
            json: self.json.clone(),
            headers: self.headers.clone(),
            expect: self.expect.clone(),
            capture: Some(Names(vec![state])),
            sign: self.sign.clone(),
            to: self.to.clone(),
            ..Step::bare(self.place)
        }
    }
}
