//! TLS as a scenario wants it for the connections to its target.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::base::tls::{self, Trust};
pub use crate::base::tls::{UNASKED, explained, is_record, refused};
use crate::scenario::{self, Version};

/// What a connection within TLS begins with.
pub fn config(tls: Option<&scenario::Tls>, http: Version) -> Result<Arc<ClientConfig>, String> {
    let trust = tls.map_or(Trust::default(), |tls| Trust {
        ca: tls.ca.as_deref(),
        identity: tls.identity.as_ref().map(|ours| (ours.cert.as_slice(), ours.key.pem())),
        insecure: tls.insecure,
    });
    let offered: &[&str] = match http {
        Version::One => &["http/1.1"],
        Version::Two => &["h2"],
        Version::Auto => &["h2", "http/1.1"],
    };
    tls::client(trust, offered)
}

/// Who is expected at the other end: the scenario's own word, or the host of the address.
pub fn name(tls: Option<&scenario::Tls>, host: &str) -> Result<ServerName<'static>, String> {
    tls::name(tls.and_then(|tls| tls.name.as_deref()).unwrap_or(host))
}
