//! What is said on a connection: what servers say, read word by word, and what is published, written as they read it.

use super::super::text;

/// The longest line that is not a message's body, in bytes: servers tell of themselves in one.
const LINE: usize = 1_000_000;
/// The longest body, in bytes; servers have a limit of their own, 1 MB where nobody changed it.
pub const BODY: usize = 64_000_000;

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
}
