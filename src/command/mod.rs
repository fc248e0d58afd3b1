//! One file per verb: composes rooms, prints, and says how it ended.

mod against;
mod baseline;
mod capacity;
mod chaos;
mod check;
mod compare;
mod export;
mod github;
mod heal;
mod histogram;
mod history;
mod import;
mod interleave;
mod judge;
mod lint;
mod listed;
mod live;
mod load;
mod metrics;
mod plan;
mod published;
mod push;
mod query;
mod rules_test;
mod run;
mod schema;
mod selftest;
mod served;
mod sim;
mod stage;
mod suite;
mod verify;

use crate::cli::args::{ChaosCommand, Cli, Command, MetricsCommand, RulesCommand};
use crate::exit::Exit;

/// Does what the command line asks for.
pub fn run(cli: Cli) -> Exit {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::check(&args),
        Command::Chaos(ChaosCommand::Shrink(args)) => chaos::shrink(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Schema(args) => schema::schema(&args),
        Command::Import(args) => import::import(&args),
        Command::Capacity(args) => capacity::capacity(&args),
        Command::Compare(args) => compare::compare(&args),
        Command::History(args) => history::history(&args),
        Command::Export(args) => export::export(&args),
        Command::Histogram(args) => histogram::histogram(&args),
        Command::Query(args) => query::query(&args),
        Command::Stage(args) => stage::stage(&args),
        Command::Judge(args) => judge::judge(&args),
        Command::Report(args) => judge::report(&args),
        Command::Rules(RulesCommand::Lint(args)) => lint::lint(&args),
        Command::Rules(RulesCommand::Test(args)) => rules_test::test(&args),
        Command::Metrics(MetricsCommand::Lint(args)) => metrics::lint(&args),
        Command::Heal(args) => heal::heal(&args),
        Command::Sim(args) => sim::sim(&args),
        Command::Selftest => selftest::selftest(),
    }
}
