//! When something is looked at: at instants of the plan's axis, until nobody wants to know any more.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::base::time::{Clock, Offset};
use crate::evidence::event::Event;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// Shares of a shorter stretch say nothing: processor time is counted in hundredths of a second.
pub const SHORTEST: Duration = Duration::from_millis(200);

/// Whether an instant came before `stop` turned true. Only waiting is ever cut short, never what is done in between: whoever
/// was asked something has counted it.
pub async fn comes(at: Offset, clock: Clock, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => false,
        () = tokio::time::sleep(clock.until(at)) => true,
    }
}

/// Looks at each whole second and tells what was seen, until `stop` turns true, and then once more. A look that is too soon
/// after the last sees nothing.
pub async fn each_second(
    clock: Clock,
    events: mpsc::UnboundedSender<Event>,
    mut stop: watch::Receiver<bool>,
    mut look: impl FnMut(Offset) -> Option<Event>,
) {
    let mut at = clock.now();
    let mut going = true;
    while going {
        let next = at.floor_to(EVERY) + EVERY;
        going = comes(next, clock, &mut stop).await;
        let now = clock.now();
        if let Some(seen) = look(now) {
            at = now;
            let _ = events.send(seen);
        } else if going {
            tokio::time::sleep(SHORTEST).await; // the first second may be as good as over
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio::sync::Notify;

    use super::super::probe::{self, Probed};
    use super::super::scrape::{Observer, Watched};
    use super::*;
    use crate::base::dial::Dial;
    use crate::base::httpd::{self, Answer, Request, Response};
    use crate::base::net::Address;
    use crate::evidence::counters::Counters;
    use crate::scenario::{Job, Page};

    /// Answers once it is told to, and tells when it was asked.
    #[derive(Default)]
    struct Slow {
        asked: Notify,
        answer: Notify,
    }

    impl httpd::Handler for Slow {
        async fn handle(&self, _: Request) -> Answer {
            self.asked.notify_one();
            self.answer.notified().await;
            Response::text(200, "up_and_well 1\n").into()
        }
    }

    async fn slow() -> (Arc<Slow>, Address) {
        let slow = Arc::new(Slow::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = Address::http("127.0.0.1", listener.local_addr().expect("bound").port());
        tokio::spawn(httpd::serve(listener, slow.clone()));
        (slow, address)
    }

    /// Whatever watches is told to stop while the service has the question and not yet answered.
    async fn stopped(slow: &Slow, stop: watch::Sender<bool>, watching: impl Future<Output = ()> + Send + 'static) {
        let watching = tokio::spawn(watching);
        slow.asked.notified().await;
        stop.send(true).expect("somebody listens");
        slow.answer.notify_one();
        watching.await.expect("it ends");
    }

    fn clock() -> Clock {
        Clock::starting_in(Duration::ZERO)
    }

    /// The service counted it: evidence that did not know of it would call the counter a liar.
    #[tokio::test]
    async fn what_was_under_way_at_the_end_is_in_the_evidence() {
        let ((slow, address), dial) = (slow().await, Dial::default());
        let (every, timeout) = (Duration::from_secs(60), Duration::from_secs(10));

        let (events, mut told) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let job = "api".to_owned();
        let probe = Probed { job, address: address.clone(), path: "/ready".into(), every, timeout, dial: dial.clone() };
        stopped(&slow, stop, probe::watch(vec![probe], clock(), events, stopping)).await;
        let told = told.try_recv().expect("a probe");
        assert!(matches!(&told, Event::Probe(probe) if probe.status == Some(200)), "{told:?}");

        let (events, mut told) = mpsc::unbounded_channel();
        let (stop, stopping) = watch::channel(false);
        let page = Page::Path { service: None, path: "/metrics".into() };
        let job = Job { name: "api".into(), page, every, timeout, labels: Vec::new() };
        let watched = Watched { job, address, path: "/metrics".into(), dial };
        let folder = tempfile::tempdir().expect("a folder");
        let samples = folder.path().join("samples.chunks");
        let counters = Arc::new(Counters::new([]));
        let inspect = |_: &[u8], _: Option<&str>| Vec::new();
        let observer = Observer::create(&samples, vec![watched], clock(), counters, events, inspect);
        stopped(&slow, stop, Arc::new(observer.expect("a file")).watch(stopping)).await;
        let scrapes = std::iter::from_fn(|| told.try_recv().ok()).filter_map(|event| match event {
            Event::Scrape(scrape) => Some(scrape.failed),
            _ => None,
        });
        assert_eq!(scrapes.collect::<Vec<_>>(), [None]);
    }
}
