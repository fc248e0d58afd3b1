//! The service as a whole: what it is made of, its pages, and what runs beside the requests.

mod answer;

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::seed::Seed;
use crate::base::time::{Clock, Offset};
use crate::sim::{Running, System, metrics};

use super::cache::Cache;
use super::instruments::Instruments;
use super::lies::Lie;
use super::options::Options;
use super::pages::{self, PoolHealth};
use super::pairs::{Pair, Pairs};
use super::pools::Protocol;
use super::prices::{FIRST_SLOT, SLOT_MS};
use super::quoters::{Means, Quoters};
use super::truth::Log;
use super::twist::Readiness;
use super::work::{Pace, Work};
use super::workers::Workers;
use answer::Path;

/// A price refresh runs at most this many calculations at a time.
const REFRESHERS: usize = 16;

/// Starts the service on the current runtime and comes back when it answers. Fails when the port is taken or the
/// truth log cannot be made.
pub async fn start(options: Options) -> io::Result<Running> {
    let refresh = options.refresh;
    let log = Arc::new(Log::open(&options.truth)?);
    let database = Arc::new(Mutex::new(0));
    let mut tasks = JoinSet::new();
    let mut services = Vec::new();
    for replica in 0..options.replicas {
        let port = if options.port == 0 { 0 } else { options.port.saturating_add(replica) };
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("port {port} of 127.0.0.1: {e}")))?;
        services.push((System::QuoteService.name().to_owned(), format!("http://{}", listener.local_addr()?)));
        let process = |_| Service::new(options.clone(), log.clone(), database.clone()).map(Arc::new);
        let processes = (0..options.processes).map(process).collect::<io::Result<Vec<Arc<Service>>>>()?;
        for (service, age) in processes.iter().filter_map(|service| Some((service, refresh?))) {
            tasks.spawn(service.clone().refresh(age));
        }
        let api = Arc::new(Api { processes, turn: AtomicUsize::new(0) });
        tasks.spawn(httpd::serve(listener, api));
    }
    let mut running = Running::new(services, tasks);
    running.closing = Some(Box::new(move || log.close()));
    Ok(running)
}

struct Service {
    options: Options,
    clock: Clock, // zero is the start
    instruments: Arc<Instruments>,
    pairs: Pairs,
    cache: Cache<Price>,
    work: Arc<Work>,
    quoters: Quoters,
    means: Arc<Means>,
    workers: Workers,
    database: Arc<Mutex<u64>>, // of all replicas: when it is free, in nanoseconds on the kernel's monotonic clock
    pages: AtomicU64,          // of metrics, that were asked for
    pool_queries: AtomicU64,   // per protocol
    pool_failures: [AtomicU64; 3],
    log: Arc<Log>,
    counted: AtomicU64,            // HTTP requests
    leaked: Mutex<Vec<Box<[u8]>>>, // what quotes leave behind
}

/// A price as it is kept.
#[derive(Clone)]
struct Price {
    pair: Arc<Pair>,
    amount: u64, // that it was made for
    ratio: f64,  // base units of output per base unit of input
    maker: Maker,
    slot: u64,
    made_ms: u64, // since the Unix epoch
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Pool(Protocol),
    Quoter(usize),
}

/// The port: as many processes as answer behind it, in turn.
struct Api {
    processes: Vec<Arc<Service>>,
    turn: AtomicUsize,
}

impl httpd::Handler for Api {
    async fn handle(&self, request: Request) -> Answer {
        let turn = self.turn.fetch_add(1, Relaxed);
        let service = &self.processes[turn % self.processes.len()];
        let arrived = service.clock.now();
        // What nobody knows has no label of its own, so that nobody can make the metrics page grow without end.
        let path = PATHS.into_iter().find(|path| *path == request.path).unwrap_or("other");
        let response = service.page(request).await;
        service.count_http(path, &response, service.clock.now().since(arrived));
        response.into()
    }
}

/// The paths that there are, those of quotes first.
const PATHS: [&str; 7] = ["/quote", "/quote/hybrid", "/health", "/health/live", "/health/ready", "/ready", "/metrics"];
/// By so much a liar's clock is behind the one that stamped the arrival.
const SKEW: Duration = Duration::from_millis(250);
/// A liar does not count what took longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// After so many requests a liar forgets.
const FORGETS: u64 = 100;

impl Service {
    /// Answers a request.
    async fn page(&self, request: Request) -> Response {
        if request.method != "GET" && request.method != "HEAD" {
            return Response::text(405, "use GET\n").with("Allow", "GET, HEAD");
        }
        match request.path.as_str() {
            "/quote" | "/quote/hybrid" => {
                self.leak();
                let path = if request.path == "/quote" { Path::Quote } else { Path::Hybrid };
                self.quote(&request, path).await
            }
            "/metrics" => {
                // Writing thousands of lines takes milliseconds that no quote in flight should pay for.
                let nth = self.pages.fetch_add(1, Relaxed);
                let instruments = self.instruments.clone();
                match tokio::task::spawn_blocking(move || instruments.page()).await {
                    Ok(page) => Response::new(200, metrics::MEDIA, self.twisted(page, nth).await),
                    Err(_) => Response::text(500, "the metrics page could not be written\n"),
                }
            }
            "/health" | "/health/live" => self.health(),
            "/ready" | "/health/ready" => self.ready(),
            _ => Response::text(404, "try /quote, /quote/hybrid, /health, /ready or /metrics\n"),
        }
    }

