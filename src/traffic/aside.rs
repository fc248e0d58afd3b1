//! Single requests outside the load: readiness, and requests before and after. They are not measured.

use std::time::Duration;

use super::flow::Wanted;
use super::reply::status_is;
use super::{resolve, service};
use crate::base::net::Address;
use crate::base::text::cause;
use crate::base::time::{Clock, Offset};
use crate::evidence::reply::Outcome;
use crate::scenario::{HeaderValue, Ready, Step};

/// How long after a failed attempt readiness is asked for again.
const AGAIN: Duration = Duration::from_millis(100);

/// Sends single requests.
pub struct Aside<'a> {
    client: reqwest::Client,
    services: &'a [(String, Address)],
    headers: &'a [(String, HeaderValue)],
    secrets: &'a dyn Fn(&str) -> Option<String>,
    timeout: Duration,
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
    /// For the services of a target, with the headers that go with every request.
    pub fn new(
        services: &'a [(String, Address)],
        headers: &'a [(String, HeaderValue)],
        secrets: &'a dyn Fn(&str) -> Option<String>,
        timeout: Duration,
    ) -> Result<Aside<'a>, String> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        Ok(Aside { client: client.map_err(|e| e.to_string())?, services, headers, secrets, timeout })
    }

    /// Waits until the target is ready. The error says what it last answered.
    pub async fn ready(&self, ready: &Ready, clock: Clock) -> Result<(), String> {
        let until: Offset = clock.now() + ready.within;
        let address = service(self.services, ready.service.as_deref()).ok_or("the target has no such service")?;
        loop {
            let request = self.client.get(address.url(&ready.path));
            let last = match self.send(request, self.headers).await {
                Ok((status, _)) if status_is(status, None) => return Ok(()),
                Ok((status, _)) => format!("status {status}"),
                Err(why) => why,
            };
            if clock.now() + AGAIN >= until {
                let within = crate::base::units::duration(ready.within);
                return Err(format!("{address}{} was not ready within {within}: {last}", ready.path));
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Sends a step once.
    pub async fn step(&self, step: &Step) -> Answered {
        let Some(address) = service(self.services, step.service.as_deref()) else {
            return Answered { status: None, wrong: Some("the target has no such service".into()) };
        };
        let url = address.url(&step.path);
        let method = reqwest::Method::from_bytes(step.method.word().as_bytes()).unwrap_or_default();
        let mut request = self.client.request(method, url);
        if let Some((body, media)) = &step.body {
            request = request.header("Content-Type", media).body(body.clone());
        }
        for (name, value) in resolve(&step.headers, self.secrets) {
            request = request.header(name, value);
        }
        match self.send(request, self.headers).await {
            Ok((status, body)) => {
                let (outcome, why) = Wanted::new(step).worth(status, &body, false);
                Answered { status: Some(status), wrong: (outcome != Outcome::Ok).then(|| why.unwrap_or_default()) }
            }
            Err(why) => Answered { status: None, wrong: Some(why) },
        }
    }

    async fn send(
        &self,
        mut request: reqwest::RequestBuilder,
        headers: &[(String, HeaderValue)],
    ) -> Result<(u16, Vec<u8>), String> {
        for (name, value) in resolve(headers, self.secrets) {
            request = request.header(name, value);
        }
        let response = request.timeout(self.timeout).send().await.map_err(|e| cause(&e))?;
        let status = response.status().as_u16();
        let body = response.bytes().await.map_err(|e| cause(&e))?;
        Ok((status, body.to_vec()))
    }
}
