//! A server to hold a load generator against: it does no work, freezes when told to, and notes for every request when
//! it came and when it was answered. It knows nothing of who measures it.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::knobs::{self, Knobs, Row, knob};
use super::{Knob, Running};
use crate::base::time;
use crate::base::trace::TraceId;

/// How often the log is handed to the system.
const FLUSH: Duration = Duration::from_millis(20);
/// A longer head is hung up on, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// One line of the log: trace id, when the request was there, when its answer was written.
const RECORD: usize = 32;
/// How often it asks what it depends on.
const PULSE: Duration = Duration::from_millis(2);
/// What it depends on has failed when it takes longer.
const ANSWER: Duration = Duration::from_millis(50);
/// What is answered while it limps.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
/// What is answered otherwise.
const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";

/// How it behaves. By default it never freezes and keeps no log.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port of 127.0.0.1 to answer on; 0 takes a free one.
    pub port: u16,
    /// For how long it does nothing at all.
    pub freeze: Duration,
    /// From one freeze to the next; once when zero.
    pub every: Duration,
    /// From the first request to the first freeze.
    pub from: Duration,
    /// Where the log goes.
    pub log: Option<PathBuf>,
    /// The processor that it keeps to; any when not given.
    pub cpu: Option<usize>,
    /// What it depends on: HOST:PORT.
    pub upstream: Option<String>,
    /// For so long after what it depends on failed last it refuses every request; it does not care when zero.
    pub limp: Duration,
}

/// What the server says of one request. Instants are nanoseconds on the kernel's monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// The request's trace.
    pub trace: TraceId,
    /// It was there.
    pub came: u64,
    /// Its answer was written.
    pub answered: u64,
}

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(length freeze, "for how long it does nothing at all"),
        knob!(length every, "from one freeze to the next; once when 0s"),
        knob!(length from, "from the first request to the first freeze"),
        (
            "log",
            "a file for when each request came and was answered, or none",
            |o, v| knobs::put(&mut o.log, knobs::or("none", v, |v| Ok(v.into()))),
            |o| o.log.as_ref().map_or("none".into(), |log| log.display().to_string()),
        ),
        (
            "cpu",
            "the number of the processor that it keeps to, or any",
            |o, v| knobs::put(&mut o.cpu, knobs::or("any", v, |v| knobs::whole(v, CpuSet::MAX_CPU as u64 - 1))),
            |o| o.cpu.map_or("any".into(), |cpu| cpu.to_string()),
        ),
        knob!(length limp, "for how long after its upstream failed last it answers 503; needs one; never when 0s"),
    ];
}

impl Options {
    /// Its settings.
    pub fn keys() -> Vec<Knob> {
        Options::default().knobs()
    }

    /// Names what it depends on: the first address counts.
    pub fn add_upstream(&mut self, url: &str) {
        self.upstream.get_or_insert_with(|| url.trim_start_matches("http://").trim_end_matches('/').to_owned());
    }

    /// Changes a setting. The error says what is wrong.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let is = self.turn(key, value)?;
        knobs::known(is, "calibrator", key, &Options::keys())
    }
}

/// Starts it on a thread of its own, so that a freeze is one.
pub async fn start(options: Options) -> io::Result<Running> {
    let (ready, answers) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new().name("calibrator".into()).spawn(move || {
        if let Some(cpu) = options.cpu {
            let mut only = CpuSet::new();
            only.set(cpu);
            sched_setaffinity(None, &only)
                .map_err(|e| io::Error::other(format!("cpu {cpu}: {e}: name one that is there")))?;
        }
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(serve(options, ready, stopped))
    })?;
    let Ok(port) = answers.await else {
        return Err(thread
            .join()
            .map_or_else(|_| io::Error::other("it panicked"), |e| e.err().unwrap_or(io::ErrorKind::Other.into())));
    };
    let mut running = Running::new(vec![("target".into(), format!("http://127.0.0.1:{port}"))], JoinSet::new());
    running.closing = Some(Box::new(move || {
        let _ = stop.send(());
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the calibrator panicked")))
    }));
    Ok(running)
}

