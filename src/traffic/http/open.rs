//! Opening a connection.

use std::io;

use tokio::net::{TcpStream, lookup_host};

use super::super::worker::Worker;
use crate::base::net::Address;
use crate::evidence::reply::{Outcome, Reach, Why};

/// Why there is no connection.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What becomes of the shot.
    pub outcome: Outcome,
    /// In words.
    pub why: String,
}

/// Opens a connection to the first of a name's addresses that takes one.
pub async fn open(address: &Address, worker: &Worker) -> Result<TcpStream, Refusal> {
    let refuse = |reach, why: &io::Error| {
        let ours = worker.refused(why);
        let outcome = if ours { Outcome::NotSent(Why::Resources) } else { Outcome::Unreachable(reach) };
        Refusal { outcome, why: format!("{address}: {why}") }
    };
    let Some(place) = address.tcp() else {
        let unix = io::Error::new(io::ErrorKind::Unsupported, "a unix socket");
        return Err(refuse(Reach::Connect, &unix));
    };
    let addresses = lookup_host(place).await;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses.map_err(|e| refuse(Reach::Dns, &e))? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(refuse(Reach::Connect, &last))
}
