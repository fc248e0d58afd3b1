//! Tells an address of executions that are over, some at a time, each a few times if nobody takes it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use crate::base::ask::Ask;

use super::backend::moment;
use super::platform::{News, Platform};
use super::truth::Deed;

/// So many are told at a time.
const AT_ONCE: usize = 64;
/// So often it is tried.
const TRIES: u32 = 3;
/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits before it tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells for ever.
pub async fn tell(platform: Arc<Platform>, url: String, mut news: mpsc::UnboundedReceiver<News>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(one) = news.recv().await {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (platform, url) = (platform.clone(), url.clone());
        tokio::spawn(async move {
            if !told(&platform, &url, &one).await {
                platform.log.write(|| Deed::Untold { execution: one.id });
            }
            drop(place);
        });
    }
}

async fn told(platform: &Platform, url: &str, news: &News) -> bool {
    let Ok(mut ask) = Ask::new("POST", url) else { return false };
    let execution = &news.execution;
    ask.headers.push(("Content-Type".into(), "application/json".into()));
    ask.body = json!({
        "event": "execution.finished",
        "execution_id": news.id,
        "pipeline_id": platform.pipelines.id(execution.pipeline),
        "signal_id": execution.cause.as_ref().map(|cause| cause.signal.to_string()),
        "status": execution.state.name(),
        "seq": execution.cause.as_ref().map(|cause| cause.sequence),
        "finished_at": moment(execution.ended),
    })
    .to_string();
    for nth in 0..TRIES {
        if nth > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        if ask.send(PATIENCE).await.is_ok_and(|told| told.is_ok()) {
            return true;
        }
    }
    false
}
