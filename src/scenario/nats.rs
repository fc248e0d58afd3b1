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
    /// What signs for us.
    pub key: Option<NatsKey>,
    /// What TLS asks for, where it must be spoken.
    pub tls: Option<Tls>,
}

/// What signs for us; by the names of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NatsKey {
    /// A seed.
    Seed(String),
    /// A user's JWT, and its seed.
    Jwt(String, String),
    /// What a file of credentials holds.
    Credentials(String),
}

impl NatsKey {
    fn secrets(&self) -> Vec<&str> {
        match self {
            NatsKey::Seed(name) | NatsKey::Credentials(name) => vec![name],
            NatsKey::Jwt(jwt, seed) => vec![jwt, seed],
        }
    }
}

impl Nats {
    /// The names of the secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let user = self.user.as_ref().and_then(|(user, _)| match user {
            HeaderValue::Secret(name) => Some(name.as_str()),
            HeaderValue::Text(_) => None,
        });
        let password = self.user.as_ref().map(|(_, password)| password.as_str());
        let key = self.key.iter().flat_map(NatsKey::secrets);
        user.into_iter().chain(password).chain(self.token.as_deref()).chain(key)
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
        let value = |name: &String| secrets(name).unwrap_or_default();
        let key = self.key.as_ref().map(|key| match key {
            NatsKey::Seed(seed) => nats::Key::Seed(value(seed)),
            NatsKey::Jwt(jwt, seed) => nats::Key::Jwt(value(jwt), value(seed)),
            NatsKey::Credentials(text) => nats::Key::Credentials(value(text)),
        });
        let tls = self.tls.as_ref().map(|tls| nats::Tls {
            ca: tls.ca.clone(),
            identity: tls.identity.as_ref().map(|ours| (ours.cert.clone(), ours.key.pem().to_vec())),
            insecure: tls.insecure,
            name: tls.name.clone(),
        });
        nats::Server { place: self.place.clone(), user, token, key, tls }
    }
}
