//! A file read as for an import, with nothing recorded and no database asked.

use crate::files::{
    error::FileError,
    source::{Rejected, Source},
};

/// What an import would record, as far as the file and the mapping tell.
#[derive(Debug)]
pub struct DryRun<Row> {
    /// The first rows.
    pub first_rows: Vec<Row>,
    /// The first lines that are no rows.
    pub first_rejected: Vec<Rejected>,
    /// How many rows there are.
    pub row_count: u64,
    /// How many lines are no rows.
    pub rejected_count: u64,
}

/// Reads a file to its end and keeps so many rows and rejected lines to be shown.
///
/// # Errors
/// If the file cannot be read, or the mapping does not fit it.
pub async fn dry_run<Row: Send + 'static>(
    source: &mut Source<Row>,
    shown: usize,
) -> Result<DryRun<Row>, FileError> {
    let mut found = DryRun {
        first_rows: Vec::new(),
        first_rejected: Vec::new(),
        row_count: 0,
        rejected_count: 0,
    };
    while let Some(chunk) = source.next().await? {
        found.row_count += chunk.rows.len() as u64;
        found.rejected_count += chunk.rejected.len() as u64;
        let rows_left = shown - found.first_rows.len();
        found.first_rows.extend(chunk.rows.into_iter().take(rows_left).map(|(row, _)| row));
        let rejected_left = shown - found.first_rejected.len();
        found.first_rejected.extend(chunk.rejected.into_iter().take(rejected_left));
    }
    Ok(found)
}
