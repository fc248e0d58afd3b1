//! A service at its port: the pages that every service has, and those of its own.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::base::httpd::{self, Answer, Request, Response};
use crate::sim::metrics::{MEDIA, Registry};

/// What a service has beyond the pages of all.
pub trait Service: Send + Sync + 'static {
    /// Answers a request; `None` where there is no such path.
    fn answer(&self, request: &Request) -> impl Future<Output = Option<Response>> + Send {
        let _ = request;
        async { None }
    }

    /// Whether it can do its work.
    fn is_ready(&self) -> bool {
        true
    }
}

/// A service that has nothing but the pages of all.
pub struct Plain;
impl Service for Plain {}

struct Desk<S> {
    service: Arc<S>,
    registry: Registry,
}

impl<S: Service> httpd::Handler for Desk<S> {
    async fn handle(&self, request: Request) -> Answer {
        let response = match (request.method.as_str(), request.path.as_str()) {
            ("GET" | "HEAD", "/metrics") => Response::new(200, MEDIA, self.registry.page()),
            ("GET" | "HEAD", "/health" | "/health/live") => Response::json(200, &json!({ "status": "healthy" })),
            ("GET" | "HEAD", "/ready" | "/health/ready") => {
                let ready = self.service.is_ready();
                Response::json(if ready { 200 } else { 503 }, &json!({ "ready": ready }))
            }
            _ => match self.service.answer(&request).await {
                Some(response) => response,
                None => Response::json(404, &json!({ "detail": "Not Found" })),
            },
        };
        response.into()
    }
}

/// Starts services one after another.
pub struct Desks {
    first: u16,
    /// Those that answer, each with its address.
    pub services: Vec<(String, String)>,
    /// What keeps them at work.
    pub tasks: JoinSet<()>,
}

impl Desks {
    /// Ports follow each other from `first`; 0 takes free ones.
    pub fn new(first: u16) -> Desks {
        Desks { first, services: Vec::new(), tasks: JoinSet::new() }
    }

    /// Opens the next port to a service.
    pub async fn open<S: Service>(&mut self, name: &str, service: Arc<S>, registry: Registry) -> io::Result<()> {
        let port = match self.first {
            0 => 0,
            first => first
                .checked_add(self.services.len() as u16)
                .ok_or_else(|| io::Error::other(format!("no ports behind {first}: begin lower")))?,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("port {port} of 127.0.0.1: {e}")))?;
        self.services.push((name.to_owned(), format!("http://{}", listener.local_addr()?)));
        self.tasks.spawn(httpd::serve(listener, Arc::new(Desk { service, registry })));
        Ok(())
    }
}
