//! Folds days that are loaded into the running totals.

use chrono::NaiveDate;
use tokio::sync::mpsc;

use crate::{
    domain::running_total::rows::RowChange,
    error::Error,
    store::{Database, seed as steps},
};

/// Rows that are folded by one tx, about: more of them rewrite a cell less often, and take
/// more memory.
const SEALED_ROWS: usize = 200_000;

/// A day that is loaded, with what its rows add.
#[derive(Debug)]
pub(super) struct SealedDay {
    /// The day.
    pub(super) day: NaiveDate,
    /// Its rows.
    pub(super) rows: Vec<RowChange>,
}

/// Folds the days that come until no more do.
///
/// # Errors
/// If the database refuses. Days that were not folded are found by the next start.
pub(super) async fn seal_days(
    database: Database,
    mut days: mpsc::Receiver<SealedDay>,
) -> Result<(), Error> {
    let client = database.connect().await?;
    let (mut gathered, mut rows) = (Vec::new(), Vec::new());
    loop {
        let next = days.recv().await;
        let is_last = next.is_none();
        if let Some(next) = next {
            gathered.push(next.day);
            rows.extend(next.rows);
        }
        if !gathered.is_empty() && (is_last || rows.len() >= SEALED_ROWS) {
            steps::seal_days(&client, &gathered, &rows).await?;
            gathered.clear();
            rows.clear();
        }
        if is_last {
            return Ok(());
        }
    }
}
