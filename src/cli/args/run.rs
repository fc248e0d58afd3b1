//! Arguments of what works on scenario files: `run`, `check`, `plan`, `chaos`, `schema`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{Program, Reading};
use crate::base::units::parse_duration;

/// `proofload run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Scenario files, suites that name them, or folders whose scenario files are run in order
    #[arg(required = true, value_name = "FILE|FOLDER")]
    pub files: Vec<PathBuf>,
    /// Where reports go
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub reading: Reading,
    /// Hold promises relative to a baseline against this run, or the newest of the scenario in a folder of reports
    #[arg(long, value_name = "DIR")]
    pub baseline: Option<PathBuf>,
    /// Take a baseline that was not run in the same way, or did not pass
    #[arg(long, requires = "baseline")]
    pub unfair: bool,
    /// How long everything may take: longer plans are refused, and what takes longer is ended, never PASS
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub time_budget: Option<Duration>,
    /// After a scenario that is not PASS run no other
    #[arg(long)]
    pub stop_on_failure: bool,
    /// Use a stage that was started by hand instead of starting one
    #[arg(long, value_name = "HOST:PORT")]
    pub stage: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub publish: PublishArgs,
    /// Print no progress and no details, only the summary
    #[arg(long, short)]
    pub quiet: bool,
    /// Write for GitHub's workflows too: the summary of the step, and an annotation for each promise that was not kept
    #[arg(long)]
    pub github: bool,
    /// Ask a real one on this machine what every PromQL promise comes to; where it disagrees, nothing is decided
    #[arg(long, value_name = "PROGRAM")]
    pub verify_with: Option<Program>,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
}

/// Where runs are published while they go on.
#[derive(Debug, Clone, Default, Args)]
pub struct PublishArgs {
    /// Serve the run itself as metrics while it goes on; on this machine, or where --allow-host allows it
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics_listen: Option<String>,
    /// Push the run itself as metrics by Prometheus's remote write, while it goes on and when it has been judged
    #[arg(long, value_name = "URL")]
    pub push_remote_write: Option<String>,
}

/// `proofload chaos`
#[derive(Debug, Subcommand)]
pub enum ChaosCommand {
    /// Find the smallest set of faults that still breaks the same promise, by running smaller ones
    Shrink(ShrinkArgs),
}

/// `proofload chaos shrink`
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// A scenario whose faults together break a promise
    pub file: PathBuf,
    /// The most runs, the first one included
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub runs: u32,
    /// Which broken promise, as it is written; the first when left out
    #[arg(long, value_name = "PROMISE")]
    pub promise: Option<String>,
    /// Where the shrunk scenario is written; beside the scenario, as NAME.shrunk.yaml, when left out
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Where reports go
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub reading: Reading,
    /// Use a stage that was started by hand instead of starting one
    #[arg(long, value_name = "HOST:PORT")]
    pub stage: Option<String>,
    /// Print no progress of runs
    #[arg(long, short)]
    pub quiet: bool,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
}

/// `proofload check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Scenario files, suites, or folders of scenario files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub reading: Reading,
}

/// `proofload plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// A scenario file
    pub file: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub reading: Reading,
}

/// `proofload schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value = "scenario")]
    pub of: Described,
}

/// What has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// Scenario files
    Scenario,
    /// Suite files
    Suite,
    /// verdict.json
    Verdict,
    /// capacity.json
    Capacity,
    /// suite.json
    Launch,
    /// What history --format json prints
    History,
    /// What compare --format json prints
    Compare,
}

/// `proofload import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Access logs, each line in the common or combined format or a JSON object; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Where arrivals.csv and replay.yaml are written
    #[arg(long, value_name = "DIR", default_value = "replay")]
    pub out: PathBuf,
    /// Where the scenario sends them
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub target: String,
}
