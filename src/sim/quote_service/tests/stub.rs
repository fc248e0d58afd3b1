//! Stub quoters, good and bad.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::net::TcpListener;

use crate::base::httpd::{self, Answer, Request, Response};

/// What a stub does with its `n`-th request, from 0.
pub type Behaviour = fn(u32, &Request) -> Answer;

/// A stub quoter.
pub struct Stub {
    pub url: String,
    pub seen: Arc<Mutex<Vec<Request>>>,
}

struct Desk {
    behaviour: Behaviour,
    count: AtomicU32,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl httpd::Handler for Desk {
    async fn handle(&self, request: Request) -> Answer {
        let answer = (self.behaviour)(self.count.fetch_add(1, Relaxed), &request);
        self.seen.lock().expect("unpoisoned").push(request);
        answer
    }
}

impl Stub {
    pub async fn start(behaviour: Behaviour) -> Stub {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let seen = Arc::new(Mutex::default());
        tokio::spawn(httpd::serve(
            listener,
            Arc::new(Desk { behaviour, count: AtomicU32::new(0), seen: seen.clone() }),
        ));
        Stub { url, seen }
    }

    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

/// More than any pool offers for a SOL.
pub fn generous(_: u32, _: &Request) -> Answer {
    Response::json(200, &json!({ "outAmount": "900000000" })).into()
}

pub fn stingy(_: u32, _: &Request) -> Answer {
    Response::json(200, &json!({ "outAmount": "1" })).into()
}

pub fn hanging(_: u32, _: &Request) -> Answer {
    Answer::Hang
}

pub fn failing(n: u32, _: &Request) -> Answer {
    match n % 4 {
        0 => Response::text(500, "no").into(),
        1 => Answer::Close,
        2 => Response::text(200, "<html>").into(),
        _ => Answer::Reset,
    }
}

pub fn limiting(_: u32, _: &Request) -> Answer {
    Response::text(429, "").into()
}
