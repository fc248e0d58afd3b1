//! Arguments of what works on scenario files: `run`, `check`, `plan`, `chaos`, `schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Program, Reading};

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
    /// Use a stage that was started by hand instead of starting one
    #[arg(long, value_name = "HOST:PORT")]
    pub stage: Option<String>,
    /// Print only the verdict
    #[arg(long, short)]
    pub quiet: bool,
    /// Ask a real one on this machine what every PromQL promise comes to; where it disagrees, nothing is decided
    #[arg(long, value_name = "PROGRAM")]
    pub verify_with: Option<Program>,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
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