/// What its connections share.
struct Server {
    log: Option<RefCell<BufWriter<File>>>,
    first: RefCell<Option<oneshot::Sender<()>>>,
    well_from: Cell<u64>, // until then it refuses, on the kernel's monotonic clock
}

async fn serve(options: Options, ready: oneshot::Sender<u16>, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let log = options.log.as_ref().map(File::create).transpose()?.map(|file| RefCell::new(BufWriter::new(file)));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    let (first, begun) = oneshot::channel();
    let server = Rc::new(Server { log, first: RefCell::new(Some(first)), well_from: Cell::new(0) });
    let _ = ready.send(listener.local_addr()?.port());
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::task::spawn_local(server.clone().converse(stream))),
                Err(_) => tokio::time::sleep(FLUSH).await, // out of descriptors: whoever waits keeps waiting
            }
        }
    };
    let flushing = async {
        loop {
            tokio::time::sleep(FLUSH).await;
            if server.log.as_ref().is_some_and(|log| log.borrow_mut().flush().is_err()) {
                return;
            }
        }
    };
    let freezing = async {
        if options.freeze.is_zero() || begun.await.is_err() {
            return;
        }
        tokio::time::sleep(options.from).await;
        loop {
            std::thread::sleep(options.freeze); // on purpose: the whole server stands still
            if options.every.is_zero() {
                return;
            }
            tokio::time::sleep(options.every.saturating_sub(options.freeze)).await;
        }
    };
    let limping = async {
        if let Some(upstream) = options.upstream.as_ref().filter(|_| !options.limp.is_zero()) {
            server.limp(upstream, options.limp.as_nanos() as u64).await;
        }
    };
    let whole = async {
        tokio::join!(accepting, flushing, freezing, limping);
    };
    tokio::select! {
        () = whole => {}
        _ = stopped => {}
    }
    server.log.as_ref().map_or(Ok(()), |log| log.borrow_mut().flush())
}

impl Server {
    async fn converse(self: Rc<Server>, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut bytes = Vec::new();
        loop {
            while let Some(end) = end_of_head(&bytes) {
                let came = time::monotonic();
                if let Some(first) = self.first.borrow_mut().take() {
                    let _ = first.send(());
                }
                let reply = if came < self.well_from.get() { REFUSAL } else { REPLY };
                if stream.write_all(reply).await.is_err() {
                    return;
                }
                self.note(&bytes[..end], came);
                bytes.drain(..end);
            }
            match stream.read_buf(&mut bytes).await {
                Ok(n) if n > 0 && bytes.len() <= MAX_HEAD => {}
                _ => return,
            }
        }
    }