    /// Leaves memory behind, and has it in its hands once: what was never written to is not taken from the system.
    fn leak(&self) {
        if self.options.leak > 0 {
            let piece = vec![1; self.options.leak as usize].into_boxed_slice();
            self.leaked.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
        }
    }

    /// Counts an answered request as the middleware of a web framework does, before the answer goes out.
    fn count_http(&self, path: &'static str, response: &Response, took: Duration) {
        let (all, lie) = (&*self.instruments, self.options.lie);
        let is_quote = PATHS[..2].contains(&path);
        if !is_quote && !self.options.count_all {
            return;
        }
        if lie == Lie::Reset && is_quote && self.counted.fetch_add(1, Relaxed) == FORGETS {
            all.reset();
        }
        let took = match lie {
            Lie::TimeoutsUncounted if took > PATIENCE => return,
            Lie::MsAsSeconds => took * 1000,
            Lie::ClockSkew => took + SKEW,
            _ => took,
        };
        let status = if lie == Lie::DroppedLabel { String::new() } else { response.status.to_string() };
        all.http_requests.with([path, &status]).inc();
        all.http_duration.with([path]).observe_duration(took);
    }

    fn new(options: Options, log: Arc<Log>, database: Arc<Mutex<u64>>) -> io::Result<Service> {
        let seed = Seed(options.seed);
        let instruments = Arc::new(Instruments::lying(options.lie));
        let work = Arc::new(Work::new(seed, options.scale())?);
        let clock = Clock::starting_in(Duration::ZERO);
        Ok(Service {
            clock,
            pairs: Pairs::new(seed),
            cache: Cache::new(options.lifetimes(), options.capacity),
            quoters: Quoters::new(&options.quoters(), options.policy(), &instruments),
            means: Arc::new(Means { clock, instruments: instruments.clone(), work: work.clone() }),
            instruments,
            work,
            workers: Workers::new(options.workers, options.queue),
            database,
            pages: AtomicU64::new(0),
            pool_queries: AtomicU64::new(0),
            pool_failures: Default::default(),
            log,
            counted: AtomicU64::new(0),
            leaked: Mutex::default(),
            options,
        })
    }

    /// Calculates prices again that are asked for and `age` old, for ever. Quoters are not asked: their calls are
    /// too dear to spend on what nobody waits for.
    async fn refresh(self: Arc<Self>, age: Duration) {
        let every = (age / 4).max(Duration::from_millis(50));
        loop {
            tokio::time::sleep(every).await;
            let mut running = JoinSet::new();
            for (key, old) in self.cache.due(self.clock.now(), age) {
                while running.len() >= REFRESHERS {
                    running.join_next().await;
                }
                let service = self.clone();
                running.spawn(async move {
                    if let Some((offer, slot)) = service.calculate(&mut Pace::now(), &old.pair, old.amount).await {
                        let maker = Maker::Pool(offer.protocol);
                        let price = service.price(&old.pair, old.amount, offer.ratio, maker, slot);
                        service.cache.put(key, price, service.clock.now());
                    }
                });
            }
            while running.join_next().await.is_some() {}
        }
    }

    fn slot(&self) -> u64 {
        FIRST_SLOT + self.uptime().as_millis() as u64 / SLOT_MS
    }

    fn uptime(&self) -> Duration {
        self.clock.now().since(Offset::ZERO)
    }

    fn warming(&self) -> Duration {
        self.options.warm_up.mul_f64(self.options.scale()).saturating_sub(self.uptime())
    }

    /// Whether requests may come: what `/ready` says, or claims.
    fn ready(&self) -> Response {
        match self.options.ready {
            Readiness::Always => pages::ready(Duration::ZERO, false),
            Readiness::Start => pages::ready(self.warming(), false),
            Readiness::Quoters => pages::ready(self.warming(), self.quoters.is_cut_off()),
        }
    }

    /// A page of metrics as it is served.
    async fn twisted(&self, page: String, nth: u64) -> String {
        let Some(twist) = self.options.page else { return page };
        tokio::time::sleep(twist.delay()).await;
        twist.apply(page, nth, self.instruments.quotes_served.get())
    }

    fn health(&self) -> Response {
        let pools = PoolHealth {
            queries: self.pool_queries.load(Relaxed),
            failures: [0, 1, 2].map(|i| self.pool_failures[i].load(Relaxed)),
        };
        pages::health(self.uptime(), self.cache.len(), &pools)
    }
}
