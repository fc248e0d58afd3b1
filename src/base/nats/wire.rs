//! What a connection to a server goes over: TCP, or TLS within it. One thread reads, others write.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_rustls::rustls::{ClientConfig, ClientConnection};

use crate::base::tls;

/// As much is read at once, in bytes.
const PIECE: usize = 16 * 1024;

/// One end that reads.
#[derive(Debug)]
pub struct Ear {
    socket: TcpStream,
    tls: Option<Arc<Mutex<ClientConnection>>>,
    /// What was deciphered and not taken yet.
    plain: Vec<u8>,
}

/// One that writes.
#[derive(Debug)]
pub struct Mouth {
    socket: TcpStream,
    tls: Option<Arc<Mutex<ClientConnection>>>,
}

/// Both ends of a plain connection.
pub fn plain(socket: TcpStream) -> io::Result<(Ear, Mouth)> {
    let other = socket.try_clone()?;
    Ok((Ear { socket, tls: None, plain: Vec::new() }, Mouth { socket: other, tls: None }))
}

/// Both ends of one that goes on within TLS; `name` is who must answer. The error says why it does not.
pub fn secured(mut socket: TcpStream, config: Arc<ClientConfig>, name: &str) -> Result<(Ear, Mouth), String> {
    let mut session = ClientConnection::new(config, tls::name(name)?).map_err(|why| why.to_string())?;
    while session.is_handshaking() {
        session.complete_io(&mut socket).map_err(|why| tls::refused(&why))?;
    }
    let other = socket.try_clone().map_err(|why| why.to_string())?;
    let session = Arc::new(Mutex::new(session));
    Ok((Ear { socket, tls: Some(session.clone()), plain: Vec::new() }, Mouth { socket: other, tls: Some(session) }))
}

impl Ear {
    /// Whose time-outs count for reading.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Appends what comes next; how much that is, and 0 at the end.
    pub fn hear(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let mut piece = [0; PIECE];
        let Some(tls) = &self.tls else {
            let read = self.socket.read(&mut piece)?;
            into.extend_from_slice(&piece[..read]);
            return Ok(read);
        };
        // What came along with the handshake is there already.
        decipher(&mut lock(tls), &mut self.plain)?;
        while self.plain.is_empty() {
            // Nobody who wants to write waits while nothing comes.
            let read = self.socket.read(&mut piece)?;
            if read == 0 {
                return Ok(0);
            }
            let (mut rest, mut session) = (&piece[..read], lock(tls));
            while !rest.is_empty() {
                session.read_tls(&mut rest)?;
                session.process_new_packets().map_err(io::Error::other).map_err(tls::explained)?;
                if decipher(&mut session, &mut self.plain)? {
                    return Ok(take(&mut self.plain, into));
                }
            }
            // What TLS itself has to say in return goes out before what is said next.
        }
        Ok(take(&mut self.plain, into))
    }
}

/// Takes what is deciphered; whether the other side has taken leave.
fn decipher(session: &mut ClientConnection, plain: &mut Vec<u8>) -> io::Result<bool> {
    match session.reader().read_to_end(plain) {
        Ok(_) => Ok(true),
        Err(why) if why.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(why) => Err(tls::explained(why)),
    }
}

fn take(from: &mut Vec<u8>, into: &mut Vec<u8>) -> usize {
    into.extend_from_slice(from);
    std::mem::take(from).len()
}

impl Mouth {
    /// Says something; blocks while nobody listens, as long as the socket's time-out allows.
    pub fn say(&mut self, what: &[u8]) -> io::Result<()> {
        let Some(tls) = &self.tls else { return self.socket.write_all(what) };
        let mut rest = what;
        while !rest.is_empty() {
            let mut sealed = Vec::new();
            {
                let mut session = lock(tls);
                // It takes as much as its buffer holds.
                let taken = session.writer().write(rest)?;
                rest = &rest[taken..];
                while session.wants_write() {
                    session.write_tls(&mut sealed)?;
                }
            }
            // Whoever reads can go on while this blocks.
            self.socket.write_all(&sealed)?;
        }
        Ok(())
    }

    /// Whose time-outs count for writing.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
