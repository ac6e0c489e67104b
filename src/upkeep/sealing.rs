//! Folds corrections into running totals, so that questions find few of them.

use std::time::Duration;

use crate::{
    domain::running_total::damage::Damaged,
    store::{
        Connection, Database, StoreError, damage,
        sealing::{self, Sealed},
    },
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
    has_told: bool,
}

impl Sealing {
    /// Folds those of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, client: None, has_told: false }
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
        if !self.has_told {
            damage::list(&client).await?.iter().for_each(tell);
            self.has_told = true;
        }
        let mut folded = 0;
        while sealing::backlog(&client, leave.max(1)).await? >= leave.max(1) {
            let Some(rows) = seal_some(&client, SEALED_ROWS_MAX).await? else { break };
            folded += rows as u64;
            if rows == 0 {
                break;
            }
        }
        self.client = Some(client);
        Ok(folded)
    }
}

/// Folds up to `rows_max` corrections; returns how many, `None` if somebody else is folding.
/// Totals that cannot be read are set aside, with all corrections that would change them: one
/// damaged cell stops nobody else's.
///
/// # Errors
/// If the database refuses; then nothing was folded.
pub async fn seal_some(client: &Connection, rows_max: i64) -> Result<Option<usize>, StoreError> {
    loop {
        match sealing::seal(client, rows_max).await? {
            Sealed::Folded(rows) => return Ok(Some(rows)),
            Sealed::Busy => return Ok(None),
            // Each time there is more set aside, and less that can be folded.
            Sealed::Damaged(damaged) => {
                damage::set_aside(client, &damaged).await?;
                damaged.iter().for_each(tell);
            }
        }
    }
}

fn tell(damaged: &Damaged) {
    tracing::error!(%damaged, "running totals are set aside, with their corrections");
}

/// Folds all corrections that there are, up to `rows_max` a tx; returns how many.
///
/// # Errors
/// If the database refuses; what was committed stays folded.
pub async fn seal_once(database: &Database, rows_max: i64) -> Result<u64, StoreError> {
    let client = database.connect().await?;
    let mut folded = 0;
    loop {
        match seal_some(&client, rows_max).await? {
            Some(rows) if rows > 0 => folded += rows as u64,
            Some(_) | None => return Ok(folded),
        }
    }
}
