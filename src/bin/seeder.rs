//! The `seeder` binary: fills an empty database with users and transactions.

use std::process::ExitCode;

use clap::Parser;
use daybook::{app, cli::SeederCli, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = SeederCli::parse();
    let outcome = match telemetry::start(&arguments.logs) {
        Ok(()) => Box::pin(app::fill(&arguments)).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("seeder: {error:#}");
            ExitCode::FAILURE
        }
    }
}
