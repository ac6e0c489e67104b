//! Prices of a file, recorded.

use crate::{
    files::{
        error::FileError,
        import::{ImportOutcome, RecordRows, refused},
        price_rows::PriceRow,
        source::Chunk,
    },
    ingest::{
        Ingest,
        record_prices::{PriceOptions, PriceOutcome},
    },
};

/// Records prices of files in one database.
pub struct PriceImporter {
    ingest: Ingest,
    options: PriceOptions,
}

impl PriceImporter {
    /// Records with this ingest, as the options say.
    #[must_use]
    pub fn new(ingest: Ingest, options: PriceOptions) -> Self {
        Self { ingest, options }
    }
}

impl RecordRows for PriceImporter {
    type Row = PriceRow;

    async fn record(&mut self, chunk: &mut Chunk<PriceRow>) -> Result<ImportOutcome, FileError> {
        let rows = std::mem::take(&mut chunk.rows).into_iter();
        let (mut lines, prices): (Vec<_>, Vec<_>) =
            rows.map(|(row, raw)| ((row.line, raw), row.price)).unzip();
        let PriceOutcome { recorded, already_present, replaced, refused: refusals } =
            self.ingest.record_prices(prices, &self.options).await?;
        chunk.rejected.extend(refused(&mut lines, refusals));
        Ok(ImportOutcome {
            recorded: recorded as u64,
            already_present: already_present as u64,
            replaced: replaced as u64,
            rejected: 0,
        })
    }
}
