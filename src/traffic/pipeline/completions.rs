//! States that the target tells of what was started, without being asked: each source of effects can bring them.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::Meeting;
use crate::base::time::Clock;
use crate::evidence::event::Event;
use crate::scenario::Scenario;
use crate::traffic::effects::{self, Source, Told};

/// The completions of one traffic: its source is open, and nothing is missed from now on.
pub struct Opened {
    traffic: String,
    source: effects::Opened,
}

/// Opens the sources of a scenario; may block for seconds. The error says what stands in the way.
pub fn open(scenario: &Scenario, world: &effects::World<'_>) -> Result<Vec<Opened>, String> {
    let told = scenario.traffic.iter().filter_map(|t| Some((t.name.as_str(), t.kind.pipeline()?.told()?)));
    told.map(|(name, seen)| {
        let source = effects::Opened::open(seen, true, world).map_err(|why| format!("`{name}`: {why}"))?;
        Ok(Opened { traffic: name.to_owned(), source })
    })
    .collect()
}

impl Opened {
    /// The traffic whose completions they are.
    pub fn traffic(&self) -> &str {
        &self.traffic
    }

    /// Begins to bring them to who waits for them, what came since it was opened first; until what is returned is dropped.
    pub fn watch(
        self,
        clock: Clock,
        meeting: Arc<Meeting>,
        events: mpsc::UnboundedSender<Event>,
    ) -> io::Result<Source> {
        let note = move |what: String| {
            // Nobody records any more when the run is over.
            let _ = events.send(Event::Note { at: clock.now(), text: format!("`{}`: {what}", self.traffic) });
        };
        let bring = move |told| match told {
            Told::Effect(effect) => meeting.hear(&effect.id, effect.state.as_deref().unwrap_or_default(), effect.at),
            Told::Unreadable(_) => meeting.unreadable(),
            Told::Refused => meeting.refused(),
            Told::Trouble(why) => note(format!("completions may be seen late: {why}")),
            Told::Missed(why) => meeting.miss(&why),
        };
        self.source.watch(clock, Arc::new(bring))
    }
}
