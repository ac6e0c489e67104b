//! `daybook import`: a mapping, a file, and what became of its lines in words.

mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, anyhow, bail};

use crate::{
    app::{
        checks, database,
        import::report::{
            Progress, describe, describe_dry_run, describe_price, describe_transaction, tell,
        },
        tools,
    },
    cli::ImportArgs,
    files::{
        columns::{Layout, RowOf},
        dry_run::dry_run,
        import::{
            self, CHUNK_SIZE, RecordRows, prices::PriceImporter, transactions::TransactionImporter,
        },
        mapping::{self, Mapping, MappingError, PriceMapping},
        rejects::RejectFile,
        source::{STDIN, Source},
    },
    ingest::{Ingest, record_prices::PriceOptions},
    store::Database,
    upkeep::server_check,
};

/// Name of the mapping of Daybook's own exports.
const DAYBOOK: &str = "daybook";

/// Exit code where lines were rejected.
const REJECTED: u8 = 2;

/// Rows and lines that a dry run shows.
const SHOWN: usize = 10;

/// Imports a file, or says what an import would do; the exit code says whether lines were
/// rejected.
///
/// # Errors
/// If the mapping is wrong or does not fit, the file cannot be read or the reject file not be
/// written, the database cannot be opened or fails, or a signal came before the end.
pub async fn import(arguments: &ImportArgs) -> anyhow::Result<ExitCode> {
    if arguments.prices {
        let mapping = read_price_mapping(arguments)?;
        let options = PriceOptions {
            replace: arguments.replace,
            whole_chunks_only: false,
            tick_interval_seconds: arguments.tick_interval,
        };
        let recorder = |_, ingest| PriceImporter::new(ingest, options);
        return import_rows(arguments, mapping, describe_price, recorder).await;
    }
    let mapping = read_mapping(arguments)?;
    let rules = mapping.rules;
    let recorder = |database, ingest| TransactionImporter::new(database, ingest, rules);
    import_rows(arguments, mapping, describe_transaction, recorder).await
}

/// Imports the rows that a mapping finds in the file, by a recorder.
async fn import_rows<L: Layout, R: RecordRows<Row = RowOf<L>>>(
    arguments: &ImportArgs,
    mapping: L,
    describe_row: fn(&R::Row) -> String,
    recorder: impl FnOnce(Database, Ingest) -> R,
) -> anyhow::Result<ExitCode> {
    if arguments.dry_run {
        let mut source = Source::open(&arguments.file, mapping, CHUNK_SIZE)?;
        let found = dry_run(&mut source, SHOWN).await?;
        tell(&describe_dry_run(&found, describe_row))?;
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
        let mut recorder = recorder(database, ingest);
        let mut progress = Progress::new(source.bytes_total());
        let told = |outcome, bytes| progress.show(outcome, bytes);
        let outcome = import::import(&mut recorder, &mut source, &mut rejects, told).await;
        progress.finish();
        let outcome = outcome?;
        tell(&describe(outcome, arguments.prices, &rejects))?;
        Ok(code(outcome.rejected))
    })
    .await
}

fn code(rejected: u64) -> ExitCode {
    if rejected == 0 { ExitCode::SUCCESS } else { ExitCode::from(REJECTED) }
}

/// The mapping of a file with transactions.
fn read_mapping(arguments: &ImportArgs) -> anyhow::Result<Mapping> {
    if let [name] = &arguments.map[..]
        && name == DAYBOOK
    {
        return Ok(Mapping::of_exports()?);
    }
    let mapping = named_mapping(arguments, Mapping::parse)?;
    mapping.ok_or_else(|| {
        anyhow!("--map-file or --map is wanted: which column is what? See docs/import.md")
    })
}

/// The mapping of a file with prices, which has usual names for its columns.
fn read_price_mapping(arguments: &ImportArgs) -> anyhow::Result<PriceMapping> {
    let mapping = named_mapping(arguments, PriceMapping::parse)?;
    mapping.map_or_else(|| Ok(PriceMapping::parse("")?), Ok)
}

/// The mapping that the command line names, if it does.
fn named_mapping<M>(
    arguments: &ImportArgs,
    parse: fn(&str) -> Result<M, MappingError>,
) -> anyhow::Result<Option<M>> {
    if let Some(path) = &arguments.map_file {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let mapping = parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        return Ok(Some(mapping));
    }
    let assignments = &arguments.map;
    if assignments.is_empty() {
        return Ok(None);
    }
    if let Some(other) = assignments.iter().find(|one| !one.contains('=')) {
        let or = if arguments.prices { "" } else { ", or daybook alone" };
        bail!("--map {other}: must be KEY=VALUE{or}");
    }
    let mapping = parse(&mapping::text_of(assignments)).map_err(|error| {
        let MappingError { line, key, message } = error;
        let assignment = line.and_then(|line| assignments.get(line - 1));
        let place = assignment.map_or(String::new(), |text| format!(" {text}"));
        anyhow!("--map{place}: {}", MappingError { line: None, key, message })
    })?;
    Ok(Some(mapping))
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
