//! Folds corrections into running totals, so that questions find few of them.

use std::time::Duration;

use crate::{
    store::{Connection, Database, StoreError, sealing},
    upkeep::UpkeepError,
};

/// Rows that one tx folds at most: bounds its memory and how long it lasts.
pub const SEALED_ROWS_MAX: i64 = 50_000;

/// When corrections are folded.
#[derive(Clone, Copy, Debug)]
pub struct SealingPolicy {
    /// As soon as there are so many.
    pub rows: i64,
    /// However few there are, after this time.
    pub interval: Duration,
}

/// Folds corrections on a connection of its own.
pub struct Sealing {
    database: Database,
    client: Option<Connection>,
}

impl Sealing {
    /// Folds those of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, client: None }
    }

    /// Folds until none, or fewer than `leave`, are left, a bounded number a tx; returns how
    /// many it folded. Does nothing while another server folds.
    ///
    /// # Errors
    /// If the database refuses; what was committed stays folded.
    pub async fn seal(&mut self, leave: i64) -> Result<u64, UpkeepError> {
        // Taken out: a connection on which something failed is not used again.
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.database.connect().await?,
        };
        let mut folded = 0;
        while sealing::backlog(&client, leave.max(1)).await? >= leave.max(1) {
            let Some(rows) = sealing::seal(&client, SEALED_ROWS_MAX).await? else { break };
            folded += rows as u64;
            if rows == 0 {
                break;
            }
        }
        self.client = Some(client);
        Ok(folded)
    }
}

/// Folds all corrections that there are, up to `rows_max` a tx; returns how many.
///
/// # Errors
/// If the database refuses; what was committed stays folded.
pub async fn seal_once(database: &Database, rows_max: i64) -> Result<u64, StoreError> {
    let client = database.connect().await?;
    let mut folded = 0;
    loop {
        match sealing::seal(&client, rows_max).await? {
            Some(rows) if rows > 0 => folded += rows as u64,
            Some(_) | None => return Ok(folded),
        }
    }
}
