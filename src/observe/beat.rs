//! What is looked at once a second, on the whole seconds of the plan's axis.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::base::time::{Clock, Offset};
use crate::evidence::event::Event;

/// How often.
const EVERY: Duration = Duration::from_secs(1);
/// Shares of a shorter stretch say nothing: processor time is counted in hundredths of a second.
pub const SHORTEST: Duration = Duration::from_millis(200);

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
        tokio::select! {
            () = tokio::time::sleep(clock.until(next)) => {}
            _ = stop.wait_for(|stop| *stop) => going = false,
        }
        let now = clock.now();
        if let Some(seen) = look(now) {
            at = now;
            let _ = events.send(seen);
        } else if going {
            tokio::time::sleep(SHORTEST).await; // the first second may be as good as over
        }
    }
}
