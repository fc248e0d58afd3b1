//! `proofload sim SYSTEM`: a practice target by itself.

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::SimArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::sim::quote_service::{self, Options};
use crate::sim::{Running, System, end_of_input};

/// Runs a practice target until it is told to end.
pub fn sim(args: &SimArgs) -> Exit {
    let options = match options(args) {
        Ok(options) => options,
        Err(why) => {
            print::err(&why);
            return Exit::Usage;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            print::err(&format!("no runtime: {why}"));
            return Exit::NOT_STARTED;
        }
    };
    let ended = runtime.block_on(serve(options, args.lease));
    runtime.shutdown_background();
    match ended {
        Ok(()) => Exit::PASS,
        Err(why) => {
            print::err(&format!("sim:{}: {why}", args.system));
            Exit::NOT_STARTED
        }
    }
}

fn options(args: &SimArgs) -> Result<Options, String> {
    let System::QuoteService = System::named(&args.system)?;
    let mut options = Options { port: args.port, no_delay: args.no_delay, ..Options::default() };
    for (key, value) in &args.set {
        options.set(key, value).map_err(|why| format!("--set {key}={value}: {why}\n{}", knobs()))?;
    }
    for (name, url) in &args.upstream {
        options.add_upstream(&format!("{name}={url}"))?;
    }
    Ok(options)
}

fn knobs() -> String {
    let lines = Options::keys().into_iter().map(|k| format!("  {:<14} {} (default {})", k.name, k.help, k.default));
    format!("settings of quote-service:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

async fn serve(options: Options, lease: bool) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let running: Running = quote_service::start(options).await?;
    print::line(&running.ready_line());
    let ended = async {
        tokio::select! {
            () = end_of_input(std::io::stdin()), if lease => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    running.until(ended).await
}
