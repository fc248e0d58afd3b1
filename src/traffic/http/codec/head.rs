//! What the head of a reply says: its status, how its body ends, and whether the connection lasts.

use super::MAX_HEADERS;

/// What a head says.
pub(super) struct Head {
    /// In bytes, the empty line included.
    pub(super) length: usize,
    /// 100 to 999.
    pub(super) status: u16,
    /// Whether the connection may be used again after this reply.
    pub(super) reusable: bool,
    /// How the body ends.
    pub(super) framing: Framing,
}

/// How a body ends.
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk.
    Chunked,
    /// With the connection.
    Close,
}

/// Reads a head; `None` while it is not whole.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut headers = [const { std::mem::MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut headers);
    let length = match parsed {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(format!("more than {MAX_HEADERS} headers")),
        Err(why) => return Err(format!("what came is no HTTP/1.1: {why}")),
    };
    let (Some(status), Some(version)) = (response.code, response.version) else {
        return Err("a status line without a status".into());
    };
    if status < 100 {
        return Err(format!("a status of {status}"));
    }
    let (mut content_length, mut encodings, mut close, mut keep) = (None, None, false, false);
    for header in response.headers.iter() {
        // Three names matter, and their lengths tell them from almost all others.
        match header.name.len() {
            14 if header.name.eq_ignore_ascii_case("content-length") => {
                let stated = length_of(header.value)?;
                if content_length.is_some_and(|before| before != stated) {
                    return Err("two different content lengths".into());
                }
                content_length = Some(stated);
            }
            17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                encodings = words(header.value).last().map(|last| last.eq_ignore_ascii_case(b"chunked"));
            }
            10 if header.name.eq_ignore_ascii_case("connection") => {
                close |= words(header.value).any(|word| word.eq_ignore_ascii_case(b"close"));
                keep |= words(header.value).any(|word| word.eq_ignore_ascii_case(b"keep-alive"));
            }
            _ => {}
        }
    }
    // RFC 9112, 6.3: no body by the status; then the transfer encoding; then the length; else until the end. A reply
    // that states both an encoding and a length may be an attempt at smuggling: its connection is not used again.
    let framing = match (status, encodings) {
        (100..200 | 204 | 304, _) => Framing::Length(0),
        (_, Some(true)) if version == 1 => Framing::Chunked,
        (_, Some(_)) => Framing::Close,
        (_, None) => content_length.map_or(Framing::Close, Framing::Length),
    };
    let lasting = if version == 1 { !close } else { keep && !close };
    let reusable = lasting && !(encodings.is_some() && content_length.is_some());
    Ok(Some(Head { length, status, reusable, framing }))
}

/// A content length: digits only, or a list of the same number.
fn length_of(value: &[u8]) -> Result<u64, String> {
    if let Some(length) = decimal(value) {
        return Ok(length);
    }
    let mut length = None;
    for word in words(value) {
        let number = decimal(word);
        if number.is_none() || length.is_some_and(|before| Some(before) != number) {
            length = None;
            break;
        }
        length = number;
    }
    length.ok_or_else(|| format!("a content length of `{}`", String::from_utf8_lossy(&value[..value.len().min(40)])))
}

/// A number of up to 19 digits and nothing else.
fn decimal(word: &[u8]) -> Option<u64> {
    let digit = |n: u64, d: &u8| d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0'));
    (1..=19).contains(&word.len()).then(|| word.iter().try_fold(0, digit)).flatten()
}

/// The members of a list with commas.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii)
}
