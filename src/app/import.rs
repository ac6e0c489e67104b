//! `daybook import`: a mapping, a file, and what became of its lines in words.

use std::{
    fmt::Write as _,
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use chrono::SecondsFormat;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    app::{checks, database, tools},
    cli::ImportArgs,
    domain::account::AccountKey,
    files::{
        dry_run::{DryRun, dry_run},
        import::{CHUNK_SIZE, ImportOutcome, Importer},
        mapping::{self, Mapping, MappingError},
        rejects::RejectFile,
        rows::FileRow,
        source::{Rejected, STDIN, Source},
    },
    ingest::Ingest,
    store::Database,
    upkeep::server_check,
};

/// Name of the mapping of Daybook's own exports.
const DAYBOOK: &str = "daybook";

/// Exit code where lines were rejected.
const REJECTED: u8 = 2;

/// Rows and lines that a dry run shows.
const SHOWN: usize = 10;

/// Time between two plain lines about progress.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Imports a file, or says what an import would do; the exit code says whether lines were
/// rejected.
///
/// # Errors
/// If the mapping is wrong or does not fit, the file cannot be read or the reject file not be
/// written, the database cannot be opened or fails, or a signal came before the end.
pub async fn import(arguments: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mapping = read_mapping(&arguments.map, arguments.map_file.as_deref())?;
    if arguments.dry_run {
        let mut source = Source::open(&arguments.file, mapping, CHUNK_SIZE)?;
        let found = dry_run(&mut source, SHOWN).await?;
        tell(&describe_dry_run(&found))?;
        return Ok(code(found.rejected_count));
    }
    let common = &arguments.migrate;
    checks::migrate(common)?;
    // Before a server is started for it.
    let mut rejects = RejectFile::new(reject_path(arguments), &arguments.file)?;
    let mut source = Source::open(&arguments.file, mapping, CHUNK_SIZE)?;
    let unfinished = "stopped before the file was imported: start again to go on, what is \
                      recorded is known again";
    tools::until_stopped(&common.database, unfinished, async |opened| {
        let database = Database::new(&opened.owner_target, &common.pool)?;
        server_check::wait(&database, database::patience(&common.database)).await?;
        tools::bring_up(&database, &common.pool, &common.partitions).await?;
        tools::refuse_while_seeding(&database).await?;
        let ingest = Ingest::new(&database, &common.partitions);
        let importer = Importer::new(database, ingest);
        let mut progress = Progress::new(source.bytes_total());
        let outcome = importer
            .import(&mut source, &mut rejects, |outcome, bytes| progress.show(outcome, bytes))
            .await;
        progress.finish();
        let outcome = outcome?;
        tell(&describe(outcome, &rejects))?;
        Ok(code(outcome.rejected))
    })
    .await
}

fn code(rejected: u64) -> ExitCode {
    if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(REJECTED) }
}

/// The mapping that the command line names.
fn read_mapping(map: &[String], map_file: Option<&Path>) -> anyhow::Result<Mapping> {
    if let Some(path) = map_file {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        return Mapping::parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()));
    }
    match map {
        [] => bail!("--map-file or --map is wanted: which column is what? See docs/import.md"),
        [name] if name == DAYBOOK => Ok(Mapping::of_exports()?),
        assignments => {
            if let Some(other) = assignments.iter().find(|one| !one.contains('=')) {
                bail!("--map {other}: must be KEY=VALUE, or daybook alone");
            }
            Mapping::parse(&mapping::text_of(assignments)).map_err(|error| {
                let MappingError { line, key, message } = error;
                let assignment = line.and_then(|line| assignments.get(line - 1));
                let place = assignment.map_or(String::new(), |text| format!(" {text}"));
                anyhow!("--map{place}: {}", MappingError { line: None, key, message })
            })
        }
    }
}

fn reject_path(arguments: &ImportArgs) -> PathBuf {
    if let Some(path) = &arguments.reject_file {
        return path.clone();
    }
    let name = match arguments.file.file_name() {
        Some(name) if arguments.file != Path::new(STDIN) => name.to_string_lossy().into_owned(),
        _ => "stdin".to_owned(),
    };
    PathBuf::from(format!("{name}.rejected.csv"))
}

fn tell(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

fn describe(outcome: ImportOutcome, rejects: &RejectFile) -> String {
    let ImportOutcome { recorded, already_present, rejected } = outcome;
    let mut text = format!(
        "{recorded} rows recorded, {already_present} already present, {rejected} lines rejected\n"
    );
    if rejected > 0 {
        let _ = writeln!(text, "the rejected lines are in {}", rejects.path().display());
    }
    text
}

fn describe_dry_run(found: &DryRun) -> String {
    let mut text = String::new();
    for row in &found.first_rows {
        let _ = writeln!(text, "{}", describe_row(row));
    }
    let shown = found.first_rows.len() as u64;
    if found.row_count > shown {
        let _ = writeln!(text, "... and {} more rows", found.row_count - shown);
    }
    for Rejected { line, reason, .. } in &found.first_rejected {
        let _ = writeln!(text, "line {line} would be rejected: {reason}");
    }
    let shown = found.first_rejected.len() as u64;
    if found.rejected_count > shown {
        let _ = writeln!(text, "... and {} more", found.rejected_count - shown);
    }
    let _ = writeln!(
        text,
        "{} rows could be recorded, {} lines would be rejected; nothing was recorded",
        found.row_count, found.rejected_count
    );
    text
}

fn describe_row(row: &FileRow) -> String {
    let account =
        |key: &AccountKey| format!("{}:{}", key.network().as_str(), key.address().as_str());
    let transaction = &row.transaction;
    let id = transaction.transaction_id.map_or_else(String::new, |id| id.to_string());
    let reference = transaction.reference.as_ref();
    format!(
        "line {}: {} #{} {} {} from {} to {}{}, id {id}",
        row.line,
        transaction.occurred_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        transaction.position,
        transaction.amount,
        transaction.asset_code,
        account(&transaction.sender),
        account(&transaction.receiver),
        reference.map_or_else(String::new, |reference| format!(", reference {reference:?}")),
    )
}

/// How far an import is: a bar on a terminal, plain lines elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    shown_at: Instant,
}

impl Progress {
    fn new(bytes_total: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let (bar, template) = match bytes_total {
                Some(total) => (ProgressBar::new(total), "  import {wide_bar} {msg}, {eta} left"),
                None => (ProgressBar::no_length(), "  import {spinner} {bytes}, {msg}"),
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, shown_at: Instant::now() }
    }

    fn show(&mut self, outcome: ImportOutcome, bytes: u64) {
        let ImportOutcome { recorded, already_present, rejected } = outcome;
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(format!(
                "{recorded} recorded, {already_present} present, {rejected} rejected"
            ));
        } else if self.shown_at.elapsed() >= LINE_INTERVAL {
            self.shown_at = Instant::now();
            tracing::info!(recorded, already_present, rejected, "importing");
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
