//! Reads HTTP/1.1 replies off a stream, by RFC 9112. Without sockets and clocks: bytes go in, replies come out.
//!
//! A reply that arrives in one piece is handed out where it lies; only one that does not is gathered.

mod head;

use head::{Framing, Head, parse};

/// A longer head is refused, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// More headers are refused.
pub const MAX_HEADERS: usize = 128;
/// A longer line of a chunk's size, or more bytes of trailers, are refused.
const MAX_LINE: usize = 16 * 1024;

/// A reply, read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'b> {
    /// The status, 200 to 999.
    pub status: u16,
    /// The head as it came, from the status line to the empty line.
    pub head: &'b [u8],
    /// The body, as far as it was read.
    pub body: &'b [u8],
    /// Whether the body is longer than allowed, and cut off.
    pub too_long: bool,
}

impl<'b> Answer<'b> {
    /// The value of the first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&'b [u8]> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let _ = response.parse(self.head);
        response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
    }
}

/// How far a reply has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress<'b> {
    /// More bytes are needed.
    Partial,
    /// It is whole.
    Whole {
        /// What was answered.
        answer: Answer<'b>,
        /// Whether the connection may be used again.
        reusable: bool,
    },
}

/// Reads one reply after the other.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    head: Vec<u8>, // the bytes of the head so far; once it is whole, exactly the head
    body: Vec<u8>, // decoded
    whole: bool,   // what is gathered has been handed out
    status: u16,
    reusable: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    /// So many bytes to come.
    Length(u64),
    /// Until the peer closes.
    Close,
    /// In a line that says how long the next chunk is.
    Size(Size),
    /// So many bytes of a chunk to come.
    Chunk(u64),
    /// After a chunk: CR, then LF.
    ChunkEnd { cr: bool },
    /// After the last chunk: lines until an empty one. How many bytes so far, and what the line has.
    Trailer { read: usize, line: Line },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    value: u64,
    digits: u8,
    read: usize,
    extension: bool,
    cr: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Empty,
    EmptyCr,
    Text,
    TextCr,
}

const SIZE: State = State::Size(Size { value: 0, digits: 0, read: 0, extension: false, cr: false });

impl Decoder {
    /// Whether the head of the reply has come.
    pub fn has_head(&self) -> bool {
        !self.whole && self.state != State::Head
    }

    /// The status, once the head has come.
    pub fn status(&self) -> Option<u16> {
        self.has_head().then_some(self.status)
    }

    /// Takes bytes off the front of `input`. At most `max_body` bytes of a body are kept; where it is longer, the reply
    /// is over and the connection not to be used again. The error says in words what is wrong: the stream is of no use
    /// after it.
    pub fn decode<'a, 'b: 'a>(&'a mut self, input: &mut &'b [u8], max_body: usize) -> Result<Progress<'a>, String> {
        if self.whole {
            self.restart();
        }
        while self.state == State::Head {
            let parsed = if self.head.is_empty() {
                parse(input)?
            } else {
                let seam = self.head.len();
                let room = MAX_HEAD.saturating_sub(seam).min(input.len());
                self.head.extend_from_slice(&input[..room]);
                let parsed = parse(&self.head)?;
                if let Some(head) = &parsed {
                    *input = &input[head.length - seam..];
                    self.head.truncate(head.length);
                }
                match parsed {
                    Some(head) => {
                        self.begin(&head)?;
                        continue;
                    }
                    None => {
                        *input = &input[room..];
                        None
                    }
                }
            };
            let Some(head) = parsed else {
                if self.head.is_empty() {
                    self.head.extend_from_slice(input);
                    *input = &[];
                }
                if self.head.len() >= MAX_HEAD {
                    return Err(format!("a head of more than {} KB", MAX_HEAD / 1024));
                }
                return Ok(Progress::Partial);
            };
            // The whole reply in one piece is what almost always comes.
            let bytes = *input;
            if let (Framing::Length(length), 200..) = (&head.framing, head.status)
                && *length <= (bytes.len() - head.length).min(max_body) as u64
            {
                let end = head.length + *length as usize;
                *input = &bytes[end..];
                let answer = Answer {
                    status: head.status,
                    head: &bytes[..head.length],
                    body: &bytes[head.length..end],
                    too_long: false,
                };
                return Ok(Progress::Whole { answer, reusable: head.reusable });
            }
            self.head.extend_from_slice(&bytes[..head.length]);
            *input = &bytes[head.length..];
            self.begin(&head)?;
        }
        loop {
            match self.state {
                State::Head => return Ok(Progress::Partial),
                State::Length(0) => return Ok(self.finish(false)),
                State::Length(left) => match self.take(input, left, max_body) {
                    Taken::Nothing => return Ok(Progress::Partial),
                    Taken::Some(n) => self.state = State::Length(left - n),
                    Taken::TooLong => return Ok(self.finish(true)),
                },
                State::Close => match self.take(input, u64::MAX, max_body) {
                    Taken::TooLong => return Ok(self.finish(true)),
                    Taken::Nothing => return Ok(Progress::Partial),
                    Taken::Some(_) => {}
                },
                State::Chunk(0) => self.state = State::ChunkEnd { cr: false },
                State::Chunk(left) => match self.take(input, left, max_body) {
                    Taken::Nothing => return Ok(Progress::Partial),
                    Taken::Some(n) => self.state = State::Chunk(left - n),
                    Taken::TooLong => return Ok(self.finish(true)),
                },
                State::Size(_) | State::ChunkEnd { .. } | State::Trailer { .. } => {
                    let Some((&byte, rest)) = input.split_first() else { return Ok(Progress::Partial) };
                    *input = rest;
                    if self.step(byte)? {
                        return Ok(self.finish(false));
                    }
                }
            }
        }
    }

