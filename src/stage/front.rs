//! One upstream's ear: what becomes of a request, from when it is heard until its reply has left.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::effect::Effects;
use super::forward::{Forward, Trouble};
use super::pulse::Pulse;
use super::world::{Scene, lock};
use crate::base::httpd::{self, Answer, Handler, Request, Response};
use crate::base::time::monotonic;

/// What becomes of a request.
pub struct Course {
    /// The upstream's own delay.
    pub own: Duration,
    /// Where the reply comes from.
    pub source: Source,
    /// What faults do to it.
    pub effects: Effects,
    /// By any fault.
    pub untouched: bool,
}

/// Where a reply comes from.
pub enum Source {
    /// There is none.
    Nothing(Answer),
    /// From here.
    Reply(Response),
    /// From a real upstream.
    Real(Arc<Forward>),
}

/// One upstream's ear.
pub struct Front {
    /// What all stubs share.
    pub scene: Arc<Mutex<Scene>>,
    /// Which of them.
    pub slot: usize,
    /// What the stage takes for itself.
    pub pulse: Arc<Pulse>,
}

impl Front {
    /// Answers a request; its body is in it, or comes as it comes.
    async fn answer(&self, request: Request, body: Option<httpd::Stream>) -> Answer {
        let (came, began) = (crate::base::time::timer(), monotonic());
        let Course { own, source, mut effects, untouched } = lock(&self.scene).receive(self.slot, &request);
        let mut due = began + own.as_nanos() as u64;
        let mut reply = match source {
            Source::Reply(reply) => reply,
            Source::Real(real) => {
                let answered = match real.pass(&request, body).await {
                    // A large one is passed on as it comes, unless what becomes of it depends on all of it.
                    Ok(passed) if !passed.is_here() && !effects.need_all(passed.length()) => {
                        effects.wait(came, own).await;
                        let (response, body) = passed.stream();
                        return effects.dress_stream(response, body);
                    }
                    Ok(passed) => passed.whole().await,
                    Err(trouble) => Err(trouble),
                };
                // How long it takes nobody declared: what we add is counted from its answer on.
                due = monotonic();
                match answered {
                    Ok(reply) => reply,
                    Err(Trouble::Left) => return Answer::Close,
                    Err(trouble) => {
                        if let Some(first) = real.first(&trouble) {
                            lock(&self.scene).faults.note(first);
                        }
                        trouble.reply()
                    }
                }
            }
            Source::Nothing(answer) => {
                effects.wait(came, own).await;
                return answer;
            }
        };
        effects.wait(came, own).await;
        if request.method == "HEAD" && !reply.body.is_empty() {
            reply = reply.without_body();
        }
        match effects.dress(reply) {
            Answer::Reply(reply) if untouched => Answer::Due(reply, due),
            answer => answer,
        }
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request) -> Answer {
        self.answer(request, None).await
    }

    async fn handle_stream(&self, request: Request, body: httpd::Stream) -> Answer {
        self.answer(request, Some(body)).await
    }

    fn streams(&self) -> bool {
        lock(&self.scene).is_real(self.slot)
    }

    fn sent(&self, late: Duration) {
        self.pulse.call(late);
    }

    fn admits(&self, _: SocketAddr) -> bool {
        let mut scene = lock(&self.scene);
        let now = scene.now();
        scene.admits(self.slot, now)
    }
}
