//! How much is sent over time.

use std::time::Duration;

use crate::base::units::Rate;
use crate::scenario::shape::At;

choice! {
    /// A stretch of load.
    pub enum Segment {
        /// Sent and recorded, not judged; only at the beginning.
        WarmUp(Hold) = "warm_up",
        /// At one rate.
        Hold(Hold) = "hold",
        /// From the rate so far to another, in a straight line.
        Ramp(Ramp) = "ramp",
        /// Up (or down) in levels.
        Step(StepUp) = "step",
        /// At another rate for a while; afterwards the rate is what it was before.
        Spike(Spike) = "spike",
        /// As fast as the target answers: a closed loop. The segment after it says at which rate.
        Saturate(Saturate) = "saturate",
    }
}

record! {
    /// At one rate.
    pub struct Hold {
        /// The rate; what it was at the end of the last segment when left out.
        at: Option<At<Rate>>,
        /// How long.
        r#for: At<Duration>,
    }
}

record! {
    /// From the rate so far to another, in a straight line.
    pub struct Ramp {
        /// The rate at its end.
        to: At<Rate>,
        /// How long it takes.
        over: At<Duration>,
    }
}

record! {
    /// Up in levels, the first at the rate so far plus `by`.
    pub struct StepUp {
        /// How much each level adds.
        by: At<Rate>,
        /// How long each level holds.
        every: At<Duration>,
        /// How many levels.
        times: At<u64>,
    }
}

record! {
    /// At another rate for a while.
    pub struct Spike {
        /// The rate.
        to: At<Rate>,
        /// How long.
        r#for: At<Duration>,
    }
}

record! {
    /// As fast as the target answers, each connection sending as soon as it has its reply.
    pub struct Saturate {
        /// How many connections.
        connections: At<u64>,
        /// How long.
        r#for: At<Duration>,
    }
}
