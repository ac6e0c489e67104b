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
        let database = Database::new(&opened.owner_target, &common.pool)?;
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
            None => write_rows(&database, &question, io::stdout(), told).await?.0,
            Some(path) => {
                let (file, output) = WholeFile::create(path)?;
                let (rows, output) = write_rows(&database, &question, output, told).await?;
                file.finish(output)?;
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

/// A file that has its name only when it is whole. Dropped before, it is removed: half a file
/// is of no use to anybody.
struct WholeFile {
    unfinished: Option<PathBuf>,
    path: PathBuf,
}

/// What is written into it; packed if the name ends in `.gz`.
enum Packed {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl WholeFile {
    fn create(path: &Path) -> anyhow::Result<(Self, Packed)> {
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
        Ok((Self { unfinished: Some(unfinished), path: path.to_owned() }, output))
    }

    fn finish(mut self, output: Packed) -> anyhow::Result<()> {
        let finished = output.finish().and_then(|file| file.sync_all());
        let renamed = finished.and_then(|()| match &self.unfinished {
            Some(unfinished) => fs::rename(unfinished, &self.path),
            None => Ok(()),
        });
        renamed.with_context(|| self.path.display().to_string())?;
        self.unfinished = None;
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            let _ = fs::remove_file(unfinished);
        }
    }
}

impl Packed {
    fn finish(self) -> io::Result<File> {
        let file = match self {
            Self::Plain(file) => file,
            Self::Gzip(packing) => packing.finish()?,
        };
        Ok(file.into_inner()?)
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(packing) => packing.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(packing) => packing.flush(),
        }
    }
}
