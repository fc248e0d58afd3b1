//! `--metrics-listen`: the run as a page of metrics while it goes on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::published::{Published, Refused, allowed};
use crate::base::httpd::{Answer, Handler, Request, Response, serve};
use crate::base::net::split_host;
use crate::report::metered::{Media, page};

/// So many connections are answered at once.
const MOST: usize = 16;

/// A page that is served until it is dropped.
pub(super) struct Served {
    address: SocketAddr,
    shown: Shown,
    _runtime: Runtime, // serves as long as it is there
}

/// The run that the page is about.
type Shown = Arc<Mutex<Option<Published>>>;

impl Served {
    /// Listens at `HOST:PORT`.
    pub fn new(at: &str, hosts: &[String]) -> Result<Served, Refused> {
        let usage = |why: String| Refused::Usage(format!("--metrics-listen: {why}"));
        let trouble = |why: std::io::Error| Refused::Trouble(format!("--metrics-listen {at}: {why}"));
        let (host, port) = at
            .rsplit_once(':')
            .and_then(|_| split_host(at, 0))
            .ok_or_else(|| usage(format!("`{at}` is no place to listen at: write HOST:PORT, as in 127.0.0.1:9464")))?;
        allowed(&host, hosts).map_err(usage)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(trouble)?;
        let listener = runtime.block_on(TcpListener::bind((host.as_str(), port))).map_err(trouble)?;
        let address = listener.local_addr().map_err(trouble)?;
        let shown = Shown::default();
        runtime.spawn(serve(listener, Arc::new(Page(shown.clone()))));
        Ok(Served { address, shown, _runtime: runtime })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the page is about this run.
    pub fn show(&self, run: Published) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }
}

struct Page(Shown);

impl Handler for Page {
    async fn handle(&self, request: Request) -> Answer {
        if request.path != "/metrics" {
            return Response::text(404, "the metrics of this run are at /metrics\n").into();
        }
        if request.method != "GET" && request.method != "HEAD" {
            return Response::text(405, "").with("Allow", "GET, HEAD").into();
        }
        let media = Media::accepted(request.header("accept"));
        let run = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = match run {
            Some(run) => run.met(|metered| page(Some(metered), media)),
            None => page(None, media),
        };
        Response::new(200, media.word(), text).into()
    }

    fn most(&self) -> usize {
        MOST
    }
}
