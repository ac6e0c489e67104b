//! The `daybook` binary: reads the command line and the environment, and runs one
//! command.

use std::{env, process::ExitCode};

use clap::Parser;
use daybook::{
    app,
    cli::{Cli, Command, ServeArgs, TokenArgs, TokenCommand},
    config::LogSettings,
    telemetry,
};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => serve(cli.serve).await,
        Some(Command::Serve(arguments)) => serve(*arguments).await,
        Some(Command::Migrate(arguments)) => match telemetry::start(&arguments.logs) {
            Ok(()) => app::migrate(&arguments).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Some(Command::Days(arguments)) => match telemetry::start(&arguments.migrate.logs) {
            Ok(()) => app::days(&arguments).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Some(Command::Audit(arguments)) => match telemetry::start(&arguments.migrate.logs) {
            Ok(()) => app::audit(&arguments).await,
            Err(error) => Err(error),
        },
        Some(Command::Import(arguments)) => match telemetry::start(&arguments.migrate.logs) {
            Ok(()) => Box::pin(app::import(&arguments)).await,
            Err(error) => Err(error),
        },
        Some(Command::Export(arguments)) => match telemetry::start(&arguments.migrate.logs) {
            Ok(()) => Box::pin(app::export(&arguments)).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Some(Command::Work(arguments)) => match telemetry::start(&arguments.migrate.logs) {
            Ok(()) => Box::pin(app::work(&arguments)).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Some(Command::SyncToken(arguments)) => match telemetry::start(&arguments.migrate.logs) {
            Ok(()) => Box::pin(app::sync_token(&arguments)).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Some(Command::Selftest(arguments)) => match telemetry::start(&arguments.logs) {
            Ok(()) => Box::pin(app::selftest(&arguments)).await,
            Err(error) => Err(error),
        },
        Some(Command::Token(arguments)) => match telemetry::start(logs_of(&arguments)) {
            Ok(()) => Box::pin(app::token(&arguments)).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Some(Command::Psql(arguments)) => app::psql(&arguments).await,
        Some(Command::Health(arguments)) => {
            app::ask_health(&arguments).await.map(|()| ExitCode::SUCCESS)
        }
        // The secret has no flag: what is on a command line everybody on the machine can read.
        Some(Command::Ask(arguments)) => {
            Box::pin(app::ask(&arguments, env::var("DAYBOOK_TOKEN").ok())).await
        }
        Some(Command::Completions(arguments)) => {
            app::completions(&arguments).map(|()| ExitCode::SUCCESS)
        }
        Some(Command::Man(arguments)) => app::man(&arguments).map(|()| ExitCode::SUCCESS),
        Some(Command::Bench(settings)) => Box::pin(app::bench(&settings)).await,
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("daybook: {error:#}");
        ExitCode::FAILURE
    })
}

fn logs_of(arguments: &TokenArgs) -> &LogSettings {
    match &arguments.command {
        TokenCommand::Create(arguments) => &arguments.migrate.logs,
        TokenCommand::List(common) => &common.logs,
        TokenCommand::Revoke(arguments) => &arguments.migrate.logs,
    }
}

async fn serve(arguments: ServeArgs) -> anyhow::Result<ExitCode> {
    let ServeArgs { settings, logs } = arguments;
    let telemetry = telemetry::start_traced(&logs, settings.telemetry.otlp_endpoint.as_deref())?;
    let exposition = telemetry::metrics::install()?;
    // On the heap: the future holds everything that serving needs.
    let served = Box::pin(app::serve(settings, logs, exposition)).await;
    telemetry.close().await;
    served?;
    Ok(ExitCode::SUCCESS)
}
