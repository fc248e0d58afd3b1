//! The shapes of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::base::timing::Timing;
use crate::base::units::Size;

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
    /// Print the JSON Schema of scenario files, of suites, or of verdict.json
    Schema(SchemaArgs),
    /// Judge the evidence of a run again
    Judge(JudgeArgs),
    /// Render the reports of a run again
    Report(FolderArgs),
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

/// A program that evaluates PromQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// A server of our own, on a free loopback port
    Prometheus,
    /// `promtool test rules`: for a few series over some minutes
    Promtool,
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
    /// The folder of a run
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

/// `proofload rules`
#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// Find what rules and dashboards will not do that they were written for
    #[command(after_help = "Exit codes: 0 nothing, 1 findings of the severity of --fail-on or graver, \
2 wrong command line or unreadable file, 5 --against does not answer.")]
    Lint(LintArgs),
    /// Run unit tests of rules, written for promtool
    #[command(after_help = "Exit codes: 0 every test passes, 1 one fails, 2 wrong command line or unreadable file.")]
    Test(RulesTestArgs),
}

/// `proofload rules test`
#[derive(Debug, Args)]
pub struct RulesTestArgs {
    /// Files of unit tests, as `promtool test rules` takes them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Which Prometheus evaluates: ranges of version 2 include their first instant
    #[arg(long, value_name = "VERSION", default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub semantics: u8,
}

/// `proofload rules lint`
#[derive(Debug, Args)]
pub struct LintArgs {
    /// Files of Prometheus rules, or folders of them
    #[arg(value_name = "FILE|FOLDER", required_unless_present = "dashboard")]
    pub files: Vec<PathBuf>,
    /// A Grafana dashboard, as JSON
    #[arg(long, value_name = "FILE.json")]
    pub dashboard: Vec<PathBuf>,
    /// What is exposed: a metrics page, a Prometheus, or the folder of a run; several add up
    #[arg(long, value_name = "URL|DIR")]
    pub against: Vec<String>,
    /// A host other than this machine that may be asked
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// A header of every question, its value in an environment variable: Authorization=PROMETHEUS_AUTH
    #[arg(long, value_name = "NAME=VARIABLE", value_parser = pair)]
    pub header: Vec<(String, String)>,
    /// How often targets are scraped; as `--against` shows, or 15s, when left out
    #[arg(long, value_name = "TIME", value_parser = crate::base::units::parse_duration)]
    pub scrape: Option<Duration>,
    /// Show findings of this severity or graver
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "warning")]
    pub level: Level,
    /// Exit with 1 on findings of this severity or graver
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: Level,
    /// How findings are printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Rendering,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Worth a look once
    Info,
    /// It works until something that will happen happens
    Warning,
    /// It cannot do what it was written for
    Error,
}

/// `proofload metrics`
#[derive(Debug, Subcommand)]
pub enum MetricsCommand {
    /// Find what is wrong with a live page of metrics: its format, names, labels, counters, histograms, growth
    Lint(MetricsLintArgs),
}

/// `proofload metrics lint`
#[derive(Debug, Args)]
pub struct MetricsLintArgs {
    /// The page; /metrics when no path is named
    pub url: String,
    /// Watch it for so long: counters that fall and labels that grow show only over time
    #[arg(long, value_name = "TIME", value_parser = crate::base::units::parse_duration)]
    pub r#for: Option<Duration>,
    /// From one fetch to the next
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = crate::base::units::parse_duration)]
    pub every: Duration,
    /// How long a fetch may take before it is given up
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::base::units::parse_duration)]
    pub timeout: Duration,
    /// A counter of the target's own that counts what it is asked; the …requests_total that rises most when left out
    #[arg(long, value_name = "METRIC")]
    pub requests: Option<String>,
    /// Labels that every series must carry; none for none
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "service,environment,version")]
    pub labels: Vec<String>,
    /// A label that the server's job adds to every series
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub label: Vec<(String, String)>,
    /// How metrics must be called, such as {service}_{subsystem}_{name}_{unit}; what stands in [ ] may be missing
    #[arg(long, value_name = "TEMPLATE")]
    pub names: Option<String>,
    /// What {service} is; any one word when left out
    #[arg(long, value_name = "NAME", requires = "names")]
    pub service: Option<String>,
    /// The most series of one metric
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub max_series: u64,
    /// The most values of one label of one metric
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub max_values: u64,
    /// The most new values of a label per 1 000 requests, over the second half of the watch
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub max_growth: f64,
    /// A fetch takes less than this
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = crate::base::units::parse_duration)]
    pub within: Duration,
    /// From here on a fetch takes so long that it is a warning
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = crate::base::units::parse_duration)]
    pub warn: Duration,
    /// The largest page, uncompressed
    #[arg(long, value_name = "SIZE", default_value = "10MB", value_parser = crate::base::units::parse_size)]
    pub max_size: Size,
    /// A finding that is accepted, and of which metrics; * stands for anything
    #[arg(long, value_name = "FINDING=METRICS", value_parser = pair)]
    pub except: Vec<(String, String)>,
    /// Exit 1 for warnings too
    #[arg(long)]
    pub strict: bool,
    /// How findings are printed
    #[arg(long, value_enum, default_value = "text")]
    pub format: Rendering,
    /// A host other than this machine that may be asked
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rendering {
    /// For people
    Text,
    /// For machines
    Json,
    /// As annotations of a GitHub workflow
    Github,
}

/// `proofload sim`
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Which practice target: quote-service, quantum-trader, b25, tradeengine, or calibrator, which does no work
    pub system: String,
    /// An outside service that it calls
    #[arg(long, value_name = "NAME=URL", value_parser = pair)]
    pub upstream: Vec<(String, String)>,
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
}

fn clock() -> impl TypedValueParser<Value = Timing> {
    PossibleValuesParser::new(Timing::ALL.map(Timing::word))
        .try_map(|word| Timing::from_word(&word).ok_or("no such clock"))
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
