//! How connections to the target are made and kept.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::tls::Trust;

/// How connections to the target are made and kept; by default plain HTTP/1.1, kept alive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wire {
    /// What `https://` addresses ask for beyond the defaults; `None` where the scenario says nothing: certificates that
    /// the system trusts, no certificate of our own.
    pub tls: Option<Tls>,
    /// Which HTTP is spoken.
    pub http: Version,
    /// The most requests at once on one HTTP/2 connection, at least 1; `None` leaves it to the other side. Only with a
    /// version that may be HTTP/2.
    pub streams: Option<u32>,
    /// When a connection is given up for a new one.
    pub reuse: Reuse,
    /// Where names lead, instead of what the resolver says. No two for the same host and port.
    pub resolve: Vec<Resolve>,
}

impl Wire {
    /// Where a host and port lead by the scenario's own word; `None` leaves it to the resolver.
    pub fn resolved(&self, host: &str, port: u16) -> Option<IpAddr> {
        self.resolve.iter().find(|r| r.port == port && r.host.eq_ignore_ascii_case(host)).map(|r| r.to)
    }

    /// Whom we trust within TLS, and who we are.
    pub fn trust(&self) -> Trust<'_> {
        self.tls.as_ref().map_or(Trust::default(), |tls| Trust {
            ca: tls.ca.as_deref(),
            identity: tls.identity.as_ref().map(|ours| (ours.cert.as_slice(), ours.key.pem())),
            insecure: tls.insecure,
        })
    }
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// HTTP/1.1.
    #[default]
    One,
    /// HTTP/2: without asking (prior knowledge) on plain connections and unix sockets; within TLS as ALPN `h2`, and
    /// nothing else will do.
    Two,
    /// What the other side chooses by ALPN; HTTP/1.1 on plain connections.
    Auto,
}

impl Version {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Version::One => "1.1",
            Version::Two => "2",
            Version::Auto => "auto",
        }
    }
}

/// What TLS asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The certificates that are trusted, as PEM, instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// Who we are, to a target that asks.
    pub identity: Option<Identity>,
    /// Any certificate is taken, from anybody. Never together with `ca`.
    pub insecure: bool,
    /// The name that is asked for (SNI) and must stand in the certificate, instead of the address's host.
    pub name: Option<String>,
}

/// A certificate of our own and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and those that lead to its root, as PEM.
    pub cert: Vec<u8>,
    /// The private key, as PEM.
    pub key: PrivateKey,
}

/// A private key: never shown and never kept. Empty in a scenario that is read from old evidence.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Vec<u8>);

impl PrivateKey {
    /// A key as it stands in its file.
    pub fn new(pem: Vec<u8>) -> PrivateKey {
        PrivateKey(pem)
    }

    /// The key, for whoever speaks TLS.
    pub fn pem(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// When a connection is given up for a new one. By default it is kept as long as both sides will have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reuse {
    /// After this many requests, at least 1; 1 is a new connection for each.
    pub requests: Option<u32>,
    /// When it is older than this, above 0; a request under way is waited for. Not divided by the time scale.
    pub age: Option<Duration>,
}

/// Where a name leads, instead of what the resolver says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolve {
    /// The host of an address of the target.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Where it leads.
    pub to: IpAddr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_not_shown() {
        let key = PrivateKey::new(b"hunter2".to_vec());
        let tls = Tls { identity: Some(Identity { cert: Vec::new(), key }), ..Tls::default() };
        let shown = format!("{tls:?}");
        assert!(shown.contains("PrivateKey(…)") && !shown.contains(&format!("{:?}", b"hunter2")), "{shown}");
    }

    #[test]
    fn a_name_leads_elsewhere_on_its_port_only() {
        let to = IpAddr::from([127, 0, 0, 1]);
        let resolve = vec![Resolve { host: "api.example".into(), port: 443, to }];
        let wire = Wire { resolve, ..Wire::default() };
        assert_eq!(wire.resolved("API.example", 443), Some(to));
        assert_eq!(wire.resolved("api.example", 80), None);
        assert_eq!(wire.resolved("other.example", 443), None);
    }
}
