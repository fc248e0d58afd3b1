//! Connections: accepted, and answered request by request.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::response::write_head;
use super::{Answer, Handler, Response, request};

/// Serves until dropped: open connections are then closed with it.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let handler = handler.clone();
                    connections.spawn(async move { converse(stream, &*handler).await; });
                }
                // Out of file descriptors, or the peer left before we took the call: neither is fatal.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// One connection, request by request, until either side is done. Errors end it: there is nobody to tell.
async fn converse<H: Handler>(mut stream: TcpStream, handler: &H) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(4096);
    let mut out = Vec::with_capacity(1024);
    loop {
        let (request, keep_alive) = match request::read(&mut stream, &mut buffer).await {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(status) => {
                write_head(&mut out, &Response::text(status, ""), false);
                let _ = stream.write_all(&out).await;
                return;
            }
        };
        let head_only = request.method == "HEAD";
        match handler.handle(request).await {
            Answer::Reply(response) => {
                out.clear();
                write_head(&mut out, &response, keep_alive);
                if !head_only {
                    out.extend_from_slice(&response.body);
                }
                if stream.write_all(&out).await.is_err() || !keep_alive {
                    return;
                }
            }
            Answer::Hang => return until_left(&mut stream).await,
            Answer::HangUntil(mut over) => {
                tokio::select! {
                    () = until_left(&mut stream) => {}
                    _ = over.wait_for(|over| *over) => {}
                }
                return;
            }
            Answer::Close => return,
            Answer::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}

/// Waits until the client closes its side; what it still sends is dropped.
async fn until_left(stream: &mut TcpStream) {
    let mut sink = [0; 1024];
    while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
}
