//! Tokens that requests carry: got before the load, fetched anew before they run out and when the target takes one no
//! more. They are in memory and in requests, and nowhere else: not even an error tells what a reply said.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::flow::{self, Wanted};
use super::http::codec::Answer;
use super::http::open::Opener;
use super::http::single::ask;
use super::request::Request;
use crate::base::time::{Clock, monotonic};
use crate::evidence::reply::Outcome;
use crate::scenario::{Bearer, Capture, Template};

/// A body is read up to this size, in bytes.
const BODY: usize = 1_000_000;
/// A token is fetched anew when so much of its life is over.
const WORN: f64 = 0.8;
/// After a login that failed, the next one waits.
const PAUSE: Duration = Duration::from_secs(1);
/// A token is good for this long at least, whatever is said of it: so often at most is one fetched before it is refused.
const LEAST: Duration = Duration::from_secs(1);
/// What is said to last longer need not be fetched anew.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Keeps a token that is taken; shared by all who send with it.
pub struct Keeper {
    bearer: Bearer,
    service: Option<String>,
    request: Request,
    wanted: Wanted,
    held: Mutex<Held>,
    logins: watch::Sender<u64>,
}

/// What is held of a token.
struct Held {
    line: Arc<[u8]>,
    number: u64,       // of logins that brought one
    worn: Option<u64>, // when to fetch another, on the kernel's monotonic clock
    is_trying: bool,
    refused: Option<(u64, String)>, // when the last login failed, and why
}

/// What became of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// There is another token than the one that was used.
    Renewed,
    /// Somebody else fetched it.
    Found,
}

impl Keeper {
    /// Prepares logins at a service, the first where it is unnamed, whose paths begin with `base`, with the headers that all requests have. `secret`
    /// gives the value of a name.
    pub fn new(
        bearer: &Bearer,
        service: Option<&str>,
        base: &str,
        headers: Vec<(String, String)>,
        secret: &dyn Fn(&str) -> Option<String>,
    ) -> Keeper {
        let mut step = bearer.step.clone();
        if let Some((body, _)) = &mut step.body {
            *body = Template::plain(&String::from_utf8_lossy(&flow::filled(body, secret)));
        }
        let (place, matches) = (bearer.token.clone(), bearer.matches.clone());
        step.captures = vec![Capture { name: 0, place, matches, printable: true }];
        // `check` has seen to it that nothing else has to be filled in.
        let request = flow::request(&step, base, headers).unwrap_or_else(|| Request::new("POST", base, &[], b""));
        let held = Held { line: [].into(), number: 0, worn: None, is_trying: false, refused: None };
        Keeper {
            bearer: bearer.clone(),
            service: service.map(str::to_owned),
            request,
            wanted: Wanted::new(&step),
            held: Mutex::new(held),
            logins: watch::Sender::new(0),
        }
    }

    /// Which service logins go to; the first when unnamed.
    pub fn service(&self) -> Option<&str> {
        self.service.as_deref()
    }

    /// The header that carries the token, with its end, and the number of the token.
    pub fn line(&self) -> (Arc<[u8]>, u64) {
        let held = self.held();
        (held.line.clone(), held.number)
    }

    /// When to fetch another token, if that is known, on the kernel's monotonic clock.
    pub fn worn(&self) -> Option<u64> {
        let held = self.held();
        let paused = held.refused.as_ref().map_or(0, |(at, _)| at + PAUSE.as_nanos() as u64);
        held.worn.map(|worn| worn.max(paused))
    }

    /// Sees to it that there is another token than the one with a number: logs in, unless somebody has or does. The error
    /// says why there is none.
    pub async fn renew(&self, used: u64, opener: &Opener, clock: Clock, timeout: Duration) -> Result<Login, String> {
        let mut logins = self.logins.subscribe();
        loop {
            logins.mark_unchanged();
            {
                let mut held = self.held();
                if held.number != used {
                    return Ok(Login::Found);
                }
                if !held.is_trying {
                    if let Some((at, why)) = &held.refused
                        && monotonic() < at + PAUSE.as_nanos() as u64
                    {
                        return Err(why.clone());
                    }
                    held.is_trying = true;
                    break;
                }
            }
            // Somebody logs in just now.
            if logins.changed().await.is_err() {
                return Err("logging in was given up".into());
            }
        }
        let mut trying = Trying { keeper: self, why: Some("logging in was given up".into()) };
        let got = self.log_in(opener, clock, timeout).await;
        trying.why = got.as_ref().err().cloned();
        if let Ok((token, lifetime)) = got {
            let mut held = self.held();
            let glue = if self.bearer.scheme.is_empty() { "" } else { " " };
            held.line = format!("{}: {}{glue}{token}\r\n", self.bearer.header, self.bearer.scheme).into_bytes().into();
            held.number += 1;
            held.worn = lifetime.map(|life| monotonic() + life.mul_f64(WORN).max(LEAST).as_nanos() as u64);
        }
        match trying.why.clone() {
            Some(why) => Err(why),
            None => Ok(Login::Renewed),
        }
    }

    /// A token, and how long it lasts where that is known.
    async fn log_in(
        &self,
        opener: &Opener,
        clock: Clock,
        timeout: Duration,
    ) -> Result<(String, Option<Duration>), String> {
        let mut bytes = Vec::new();
        self.request.write(None, opener.address().authority().as_bytes(), None, &mut bytes);
        let got = ask(opener, &bytes, BODY, clock, timeout).await?;
        let answer = Answer { status: got.status, head: &got.head, body: &got.body, too_long: got.too_long };
        let mut token = None;
        let (outcome, _) = self.wanted.worth(&answer, None, |_, datum| token = Some(datum.text().to_owned()));
        // What stands in the reply is nobody's business: it may be a token.
        match (outcome, token.filter(|token| !token.is_empty())) {
            (Outcome::Ok, Some(token)) => Ok((token, self.stated(&got.body).or(self.bearer.lifetime))),
            (Outcome::Rejected, _) => Err(format!("{} was answered {}", self.bearer.step.what(), got.status)),
            (_, _) => {
                Err(format!("what {} was answered is not as it must be, or has no token", self.bearer.step.what()))
            }
        }
    }

    /// How long the token lasts that a reply brings, where it says.
    fn stated(&self, body: &[u8]) -> Option<Duration> {
        let body: serde_json::Value = serde_json::from_slice(body).ok()?;
        let stated = self.bearer.expires.as_ref()?.query(&body).first()?;
        let seconds = stated.as_f64().or_else(|| stated.as_str()?.parse().ok())?;
        Duration::try_from_secs_f64(seconds).ok().filter(|life| !life.is_zero() && *life < FOREVER)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody logs in; whatever becomes of it, others are told.
struct Trying<'k> {
    keeper: &'k Keeper,
    why: Option<String>,
}

impl Drop for Trying<'_> {
    fn drop(&mut self) {
        let mut held = self.keeper.held();
        held.is_trying = false;
        held.refused = self.why.take().map(|why| (monotonic(), why));
        drop(held);
        self.keeper.logins.send_modify(|logins| *logins += 1);
    }
}
