//! A server that does no work: it answers every request at once with the same bytes. Against it a load generator meets
//! its own limit instead of the server's.
//!
//! `cargo run --release --example zero -- --port 0 --cpu 1` prints the port and answers until its standard input closes
//! or the time is up. `benches/peers.sh` runs it for every generator that it compares.
//!
//! One thread, one epoll loop: read, look for the empty line, write. It knows nothing of methods, paths or bodies: a
//! request ends where its head does. Connections are kept alive, pipelined requests are answered in order, and a client
//! that does not read its replies is no longer read from.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use clap::{Parser, ValueEnum};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Answers every HTTP/1.1 request on 127.0.0.1 at once with the same bytes.
#[derive(Parser)]
#[command(name = "zero")]
struct Args {
    /// Where to listen; 0 takes a free port. The port is printed.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What to answer.
    #[arg(long, value_enum, default_value = "small")]
    reply: Reply,
    /// The processor to stay on.
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
    /// When to end, at the latest. It ends earlier when its standard input closes, unless that is a file or /dev/null.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 600)]
    seconds: u32,
}

/// What is answered.
#[derive(Clone, Copy, ValueEnum)]
enum Reply {
    /// About 30 bytes of JSON.
    Small,
    /// A quote of a price for SOL in USDC, as an aggregator words it.
    Quote,
}

impl Reply {
    fn body(self) -> &'static str {
        match self {
            Reply::Small => r#"{"ok":true,"message":"nothing"}"#,
            Reply::Quote => concat!(
                r#"{"inputMint":"So11111111111111111111111111111111111111112","inAmount":"1000000000","#,
                r#""outputMint":"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v","outAmount":"151230000","#,
                r#""otherAmountThreshold":"150473850","swapMode":"ExactIn","slippageBps":50,"platformFee":null,"#,
                r#""priceImpactPct":"0.0001","routePlan":[],"contextSlot":300000000,"timeTaken":0.001}"#
            ),
        }
    }

    fn bytes(self) -> Vec<u8> {
        let body = self.body();
        // `ab -k` speaks HTTP/1.0 and keeps a connection only where the reply says so.
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

// What an event is about. Anything else is the place of a connection.
const LISTENER: u64 = u64::MAX;
const STDIN: u64 = u64::MAX - 1;
const TIMER: u64 = u64::MAX - 2;

/// How many replies one write can hold.
const BATCH: usize = 64;

fn main() -> io::Result<()> {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        let mut set = CpuSet::new();
        set.set(cpu);
        sched_setaffinity(None, &set)
            .map_err(|e| io::Error::new(ErrorKind::InvalidInput, format!("processor {cpu}: {e}")))?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
    listener.set_nonblocking(true)?;
    println!("{}", listener.local_addr()?.port());
    io::stdout().flush()?;

    let mut server = Server::new(listener, args.reply)?;
    let timer = server.end_after(args.seconds)?;
    server.end_with_stdin()?;
    server.serve()?;
    drop(timer);
    eprintln!("answered {} requests on {} connections", server.answered, server.accepted);
    Ok(())
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>, // places in `connections`
    replies: Vec<u8>, // BATCH times the reply
    reply: usize,     // the length of one, in bytes
    answered: u64,
    accepted: u64,
}

struct Connection {
    stream: TcpStream,
    line: usize, // bytes so far of the line that the last read ended in
    owed: usize, // bytes of replies not yet written
}

impl Server {
    fn new(listener: TcpListener, reply: Reply) -> io::Result<Server> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let one = reply.bytes();
        Ok(Server {
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            replies: one.repeat(BATCH),
            reply: one.len(),
            answered: 0,
            accepted: 0,
        })
    }

    /// Ends the loop after some seconds, for as long as the timer is kept.
    fn end_after(&self, seconds: u32) -> io::Result<OwnedFd> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once =
            Itimerspec { it_interval: never, it_value: Timespec { tv_sec: i64::from(seconds.max(1)), tv_nsec: 0 } };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &once)?;
        epoll::add(&self.epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(timer)
    }

    /// Ends the loop when whoever started this has gone.
    fn end_with_stdin(&self) -> io::Result<()> {
        match epoll::add(&self.epoll, io::stdin(), EventData::new_u64(STDIN), EventFlags::IN) {
            Err(Errno::PERM) => Ok(()), // a file or /dev/null, which says nothing of anybody
            other => Ok(other?),
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        let mut buffer = vec![0; 1 << 16];
        loop {
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), None) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            for event in events.drain(..) {
                match event.data.u64() {
                    TIMER => return Ok(()),
                    STDIN => {
                        if matches!(io::stdin().lock().read(&mut buffer), Ok(0)) {
                            return Ok(());
                        }
                    }
                    LISTENER => self.accept()?,
                    place => self.turn(place as usize, &mut buffer)?,
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => continue,
                Err(e) => return Err(e),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            epoll::add(&self.epoll, &stream, EventData::new_u64(place as u64), EventFlags::IN)?;
            self.connections[place] = Some(Connection { stream, line: 0, owed: 0 });
            self.accepted += 1;
        }
    }

    /// Reads what is there and answers it, or goes on writing what did not fit before.
    fn turn(&mut self, place: usize, buffer: &mut [u8]) -> io::Result<()> {
        let Some(connection) = &mut self.connections[place] else { return Ok(()) };
        let stuck = connection.owed > 0;
        let alive = stuck
            || match connection.stream.read(buffer) {
                Ok(0) => false,
                Ok(n) => {
                    let requests = connection.count(&buffer[..n]);
                    self.answered += requests as u64;
                    connection.owed = requests * self.reply;
                    true
                }
                Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
            };
        if !alive || !connection.pay(&self.replies, self.reply) {
            self.connections[place] = None; // closes it, which takes it out of epoll too
            self.free.push(place);
            return Ok(());
        }
        if stuck != (connection.owed > 0) {
            let wanted = if stuck { EventFlags::IN } else { EventFlags::OUT };
            epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(place as u64), wanted)?;
        }
        Ok(())
    }
}

