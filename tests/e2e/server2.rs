//! A small HTTP/2 server whose manners a test chooses, request by request; plain or within TLS. It counts what is under way
//! at once, and ends when dropped.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use hyper::http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::server::QUOTE;

/// What a server does with a request.
pub enum Answer {
    /// A quote, after a while.
    Quote(Duration),
    /// A quote, and no further request on this connection.
    Last,
    /// Nothing, for as long as the client waits.
    Hang,
    /// A reset of the stream.
    Reset,
    /// Some of a body, and then a reset of the stream.
    ResetBody,
    /// Some of a body, and then nothing.
    SlowBody,
    /// A body of so many bytes.
    Long(usize),
    /// So many headers.
    Headers(usize),
}

/// How a server takes part.
#[derive(Default)]
pub struct Terms {
    /// Requests at once on one connection; as many as it likes when there is none.
    pub streams: Option<u32>,
    /// Within TLS; `None` is plain.
    pub tls: Option<Arc<ServerConfig>>,
}

#[derive(Default)]
struct State {
    connections: AtomicUsize,
    requests: AtomicUsize,
    at_once: AtomicUsize, // the most on one connection
    longest: AtomicUsize, // requests on one connection
    written: AtomicUsize, // bytes of long bodies
    heads: Mutex<Vec<Request<()>>>,
}

/// A server on a free port of this machine.
pub struct Server2 {
    port: u16,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<thread::JoinHandle<()>>,
}

type Manners = dyn Fn(usize, usize) -> Answer + Send + Sync;

impl Server2 {
    /// Answers as `manners` says of the nth connection and the nth request.
    pub fn new(terms: Terms, manners: impl Fn(usize, usize) -> Answer + Send + Sync + 'static) -> Server2 {
        let state = Arc::new(State::default());
        let (port_out, port_in) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = state.clone();
        let serving = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                port_out.send(listener.local_addr().expect("bound").port()).expect("somebody waits");
                tokio::select! {
                    () = accept(listener, terms, shared, Arc::new(manners)) => {}
                    _ = stopped => {}
                }
            });
        });
        Server2 { port: port_in.recv().expect("it starts"), state, stop: Some(stop), serving: Some(serving) }
    }

    /// `127.0.0.1:PORT`
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many connections it accepted.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How many requests it had.
    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// The most requests that were under way at once on one connection.
    pub fn at_once(&self) -> usize {
        self.state.at_once.load(Ordering::SeqCst)
    }

    /// The most requests on one connection.
    pub fn longest(&self) -> usize {
        self.state.longest.load(Ordering::SeqCst)
    }

    /// How many bytes of long bodies were taken off its hands.
    pub fn written(&self) -> usize {
        self.state.written.load(Ordering::SeqCst)
    }

    /// The requests as they came, without their bodies.
    pub fn heads(&self) -> Vec<Request<()>> {
        std::mem::take(&mut self.state.heads.lock().expect("no panic"))
    }
}

impl Drop for Server2 {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

async fn accept(listener: TcpListener, terms: Terms, state: Arc<State>, manners: Arc<Manners>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let nth = state.connections.fetch_add(1, Ordering::SeqCst);
        let (tls, streams, state, manners) = (terms.tls.clone(), terms.streams, state.clone(), manners.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, nth, streams, state, manners).await,
                Some(config) => {
                    let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                    serve(stream, nth, streams, state, manners).await;
                }
            }
        });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    streams: Option<u32>,
    state: Arc<State>,
    manners: Arc<Manners>,
) {
    let mut builder = Builder::new();
    if let Some(streams) = streams {
        builder.max_concurrent_streams(streams);
    }
    let Ok(mut session) = builder.handshake::<_, Bytes>(stream).await else { return };
    let under_way = Arc::new(AtomicUsize::new(0));
    let (close, mut closing) = mpsc::unbounded_channel();
    let mut served = 0;
    loop {
        let accepted = tokio::select! {
            accepted = session.accept() => accepted,
            Some(()) = closing.recv() => {
                session.graceful_shutdown();
                continue;
            }
        };
        let Some(Ok((request, respond))) = accepted else { return };
        served += 1;
        state.longest.fetch_max(served, Ordering::SeqCst);
        state.at_once.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let answer = manners(connection, state.requests.fetch_add(1, Ordering::SeqCst));
        let (state, under_way, close) = (state.clone(), under_way.clone(), close.clone());
        tokio::spawn(async move {
            let (head, body) = request.into_parts();
            state.heads.lock().expect("no panic").push(Request::from_parts(head, ()));
            if matches!(answer, Answer::Last) {
                let _ = close.send(());
            }
            let _ = give(answer, body, respond, &under_way, &state).await;
        });
    }
}

