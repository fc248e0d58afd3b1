//! Single requests outside the load: readiness, and requests before and after. They reach the target as shots do, and are
//! not measured.

use std::time::Duration;

use super::bearer::Keeper;
use super::flow::{self, Wanted};
use super::http::codec::Answer;
use super::http::open::Opener;
use super::http::single::{Got, ask};
use super::reply::status_is;
use super::request::Request;
use super::{own_over, resolve};
use crate::base::net::Address;
use crate::base::time::{Clock, Offset};
use crate::base::units;
use crate::evidence::reply::Outcome;
use crate::scenario::{Bearer, Ready, Step, Target};

/// How long after a failed attempt readiness is asked for again.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a service that is said to stand may take to accept a connection.
const REACH: Duration = Duration::from_secs(5);
/// A body is read up to this size, in bytes.
const BODY: usize = 1_000_000;

/// Sends single requests.
pub struct Aside<'a> {
    services: Vec<(String, Vec<Opener>)>,
    headers: Vec<(String, String)>,
    secrets: &'a dyn Fn(&str) -> Option<String>,
    timeout: Duration,
    clock: Clock,
}

/// What became of a single request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The status, if any.
    pub status: Option<u16>,
    /// Why it is not what was wanted; `None` when it is.
    pub wrong: Option<String>,
}

impl<'a> Aside<'a> {
    /// For the services of a target. The error says what TLS lacks.
    pub fn new(
        services: &[(String, Vec<Address>)],
        target: &Target,
        secrets: &'a dyn Fn(&str) -> Option<String>,
        clock: Clock,
    ) -> Result<Aside<'a>, String> {
        let mut headers = resolve(&target.headers, secrets);
        headers.push(("Connection".into(), "close".into()));
        Ok(Aside { services: Opener::all(services, target)?, headers, secrets, timeout: target.timeout, clock })
    }

    /// The addresses of a service; of the first without a name.
    fn service(&self, name: Option<&str>) -> Result<&[Opener], String> {
        let found = self.services.iter().find(|(n, _)| name.is_none_or(|name| name == n));
        found.map(|(_, openers)| openers.as_slice()).ok_or_else(|| "the target has no such service".into())
    }

    /// Whether every address accepts connections. The error says which does not, and why.
    pub async fn reachable(&self) -> Result<(), String> {
        for (name, openers) in &self.services {
            for opener in openers {
                let opened = opener.open(self.clock, REACH).await;
                opened.map_err(|refusal| format!("{name} is unreachable: {}", refusal.why))?;
            }
        }
        Ok(())
    }

    /// Waits until every address of the service is ready. The error says what the first that is not last answered.
    pub async fn ready(&self, ready: &Ready) -> Result<(), String> {
        let until: Offset = self.clock.now() + ready.within;
        for opener in self.service(ready.service.as_deref())? {
            let path = format!("{}{}", opener.address().base, ready.path);
            let request = Request::new("GET", &path, &self.headers, b"");
            loop {
                let last = match self.send(opener, &request).await {
                    Ok(got) if status_is(got.status, &[]) => break,
                    Ok(got) => format!("status {}", got.status),
                    Err(why) => why,
                };
                if self.clock.now() + AGAIN >= until {
                    let within = units::duration(ready.within);
                    let address = opener.address();
                    return Err(format!("{address}{} was not ready within {within}: {last}", ready.path));
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
        Ok(())
    }

    /// Sends a step once, to the first address of its service.
    pub async fn step(&self, step: &Step) -> Answered {
        match self.try_step(step).await {
            Ok(got) => {
                let answer = Answer { status: got.status, head: &got.head, body: &got.body, too_long: got.too_long };
                let (outcome, why) = Wanted::new(step).worth(&answer, None, |_, _| {});
                Answered { status: Some(got.status), wrong: (outcome != Outcome::Ok).then(|| why.unwrap_or_default()) }
            }
            Err(why) => Answered { status: None, wrong: Some(why) },
        }
    }

    /// Logs in, at the first address of a service. The error says why there is no token.
    pub async fn log_in(&self, bearer: &Bearer, service: Option<&str>) -> Result<Keeper, String> {
        let opener = self.service(service)?.first().ok_or("the service has no address")?;
        let headers = own_over(&self.headers, resolve(&bearer.step.headers, self.secrets));
        let keeper = Keeper::new(bearer, service, &opener.address().base, headers, self.secrets);
        keeper.renew(0, opener, self.clock, self.timeout).await?;
        Ok(keeper)
    }

    async fn try_step(&self, step: &Step) -> Result<Got, String> {
        let opener = self.service(step.service.as_deref())?.first().ok_or("the service has no address")?;
        let headers = own_over(&self.headers, resolve(&step.headers, self.secrets));
        let request = flow::request(step, &opener.address().base, headers);
        self.send(opener, &request.ok_or("nothing fills in what it names")?).await
    }

    async fn send(&self, opener: &Opener, request: &Request) -> Result<Got, String> {
        let mut bytes = Vec::new();
        request.write(None, opener.address().authority().as_bytes(), None, &mut bytes);
        ask(opener, &bytes, BODY, self.clock, self.timeout).await
    }
}
