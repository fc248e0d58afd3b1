//! `docker`: a container is paused, killed or restarted, by name.

use crate::base::docker::{Container, Docker, Verb};
use crate::evidence::undo::Undo;
use crate::scenario::DockerAction;

/// How it is undone. The error says why it cannot be done.
pub async fn undo(engine: &Docker, name: &str) -> Result<Undo, String> {
    let Container { id, .. } = whole(engine, name).await?;
    Ok(Undo::Container { socket: engine.socket.clone(), id, name: name.into() })
}

/// Does it.
pub async fn apply(engine: &Docker, name: &str, action: DockerAction) -> Result<(), String> {
    let Container { id, .. } = whole(engine, name).await?;
    let verb = match action {
        DockerAction::Pause => Verb::Pause,
        DockerAction::Kill => Verb::Kill,
        DockerAction::Restart => Verb::Restart,
    };
    engine.tell(&id, verb).await?;
    let now = engine.inspect(&id).await?;
    let (wanted, state) = match action {
        DockerAction::Pause => (now.paused, "paused"),
        DockerAction::Kill => (!now.running, "ended"),
        DockerAction::Restart => (now.running, "running"),
    };
    if wanted { Ok(()) } else { Err(format!("the container `{name}` is not {state} after `{}`", verb.word())) }
}

async fn whole(engine: &Docker, name: &str) -> Result<Container, String> {
    let container = engine.inspect(name).await?;
    match (container.running, container.paused) {
        (true, false) => Ok(container),
        (true, true) => Err(format!("the container `{name}` is paused already, by somebody else")),
        (false, _) => Err(format!("the container `{name}` does not run")),
    }
}
