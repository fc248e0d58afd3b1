//! `proofload stage`: the stub quoters and links of a scenario, by hand or for a run.

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
    let served = match &args.file {
        _ if args.lease => child().map_err(|why| why.to_string()),
        Some(file) => match load(file, &args.reading) {
            Ok((scenario, _)) => {
                let config = Config::new(&scenario, &Clock::starting_in(std::time::Duration::ZERO), "by-hand", None);
                by_hand(&config, &args.control)
            }
            Err(mistakes) => {
                print::err(&mistakes.to_string());
                return Exit::Usage;
            }
        },
        None => return Exit::Usage,
    };
    match served {
        Ok(()) => Exit::PASS,
        Err(why) => {
            print::err(&why);
            Exit::NOT_STARTED
        }
    }
}

fn by_hand(config: &Config, control: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| e.to_string())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
        let stage = ByHand::open(config, control).await?;
        for (name, url) in stage.upstreams() {
            print::line(&format!("upstream {name} answers at {url}"));
        }
        for (name, address) in stage.links() {
            print::line(&format!("link {name} listens on {address}"));
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
