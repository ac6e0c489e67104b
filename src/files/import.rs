//! Rows of a file, recorded. What a row says is checked here and by `ingest`; what is refused
//! by either goes into the reject file. Killed or stopped at any moment, it can be run again:
//! ids are the file's own or derived from it, and rows that are there are known again.

pub mod prices;
pub mod transactions;

use crate::{
    domain::refusal::Refusal,
    files::{
        error::FileError,
        rejects::RejectFile,
        source::{Chunk, ChunkSize, Rejected, Source},
    },
    ingest::CHUNK_ROWS_MAX,
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
    /// Rows that took the place of others: prices do where that is asked for.
    pub replaced: u64,
    /// Lines that are in the reject file.
    pub rejected: u64,
}

/// Records rows of files in one database.
pub trait RecordRows {
    /// What is recorded.
    type Row: Send + 'static;

    /// Records the rows of a chunk and adds to its rejected lines those that are refused. Says
    /// what became of the others.
    fn record(
        &mut self,
        chunk: &mut Chunk<Self::Row>,
    ) -> impl Future<Output = Result<ImportOutcome, FileError>>;
}

/// Records the rows of a file, a chunk at a time; `told` is called after each with what
/// became of the file until then, and how many bytes of it were read.
///
/// # Errors
/// If the file cannot be read or the reject file not be written, the mapping does not fit,
/// or the database fails. What was recorded stays.
pub async fn import<R: RecordRows>(
    recorder: &mut R,
    source: &mut Source<R::Row>,
    rejects: &mut RejectFile,
    mut told: impl FnMut(ImportOutcome, u64),
) -> Result<ImportOutcome, FileError> {
    let mut outcome = ImportOutcome::default();
    let mut next = source.next().await?;
    // The input is there and the mapping fits it.
    rejects.begin()?;
    while let Some(mut chunk) = next {
        let done = recorder.record(&mut chunk).await?;
        chunk.rejected.sort_by_key(|rejected| rejected.line);
        rejects.add(&chunk.rejected)?;
        outcome.recorded += done.recorded;
        outcome.already_present += done.already_present;
        outcome.replaced += done.replaced;
        outcome.rejected += chunk.rejected.len() as u64;
        told(outcome, source.bytes_read());
        next = source.next().await?;
    }
    Ok(outcome)
}

/// Lines whose rows were refused, by the places of the rows.
fn refused(lines: &mut [(u64, Vec<u8>)], refusals: Vec<Refusal>) -> impl Iterator<Item = Rejected> {
    refusals.into_iter().map(|refusal| {
        let (line, raw) = &mut lines[refusal.index];
        let reason = format!("{} {}", refusal.fault.field, refusal.fault.message);
        Rejected { line: *line, reason, raw: std::mem::take(raw) }
    })
}
