//! The servers that watch the target for its owners, and whose word a promise about the target's own metrics is
//! judged by.

use std::time::Duration;

use super::target::HeaderValue;
use crate::base::net::Address;

/// A server that is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it answers; its host is this machine or allowed.
    pub address: Address,
    /// Sent with every request.
    pub headers: Vec<(String, HeaderValue)>,
    /// Who asks.
    pub login: Login,
    /// Whose data is asked for, where one server keeps those of many.
    pub tenant: Option<String>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The certificates that are trusted, as PEM, instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// Any certificate is taken. Never together with `ca`.
    pub insecure: bool,
}

/// Who asks. Secrets are names of environment variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// Nobody in particular, or whoever the headers say.
    #[default]
    Nobody,
    /// By name and password.
    Basic {
        /// The name.
        user: String,
        /// The environment variable that holds the password.
        password: String,
    },
    /// By a token in this environment variable.
    Bearer(String),
}

impl Server {
    /// The environment variable that its login needs.
    pub fn secret(&self) -> Option<&str> {
        match &self.login {
            Login::Nobody => None,
            Login::Basic { password, .. } => Some(password),
            Login::Bearer(token) => Some(token),
        }
    }
}

/// A Prometheus server, or one that answers like it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    /// Where it is, and who asks.
    pub server: Server,
    /// How often it scrapes the target; `None` asks it.
    pub every: Option<Duration>,
    /// How long after the end its last samples are waited for; `None` goes by how often it scrapes.
    pub grace: Option<Duration>,
    /// The major version whose PromQL it speaks, 2 or 3; `None` goes by its own.
    pub semantics: Option<u32>,
}

/// An Alertmanager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alertmanager {
    /// Where it is, and who asks.
    pub server: Server,
    /// How often it is asked for its alerts.
    pub every: Duration,
    /// HOST:PORT on which its notifications are received.
    pub listen: Option<String>,
}

/// Whose samples of the target's own metrics a promise is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Source {
    /// Those that the run scraped itself.
    #[default]
    Scrape,
    /// Those that were fetched from `observe.prometheus`.
    Prometheus,
}

impl Source {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Source::Scrape => "scrape",
            Source::Prometheus => "prometheus",
        }
    }
}
