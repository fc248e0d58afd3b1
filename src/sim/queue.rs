//! A server that is a queue with a known law, for holding a search for capacity against what the books say: so many servers,
//! so much work for a request, and what else can limit it. When a request is answered is computed when it comes, to the
//! nanosecond, and is not a matter of how fast this program is.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::knobs::{self, Knobs, Row, knob, or, put, whole};
use super::{Knob, Running};
use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::seed::{Seed, Stream};
use crate::base::sleep::Sleeper;
use crate::base::time::monotonic;
use crate::base::units::{Rate, parse_rate};

/// How it behaves: by default as M/M/1 with a mean of 10 ms.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port of 127.0.0.1 to answer on; 0 takes a free one.
    pub port: u16,
    /// How many requests are worked on at once.
    pub servers: usize,
    /// How much work a request is, on average.
    pub service: Duration,
    /// Whether that is exponential; else it is always the same.
    pub exponential: bool,
    /// How many requests may wait beside those that are worked on; one more is answered 503. Any number when not given.
    pub room: Option<usize>,
    /// A token bucket before it: beyond it 429.
    pub bucket: Option<Rate>,
    /// How many tokens that holds.
    pub burst: u32,
    /// For how long all work stands still, again and again.
    pub pause: Duration,
    /// From one pause to the next.
    pub every: Duration,
    /// Whoever would wait longer is answered 503 after so long, while the work is done all the same.
    pub patience: Option<Duration>,
    /// How often whoever was answered so tries again, in the server's own house: each try is as much work as a request.
    pub retries: u32,
    /// Draws how much work each request is.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 0,
            servers: 1,
            service: Duration::from_millis(10),
            exponential: true,
            room: None,
            bucket: None,
            burst: 20,
            pause: Duration::ZERO,
            every: Duration::ZERO,
            patience: None,
            retries: 0,
            seed: 1,
        }
    }
}

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(some(100_000) servers, "how many requests are worked on at once"),
        knob!(length service, "how much work a request is, on average"),
        (
            "spread",
            "how that is spread: exponential, or fixed",
            |o, v| {
                o.exponential = match v {
                    "exponential" => true,
                    "fixed" => false,
                    _ => return Err(format!("`{v}` is no spread: write exponential or fixed")),
                };
                Ok(())
            },
            |o| if o.exponential { "exponential".into() } else { "fixed".into() },
        ),
        (
            "room",
            "how many requests may wait; one more is answered 503",
            |o, v| put(&mut o.room, or("any", v, |v| whole(v, 100_000))),
            |o| o.room.map_or("any".into(), |room| room.to_string()),
        ),
        (
            "bucket",
            "the rate of a token bucket before it; beyond it 429",
            |o, v| put(&mut o.bucket, or("none", v, parse_rate)),
            |o| o.bucket.map_or("none".into(), |rate| rate.to_string()),
        ),
        knob!(some(100_000) burst, "how many tokens that holds"),
        knob!(length pause, "for how long all work stands still"),
        knob!(length every, "from one pause to the next"),
        knob!(
            length_or("any") patience,
            "whoever would wait longer is answered 503 after so long; the work is done all the same"
        ),
        knob!(whole(100_000) retries, "how often the impatient try again, each time as much work"),
        knob!(whole(u64::MAX) seed, "draws how much work each request is"),
    ];
}

impl Options {
    /// Its settings.
    pub fn keys() -> Vec<Knob> {
        Options::default().knobs()
    }

    /// Changes a setting. The error says what is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let is = self.turn(key, value)?;
        knobs::known(is, "queue", key, &Options::keys())
    }

    /// Whether the settings go together. The error says which do not.
    pub fn check(&self) -> Result<(), String> {
        if !self.pause.is_zero() && self.every <= self.pause {
            return Err("`every` must be longer than `pause`: set it too, such as every=2s".into());
        }
        Ok(())
    }
}

/// Starts it.
pub async fn start(options: Options) -> std::io::Result<Running> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let port = listener.local_addr()?.port();
    let queue = Mutex::new(Queue::new(options, monotonic()));
    let server = Arc::new(Server { queue, sleeper: Sleeper::new()? });
    let mut tasks = JoinSet::new();
    tasks.spawn(httpd::serve(listener, server));
    Ok(Running::new(vec![("target".into(), format!("http://127.0.0.1:{port}"))], tasks))
}

struct Server {
    queue: Mutex<Queue>,
    sleeper: Sleeper,
}

impl httpd::Handler for Server {
    async fn handle(&self, _: Request) -> Answer {
        let fate = self.queue.lock().unwrap_or_else(PoisonError::into_inner).arrive(monotonic());
        let at = match fate {
            Fate::Done(at) | Fate::Tired(at) => at,
            Fate::Full => return Response::text(503, "full\n").into(),
            Fate::Limited => return Response::text(429, "too many\n").into(),
        };
        let _ = self.sleeper.book(at).await; // an error means that it is stopping
        match fate {
            Fate::Done(_) => Answer::Due(Response::text(200, "done\n"), at),
            _ => Answer::Due(Response::text(503, "waited in vain\n"), at),
        }
    }
}

/// What becomes of a request; instants are nanoseconds on the kernel's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is answered well at an instant.
    Done(u64),
    /// It has waited in vain until then.
    Tired(u64),
    /// Nobody may wait any more.
    Full,
    /// There is no token.
    Limited,
}

/// The law.
struct Queue {
    options: Options,
    free: Vec<u64>,  // when each server is
    leave: Vec<u64>, // when those leave that are in it
    tokens: f64,
    seen: u64,
    began: u64,
    chance: Stream,
}

