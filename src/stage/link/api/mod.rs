//! Toxiproxy's REST API, as its server 2.12 speaks it, so that its clients and its command line drive our links.
//!
//! Routes, codes and bodies are its own. Beyond it, a toxic may be `corrupt` or `drop_half`, times may have fractions, and
//! what would reach another machine is refused with 403 unless the stage allows that host. The faults of a run are
//! listed among the toxics and cannot be changed here.

mod metrics;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::wire::Wrong;
pub use self::wire::show;
use super::link::{Face, Link};
use super::links::{Links, Refusal};
use super::toxic::Toxic;
use crate::base::httpd::{Answer, Handler, Request, Response, decode};
use crate::base::time;

/// The server whose API this is.
const VERSION: &str = "2.12.0";
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(25);

/// The API over the links of a stage.
pub struct Api {
    links: Arc<Links>,
    begun: i64, // with the ordinal, a request's id
    requests: AtomicU64,
}

/// What went wrong, as clients are told.
struct Failure {
    status: u16,
    why: String,
}

impl Api {
    /// The API over these links.
    pub fn new(links: Arc<Links>) -> Api {
        Api { links, begun: time::wall(), requests: AtomicU64::new(0) }
    }

    /// Makes the proxies of a configuration file, which is what `/populate` takes: their names and where they listen.
    pub async fn load(&self, proxies: &[u8]) -> Result<Vec<(String, String)>, String> {
        let mut made = Vec::new();
        for new in wire::proxies(proxies).map_err(|wrong| wrong.to_string())? {
            let link = self.links.ensure(&new.name, &new.face).await.map_err(|e| format!("{}: {e}", new.name))?;
            made.push((new.name, link.face().listen));
        }
        Ok(made)
    }

    async fn answer(&self, request: &Request) -> Response {
        if request.header("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/")) {
            // A page in a browser must not break things on the machine that shows it.
            return Response::text(403, "User agent not allowed\n");
        }
        let parts: Vec<String> = request.path.split('/').skip(1).map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let done = tokio::time::timeout(PATIENCE, self.route(&request.method, &parts, &request.body)).await;
        match done {
            Ok(Ok(response)) => response,
            Ok(Err(failure)) => failure.response(),
            Err(_) => Response::text(503, ""),
        }
    }

    async fn route(&self, method: &str, path: &[&str], body: &[u8]) -> Result<Response, Failure> {
        let links = &*self.links;
        match (method, path) {
            ("GET", ["version"]) => {
                let body = format!("{{\"version\": \"{VERSION}\"}}\n");
                Ok(Response::new(200, "application/json;charset=utf-8", body))
            }
            ("GET", ["metrics"]) => Ok(Response::new(200, metrics::MEDIA, metrics::page(&links.counted()))),
            ("POST", ["reset"]) => {
                links.reset().await?;
                Ok(nothing())
            }
            ("GET", ["proxies"]) => {
                let all: Map<String, Value> =
                    links.all().iter().map(|link| (link.name.to_string(), shown(link))).collect();
                Ok(Response::json(200, &all.into()))
            }
            ("POST", ["proxies"]) => {
                let new = wire::proxy(&wire::object(body)?, None)?;
                let link = links.create(&new.name, &new.face.listen, &new.face.upstream, new.face.enabled).await?;
                Ok(Response::json(201, &shown(&link)))
            }
            ("POST", ["populate"]) => Ok(self.populate(body).await),
            ("GET", ["proxies", name]) => Ok(Response::json(200, &shown(&*links.get(name)?))),
            ("POST" | "PATCH", ["proxies", name]) => {
                let link = links.get(name)?;
                let face = wire::face(&wire::object(body)?, &link.face())?;
                links.update(&link, &face).await?;
                Ok(Response::json(200, &shown(&link)))
            }
            ("DELETE", ["proxies", name]) => {
                let owned = links.get(name)?.toxics().iter().find(|t| t.watcher.is_some()).cloned();
                if let Some(toxic) = owned {
                    return Err(Refusal::Owned(toxic.name.clone()).into());
                }
                links.remove(name).await?;
                Ok(nothing())
            }
            ("GET", ["proxies", name, "toxics"]) => Ok(Response::json(200, &toxics(&*links.get(name)?))),
            ("POST", ["proxies", name, "toxics"]) => {
                let link = links.get(name)?;
                let toxic = links.add(&link, wire::toxic(&wire::object(body)?)?)?;
                Ok(Response::json(200, &show(&toxic)))
            }
            ("GET", ["proxies", name, "toxics", toxic]) => {
                let link = links.get(name)?;
                let toxics = link.toxics();
                let toxic = toxics.iter().find(|known| known.name == *toxic).ok_or(Refusal::ToxicNotFound)?;
                Ok(Response::json(200, &show(toxic)))
            }
            ("POST" | "PATCH", ["proxies", name, "toxics", toxic]) => {
                let link = links.get(name)?;
                let changed = link.change(|toxics| {
                    let known = find(toxics, toxic)?;
                    let changed = Arc::new(wire::changed(&toxics[known], &wire::object(body)?)?);
                    toxics[known] = changed.clone();
                    Ok::<_, Failure>(changed)
                })?;
                Ok(Response::json(200, &show(&changed)))
            }
            ("DELETE", ["proxies", name, "toxics", toxic]) => {
                let link = links.get(name)?;
                link.change(|toxics| {
                    let known = find(toxics, toxic)?;
                    toxics.remove(known);
                    Ok::<_, Failure>(())
                })?;
                Ok(nothing())
            }
            _ if is_known(path) => Ok(Response::text(405, "")),
            _ => Ok(Response::text(404, "404 page not found\n")),
        }
    }

    /// Makes what is not there, replaces what is different, leaves the rest; nothing at all when one is wrong. What
    /// cannot be opened ends it, and what came before stays.
    async fn populate(&self, body: &[u8]) -> Response {
        let mut done = Vec::new();
        let outcome: Result<(), Failure> = async {
            for new in wire::proxies(body)? {
                done.push(shown(&*self.links.ensure(&new.name, &new.face).await?));
            }
            Ok(())
        }
        .await;
        match outcome {
            Ok(()) => Response::json(201, &json!({ "proxies": done })),
            Err(Failure { status, why }) => {
                Response::json(status, &json!({ "error": why, "status": status, "proxies": done }))
            }
        }
    }
}

