//! `daybook export`: rows as CSV, to standard output or into a file that is there when it is
//! whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use flate2::{Compression, write::GzEncoder};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{checks, database, tools},
    cli::ExportArgs,
    domain::{account::AccountKey, window::Window},
    files::export::{ExportProgress, ExportQuestion, ExportSubject, export as write_rows},
    store::Database,
    upkeep::server_check,
};

/// Writes the rows of a window.
///
/// # Errors
/// If the question is wrong, what it names is not there, the file cannot be written, the
/// database cannot be opened or fails, or a signal came before the end.
pub async fn export(arguments: &ExportArgs) -> anyhow::Result<()> {
    let question = question(arguments)?;
    let common = &arguments.migrate;
    checks::migrate(common)?;
    let unfinished = "stopped before all rows were written: start again";
    tools::until_stopped(&common.database, unfinished, async |opened| {
        let database = Database::new(&opened.target, &common.pool)?;
        server_check::wait(&database, database::patience(&common.database)).await?;
        tools::bring_up(&database, &common.pool, &common.partitions).await?;
        tools::refuse_while_seeding(&database).await?;
        let bar = bar();
        let told = |ExportProgress { days_done, days_total, rows }| {
            bar.set_length(days_total);
            bar.set_position(days_done);
            bar.set_message(format!("{rows} rows"));
        };
        let rows = match &arguments.output {
            None => {
                let mut output = io::stdout();
                write_rows(&database, &question, &mut output, told).await?
            }
            Some(path) => {
                let mut output = WholeFile::create(path)?;
                let rows = write_rows(&database, &question, &mut output, told).await?;
                output.finish()?;
                rows
            }
        };
        bar.finish_and_clear();
        tracing::info!(rows, "exported");
        Ok(())
    })
    .await
}

fn question(arguments: &ExportArgs) -> anyhow::Result<ExportQuestion> {
    let all = Window::before(None);
    let start = arguments.from.as_deref().map(|text| instant("--from", text)).transpose()?;
    let end = arguments.to.as_deref().map(|text| instant("--to", text)).transpose()?;
    let window = Window::new(start.unwrap_or(all.start()), end.unwrap_or(all.end()));
    let Some(window) = window else { bail!("--from must lie before --to") };
    let subject = match (&arguments.user, &arguments.account) {
        (Some(user), _) => ExportSubject::User(user.clone()),
        (None, Some(account)) => {
            let Some((network, address)) = account.split_once(':') else {
                bail!("--account must be NETWORK:ADDRESS");
            };
            let key = AccountKey::canonical(network, address);
            ExportSubject::Account(key.map_err(|error| anyhow!("--account: {error}"))?)
        }
        (None, None) => ExportSubject::Everybody,
    };
    Ok(ExportQuestion { window, subject, asset_code: arguments.asset.clone() })
}

/// An instant as RFC 3339 has it, or a day, which means its beginning in UTC.
fn instant(flag: &str, text: &str) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(day.and_time(NaiveTime::MIN).and_utc());
    }
    match DateTime::parse_from_rfc3339(text) {
        Ok(at) => Ok(at.to_utc()),
        Err(_) => bail!("{flag} must be a day or an instant: 2024-05-31 or 2024-05-31T18:00:00Z"),
    }
}

fn bar() -> ProgressBar {
    // Beside rows on the same terminal it would only be in their way.
    if !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) =
        ProgressStyle::with_template("  export {wide_bar} {pos}/{len} days, {msg}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// A file that has its name only when it is whole; packed if the name ends in `.gz`.
struct WholeFile {
    output: Option<Packed>,
    unfinished: PathBuf,
    path: PathBuf,
}

enum Packed {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl WholeFile {
    fn create(path: &Path) -> anyhow::Result<Self> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished).with_context(|| unfinished.display().to_string())?;
        let file = BufWriter::new(file);
        let output = if path.extension().is_some_and(|ending| ending == "gz") {
            Packed::Gzip(GzEncoder::new(file, Compression::default()))
        } else {
            Packed::Plain(file)
        };
        Ok(Self { output: Some(output), unfinished, path: path.to_owned() })
    }

    fn finish(mut self) -> anyhow::Result<()> {
        let finish = |output: Packed| {
            let file = match output {
                Packed::Plain(file) => file,
                Packed::Gzip(packing) => packing.finish()?,
            };
            file.into_inner()?.sync_all()
        };
        if let Some(output) = self.output.take() {
            finish(output)
                .and_then(|()| fs::rename(&self.unfinished, &self.path))
                .with_context(|| self.path.display().to_string())?;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.output {
            Some(Packed::Plain(file)) => file.write(bytes),
            Some(Packed::Gzip(packing)) => packing.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Some(Packed::Plain(file)) => file.flush(),
            Some(Packed::Gzip(packing)) => packing.flush(),
            None => Ok(()),
        }
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if self.output.is_some() {
            // Half a file is of no use to anybody.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}
