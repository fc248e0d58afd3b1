//! Servers of NATS.

use std::time::Duration;

use super::Acks;
use super::request::{Header, Secret};
use super::target::Tls;
use crate::scenario::shape::{At, Names};

record! {
    /// Who we are for a server of NATS: a user with a password, a token, or whoever a key signs for.
    pub struct NatsLogin {
        /// Who.
        user: Option<Header>,
        /// The password, from the environment.
        password: Option<Secret>,
        /// A token, from the environment.
        token: Option<Secret>,
        /// The seed of an NKEY, from the environment.
        nkey: Option<Secret>,
        /// A user's JWT, from the environment; beside it `nkey` signs.
        jwt: Option<Secret>,
        /// What a file of credentials holds, a JWT and its seed, from the environment.
        creds: Option<Secret>,
    }
}

record! {
    /// How messages are published to a subject that a stream of JetStream keeps.
    pub struct NatsPublish {
        /// HOST:PORT of the server.
        server: At<String>,
        /// Who we are; nobody when left out.
        login: Option<NatsLogin>,
        /// TLS must be spoken: `{}` for the certificates of the system. Servers that want it get it without this, too.
        tls: Option<Tls>,
        /// The subject, a template.
        subject: At<String>,
        /// What is kept in order: effects of messages with the same key are compared.
        key: Option<At<String>>,
        /// Sent with every message, beside `traceparent`.
        headers: Option<Names<Header>>,
        /// Whose word makes a message acknowledged: all (default), a stream has it; or 0, it was written to the connection.
        acks: Option<At<Acks>>,
        /// How long after it was handed over a message may remain unacknowledged; the deadline when left out.
        timeout: Option<At<Duration>>,
    }
}

record! {
    /// Messages of a subject of NATS, each one effect.
    pub struct NatsEffects {
        /// HOST:PORT of the server.
        server: At<String>,
        /// Who we are; nobody when left out.
        login: Option<NatsLogin>,
        /// TLS must be spoken: `{}` for the certificates of the system. Servers that want it get it without this, too.
        tls: Option<Tls>,
        /// The subject; `*` stands for one token, `>` for the rest.
        subject: At<String>,
        /// Where the id of what we sent stands; JSONPath.
        id: At<String>,
        /// Where the pipeline stands, if one signal may start several; JSONPath.
        pipeline: Option<At<String>>,
        /// Where the state stands; JSONPath.
        state: Option<At<String>>,
        /// Where a number stands that rises with each effect of a key; JSONPath.
        sequence: Option<At<String>>,
    }
}

record! {
    /// Messages of a subject of NATS that name states.
    pub struct NatsStates {
        /// HOST:PORT of the server.
        server: At<String>,
        /// Who we are; nobody when left out.
        login: Option<NatsLogin>,
        /// TLS must be spoken: `{}` for the certificates of the system. Servers that want it get it without this, too.
        tls: Option<Tls>,
        /// The subject; `*` stands for one token, `>` for the rest.
        subject: At<String>,
        /// Where a message says of what it tells; JSONPath.
        id: At<String>,
        /// Where a message names the state; JSONPath.
        state: At<String>,
    }
}
