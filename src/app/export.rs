//! `daybook export`: rows as CSV, to standard output or into a file that is there when it is
//! whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, IsTerminal, Stdout, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use flate2::{Compression, write::GzEncoder};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{checks, database, tools},
    cli::ExportArgs,
    domain::{account::AccountKey, price::symbol::SymbolName, window::Window},
    files::{
        export::{ExportProgress, ExportQuestion, ExportSubject, export as write_rows},
        export_prices::{PriceQuestion, export_prices as write_prices},
    },
    store::Database,
    upkeep::server_check,
};

/// What is to be written.
enum Wanted {
    Transactions(ExportQuestion),
    Prices(PriceQuestion),
}

/// Writes the rows of a window.
///
/// # Errors
/// If the question is wrong, what it names is not there, the file cannot be written, the
/// database cannot be opened or fails, or a signal came before the end.
pub async fn export(arguments: &ExportArgs) -> anyhow::Result<()> {
    let wanted = wanted(arguments)?;
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
        let (file, output) = match &arguments.output {
            None => (None, Output::Standard(io::stdout())),
            Some(path) => WholeFile::create(path).map(|(file, output)| (Some(file), output))?,
        };
        let (rows, output) = match &wanted {
            Wanted::Transactions(question) => write_rows(&database, question, output, told).await?,
            Wanted::Prices(question) => write_prices(&database, question, output, told).await?,
        };
        if let Some(file) = file {
            file.finish(output)?;
        }
        bar.finish_and_clear();
        tracing::info!(rows, "exported");
        Ok(())
    })
    .await
}

fn wanted(arguments: &ExportArgs) -> anyhow::Result<Wanted> {
    let all = Window::before(None);
    let start = arguments.from.as_deref().map(|text| instant("--from", text)).transpose()?;
    let end = arguments.to.as_deref().map(|text| instant("--to", text)).transpose()?;
    let window = Window::new(start.unwrap_or(all.start()), end.unwrap_or(all.end()));
    let Some(window) = window else { bail!("--from must lie before --to") };
    if arguments.prices {
        let symbols =
            arguments.symbols.iter().map(|text| symbol(text)).collect::<Result<_, _>>()?;
        return Ok(Wanted::Prices(PriceQuestion { window, symbols }));
    }
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
    let asset_code = arguments.asset.clone();
    Ok(Wanted::Transactions(ExportQuestion { window, subject, asset_code }))
}

fn symbol(text: &str) -> anyhow::Result<SymbolName> {
    SymbolName::parse(text).ok_or_else(|| anyhow!("--symbols: {text:?} {}", SymbolName::RULE))
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

/// What is written into: a file, packed if its name ends in `.gz`, or standard output.
enum Output {
    Standard(Stdout),
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl WholeFile {
    fn create(path: &Path) -> anyhow::Result<(Self, Output)> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let file = File::create(&unfinished).with_context(|| unfinished.display().to_string())?;
        let file = BufWriter::new(file);
        let output = if path.extension().is_some_and(|ending| ending == "gz") {
            Output::Gzip(GzEncoder::new(file, Compression::default()))
        } else {
            Output::Plain(file)
        };
        Ok((Self { unfinished: Some(unfinished), path: path.to_owned() }, output))
    }

    fn finish(mut self, output: Output) -> anyhow::Result<()> {
        let finished = output.finish();
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

impl Output {
    /// Has everything written down.
    fn finish(self) -> io::Result<()> {
        let file = match self {
            Self::Standard(_) => return Ok(()),
            Self::Plain(file) => file,
            Self::Gzip(packing) => packing.finish()?,
        };
        file.into_inner()?.sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(output) => output.write(bytes),
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(packing) => packing.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(output) => output.flush(),
            Self::Plain(file) => file.flush(),
            Self::Gzip(packing) => packing.flush(),
        }
    }
}
