//! The protocol of NATS, as far as signals and their effects need it: a connection that is told what to publish and to
//! which subjects to listen, and that says what came. Text over TCP or TLS; blocking, for threads of their own. Ways to log in:
//! a user with a password, a token, a certificate, and a signature by an NKEY, with or without a JWT.

pub mod nkey;
mod wire;
mod words;

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::net;
use super::tls::{self, Trust};
use nkey::Signer;
use wire::{Ear, Mouth};
use words::{BODY, Said, parse};

pub use words::{Message, publish};

/// A server answers within this time, or is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a server is, and who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// `HOST:PORT`.
    pub place: String,
    /// A user and a password.
    pub user: Option<(String, String)>,
    /// A token.
    pub token: Option<String>,
    /// What signs, if anything does.
    pub key: Option<Key>,
    /// What TLS asks for, where it must be spoken. It is spoken as well where the server wants it.
    pub tls: Option<Tls>,
}

/// What signs for us.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// A seed; the server knows its public key.
    Seed(String),
    /// A user's JWT, and its seed.
    Jwt(String, String),
    /// Both, as a file of credentials has them.
    Credentials(String),
}

impl Key {
    /// Says in a greeting who we are, and signs what the server asked for. The error says what is wrong with the key.
    fn sign(&self, info: &Value, hello: &mut Value) -> Result<(), String> {
        let (jwt, seed) = match self {
            Key::Seed(seed) => (None, seed.clone()),
            Key::Jwt(jwt, seed) => (Some(jwt.trim().to_owned()), seed.clone()),
            Key::Credentials(text) => nkey::credentials(text).map(|(jwt, seed)| (Some(jwt), seed))?,
        };
        let signer = Signer::new(&seed)?;
        let nonce = info["nonce"].as_str().ok_or("it asks for no signature: it knows of no NKEY and of no JWT")?;
        match jwt {
            Some(jwt) => hello["jwt"] = jwt.into(),
            None => hello["nkey"] = signer.public().into(),
        }
        hello["sig"] = signer.sign(nonce.as_bytes()).into();
        Ok(())
    }
}

/// What TLS asks for.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The certificates that are trusted, as PEM, instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate and its private key, as PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Any certificate is taken, from anybody.
    pub insecure: bool,
    /// The name that must stand in the certificate, instead of the server's host.
    pub name: Option<String>,
}

impl Tls {
    fn trust(&self) -> Trust<'_> {
        let identity = self.identity.as_ref().map(|(cert, key)| (cert.as_slice(), key.as_slice()));
        Trust { ca: self.ca.as_deref(), identity, insecure: self.insecure }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Line {
    ear: Ear,
    speaker: Speaker,
    buffer: Vec<u8>,
    /// The longest message that the server takes, headers included, in bytes.
    pub max_payload: usize,
    /// Whether it keeps what is published, and acknowledges that.
    pub jetstream: bool,
}

/// Says something on a connection on which somebody else listens.
#[derive(Debug, Clone)]
pub struct Speaker(Arc<Mutex<Mouth>>);

impl Speaker {
    /// Says something; blocks while the server does not listen, up to some seconds.
    pub fn say(&self, what: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).say(what)
    }

    /// Hangs up: whoever listens hears the end.
    pub fn hang_up(&self) {
        let mouth = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = mouth.socket().shutdown(std::net::Shutdown::Both);
    }
}

impl Line {
    fn new((ear, mouth): (Ear, Mouth)) -> io::Result<Line> {
        let speaker = Speaker(Arc::new(Mutex::new(mouth)));
        Ok(Line { ear, speaker, buffer: Vec::new(), max_payload: BODY, jetstream: false })
    }

