//! Fetches a page of metrics, as a Prometheus server would: over one connection, which is kept from one scrape to the next.

use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::Response;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::exposition;
use crate::base::dial::Dial;
use crate::base::net::Address;
use crate::base::text::cause;
use crate::base::units;

/// A larger page is refused, in bytes, uncompressed.
const MAX_PAGE: usize = 256 << 20;

/// Whoever fetches one page; its connection is kept.
#[derive(Debug)]
pub struct Fetcher {
    address: Address,
    path: String,
    dial: Dial,
    /// The connection while nothing is asked on it.
    idle: Mutex<Option<Sender>>,
}

type Sender = SendRequest<Empty<Bytes>>;

/// How a page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The `Accept` header.
    pub accept: &'static str,
    /// Whether it may come compressed.
    pub gzip: bool,
}

impl Wish {
    /// As a scrape of a run asks: OpenMetrics rather than text, uncompressed.
    pub const SCRAPE: Wish = Wish { accept: exposition::ACCEPT, gzip: false };
    /// As a server asks that wants text only.
    pub const TEXT: Wish = Wish { accept: "text/plain;version=0.0.4", gzip: true };
    /// As a server asks that prefers OpenMetrics.
    pub const OPEN: Wish = Wish { accept: exposition::ACCEPT, gzip: true };
}

/// A page as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its `Content-Type`.
    pub media: Option<String>,
    /// Its content, uncompressed.
    pub page: Vec<u8>,
    /// How many bytes of it came over the wire.
    pub wire: usize,
    /// Whether it came compressed.
    pub gzip: bool,
}

impl Fetcher {
    /// Whoever fetches the page at a path below an address, following no redirects.
    pub fn new(address: &Address, path: &str, dial: Dial) -> Fetcher {
        let (address, path) = (address.clone(), path.to_owned());
        Fetcher { address, path, dial, idle: Mutex::default() }
    }

    /// Fetches the page. The error says why there is none.
    pub async fn fetch(&self, wish: Wish, within: Duration) -> Result<Fetched, String> {
        let fetched = tokio::time::timeout(within, self.ask(wish)).await;
        fetched.unwrap_or_else(|_| Err(format!("no page within {}", units::duration(within))))
    }

    async fn ask(&self, wish: Wish) -> Result<Fetched, String> {
        let (mut response, sender) = self.response(wish).await?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (media, encoding) = (header("content-type"), header("content-encoding"));
        let mut wire = Vec::new();
        while let Some(frame) = response.body_mut().frame().await {
            let Ok(chunk) = frame.map_err(|e| cause(&e))?.into_data() else { continue };
            if wire.len() + chunk.len() > MAX_PAGE {
                return Err(too_large());
            }
            wire.extend_from_slice(&chunk);
        }
        // Only now: until its page is read whole the connection is in use.
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
        let gzip = encoding.is_some_and(|e| e.eq_ignore_ascii_case("gzip"));
        let length = wire.len();
        let page = if gzip { unpack(&wire)? } else { wire };
        Ok(Fetched { media, page, wire: length, gzip })
    }

    /// The head of the reply, and the connection that it came over. One that was kept may have been closed meanwhile: then a
    /// new one is opened.
    async fn response(&self, wish: Wish) -> Result<(Response<Incoming>, Sender), String> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut kept) = kept.filter(|kept| !kept.is_closed())
            && kept.ready().await.is_ok()
        {
            match kept.send_request(self.request(wish)?).await {
                Ok(response) => return Ok((response, kept)),
                // Not sent: the target has seen nothing of it. Whatever it has seen is its answer.
                Err(why) if why.is_canceled() => {}
                Err(why) => return Err(cause(&why)),
            }
        }
        let stream = self.dial.open(&self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| cause(&e))?;
        // It ends when the sender is dropped, or the other side closes.
        tokio::spawn(connection);
        let response = sender.send_request(self.request(wish)?).await.map_err(|e| cause(&e))?;
        Ok((response, sender))
    }

    fn request(&self, wish: Wish) -> Result<hyper::Request<Empty<Bytes>>, String> {
        let request = hyper::Request::builder()
            .uri(format!("{}{}", self.address.base, self.path))
            .header("Host", self.address.authority())
            .header("Accept", wish.accept);
        let request = if wish.gzip { request.header("Accept-Encoding", "gzip") } else { request };
        request.body(Empty::new()).map_err(|e| e.to_string())
    }
}

fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut page = Vec::new();
    let most = MAX_PAGE as u64 + 1;
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut page).map_err(|e| format!("not gzip as it says: {e}"))?;
    if page.len() > MAX_PAGE { Err(too_large()) } else { Ok(page) }
}

fn too_large() -> String {
    format!("the page is larger than {MAX_PAGE} bytes")
}
