//! A practice target as a child process. It holds the other end of a pipe: when we are gone, however that came about,
//! so is it.

use std::path::Path;
use std::sync::Arc;

use crate::base::net::Address;
use crate::fault::member::{Member, Spec};

/// A practice target that this run started.
pub struct Sim {
    member: Arc<Member>,
    services: Vec<(String, Vec<Address>)>,
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
        if let [(_, addresses)] = services.as_slice()
            && let Some((_, port)) = addresses.first().and_then(Address::tcp)
            && are_in_a_row(addresses, port)
        {
            member.pin(["--port".into(), port.to_string().into()]);
        }
        Ok(Sim { member, services })
    }

    /// Where it answers: services by name, each with its addresses.
    pub fn services(&self) -> &[(String, Vec<Address>)] {
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

/// Whether replicas come back where they were when the first does.
fn are_in_a_row(addresses: &[Address], first: u16) -> bool {
    let ports = addresses.iter().map(|address| address.tcp().map(|(_, port)| port));
    ports.enumerate().all(|(n, port)| port == u16::try_from(n).ok().and_then(|n| first.checked_add(n)))
}

fn services(line: &str) -> Result<Vec<(String, Vec<Address>)>, String> {
    #[derive(serde::Deserialize)]
    struct Ready {
        services: serde_json::Map<String, serde_json::Value>,
    }
    let ready: Ready =
        serde_json::from_str(line).map_err(|e| format!("the practice target said `{}`: {e}", line.trim()))?;
    let address = |url: &serde_json::Value| Address::parse(url.as_str().unwrap_or_default());
    let places = |(name, said): (String, serde_json::Value)| {
        let addresses: Result<Vec<Address>, String> = match &said {
            serde_json::Value::Array(all) => all.iter().map(address).collect(),
            one => address(one).map(|address| vec![address]),
        };
        addresses.map(|addresses| (name, addresses))
    };
    ready.services.into_iter().map(places).collect()
}