impl Connection {
    /// How many heads end in these bytes: each ends in an empty line, the only kind that is two bytes long.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let (mut heads, mut rest) = (0, bytes);
        while let Ok(n @ 1..) = rest.skip_until(b'\n') {
            self.line += n;
            if bytes[bytes.len() - rest.len() - 1] == b'\n' {
                heads += usize::from(self.line == 2);
                self.line = 0;
            }
        }
        heads
    }

    /// Writes what is owed, as far as it fits. False when nobody is there to take it.
    fn pay(&mut self, replies: &[u8], reply: usize) -> bool {
        while self.owed > 0 {
            let begun = (reply - self.owed % reply) % reply; // of a reply, in bytes
            let end = replies.len().min(begun + self.owed);
            match self.stream.write(&replies[begun..end]) {
                Ok(n) => self.owed -= n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> (Connection, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Connection { stream: listener.accept().unwrap().0, line: 0, owed: 0 }, client)
    }

    #[test]
    fn heads_are_counted_however_they_are_cut() {
        let (mut connection, _client) = connection();
        let three = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(3);
        for size in 1..=three.len() {
            let heads: usize = three.chunks(size).map(|chunk| connection.count(chunk)).sum();
            assert_eq!(heads, 3, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn what_is_owed_is_whole_replies_however_much_was_owed() {
        let one = Reply::Small.bytes();
        let (mut connection, mut client) = connection();
        connection.owed = 200 * one.len() + 7; // 7 bytes of a reply begun before
        assert!(connection.pay(&one.repeat(BATCH), one.len()));
        drop(connection);
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got == [&one[one.len() - 7..], &one.repeat(200)].concat());
    }

    #[test]
    fn a_reply_is_as_long_as_it_says() {
        for reply in [Reply::Small, Reply::Quote] {
            let text = String::from_utf8(reply.bytes()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            serde_json::from_str::<serde_json::Value>(body).unwrap();
        }
    }
}