    /// Goes on within TLS.
    fn secured(self, server: &Server) -> Result<Line, String> {
        let nothing = Tls::default();
        let asked = server.tls.as_ref().unwrap_or(&nothing);
        let host = net::split_host(&server.place, 0).map_or_else(|| server.place.clone(), |(host, _)| host);
        let config = tls::client(asked.trust(), &[])?;
        let socket = self.ear.socket().try_clone().map_err(|why| why.to_string())?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|why| why.to_string())?;
        let ends = wire::secured(socket, config, asked.name.as_deref().unwrap_or(&host))?;
        Line::new(ends).map_err(|why| why.to_string())
    }

    /// Connects and logs in. The error says what stands in the way.
    pub fn open(server: &Server) -> Result<Line, String> {
        let place = &server.place;
        let told = |why: &dyn fmt::Display| format!("{place}: {why}");
        let places = place.to_socket_addrs().map_err(|why| told(&why))?;
        let mut last = format!("{place}: no address");
        let connect = |address| TcpStream::connect_timeout(&address, PATIENCE);
        let stream = places.into_iter().find_map(|address| connect(address).map_err(|why| last = told(&why)).ok());
        let stream = stream.ok_or(last)?;
        let timed = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
        let mut line = timed.and_then(|()| Line::new(wire::plain(stream)?)).map_err(|why| told(&why))?;
        let info = match line.hear(PATIENCE).map_err(|why| told(&why))? {
            Some(Said::Info(info)) => info,
            None => {
                let why = format!(
                    "it says nothing within {} s: is it NATS, and not TLS from the first byte?",
                    PATIENCE.as_secs()
                );
                return Err(told(&why));
            }
            other => return Err(told(&format!("is it NATS? it said {other:?}"))),
        };
        let info: Value = serde_json::from_str(&info).unwrap_or_default();
        let wanted = info["tls_required"] == true;
        if server.tls.is_some() && !wanted && info["tls_available"] != true {
            return Err(told(&"it does not speak TLS, which `tls` asks for"));
        }
        if wanted || server.tls.is_some() {
            line = line.secured(server).map_err(|why| told(&why))?;
        }
        line.max_payload = info["max_payload"].as_u64().map_or(BODY, |most| most as usize).min(BODY);
        line.jetstream = info["jetstream"] == true;
        let mut hello = json!({
            "verbose": false, "pedantic": false, "tls_required": server.tls.is_some(), "headers": true, "no_responders": true,
            "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "proofload", "protocol": 1, "echo": true,
        });
        if let Some((user, password)) = &server.user {
            hello["user"] = user.as_str().into();
            hello["pass"] = password.as_str().into();
        }
        if let Some(token) = &server.token {
            hello["auth_token"] = token.as_str().into();
        }
        if let Some(key) = &server.key {
            key.sign(&info, &mut hello).map_err(|why| told(&why))?;
        }
        line.say(format!("CONNECT {hello}\r\n").as_bytes()).and_then(|()| line.agree()).map_err(|why| told(&why))?;
        Ok(line)
    }

    /// Listens to a subject, from the return of this on.
    pub fn subscribe(&mut self, subject: &str) -> Result<(), String> {
        self.speaker.say(format!("SUB {subject} 1\r\n").as_bytes()).map_err(|why| why.to_string())?;
        self.agree()
    }

    /// Says something.
    pub fn speaker(&self) -> Speaker {
        self.speaker.clone()
    }

    /// What was published, if anything comes within a time. An error ends the connection.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Message>, String> {
        loop {
            match self.hear(patience).map_err(|why| why.to_string())? {
                Some(Said::Message(message)) => return Ok(Some(message)),
                Some(Said::Error(why)) => return Err(why),
                Some(Said::Info(_) | Said::Fine | Said::Pong) => {}
                Some(Said::Ping) | None => return Ok(None),
            }
        }
    }

    /// Says something. Where nobody takes it any more, the error is what was objected to last, if anything was.
    fn say(&mut self, what: &[u8]) -> Result<(), String> {
        let Err(broken) = self.speaker.say(what) else { return Ok(()) };
        match self.hear(PATIENCE) {
            Ok(Some(Said::Error(why))) => Err(format!("refused: {why}")),
            Err(why) if why.kind() == io::ErrorKind::InvalidData => Err(why.to_string()),
            _ => Err(broken.to_string()),
        }
    }

    /// Waits until the server has taken everything that was said.
    fn agree(&mut self) -> Result<(), String> {
        self.say(b"PING\r\n")?;
        loop {
            match self.hear(PATIENCE).map_err(|why| why.to_string())? {
                Some(Said::Pong) => return Ok(()),
                Some(Said::Error(why)) => return Err(format!("refused: {why}")),
                Some(_) => {}
                None => return Err(format!("no answer within {} s", PATIENCE.as_secs())),
            }
        }
    }

    /// What it says next, if anything within a time; pings are answered.
    fn hear(&mut self, patience: Duration) -> io::Result<Option<Said>> {
        loop {
            if let Some((said, taken)) = parse(&self.buffer).map_err(io::Error::other)? {
                self.buffer.drain(..taken);
                if said == Said::Ping {
                    self.speaker.say(b"PONG\r\n")?;
                }
                return Ok(Some(said));
            }
            self.ear.socket().set_read_timeout(Some(patience))?;
            match self.ear.hear(&mut self.buffer) {
                Ok(0) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server hung up")),
                Ok(_) => {}
                Err(why) if matches!(why.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let server = Server {
            place: "127.0.0.1:4222".into(),
            user: Some(("u".into(), "hush".into())),
            token: Some("hush".into()),
            key: Some(Key::Seed("hush".into())),
            tls: Some(Tls { identity: Some((Vec::new(), b"hush".to_vec())), ..Tls::default() }),
        };
        assert!(!format!("{server:?}").contains("hush"));
    }
}
