//! Servers of NATS, and how one is let in.

use super::target::HeaderValue;
use super::wire::Tls;
use crate::base::nats;

/// A server of NATS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// HOST:PORT.
    pub place: String,
    /// A user, and the name of the secret that is the password.
    pub user: Option<(HeaderValue, String)>,
    /// The name of the secret that is a token.
    pub token: Option<String>,
    /// What TLS asks for, where it must be spoken.
    pub tls: Option<Tls>,
}

impl Nats {
    /// The names of the secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let user = self.user.as_ref().and_then(|(user, _)| match user {
            HeaderValue::Secret(name) => Some(name.as_str()),
            HeaderValue::Text(_) => None,
        });
        let password = self.user.as_ref().map(|(_, password)| password.as_str());
        user.into_iter().chain(password).chain(self.token.as_deref())
    }

    /// What a client is told. `secrets` gives the value of a name.
    pub fn server(&self, secrets: &dyn Fn(&str) -> Option<String>) -> nats::Server {
        let user = self.user.as_ref().map(|(user, password)| {
            let user = match user {
                HeaderValue::Text(user) => user.clone(),
                HeaderValue::Secret(name) => secrets(name).unwrap_or_default(),
            };
            (user, secrets(password).unwrap_or_default())
        });
        let token = self.token.as_deref().and_then(secrets);
        let tls = self.tls.as_ref().map(|tls| nats::Tls {
            ca: tls.ca.clone(),
            identity: tls.identity.as_ref().map(|ours| (ours.cert.clone(), ours.key.pem().to_vec())),
            insecure: tls.insecure,
            name: tls.name.clone(),
        });
        nats::Server { place: self.place.clone(), user, token, tls }
    }
}
