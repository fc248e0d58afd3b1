//! A container engine that speaks Docker's API on a unix socket: the few calls that break a container and mend it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ask::{Ask, Told};
use super::httpd;
use super::net::{Address, Place, Scheme};

/// How long a call may take. Stopping a container waits ten seconds before it kills.
pub const WITHIN: Duration = Duration::from_secs(30);
/// Where the engine listens unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// An engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docker {
    /// Its socket.
    pub socket: PathBuf,
}

/// A container, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its id, which no other container gets.
    pub id: String,
    /// Whether it has been started and not ended; also when it is paused.
    pub running: bool,
    /// Whether it is frozen.
    pub paused: bool,
}

/// What is done to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Freezes it.
    Pause,
    /// Lets it go on.
    Unpause,
    /// SIGKILL.
    Kill,
    /// Starts it.
    Start,
    /// Stops it, and starts it again.
    Restart,
}

impl Verb {
    /// As the API and the command line call it.
    pub fn word(self) -> &'static str {
        match self {
            Verb::Pause => "pause",
            Verb::Unpause => "unpause",
            Verb::Kill => "kill",
            Verb::Start => "start",
            Verb::Restart => "restart",
        }
    }
}

impl Docker {
    /// The engine of this host: `DOCKER_HOST` where it names a unix socket, or Docker's own place.
    pub fn of_host() -> Docker {
        let named = std::env::var("DOCKER_HOST").ok();
        let socket = named.as_deref().and_then(|host| host.strip_prefix("unix://")).unwrap_or(SOCKET);
        Docker { socket: socket.into() }
    }

    /// At a socket.
    pub fn at(socket: &Path) -> Docker {
        Docker { socket: socket.to_owned() }
    }

    /// A container by name or id.
    pub async fn inspect(&self, container: &str) -> Result<Container, String> {
        let told = self.ask("GET", container, "json").await?;
        let said: serde_json::Value =
            serde_json::from_slice(&told.body).map_err(|e| format!("{}: no JSON: {e}", self.socket.display()))?;
        let state = |key: &str| said["State"][key].as_bool().unwrap_or(false);
        match said["Id"].as_str() {
            Some(id) => Ok(Container { id: id.into(), running: state("Running"), paused: state("Paused") }),
            None => Err(format!("{}: the container `{container}` has no id", self.socket.display())),
        }
    }

    /// Does something to a container.
    pub async fn tell(&self, container: &str, verb: Verb) -> Result<(), String> {
        self.ask("POST", container, verb.word()).await.map(drop)
    }

    async fn ask(&self, method: &str, container: &str, what: &str) -> Result<Told, String> {
        let place = Place::Unix { path: self.socket.to_string_lossy().into_owned() };
        let ask = Ask {
            address: Address { scheme: Scheme::Http, place, base: String::new() },
            method: method.into(),
            target: format!("/containers/{}/{what}", httpd::encode(container)),
            headers: Vec::new(),
            body: String::new(),
        };
        let told = ask.send(WITHIN).await?;
        // Not modified: it is as it should be already.
        if told.is_ok() || told.status == 304 {
            return Ok(told);
        }
        let said = serde_json::from_slice::<serde_json::Value>(&told.body).unwrap_or_default();
        let why = said["message"].as_str().unwrap_or("no reason given");
        Err(format!("{}: {what} of `{container}`: {}: {why}", self.socket.display(), told.status))
    }
}
