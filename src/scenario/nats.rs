//! Servers of NATS, and how one is let in.

use super::target::HeaderValue;
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
        nats::Server { place: self.place.clone(), user, token }
    }
}
