//! A practice target as a child process. It holds the other end of a pipe: when we are gone, however that came about,
//! so is it.

use std::path::Path;
use std::sync::Arc;

use crate::base::net::Address;
use crate::fault::member::{Member, Spec};

/// A practice target that this run started.
pub struct Sim {
    member: Arc<Member>,
    services: Vec<(String, Address)>,
}

impl Sim {
    /// Starts it and waits until it says where it answers.
    pub async fn start(
        program: &Path,
        system: &str,
        with: &[(String, String)],
        upstreams: &[(String, String)],
        kafka: Option<&str>,
    ) -> Result<Sim, String> {
        let mut args: Vec<String> = ["sim", system, "--lease"].map(Into::into).to_vec();
        args.extend(with.iter().flat_map(|(key, value)| ["--set".into(), format!("{key}={value}")]));
        args.extend(upstreams.iter().flat_map(|(name, url)| ["--upstream".into(), format!("{name}={url}")]));
        args.extend(kafka.iter().flat_map(|brokers| ["--kafka".into(), (*brokers).to_owned()]));
        let spec = Spec {
            name: format!("sim:{system}"),
            program: program.to_owned(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            dir: None,
            tells: None,
            speaks: true,
        };
        let (member, line) = Member::start(spec).await?;
        let services = services(&line)?;
        // Where it was found it must be found again after it was killed.
        if let [(_, address)] = services.as_slice()
            && let Some((_, port)) = address.tcp()
        {
            member.pin(["--port".into(), port.to_string().into()]);
        }
        Ok(Sim { member, services })
    }

    /// Where it answers.
    pub fn services(&self) -> &[(String, Address)] {
        &self.services
    }

    /// Its process, for faults.
    pub fn member(&self) -> Arc<Member> {
        self.member.clone()
    }

    /// The id of its process; `None` when it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.member.process().ok().map(|process| process.pid)
    }

    /// Ends it.
    pub async fn stop(&self) {
        self.member.stop().await;
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
