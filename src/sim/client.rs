//! A small HTTP/1.1 client for one upstream: keeps connections alive, never asks twice by itself, and gives each
//! failure its name.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Method;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::base::net::Address;

/// Larger replies are refused.
const MAX_BODY: usize = 1024 * 1024;
/// More idle connections than this are closed.
const MAX_IDLE: usize = 64;

/// Why there is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// No connection came about.
    Connect,
    /// The connection broke, or what came back is not HTTP or too large.
    Exchange,
}

/// A reply, read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200, 429, …
    pub status: u16,
    /// `Content-Type`, where there is one.
    pub media: Option<String>,
    /// `Retry-After`, where there is one.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// The client of one upstream.
pub struct Client {
    address: Address,
    idle: Mutex<Vec<Connection>>,
}

/// An open connection. Dropping it closes it, so that a call which is given up does not linger.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: tokio::task::AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Client {
    /// A client without connections.
    pub fn new(address: Address) -> Client {
        Client { address, idle: Mutex::default() }
    }

    /// Asks for a path and reads the reply whole. There is no timeout in here: drop the future to give up.
    pub async fn get(&self, path: &str, traceparent: Option<&str>) -> Result<Reply, Broken> {
        self.send(Method::GET, path, &Bytes::new(), traceparent).await
    }

    /// Sends a JSON document to a path and reads the reply whole; give up as with [`Client::get`].
    pub async fn post(&self, path: &str, body: &Bytes, traceparent: Option<&str>) -> Result<Reply, Broken> {
        self.send(Method::POST, path, body, traceparent).await
    }

    async fn send(&self, method: Method, path: &str, body: &Bytes, traceparent: Option<&str>) -> Result<Reply, Broken> {
        let request = || self.request(method.clone(), path, body.clone(), traceparent);
        // A kept connection may have been closed by the other side just now. Then the request never left, and
        // another connection may take it; one that may have left is not sent again.
        while let Some(mut connection) = self.checkout() {
            if connection.sender.ready().await.is_err() {
                continue;
            }
            match connection.sender.try_send_request(request()?).await {
                Ok(response) => return self.read(connection, response).await,
                Err(error) if error.message().is_some() => continue,
                Err(_) => return Err(Broken::Exchange),
            }
        }
        let mut connection = self.connect().await.map_err(|_| Broken::Connect)?;
        let sent = connection.sender.send_request(request()?).await;
        self.read(connection, sent.map_err(|_| Broken::Exchange)?).await
    }

    async fn read(
        &self,
        connection: Connection,
        response: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Reply, Broken> {
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (media, retry_after) = (header("content-type"), header("retry-after"));
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|_| Broken::Exchange)?;
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(connection);
        }
        Ok(Reply { status, media, retry_after, body: body.to_bytes() })
    }

    async fn connect(&self) -> io::Result<Connection> {
        let place = self.address.tcp().ok_or(io::ErrorKind::Unsupported)?;
        let stream = TcpStream::connect(place).await?;
        let _ = stream.set_nodelay(true); // slower without, but not wrong
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        let driver = tokio::spawn(async move {
            let _ = connection.await; // its error reaches whoever waits for the reply
        })
        .abort_handle();
        sender.ready().await.map_err(io::Error::other)?;
        Ok(Connection { sender, driver })
    }

    fn checkout(&self) -> Option<Connection> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        traceparent: Option<&str>,
    ) -> Result<hyper::Request<Full<Bytes>>, Broken> {
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address.base))
            .header("host", self.address.authority())
            .header("accept", "application/json");
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        request.body(Full::new(body)).map_err(|_| Broken::Exchange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A listener, and the client of it.
    async fn pair() -> (TcpListener, Client) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/base", listener.local_addr().expect("bound"));
        (listener, Client::new(Address::parse(&url).expect("an address")))
    }

    async fn request(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        String::from_utf8(head).expect("text")
    }

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nhi";

    #[tokio::test]
    async fn a_connection_is_used_again_until_the_other_side_closes_it() {
        let (listener, client) = pair().await;
        let server = tokio::spawn(async move {
            let mut heads = Vec::new();
            for on_one_connection in [2, 1] {
                let (mut stream, _) = listener.accept().await.expect("a call");
                for _ in 0..on_one_connection {
                    heads.push(request(&mut stream).await);
                    stream.write_all(OK).await.expect("writes");
                }
            }
            heads
        });
        for _ in 0..2 {
            let reply = client.get("/quote?a=1", Some("00-ab-cd-01")).await;
            let (media, retry_after) = (Some("text/x".into()), Some("7".into()));
            assert_eq!(reply, Ok(Reply { status: 200, media, retry_after, body: Bytes::from_static(b"hi") }));
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        assert!(client.get("/quote", None).await.is_ok(), "a third on a new connection");
        let heads = server.await.expect("no panic");
        assert!(heads[0].starts_with("GET /base/quote?a=1 HTTP/1.1\r\n"), "{}", heads[0]);
        assert!(heads[0].contains("traceparent: 00-ab-cd-01\r\n"), "{}", heads[0]);
        assert!(!heads[2].contains("traceparent"), "{}", heads[2]);
    }

    #[tokio::test]
    async fn failures_have_names() {
        let (listener, client) = pair().await;
        let server = tokio::spawn(async move {
            let replies: [&[u8]; 4] = [
                b"",
                b"what is this\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
                b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n",
            ];
            for reply in replies {
                let (mut stream, _) = listener.accept().await.expect("a call");
                request(&mut stream).await;
                stream.write_all(reply).await.expect("writes");
                if reply.ends_with(b"9999999\r\n\r\n") {
                    let _ = stream.write_all(&vec![b'x'; MAX_BODY + 1]).await;
                }
            }
        });
        for _ in 0..4 {
            assert_eq!(client.get("/", None).await, Err(Broken::Exchange));
        }
        server.await.expect("no panic");
        assert_eq!(client.get("/", None).await, Err(Broken::Connect), "nobody listens any more");
    }

    #[tokio::test]
    async fn giving_up_closes_the_connection() {
        let (listener, client) = pair().await;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a call");
            request(&mut stream).await;
            stream.read(&mut [0]).await
        });
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(10), client.get("/", None)).await;
        assert!(given_up.is_err());
        assert!(matches!(server.await.expect("no panic"), Ok(0) | Err(_)), "the server sees the end");
    }
}
