//! What is sent.

use std::time::Duration;

use super::{Feed, Header, Login, Pipeline, Replay, Segment, Sign, Signal, Step, Value};
use crate::base::units::{Share, Size};
use crate::scenario::shape::{At, Names};

record! {
    /// One kind of traffic.
    pub struct Traffic {
        /// Asks for quotes.
        quote: Option<Quote>,
        /// Plain HTTP requests, one after the other.
        flow: Option<Flow>,
        /// Work that is started by a request and followed to its end.
        pipeline: Option<Pipeline>,
        /// Messages to a Kafka topic, and what comes of them.
        signal: Option<Signal>,
        /// Which service, where there are several.
        to: Option<At<String>>,
        /// Names for replies that a promise can be about.
        classes: Option<Names<Class>>,
        /// How shots are spread: poisson (default), even, hawkes or replay.
        arrivals: Option<At<Arrivals>>,
        /// The rate over time, segment by segment, from 0/s. Left out only where arrivals were recorded.
        load: Option<At<Vec<Segment>>>,
    }
}

choice! {
    /// How shots are spread over time.
    pub enum Arrivals {
        /// Independent of each other, as from many users.
        Poisson = "poisson",
        /// At equal distances.
        Even = "even",
        /// In bursts: each shot makes others more likely for a while.
        Hawkes(Hawkes) = "hawkes",
        /// As they were recorded elsewhere.
        Replay(Replay) = "replay",
    }
}

record! {
    /// In bursts: each shot makes others more likely for a while.
    pub struct Hawkes {
        /// The share of shots that others brought about; 90% at most.
        branching: At<Share>,
        /// How long after another one comes, on average.
        decay: At<Duration>,
    }
}

record! {
    /// Requests for quotes.
    pub struct Quote {
        /// Which pairs are asked for.
        pairs: Pairs,
        /// How much is asked for, in base units.
        amount: At<Amount>,
        /// The path; /quote when left out.
        path: Option<At<String>>,
        /// Names of the query parameters.
        query: Option<QuoteQuery>,
        /// Where the reply says what; JSONPath.
        reply: Option<QuoteReply>,
        /// A share of requests goes to another path.
        hybrid: Option<Hybrid>,
        /// A quote older than this is invalid.
        max_age: Option<At<Duration>>,
        /// A larger body is invalid; 1MB when left out.
        max_body: Option<At<Size>>,
        /// Sent with every request of this traffic.
        headers: Option<Names<Header>>,
    }
}

record! {
    /// Which pairs, and how often each.
    pub struct Pairs {
        /// A CSV file with the columns `input` and `output`, and `weight` for weighted popularity.
        file: At<String>,
        /// How often each is asked for; uniform when left out.
        popularity: Option<At<Popularity>>,
    }
}

choice! {
    /// How often each pair is asked for.
    pub enum Popularity {
        /// Each as often as any other.
        Uniform = "uniform",
        /// By the column `weight`.
        Weighted = "weighted",
        /// The n-th pair of the file in proportion to 1 / n^s; the value is s.
        Zipf(At<f64>) = "zipf",
    }
}

choice! {
    /// How much is asked for, in base units.
    pub enum Amount {
        /// Always the same.
        Fixed(At<u64>) = "fixed",
        /// Anything from the first to the second, equally likely.
        Uniform(Vec<At<u64>>) = "uniform",
        /// As uniform, on a logarithmic scale.
        LogUniform(Vec<At<u64>>) = "log_uniform",
    }
}

record! {
    /// Names of the query parameters.
    pub struct QuoteQuery {
        /// The input mint; `input` when left out.
        input: Option<At<String>>,
        /// The output mint; `output` when left out.
        output: Option<At<String>>,
        /// The amount; `amount` when left out.
        amount: Option<At<String>>,
    }
}

record! {
    /// Where a quote's reply says what; JSONPath.
    pub struct QuoteReply {
        /// The amount that comes out; $.outAmount when left out.
        amount: Option<At<String>>,
        /// The input mint; $.inputMint, where present, when left out.
        input: Option<At<String>>,
        /// The output mint; $.outputMint, where present, when left out.
        output: Option<At<String>>,
        /// When the quote was made, in Unix milliseconds; $.timestampMs, where present, when left out.
        timestamp_ms: Option<At<String>>,
    }
}

record! {
    /// A share of requests that goes to another path.
    pub struct Hybrid {
        /// How many of them.
        share: At<Share>,
        /// Where to.
        path: At<String>,
    }
}

record! {
    /// HTTP requests, one after the other; the shot is the whole.
    pub struct Flow {
        /// Values that templates can name, drawn anew for each shot.
        values: Option<Names<Value>>,
        /// Files whose rows templates can name, as `{{feed.column}}`.
        data: Option<Names<Feed>>,
        /// How a token is got that requests carry.
        login: Option<Login>,
        /// How its requests are signed, unless a step says otherwise.
        sign: Option<Sign>,
        /// In order, at least one.
        steps: Option<At<Vec<Step>>>,
        /// Instead of `steps`: branches, of which each shot takes one by chance.
        mix: Option<At<Names<Branch>>>,
    }
}

record! {
    /// Steps that a share of shots takes.
    pub struct Branch {
        /// How many of them.
        share: At<Share>,
        /// In order, at least one.
        steps: At<Vec<Step>>,
    }
}

record! {
    /// Which replies belong to a class: a place in the JSON body or a header, and what must stand there.
    pub struct Class {
        /// JSONPath.
        json: Option<At<String>>,
        /// The name of a header.
        header: Option<At<String>>,
        /// What must stand there, as text.
        is: At<String>,
    }
}
