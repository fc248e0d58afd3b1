//! A TCP stream that notes when the first byte of an exchange left and when the first came back.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::base::time::{Clock, Offset};

/// The instants of the exchange under way.
#[derive(Debug, Default)]
pub struct Instants {
    first_write: Cell<Option<Offset>>,
    first_read: Cell<Option<Offset>>,
}

impl Instants {
    /// Forgets the last exchange.
    pub fn reset(&self) {
        self.first_write.set(None);
        self.first_read.set(None);
    }

    /// When the first byte was written.
    pub fn sent(&self) -> Option<Offset> {
        self.first_write.get()
    }

    /// When the first byte was read.
    pub fn first_byte(&self) -> Option<Offset> {
        self.first_read.get()
    }
}

/// The stream.
pub struct Wire {
    /// Below.
    pub stream: TcpStream,
    /// Beside.
    pub instants: Rc<Instants>,
    /// The axis.
    pub clock: Clock,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before && self.instants.first_read.get().is_none() {
            self.instants.first_read.set(Some(self.clock.now()));
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // Taken before the call: the peer may see the bytes before the call returns.
        let now = self.instants.first_write.get().is_none().then(|| self.clock.now());
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if let (Some(now), Poll::Ready(Ok(n))) = (now, &written)
            && *n > 0
        {
            self.instants.first_write.set(Some(now));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
