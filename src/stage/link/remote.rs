//! A toxiproxy server that somebody else runs, driven over its API.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::api::show;
use super::toxic::Toxic;
use crate::base::httpd::encode;
use crate::stage::protocol::TOXICS;

/// How long a request may take: less than a run waits for its stage.
pub const PATIENCE: Duration = Duration::from_millis(900);
/// Larger replies are none of a toxiproxy server.
const LARGEST: usize = 4 * 1024 * 1024;

/// A proxy of such a server.
pub struct Remote {
    server: String, // HOST:PORT
    proxy: String,
}

impl Remote {
    /// The proxy of a name on the server at HOST:PORT.
    pub fn new(server: &str, proxy: &str) -> Remote {
        Remote { server: server.into(), proxy: proxy.into() }
    }

    /// Where its proxy listens. Takes away what an earlier run of ours may have left there. `Err` says what is not there.
    pub async fn prepare(&self) -> Result<String, String> {
        let (status, body) = self.ask("GET", &self.path(), None).await?;
        let wrong = || format!("the toxiproxy server at {} has no proxy `{}`: make it there", self.server, self.proxy);
        let proxy: Value = serde_json::from_slice(&body).ok().filter(|_| status == 200).ok_or_else(wrong)?;
        let named = |toxic: &Value| toxic["name"].as_str().map(str::to_owned);
        for toxic in proxy["toxics"].as_array().into_iter().flatten().filter_map(named) {
            if toxic.starts_with(TOXICS) {
                self.remove(&toxic).await?;
            }
        }
        proxy["listen"].as_str().map(str::to_owned).ok_or_else(wrong)
    }

    /// Adds a toxic.
    pub async fn add(&self, toxic: &Toxic) -> Result<(), String> {
        self.want(200, "POST", &format!("{}/toxics", self.path()), Some(show(toxic))).await
    }

    /// Takes a toxic away; that it is gone already is fine.
    pub async fn remove(&self, toxic: &str) -> Result<(), String> {
        let path = format!("{}/toxics/{}", self.path(), encode(toxic));
        let undo = |why: String| format!("{why}; undo it with: curl -X DELETE http://{}{path}", self.server);
        match self.ask("DELETE", &path, None).await.map_err(undo)? {
            (204 | 404, _) => Ok(()),
            (status, body) => Err(undo(self.refused(status, &body))),
        }
    }

    /// Lets it take connections, or not.
    pub async fn enable(&self, enabled: bool) -> Result<(), String> {
        let body = json!({ "enabled": enabled });
        let undo = |why: String| {
            let call = format!("curl -d '{body}' http://{}{}", self.server, self.path());
            if enabled { format!("{why}; undo it with: {call}") } else { why }
        };
        self.want(200, "POST", &self.path(), Some(body.clone())).await.map_err(undo)
    }

    /// How many bytes it has passed on, both ways, where its page of metrics says so.
    pub async fn bytes(&self) -> Option<u64> {
        let (status, body) = self.ask("GET", "/metrics", None).await.ok()?;
        let page = String::from_utf8(body.into()).ok().filter(|_| status == 200)?;
        let ours = format!("proxy=\"{}\"", self.proxy);
        let counts =
            page.lines().filter(|l| l.starts_with("toxiproxy_proxy_received_bytes_total{") && l.contains(&ours));
        let values = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Some(values.sum::<f64>() as u64)
    }

    fn path(&self) -> String {
        format!("/proxies/{}", encode(&self.proxy))
    }

    async fn want(&self, wanted: u16, method: &str, path: &str, body: Option<Value>) -> Result<(), String> {
        match self.ask(method, path, body).await? {
            (status, _) if status == wanted => Ok(()),
            (status, body) => Err(self.refused(status, &body)),
        }
    }

    fn refused(&self, status: u16, body: &[u8]) -> String {
        let said = String::from_utf8_lossy(body);
        format!("the toxiproxy server at {} answers {status}: {}", self.server, said.trim())
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<(u16, Bytes), String> {
        let exchange = async {
            let stream = TcpStream::connect(&self.server).await.map_err(|e| e.to_string())?;
            let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
            let request = hyper::Request::builder()
                .method(method)
                .uri(path)
                .header("host", &self.server)
                .header("user-agent", concat!("proofload/", env!("CARGO_PKG_VERSION")))
                .header("content-type", "application/json")
                .header("connection", "close")
                .body(Full::new(Bytes::from(body.map_or_else(String::new, |body| body.to_string()))))
                .map_err(|e| e.to_string())?;
            let reply = async {
                let reply = sender.send_request(request).await.map_err(|e| e.to_string())?;
                let status = reply.status().as_u16();
                let body = Limited::new(reply.into_body(), LARGEST).collect().await.map_err(|e| e.to_string())?;
                Ok::<_, String>((status, body.to_bytes()))
            };
            tokio::pin!(connection, reply);
            tokio::select! {
                biased;
                reply = &mut reply => reply,
                _ = &mut connection => reply.await,
            }
        };
        let failed = |why: String| format!("the toxiproxy server at {} does not answer: {why}", self.server);
        timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err("timed out".into())).map_err(failed)
    }
}
