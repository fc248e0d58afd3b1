//! Targets as arithmetic: what becomes of a request that arrives at an instant. Instants and lengths are in seconds.

use proofload::base::seed::Stream;

/// A target.
pub trait Law {
    /// What becomes of a request: how long it takes, and whether it is answered well.
    fn arrive(&mut self, at: f64, chance: &mut Stream) -> (f64, bool);
}

/// How long a refusal takes.
const REFUSAL: f64 = 0.001;

/// Some servers that take requests in the order in which they come: M/M/c, M/D/c, or with a limit on how many may be in it.
pub struct Servers {
    free: Vec<f64>,
    service: f64,
    exponential: bool,
    limited: bool,
}

impl Servers {
    /// So many, each taking so long on average.
    pub fn new(count: usize, service: f64, exponential: bool) -> Servers {
        Servers { free: vec![0.0; count], service, exponential, limited: false }
    }

    /// Nobody waits: who finds all of them busy is refused.
    pub fn limited(self) -> Servers {
        Servers { limited: true, ..self }
    }
}

impl Law for Servers {
    fn arrive(&mut self, at: f64, chance: &mut Stream) -> (f64, bool) {
        let first = (0..self.free.len()).min_by(|a, b| self.free[*a].total_cmp(&self.free[*b])).expect("a server");
        if self.limited && self.free[first] > at {
            return (REFUSAL, false);
        }
        let length = if self.exponential { self.service * chance.exponential() } else { self.service };
        self.free[first] = self.free[first].max(at) + length;
        (self.free[first] - at, true)
    }
}

/// A token bucket.
pub struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    seen: f64,
}

impl Bucket {
    /// So many tokens a second, and so many at the most.
    pub fn new(rate: f64, burst: f64) -> Bucket {
        Bucket { rate, burst, tokens: burst, seen: 0.0 }
    }
}

impl Law for Bucket {
    fn arrive(&mut self, at: f64, _: &mut Stream) -> (f64, bool) {
        self.tokens = (self.tokens + (at - self.seen) * self.rate).min(self.burst);
        self.seen = at;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        (REFUSAL, has)
    }
}

/// One server that stands still now and then, as one does whose memory is collected.
pub struct Pauses {
    /// How long a request takes.
    pub service: f64,
    /// How long it stands still.
    pub pause: f64,
    /// From one pause to the next.
    pub every: f64,
    /// When it is free.
    pub free: f64,
}

impl Law for Pauses {
    fn arrive(&mut self, at: f64, _: &mut Stream) -> (f64, bool) {
        let awake = |at: f64| {
            let into = at.rem_euclid(self.every);
            if into < self.pause { at - into + self.pause } else { at }
        };
        let begins = awake(self.free.max(at));
        let until = self.every - begins.rem_euclid(self.every);
        let ends = begins + self.service + if until < self.service { self.pause } else { 0.0 };
        self.free = ends;
        (ends - at, true)
    }
}

/// One server whose callers give up and try again, while it does all of their work: a retry storm.
pub struct Storm {
    /// How long the work of a call takes.
    pub service: f64,
    /// How long a caller waits.
    pub patience: f64,
    /// How often it tries again.
    pub retries: f64,
    /// So much work waits at the most, in seconds.
    pub room: f64,
    /// When it is free.
    pub free: f64,
}

impl Law for Storm {
    fn arrive(&mut self, at: f64, _: &mut Stream) -> (f64, bool) {
        let wait = (self.free - at).max(0.0);
        let calls = if wait > self.patience { 1.0 + self.retries } else { 1.0 };
        self.free = (self.free.max(at) + self.service * calls).min(at + self.room);
        if wait > self.patience { (self.patience, false) } else { (wait + self.service, true) }
    }
}

/// One server with a cache that fills.
pub struct Cache {
    /// How long it takes without.
    pub cold: f64,
    /// How long it takes with.
    pub warm: f64,
    /// After so many requests it is full.
    pub size: f64,
    /// Requests so far.
    pub seen: f64,
    /// When it is free.
    pub free: f64,
}

impl Law for Cache {
    fn arrive(&mut self, at: f64, chance: &mut Stream) -> (f64, bool) {
        let full = (self.seen / self.size).min(1.0);
        self.seen += 1.0;
        let mean = self.cold + (self.warm - self.cold) * full;
        self.free = self.free.max(at) + mean * chance.exponential();
        (self.free - at, true)
    }
}

/// One that answers at once, or never well.
pub struct Flat(pub bool);

impl Law for Flat {
    fn arrive(&mut self, _: f64, _: &mut Stream) -> (f64, bool) {
        (REFUSAL, self.0)
    }
}

/// One that is broken for good once it has had too much.
pub struct Fragile {
    /// More at once than this breaks it.
    pub room: f64,
    /// How long a request takes.
    pub service: f64,
    /// When it is free; never again once it is broken.
    pub free: f64,
}

impl Law for Fragile {
    fn arrive(&mut self, at: f64, _: &mut Stream) -> (f64, bool) {
        if self.free - at > self.room {
            self.free = f64::INFINITY;
        }
        self.free = self.free.max(at) + self.service;
        if self.free.is_finite() { (self.free - at, true) } else { (REFUSAL, false) }
    }
}
