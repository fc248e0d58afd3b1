//! Opening a connection: looking up the name, connecting, agreeing on TLS and on which HTTP is spoken. Each part has its
//! time, and its own way to fail.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::http2::{self, Session};
use super::stream::Stream;
use super::tls;
use crate::base::net::{Address, Place};
use crate::base::time::Clock;
use crate::base::units;
use crate::evidence::reply::{Opening, Reach};
use crate::scenario::{Target, Version};

/// A unix socket whose backlog is full is tried again after this long: there, unlike with TCP, the system does not wait.
const AGAIN: Duration = Duration::from_millis(1);

/// Opens connections to one address.
pub struct Opener {
    address: Address,
    to: To,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    http: Version,
}

/// What is connected to.
enum To {
    Ip(SocketAddr),
    Name(Lookup),
    Socket(String),
}

/// A connection that is open.
pub struct Opened {
    /// What is spoken, and through what.
    pub spoken: Spoken,
    /// How long it took.
    pub opening: Opening,
}

/// What is spoken on a connection.
pub enum Spoken {
    /// HTTP/1.1.
    One(Stream),
    /// HTTP/2, which both sides have begun.
    Two(Session),
}

/// Why there is no connection.
#[derive(Debug)]
pub struct Refusal {
    /// Where reaching the address failed.
    pub reach: Reach,
    /// In words.
    pub why: String,
    /// The system's number for it, where it has one.
    pub errno: Option<i32>,
}

impl Opener {
    /// Those of a target's services, in their order: one for each address. The error says what TLS lacks.
    pub fn all(services: &[(String, Vec<Address>)], target: &Target) -> Result<Vec<(String, Vec<Opener>)>, String> {
        let encrypted = services.iter().flat_map(|(_, addresses)| addresses).any(Address::is_tls);
        let wire = &target.wire;
        let config = encrypted.then(|| tls::config(wire)).transpose()?;
        let opener = |address: &Address| Opener::new(address, target, config.as_ref());
        let openers = |(name, addresses): &(String, Vec<Address>)| {
            Ok((name.clone(), addresses.iter().map(opener).collect::<Result<_, String>>()?))
        };
        services.iter().map(openers).collect()
    }

    fn new(address: &Address, target: &Target, config: Option<&Arc<ClientConfig>>) -> Result<Opener, String> {
        let (to, tls) = match &address.place {
            Place::Unix { path } => (To::Socket(path.clone()), None),
            Place::Tcp { host, port } => {
                let ip = target.wire.resolved(host, *port).or_else(|| host.parse::<IpAddr>().ok());
                let to = ip.map_or_else(|| To::Name(Lookup::new(host, *port)), |ip| To::Ip((ip, *port).into()));
                let tls = config.filter(|_| address.is_tls()).map(|config| {
                    let name = tls::name(target.wire.tls.as_ref(), host)?;
                    Ok::<_, String>((TlsConnector::from(config.clone()), name))
                });
                (to, tls.transpose()?)
            }
        };
        Ok(Opener { address: address.clone(), to, tls, http: target.wire.http })
    }

    /// Where they lead.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Whether HTTP/2 may be what is spoken.
    pub fn may_be_two(&self) -> bool {
        match self.http {
            Version::One => false,
            Version::Two => true,
            Version::Auto => self.tls.is_some(),
        }
    }

    /// Opens one, within the timeout.
    pub async fn open(&self, clock: Clock, timeout: Duration) -> Result<Opened, Refusal> {
        let at = Cell::new(Reach::Connect);
        let opened = tokio::time::timeout(timeout, self.attempt(clock, &at)).await;
        opened.unwrap_or_else(|_| {
            let part = match at.get() {
                Reach::Dns => "looking up the name",
                Reach::Connect => "connecting",
                Reach::Tls => "agreeing on TLS",
            };
            let why = format!("{part} took longer than {}", units::duration(timeout));
            Err(self.unreachable(at.get(), &why))
        })
    }

