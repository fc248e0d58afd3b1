//! A link: a TCP proxy that passes bytes on as they come, both ways. What can be broken in it comes with later faults.

use std::sync::Arc;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const BUFFER: usize = 64 * 1024;

/// Forwards connections to `to` (HOST:PORT) until dropped: open ones are then closed with it.
pub async fn serve(listener: TcpListener, to: String) {
    let to: Arc<str> = to.into();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(forward(client, to.clone()));
                }
                // Out of file descriptors, or the peer left before we took the call: neither is fatal.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection: when a side is done sending, the other is told so and may go on sending; when a side breaks, the
/// other sees it break.
async fn forward(mut client: TcpStream, to: Arc<str>) {
    let _ = client.set_nodelay(true);
    let Ok(mut server) = TcpStream::connect(&*to).await else {
        // Nearest to "refused" that an accepted connection can be.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = server.set_nodelay(true);
    if copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await.is_err() {
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use std::io::ErrorKind;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn listener() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        (listener, address)
    }

    /// A link to `to`, and where it listens.
    async fn link(to: String) -> String {
        let (listener, address) = listener().await;
        tokio::spawn(serve(listener, to));
        address
    }

    #[tokio::test]
    async fn every_byte_passes_both_ways_and_half_closing_works() {
        let (target, address) = listener().await;
        // Reads until the client is done sending, and only then answers.
        let server = tokio::spawn(async move {
            let (mut stream, _) = target.accept().await.expect("a client");
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.expect("reads");
            heard.reverse();
            stream.write_all(&heard).await.expect("writes");
            heard
        });
        let mut stream = Seed(3).stream("bytes");
        let sent: Vec<u8> = (0..200_000).flat_map(|_| stream.bits().to_le_bytes()).collect();
        let mut client = TcpStream::connect(link(address).await).await.expect("connects");
        client.write_all(&sent).await.expect("writes");
        client.shutdown().await.expect("half-closes");
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.expect("reads");
        answer.reverse();
        assert!(answer == sent, "every byte, in order");
        server.await.expect("served");
    }

    #[tokio::test]
    async fn a_dead_end_breaks_the_connection() {
        let (unused, address) = listener().await;
        drop(unused);
        let mut client = TcpStream::connect(link(address).await).await.expect("connects");
        let error = client.read_u8().await.expect_err("nobody is there");
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof), "{error}");
    }

    #[tokio::test]
    async fn a_reset_is_passed_on() {
        let (target, address) = listener().await;
        let mut client = TcpStream::connect(link(address).await).await.expect("connects");
        client.write_all(b"x").await.expect("writes");
        let (mut server, _) = target.accept().await.expect("a client");
        assert_eq!(server.read_u8().await.expect("reads"), b'x');
        server.set_zero_linger().expect("sets");
        drop(server);
        assert_eq!(client.read_u8().await.expect_err("reset").kind(), ErrorKind::ConnectionReset);
    }
}
