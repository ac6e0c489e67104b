//! Folds price ticks into cells of spans, so that questions read few of them one by one.

use chrono::NaiveDate;

use crate::{
    store::{
        Connection, Database,
        fold_prices::{FoldedPrices, fold_prices},
        price_cells::CellKey,
        rewrite_prices::BrokenCells,
    },
    upkeep::UpkeepError,
};

/// Notes of changed units that one tx takes at most: bounds its memory and how long it lasts.
pub const FOLDED_UNITS_MAX: i64 = 20_000;

/// Folds price ticks on a connection of its own.
pub struct PriceFolding {
    database: Database,
    client: Option<Connection>,
    /// Days whose changes wait, as they were last told.
    waiting: Vec<NaiveDate>,
}

impl PriceFolding {
    /// Folds those of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self { database, client: None, waiting: Vec::new() }
    }

    /// Folds the units that are over until none has changed; returns how many notes of changes it
    /// took. Does nothing while another server folds. A cell that cannot be read is built anew, or
    /// noted if that cannot be done, and told either way; it stops nobody else's.
    ///
    /// # Errors
    /// If the database refuses; what was committed stays folded.
    pub async fn fold(&mut self) -> Result<usize, UpkeepError> {
        // Taken out: a connection on which something failed is not used again.
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => self.database.connect().await?,
        };
        let (folded, waiting) = fold_until_done(&client, false).await?;
        if waiting != self.waiting {
            if let Some(first) = waiting.first() {
                let days = waiting.len();
                tracing::warn!(days, %first, "prices changed on days that were detached or \
                    dropped: they are folded when the days are back");
            }
            self.waiting = waiting;
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
    Ok(fold_until_done(&client, true).await?.0)
}

/// How many notes of changes were taken, and the days whose changes wait.
async fn fold_until_done(
    client: &Connection,
    with_present: bool,
) -> Result<(usize, Vec<NaiveDate>), UpkeepError> {
    let (mut folded, mut waiting) = (0, Vec::new());
    while let FoldedPrices::Folded { count, waiting: days, broken } =
        fold_prices(client, FOLDED_UNITS_MAX, with_present).await?
    {
        tell(&broken);
        folded += count;
        waiting = days;
        if count == 0 {
            break;
        }
    }
    Ok((folded, waiting))
}

/// Names each cell that could not be read.
fn tell(BrokenCells { mended, lost }: &BrokenCells) {
    for CellKey { span, group } in mended {
        tracing::error!(
            level = span.level,
            span = span.number,
            group,
            "a cell of prices could not be read and was built anew"
        );
    }
    for CellKey { span, group } in lost {
        tracing::error!(
            level = span.level,
            span = span.number,
            group,
            "a cell of prices cannot be read, and ticks that it is made of are not at hand: run \
             `daybook audit --repair` once they are"
        );
    }
}
