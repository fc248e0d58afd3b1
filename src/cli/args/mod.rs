//! The shapes of the command line: the commands here, their arguments in a file for each kind of thing that they work on.

mod capacity;
mod evidence;
mod lint;
mod part;
mod run;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use capacity::{CapacityArgs, CapacityCommand, CapacityPlanArgs, SearchArgs};
pub use evidence::{
    CompareArgs, Drawn, ExportArgs, FolderArgs, HealArgs, HistogramArgs, HistoryArgs, JudgeArgs, Outcomes, Phase,
    QueryArgs, Shape,
};
pub use lint::{Level, LintArgs, MetricsCommand, MetricsLintArgs, Rendering, RulesCommand, RulesTestArgs};
pub use part::{SimArgs, StageArgs};
pub use run::{ChaosCommand, CheckArgs, Described, ImportArgs, PlanArgs, PublishArgs, RunArgs, SchemaArgs, ShrinkArgs};

/// Proves a trading platform: drives traffic, injects faults, watches both sides, and says whether promises were kept.
#[derive(Debug, Parser)]
#[command(name = "proofload", version, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 pass, 1 fail, 2 wrong scenario or command line, 3 inconclusive, 4 invalid experiment, \
5 could not start, 6 a fault could not be undone, 130 and 143 interrupted."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and judge them
    Run(RunArgs),
    /// Report every mistake of scenario files
    Check(CheckArgs),
    /// Work with schedules of faults
    #[command(subcommand)]
    Chaos(ChaosCommand),
    /// Show what a scenario would do, without doing it
    Plan(PlanArgs),
    /// Print the JSON Schema of scenario files, suites, verdicts and the other files for machines
    Schema(SchemaArgs),
    /// Record arrivals from access logs, for a scenario to replay
    #[command(after_help = "Exit codes: 0 written, 2 wrong command line, unreadable file, or nothing to write.")]
    Import(ImportArgs),
    /// Judge the evidence of a run again
    Judge(JudgeArgs),
    /// Render the reports of a run again
    Report(FolderArgs),
    /// Find out how much load a target takes before it breaks a promise
    Capacity(CapacityArgs),
    /// Find out whether runs are different, really
    Compare(CompareArgs),
    /// Show how the figures of a scenario went over many runs, and where they changed
    History(HistoryArgs),
    /// Write the scraped samples of a run in another format
    Export(ExportArgs),
    /// Show how the response times of runs are distributed, or any other of their clocks
    Histogram(HistogramArgs),
    /// Evaluate a PromQL expression over the scraped samples of a run
    Query(QueryArgs),
    /// Look after alert rules
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Check pages of metrics
    #[command(subcommand)]
    Metrics(MetricsCommand),
    /// Undo what a run that died left broken
    Heal(HealArgs),
    /// Run a practice target
    Sim(SimArgs),
    /// Run the stub quoters and links of a scenario, and toxiproxy's API
    Stage(StageArgs),
    /// Find out what this host can be trusted with, in less than a minute
    Selftest,
}

/// How scenario files are read.
#[derive(Debug, Clone, Default, Args)]
pub struct Reading {
    /// Set a value of the scenario: dots between keys, indices for lists
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = pair)]
    pub set: Vec<(String, String)>,
    /// Where requests go, instead of the target's own address: http://HOST:PORT, https:// or unix:
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Run time this many times faster: segments, faults and slices shrink, rates and bounds do not
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub time_scale: u32,
    /// A host other than this machine that may be loaded and broken
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// Run the commands that the scenario names, and act on containers
    #[arg(long)]
    pub allow_exec: bool,
    /// A process not of our own that may be broken
    #[arg(long, value_name = "PID")]
    pub allow_pid: Vec<u32>,
}

/// A program that evaluates PromQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// A server of our own, on a free loopback port
    Prometheus,
    /// `promtool test rules`: for a few series over some minutes
    Promtool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.into(), value.into())),
        _ => Err("write KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
