//! A stage that was started by hand: `proofload stage [FILE]`. It is there before the service under test is configured,
//! stays from run to run, and speaks toxiproxy's API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::child::widen;
use super::config::Config;
use super::link::api::Api;
use super::protocol::{self, Report};
use super::serve::{Wards, hold};
use super::world::World;
use crate::base::{httpd, net};

/// A stage that stands until it is stopped; runs use it one after the other.
pub struct ByHand {
    world: World,
    control: TcpListener,
    address: SocketAddr,
    api: Option<(TcpListener, SocketAddr)>,
}

impl ByHand {
    /// Opens the stubs and links of a scenario, listens for runs at `control` and speaks toxiproxy's API at `api` (each
    /// HOST:PORT on this machine). `Err` says what could not be opened and what to do.
    pub async fn open(config: &Config, control: &str, api: Option<&str>) -> Result<ByHand, String> {
        widen();
        let (listener, address) = ear("runs", control).await?;
        let api = match api {
            Some(api) => Some(ear("toxiproxy's clients", api).await?),
            None => None,
        };
        // Nothing is broken before a run asks for it, and it brings a scenario of its own.
        let config = Config { faults: Vec::new(), ..config.clone() };
        let world = World::open(&config, mpsc::unbounded_channel().0).await?;
        Ok(ByHand { world, control: listener, address, api })
    }

    /// Makes the proxies of a toxiproxy configuration: the body of `/populate`. `Err` says what is wrong with it.
    pub async fn populate(&self, proxies: &[u8]) -> Result<Vec<(String, String)>, String> {
        Api::new(self.world.proxies.clone()).load(proxies).await
    }

    /// Where each upstream answers: name and URL.
    pub fn upstreams(&self) -> &[(String, String)] {
        &self.world.upstreams
    }

    /// Where each link listens: name and HOST:PORT.
    pub fn links(&self) -> &[(String, String)] {
        &self.world.links
    }

    /// Where clients find each Kafka cluster: name and HOST:PORT, separated by commas.
    pub fn kafka(&self) -> &[(String, String)] {
        &self.world.kafka
    }

    /// What `run --stage` takes.
    pub fn control(&self) -> SocketAddr {
        self.address
    }

    /// Where toxiproxy's clients find it, if anywhere.
    pub fn api(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(|(_, address)| *address)
    }

    /// Serves until dropped.
    pub async fn serve(self) {
        let mut leases = JoinSet::new();
        if let Some((listener, _)) = self.api {
            leases.spawn(httpd::serve(listener, Arc::new(Api::new(self.world.proxies.clone()))));
        }
        let world = Arc::new(Mutex::new(Some(self.world)));
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

/// A listener on this machine, for whom it is; and where it listens.
async fn ear(whom: &str, address: &str) -> Result<(TcpListener, SocketAddr), String> {
    if !net::split_host(address, 0).is_some_and(|(host, _)| net::is_loopback(&host)) {
        return Err(format!("{address}: a stage is controlled from its own machine: write 127.0.0.1:PORT"));
    }
    let failed = |e: std::io::Error| format!("cannot listen for {whom} on {address}: {e}: take another port");
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
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
        let hand = ByHand::open(&config(), "127.0.0.1:0", None).await.expect("opens");
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
        let hand = ByHand::open(&config(), "127.0.0.1:0", None).await.expect("opens");
        let control = hand.control().to_string();
        let _standing = tokio::spawn(hand.serve());
        let other = Config { upstreams: vec![upstream("dflow")], faults: Vec::new(), ..config() };
        let refused = Stage::connect(&control, &other).await.map(|s| s.pid());
        assert!(matches!(refused, Err(StageError::Refused(why)) if why.contains("dflow")));
        assert!(ByHand::open(&config(), "0.0.0.0:0", None).await.is_err_and(|why| why.contains("127.0.0.1")));
        let far = Stage::connect("10.0.0.1:1", &config()).await.map(|s| s.pid());
        assert!(matches!(far, Err(StageError::Elsewhere(_))));
    }
}
