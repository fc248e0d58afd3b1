//! Arguments of `capacity`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{FolderArgs, Reading, Shape};
use crate::base::units::{Rate, Share};

/// `proofload capacity`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct CapacityArgs {
    /// What to do with what was found before; without one, a search.
    #[command(subcommand)]
    pub command: Option<CapacityCommand>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub search: SearchArgs,
}

/// What to do with what was found before.
#[derive(Debug, Subcommand)]
pub enum CapacityCommand {
    /// Judge the probes of a search again, and what they show
    Judge(FolderArgs),
    /// How many replicas a load needs, by searches with one number of them or several
    #[command(
        after_help = "Exit codes: 0 so many, 1 no number is enough, 2 wrong command line, or searches that do not belong together, \
3 no sure answer: it lies beyond what was measured, or no knee was found."
    )]
    Plan(CapacityPlanArgs),
}

/// A plan.
#[derive(Debug, Args)]
pub struct CapacityPlanArgs {
    /// Folders of searches, each with its capacity.json
    #[arg(required = true, value_name = "DIR")]
    pub folders: Vec<PathBuf>,
    /// What must be borne, such as 1500/s
    #[arg(long, value_name = "RATE", value_parser = crate::base::units::parse_rate)]
    pub need: Rate,
    /// So many may be down meanwhile
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub spare: u32,
    /// The promise that must hold, such as 'p95(quotes) < 320ms'; all critical ones of the searches when left out
    #[arg(long, value_name = "PROMISE")]
    pub promise: Option<String>,
    /// The answer may lie beyond what was measured
    #[arg(long)]
    pub extrapolate: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    pub format: Shape,
    /// Write plan.json, plan.md and plan.html there
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
}

/// A search.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// A scenario file; its promises are what must hold
    #[arg(required = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Whose rate is searched, where there are several
    #[arg(long, value_name = "NAME")]
    pub traffic: Option<String>,
    /// The first rate; that at which the load of the scenario begins when left out
    #[arg(long, value_name = "RATE", value_parser = crate::base::units::parse_rate)]
    pub from: Option<Rate>,
    /// The highest rate that is tried; whatever the generator can do when left out
    #[arg(long, value_name = "RATE", value_parser = crate::base::units::parse_rate)]
    pub max_rate: Option<Rate>,
    /// How long it may take in all; then it ends with what is known, once the probe that goes on is over
    #[arg(long, value_name = "TIME", value_parser = crate::base::units::parse_duration)]
    pub max_time: Option<Duration>,
    /// How close it comes to the knee, 0.5% to 20%; 5% when left out
    #[arg(long, value_name = "SHARE", value_parser = resolution)]
    pub resolution: Option<Share>,
    /// How long each probe is measured at least; 10s when left out
    #[arg(long, value_name = "TIME", value_parser = probe)]
    pub probe: Option<Duration>,
    /// How long each probe warms up before; 3s when left out
    #[arg(long, value_name = "TIME", value_parser = crate::base::units::parse_duration)]
    pub warm_up: Option<Duration>,
    /// Search again under each of these faults of the scenario, without one `replica` of several, or under `all` of that
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    pub under: Vec<String>,
    /// Where reports go
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a comment here would become the text of --help")]
    pub reading: Reading,
    /// Use a stage that was started by hand instead of starting one
    #[arg(long, value_name = "HOST:PORT")]
    pub stage: Option<String>,
    /// Print no progress of probes
    #[arg(long, short)]
    pub quiet: bool,
    /// Print without colour
    #[arg(long)]
    pub no_color: bool,
}

fn resolution(text: &str) -> Result<Share, String> {
    let share = crate::base::units::parse_share(text)?;
    match share.fraction() {
        of if (0.005..=0.2).contains(&of) => Ok(share),
        _ => Err("a search comes as close as 0.5% to 20%".into()),
    }
}

fn probe(text: &str) -> Result<Duration, String> {
    let length = crate::base::units::parse_duration(text)?;
    match length.as_secs() {
        1..=600 => Ok(length),
        _ => Err("a probe lasts 1s to 10m".into()),
    }
}
