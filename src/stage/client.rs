//! The run's side of the lease: starts a stage or takes one that stands, orders faults, hears what became of them.
//!
//! Dropping a [`Stage`] breaks the lease, as the run's death does: faults end at once, stubs go on for a while.
//! [`Stage::close`] ends it in order.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

pub use super::config::Config;
pub use super::keeper::{Keeper, Kept, Unkept};
use super::keeper::{Orders, Waiting};
pub use super::protocol::Report;
use super::protocol::{self, Lines, Order};
use crate::base::net;
use crate::base::time::{Clock, Offset};
use crate::evidence::health::StageHealth;

/// How long a stage may take to open its ports.
const OPENING: Duration = Duration::from_secs(10);
/// How long a stage may take to obey an order.
const ANSWER: Duration = Duration::from_secs(2);
/// How much of what a dying stage said is kept, in bytes.
const LAST_WORDS: usize = 4096;

/// A stage that this run holds.
pub struct Stage {
    orders: Orders,
    waiting: Waiting,
    reports: mpsc::UnboundedReceiver<Report>,
    _listening: JoinSet<()>, // ends with us
    aside: VecDeque<Report>, // heard while waiting for another
    child: Option<Child>,
    last_words: Option<JoinHandle<String>>,
    patience: Duration, // how long it may take to obey an order
    pid: u32,
    upstreams: Vec<(String, String)>,
    links: Vec<(String, String)>,
    kafka: Vec<(String, String)>,
    zero: u64,  // of the axis on which it reports, in nanoseconds on the kernel's monotonic clock
    shift: i64, // from its axis to the run's, in nanoseconds
}

/// The end of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleared {
    /// From this instant on no request is struck.
    pub at: Offset,
    /// How many requests could have been struck.
    pub eligible: u64,
    /// How many were.
    pub injected: u64,
}

