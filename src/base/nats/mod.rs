//! The protocol of NATS, as far as signals and their effects need it: a connection that is told what to publish and to
//! which subjects to listen, and that says what came. Text over TCP or TLS; blocking, for threads of their own. Ways to log in:
//! a user with a password, a token, a certificate, and a signature by an NKEY, with or without a JWT.

pub mod nkey;
mod wire;

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::net;
use super::text;
use super::tls::{self, Trust};
use nkey::Signer;
use wire::{Ear, Mouth};

/// A server answers within this time, or is not there.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest line that is not a message's body, in bytes: servers tell of themselves in one.
const LINE: usize = 1_000_000;
/// The longest body, in bytes; servers have a limit of their own, 1 MB where nobody changed it.
const BODY: usize = 64_000_000;

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

/// Something that a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// What it is, as JSON.
    Info(String),
    /// It wants to hear from us.
    Ping,
    /// It has heard everything that we said before we asked.
    Pong,
    /// It took something.
    Fine,
    /// It did not.
    Error(String),
    /// What somebody published.
    Message(Message),
}

/// What somebody published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// To which subject.
    pub subject: String,
    /// The status in its headers, where it has one: 503 says that nobody was there to answer.
    pub status: Option<u16>,
    /// What it says.
    pub body: Vec<u8>,
}

/// Reads what a server says first: that, and how many bytes it took. Nothing while it has not said all of it.
pub fn parse(bytes: &[u8]) -> Result<Option<(Said, usize)>, String> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() > LINE { Err("a line that does not end".into()) } else { Ok(None) };
    };
    let line = String::from_utf8_lossy(&bytes[..end]);
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
    let said = match word.to_ascii_uppercase().as_str() {
        "INFO" => Said::Info(rest.trim().to_owned()),
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "+OK" => Said::Fine,
        "-ERR" => Said::Error(rest.trim().trim_matches('\'').to_owned()),
        "MSG" | "HMSG" => return message(rest, word.len() == 4, bytes, end + 2),
        _ => return Err(format!("`{}` is nothing that NATS says", text::shorten(&line, 60))),
    };
    Ok(Some((said, end + 2)))
}

/// A message whose body begins at a place; with headers or without.
fn message(line: &str, headed: bool, bytes: &[u8], from: usize) -> Result<Option<(Said, usize)>, String> {
    let odd = || format!("`{}` announces no message", text::shorten(line, 60));
    // SUBJECT SID [REPLY] [HEAD] ALL
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    if words.len() < 3 + usize::from(headed) {
        return Err(odd());
    }
    let size = |back: usize| words[words.len() - back].parse::<usize>().ok().filter(|size| *size <= BODY);
    let all = size(1).ok_or_else(odd)?;
    let head = if headed { size(2).filter(|head| *head <= all).ok_or_else(odd)? } else { 0 };
    if bytes.len() < from + all + 2 {
        return Ok(None);
    }
    let headers = String::from_utf8_lossy(&bytes[from..from + head]);
    let status = headers.strip_prefix("NATS/1.0").and_then(|rest| rest.lines().next()?.split_whitespace().next());
    let said = Message {
        subject: words[0].to_owned(),
        status: status.and_then(|status| status.parse().ok()),
        body: bytes[from + head..from + all].to_vec(),
    };
    Ok(Some((Said::Message(said), from + all + 2)))
}

/// Writes what is published to a subject, with headers; whoever takes it answers to `reply`. The error says what no server
/// would understand.
pub fn publish(
    subject: &str,
    reply: Option<&str>,
    headers: &[(String, Vec<u8>)],
    body: &[u8],
) -> Result<Vec<u8>, String> {
    let bare = |text: &str| !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if !bare(subject) || subject.split('.').any(|token| token.is_empty() || token == "*" || token == ">") {
        return Err(format!("`{}` is no subject to publish to", text::shorten(subject, 60)));
    }
    let mut head = b"NATS/1.0\r\n".to_vec();
    for (name, value) in headers {
        if !bare(name) || name.contains(':') || value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(format!("the header `{}` cannot be written", text::shorten(name, 60)));
        }
        head.extend_from_slice(name.as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let reply = reply.map_or_else(String::new, |reply| format!("{reply} "));
    let mut out = format!("HPUB {subject} {reply}{} {}\r\n", head.len(), head.len() + body.len()).into_bytes();
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
    out.extend_from_slice(b"\r\n");
    Ok(out)
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

    fn said(text: &str) -> Vec<Said> {
        let (mut rest, mut all) = (text.as_bytes(), Vec::new());
        while let Some((said, taken)) = parse(rest).expect("understood") {
            all.push(said);
            rest = &rest[taken..];
        }
        all
    }

    #[test]
    fn what_a_server_says_is_read_word_by_word() {
        let text = "INFO {\"a\":1} \r\nPING\r\n+OK\r\n-ERR 'Authorization Violation'\r\nMSG a.b 1 4\r\n\r\nhi\r\n\
                    MSG a.b 1 _INBOX.x 0\r\n\r\nHMSG c 1 _INBOX.x 12 14\r\nNATS/1.0\r\n\r\nok\r\n\
                    HMSG d 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
        let message = |subject: &str, status, body: &str| {
            Said::Message(Message { subject: subject.into(), status, body: body.into() })
        };
        let wanted = [
            Said::Info("{\"a\":1}".into()),
            Said::Ping,
            Said::Fine,
            Said::Error("Authorization Violation".into()),
            message("a.b", None, "\r\nhi"),
            message("a.b", None, ""),
            message("c", None, "ok"),
            message("d", Some(503), ""),
        ];
        assert_eq!(said(text), wanted);
        // However it is cut, nothing is read before all of it is there.
        for cut in 0..text.len() {
            let first = said(&text[..cut]);
            assert_eq!(first, wanted[..first.len()], "cut at {cut}");
        }
        for odd in ["HTTP/1.1 400 Bad\r\n", "MSG a\r\n", "MSG a 1 x\r\n", "HMSG a 1 9 3\r\n", "MSG a 1 99999999999\r\n"]
        {
            assert!(parse(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_published_is_written_as_servers_read_it() {
        let headers = [("traceparent".to_owned(), b"00-1".to_vec())];
        let written = publish("a.b", Some("_INBOX.x"), &headers, b"hi").expect("fine");
        let head = "NATS/1.0\r\ntraceparent: 00-1\r\n\r\n";
        let wanted = format!("HPUB a.b _INBOX.x {} {}\r\n{head}hi\r\n", head.len(), head.len() + 2);
        assert_eq!(String::from_utf8_lossy(&written), wanted);
        for subject in ["", "a b", "a..b", "a.*", "a.>", "a\r\nPUB b"] {
            assert!(publish(subject, None, &[], b"").is_err(), "{subject}");
        }
        let split = [("a".to_owned(), b"b\r\nc: d".to_vec())];
        assert!(publish("a", None, &split, b"").is_err_and(|why| why.contains("header `a`")));
    }

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
