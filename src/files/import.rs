//! Rows of a file, recorded. What a row says is checked here and by `ingest`; what is refused
//! by either goes into the reject file. Killed or stopped at any moment, it can be run again:
//! ids are the file's own or derived from it, and rows that are there are known again.

use std::collections::HashMap;

use crate::{
    domain::asset::{NewAsset, is_asset_code},
    files::{
        error::FileError,
        rejects::RejectFile,
        rows::FileRow,
        source::{Chunk, ChunkSize, Rejected, Source},
    },
    ingest::{CHUNK_ROWS_MAX, Ingest, RecordOptions},
    store::{
        Database,
        create_asset::{CreatedAsset, create_asset},
    },
};

/// How much is recorded together.
pub const CHUNK_SIZE: ChunkSize = ChunkSize { lines: CHUNK_ROWS_MAX, bytes: 1024 * 1024 };

/// Most assets whose decimals are remembered.
const ASSETS_MAX: usize = 10_000;

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
    database: Database,
    ingest: Ingest,
    /// Decimals of assets by their codes.
    decimals: HashMap<String, u32>,
}

impl Importer {
    /// Records in this database.
    #[must_use]
    pub fn new(database: Database, ingest: Ingest) -> Self {
        Self { database, ingest, decimals: HashMap::new() }
    }

    /// Records the rows of a file, a chunk at a time; `told` is called after each with what
    /// became of the file until then, and how many bytes of it were read.
    ///
    /// # Errors
    /// If the file cannot be read or the reject file not be written, the mapping does not fit,
    /// or the database fails. What was recorded stays.
    pub async fn import(
        &mut self,
        source: &mut Source,
        rejects: &mut RejectFile,
        mut told: impl FnMut(ImportOutcome, u64),
    ) -> Result<ImportOutcome, FileError> {
        let mut outcome = ImportOutcome::default();
        let mut options = RecordOptions { create_accounts: true, ..RecordOptions::default() };
        while let Some(chunk) = source.next().await? {
            let done = self.record(chunk, &options, rejects).await?;
            // A file that was imported before, or to a part of it.
            options.look_first = done.already_present > 0;
            outcome.recorded += done.recorded;
            outcome.already_present += done.already_present;
            outcome.rejected += done.rejected;
            told(outcome, source.bytes_read());
        }
        Ok(outcome)
    }

    async fn record(
        &mut self,
        chunk: Chunk,
        options: &RecordOptions,
        rejects: &mut RejectFile,
    ) -> Result<ImportOutcome, FileError> {
        let Chunk { rows, mut rejected } = chunk;
        let mut lines = Vec::with_capacity(rows.len());
        let mut transactions = Vec::with_capacity(rows.len());
        for (row, raw) in rows {
            match self.check_asset(&row).await? {
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

    /// Records the asset of a row if the mapping says how; says what is wrong with it.
    async fn check_asset(&mut self, row: &FileRow) -> Result<Result<(), String>, FileError> {
        let Some(wanted) = row.asset_decimals else { return Ok(Ok(())) };
        let code: &str = &row.transaction.asset_code;
        let decimals = match self.decimals.get(code) {
            Some(&decimals) => decimals,
            None => {
                if !is_asset_code(code) {
                    let reason = "the asset's code must be 1 to 64 characters, no control ones";
                    return Ok(Err(reason.to_owned()));
                }
                let (name, decimals) = (code.to_owned(), wanted);
                let new = NewAsset { code: name.clone(), name, decimals };
                let decimals = match create_asset(&self.database, &new).await? {
                    CreatedAsset::Recorded(asset) => {
                        tracing::info!(code, decimals = asset.decimals, "recorded the asset");
                        asset.decimals
                    }
                    CreatedAsset::Known(asset) => asset.decimals,
                };
                if self.decimals.len() >= ASSETS_MAX {
                    self.decimals.clear();
                }
                self.decimals.insert(code.to_owned(), decimals);
                decimals
            }
        };
        if decimals == wanted {
            return Ok(Ok(()));
        }
        Ok(Err(format!("the asset is recorded with {decimals} decimals, not {wanted}")))
    }
}
