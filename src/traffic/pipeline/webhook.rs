//! Completions that the target posts to us. Each is taken while its request is answered, on a thread of its own: whoever
//! posts faster than that waits, and nothing queues up. Connections beyond a number are turned away.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use tokio::sync::watch;

use super::Meeting;
use crate::base::httpd::{self, Answer, Handler, Request, Response};
use crate::base::time::Clock;
use crate::scenario;
use crate::traffic::pick::{Paths, Picker};

/// So many connections are taken at once: their descriptors are of those that requests need.
const CONNECTIONS: usize = 256;
/// A larger body is not looked at, in bytes.
const BODY: usize = 1_000_000;

/// A place to which completions are posted, and which is taken already: what is posted waits.
pub struct Bound {
    listener: TcpListener,
    path: String,
    picker: Picker,
    id: usize,
    state: usize,
}

/// Takes completions until it is dropped.
pub struct Listening {
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Bound {
    /// Takes the place. The error says why it cannot be had.
    pub fn new(webhook: &scenario::Webhook) -> Result<Bound, String> {
        let listener = TcpListener::bind(&webhook.listen);
        let listener = listener.and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
        let listener = listener.map_err(|why| format!("no webhook can be had at {}: {why}", webhook.listen))?;
        let mut paths = Paths::default();
        let (id, state) = (paths.slot(&webhook.id), paths.slot(&webhook.state));
        Ok(Bound { listener, path: webhook.path.clone(), picker: paths.picker(), id, state })
    }

    /// Begins to take what is posted.
    pub fn listen(self, clock: Clock, meeting: Arc<Meeting>) -> io::Result<Listening> {
        let (stop, mut stopping) = watch::channel(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || {
            runtime.block_on(async {
                let Bound { listener, path, picker, id, state } = self;
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let taker = Arc::new(Taker { path, picker, id, state, clock, meeting });
                tokio::select! {
                    () = httpd::serve(listener, taker) => {}
                    _ = stopping.wait_for(|stop| *stop) => {}
                }
            });
        };
        let thread = thread::Builder::new().name("webhook".into()).spawn(serve)?;
        Ok(Listening { stop, thread: Some(thread) })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Takes what is posted.
struct Taker {
    path: String,
    picker: Picker,
    id: usize,
    state: usize,
    clock: Clock,
    meeting: Arc<Meeting>,
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
        let body = Some(&request.body).filter(|body| body.len() <= BODY);
        let picks = body.and_then(|body| self.picker.read(body));
        let text = |slot| picks.as_ref().and_then(|picks| Some(picks.get(slot)?.text().into_owned()));
        match (text(self.id), text(self.state)) {
            (Some(id), Some(state)) => {
                self.meeting.hear(&id, &state, at);
                Response::text(204, "").into()
            }
            _ => {
                self.meeting.unreadable();
                Response::text(400, "it does not say of what it tells, or in which state that is\n").into()
            }
        }
    }

    fn most(&self) -> usize {
        CONNECTIONS
    }

    fn turned_away(&self) {
        self.meeting.refused();
    }
}