    /// The peer has closed its side. What is there is whole only where the end of the stream ends it.
    pub fn end(&mut self) -> Result<Progress<'_>, String> {
        if self.whole || (self.state == State::Head && self.head.is_empty()) {
            return Err("the connection closed before a reply".into());
        }
        match self.state {
            State::Close => Ok(self.finish(false)),
            State::Head => Err("the connection closed in the middle of a head".into()),
            _ => Err("the connection closed in the middle of a body".into()),
        }
    }

    fn begin(&mut self, head: &Head) -> Result<(), String> {
        match head.status {
            101 => return Err("the server switched protocols unasked".into()),
            100..200 => {
                self.head.clear(); // an interim reply: the real one follows
                return Ok(());
            }
            _ => {}
        }
        self.status = head.status;
        self.reusable = head.reusable;
        self.state = match head.framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => SIZE,
            Framing::Close => State::Close,
        };
        Ok(())
    }

    /// Moves body bytes from the input.
    fn take(&mut self, input: &mut &[u8], left: u64, max_body: usize) -> Taken {
        if input.is_empty() {
            return Taken::Nothing;
        }
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let room = max_body - self.body.len();
        self.body.extend_from_slice(&input[..n.min(room)]);
        *input = &input[n..];
        if n > room { Taken::TooLong } else { Taken::Some(n as u64) }
    }

    /// One byte of what stands around chunks; whether the reply is whole.
    fn step(&mut self, byte: u8) -> Result<bool, String> {
        let broken = |what: &str| Err(format!("a chunk {what}"));
        match self.state {
            State::Size(mut size) => {
                size.read += 1;
                match byte {
                    b'\n' if size.cr && size.digits > 0 => {
                        self.state = match size.value {
                            0 => State::Trailer { read: 0, line: Line::Empty },
                            n => State::Chunk(n),
                        };
                        return Ok(false);
                    }
                    _ if size.cr => return broken("whose size ends in CR without LF"),
                    b'\r' if size.digits > 0 => size.cr = true,
                    b'\n' => return broken("whose size ends in LF without CR"),
                    b';' | b' ' | b'\t' if size.digits > 0 => size.extension = true,
                    _ if size.extension => {}
                    _ => {
                        let Some(digit) = char::from(byte).to_digit(16) else {
                            return broken("whose size is no hexadecimal number");
                        };
                        if size.digits == 16 {
                            return broken("whose size has more than 16 digits");
                        }
                        size.value = size.value << 4 | u64::from(digit);
                        size.digits += 1;
                    }
                }
                if size.read > MAX_LINE {
                    return broken("whose size takes a line too long");
                }
                self.state = State::Size(size);
            }
            State::ChunkEnd { cr: false } if byte == b'\r' => self.state = State::ChunkEnd { cr: true },
            State::ChunkEnd { cr: true } if byte == b'\n' => self.state = SIZE,
            State::ChunkEnd { .. } => return broken("that does not end where its size says"),
            State::Trailer { read, line } => {
                let line = match (line, byte) {
                    (Line::EmptyCr, b'\n') => return Ok(true),
                    (Line::TextCr, b'\n') => Line::Empty,
                    (Line::EmptyCr | Line::TextCr, _) => return broken("trailer with CR without LF"),
                    (Line::Empty, b'\r') => Line::EmptyCr,
                    (Line::Text, b'\r') => Line::TextCr,
                    (_, b'\n') => return broken("trailer with LF without CR"),
                    _ => Line::Text,
                };
                if read >= MAX_LINE {
                    return broken("trailer too long");
                }
                self.state = State::Trailer { read: read + 1, line };
            }
            State::Head | State::Length(_) | State::Close | State::Chunk(_) => {}
        }
        Ok(false)
    }

    fn finish(&mut self, too_long: bool) -> Progress<'_> {
        let reusable = self.reusable && !too_long && self.state != State::Close;
        self.whole = true;
        let answer = Answer { status: self.status, head: &self.head, body: &self.body, too_long };
        Progress::Whole { answer, reusable }
    }

    /// Forgets what was gathered, memory included: a connection at rest holds none.
    fn restart(&mut self) {
        *self = Decoder::default();
    }
}

enum Taken {
    Nothing,
    Some(u64),
    TooLong,
}

#[cfg(test)]
mod tests;
