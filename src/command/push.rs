//! `--push-remote-write`: the run as metrics that are pushed to a Prometheus, or to whatever speaks its remote write, while
//! it goes on and when it has been judged. What cannot be pushed changes no verdict.

use std::collections::VecDeque;
use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::published::{Published, allowed};
use crate::base::ask::{Ask, Means};
use crate::base::dial::Dial;
use crate::base::text;
use crate::base::tls::{self, Trust};
use crate::judge::Verdict;
use crate::report::metered::write_request;

/// How often it is pushed.
const EVERY: Duration = Duration::from_secs(5);
/// A server that has not answered by then has not taken it.
const WITHIN: Duration = Duration::from_secs(5);
/// So many requests wait for a server that does not answer; then the oldest is lost.
const WAITING: usize = 240;
/// At the end it is tried so many times, [`AGAIN`] apart.
const TRIES: u32 = 3;
const AGAIN: Duration = Duration::from_secs(1);
/// The environment variable that holds a bearer token.
const TOKEN: &str = "PROOFLOAD_PUSH_TOKEN";

/// Where it is pushed.
#[derive(Clone)]
pub(super) struct Push {
    ask: Ask,
    means: Means,
}

/// A run that is pushed.
pub(super) struct Pushing {
    verdict: oneshot::Sender<Option<Verdict>>,
    thread: JoinHandle<Tally>,
}

/// What became of requests.
#[derive(Debug, Default)]
struct Tally {
    taken: u64,
    lost: u64,
    why: Option<String>, // of the first that was not taken
}

impl Push {
    /// Gets ready to push to `http://HOST:PORT/path` or the same over https. The error says what is wrong.
    pub fn new(url: &str, hosts: &[String]) -> Result<Push, String> {
        // A user and a password are secrets, and secrets come from the environment.
        let mut ask = Ask::new("POST", url).map_err(|why| match why.contains("user and password") {
            true => format!("a URL must not carry a user and password: put a bearer token into {TOKEN}"),
            false => why,
        })?;
        if let Some((host, _)) = ask.address.tcp() {
            allowed(host, hosts)?;
        }
        for (name, value) in [
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
            ("User-Agent", concat!("proofload/", env!("CARGO_PKG_VERSION"))),
        ] {
            ask.headers.push((name.into(), value.into()));
        }
        if let Some(token) = std::env::var(TOKEN).ok().filter(|token| !token.is_empty()) {
            ask.headers.push(("Authorization".into(), format!("Bearer {token}")));
        }
        let tls = ask.address.is_tls().then(|| tls::client(Trust::default(), &["http/1.1"])).transpose()?;
        Ok(Push { ask, means: Means { dial: Dial::within(tls), ..Means::plain(WITHIN) } })
    }

    /// Pushes a run while it goes on, on a thread of its own.
    pub fn follow(&self, run: Published) -> io::Result<Pushing> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (verdict, judged) = oneshot::channel();
        let push = self.clone();
        let thread = thread::Builder::new().name("push".into());
        let thread = thread.spawn(move || runtime.block_on(push.pushing(run, judged)))?;
        Ok(Pushing { verdict, thread })
    }

    async fn pushing(self, mut run: Published, judged: oneshot::Receiver<Option<Verdict>>) -> Tally {
        let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let request = |run: &Published| {
            run.met(|metered| {
                let extra = [("job", "proofload"), ("instance", machine.as_str()), ("run", metered.board.run.as_str())];
                write_request(metered, &extra)
            })
        };
        let (mut tally, mut waiting) = (Tally::default(), VecDeque::new());
        let mut next = None;
        while run.news.board.changed().await.is_ok() {
            let at = run.news.board.borrow_and_update().at;
            if next.is_some_and(|next| at < next) {
                continue;
            }
            next = Some(at + EVERY);
            waiting.push_back(request(&run));
            if waiting.len() > WAITING {
                waiting.pop_front();
                tally.lost += 1;
            }
            self.deliver(&mut waiting, &mut tally).await;
        }
        run.verdict = judged.await.ok().flatten();
        waiting.push_back(request(&run));
        for _ in 0..TRIES {
            self.deliver(&mut waiting, &mut tally).await;
            if waiting.is_empty() {
                break;
            }
            sleep(AGAIN).await;
        }
        tally.lost += waiting.len() as u64;
        tally
    }

    /// Sends what waits, the oldest first, until the server does not take it. What it will never take is lost.
    async fn deliver(&self, waiting: &mut VecDeque<Vec<u8>>, tally: &mut Tally) {
        while let Some(request) = waiting.front() {
            match self.ask.send_bytes(request.clone().into(), &self.means).await {
                Ok(told) if told.is_ok() => tally.taken += 1,
                Ok(told) => {
                    let said = text::shorten(String::from_utf8_lossy(&told.body).trim(), 200);
                    tally.why.get_or_insert(format!("status {}: {said}", told.status));
                    if told.status == 429 || told.status >= 500 {
                        return;
                    }
                    tally.lost += 1;
                }
                Err(why) => {
                    tally.why.get_or_insert(why);
                    return;
                }
            }
            waiting.pop_front();
        }
    }
}

impl Pushing {
    /// Pushes what was made of the run, and says what was lost, where anything was.
    pub fn end(self, verdict: Option<Verdict>) -> Option<String> {
        let _ = self.verdict.send(verdict); // whoever waits no more has ended already
        let tally = self.thread.join().ok()?;
        let why = tally.why.unwrap_or_else(|| "the server was too slow".into());
        let all = tally.taken + tally.lost;
        (tally.lost > 0).then(|| format!("metrics: {} of {} pushes were not taken: {why}", tally.lost, all))
    }
}
