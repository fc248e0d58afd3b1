//! Addresses: which hosts are this machine, and what a URL says.

use std::net::IpAddr;

/// A plain address of an HTTP service: `http://host:port/base`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// What every path begins with; empty or starting with `/`, never ending with one.
    pub base: String,
}

impl Address {
    /// Reads `http://host[:port][/base]`. The error says what is wrong and what to write.
    pub fn parse(url: &str) -> Result<Address, String> {
        let Some(rest) = url.strip_prefix("http://") else {
            return Err(match url.split_once("://") {
                Some(("https", _)) => format!("`{url}`: TLS is planned, not built: use http://"),
                _ => format!("`{url}` is not an address: write http://HOST:PORT"),
            });
        };
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(
                "a URL must not carry a user and password: use `headers: { Authorization: { secret: NAME } }`".into()
            );
        }
        let (host, port) =
            split_host(authority, 80).ok_or_else(|| format!("`{url}` is not an address: write http://HOST:PORT"))?;
        if base.contains(['?', '#']) {
            return Err(format!("`{url}`: an address has no query; write it in the path of a request"));
        }
        Ok(Address { host, port, base: base.trim_end_matches('/').into() })
    }

    /// What a `Host` header says, and what `TcpStream` connects to.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the host is this machine's loopback.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.base)
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
        for url in ["http://127.0.0.1:8080", "http://[::1]:9000/api", "http://quote.staging:80"] {
            assert_eq!(Address::parse(url).map(|a| a.to_string()), Ok(url.to_owned()));
        }
        assert_eq!(Address::parse("http://localhost").map(|a| a.port), Ok(80));
        assert!(Address::parse("http://localhost/").is_ok_and(|a| a.base.is_empty() && a.is_loopback()));
    }

    #[test]
    fn what_is_no_address_says_why() {
        for bad in [
            "",
            "localhost:80",
            "https://x",
            "http://",
            "http://u:p@x",
            "http://x:99999",
            "http://[::1",
            "http://a b",
            "http://x/?q",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        assert!(is_loopback("127.9.9.9") && is_loopback("::1") && is_loopback("LOCALHOST"));
        assert!(!is_loopback("10.0.0.1") && !is_loopback("localhost.evil.example"));
    }
}
