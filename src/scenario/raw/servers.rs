//! The servers that watch the target for its owners: where they answer, and who asks.

use std::time::Duration;

use super::request::{Header, Secret};
use crate::scenario::shape::{At, Names};

record! {
    /// A Prometheus server, or one that answers like it (Mimir, Thanos, VictoriaMetrics). After the drain the raw samples
    /// of all that promises read are fetched from it.
    pub struct Prometheus {
        /// Its address with what stands before /api: http://HOST:9090, https://HOST/prometheus.
        url: At<String>,
        /// Sent with every request.
        headers: Option<Names<Header>>,
        /// Who we are, by name and password.
        basic: Option<At<Basic>>,
        /// Who we are, by a token.
        bearer: Option<At<Secret>>,
        /// Whose samples, where one server keeps those of many: sent as X-Scope-OrgID and as THANOS-TENANT.
        tenant: Option<At<String>>,
        /// How long an answer may take; 10s when left out.
        timeout: Option<At<Duration>>,
        /// A PEM file of the certificates that are trusted, instead of those of the system.
        ca: Option<At<String>>,
        /// true: any certificate is taken, from anybody.
        insecure: Option<At<bool>>,
        /// How often it scrapes the target; asked when left out, and 15s where it does not say.
        every: Option<At<Duration>>,
        /// How long after the end its last samples are waited for; `every` and a second more when left out.
        grace: Option<At<Duration>>,
        /// Whose PromQL it speaks, 2 or 3; by its own version when left out.
        semantics: Option<At<String>>,
    }
}

record! {
    /// An Alertmanager. It is asked for its alerts while the run goes on, and its notifications are received.
    pub struct Alertmanager {
        /// Its address with what stands before /api: http://HOST:9093.
        url: At<String>,
        /// Sent with every request.
        headers: Option<Names<Header>>,
        /// Who we are, by name and password.
        basic: Option<At<Basic>>,
        /// Who we are, by a token.
        bearer: Option<At<Secret>>,
        /// Whose alerts, where one server keeps those of many: sent as X-Scope-OrgID and as THANOS-TENANT.
        tenant: Option<At<String>>,
        /// How long an answer may take; 10s when left out.
        timeout: Option<At<Duration>>,
        /// A PEM file of the certificates that are trusted, instead of those of the system.
        ca: Option<At<String>>,
        /// true: any certificate is taken, from anybody.
        insecure: Option<At<bool>>,
        /// How often it is asked; 1s when left out, not below 200ms.
        every: Option<At<Duration>>,
        /// HOST:PORT on which the run receives webhooks, to which a receiver of its configuration points.
        receiver_listen: Option<At<String>>,
    }
}

record! {
    /// A name and a password.
    pub struct Basic {
        /// The name.
        user: At<String>,
        /// The password.
        password: Secret,
    }
}
