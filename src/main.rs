//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use proofload::cli::args::Cli;
use proofload::command;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => ExitCode::from(command::run(cli).code()),
        Err(error) => {
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { proofload::exit::Exit::Usage.code() } else { 0 })
        }
    }
}