async fn give(
    answer: Answer,
    mut asked: RecvStream,
    mut respond: SendResponse<Bytes>,
    under_way: &AtomicUsize,
    state: &State,
) -> Result<(), h2::Error> {
    while let Some(piece) = asked.data().await {
        asked.flow_control().release_capacity(piece?.len())?;
    }
    let head = || Response::builder().header("content-type", "application/json");
    let whole = |head: hyper::http::response::Builder| head.body(()).expect("a head");
    let over = || under_way.fetch_sub(1, Ordering::SeqCst); // before the client can know
    match answer {
        Answer::Quote(after) => {
            tokio::time::sleep(after).await;
            over();
            respond.send_response(whole(head()), false)?.send_data(Bytes::from_static(QUOTE), true)
        }
        Answer::Last => {
            over();
            respond.send_response(whole(head()), false)?.send_data(Bytes::from_static(QUOTE), true)
        }
        Answer::Hang => {
            let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
            over();
            Ok(())
        }
        Answer::Reset => {
            over();
            respond.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        Answer::ResetBody => {
            let mut stream = respond.send_response(whole(head()), false)?;
            stream.send_data(Bytes::from_static(b"{\"out"), false)?;
            tokio::time::sleep(Duration::from_millis(50)).await; // until that has been read
            over();
            stream.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        Answer::SlowBody => {
            let mut stream = respond.send_response(whole(head()), false)?;
            stream.send_data(Bytes::from_static(b"{\"out"), false)?;
            let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
            over();
            Ok(())
        }
        Answer::Long(bytes) => {
            let sent = long(respond.send_response(whole(head()), false)?, bytes, state).await;
            over();
            sent
        }
        Answer::Headers(count) => {
            let head = (0..count).fold(head(), |head, _| head.header("x-a", "1"));
            over();
            respond.send_response(whole(head), true).map(|_| ())
        }
    }
}

async fn long(mut stream: SendStream<Bytes>, bytes: usize, state: &State) -> Result<(), h2::Error> {
    let mut left = bytes;
    while left > 0 {
        stream.reserve_capacity(left.min(10_000));
        let Some(room) = poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
        let piece = room?.min(left);
        stream.send_data(Bytes::from(vec![b' '; piece]), piece == left)?;
        state.written.fetch_add(piece, Ordering::SeqCst);
        left -= piece;
    }
    Ok(())
}

/// A door before a server: who comes in second is told to leave after three requests, none of which was looked at; all
/// others are let through.
pub fn door(behind: String) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let place = listener.local_addr().expect("an address").to_string();
    thread::spawn(move || {
        for (nth, client) in listener.incoming().flatten().enumerate() {
            let behind = behind.clone();
            thread::spawn(move || match nth {
                1 => turn_away(client),
                _ => pass(client, std::net::TcpStream::connect(behind)?),
            });
        }
    });
    place
}

/// Speaks as little HTTP/2 as it takes to send a client away: settings, and after three requests GOAWAY, having read none.
fn turn_away(mut client: std::net::TcpStream) -> std::io::Result<()> {
    client.read_exact(&mut [0; 24])?; // the preface
    client.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
    let mut requests = 0;
    loop {
        let mut head = [0; 9];
        client.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        std::io::copy(&mut client.try_clone()?.take(length.into()), &mut std::io::sink())?;
        requests += usize::from(head[3] == 1); // HEADERS
        if head[3] == 1 && requests == 3 {
            client.write_all(&[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
        }
    }
}

fn pass(client: std::net::TcpStream, server: std::net::TcpStream) -> std::io::Result<()> {
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut &client, &mut &server)?;
    server.shutdown(std::net::Shutdown::Both)
}
