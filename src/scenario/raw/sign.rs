//! Requests that carry a signature of what they say.

use crate::scenario::shape::At;

record! {
    /// How a request is signed.
    pub struct Sign {
        /// By HMAC with SHA-256.
        hmac_sha256: Hmac,
    }
}

record! {
    /// A signature by HMAC with SHA-256. Exactly one of header and query.
    pub struct Hmac {
        /// The name of the environment variable that holds the key.
        secret: At<String>,
        /// How the key is written there; text when left out.
        key: Option<At<Coding>>,
        /// What is signed: a template in which `method`, `path` (with its query, as sent), `query` and `body` are known too.
        over: At<String>,
        /// The header that carries the signature.
        header: Option<At<String>>,
        /// The parameter that carries it, the last of the query.
        query: Option<At<String>>,
        /// How the signature is written: hex (default) or base64.
        encoding: Option<At<Coding>>,
        /// What stands before it, such as `sha256=`.
        prefix: Option<At<String>>,
    }
}

choice! {
    /// How bytes are written.
    pub enum Coding {
        /// As text.
        Text = "text",
        /// In hexadecimal.
        Hex = "hex",
        /// In base64, with its padding.
        Base64 = "base64",
    }
}