/// Why a stage cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Its process does not start.
    #[error("cannot start the stage, {}: {source}", program.display())]
    Start {
        /// What was started.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is none at the address.
    #[error("no stage at {address}: {source}: start one with `proofload stage FILE`")]
    Connect {
        /// HOST:PORT.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// It would not share the run's clock and disk.
    #[error("{0}: a stage stands on the machine of its run: write 127.0.0.1:PORT")]
    Elsewhere(String),
    /// It said no; the words are for the user.
    #[error("{0}")]
    Refused(String),
    /// It did not answer in time.
    #[error("the stage does not answer: {0}")]
    Silent(String),
    /// It is gone; what it said last.
    #[error("the stage died: {0}")]
    Died(String),
}

impl Stage {
    /// Starts `program` with `args`, which must run [`super::child::child`], and waits until everything is open.
    pub async fn spawn(program: &Path, args: &[OsString], config: &Config) -> Result<Stage, StageError> {
        let start = |source| StageError::Start { program: program.to_owned(), source };
        let mut child = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Not ours: a stage that lingers after our death must not hold our standard error open for whoever reads it.
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let (Some(orders), Some(reports), Some(errors)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(start(io::Error::other("it has no pipes")));
        };
        let last_words = tokio::spawn(last_words(errors));
        Stage::hold(reports, orders, Some((child, last_words)), config).await
    }

    /// Takes the stage that somebody started by hand at `address` (HOST:PORT on this machine).
    pub async fn connect(address: &str, config: &Config) -> Result<Stage, StageError> {
        if !net::split_host(address, 0).is_some_and(|(host, _)| net::is_loopback(&host)) {
            return Err(StageError::Elsewhere(address.into()));
        }
        let stream = TcpStream::connect(address)
            .await
            .map_err(|source| StageError::Connect { address: address.into(), source })?;
        let (reports, orders) = stream.into_split();
        Stage::over(reports, orders, config).await
    }

    /// Takes the stage at the other end of a pair of pipes.
    pub async fn over<R, W>(reports: R, orders: W, config: &Config) -> Result<Stage, StageError>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        Stage::hold(reports, orders, None, config).await
    }

    async fn hold<R, W>(
        reports: R,
        orders: W,
        child: Option<(Child, JoinHandle<String>)>,
        config: &Config,
    ) -> Result<Stage, StageError>
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let (heard, hear) = mpsc::unbounded_channel();
        let waiting = Waiting::new();
        let mut listening = JoinSet::new();
        let wards = waiting.clone();
        listening.spawn(async move {
            let mut lines = Lines::new(reports);
            // What is no report is none of ours to understand.
            while let Some(line) = lines.next::<Report>().await {
                let report = line.ok().and_then(|report| wards.hear(report));
                if report.is_some_and(|report| heard.send(report).is_err()) {
                    break;
                }
            }
            wards.close();
        });
        let (child, last_words) = child.unzip();
        let mut stage = Stage {
            _listening: listening,
            orders: Arc::new(tokio::sync::Mutex::new(Some(Box::new(orders)))),
            waiting,
            reports: hear,
            aside: VecDeque::new(),
            child,
            last_words,
            patience: ANSWER,
            pid: 0,
            upstreams: Vec::new(),
            links: Vec::new(),
            kafka: Vec::new(),
            zero: config.zero,
            shift: 0,
        };
        let ready = |report: &Report| matches!(report, Report::Ready { .. });
        match stage.ask(&Order::Open(Box::new(config.clone())), OPENING, None, ready).await? {
            Report::Ready { upstreams, links, kafka, pid } => {
                (stage.upstreams, stage.links, stage.kafka, stage.pid) = (upstreams, links, kafka, pid);
                Ok(stage)
            }
            _ => Err(StageError::Silent("it is not open".into())),
        }
    }

    /// Puts its reports on another axis: a run knows its zero only when everything that it needs stands, the stage
    /// among it. Decisions on disk stay on the axis that the stage was opened with.
    pub fn report_on(&mut self, clock: &Clock) {
        self.shift = self.zero as i64 - clock.zero() as i64;
    }

    /// The zero of the axis of its decisions on disk, in nanoseconds on the kernel's monotonic clock.
    pub fn zero(&self) -> u64 {
        self.zero
    }

    fn shifted(&self, at: Offset) -> Offset {
        Offset::from_nanos(at.nanos() + self.shift)
    }

    fn on_our_axis(&self, report: Report) -> Report {
        match report {
            Report::Applied { fault, at } => Report::Applied { fault, at: self.shifted(at) },
            Report::Touched { fault, at } => Report::Touched { fault, at: self.shifted(at) },
            Report::Cleared { fault, at, eligible, injected } => {
                Report::Cleared { fault, at: self.shifted(at), eligible, injected }
            }
            Report::Calls { at, upstreams } => Report::Calls { at: self.shifted(at), upstreams },
            Report::Health(health) => Report::Health(StageHealth { at: self.shifted(health.at), ..health }),
            report => report, // says nothing of when, or went to whoever waits for it
        }
    }

    /// Hands it recipes.
    pub fn keeper(&self) -> Keeper {
        Keeper::new(self.orders.clone(), self.waiting.clone())
    }

    /// Where each upstream answers: name and URL, in the order of the scenario.
    pub fn upstreams(&self) -> &[(String, String)] {
        &self.upstreams
    }

    /// Where each link listens: name and HOST:PORT, in the order of the scenario.
    pub fn links(&self) -> &[(String, String)] {
        &self.links
    }

    /// Where clients find each Kafka cluster that comes by the stage: name and bootstrap addresses, separated by commas.
    pub fn kafka(&self) -> &[(String, String)] {
        &self.kafka
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How long it may take to obey an order from now on; 2 s at first.
    pub fn be_patient_for(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Lets a link lead to HOST:PORT, which was not known when it was opened.
    pub async fn lead(&mut self, link: &str, to: &str) -> Result<(), StageError> {
        let order = Order::Lead { link: link.into(), to: to.into() };
        let led = |r: &Report| matches!(r, Report::Led { link: l } if l == link);
        self.ask(&order, self.patience, None, led).await.map(drop)
    }

    /// Lets a fault (its position in the scenario) begin. Returns from when on requests can be struck.
    pub async fn apply(&mut self, fault: usize) -> Result<Offset, StageError> {
        let applied = |r: &Report| matches!(r, Report::Applied { fault: f, .. } if *f == fault);
        match self.ask(&Order::Apply { fault }, self.patience, Some(fault), applied).await? {
            Report::Applied { at, .. } => Ok(self.shifted(at)),
            _ => Err(StageError::Silent(format!("fault {fault} is not applied"))),
        }
    }

    /// Lets a fault end. Afterwards no request is struck and none is held.
    pub async fn clear(&mut self, fault: usize) -> Result<Cleared, StageError> {
        let cleared = |r: &Report| matches!(r, Report::Cleared { fault: f, .. } if *f == fault);
        match self.ask(&Order::Clear { fault }, self.patience, Some(fault), cleared).await? {
            Report::Cleared { at, eligible, injected, .. } => Ok(Cleared { at: self.shifted(at), eligible, injected }),
            _ => Err(StageError::Silent(format!("fault {fault} is not cleared"))),
        }
    }

    /// What the stage says unasked: a fault's first touch, a time to live that ran out. `None` when it died. Dropping
    /// the future loses nothing.
    pub async fn report(&mut self) -> Option<Report> {
        let report = match self.aside.pop_front() {
            Some(report) => Some(report),
            None => self.reports.recv().await,
        };
        report.map(|r| self.on_our_axis(r))
    }

    /// What it said unasked that was heard already.
    pub fn heard(&mut self) -> Option<Report> {
        self.aside.pop_front().or_else(|| self.reports.try_recv().ok()).map(|r| self.on_our_axis(r))
    }

    /// Ends the lease in order: faults are cleared, and a stage that we started goes. Errors when it had to be killed.
    pub async fn close(mut self) -> Result<(), StageError> {
        let told = self.tell(&Order::Close).await;
        drop(self.orders.lock().await.take());
        // Its end of the pipe closes when it is done.
        let parted = timeout(ANSWER, async { while self.reports.recv().await.is_some() {} }).await;
        let Some(mut child) = self.child.take() else { return told };
        if parted.is_err() || timeout(ANSWER, child.wait()).await.is_err() {
            let _ = child.kill().await;
            return Err(StageError::Silent("it was killed".into()));
        }
        told
    }

    /// Gives an order and waits for its report; others are set aside. `fault` is what a refusal would be about.
    async fn ask(
        &mut self,
        order: &Order,
        within: Duration,
        fault: Option<usize>,
        wanted: impl Fn(&Report) -> bool,
    ) -> Result<Report, StageError> {
        self.tell(order).await?;
        let answer = async {
            loop {
                match self.reports.recv().await {
                    Some(report) if wanted(&report) => return Ok(Some(report)),
                    Some(Report::Failed { fault: about, why }) if about == fault => {
                        return Err(StageError::Refused(why));
                    }
                    Some(other) => self.aside.push_back(other),
                    None => return Ok(None),
                }
            }
        };
        match timeout(within, answer).await {
            Ok(Ok(Some(report))) => Ok(report),
            Ok(Ok(None)) => Err(self.died().await),
            Ok(Err(refused)) => Err(refused),
            Err(_) => Err(StageError::Silent("no report came".into())),
        }
    }

    async fn tell(&mut self, order: &Order) -> Result<(), StageError> {
        let telling = async {
            match &mut *self.orders.lock().await {
                Some(orders) => protocol::write(orders, order).await.is_ok(),
                None => false,
            }
        };
        match timeout(self.patience, telling).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.died().await),
            Err(_) => Err(StageError::Silent("it does not listen".into())),
        }
    }

    /// What can be said of a stage that says no more.
    pub async fn died(&mut self) -> StageError {
        let said = match self.last_words.take() {
            // It ends with the process, whose other pipe is closed already.
            Some(words) => timeout(Duration::from_millis(500), words).await.ok().and_then(Result::ok),
            None => None,
        };
        let said = said.map(|s| s.trim().to_owned()).filter(|s| !s.is_empty());
        StageError::Died(said.unwrap_or_else(|| "it said nothing".into()))
    }
}

/// However many keepers there are, the lease is this one's.
impl Drop for Stage {
    fn drop(&mut self) {
        if let Ok(mut orders) = self.orders.try_lock() {
            *orders = None;
        }
        self.waiting.close();
    }
}

/// The last of what a stage says on standard error, once it is gone.
async fn last_words(mut errors: ChildStderr) -> String {
    let mut words = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(n @ 1..) = errors.read(&mut buffer).await {
        words.extend_from_slice(&buffer[..n]);
        words.drain(..words.len().saturating_sub(LAST_WORDS));
    }
    String::from_utf8_lossy(&words).into_owned()
}
