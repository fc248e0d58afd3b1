//! Arguments of what looks for faults in what others wrote: `rules`, `metrics`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::pair;
use crate::base::units::Size;

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
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
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
    /// The page: http://, https://, or unix:/SOCKET:/PATH; /metrics when no path is named
    pub url: String,
    /// A PEM file of the certificates that are trusted, instead of those of the system
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub ca: Option<PathBuf>,
    /// Take any certificate, from anybody
    #[arg(long)]
    pub insecure: bool,
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
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
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
