//! Reads access logs of web servers: the common and the combined format, and JSON with one object a line.

mod common;
mod json;

use jiff::Timestamp;

/// A request that a log tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in nanoseconds since the Unix epoch.
    pub at: i128,
    /// Whether the log tells no more than the second.
    pub is_whole_second: bool,
    /// Its method, in capitals.
    pub method: String,
    /// Its path with its query.
    pub target: String,
    /// The status that was answered, where the log says.
    pub status: Option<u16>,
}

/// Reads a line. The error says what it lacks.
pub fn read(line: &str) -> Result<Entry, String> {
    let line = line.trim();
    let entry = if line.starts_with('{') { json::read(line)? } else { common::read(line)? };
    let graphic = entry.target.chars().all(|c| c.is_ascii_graphic());
    match entry.target.starts_with('/') && graphic {
        true => Ok(entry),
        false => Err(format!("`{}` is no path", entry.target)),
    }
}

/// An instant, and whether it is known to the second only: RFC 3339, `10/Oct/2023:13:55:36 +0000`, or a number of seconds,
/// milliseconds, microseconds or nanoseconds since the Unix epoch, which their size tells apart.
fn instant(text: &str) -> Option<(i128, bool)> {
    let of = |at: Timestamp| (at.as_nanosecond(), at.subsec_nanosecond() == 0);
    if let Ok(number) = text.parse::<f64>() {
        let nanos = match number.abs() {
            n if n < 1e11 => number * 1e9,
            n if n < 1e14 => number * 1e6,
            n if n < 1e17 => number * 1e3,
            _ => number,
        };
        let whole = !text.contains('.') && number.abs() < 1e11;
        return number.is_finite().then_some(((nanos / 1e3).round() as i128 * 1000, whole));
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(of(at));
    }
    let parsed = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?;
    parsed.to_timestamp().ok().map(of)
}

/// The method and the target of `GET /path HTTP/1.1`.
fn request(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let valid = !method.is_empty() && method.bytes().all(|b| b.is_ascii_alphabetic());
    valid.then(|| (method.to_ascii_uppercase(), target.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i128 = 1_696_946_136_000_000_000; // 2023-10-10T13:55:36Z

    fn entry(at: i128, is_whole_second: bool, method: &str, target: &str, status: Option<u16>) -> Entry {
        Entry { at, is_whole_second, method: method.into(), target: target.into(), status }
    }

    #[test]
    fn every_format_says_the_same() {
        let get = |ms: i128, whole| Ok(entry(AT + ms * 1_000_000, whole, "GET", "/a?b=c", Some(200)));
        for (line, wanted) in [
            (r#"10.0.0.7 - ada [10/Oct/2023:15:55:36 +0200] "GET /a?b=c HTTP/1.1" 200 2326"#, get(0, true)),
            (
                r#"10.0.0.7 - - [10/Oct/2023:13:55:36 +0000] "GET /a?b=c HTTP/2.0" 200 - "http://x/" "curl \"8\"""#,
                get(0, true),
            ),
            (r#"{"time":"2023-10-10T13:55:36.25Z","method":"get","path":"/a?b=c","status":200}"#, get(250, false)),
            (r#"{"@timestamp":"2023-10-10T13:55:36Z","request":"GET /a?b=c HTTP/1.1","status":"200"}"#, get(0, true)),
            (r#"{"ts":1696946136.25,"request":{"method":"GET","uri":"/a?b=c"},"status":200}"#, get(250, false)),
            (r#"{"msec":"1696946136250","verb":"GET","url":"http://h:1/a?b=c","status_code":200}"#, get(250, false)),
            (
                r#"{"time_local":"10/Oct/2023:13:55:36 +0000","request_method":"GET","request_uri":"/a","args":"b=c","status":200}"#,
                Ok(entry(AT, true, "GET", "/a", Some(200))),
            ),
        ] {
            assert_eq!(read(line), wanted, "{line}");
        }
    }

    #[test]
    fn what_is_no_access_log_is_said_to_lack_something() {
        for (line, part) in [
            ("hello", "no time in brackets"),
            ("- - - [yesterday] \"GET / HTTP/1.1\" 200 1", "`yesterday` is no time"),
            ("- - - [10/Oct/2023:13:55:36 +0000] \"-\" 400 0", "no request"),
            ("- - - [10/Oct/2023:13:55:36 +0000] \"GET x HTTP/1.1\" 200 0", "`x` is no path"),
            (r#"{"time":"2023-10-10T13:55:36Z"}"#, "no method"),
            (r#"{"method":"GET","path":"/"}"#, "no time"),
            ("{", "no JSON"),
        ] {
            let why = read(line).expect_err(line);
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}
