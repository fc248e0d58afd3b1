//! Fetches a page of metrics once, as a Prometheus server would.

use std::io::{self, Read};
use std::time::Duration;

use flate2::read::MultiGzDecoder;

use super::exposition;
use crate::base::net::Address;
use crate::base::text::cause;
use crate::base::units;

/// A larger page is refused, in bytes, uncompressed.
const MAX_PAGE: usize = 256 << 20;

/// Whoever fetches pages; one connection to each host is kept.
#[derive(Debug, Clone)]
pub struct Fetcher(reqwest::Client);

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
    /// Whoever fetches, without proxies, following no redirects.
    pub fn new() -> io::Result<Fetcher> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .build()
            .map_err(io::Error::other)?;
        Ok(Fetcher(client))
    }

    /// Fetches a page. The error says why there is none.
    pub async fn fetch(&self, address: &Address, path: &str, wish: Wish, within: Duration) -> Result<Fetched, String> {
        let fetched = tokio::time::timeout(within, self.ask(address, path, wish, within)).await;
        fetched.unwrap_or_else(|_| Err(format!("no page within {}", units::duration(within))))
    }

    async fn ask(&self, address: &Address, path: &str, wish: Wish, within: Duration) -> Result<Fetched, String> {
        let mut request = self.0.get(address.url(path)).header("Accept", wish.accept).timeout(within);
        if wish.gzip {
            request = request.header("Accept-Encoding", "gzip");
        }
        let mut response = request.send().await.map_err(|e| cause(&e))?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status().as_u16()));
        }
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (media, encoding) = (header("content-type"), header("content-encoding"));
        let mut wire = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| cause(&e))? {
            if wire.len() + chunk.len() > MAX_PAGE {
                return Err(too_large());
            }
            wire.extend_from_slice(&chunk);
        }
        let gzip = encoding.is_some_and(|e| e.eq_ignore_ascii_case("gzip"));
        let length = wire.len();
        let page = if gzip { unpack(&wire)? } else { wire };
        Ok(Fetched { media, page, wire: length, gzip })
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
