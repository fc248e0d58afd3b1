//! What breaks, and when.

use std::time::Duration;

use super::inject::Inject;
use crate::base::units::Share;
use crate::scenario::shape::{At, Names};

record! {
    /// Something that breaks.
    pub struct Fault {
        /// What it acts on: upstream/NAME, link/NAME, process/NAME, process/target, process/PID, docker/CONTAINER, kafka/NAME or hook/NAME.
        on: At<String>,
        /// What it does.
        inject: At<Inject>,
        /// Kafka clusters: which broker; all when left out.
        broker: Option<At<u64>>,
        /// The share of requests (of links and Kafka clusters: connections) that it strikes; 100% when left out.
        share: Option<At<Share>>,
        /// Which requests come its way; all when left out.
        r#match: Option<Match>,
        /// Which of those that come its way may be struck, by their number; all when left out.
        when: Option<At<When>>,
        /// A share that changes, instead of `share`.
        ramp: Option<Ramp>,
        /// When it begins, from the start of the load.
        at: At<Duration>,
        /// How long it lasts.
        r#for: At<Duration>,
        /// Again and again; once when left out.
        repeat: Option<Repeat>,
        /// Upstreams: true lets every reply that it struck say so, in a header `Proofload-Fault`: its name. The service sees it,
        /// and could act on it; false when left out.
        mark: Option<At<bool>>,
        /// It is undone after this long, whatever happens; `for` and 10s when left out.
        ttl: Option<At<Duration>>,
    }
}

record! {
    /// Which requests come a fault's way: those that are as every key says.
    pub struct Match {
        /// The method, such as GET.
        method: Option<At<String>>,
        /// The path without the query; a `*` at its end stands for anything.
        path: Option<At<String>>,
        /// Headers and their values; a value of `*` stands for any.
        header: Option<Names<At<String>>>,
        /// Query parameters and their values; a value of `*` stands for any.
        query: Option<Names<At<String>>>,
    }
}

choice! {
    /// Which of the requests that come a fault's way may be struck, counted from 1 anew whenever it begins.
    pub enum When {
        /// The first so many.
        First(At<u64>) = "first",
        /// Every so-manieth: `every: 3` is the third, the sixth, …
        Every(At<u64>) = "every",
        /// That one alone.
        Nth(At<u64>) = "nth",
    }
}

record! {
    /// A share that goes evenly from one to another, and stays there.
    pub struct Ramp {
        /// The share when the fault begins.
        from: At<Share>,
        /// The share in the end.
        to: At<Share>,
        /// How long it takes.
        over: At<Duration>,
    }
}

record! {
    /// Again and again.
    pub struct Repeat {
        /// From one beginning to the next.
        every: At<Duration>,
        /// How many times in all.
        times: At<u64>,
    }
}
