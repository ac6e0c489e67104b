//! Logs: one subscriber for the process, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use crate::config::{LogFormat, LogSettings};

/// Starts logging to standard error.
///
/// `tokio_postgres` logs every statement with its values at debug level, and every
/// notice at info: it never gets below warnings, whatever the filter says.
///
/// # Errors
/// If the filter cannot be read.
pub fn start(settings: &LogSettings) -> Result<(), anyhow::Error> {
    let filter = EnvFilter::try_new(format!("{},tokio_postgres=warn", settings.log))
        .map_err(|error| anyhow::anyhow!("--log: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter);
    match settings.log_format {
        LogFormat::Human => {
            let layer = fmt::layer().with_writer(std::io::stderr).with_target(false);
            registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init()
        }
        LogFormat::Json => {
            registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()
        }
    }
    .map_err(|error| anyhow::anyhow!("logging: {error}"))
}
