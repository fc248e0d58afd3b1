//! What bytes go through: a TCP connection, plain or within TLS, or a unix socket. An enum and no trait object: the plain
//! ones are on every request's way.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};
use tokio_rustls::client::TlsStream;

use super::tls;

/// What bytes go through, both ways.
pub enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A unix socket.
    Unix(UnixStream),
    /// A TCP connection within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// The half that is written to by whoever has a request.
pub enum Writer {
    /// Of a TCP connection.
    Tcp(tcp::OwnedWriteHalf),
    /// Of a unix socket.
    Unix(unix::OwnedWriteHalf),
    /// None: within TLS whoever reads also writes.
    None,
}

/// The half that is read from; within TLS, both.
pub enum Reader {
    /// Of a TCP connection.
    Tcp(tcp::OwnedReadHalf),
    /// Of a unix socket.
    Unix(unix::OwnedReadHalf),
    /// All of a connection within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Its halves.
    pub fn split(self) -> (Reader, Writer) {
        match self {
            Stream::Tcp(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Tcp(reader), Writer::Tcp(writer))
            }
            Stream::Unix(stream) => {
                let (reader, writer) = stream.into_split();
                (Reader::Unix(reader), Writer::Unix(writer))
            }
            Stream::Tls(stream) => (Reader::Tls(stream), Writer::None),
        }
    }
}

impl Writer {
    /// Writes what the socket takes without waiting.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Writer::Tcp(half) => half.try_write(bytes),
            Writer::Unix(half) => half.try_write(bytes),
            Writer::None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Writer::Tcp(half) => half.as_ref().poll_write_ready(cx),
            Writer::Unix(half) => half.as_ref().poll_write_ready(cx),
            Writer::None => Poll::Pending,
        }
    }
}

impl Reader {
    /// Reads what there is. Errors of TLS are said in words.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Reader::Tcp(half) => Pin::new(half).poll_read(cx, read),
            Reader::Unix(half) => Pin::new(half).poll_read(cx, read),
            Reader::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, read).map_err(tls::explained),
        }
    }

    /// Writes from the front of `bytes`, by `writer` where it is this one's other half.
    pub fn poll_write(&mut self, writer: &Writer, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Reader::Tls(stream) = self else {
            loop {
                std::task::ready!(writer.poll_ready(cx))?;
                match writer.try_write(bytes) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    written => return Poll::Ready(written),
                }
            }
        };
        Pin::new(stream.as_mut()).poll_write(cx, bytes).map_err(tls::explained)
    }

    /// Sends on what a write has left in a buffer of ours.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Reader::Tcp(_) | Reader::Unix(_) => Poll::Ready(Ok(())),
            Reader::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx).map_err(tls::explained),
        }
    }

    /// Takes leave, as far as the socket takes it without waiting.
    pub fn part(&mut self, cx: &mut Context<'_>) {
        if let Reader::Tls(stream) = self {
            let _ = Pin::new(stream.as_mut()).poll_shutdown(cx);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, read: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, read),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, read),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, read).map_err(tls::explained),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes).map_err(tls::explained),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx).map_err(tls::explained),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
