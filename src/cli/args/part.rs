//! Arguments of the parts that also run by hand: `sim`, `stage`.

use std::path::PathBuf;

use clap::Args;

use super::{Reading, pair};

/// `proofload sim`
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Which practice target: quote-service, trading-platform, quantum-trader, b25, tradeengine, calibrator, which does no work, or queue, whose law is known
    pub system: String,
    /// An outside service that it calls
    #[arg(long, value_name = "NAME=URL", value_parser = pair)]
    pub upstream: Vec<(String, String)>,
    /// The Kafka cluster that it comes to; several brokers are separated by commas
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// One of its settings; an unknown one lists them all
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Where it listens; a free port on this machine when left out
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Answer without the delays of real work
    #[arg(long)]
    pub no_delay: bool,
    /// End when standard input does
    #[arg(long, hide = true)]
    pub lease: bool,
}

/// `proofload stage`
#[derive(Debug, Args)]
pub struct StageArgs {
    /// A scenario file; without one, a plain toxiproxy server
    #[arg(conflicts_with = "lease")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub reading: Reading,
    /// Where `run --stage` finds it
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8473")]
    pub control: String,
    /// Where toxiproxy's clients find it
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8474")]
    pub api: String,
    /// No API for toxiproxy's clients
    #[arg(long, conflicts_with_all = ["api", "config"])]
    pub no_api: bool,
    /// Proxies to begin with: a toxiproxy configuration, a JSON list of name, listen, upstream, enabled
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take orders on standard input
    #[arg(long, hide = true)]
    pub lease: bool,
    /// Be told what to open in the first line of standard input, say where everything is, and end when standard input does
    #[arg(long, hide = true, conflicts_with_all = ["lease", "file", "config"])]
    pub held: bool,
}
