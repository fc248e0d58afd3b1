//! How a token is got that requests carry.

use std::time::Duration;

use super::{Capture, Expects, Header, Json, Step};
use crate::scenario::shape::{At, Names};

record! {
    /// A request that brings a token, which every request of the traffic carries. It is sent before the load, again before
    /// the token runs out, and whenever the target answers 401. The token is never stored and never shown.
    pub struct Login {
        /// The path to post to.
        post: At<String>,
        /// A JSON body; `{ secret: NAME }` stands for what an environment variable holds.
        json: Option<At<Json>>,
        /// A form; a value is text or `{ secret: NAME }`.
        form: Option<Names<Header>>,
        /// Sent with this request.
        headers: Option<Names<Header>>,
        /// What the reply must be, one thing or a list of them; any 2xx when left out.
        expect: Option<Expects>,
        /// Where the reply says what the token is.
        token: Capture,
        /// Where the reply says in how many seconds the token runs out; JSONPath.
        expires: Option<At<String>>,
        /// How long a token lasts, where the reply does not say.
        lifetime: Option<At<Duration>>,
        /// The header that carries it; Authorization when left out.
        header: Option<At<String>>,
        /// The word before it; Bearer when left out, none when empty.
        scheme: Option<At<String>>,
        /// Which service, where there are several; as the traffic says when left out.
        to: Option<At<String>>,
    }
}

impl Login {
    /// Its request, but for the form.
    pub fn step(&self) -> Step {
        Step {
            place: self.place,
            post: Some(self.post.clone()),
            json: self.json.clone(),
            headers: self.headers.clone(),
            expect: self.expect.clone(),
            to: self.to.clone(),
            ..Step::bare(self.place)
        }
    }
}
