//! Effects that the target posts to us. Each is taken while its request is answered: whoever posts faster than that waits,
//! and nothing queues up in between. Connections beyond a number are turned away, and who takes his time to say what he
//! has to say is hung up on, so that nobody keeps others out.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::{Deliver, Reader, Told};
use crate::base::httpd::{self, Answer, Handler, Request, Response};
use crate::base::time::Clock;
use crate::scenario::Webhook;
use crate::traffic::reply::excerpt;

/// So many connections are taken at once: their descriptors are of those that requests need.
const CONNECTIONS: usize = 256;
/// A larger body is refused, in bytes.
const BODY: usize = 1_000_000;
/// A head, and a body, must come within this time; a connection that says nothing for so long is closed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A place to which effects are posted, and which is taken already: what is posted waits.
pub struct Bound {
    listener: TcpListener,
    path: String,
    reader: Reader,
    patience: Duration,
}

impl Bound {
    /// Takes the place. The error says why it cannot be had.
    pub fn open(webhook: &Webhook, reader: Reader) -> Result<Bound, String> {
        let listener = TcpListener::bind(&webhook.listen);
        let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        let listener = listener.map_err(|why| format!("no webhook can be had at {}: {why}", webhook.listen))?;
        Ok(Bound { listener, path: webhook.path.clone(), reader, patience: PATIENCE })
    }

