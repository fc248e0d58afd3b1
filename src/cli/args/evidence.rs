//! Arguments of what works on the evidence of runs: `judge`, `report`, `export`, `histogram`, `query`, `heal`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::Program;
use crate::base::timing::Timing;

/// `proofload judge`
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// The folder of a run
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A scenario file whose promises are used instead of those that were run
    #[arg(long, value_name = "FILE")]
    pub slo: Option<PathBuf>,
    /// With --slo: write the reports here instead of printing the verdict
    #[arg(long, value_name = "DIR", requires = "slo")]
    pub out: Option<PathBuf>,
    /// Ask a real one on this machine what every PromQL promise comes to; where it disagrees, nothing is decided
    #[arg(long, value_name = "PROGRAM")]
    pub verify_with: Option<Program>,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
}

/// A command on the folder of a run.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// The folder of a run, or of a search for a capacity
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
}

/// `proofload heal`
#[derive(Debug, Args)]
pub struct HealArgs {
    /// The folder of a run
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// `proofload export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The folder of a run
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Write OpenMetrics to standard output, as `promtool tsdb create-blocks-from openmetrics` takes it
    #[arg(long, required = true)]
    pub openmetrics: bool,
}

/// `proofload histogram`
#[derive(Debug, Args)]
pub struct HistogramArgs {
    /// Folders of runs; several are merged, without loss
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// Only this traffic
    #[arg(long, value_name = "NAME")]
    pub traffic: Option<String>,
    /// Between which two instants of a shot
    #[arg(long, value_name = "CLOCK", default_value = "response", value_parser = clock())]
    pub clock: Timing,
    /// Which shots
    #[arg(long, value_enum, default_value = "all")]
    pub outcome: Outcomes,
    /// Only shots of this class
    #[arg(long, value_name = "NAME")]
    pub class: Option<String>,
    /// Shots due when; those of the measured phase and of closed loops, one after the other, when left out
    #[arg(long, value_enum)]
    pub window: Option<Phase>,
    /// Print HdrHistogram's .hgrm, in milliseconds, for tools that plot it
    #[arg(long)]
    pub hgrm: bool,
}

/// `proofload compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The folder of the run that is measured by; with --interleave an address
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// Folders of the runs that are held against it; with --interleave an address
    #[arg(required = true, value_name = "CANDIDATE")]
    pub candidates: Vec<PathBuf>,
    /// Run both addresses in alternation, so many times each, and compare what comes of it
    #[arg(long, value_name = "N", requires = "scenario", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub interleave: Option<u32>,
    /// With --interleave: the scenario that is run
    #[arg(long, value_name = "FILE", requires = "interleave")]
    pub scenario: Option<PathBuf>,
    /// With --interleave: where reports go
    #[arg(long, value_name = "DIR", default_value = "reports", requires = "interleave")]
    pub out: PathBuf,
    /// With --interleave: a host other than this machine that may be loaded and broken
    #[arg(long, value_name = "HOST", requires = "interleave")]
    pub allow_host: Vec<String>,
    /// With --interleave: set a value of the scenario, as `run` does
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = super::pair, requires = "interleave")]
    pub set: Vec<(String, String)>,
    /// A change that is less does not matter; of shares of failures, a tenth of it
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = threshold)]
    pub threshold: f64,
    /// Compare what was not run in the same way
    #[arg(long)]
    pub unfair: bool,
    /// Write a page with charts here
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Shape,
}

/// `proofload history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// A folder of runs, or one of reports with the runs of several scenarios below it
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A change that is less does not matter; of shares of failures, a tenth of it
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = threshold)]
    pub threshold: f64,
    /// Write a page with charts here
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Drawn,
}

/// How a history is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drawn {
    /// For people
    Text,
    /// For machines
    Json,
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// For people
    Text,
    /// For pull requests
    Markdown,
    /// For machines
    Json,
}

fn threshold(text: &str) -> Result<f64, String> {
    match crate::base::units::parse_share(text)?.fraction() {
        share if share > 0.0 && share < 1.0 => Ok(share),
        _ => Err("write a share between 0% and 100%, such as 5%".into()),
    }
}

/// What became of the shots that are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Outcomes {
    /// Those that were ok
    Ok,
    /// Those that failed; as in promises, they count at the timeout or more
    Failed,
    /// Both
    All,
}

/// When the shots that are shown were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Phase {
    /// In the measured phase, as planned
    Measured,
    /// In all of the load, as planned, warm-up included
    Whole,
    /// In closed loops
    Saturate,
}

/// `proofload query`
#[derive(Debug, Args)]
pub struct QueryArgs {
    /// The folder of a run
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A PromQL expression
    pub expr: String,
    /// When, from the start of the load; the last scrape when left out
    #[arg(long, value_name = "TIME", value_parser = crate::base::units::parse_duration)]
    pub at: Option<Duration>,
    /// Ask a real one on this machine too, and compare
    #[arg(long, value_name = "PROGRAM")]
    pub verify_with: Option<Program>,
    /// Show each part of the expression with what it selects
    #[arg(long)]
    pub explain: bool,
}

fn clock() -> impl TypedValueParser<Value = Timing> {
    PossibleValuesParser::new(Timing::ALL.map(Timing::word))
        .try_map(|word| Timing::from_word(&word).ok_or("no such clock"))
}