    /// `at` says which part is under way.
    async fn attempt(&self, clock: Clock, at: &Cell<Reach>) -> Result<Opened, Refusal> {
        let began = clock.now();
        let mut dns = None;
        let stream = match &self.to {
            To::Socket(path) => connect_socket(path).await.map(Stream::Unix),
            To::Ip(address) => connect(&[*address]).await.map(Stream::Tcp),
            To::Name(lookup) => {
                at.set(Reach::Dns);
                let found = lookup.find().await.map_err(|e| self.failed(Reach::Dns, &e))?;
                dns = Some(clock.now().since(began));
                at.set(Reach::Connect);
                connect(&found).await.map(Stream::Tcp)
            }
        };
        let stream = stream.map_err(|e| self.failed(Reach::Connect, &e))?;
        let connected = clock.now();
        let connect = connected.since(began).saturating_sub(dns.unwrap_or_default());
        let (stream, two) = match (&self.tls, stream) {
            (Some((tls, name)), Stream::Tcp(plain)) => {
                at.set(Reach::Tls);
                let agreed = tls.connect(name.clone(), plain).await;
                let agreed = agreed.map_err(|e| self.unreachable(Reach::Tls, &tls::refused(&e)))?;
                let two = agreed.get_ref().1.alpn_protocol() == Some(b"h2");
                if self.http == Version::Two && !two {
                    return Err(self.unreachable(Reach::Tls, "it does not speak HTTP/2: write `http: 1.1`, or `auto`"));
                }
                (Stream::Tls(Box::new(agreed)), two)
            }
            (_, stream) => (stream, self.http == Version::Two),
        };
        let spoken = match two {
            false => Spoken::One(stream),
            true => Spoken::Two(http2::begin(stream).await.map_err(|why| self.unreachable(at.get(), &why))?),
        };
        // Until it may be used: agreeing on HTTP/2 is a matter of whoever carries it.
        let rest = clock.now().since(connected);
        let (connect, tls) = if self.tls.is_some() { (connect, Some(rest)) } else { (connect + rest, None) };
        Ok(Opened { spoken, opening: Opening::new(dns, connect, tls) })
    }

    fn failed(&self, reach: Reach, why: &io::Error) -> Refusal {
        Refusal { errno: why.raw_os_error(), ..self.unreachable(reach, &why.to_string()) }
    }

    fn unreachable(&self, reach: Reach, why: &str) -> Refusal {
        Refusal { reach, why: format!("{}: {why}", self.address), errno: None }
    }
}

/// Connects to the first of a name's addresses that takes a connection.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

async fn connect_socket(path: &str) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => tokio::time::sleep(AGAIN).await,
            connected => return connected,
        }
    }
}

/// A name that is looked up anew for every connection. Who asks while it is being looked up waits for the same answer:
/// however slow the resolver is, it holds one thread.
struct Lookup {
    host: String,
    port: u16,
    under_way: RefCell<Option<watch::Receiver<Option<Found>>>>,
}

type Found = Result<Arc<[SocketAddr]>, Arc<io::Error>>;

impl Lookup {
    fn new(host: &str, port: u16) -> Lookup {
        Lookup { host: host.into(), port, under_way: RefCell::default() }
    }

    async fn find(&self) -> Found {
        let asked = self.under_way.borrow().as_ref().filter(|answer| answer.borrow().is_none()).cloned();
        let mut answer = asked.unwrap_or_else(|| self.ask());
        match answer.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()) {
            Some(found) => found,
            None => Err(Arc::new(io::Error::other("looking up the name was given up"))),
        }
    }

    fn ask(&self) -> watch::Receiver<Option<Found>> {
        let (tell, answer) = watch::channel(None);
        let place = (self.host.clone(), self.port);
        tokio::task::spawn_blocking(move || {
            let found = place.to_socket_addrs().map(Iterator::collect).map_err(Arc::new);
            let _ = tell.send(Some(found));
        });
        self.under_way.replace(Some(answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_for_a_name_while_it_is_being_looked_up_gets_the_same_answer() {
        let lookup = Lookup::new("localhost", 80);
        let (tell, answer) = watch::channel(None);
        lookup.under_way.replace(Some(answer));
        let answered = async { tell.send(Some(Ok([SocketAddr::from(([127, 0, 0, 9], 80))].into()))).is_ok() };
        let (one, other, sent) = tokio::join!(lookup.find(), lookup.find(), answered);
        let (one, other) = (one.expect("found"), other.expect("found"));
        assert!(sent && Arc::ptr_eq(&one, &other));
        let later = lookup.find().await.expect("this machine has a name");
        assert_ne!(later, one, "what has been answered is asked anew");
    }

    #[tokio::test]
    async fn a_resolver_that_does_not_answer_is_told_from_a_port_that_does_not() {
        let lookup = Lookup::new("localhost", 80);
        let (_silent, answer) = watch::channel(None);
        lookup.under_way.replace(Some(answer));
        let address = Address::http("localhost", 80);
        let opener = Opener { address, to: To::Name(lookup), tls: None, http: Version::One };
        let opened = opener.open(Clock::starting_in(Duration::ZERO), Duration::from_millis(20)).await;
        let refusal = opened.err().expect("nobody answers");
        assert_eq!(refusal.reach, Reach::Dns);
        assert_eq!(refusal.why, "http://localhost:80: looking up the name took longer than 20ms");
    }
}
