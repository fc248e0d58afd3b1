//! Addresses: which hosts are this machine, and what a URL says.

use std::net::IpAddr;

/// The longest path of a unix socket, in bytes: the system's 108 with the zero at its end.
const MAX_SOCKET: usize = 107;

/// Where an HTTP service answers: `http://host:port/base`, `https://host:port/base` or `unix:/path/of/socket:/base`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// What is spoken there.
    pub scheme: Scheme,
    /// What is connected to.
    pub place: Place,
    /// What every path begins with; empty or starting with `/`, never ending with one.
    pub base: String,
}

/// Whether HTTP is spoken plainly or within TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plainly; port 80 where none is named.
    Http,
    /// Within TLS; port 443 where none is named.
    Https,
}

/// What a connection leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// A port of a host.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// A socket in the file system of this machine.
    Unix {
        /// Its absolute path.
        path: String,
    },
}

impl Address {
    /// A port of a host, spoken to plainly, without a base.
    pub fn http(host: impl Into<String>, port: u16) -> Address {
        Address { scheme: Scheme::Http, place: Place::Tcp { host: host.into(), port }, base: String::new() }
    }

    /// Reads `http://host[:port][/base]`, `https://host[:port][/base]` or `unix:/path[:/base]`. The error says what is
    /// wrong and what to write.
    pub fn parse(url: &str) -> Result<Address, String> {
        if let Some(rest) = url.strip_prefix("unix:") {
            return Address::unix(url, rest);
        }
        let no_address = || format!("`{url}` is not an address: write http://HOST:PORT");
        let (scheme, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (Scheme::Http, rest),
            (_, Some(rest)) => (Scheme::Https, rest),
            (None, None) => return Err(no_address()),
        };
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(
                "a URL must not carry a user and password: use `headers: { Authorization: { secret: NAME } }`".into()
            );
        }
        let (host, port) = split_host(authority, scheme.port()).ok_or_else(no_address)?;
        Ok(Address { scheme, place: Place::Tcp { host, port }, base: Address::based(url, base)? })
    }

    fn unix(url: &str, rest: &str) -> Result<Address, String> {
        let (path, base) = rest.split_once(":/").map_or((rest, ""), |(path, _)| (path, &rest[path.len() + 1..]));
        let plain = |c: char| c.is_ascii_graphic() && !"?#:@".contains(c);
        if !path.starts_with('/') || path.starts_with("//") || path.ends_with('/') || !path.chars().all(plain) {
            return Err(format!("`{url}` is no unix socket: write its absolute path, as in unix:/run/api.sock"));
        }
        if path.len() > MAX_SOCKET {
            return Err(format!(
                "`{url}`: the path of a unix socket has at most {MAX_SOCKET} bytes, this one {}: move the socket",
                path.len()
            ));
        }
        let place = Place::Unix { path: path.into() };
        Ok(Address { scheme: Scheme::Http, place, base: Address::based(url, base)? })
    }

    fn based(url: &str, base: &str) -> Result<String, String> {
        if base.contains(['?', '#']) {
            return Err(format!("`{url}`: an address has no query; write it in the path of a request"));
        }
        Ok(base.trim_end_matches('/').into())
    }

    /// The host and the port, where there is one: what `TcpStream` connects to.
    pub fn tcp(&self) -> Option<(&str, u16)> {
        match &self.place {
            Place::Tcp { host, port } => Some((host, *port)),
            Place::Unix { .. } => None,
        }
    }

    /// Whether it is a port of this host, however its letters are written.
    pub fn is_at(&self, host: &str, port: u16) -> bool {
        self.tcp().is_some_and(|(h, p)| p == port && h.eq_ignore_ascii_case(host))
    }

    /// The path of the unix socket, where it is one.
    pub fn socket(&self) -> Option<&str> {
        match &self.place {
            Place::Tcp { .. } => None,
            Place::Unix { path } => Some(path),
        }
    }

    /// Whether the connection is within TLS.
    pub fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// What a `Host` header says: `host:port`; `localhost` for a unix socket, which has no name of its own.
    pub fn authority(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Unix { .. } => "localhost".into(),
        }
    }

    /// Whether this machine answers there: a loopback host or a unix socket.
    pub fn is_loopback(&self) -> bool {
        self.tcp().is_none_or(|(host, _)| is_loopback(host))
    }

    /// The URL of a path, as an HTTP client wants it; that of a unix socket does not say which.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{}{path}", self.scheme.word(), self.authority(), self.base)
    }
}

impl Scheme {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port where none is named.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Tcp { .. } => f.write_str(&self.url("")),
            Place::Unix { path } if self.base.is_empty() => write!(f, "unix:{path}"),
            Place::Unix { path } => write!(f, "unix:{path}:{}", self.base),
        }
    }
}

/// Splits `host:port`, `[v6]:port` or `host`; `None` when it is neither.
pub fn split_host(authority: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(valid) {
        return None;
    }
    let port = if port.is_empty() { default_port } else { port.parse().ok()? };
    Some((host.to_owned(), port))
}

/// Whether `host` is this machine's loopback: `localhost`, 127.0.0.0/8 or ::1.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_and_print() {
        for url in [
            "http://127.0.0.1:8080",
            "http://[::1]:9000/api",
            "http://quote.staging:80",
            "https://quote.staging:8443/v1",
            "unix:/run/api.sock",
            "unix:/run/api.sock:/v1/quotes",
        ] {
            assert_eq!(Address::parse(url).map(|a| a.to_string()), Ok(url.to_owned()));
        }
        let parsed = |url| Address::parse(url).expect("an address");
        assert_eq!(parsed("http://localhost").tcp(), Some(("localhost", 80)));
        assert_eq!(parsed("https://localhost").tcp(), Some(("localhost", 443)));
        assert!(parsed("https://x").is_tls() && !parsed("http://x").is_tls() && !parsed("unix:/x").is_tls());
        assert!(parsed("http://localhost/").base.is_empty());
    }

    #[test]
    fn a_unix_socket_is_this_machine_and_has_a_host_all_the_same() {
        let address = Address::parse("unix:/run/api.sock:/v1/").expect("an address");
        assert_eq!((address.socket(), address.base.as_str()), (Some("/run/api.sock"), "/v1"));
        assert!(address.is_loopback() && address.tcp().is_none());
        assert_eq!((address.authority().as_str(), address.url("/q").as_str()), ("localhost", "http://localhost/v1/q"));
    }

    #[test]
    fn what_is_no_address_says_why() {
        let long = format!("unix:/{}", "a".repeat(107));
        for bad in [
            "",
            "localhost:80",
            "ftp://x",
            "http://",
            "https://",
            "http://u:p@x",
            "https://u:p@x",
            "http://x:99999",
            "http://[::1",
            "http://a b",
            "http://x/?q",
            "unix:",
            "unix:api.sock",
            "unix://api.sock",
            "unix:/run/",
            "unix:/run/a.sock:/?q",
            "unix:/run/a.sock:8080",
            &long,
        ] {
            let why = Address::parse(bad).expect_err(bad);
            assert!(why.contains(": ") || why.contains("; "), "{why}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        assert!(is_loopback("127.9.9.9") && is_loopback("::1") && is_loopback("LOCALHOST"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.evil.example"));
    }
}
