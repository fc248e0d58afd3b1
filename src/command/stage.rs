//! `proofload stage`: the stub quoters and links of a scenario, by hand or for a run, and toxiproxy's API.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::load::load;
use crate::base::time::Clock;
use crate::cli::args::StageArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::run::Stands;
use crate::sim::end_of_input;
use crate::stage::by_hand::ByHand;
use crate::stage::child::child;
use crate::stage::config::Config;

/// Opens the stage until it is told to end.
pub fn stage(args: &StageArgs) -> Exit {
    if args.lease {
        return ended(child().map_err(|why| why.to_string()));
    }
    let clock = Clock::starting_in(Duration::ZERO);
    if args.held {
        let mut line = String::new();
        let told = std::io::stdin().read_line(&mut line).map_err(|why| why.to_string());
        let config = told.and_then(|_| serde_json::from_str::<Config>(&line).map_err(|why| why.to_string()));
        return ended(config.and_then(|config| by_hand(&config, args)));
    }
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

/// Says in one line where everything is, and stands until whoever reads that is gone.
async fn held(stage: ByHand, terminate: &mut Signal) -> Result<(), String> {
    let stands = Stands {
        control: stage.control().to_string(),
        upstreams: stage.upstreams().to_vec(),
        links: stage.links().to_vec(),
        kafka: stage.kafka().to_vec(),
    };
    print::line(&serde_json::to_string(&stands).map_err(|e| e.to_string())?);
    tokio::select! {
        () = stage.serve() => {}
        () = end_of_input(std::io::stdin()) => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

fn by_hand(config: &Config, args: &StageArgs) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
        let api = (!args.no_api).then_some(args.api.as_str());
        let stage = ByHand::open(config, &args.control, api).await?;
        if args.held {
            return held(stage, &mut terminate).await;
        }
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
