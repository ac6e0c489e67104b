//! Days of prices that are dropped: dropping them, and telling them from others that are not at
//! hand.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use tokio_postgres::Client;

use crate::store::{Snapshot, StoreError, statement::statement, tx::Tx};

/// The oldest day of prices that is too old.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OldestPriceDay {
    /// Which day.
    pub day: NaiveDate,
    /// Whether it was dropped; else some of it has to be folded first.
    pub is_dropped: bool,
}

/// Drops the oldest day of prices that lies more than so many days before today, if all of it is
/// folded; `None` if there is none.
///
/// # Errors
/// If the database refuses; a lock that it could not get in time is a conflict.
pub async fn drop_oldest(
    client: &Client,
    retention_days: u32,
) -> Result<Option<OldestPriceDay>, StoreError> {
    let retention_days = i32::try_from(retention_days).unwrap_or(i32::MAX);
    let tx = Tx::begin(client, "price_days_drop_oldest").await?;
    // Whatever the database's default is: what is noted while it waits must be seen.
    tx.batch("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    let dropping = statement!("price_days_drop_oldest").query(client, &[&retention_days]).await;
    match dropping {
        Ok(rows) => {
            tx.commit().await?;
            Ok(rows.first().map(|row| OldestPriceDay {
                day: row.get("oldest_day"),
                is_dropped: row.get("is_dropped"),
            }))
        }
        Err(error) => {
            tx.roll_back().await?;
            Err(error)
        }
    }
}

/// Of these days those that retention dropped.
///
/// # Errors
/// If the database cannot answer.
pub async fn dropped(
    session: &Snapshot,
    days: &[NaiveDate],
) -> Result<BTreeSet<NaiveDate>, StoreError> {
    let rows = session.rows(statement!("price_days_dropped"), &[&days]).await?;
    Ok(rows.iter().map(|row| row.get("day")).collect())
}
