//! Several services in one process: each on a port of its own, with the pages that all services of a system have and the
//! metrics of every request. A system adds what is its own.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::Running;
use super::knobs::{Knobs, Row, knob};
use super::metrics::{Counter, Family, Gauge, Histogram, MEDIA, Registry};
use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::time;

/// Upper bounds of the latency of requests, in seconds.
const BOUNDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 5.0, 10.0];

/// Methods that have a value of the label of their own.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "HEAD"];

/// How a fleet is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The port of 127.0.0.1 of the first service, and the next ones of the others; 0 takes free ones.
    pub ports: u16,
    /// The label `environment` of every metric.
    pub environment: String,
    /// The label `version` of every metric.
    pub version: String,
    /// Whether the counters of errors are on the page before the first error. Where they are not, the first errors are
    /// invisible to `rate`: a counter that is born at 100 has not risen.
    pub born_at_zero: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { ports: 0, environment: "practice".into(), version: "1.0.0".into(), born_at_zero: true }
    }
}

impl Knobs for Options {
    const ROWS: &'static [Row<Options>] = &[
        knob!(whole(u16::MAX.into()) ports, "the port of the first service, the next ones of the others; 0 for free ones"),
        knob!(text environment, "the label `environment` of every metric"),
        knob!(text version, "the label `version` of every metric"),
        knob!(switch born_at_zero, "whether counters of errors are there before the first error"),
    ];
}

/// What one service does beyond what all do.
pub trait Service: Send + Sync + 'static {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Its own paths, each with what it is called in metrics. Any other is 404 and `other`.
    fn answer(&self, request: &Request) -> impl Future<Output = Option<(&'static str, Response)>> + Send;
    /// The paths that say whether it lives and whether it is ready.
    fn probes(&self) -> &'static [&'static str];
    /// What a probe says; that all is well, unless a service knows better.
    fn probe(&self, _path: &str) -> Response {
        Response::json(200, &serde_json::json!({ "status": "ok" }))
    }
    /// Hears what was answered, pages of metrics aside.
    fn answered(&self, _request: &Request, _path: &'static str, _response: &Response, _took: Duration) {}
}

/// The metrics of every request.
#[derive(Clone)]
pub struct Requests {
    labels: [String; 3], // service, environment, version
    count: Family<Counter, 6>,
    took: Family<Histogram, 4>,
    under_way: Gauge,
}

impl Requests {
    /// Declares them.
    pub fn new(registry: &mut Registry, service: &str, options: &Options) -> Requests {
        let labels = [service.to_owned(), options.environment.clone(), options.version.clone()];
        let common = ["service", "environment", "version"];
        let count = registry.counters(
            "http_requests_total",
            "Requests that were answered, by status",
            ["service", "environment", "version", "method", "path", "status"],
        );
        let took = registry.histograms(
            "http_request_duration_seconds",
            "From a request to its answer",
            ["service", "environment", "version", "path"],
            BOUNDS,
        );
        let under_way = registry.gauges("http_requests_in_progress", "Requests under way", common);
        let start = registry.gauges("process_start_time_seconds", "When the process started, in Unix time", common);
        let known = [labels[0].as_str(), labels[1].as_str(), labels[2].as_str()];
        start.with(known).set(time::wall() as f64 / 1e9);
        let under_way = under_way.with(known);
        Requests { labels, count, took, under_way }
    }

    /// The values of the labels that every metric has.
    pub fn labels(&self) -> [&str; 3] {
        [&self.labels[0], &self.labels[1], &self.labels[2]]
    }

    /// Puts a counter on the page before there is anything to count.
    pub fn expect(&self, method: &str, path: &str, status: u16) {
        let [service, environment, version] = self.labels();
        self.count.with([service, environment, version, method, path, &status.to_string()]);
    }

    fn began(&self) {
        self.under_way.add(1.0);
    }

    fn ended(&self, method: &str, path: &str, status: u16, took: Duration) {
        self.under_way.add(-1.0);
        let [service, environment, version] = self.labels();
        self.count.with([service, environment, version, method, path, &status.to_string()]).inc();
        self.took.with([service, environment, version, path]).observe_duration(took);
    }
}

/// A service at its port.
struct Desk<S> {
    service: Arc<S>,
    requests: Requests,
    registry: Arc<Registry>,
}

impl<S: Service> httpd::Handler for Desk<S> {
    async fn handle(&self, request: Request) -> Answer {
        if request.path == "/metrics" {
            return Response::new(200, MEDIA, self.registry.page()).into();
        }
        let from = time::monotonic();
        self.requests.began();
        let (path, response) = match self.service.probes().iter().find(|probe| **probe == request.path) {
            Some(probe) => (*probe, self.service.probe(probe)),
            None => match self.service.answer(&request).await {
                Some(answered) => answered,
                None => ("other", Response::json(404, &serde_json::json!({ "detail": "Not Found" }))),
            },
        };
        let method = METHODS.into_iter().find(|known| *known == request.method).unwrap_or("other");
        let took = Duration::from_nanos(time::monotonic() - from);
        self.service.answered(&request, path, &response, took);
        self.requests.ended(method, path, response.status, took);
        response.into()
    }
}

/// Starts services one after another.
#[derive(Default)]
pub struct Fleet {
    services: Vec<(String, String)>,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Starts a service; the ports of a fleet follow each other unless they are free ones.
    pub async fn add<S: Service>(
        &mut self,
        service: Arc<S>,
        requests: Requests,
        registry: Registry,
        options: &Options,
    ) -> io::Result<()> {
        let port = match options.ports {
            0 => 0,
            first => first
                .checked_add(self.services.len() as u16)
                .ok_or_else(|| io::Error::other(format!("no ports behind {first}: begin lower")))?,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("port {port} of 127.0.0.1: {e}")))?;
        self.services.push((service.name().to_owned(), format!("http://{}", listener.local_addr()?)));
        let desk = Desk { service, requests, registry: Arc::new(registry) };
        self.tasks.spawn(httpd::serve(listener, Arc::new(desk)));
        Ok(())
    }

    /// Lets something go on beside the requests.
    pub fn beside(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// All of them, at work.
    pub fn running(self) -> Running {
        Running::new(self.services, self.tasks)
    }
}
