//! Asks a broker who is in its cluster, as any client does first.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::apis::METADATA;
use super::rewrite::{TopicSeen, metadata};

/// How long a broker may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// A larger reply is none.
const LARGEST: usize = 64 << 20;
/// The version that is asked in: every broker since 0.10 speaks it.
const VERSION: i16 = 1;

/// What a broker says of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Brokers: number, host and port.
    pub brokers: Vec<(i32, String, u16)>,
    /// All topics.
    pub topics: Vec<TopicSeen>,
}

/// Asks the broker at HOST:PORT. The error says why it gave no answer.
pub async fn ask(address: &str) -> Result<Census, String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&request()).await?;
        let mut size = [0; 4];
        stream.read_exact(&mut size).await?;
        let size = u32::from_be_bytes(size) as usize;
        if !(4..=LARGEST).contains(&size) {
            return Err(io::Error::other("what answers there is no Kafka broker"));
        }
        let mut reply = vec![0; size];
        stream.read_exact(&mut reply).await?;
        Ok(reply)
    };
    let reply = match timeout(PATIENCE, asking).await {
        Ok(reply) => reply.map_err(|e| format!("{address}: {e}"))?,
        Err(_) => return Err(format!("{address}: no answer within {} s", PATIENCE.as_secs())),
    };
    let (brokers, topics) = metadata(VERSION, &reply[4..]).map_err(|why| format!("{address}: {}", why.0))?;
    Ok(Census { brokers, topics })
}

/// A request for everything that a broker knows.
fn request() -> Vec<u8> {
    const CLIENT: &[u8] = b"proofload";
    let mut request = Vec::new();
    request.extend(METADATA.to_be_bytes());
    request.extend(VERSION.to_be_bytes());
    request.extend(1_i32.to_be_bytes()); // correlation id
    request.extend((CLIENT.len() as i16).to_be_bytes());
    request.extend(CLIENT);
    request.extend((-1_i32).to_be_bytes()); // all topics
    let mut frame = (request.len() as u32).to_be_bytes().to_vec();
    frame.extend(request);
    frame
}
