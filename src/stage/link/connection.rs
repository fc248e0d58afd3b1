//! A connection through a link: two directions, and how they end together.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pipe::{End, Pipe};

/// How long a side may go on sending into a connection that is closed, before it is reset.
const PARTING: Duration = Duration::from_secs(1);

/// Passes on both ways until the connection is over. When a side is done sending, the other is told so and may go on
/// sending; when a side breaks, the other sees it break.
pub async fn converse(mut client: TcpStream, mut server: TcpStream, mut up: Pipe, mut down: Pipe) {
    let end = both(&mut client, &mut server, &mut up, &mut down).await;
    match end {
        End::Done => {}
        End::Close => {
            tokio::join!(part(&mut client), part(&mut server));
        }
        End::Reset => {
            let _ = (client.set_zero_linger(), server.set_zero_linger());
        }
    }
}

async fn both(client: &mut TcpStream, server: &mut TcpStream, up: &mut Pipe, down: &mut Pipe) -> End {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let mut open = (true, true);
    loop {
        let alone = open != (true, true);
        let end = tokio::select! {
            end = up.run(&mut from_client, &mut to_server, alone), if open.0 => { open.0 = false; end }
            end = down.run(&mut from_server, &mut to_client, alone), if open.1 => { open.1 = false; end }
        };
        if end != End::Done || open == (false, false) {
            return end;
        }
    }
}

/// Closes a side in order. Closing on unread bytes would reset the connection, and what was sent with it.
async fn part(side: &mut TcpStream) {
    let _ = side.shutdown().await;
    let drain = async {
        let mut sink = [0; 4096];
        while matches!(side.read(&mut sink).await, Ok(n) if n > 0) {}
    };
    let _ = timeout(PARTING, drain).await;
}
