//! A single request on a connection of its own, outside the load: readiness, and requests before and after.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::base::net::Address;

/// More of a body is not read.
const MAX_BODY: usize = 1 << 20;

/// A single request.
#[derive(Debug, Clone)]
pub struct Once<'a> {
    /// Where.
    pub address: &'a Address,
    /// GET, POST, …
    pub method: &'a str,
    /// With its query.
    pub path: &'a str,
    /// Besides `Host`.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Bytes,
    /// From connecting to the last byte.
    pub timeout: Duration,
}

/// Sends it; the status and the body, or why there is none.
pub async fn once(request: Once<'_>) -> Result<(u16, Bytes), String> {
    let (address, timeout) = (request.address, request.timeout);
    match tokio::time::timeout(timeout, converse(request)).await {
        Ok(result) => result.map_err(|why| format!("{address}: {why}")),
        Err(_) => Err(format!("{address}: no reply within {}", crate::base::units::duration(timeout))),
    }
}

async fn converse(once: Once<'_>) -> Result<(u16, Bytes), String> {
    let stream =
        TcpStream::connect((once.address.host.as_str(), once.address.port)).await.map_err(|e| e.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let task = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(once.method)
        .uri(format!("{}{}", once.address.base, once.path))
        .header("Host", once.address.authority());
    for (name, value) in &once.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(once.body)).map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|e| e.to_string())?.to_bytes();
    task.abort();
    Ok((status, body))
}
