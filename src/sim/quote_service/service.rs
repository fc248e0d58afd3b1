//! The service as a whole: what it is made of, its pages, and what runs beside the requests.

mod answer;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::seed::Seed;
use crate::base::time::{Clock, Offset};
use crate::sim::{Running, System, metrics};

use super::cache::Cache;
use super::instruments::Instruments;
use super::options::Options;
use super::pages::{self, PoolHealth};
use super::pairs::{Pair, Pairs};
use super::pools::Protocol;
use super::prices::{FIRST_SLOT, SLOT_MS};
use super::quoters::{Means, Quoters};
use super::truth::Log;
use super::twist::Readiness;
use super::work::Work;
use answer::Path;

/// A price refresh runs at most this many calculations at a time.
const REFRESHERS: usize = 16;

/// Starts the service on the current runtime and comes back when it answers. Fails when the port is taken or the
/// truth log cannot be made.
pub async fn start(options: Options) -> io::Result<Running> {
    let listener = TcpListener::bind(("127.0.0.1", options.port))
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("port {} of 127.0.0.1: {e}", options.port)))?;
    let url = format!("http://{}", listener.local_addr()?);
    let refresh = options.refresh;
    let service = Arc::new(Service::new(options)?);
    let mut tasks = JoinSet::new();
    if let Some(age) = refresh {
        tasks.spawn(service.clone().refresh(age));
    }
    let (log, api) = (service.log.clone(), Arc::new(Api(service)));
    tasks.spawn(httpd::serve(listener, api));
    let mut running = Running::new(vec![(System::QuoteService.name().to_owned(), url)], tasks);
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
    workers: Semaphore,
    waiting: AtomicUsize,
    pages: AtomicU64,        // of metrics, that were asked for
    pool_queries: AtomicU64, // per protocol
    pool_failures: [AtomicU64; 3],
    log: Arc<Log>,
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

struct Api(Arc<Service>);

impl httpd::Handler for Api {
    async fn handle(&self, request: Request) -> Answer {
        let service = &self.0;
        if request.method != "GET" && request.method != "HEAD" {
            return Response::text(405, "use GET\n").with("Allow", "GET, HEAD").into();
        }
        match request.path.as_str() {
            "/quote" => service.quote(&request, Path::Quote).await,
            "/quote/hybrid" => service.quote(&request, Path::Hybrid).await,
            "/metrics" => {
                // Writing thousands of lines takes milliseconds that no quote in flight should pay for.
                let instruments = service.instruments.clone();
                let nth = service.pages.fetch_add(1, Relaxed);
                match tokio::task::spawn_blocking(move || instruments.page()).await {
                    Ok(page) => Response::new(200, metrics::MEDIA, service.twisted(page, nth).await),
                    Err(_) => Response::text(500, "the metrics page could not be written\n"),
                }
            }
            "/health" | "/health/live" => service.health(),
            "/ready" | "/health/ready" => service.ready(),
            _ => Response::text(404, "try /quote, /quote/hybrid, /health, /ready or /metrics\n"),
        }
        .into()
    }
}

impl Service {
    fn new(options: Options) -> io::Result<Service> {
        let seed = Seed(options.seed);
        let instruments = Arc::new(Instruments::new());
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
            workers: Semaphore::new(options.workers),
            waiting: AtomicUsize::new(0),
            pages: AtomicU64::new(0),
            pool_queries: AtomicU64::new(0),
            pool_failures: Default::default(),
            log: Arc::new(Log::open(&options.truth)?),
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
                    if let Some((offer, slot)) = service.calculate(&old.pair, old.amount).await {
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
