//! Effects on a subject of NATS. What is published is told to whoever listens then: what came while a connection was broken
//! is gone, which is told.

use std::time::Duration;

use tokio::sync::watch;

use super::{Deliver, Reader, Told};
use crate::base::nats::{Line, Server};
use crate::base::time::Clock;
use crate::traffic::reply::excerpt;

/// The word to stop is heeded within this time.
const HEED: Duration = Duration::from_millis(50);
/// A server that is away is tried again this often.
const AGAIN: Duration = Duration::from_millis(200);

/// A subject that is listened to.
pub struct Watched {
    server: Server,
    subject: String,
    reader: Reader,
    line: Line,
}

impl Watched {
    /// From now on. The error says why nobody listens.
    pub fn open(server: Server, subject: &str, reader: Reader) -> Result<Watched, String> {
        let line = listen(&server, subject)?;
        Ok(Watched { server, subject: subject.to_owned(), reader, line })
    }

    /// Delivers every message until told to stop.
    pub fn watch(self, clock: Clock, deliver: &Deliver, stop: &watch::Receiver<bool>) {
        let Watched { server, subject, reader, line } = self;
        let mut line = Some(line);
        while !*stop.borrow() {
            let Some(open) = &mut line else {
                std::thread::sleep(AGAIN);
                line = listen(&server, &subject).ok();
                continue;
            };
            match open.next(HEED) {
                Ok(None) => {}
                Ok(Some(message)) => {
                    let at = clock.now();
                    deliver(match reader.read(&message.body, at) {
                        Some(effect) => Told::Effect(effect),
                        None => Told::Unreadable(format!("{}: {}", message.subject, excerpt(&message.body))),
                    });
                }
                Err(why) => {
                    deliver(Told::Missed(format!("{subject}: the connection to {} broke: {why}", server.place)));
                    line = None;
                }
            }
        }
    }
}

fn listen(server: &Server, subject: &str) -> Result<Line, String> {
    let mut line = Line::open(server)?;
    line.subscribe(subject).map_err(|why| format!("{}: {subject}: {why}", server.place))?;
    Ok(line)
}
