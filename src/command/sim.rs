//! `proofload sim SYSTEM`: a practice target by itself.

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::SimArgs;
use crate::cli::print;
use crate::exit::Exit;
use crate::sim::{
    Knob, Running, System, b25, calibrator, end_of_input, quantum_trader, queue, quote_service, tradeengine,
    trading_platform,
};
use crate::stage::kafka::embedded::Embedded;

/// Of a cluster of a platform's own.
const BROKERS: u32 = 3;
/// Of each of its topics.
const PARTITIONS: u32 = 6;

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

/// What is wrong with settings that a scenario gives a practice target: which, what, and what to write.
pub(super) fn mistaken(system: &str, with: &[(String, String)]) -> Vec<(String, String, String)> {
    let started = |set: &[(String, String)]| {
        let (system, set) = (system.to_owned(), set.to_vec());
        options(&SimArgs { system, upstream: Vec::new(), kafka: None, set, port: 0, no_delay: false, lease: false })
    };
    let wrong = |(key, value): &(String, String)| {
        let why = started(&[(key.clone(), value.clone())]).err()?;
        let why = why.lines().next().unwrap_or_default();
        // What is only wrong beside others, or without them, the target itself says.
        let why = why.strip_prefix(&format!("--set {key}={value}: "))?;
        let why = why.strip_prefix(&format!("{key}: ")).unwrap_or(why);
        let (what, remedy) = why.split_once(": ").unwrap_or((why, "see `proofload sim` for its settings"));
        Some((key.clone(), what.to_owned(), remedy.to_owned()))
    };
    with.iter().filter_map(wrong).collect()
}

/// A practice target with its settings.
enum Options {
    QuoteService(Box<quote_service::Options>),
    TradingPlatform(Box<trading_platform::Options>),
    QuantumTrader(Box<quantum_trader::Options>),
    B25(Box<b25::Options>),
    TradeEngine(Box<tradeengine::Options>),
    Calibrator(calibrator::Options),
    Queue(queue::Options),
}

fn options(args: &SimArgs) -> Result<Options, String> {
    let system = System::named(&args.system)?;
    if args.kafka.is_some() && !system.takes_kafka() {
        return Err(format!("{} comes to no Kafka cluster, so that --kafka does nothing", system.name()));
    }
    let settings = |set: &mut dyn FnMut(&str, &str) -> Result<(), String>, knobs: &[Knob]| {
        args.set.iter().try_for_each(|(key, value)| {
            set(key, value).map_err(|why| format!("--set {key}={value}: {why}\n{}", listed(system, knobs)))
        })
    };
    match system {
        System::QuoteService => {
            let mut options = quote_service::Options { port: args.port, no_delay: args.no_delay, ..Default::default() };
            settings(&mut |key, value| options.set(key, value), &quote_service::Options::keys())?;
            for (name, url) in &args.upstream {
                options.add_upstream(&format!("{name}={url}"))?;
            }
            Ok(Options::QuoteService(Box::new(options)))
        }
        System::TradingPlatform => {
            let mut options = trading_platform::Options {
                ports: args.port,
                no_delay: args.no_delay,
                kafka: args.kafka.clone(),
                ..Default::default()
            };
            settings(&mut |key, value| options.set(key, value), &trading_platform::Options::keys())?;
            if let Some((name, _)) = args.upstream.first() {
                return Err(format!("{} calls nothing outside, so that --upstream {name} does nothing", system.name()));
            }
            Ok(Options::TradingPlatform(Box::new(options)))
        }
        System::QuantumTrader => {
            let mut options = quantum_trader::Options::default();
            options.fleet.ports = args.port;
            settings(&mut |key, value| options.set(key, value), &quantum_trader::Options::keys())?;
            options.set_upstreams(&args.upstream)?;
            Ok(Options::QuantumTrader(Box::new(options)))
        }
        System::B25 => {
            let mut options = b25::Options::default();
            options.fleet.ports = args.port;
            settings(&mut |key, value| options.set(key, value), &b25::Options::keys())?;
            options.set_upstreams(&args.upstream)?;
            Ok(Options::B25(Box::new(options)))
        }
        System::TradeEngine => {
            let mut options = tradeengine::Options::default();
            options.fleet.ports = args.port;
            settings(&mut |key, value| options.set(key, value), &tradeengine::Options::keys())?;
            options.set_upstreams(&args.upstream)?;
            Ok(Options::TradeEngine(Box::new(options)))
        }
        System::Calibrator => {
            let mut options = calibrator::Options { port: args.port, ..Default::default() };
            settings(&mut |key, value| options.set(key, value), &calibrator::Options::keys())?;
            args.upstream.iter().for_each(|(_, url)| options.add_upstream(url));
            if !options.limp.is_zero() && options.upstream.is_none() {
                return Err("`limp` needs something to depend on: name it with --upstream NAME=URL".into());
            }
            Ok(Options::Calibrator(options))
        }
        System::Queue => {
            let mut options = queue::Options { port: args.port, ..Default::default() };
            settings(&mut |key, value| options.set(key, value), &queue::Options::keys())?;
            options.check()?;
            if let Some((name, _)) = args.upstream.first() {
                return Err(format!("{} calls nothing outside, so that --upstream {name} does nothing", system.name()));
            }
            Ok(Options::Queue(options))
        }
    }
}

fn listed(system: System, knobs: &[Knob]) -> String {
    let lines = knobs.iter().map(|k| format!("  {:<14} {} (default {})", k.name, k.help, k.default));
    format!("settings of {}:\n{}", system.name(), lines.collect::<Vec<_>>().join("\n"))
}

async fn serve(options: Options, lease: bool) -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut cluster = None; // ends after what comes to it
    let mut running: Running = match options {
        Options::QuoteService(options) => quote_service::start(*options).await?,
        Options::TradingPlatform(mut options) => {
            if options.kafka.is_none() {
                options.kafka = Some(cluster.insert(own_cluster().await?).brokers().join(","));
            }
            trading_platform::start(*options).await?
        }
        Options::QuantumTrader(options) => quantum_trader::start(*options, Box::new(std::io::stdout())).await?,
        Options::B25(options) => b25::start(*options).await?,
        Options::TradeEngine(options) => tradeengine::start(*options).await?,
        Options::Calibrator(options) => calibrator::start(options).await?,
        Options::Queue(options) => queue::start(options).await?,
    };
    print::line(&running.ready_line());
    running.announced();
    let ended = async {
        tokio::select! {
            () = end_of_input(std::io::stdin()), if lease => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    running.until(ended).await
}

/// A cluster for a platform that was told of none.
async fn own_cluster() -> std::io::Result<Embedded> {
    let topics = trading_platform::TOPICS.map(|topic| (topic.to_owned(), PARTITIONS, BROKERS));
    Embedded::open(BROKERS, &topics).await.map_err(|why| std::io::Error::other(format!("a Kafka cluster: {why}")))
}