    /// Asks what it depends on, again and again, and refuses requests until it has been well for so many nanoseconds.
    async fn limp(&self, upstream: &str, limp: u64) {
        let mut line = None;
        loop {
            let asked = tokio::time::timeout(ANSWER, ask(upstream, &mut line)).await;
            if !matches!(asked, Ok(Ok(true))) {
                line = None;
                self.well_from.set(time::monotonic() + limp);
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    fn note(&self, head: &[u8], came: u64) {
        let (Some(log), Some(trace)) = (&self.log, trace_of(head)) else { return };
        let mut record = [0; RECORD];
        record[..16].copy_from_slice(&trace.0);
        record[16..24].copy_from_slice(&came.to_le_bytes());
        record[24..].copy_from_slice(&time::monotonic().to_le_bytes());
        let _ = log.borrow_mut().write_all(&record); // whoever reads the log finds it short
    }
}

/// Whether it is answered well, on a connection that is kept.
async fn ask(upstream: &str, line: &mut Option<TcpStream>) -> io::Result<bool> {
    let stream = match line {
        Some(stream) => stream,
        none => none.insert(TcpStream::connect(upstream).await?),
    };
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {upstream}\r\n\r\n").as_bytes()).await?;
    let mut reply = Vec::new();
    loop {
        if let Some(head) = end_of_head(&reply) {
            let text = String::from_utf8_lossy(&reply[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if reply.len() >= head + length.unwrap_or(0usize) {
                return Ok(text.starts_with("http/1.1 200"));
            }
        }
        if stream.read_buf(&mut reply).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}

fn trace_of(head: &[u8]) -> Option<TraceId> {
    let text = std::str::from_utf8(head).ok()?;
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("traceparent").then_some(value)
    })?;
    TraceId::from_traceparent(value)
}

/// Reads a log. A line that was being written when the server died is left out.
pub fn read_log(path: &Path) -> io::Result<Vec<Served>> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let served = |record: &[u8]| {
        let mut trace = [0; 16];
        trace.copy_from_slice(&record[..16]);
        Served { trace: TraceId(trace), came: number(&record[16..24]), answered: number(&record[24..]) }
    };
    Ok(std::fs::read(path)?.chunks_exact(RECORD).map(served).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::base::trace::{Shot, Tracer};

    /// A service that answers or does not, as it is told.
    async fn dependency(well: Rc<Cell<bool>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::task::spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let well = well.clone();
                tokio::task::spawn_local(async move {
                    let mut bytes = [0; 512];
                    while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) && well.get() {
                        if stream.write_all(REPLY).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn it_limps_for_a_while_after_what_it_depends_on() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let well = Rc::new(Cell::new(true));
                let mut options = Options::default();
                options.set("limp", "60ms").expect("a setting");
                options.add_upstream(&format!("http://{}", dependency(well.clone()).await));
                let running = start(options).await.expect("starts");
                let address = running.services()[0].1.trim_start_matches("http://").to_owned();
                let mut line = None;
                let mut asks = async |wanted: bool| {
                    for _ in 0..2_000 {
                        if ask(&address, &mut line).await.is_ok_and(|well| well == wanted) {
                            return time::monotonic();
                        }
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    unreachable!("it never was")
                };
                asks(true).await;
                well.set(false);
                asks(false).await;
                let mended = time::monotonic();
                well.set(true);
                assert!(asks(true).await - mended >= 55_000_000, "not at once");
                running.stop().await.expect("stops");
            })
            .await;
    }

    #[tokio::test]
    async fn it_answers_and_says_when() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = Options::default();
        let log = folder.path().join("log");
        options.set("log", &log.display().to_string()).expect("a setting");
        options.set("freeze", "30ms").expect("a setting");
        assert!(options.set("frozen", "1s").is_err_and(|why| why.contains("`frozen`")));
        let running = start(options).await.expect("starts");
        let address = running.services()[0].1.trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let tracer = Tracer::new(Seed(1), "r");
        let before = time::monotonic();
        let mut sent = 0;
        // It freezes soon after the first request; until somebody had to wait for that, there are more.
        loop {
            let (trace, asked) = (tracer.id(Shot { traffic: 0, seq: sent }).traceparent(), time::monotonic());
            let request = [b"GET / HTTP/1.1\r\nTraceparent: ".as_slice(), &trace, b"\r\n\r\n"].concat();
            stream.write_all(&request).await.expect("writes");
            let mut reply = vec![0; REPLY.len()];
            stream.read_exact(&mut reply).await.expect("reads");
            assert_eq!(reply, REPLY);
            sent += 1;
            let waited = time::monotonic() - asked;
            if waited >= 25_000_000 {
                break;
            }
            assert!(time::monotonic() - before < 10_000_000_000, "it never froze");
        }
        running.stop().await.expect("stops");
        let served = read_log(&log).expect("reads");
        let seqs: Vec<_> = served.iter().filter_map(|s| tracer.shot(s.trace).map(|shot| shot.seq)).collect();
        assert_eq!(seqs, (0..sent).collect::<Vec<_>>());
        assert!(served.iter().all(|s| before <= s.came && s.came <= s.answered));
    }
}
