//! Receives the notifications of an Alertmanager, so that it is known when each came, and for whom.

#[cfg(test)]
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::wire;
use crate::base::httpd::{self, Answer, Request, Response};
use crate::base::time::Clock;
use crate::evidence::event::Event;
use crate::evidence::servers::Alertmanager as Told;

/// So many notifications are kept; the others are counted.
const MOST: u64 = 10_000;

/// Where notifications come.
pub struct Webhook {
    listener: TcpListener,
}

/// Who takes them.
struct Desk {
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    taken: AtomicU64,
    dropped: Arc<AtomicU64>,
}

impl Webhook {
    /// Opens the port.
    pub async fn open(listen: &str) -> Result<Webhook, String> {
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|e| format!("receiver_listen {listen}: {e}: name a port that is free"))?;
        Ok(Webhook { listener })
    }

    /// The port.
    #[cfg(test)]
    pub fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|address| address.port())
    }

    /// Takes notifications until it is dropped. What is too much is counted in `dropped`.
    pub async fn serve(self, clock: Clock, events: mpsc::UnboundedSender<Event>, dropped: Arc<AtomicU64>) {
        let desk = Desk { clock, events, taken: AtomicU64::new(0), dropped };
        httpd::serve(self.listener, Arc::new(desk)).await;
    }
}

impl httpd::Handler for Desk {
    async fn handle(&self, request: Request) -> Answer {
        // Before it is read: it came now.
        let at = self.clock.now();
        if request.method != "POST" {
            return Response::text(405, "this is where Alertmanager posts its notifications\n").into();
        }
        let (told, answer) = match wire::notification(&request.body) {
            Ok(read) => {
                let wire::Notification { receiver, status, group, alerts, left_out } = read;
                (Told::Notified { receiver, status, group, alerts, left_out }, Response::text(200, "ok\n"))
            }
            Err(why) => (Told::Failed { asked: "a webhook".into(), why }, Response::text(400, "not understood\n")),
        };
        if self.taken.fetch_add(1, Relaxed) < MOST {
            let _ = self.events.send(Event::Alertmanager { at, told });
        } else {
            self.dropped.fetch_add(1, Relaxed);
        }
        answer.into()
    }
}
