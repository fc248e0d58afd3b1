//! Asks a server over HTTP for JSON, as whoever the scenario says, and says clearly what is wrong when there is none.
//! Secrets are sent and never told: not in an error, not in a log.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use crate::base::ask::{Ask, Means, Told};
use crate::base::dial::Dial;
use crate::base::httpd::encode;
use crate::base::text;
use crate::base::tls::{self, Trust};
use crate::scenario::{HeaderValue, Login, Server};

/// A larger answer is refused, in bytes.
const MAX_ANSWER: usize = 256 << 20;
/// How much of an answer that is none is shown, in characters.
const SHOWN: usize = 160;

/// A server that is asked for JSON.
pub struct Api {
    server: Server,
    headers: Vec<(String, String)>,
    means: Means,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The status, where there was one.
    pub status: Option<u16>,
    /// In words; never a secret.
    pub why: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl From<String> for Refused {
    fn from(why: String) -> Refused {
        Refused { status: None, why }
    }
}

impl Refused {
    /// Whether the server has no such place.
    pub fn is_absent(&self) -> bool {
        matches!(self.status, Some(404 | 405 | 410 | 501))
    }

    /// Whether less might be answered: the question was too large, or took too long.
    pub fn is_too_much(&self) -> bool {
        let why = self.why.to_ascii_lowercase();
        let said = ["too many", "too large", "limit", "exceed", "timed out", "timeout", "length limit"];
        match self.status {
            Some(413 | 504) => true,
            Some(400 | 422 | 500 | 503) => said.iter().any(|word| why.contains(word)),
            Some(_) => false,
            None => why.starts_with("no answer within") || why.contains("length limit"),
        }
    }
}

impl Api {
    /// Gets ready to ask. `secret` knows the values of environment variables; the error says what is missing.
    pub fn new(server: &Server, secret: &dyn Fn(&str) -> Option<String>) -> Result<Api, String> {
        let known = |name: &str| secret(name).ok_or_else(|| format!("the secret {name} is not in the environment"));
        let mut headers = vec![("Accept".to_owned(), "application/json".to_owned())];
        for (name, value) in &server.headers {
            let value = match value {
                HeaderValue::Text(text) => text.clone(),
                HeaderValue::Secret(secret) => known(secret)?,
            };
            headers.push((name.clone(), value));
        }
        match &server.login {
            Login::Nobody => {}
            Login::Basic { user, password } => {
                let both = BASE64.encode(format!("{user}:{}", known(password)?));
                headers.push(("Authorization".into(), format!("Basic {both}")));
            }
            Login::Bearer(token) => headers.push(("Authorization".into(), format!("Bearer {}", known(token)?))),
        }
        if let Some(tenant) = &server.tenant {
            headers.push(("X-Scope-OrgID".into(), tenant.clone()));
            headers.push(("THANOS-TENANT".into(), tenant.clone()));
        }
        let trust = Trust { ca: server.ca.as_deref(), identity: None, insecure: server.insecure };
        let tls = server.address.is_tls().then(|| tls::client(trust, &["http/1.1"])).transpose()?;
        let means = Means { within: server.timeout, dial: Dial::within(tls), most: MAX_ANSWER };
        Ok(Api { server: server.clone(), headers, means })
    }

    /// How long an answer may take.
    pub fn timeout(&self) -> Duration {
        self.means.within
    }

    /// Asks, and reads the answer as JSON.
    pub async fn json(&self, path: &str, params: &[(&str, &str)]) -> Result<(Value, Told), Refused> {
        let told = self.ask(path, params).await?;
        let named = |why: String| Refused { status: Some(told.status), why: format!("{path}: {why}") };
        let json = serde_json::from_slice::<Value>(&told.body);
        match (told.status, json) {
            (200..=299, Ok(json)) => Ok((json, told)),
            (status, json) => Err(named(self.wrong(status, json.ok().as_ref(), &told))),
        }
    }

    async fn ask(&self, path: &str, params: &[(&str, &str)]) -> Result<Told, Refused> {
        let query: Vec<String> = params.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("{}{path}{mark}{}", self.server.address.base, query.join("&"));
        let address = self.server.address.clone();
        let ask = Ask { address, method: "GET".into(), target, headers: self.headers.clone(), body: String::new() };
        ask.send_by(&self.means).await.map_err(Refused::from)
    }

    /// What is wrong with an answer.
    fn wrong(&self, status: u16, json: Option<&Value>, told: &Told) -> String {
        let media = told.header("content-type").unwrap_or_default();
        let said = json.and_then(|json| ["error", "message"].iter().find_map(|key| json.get(key)?.as_str()));
        let said = said.map(|said| text::shorten(said, SHOWN));
        let because = said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
        let tenant = match self.server.tenant {
            Some(_) => "",
            None => ", or name a `tenant`",
        };
        match status {
            300..=399 => {
                // Without its query, which may hold a token.
                let place = told.header("location").unwrap_or("another place").split(['?', '#']).next();
                let place = text::shorten(place.unwrap_or_default(), SHOWN);
                let to = if place.contains('@') { "another place".to_owned() } else { place };
                format!("it leads on to {to} ({status}), and redirects are not followed: name that address as `url`")
            }
            401 => match self.server.login {
                Login::Nobody => {
                    format!("it asks who we are (401){because}: say so by `bearer`, `basic` or `headers`{tenant}")
                }
                _ => format!("it does not know who we are (401){because}: is the secret the right one?"),
            },
            403 => format!("it knows who we are and does not allow it (403){because}: ask for leave to query{tenant}"),
            404 => format!(
                "it has no such place (404){because}: does `url` hold all that stands before /api, such as /prometheus?"
            ),
            _ if media.starts_with("text/html") => format!(
                "it answers with a web page ({status}), not with JSON: is `url` that of its API, and not of a login or a dashboard?"
            ),
            429 => format!("it has had too many questions (429){because}"),
            200..=299 => {
                let begin = text::shorten(String::from_utf8_lossy(&told.body).trim(), 60);
                format!("it answers with what is no JSON: `{begin}`")
            }
            _ => match said {
                Some(said) => format!("{said} ({status})"),
                None => format!("status {status}"),
            },
        }
    }
}
