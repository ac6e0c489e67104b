//! Rows of a file, recorded. What a row says is checked here and by `ingest`; what is refused
//! by either goes into the reject file. Killed or stopped at any moment, it can be run again:
//! ids are the file's own or derived from it, and rows that are there are known again.

use std::sync::Arc;

use crate::{
    domain::{
        asset::{CODE_LENGTH_MAX, is_asset_code},
        transaction::RowRules,
    },
    files::{
        error::FileError,
        rejects::RejectFile,
        rows::FileRow,
        source::{Chunk, ChunkSize, Rejected, Source},
    },
    ingest::{CHUNK_ROWS_MAX, Ingest, RecordOptions},
    store::{Database, assets::Assets},
};

/// How much is recorded together.
pub const CHUNK_SIZE: ChunkSize = ChunkSize { lines: CHUNK_ROWS_MAX, bytes: 1024 * 1024 };

/// What became of a file's rows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ImportOutcome {
    /// Rows that were recorded now.
    pub recorded: u64,
    /// Rows that were there already.
    pub already_present: u64,
    /// Lines that are in the reject file.
    pub rejected: u64,
}

/// Records rows of files in one database.
pub struct Importer {
    ingest: Ingest,
    assets: Assets,
}

impl Importer {
    /// Records in this database.
    #[must_use]
    pub fn new(database: Database, ingest: Ingest) -> Self {
        Self { ingest, assets: Assets::new(database) }
    }

    /// Records the rows of a file, a chunk at a time; `told` is called after each with what
    /// became of the file until then, and how many bytes of it were read.
    ///
    /// # Errors
    /// If the file cannot be read or the reject file not be written, the mapping does not fit,
    /// or the database fails. What was recorded stays.
    pub async fn import(
        &self,
        source: &mut Source,
        rejects: &mut RejectFile,
        mut told: impl FnMut(ImportOutcome, u64),
    ) -> Result<ImportOutcome, FileError> {
        let mut outcome = ImportOutcome::default();
        let mut options = RecordOptions {
            create_accounts: true,
            rules: source.rules(),
            ..RecordOptions::default()
        };
        let mut next = source.next().await?;
        // The input is there and the mapping fits it.
        rejects.begin()?;
        while let Some(chunk) = next {
            let done = self.record(chunk, &mut options, rejects).await?;
            // A file that was imported before, or to a part of it.
            options.look_first = done.already_present > 0;
            outcome.recorded += done.recorded;
            outcome.already_present += done.already_present;
            outcome.rejected += done.rejected;
            told(outcome, source.bytes_read());
            next = source.next().await?;
        }
        Ok(outcome)
    }

    async fn record(
        &self,
        chunk: Chunk,
        options: &mut RecordOptions,
        rejects: &mut RejectFile,
    ) -> Result<ImportOutcome, FileError> {
        let Chunk { rows, mut rejected } = chunk;
        let mut lines = Vec::with_capacity(rows.len());
        let mut transactions = Vec::with_capacity(rows.len());
        options.new_assets.clear();
        for (row, raw) in rows {
            match self.check_asset(&row, options).await? {
                Ok(()) => {
                    lines.push((row.line, raw));
                    transactions.push(row.transaction);
                }
                Err(reason) => rejected.push(Rejected { line: row.line, reason, raw }),
            }
        }
        let found = self.ingest.record(transactions, options).await?;
        for refusal in found.refused {
            let (line, raw) = &mut lines[refusal.index];
            let reason = format!("{} {}", refusal.fault.field, refusal.fault.message);
            rejected.push(Rejected { line: *line, reason, raw: std::mem::take(raw) });
        }
        rejected.sort_by_key(|rejected| rejected.line);
        rejects.add(&rejected)?;
        Ok(ImportOutcome {
            recorded: found.recorded as u64,
            already_present: found.already_present as u64,
            rejected: rejected.len() as u64,
        })
    }

    /// Says what is wrong with the asset of a row. One that is missing is recorded with the
    /// first row of it that is, if the mapping tells its decimals.
    async fn check_asset(
        &self,
        row: &FileRow,
        options: &mut RecordOptions,
    ) -> Result<Result<(), String>, FileError> {
        let Some(wanted) = row.asset_decimals else { return Ok(Ok(())) };
        let code = &row.transaction.asset_code;
        if let Some(&decimals) = options.new_assets.get(code) {
            return Ok(if decimals == wanted {
                Ok(())
            } else {
                Err(format!("the asset has {decimals} decimals in a line before, not {wanted}"))
            });
        }
        if !is_code(code, options.rules) {
            let reason = match options.rules {
                RowRules::New => "the asset's code must be 1 to 64 characters, no control ones",
                RowRules::Recorded => "the asset's code must be 1 to 64 characters, none a NUL",
            };
            return Ok(Err(reason.to_owned()));
        }
        Ok(match self.assets.find(code).await? {
            Some(asset) if asset.decimals == wanted => Ok(()),
            Some(asset) => {
                Err(format!("the asset is recorded with {} decimals, not {wanted}", asset.decimals))
            }
            None => {
                options.new_assets.insert(Arc::clone(code), wanted);
                Ok(())
            }
        })
    }
}

fn is_code(code: &str, rules: RowRules) -> bool {
    match rules {
        RowRules::New => is_asset_code(code),
        RowRules::Recorded => {
            (1..=CODE_LENGTH_MAX).contains(&code.chars().count()) && !code.contains('\0')
        }
    }
}
