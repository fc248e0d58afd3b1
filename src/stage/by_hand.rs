//! A stage that was started by hand: `proofload stage FILE`. It is there before the service under test is configured,
//! and stays from run to run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::config::Config;
use super::protocol::{self, Report};
use super::serve::{Wards, hold};
use super::world::World;
use crate::base::net;

/// A stage that stands until it is stopped; runs use it one after the other.
pub struct ByHand {
    world: World,
    control: TcpListener,
    address: SocketAddr,
}

impl ByHand {
    /// Opens the stubs and links of a scenario, and listens for runs at `control` (HOST:PORT on this machine). `Err`
    /// says what could not be opened and what to do.
    pub async fn open(config: &Config, control: &str) -> Result<ByHand, String> {
        if !net::split_host(control, 0).is_some_and(|(host, _)| net::is_loopback(&host)) {
            return Err(format!("{control}: a stage is controlled from its own machine: write 127.0.0.1:PORT"));
        }
        let failed = |e: std::io::Error| format!("cannot listen for runs on {control}: {e}: take another port");
        let listener = TcpListener::bind(control).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        // Nothing is broken before a run asks for it, and it brings a scenario of its own.
        let config = Config { faults: Vec::new(), ..config.clone() };
        let world = World::open(&config, mpsc::unbounded_channel().0).await?;
        Ok(ByHand { world, control: listener, address })
    }

    /// Where each upstream answers: name and URL.
    pub fn upstreams(&self) -> &[(String, String)] {
        &self.world.upstreams
    }

    /// Where each link listens: name and HOST:PORT.
    pub fn links(&self) -> &[(String, String)] {
        &self.world.links
    }

    /// What `run --stage` takes.
    pub fn control(&self) -> SocketAddr {
        self.address
    }

    /// Serves until dropped.
    pub async fn serve(self) {
        let world = Arc::new(Mutex::new(Some(self.world)));
        let mut leases = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.control.accept() => match accepted {
                    Ok((stream, _)) => {
                        leases.spawn(lease(stream, world.clone()));
                    }
                    Err(_) => sleep(Duration::from_millis(5)).await,
                },
                Some(_) = leases.join_next(), if !leases.is_empty() => {}
            }
        }
    }
}

/// One run at a time; others are told so.
async fn lease(stream: TcpStream, world: Arc<Mutex<Option<World>>>) {
    let (mut orders, mut reports) = stream.into_split();
    if let Ok(mut world) = world.try_lock() {
        hold(orders, reports, &mut world, Wards::Refused, std::future::pending()).await;
        return;
    }
    let why = "another run holds this stage: wait for its end".into();
    let _ = protocol::write(&mut reports, &Report::Failed { fault: None, why }).await;
    // Closing on unread orders would reset the connection, and the words with it.
    let _ = timeout(Duration::from_secs(1), tokio::io::copy(&mut orders, &mut tokio::io::sink())).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::client::{Stage, StageError};
    use crate::stage::testing::{Line, QUOTE, config, upstream};

    #[tokio::test]
    async fn a_stage_by_hand_serves_one_run_after_the_other() {
        let hand = ByHand::open(&config(), "127.0.0.1:0").await.expect("opens");
        let (control, url) = (hand.control().to_string(), hand.upstreams()[0].1.clone());
        let _standing = tokio::spawn(hand.serve());
        assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200, "without any run");

        let mut first = Stage::connect(&control, &config()).await.expect("connects");
        assert_eq!(first.upstreams(), [("jupiter".to_owned(), url.clone())]);
        first.apply(0).await.expect("applied");
        let mut line = Line::open(&url).await;
        line.send(QUOTE).await;
        assert_eq!(line.answer_within(30).await, None);
        let second = Stage::connect(&control, &config()).await.map(|s| s.pid());
        assert!(matches!(second, Err(StageError::Refused(why)) if why.contains("another run")));
        drop(first);
        assert_eq!(line.answer_within(5000).await, Some(0), "let go");
        assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200, "it stands");

        let third = loop {
            match Stage::connect(&control, &config()).await {
                Ok(stage) => break stage,
                Err(_) => sleep(Duration::from_millis(5)).await, // the first is still being let go
            }
        };
        third.close().await.expect("closes");
        assert_eq!(Line::open(&url).await.ask(QUOTE).await, 200, "and still stands");
    }

    #[tokio::test]
    async fn a_stage_by_hand_for_another_scenario_is_refused() {
        let hand = ByHand::open(&config(), "127.0.0.1:0").await.expect("opens");
        let control = hand.control().to_string();
        let _standing = tokio::spawn(hand.serve());
        let other = Config { upstreams: vec![upstream("dflow")], faults: Vec::new(), ..config() };
        let refused = Stage::connect(&control, &other).await.map(|s| s.pid());
        assert!(matches!(refused, Err(StageError::Refused(why)) if why.contains("dflow")));
        assert!(ByHand::open(&config(), "0.0.0.0:0").await.is_err_and(|why| why.contains("127.0.0.1")));
        let far = Stage::connect("10.0.0.1:1", &config()).await.map(|s| s.pid());
        assert!(matches!(far, Err(StageError::Elsewhere(_))));
    }
}
