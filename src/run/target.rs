//! A practice target as a child process. It holds the other end of a pipe: when we are gone, however that came about,
//! so is it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::base::net::Address;

/// How long it may take to start.
const START: Duration = Duration::from_secs(15);
/// How long it may take to end when asked to.
const END: Duration = Duration::from_secs(2);

/// A practice target that this run started.
pub struct Sim {
    child: Child,
    services: Vec<(String, Address)>,
}

impl Sim {
    /// Starts it and waits until it says where it answers.
    pub async fn start(
        program: &Path,
        system: &str,
        with: &[(String, String)],
        upstreams: &[(String, String)],
    ) -> Result<Sim, String> {
        let mut command = Command::new(program);
        command.args(["sim", system, "--lease"]);
        for (key, value) in with {
            command.args(["--set", &format!("{key}={value}")]);
        }
        for (name, url) in upstreams {
            command.args(["--upstream", &format!("{name}={url}")]);
        }
        // A group of its own: Ctrl-C is for us, who still have to drain.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let Some(out) = child.stdout.take() else { return Err("the practice target has no output".into()) };
        let mut line = String::new();
        let read = tokio::time::timeout(START, BufReader::new(out).read_line(&mut line)).await;
        let services = match read {
            Ok(Ok(n)) if n > 0 => services(&line)?,
            _ => {
                let _ = child.start_kill();
                let mut said = String::new();
                if let Some(mut err) = child.stderr.take() {
                    let _ = err.read_to_string(&mut said).await;
                }
                return Err(format!("sim:{system} did not start: {}", said.trim()));
            }
        };
        Ok(Sim { child, services })
    }

    /// Where it answers.
    pub fn services(&self) -> &[(String, Address)] {
        &self.services
    }

    /// The id of its process; `None` when it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(END, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

fn services(line: &str) -> Result<Vec<(String, Address)>, String> {
    #[derive(serde::Deserialize)]
    struct Ready {
        services: serde_json::Map<String, serde_json::Value>,
    }
    let ready: Ready =
        serde_json::from_str(line).map_err(|e| format!("the practice target said `{}`: {e}", line.trim()))?;
    ready
        .services
        .into_iter()
        .map(|(name, url)| Address::parse(url.as_str().unwrap_or_default()).map(|address| (name, address)))
        .collect()
}
