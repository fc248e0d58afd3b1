//! The small HTTP/1.1 server that stage, practice targets and listeners share. It answers what a handler says, and can
//! do what ordinary servers refuse: never answer, hang up, reset.

mod connection;
mod percent;
mod reply;
mod request;
mod response;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

pub use connection::serve;
pub use percent::{decode, encode};
pub use reply::{Framing, Head, Unreadable, next_piece, read_begin, read_reply, read_whole};
pub use request::MAX_BODY;
pub use request::Request;
pub use response::{Response, reason};

/// What to do with a request.
#[derive(Debug)]
pub enum Answer {
    /// Send a reply.
    Reply(Response),
    /// Send a reply that was due at an instant, in nanoseconds on the kernel's monotonic clock; the handler hears when it is
    /// out.
    Due(Response, u64),
    /// Send a reply, but not as it should be sent.
    Amiss(Response, Delivery),
    /// Send a reply whose body comes as it comes; what its head lacks says how long it will be.
    Stream(Response, Stream, Delivery),
    /// Never answer; hold the connection until the client leaves.
    Hang,
    /// Never answer; hold the connection until the client leaves, or until the value turns true or its sender is gone:
    /// then close. For a fault whose end must let go of what it holds.
    HangUntil(watch::Receiver<bool>),
    /// Close without an answer.
    Close,
    /// Reset the connection (RST).
    Reset,
}

/// A body that is not here yet.
#[derive(Debug)]
pub struct Stream {
    /// How long it will be, in bytes, where that is known.
    pub length: Option<u64>,
    /// Its pieces, and an empty one at its end. An error, or no more of them before that, says that it broke off. Whoever
    /// sends them waits for who takes them.
    pub pieces: mpsc::Receiver<io::Result<Bytes>>,
}

/// How a reply goes out that does not go out as it should. Its head always promises the whole body.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// The body comes at a rate; with several, at the slowest.
    pub paces: Vec<Pace>,
    /// The body ends early, and the connection with it.
    pub cut: Option<Cut>,
}

/// A rate at which a body comes.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Bytes a second; above zero.
    pub rate: u64,
    /// Holds until the value turns true or its sender is gone.
    pub over: watch::Receiver<bool>,
}

/// An end before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// So many bytes of the body go out before it.
    pub after: usize,
    /// By a reset (RST), not by closing.
    pub reset: bool,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Reply(response)
    }
}

/// Answers requests. One handler serves all connections.
pub trait Handler: Send + Sync + 'static {
    /// Decides what to do with a request.
    fn handle(&self, request: Request) -> impl Future<Output = Answer> + Send;

    /// Decides what to do with a request whose body is longer than is held, and comes as it comes; what of it nobody takes is
    /// read and dropped. Only asked where [`streams`](Handler::streams).
    fn handle_stream(&self, _request: Request, _body: Stream) -> impl Future<Output = Answer> + Send {
        async { Response::text(413, "").into() }
    }

    /// Whether long bodies are taken as they come; else they are refused.
    fn streams(&self) -> bool {
        false
    }

    /// Hears that a reply is out, how long after it was due.
    fn sent(&self, _late: Duration) {}

    /// Whether a connection from this address is taken; one that is not is reset at once.
    fn admits(&self, _peer: SocketAddr) -> bool {
        true
    }

    /// How many connections are taken at once; one more is reset at once.
    fn most(&self) -> usize {
        usize::MAX
    }

    /// Hears that a connection was reset because there were too many.
    fn turned_away(&self) {}

    /// How long a body may be that is held, in bytes; a longer one is refused with 413, unless it is taken as it comes.
    fn longest(&self) -> usize {
        MAX_BODY
    }

    /// How long a head may take to come, and a body that is held; nothing for ever. A connection on which no request has
    /// begun by then is closed, a request that has is refused with 408.
    fn patience(&self) -> Option<Duration> {
        None
    }

    /// Hears that a request was refused with a status before it could be handled.
    fn refused(&self, _status: u16) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    struct Held(watch::Receiver<bool>);
    impl Handler for Held {
        async fn handle(&self, _: Request) -> Answer {
            Answer::HangUntil(self.0.clone())
        }
    }

    #[tokio::test]
    async fn what_hangs_can_be_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (over, held) = watch::channel(false);
        tokio::spawn(serve(listener, Arc::new(Held(held))));
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("writes");
        let mut reply = Vec::new();
        let wait = Duration::from_millis(30);
        assert!(tokio::time::timeout(wait, stream.read_to_end(&mut reply)).await.is_err(), "it hangs");
        over.send_replace(true);
        stream.read_to_end(&mut reply).await.expect("closed in order");
        assert!(reply.is_empty());
    }

    struct Echo;
    impl Handler for Echo {
        async fn handle(&self, request: Request) -> Answer {
            match request.path.as_str() {
                "/hang" => Answer::Hang,
                "/close" => Answer::Close,
                "/reset" => Answer::Reset,
                _ => Response::text(
                    200,
                    format!(
                        "{} {} [{}]",
                        request.method,
                        request.param("q").unwrap_or_default(),
                        String::from_utf8_lossy(&request.body)
                    ),
                )
                .into(),
            }
        }
    }

    async fn server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(serve(listener, Arc::new(Echo)));
        address
    }

    async fn talk(raw: &str) -> String {
        let mut stream = TcpStream::connect(server().await).await.expect("connects");
        stream.write_all(raw.as_bytes()).await.expect("writes");
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8_lossy(&reply).into_owned()
    }

    #[tokio::test]
    async fn two_requests_share_a_connection() {
        let reply =
            talk("GET /a?q=x%20y HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
                .await;
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 2, "{reply}");
        assert!(reply.contains("GET x y []") && reply.contains("POST  [hi]"), "{reply}");
    }

    #[tokio::test]
    async fn chunks_are_joined() {
        let reply = talk("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").await;
        assert!(reply.ends_with("[abcde]"), "{reply}");
    }

    #[tokio::test]
    async fn nonsense_is_refused_and_hanging_up_is_possible() {
        assert!(talk("what is this\r\n\r\n").await.starts_with("HTTP/1.1 400"));
        assert_eq!(talk("GET /close HTTP/1.1\r\n\r\n").await, "");
        assert_eq!(talk("GET /reset HTTP/1.1\r\n\r\n").await, "");
    }
}