    /// Delivers what is posted until told to stop.
    pub fn watch(self, clock: Clock, deliver: &Deliver, stop: &watch::Receiver<bool>) {
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
            return deliver(Told::Missed("there is no runtime to listen in".into()));
        };
        let mut stop = stop.clone();
        runtime.block_on(async {
            let Ok(listener) = tokio::net::TcpListener::from_std(self.listener) else {
                return deliver(Told::Missed("the listener does not listen".into()));
            };
            let Bound { path, reader, patience, .. } = self;
            let taker = Taker { path, reader, patience, clock, deliver: deliver.clone() };
            tokio::select! {
                () = httpd::serve(listener, Arc::new(taker)) => {}
                // A sender that is gone has stopped, too.
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

/// Takes what is posted.
struct Taker {
    path: String,
    reader: Reader,
    patience: Duration,
    clock: Clock,
    deliver: Deliver,
}

impl Handler for Taker {
    async fn handle(&self, request: Request) -> Answer {
        let at = self.clock.now();
        if request.path != self.path {
            return Response::text(404, "nothing is taken here\n").into();
        }
        if !matches!(request.method.as_str(), "POST" | "PUT") {
            return Response::text(405, "post it\n").with("Allow", "POST, PUT").into();
        }
        match self.reader.read(&request.body, at) {
            Some(effect) => {
                (self.deliver)(Told::Effect(effect));
                Response::text(204, "").into()
            }
            None => {
                (self.deliver)(Told::Unreadable(excerpt(&request.body)));
                Response::text(400, "it does not say of what it tells, or in which state that is\n").into()
            }
        }
    }

    fn most(&self) -> usize {
        CONNECTIONS
    }

    fn longest(&self) -> usize {
        BODY
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.patience)
    }

    fn turned_away(&self) {
        (self.deliver)(Told::Refused);
    }

    fn refused(&self, status: u16) {
        (self.deliver)(Told::Unreadable(format!("a request that was answered {status}")));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::sync::Mutex;
    use std::thread;

    use serde_json_path::JsonPath;

    use super::*;
    use crate::base::time::Offset;
    use crate::scenario::Reading;
    use crate::traffic::effects::{Opened, Source};

    type All = Arc<Mutex<Vec<Told>>>;

    /// Listens somewhere; what it has told.
    fn listening() -> (SocketAddr, Source, All) {
        let path = |text: &str| JsonPath::parse(text).expect("a path");
        let reading = Reading { id: path("$.id"), pipeline: None, state: Some(path("$.state")), sequence: None };
        let webhook = Webhook { listen: "127.0.0.1:0".into(), path: "/done".into(), reading };
        let bound = Bound::open(&webhook, Reader::new(&webhook.reading).with_state()).expect("a free port");
        let bound = Bound { patience: Duration::from_secs(2), ..bound };
        let place = bound.listener.local_addr().expect("bound");
        let told = All::default();
        let all = told.clone();
        let deliver: Deliver = Arc::new(move |told| all.lock().expect("no panic").push(told));
        let source = Opened::Webhook(bound).watch(Clock::starting_in(Duration::ZERO), deliver).expect("listens");
        (place, source, told)
    }

    fn status(mut stream: TcpStream, request: &[u8]) -> u16 {
        // What is refused early may not be read to its end.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn post(place: SocketAddr, body: &str) -> u16 {
        let head = format!("POST /done HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        status(TcpStream::connect(place).expect("connects"), head.as_bytes())
    }

    fn unreadable(told: &All) -> usize {
        told.lock().expect("no panic").iter().filter(|told| matches!(told, Told::Unreadable(_))).count()
    }

    #[test]
    fn what_is_posted_is_an_effect_or_is_told_to_be_none() {
        let (place, source, told) = listening();
        assert_eq!(post(place, r#"{"id":"e-1","state":"DONE"}"#), 204);
        assert_eq!(post(place, r#"{"id":"e-1"}"#), 400, "without a state it says nothing");
        assert_eq!(post(place, "what?"), 400);
        let connect = || TcpStream::connect(place).expect("connects");
        assert_eq!(status(connect(), b"GET /done HTTP/1.1\r\nConnection: close\r\n\r\n"), 405);
        assert_eq!(status(connect(), b"POST /else HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), 404);
        drop(source);
        let told = told.lock().expect("no panic");
        let effects = told.iter().filter(|told| matches!(told, Told::Effect(e) if &*e.id == "e-1")).count();
        assert_eq!((effects, told.len()), (1, 3), "{told:?}");
    }

    #[test]
    fn what_is_too_long_is_not_held_and_is_told_of() {
        let (place, _source, told) = listening();
        let long = format!(r#"{{"id":"e-1","state":"{}"}}"#, "x".repeat(BODY));
        // Nobody waits until all of it has come: the refusal may be lost with the connection.
        assert!([413, 0].contains(&post(place, &long)));
        let head = b"POST /done HTTP/1.1\r\nContent-Length: 9000000000\r\n\r\n";
        assert_eq!(status(TcpStream::connect(place).expect("connects"), head), 413);
        assert_eq!(unreadable(&told), 2);
    }

    #[test]
    fn a_flood_of_posts_is_taken_one_by_one_and_none_is_forgotten() {
        let (place, source, told) = listening();
        let flood = |from: usize| {
            thread::spawn(move || {
                let mut stream = TcpStream::connect(place).expect("connects");
                let mut answered = 0;
                for n in 0..500 {
                    let body = format!(r#"{{"id":"e-{}","state":"DONE"}}"#, from * 500 + n);
                    let head = format!("POST /done HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                    stream.write_all(head.as_bytes()).expect("written");
                    let mut reply = [0; 256];
                    let read = stream.read(&mut reply).expect("answered");
                    answered += usize::from(reply[..read].starts_with(b"HTTP/1.1 204"));
                }
                answered
            })
        };
        let senders: Vec<_> = (0..8).map(flood).collect();
        let answered: usize = senders.into_iter().map(|sender| sender.join().expect("no panic")).sum();
        drop(source);
        assert_eq!((answered, told.lock().expect("no panic").len()), (4_000, 4_000));
    }

    #[test]
    fn who_keeps_connections_open_and_says_nothing_keeps_nobody_out_for_long() {
        let (place, _source, told) = listening();
        let mut slow: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(place).expect("connects")).collect();
        for stream in slow.iter_mut().take(CONNECTIONS / 2) {
            stream.write_all(b"POST /done HTTP/1.1\r\nContent-Length: 20\r\n\r\n{").expect("written");
        }
        let began = Clock::starting_in(Duration::ZERO);
        let body = r#"{"id":"e-1","state":"DONE"}"#;
        while post_if(place, body) != 204 {
            assert!(began.now() < Offset::from_millis(20_000), "let in again");
            thread::sleep(Duration::from_millis(50));
        }
        let told = told.lock().expect("no panic");
        assert!(told.contains(&Told::Refused), "who was turned away is told of");
    }

    /// Posts where there may be nobody who takes it: 0 if so.
    fn post_if(place: SocketAddr, body: &str) -> u16 {
        let Ok(stream) = TcpStream::connect(place) else { return 0 };
        let head = format!("POST /done HTTP/1.1\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        status(stream, head.as_bytes())
    }
}
