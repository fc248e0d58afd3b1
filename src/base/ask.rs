//! One HTTP request on a connection of its own, for what is asked now and then: hooks, a container engine, the servers
//! that watch the target. Not for load.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::dial::{Connection, Dial};
use super::net::Address;
use super::tls::{self, Trust};
use super::{text, units};

/// A reply is read up to this size, in bytes.
const BODY: usize = 1 << 20;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where.
    pub address: Address,
    /// In upper case.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// Sent with it.
    pub headers: Vec<(String, String)>,
    /// The body; none when empty.
    pub body: String,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// How a request is sent.
#[derive(Debug, Clone)]
pub struct Means {
    /// How long it may take, from the first try to connect to the end of the reply.
    pub within: Duration,
    /// How its connection is opened.
    pub dial: Dial,
    /// A reply with a larger body is refused, in bytes.
    pub most: usize,
}

impl Means {
    /// Plainly, for small replies.
    pub fn plain(within: Duration) -> Means {
        Means { within, dial: Dial::default(), most: BODY }
    }
}

impl Told {
    /// A header; its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Ask {
    /// A request to `http://HOST:PORT/path?query`, the same over https, or `unix:/path/of/socket:/path?query`. The error says
    /// what is wrong.
    pub fn new(method: &str, url: &str) -> Result<Ask, String> {
        let plain = url.split(['?', '#']).next().unwrap_or(url);
        let address = Address::parse(plain)?;
        let target = match (plain.strip_prefix("unix:"), url.split_once("://")) {
            (Some(_), _) => url.split_once(":/").and_then(|(_, rest)| rest.split_once(":/")).map(|(_, path)| path),
            (None, Some((_, rest))) => rest.split_once('/').map(|(_, path)| path),
            (None, None) => None,
        };
        let target = format!("/{}", target.unwrap_or_default().split('#').next().unwrap_or_default());
        Ok(Ask {
            address: Address { base: String::new(), ..address },
            method: method.into(),
            target,
            headers: Vec::new(),
            body: String::new(),
        })
    }

    /// Sends it and reads the reply; over TLS the certificates of the system are trusted, or those that SSL_CERT_FILE names.
    /// The error says why there is none.
    pub async fn send(&self, within: Duration) -> Result<Told, String> {
        let failed = |why: String| format!("{} {}{}: {why}", self.method, self.address, self.target);
        let mut means = Means::plain(within);
        if self.address.is_tls() {
            means.dial.tls = Some(tls::client(Trust::default(), &["http/1.1"]).map_err(failed)?);
        }
        self.send_by(&means).await.map_err(failed)
    }

    /// Sends it and reads the reply. The error says why there is none, and not who was asked.
    pub async fn send_by(&self, means: &Means) -> Result<Told, String> {
        self.send_bytes(self.body.clone().into(), means).await
    }

    /// As [`send_by`](Ask::send_by), with a body that is no text instead of its own.
    pub async fn send_bytes(&self, body: Bytes, means: &Means) -> Result<Told, String> {
        let asked = async { self.over(means.dial.open(&self.address).await?, body, means.most).await };
        match timeout(means.within, asked).await {
            Ok(told) => told,
            Err(_) => Err(format!("no answer within {}", units::duration(means.within))),
        }
    }

    async fn over(&self, stream: Connection, body: Bytes, most: usize) -> Result<Told, String> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| text::cause(&e))?;
        let mut request = hyper::Request::builder()
            .method(self.method.as_str())
            .uri(self.target.as_str())
            .header("Host", self.address.authority())
            .header("Connection", "close");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|e| e.to_string())?;
        let exchange = async {
            let reply = sender.send_request(request).await.map_err(|e| text::cause(&e))?;
            let status = reply.status().as_u16();
            let headers = reply.headers().iter();
            let headers = headers.map(|(n, v)| (n.as_str().to_owned(), String::from_utf8_lossy(v.as_bytes()).into()));
            let headers = headers.collect();
            let body = Limited::new(reply.into_body(), most).collect().await.map_err(|e| e.to_string())?;
            Ok(Told { status, headers, body: body.to_bytes() })
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            told = &mut exchange => told,
            // It may be over as soon as the reply has come; what is left of that is in the exchange.
            _ = connection => exchange.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::super::httpd::{self, Answer, Handler, Request, Response};
    use super::*;

    struct Echo;
    impl Handler for Echo {
        async fn handle(&self, request: Request) -> Answer {
            let Request { method, path, query, body, .. } = &request;
            let said = format!("{method} {path}?{query} {} {}", request.header("x-a").unwrap_or_default(), body.len());
            Answer::Reply(Response::text(201, said))
        }
    }

    #[tokio::test]
    async fn a_request_is_answered_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let serving = tokio::spawn(httpd::serve(listener, Arc::new(Echo)));
        let within = Duration::from_secs(10);
        let mut ask = Ask::new("POST", &format!("http://{address}/a/b/?c=d#e")).expect("an address");
        ask.headers.push(("X-A".into(), "v".into()));
        ask.body = "12345".into();
        let told = ask.send(within).await.expect("answered");
        assert!(told.is_ok());
        assert_eq!((told.status, &told.body[..]), (201, &b"POST /a/b/?c=d v 5"[..]));
        assert!(told.header("content-type").is_some_and(|media| media.starts_with("text/plain")));
        serving.abort();
        let _ = serving.await;
        let why = ask.send(within).await.expect_err("nobody listens");
        assert!(why.contains("/a/b/?c=d"), "{why}");
    }

    #[test]
    fn addresses_are_read_with_their_paths() {
        let target = |url| Ask::new("GET", url).map(|a| (a.address.to_string(), a.target));
        assert_eq!(target("http://h:1"), Ok(("http://h:1".into(), "/".into())));
        assert_eq!(target("http://h:1/?a=/b"), Ok(("http://h:1".into(), "/?a=/b".into())));
        assert_eq!(target("unix:/run/x.sock:/a?b"), Ok(("unix:/run/x.sock".into(), "/a?b".into())));
        assert_eq!(target("unix:/run/x.sock"), Ok(("unix:/run/x.sock".into(), "/".into())));
        assert_eq!(target("https://h/a?b"), Ok(("https://h:443".into(), "/a?b".into())));
        assert!(target("h").is_err());
    }
}