impl Handler for Api {
    async fn handle(&self, request: Request) -> Answer {
        let ordinal = self.requests.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:012x}{ordinal:08x}", (self.begun / 1_000_000) & 0xffff_ffff_ffff);
        self.answer(&request).await.with("X-Toxiproxy-Request-Id", id).into()
    }
}

/// A link as clients see it.
fn shown(link: &Link) -> Value {
    let Face { listen, upstream, enabled } = link.face();
    json!({ "name": &*link.name, "listen": listen, "upstream": upstream, "enabled": enabled, "toxics": toxics(link) })
}

/// Its toxics, upstream ones first.
fn toxics(link: &Link) -> Value {
    let mut all = link.toxics().to_vec();
    all.sort_by_key(|toxic| toxic.stream.word() != "upstream");
    all.iter().map(|toxic| show(toxic)).collect()
}

/// The place of a toxic that may be changed.
fn find(toxics: &[Arc<Toxic>], name: &str) -> Result<usize, Refusal> {
    let found = toxics.iter().position(|known| known.name == name).ok_or(Refusal::ToxicNotFound)?;
    if toxics[found].watcher.is_some() {
        return Err(Refusal::Owned(name.into()));
    }
    Ok(found)
}

fn nothing() -> Response {
    Response { status: 204, headers: Vec::new(), body: Default::default() }
}

fn is_known(path: &[&str]) -> bool {
    matches!(
        path,
        ["version" | "metrics" | "reset" | "populate" | "proxies"]
            | ["proxies", _]
            | ["proxies", _, "toxics"]
            | ["proxies", _, "toxics", _]
    )
}

impl Failure {
    fn response(&self) -> Response {
        Response::json(self.status, &json!({ "error": self.why, "status": self.status }))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let status = match refusal {
            Refusal::Exists | Refusal::ToxicExists | Refusal::Owned(_) => 409,
            Refusal::NotFound | Refusal::ToxicNotFound => 404,
            Refusal::NotAllowed(_) => 403,
            Refusal::NoAddress(_) => 400,
            Refusal::Listen(..) => 500,
        };
        Failure { status, why: refusal.to_string() }
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Failure {
        let status = if matches!(wrong, Wrong::Twice(_)) { 500 } else { 400 };
        Failure { status, why: wrong.to_string() }
    }
}

#[cfg(test)]
mod tests;
