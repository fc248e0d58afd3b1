//! Opening a connection for what is asked beside the load: plain, within TLS, or to a unix socket.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;

use super::net::{Address, Place};
use super::tls;

/// A connection, whatever it goes through.
pub type Connection = Box<dyn Duplex>;

/// What can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// How connections are opened. By default plainly, to where the resolver says.
#[derive(Debug, Clone, Default)]
pub struct Dial {
    /// What a connection within TLS begins with; an address that asks for TLS is refused without.
    pub tls: Option<Arc<ClientConfig>>,
    /// Who is expected at the other end, instead of the address's host.
    pub name: Option<String>,
    /// Where the address's host is, instead of where the resolver says.
    pub to: Option<IpAddr>,
}

impl Dial {
    /// Within TLS where an address asks for it.
    pub fn within(tls: Option<Arc<ClientConfig>>) -> Dial {
        Dial { tls, ..Dial::default() }
    }

    /// Opens a connection. The error says why there is none.
    pub async fn open(&self, address: &Address) -> Result<Connection, String> {
        let failed = |e: std::io::Error| format!("no connection: {e}");
        let (host, port) = match &address.place {
            Place::Unix { path } => return Ok(Box::new(UnixStream::connect(path).await.map_err(failed)?)),
            Place::Tcp { host, port } => (host.as_str(), *port),
        };
        let stream = match self.to {
            Some(ip) => TcpStream::connect((ip, port)).await,
            None => TcpStream::connect((host, port)).await,
        };
        let stream = stream.map_err(failed)?;
        if !address.is_tls() {
            return Ok(Box::new(stream));
        }
        let config = self.tls.clone().ok_or("TLS is not spoken here")?;
        let name = tls::name(self.name.as_deref().unwrap_or(host))?;
        let agreed = TlsConnector::from(config).connect(name, stream).await;
        Ok(Box::new(agreed.map_err(|e| tls::refused(&e))?))
    }
}
