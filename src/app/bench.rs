//! `daybook bench`: loads a running Daybook and prints what was measured.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::{bench, config::BenchSettings};

/// Loads the server as told and prints the summary; exit code 1 if a call was not answered.
///
/// # Errors
/// If nothing could be measured, or the summary cannot be printed.
pub async fn bench(settings: &BenchSettings) -> anyhow::Result<ExitCode> {
    let summary = bench::run(settings).await?;
    let text = if settings.json { summary.to_json() } else { summary.to_string() };
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(if summary.all.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
