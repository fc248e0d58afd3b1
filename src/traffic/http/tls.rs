//! TLS as a scenario wants it for the connections to its target.

use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::base::tls;
pub use crate::base::tls::{UNASKED, explained, is_record, refused};
use crate::scenario::{self, Version, Wire};

/// What a connection within TLS begins with.
pub fn config(wire: &Wire) -> Result<Arc<ClientConfig>, String> {
    let offered: &[&str] = match wire.http {
        Version::One => &["http/1.1"],
        Version::Two => &["h2"],
        Version::Auto => &["h2", "http/1.1"],
    };
    tls::client(wire.trust(), offered)
}

/// Who is expected at the other end: the scenario's own word, or the host of the address.
pub fn name(tls: Option<&scenario::Tls>, host: &str) -> Result<ServerName<'static>, String> {
    tls::name(tls.and_then(|tls| tls.name.as_deref()).unwrap_or(host))
}
