//! Kafka clusters.

use super::request::{Header, Secret};
use super::target::Tls;
use crate::scenario::shape::{At, Names};

record! {
    /// A Kafka cluster: an embedded one (`cluster`) or a real one (`brokers`).
    pub struct Kafka {
        /// An embedded one, which the stage opens and closes.
        cluster: Option<EmbeddedCluster>,
        /// A real one: HOST:PORT of one or more of its brokers.
        brokers: Option<Vec<At<String>>>,
        /// Lets every client of a real one come by the stage, where its connections can be broken.
        proxy: Option<KafkaProxy>,
        /// How the clients of a real one prove who they are, and what TLS asks for.
        security: Option<KafkaSecurity>,
    }
}

record! {
    /// A cluster that the stage opens and closes. A partition keeps 5 MB or 100000 batches and drops what is older.
    pub struct EmbeddedCluster {
        /// How many brokers, 1 to 16; 1 when left out.
        brokers: Option<At<u64>>,
        /// Its topics, by name.
        topics: Option<Names<KafkaTopic>>,
        /// Where the first broker listens: HOST:PORT; the others take the ports after it. Needed unless the target is a practice target.
        listen: Option<At<String>>,
    }
}

record! {
    /// A topic of an embedded cluster.
    pub struct KafkaTopic {
        /// How many partitions, 1 to 1000; 1 when left out.
        partitions: Option<At<u64>>,
        /// How many brokers have each of them; as many as there are, 3 at the most, when left out.
        replication: Option<At<u64>>,
    }
}

record! {
    /// The stage between a real cluster and its clients, which are told of no other way there.
    pub struct KafkaProxy {
        /// Where the first broker is found: HOST:PORT; the others take the ports after it. Needed unless the target is a practice target.
        listen: Option<At<String>>,
    }
}

record! {
    /// How clients prove who they are, and what TLS asks for. TLS and SCRAM need a build with the feature kafka-tls.
    pub struct KafkaSecurity {
        /// TLS: `{}` for the certificates of the system.
        tls: Option<Tls>,
        /// SASL.
        sasl: Option<Sasl>,
    }
}

record! {
    /// A user and a password.
    pub struct Sasl {
        /// How they are told: plain, scram-sha-256 or scram-sha-512.
        mechanism: At<SaslMechanism>,
        /// Who.
        user: Header,
        /// The password, from the environment.
        password: Secret,
    }
}

choice! {
    /// How a user and a password are told.
    pub enum SaslMechanism {
        /// As they are.
        Plain = "plain",
        /// By a challenge, with SHA-256.
        Scram256 = "scram-sha-256",
        /// By a challenge, with SHA-512.
        Scram512 = "scram-sha-512",
    }
}
