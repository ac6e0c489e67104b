//! Transactions of a file, recorded, and the assets that they name.

use std::sync::Arc;

use crate::{
    domain::{
        asset::{CODE_LENGTH_MAX, is_asset_code},
        transaction::RowRules,
    },
    files::{
        error::FileError,
        import::{ImportOutcome, RecordRows, refused},
        rows::FileRow,
        source::{Chunk, Rejected},
    },
    ingest::{Ingest, RecordOptions},
    store::{Database, assets::Assets},
};

/// Records transactions of files in one database.
pub struct TransactionImporter {
    ingest: Ingest,
    assets: Assets,
    options: RecordOptions,
}

impl TransactionImporter {
    /// Records in this database, by these rules.
    #[must_use]
    pub fn new(database: Database, ingest: Ingest, rules: RowRules) -> Self {
        let options = RecordOptions { create_accounts: true, rules, ..RecordOptions::default() };
        Self { ingest, assets: Assets::new(database), options }
    }
}

impl RecordRows for TransactionImporter {
    type Row = FileRow;

    async fn record(&mut self, chunk: &mut Chunk<FileRow>) -> Result<ImportOutcome, FileError> {
        let rows = std::mem::take(&mut chunk.rows);
        let mut lines = Vec::with_capacity(rows.len());
        let mut transactions = Vec::with_capacity(rows.len());
        self.options.new_assets.clear();
        for (row, raw) in rows {
            match self.check_asset(&row).await? {
                Ok(()) => {
                    lines.push((row.line, raw));
                    transactions.push(row.transaction);
                }
                Err(reason) => chunk.rejected.push(Rejected { line: row.line, reason, raw }),
            }
        }
        let found = self.ingest.record(transactions, &self.options).await?;
        // A file that was imported before, or to a part of it.
        self.options.look_first = found.already_present > 0;
        chunk.rejected.extend(refused(&mut lines, found.refused));
        Ok(ImportOutcome {
            recorded: found.recorded as u64,
            already_present: found.already_present as u64,
            ..ImportOutcome::default()
        })
    }
}

impl TransactionImporter {
    /// Says what is wrong with the asset of a row. One that is missing is recorded with the
    /// first row of it that is, if the mapping tells its decimals.
    async fn check_asset(&mut self, row: &FileRow) -> Result<Result<(), String>, FileError> {
        let options = &mut self.options;
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
