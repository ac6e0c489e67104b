//! Logs: one subscriber for the process, for people or as JSON.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::{EnvFilter, filter::filter_fn, fmt, prelude::*};

use crate::config::{LogFormat, LogSettings};

/// Starts logging to standard error.
///
/// Whatever the filter says, of `tokio_postgres` only warnings and errors are logged.
///
/// # Errors
/// If the filter cannot be read.
pub fn start(settings: &LogSettings) -> Result<(), anyhow::Error> {
    let filter =
        EnvFilter::try_new(&settings.log).map_err(|error| anyhow::anyhow!("--log: {error}"))?;
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged));
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

/// `tokio_postgres` logs every statement with its values at debug level, and every notice at
/// info. A filter of its own holds them back, because a directive of the user's that names a
/// module within would win over any directive added here.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN || !metadata.target().starts_with("tokio_postgres")
}
