//! `proofload stage`: the stub quoters and links of a scenario, by hand or for a run, and toxiproxy's API.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::load::load;
use crate::base::time::Clock;
use crate::cli::args::StageArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::stage::by_hand::ByHand;
use crate::stage::child::child;
use crate::stage::config::Config;

/// Opens the stage until it is told to end.
pub fn stage(args: &StageArgs) -> Exit {
    if args.lease {
        return ended(child().map_err(|why| why.to_string()));
    }
    let clock = Clock::starting_in(Duration::ZERO);
    let config = match &args.file {
        Some(file) => match load(file, &args.reading) {
            Ok((scenario, _)) => Config::new(&scenario, &clock, "by-hand", None),
            Err(mistakes) => {
                print::err(&mistakes.to_string());
                return Exit::Usage;
            }
        },
        None => Config::empty(&clock),
    };
    let mut config = config;
    config.allow_hosts.extend(args.reading.allow_host.iter().cloned());
    ended(by_hand(&config, args))
}

fn ended(served: Result<(), String>) -> Exit {
    match served {
        Ok(()) => Exit::PASS,
        Err(why) => {
            print::err(&why);
            Exit::NOT_STARTED
        }
    }
}

fn by_hand(config: &Config, args: &StageArgs) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
        let api = (!args.no_api).then_some(args.api.as_str());
        let stage = ByHand::open(config, &args.control, api).await?;
        for (name, url) in stage.upstreams() {
            print::line(&format!("upstream {name} answers at {url}"));
        }
        for (name, address) in stage.links() {
            print::line(&format!("link {name} listens on {address}"));
        }
        for (name, brokers) in stage.kafka() {
            print::line(&format!("kafka {name} answers at {brokers}"));
        }
        if let Some(file) = &args.config {
            let name = file.display();
            let proxies = std::fs::read(file).map_err(|e| format!("{name}: {e}"))?;
            for (link, address) in stage.populate(&proxies).await.map_err(|why| format!("{name}: {why}"))? {
                print::line(&format!("link {link} listens on {address}"));
            }
        }
        if let Some(api) = stage.api() {
            print::line(&format!("toxiproxy's API answers at http://{api}"));
        }
        print::line(&format!("use it with: proofload run FILE --stage {}", stage.control()));
        tokio::select! {
            () = stage.serve() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        Ok(())
    })
}
