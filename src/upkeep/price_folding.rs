//! Folds price ticks into cells of spans, so that questions read few of them one by one.

use crate::{
    store::{Connection, Database, fold_prices::fold_prices},
    upkeep::UpkeepError,
};

/// Notes of changed units that one tx takes at most: bounds its memory and how long it lasts.
pub const FOLDED_UNITS_MAX: i64 = 20_000;

/// Folds price ticks on a connection of its own.
pub struct PriceFolding {
    database: Database,
    client: Option<Connection>,
}

impl PriceFolding {
    /// Folds those of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, client: None }
    }

    /// Folds the units that are over until none has changed; returns how many notes of changes it
    /// took. Does nothing while another server folds.
    ///
    /// # Errors
    /// If the database refuses, or a cell cannot be read; what was committed stays folded.
    pub async fn fold(&mut self) -> Result<usize, UpkeepError> {
        // Taken out: a connection on which something failed is not used again.
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.database.connect().await?,
        };
        let mut folded = 0;
        while let Some(count) = fold_prices(&client, FOLDED_UNITS_MAX, false).await? {
            folded += count;
            if count == 0 {
                break;
            }
        }
        self.client = Some(client);
        Ok(folded)
    }
}

/// Folds all that has changed, of units that are not over, too; returns how many notes of changes
/// it took.
///
/// # Errors
/// As for [`PriceFolding::fold`].
pub async fn fold_all(database: &Database) -> Result<usize, UpkeepError> {
    let client = database.connect().await?;
    let mut folded = 0;
    while let Some(count) = fold_prices(&client, FOLDED_UNITS_MAX, true).await? {
        folded += count;
        if count == 0 {
            break;
        }
    }
    Ok(folded)
}