/// So much work waits at the most where the impatient try again: what is older nobody wants any more.
const STORM: Duration = Duration::from_secs(3);

impl Queue {
    fn new(options: Options, now: u64) -> Queue {
        Queue {
            free: vec![now; options.servers],
            leave: Vec::new(),
            tokens: f64::from(options.burst),
            seen: now,
            began: now,
            chance: Seed(options.seed).stream("queue"),
            options,
        }
    }

    fn arrive(&mut self, now: u64) -> Fate {
        if let Some(rate) = self.options.bucket {
            let came = now.saturating_sub(self.seen) as f64 / 1e9 * rate.hertz();
            self.tokens = (self.tokens + came).min(f64::from(self.options.burst));
            self.seen = now;
            if self.tokens < 1.0 {
                return Fate::Limited;
            }
            self.tokens -= 1.0;
        }
        self.leave.retain(|at| *at > now);
        if self.options.room.is_some_and(|room| self.leave.len() >= self.options.servers + room) {
            return Fate::Full;
        }
        let first = (0..self.free.len()).min_by_key(|server| self.free[*server]).unwrap_or(0);
        let wait = Duration::from_nanos(self.free[first].saturating_sub(now));
        let tired = self.options.patience.filter(|patience| wait > *patience);
        let tries = if tired.is_some() { 1 + self.options.retries } else { 1 };
        let mut at = self.free[first].max(now);
        for _ in 0..tries {
            let mean = self.options.service.as_nanos() as f64;
            let work = if self.options.exponential { mean * self.chance.exponential() } else { mean };
            at = self.worked(at, work as u64);
        }
        if self.options.retries > 0 {
            at = at.min(now + STORM.as_nanos() as u64);
        }
        self.free[first] = at;
        match tired {
            Some(patience) => Fate::Tired(now + patience.as_nanos() as u64),
            None => {
                self.leave.push(at);
                Fate::Done(at)
            }
        }
    }

    /// When work that begins at an instant is done, pauses left out.
    fn worked(&self, from: u64, work: u64) -> u64 {
        let (pause, every) = (self.options.pause.as_nanos() as u64, self.options.every.as_nanos() as u64);
        if pause == 0 || every <= pause {
            return from + work;
        }
        // On the axis of the time in which it works, and back.
        let awake = every - pause;
        let into = from.saturating_sub(self.began);
        let done = into / every * awake + (into % every).saturating_sub(pause) + work;
        self.began + done / awake * every + pause + done % awake
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn queue(set: &[(&str, &str)]) -> Queue {
        let mut options = Options { exponential: false, ..Options::default() };
        set.iter().for_each(|(key, value)| options.set(key, value).expect("a setting"));
        options.check().expect("they go together");
        Queue::new(options, 0)
    }

    #[test]
    fn whoever_comes_first_is_served_first() {
        let mut queue = queue(&[("servers", "2")]);
        let fates: Vec<Fate> = (0..3).map(|_| queue.arrive(0)).collect();
        assert_eq!(fates, [Fate::Done(10 * MS), Fate::Done(10 * MS), Fate::Done(20 * MS)]);
        assert_eq!(queue.arrive(50 * MS), Fate::Done(60 * MS));
    }

    #[test]
    fn who_finds_no_room_or_no_token_is_refused() {
        let mut limited = queue(&[("servers", "2"), ("room", "0")]);
        assert!(matches!([limited.arrive(0), limited.arrive(0)], [Fate::Done(_), Fate::Done(_)]));
        assert_eq!(limited.arrive(9 * MS), Fate::Full);
        assert_eq!(limited.arrive(10 * MS), Fate::Done(20 * MS));
        let mut bucket = queue(&[("bucket", "10/s"), ("burst", "2"), ("service", "0s")]);
        let fates: Vec<bool> = [0, 0, 0, 99, 100].map(|ms| bucket.arrive(ms * MS) != Fate::Limited).to_vec();
        assert_eq!(fates, [true, true, false, false, true]);
    }

    #[test]
    fn nothing_is_done_in_a_pause() {
        let mut queue = queue(&[("pause", "100ms"), ("every", "1s"), ("service", "10ms")]);
        assert_eq!(queue.arrive(0), Fate::Done(110 * MS), "it begins with one");
        assert_eq!(queue.arrive(500 * MS), Fate::Done(510 * MS));
        assert_eq!(queue.arrive(995 * MS), Fate::Done(1_105 * MS), "half before, half after");
        assert!(Options { pause: Duration::from_secs(2), ..Options::default() }.check().is_err());
    }

    #[test]
    fn the_impatient_make_more_work() {
        let mut queue = queue(&[("patience", "15ms"), ("retries", "3"), ("service", "10ms")]);
        assert_eq!(queue.arrive(0), Fate::Done(10 * MS));
        assert_eq!(queue.arrive(0), Fate::Done(20 * MS));
        assert_eq!(queue.arrive(0), Fate::Tired(15 * MS));
        assert_eq!(queue.free, [60 * MS], "four times the work");
    }

    #[test]
    fn settings_are_read_and_refused() {
        let mut options = Options::default();
        for (key, value) in [("servers", "0"), ("spread", "wide"), ("bucket", "5"), ("room", "-1"), ("sevrers", "1")] {
            assert!(options.set(key, value).is_err(), "{key}={value}");
        }
        for knob in Options::keys() {
            options.set(knob.name, &knob.default).unwrap_or_else(|why| panic!("{}: {why}", knob.name));
        }
    }
}
